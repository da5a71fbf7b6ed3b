-- Format 2: a chain's row says where the chain begins and ends, so that nobody need look for it among its entries.

-- In force is what lies above base, up to head. Rows of entries outside are waste: they are removed little by little and
-- seen by nobody meanwhile. The hashes are those of the entries at base and head, whether they are stored or not; zeros
-- at 0. lamport is that of the entry at head. bytes counts the stored rows of entries, waste included; waste says
-- that there may be some; gone, that the whole chain is, and its row goes with the last entry.
ALTER TABLE chain ADD COLUMN base INTEGER NOT NULL DEFAULT 0 CHECK(0 <= base);
ALTER TABLE chain ADD COLUMN base_hash BLOB NOT NULL CHECK(length(base_hash) = 32)
  DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE chain ADD COLUMN head INTEGER NOT NULL DEFAULT 0 CHECK(base <= head);
ALTER TABLE chain ADD COLUMN head_hash BLOB NOT NULL CHECK(length(head_hash) = 32)
  DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE chain ADD COLUMN lamport INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain ADD COLUMN waste INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chain ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;

UPDATE chain SET
  head = coalesce((SELECT max(sequence) FROM entry WHERE entry.chain = chain.id), 0),
  bytes = (SELECT coalesce(sum(length(entry.bytes)), 0) FROM entry WHERE entry.chain = chain.id);
UPDATE chain SET
  head_hash = (SELECT hash FROM entry WHERE entry.chain = chain.id AND sequence = head),
  -- The Lamport number stands in bytes 131 to 138 of an entry, big-endian.
  lamport = (
    WITH RECURSIVE
      digits(text) AS (SELECT hex(substr(entry.bytes, 131, 8)) FROM entry WHERE entry.chain = chain.id AND sequence = head),
      number(place, value) AS (
        SELECT 0, 0
        UNION ALL
        SELECT place + 1, value * 16 + instr('123456789ABCDEF', substr(text, place + 1, 1)) FROM number, digits WHERE place < 16
      )
    SELECT value FROM number ORDER BY place DESC LIMIT 1
  )
  WHERE 0 < head;

-- The lowest incarnation in force of each author that named one.
CREATE TABLE floor(
  author BLOB PRIMARY KEY CHECK(length(author) = 32),
  opened INTEGER NOT NULL,
  nonce  BLOB NOT NULL CHECK(length(nonce) = 16)
) STRICT, WITHOUT ROWID;

-- Entries that stand by themselves: halves of fork proofs, revocations, retirements; in the order in which they came.
CREATE TABLE proof(
  id    INTEGER PRIMARY KEY,
  hash  BLOB NOT NULL UNIQUE CHECK(length(hash) = 32),
  bytes BLOB NOT NULL CHECK(length(bytes) <= 65536)
) STRICT;
