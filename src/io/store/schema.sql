-- Format 1 of a network's journal.db. Later formats are further steps, never edits of this one.

-- network, node: whose journal this is; clean: whether it was closed in order.
CREATE TABLE meta(
  key   TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per author, incarnation and lane. opened is an unsigned number, kept by its bits.
CREATE TABLE chain(
  id     INTEGER PRIMARY KEY,
  author BLOB NOT NULL CHECK(length(author) = 32),
  opened INTEGER NOT NULL,
  nonce  BLOB NOT NULL CHECK(length(nonce) = 16),
  lane   INTEGER NOT NULL,
  UNIQUE(author, opened, nonce, lane)
) STRICT;

-- Entries as they were signed, signature included; hash is that of the signed bytes.
CREATE TABLE entry(
  chain    INTEGER NOT NULL REFERENCES chain(id),
  sequence INTEGER NOT NULL CHECK(0 < sequence),
  hash     BLOB NOT NULL CHECK(length(hash) = 32),
  bytes    BLOB NOT NULL CHECK(length(bytes) <= 65536),
  PRIMARY KEY(chain, sequence)
) STRICT, WITHOUT ROWID;

-- Names of what was looked at, so that a sample need not carry one.
CREATE TABLE target(
  id   INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

-- Raw samples of this node, in the order in which they were taken; removed only from the start.
-- at: wall clock, ms; look: 0 good, 1 poor, 2 bad, 3 unable; time: microseconds.
CREATE TABLE sample(
  id       INTEGER PRIMARY KEY,
  target   INTEGER NOT NULL REFERENCES target(id),
  at       INTEGER NOT NULL,
  look     INTEGER NOT NULL,
  sent     INTEGER NOT NULL,
  received INTEGER NOT NULL,
  time     INTEGER,
  detail   TEXT NOT NULL
) STRICT;
-- An index ends with the row's id, so this one also gives a target's samples in their order.
CREATE INDEX sample_target ON sample(target);
