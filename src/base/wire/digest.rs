//! Heads in short, so that two nodes that know the same need say no more.
//!
//! Authors fall into buckets by their keys, and each bucket has a hash of its own. What follows from a
//! difference is `logic::mesh`'s affair.

use crate::base::id::NodeId;
use crate::base::wire::Head;

/// Buckets of authors in a [`Digest`].
pub const BUCKETS: usize = 64;

/// Heads and proofs in short, author by author in buckets, so that a difference in one does not make
/// both sides say all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// For each bucket a hash over the heads of its authors' chains; zero without any.
    pub heads: [u64; BUCKETS],
    /// A hash over the entries that stand by themselves.
    pub proofs: u64,
}

/// The bucket of an author: below [`BUCKETS`]. Keys are evenly spread.
#[must_use]
pub const fn bucket(author: &NodeId) -> usize {
    author.0[0] as usize % BUCKETS
}

impl Digest {
    /// Its length on the wire.
    pub(super) const LENGTH: usize = (BUCKETS + 1) * 8;

    /// The digest of these heads, which are in the order of chains, and of what stands by itself.
    #[must_use]
    pub fn of<'a>(heads: impl Iterator<Item = &'a Head>, proofs: u64) -> Self {
        let mut hashers: [Option<Box<blake3::Hasher>>; BUCKETS] = [const { None }; BUCKETS];
        for Head { chain, sequence, hash, base: _ } in heads {
            let mut bytes = [0; 97];
            bytes[..32].copy_from_slice(&chain.author.0);
            bytes[32..40].copy_from_slice(&chain.incarnation.opened.to_be_bytes());
            bytes[40..56].copy_from_slice(&chain.incarnation.nonce);
            bytes[56] = chain.lane.number();
            bytes[57..65].copy_from_slice(&sequence.to_be_bytes());
            bytes[65..].copy_from_slice(&hash.0);
            hashers[bucket(&chain.author)].get_or_insert_default().update(&bytes);
        }
        let short = |hasher: &Option<Box<blake3::Hasher>>| {
            let hash = hasher.as_ref().map(|hasher| hasher.finalize());
            hash.and_then(|hash| hash.as_bytes().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))).unwrap_or(0)
        };
        Self { heads: std::array::from_fn(|bucket| short(&hashers[bucket])), proofs }
    }

    /// The buckets, one bit each, in which two digests differ.
    #[must_use]
    pub fn differs(&self, other: &Self) -> u64 {
        (0..BUCKETS).filter(|bucket| self.heads[*bucket] != other.heads[*bucket]).fold(0, |bits, bucket| bits | 1 << bucket)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.heads.iter().chain([&self.proofs]).flat_map(|hash| hash.to_be_bytes()).collect()
    }

    pub(super) fn read(bytes: &[u8; Self::LENGTH]) -> Self {
        let hash = |place: usize| bytes[place * 8..].first_chunk().map_or(0, |hash| u64::from_be_bytes(*hash));
        Self { heads: std::array::from_fn(hash), proofs: hash(BUCKETS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{ChainId, EntryHash, Incarnation, Lane};

    #[test]
    fn a_digest_tells_in_which_buckets_heads_differ() {
        let incarnation = Incarnation { opened: 1, nonce: [2; 16] };
        let head = |author, sequence| Head {
            chain: ChainId { author: NodeId([author; 32]), incarnation, lane: Lane::State },
            sequence,
            hash: EntryHash([4; 32]),
            base: 0,
        };
        let all = [head(1, 3), head(2, 5), head(66, 1)];
        let digest = Digest::of(all.iter(), 0);
        assert_eq!(digest.differs(&Digest::of(all.iter(), 1)), 0);
        assert_eq!(digest.differs(&Digest::of([head(1, 4), head(2, 5), head(66, 1)].iter(), 0)), 0b10);
        assert_eq!(digest.differs(&Digest::of(all[..2].iter(), 0)), 0b100, "66 is in the bucket of 2");
        assert_eq!(digest.differs(&Digest::of([].iter(), 0)), 0b110);
        assert_eq!(Digest::of([].iter(), 0).heads, [0; BUCKETS]);
    }
}
