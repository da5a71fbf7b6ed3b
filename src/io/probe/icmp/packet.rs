//! Bytes of ICMP and `ICMPv6` echo, as pure functions.
//!
//! A request carries an identifier (whose it is), a sequence number (which it is) and a nonce in its
//! payload (that it is not an old one). What comes back is an answer to one of ours, a router's refusal
//! that quotes one of ours, or nothing that concerns us. Sockets and time are the parent's.

use std::fmt;

/// Bytes before the payload.
const HEADER: usize = 8;

/// The version of the internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What a packet says that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The echo of request `sequence`.
    Answer { sequence: u16, nonce: u64 },
    /// Somebody on the way could not deliver request `sequence`.
    Refusal { sequence: u16, why: Refusal },
}

/// Why a request was not delivered: type and code of the ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    family: Family,
    kind: u8,
    code: u8,
}

impl Family {
    const fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    /// The type of an echo reply.
    pub(super) const fn answer(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }

    /// The types of messages about a packet that was not delivered: unreachable, time exceeded, and
    /// in `ICMPv6` packet too big.
    pub(super) const fn refusals(self) -> &'static [u8] {
        match self {
            Self::V4 => &[3, 11],
            Self::V6 => &[1, 2, 3],
        }
    }
}

/// Writes an echo request into `packet`. For `ICMPv6` the kernel fills in the checksum.
pub(super) fn request(family: Family, identifier: u16, sequence: u16, nonce: u64, size: u16, packet: &mut Vec<u8>) {
    packet.clear();
    packet.extend_from_slice(&[family.request(), 0, 0, 0]);
    packet.extend_from_slice(&identifier.to_be_bytes());
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&nonce.to_be_bytes());
    // A payload that is not all zero shows faulty compressing links; eight bytes are the nonce.
    packet.extend((8..usize::from(size)).map(|place| place.to_be_bytes()[7]));
    if family == Family::V4 {
        let sum = checksum(packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Reads a packet. `identifier` is ours, or `None` where the kernel has already chosen by it.
pub(super) fn hear(family: Family, identifier: Option<u16>, packet: &[u8]) -> Option<Heard> {
    let kind = *packet.first()?;
    if kind == family.answer() {
        let sequence = echo(packet, identifier)?;
        let nonce = u64::from_be_bytes(packet.get(HEADER..HEADER + 8)?.try_into().ok()?);
        return Some(Heard::Answer { sequence, nonce });
    }
    if family.refusals().contains(&kind) {
        let quoted = quoted(family, packet.get(HEADER..)?)?;
        let sequence = echo(quoted, identifier).filter(|_| quoted.first() == Some(&family.request()))?;
        return Some(Heard::Refusal { sequence, why: Refusal { family, kind, code: *packet.get(1)? } });
    }
    None
}

/// What lies behind the header of an IPv4 packet, as a raw socket delivers it.
pub(super) fn behind_header(packet: &[u8]) -> Option<&[u8]> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    packet.get(length.max(20)..)
}

/// The ICMP part of a quoted packet.
fn quoted(family: Family, packet: &[u8]) -> Option<&[u8]> {
    const ICMP: u8 = 1;
    const ICMP6: u8 = 58;
    match family {
        Family::V4 => (*packet.get(9)? == ICMP).then(|| behind_header(packet))?,
        Family::V6 => (*packet.get(6)? == ICMP6).then(|| packet.get(40..))?,
    }
}

/// The sequence number of an echo message that is ours.
fn echo(packet: &[u8], identifier: Option<u16>) -> Option<u16> {
    let number = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
    let theirs = number(4)?;
    identifier.is_none_or(|ours| ours == theirs).then(|| number(6))?
}

/// The internet checksum of RFC 1071, over bytes whose checksum field is zero.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum & 0xffff).expect("BUG! masked to 16 bits")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match (self.family, self.kind, self.code) {
            (Family::V4, 3, 0 | 6 | 11) | (Family::V6, 1, 0) => "network unreachable",
            (Family::V4, 3, 1 | 7 | 12) | (Family::V6, 1, 3) => "host unreachable",
            (Family::V4, 3, 9 | 10 | 13) | (Family::V6, 1, 1 | 5) => "forbidden by a firewall",
            (Family::V4, 3, 4) | (Family::V6, 2, _) => "packet too big",
            (Family::V4, 11, _) | (Family::V6, 3, _) => "too many hops",
            (_, kind, code) => return write!(f, "not delivered (ICMP type {kind}, code {code})"),
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo_of(family: Family, size: u16) -> Vec<u8> {
        let mut packet = Vec::new();
        request(family, 0x1234, 7, 42, size, &mut packet);
        packet
    }

    /// A router's message of this type and code about the packet.
    fn refusal_of(family: Family, kind: u8, code: u8, packet: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
        let mut header = vec![0; if family == Family::V4 { 24 } else { 40 }];
        match family {
            Family::V4 => (header[0], header[9]) = (0x46, 1),
            Family::V6 => header[6] = 58,
        }
        message.extend(header);
        message.extend_from_slice(packet);
        message
    }

    #[test]
    fn requests_have_their_size_and_a_checksum_that_sums_to_zero() {
        for size in [16, 17, 56, 65_500] {
            let packet = echo_of(Family::V4, size);
            assert_eq!(packet.len(), HEADER + usize::from(size));
            assert_eq!(checksum(&packet), 0, "size {size}");
        }
    }

    #[test]
    fn answers_are_known_by_identifier_and_carry_sequence_and_nonce() {
        for family in [Family::V4, Family::V6] {
            let mut packet = echo_of(family, 16);
            assert_eq!(hear(family, Some(0x1234), &packet), None, "our own request is no answer");
            packet[0] = family.answer();
            let answer = Some(Heard::Answer { sequence: 7, nonce: 42 });
            assert_eq!(hear(family, Some(0x1234), &packet), answer);
            assert_eq!(hear(family, None, &packet), answer);
            assert_eq!(hear(family, Some(0x4321), &packet), None);
        }
    }

    #[test]
    fn refusals_are_found_by_the_packet_they_quote() {
        let cases = [
            (Family::V4, 3, 1, "host unreachable"),
            (Family::V4, 3, 13, "forbidden by a firewall"),
            (Family::V4, 11, 0, "too many hops"),
            (Family::V4, 3, 99, "not delivered (ICMP type 3, code 99)"),
            (Family::V6, 1, 0, "network unreachable"),
            (Family::V6, 2, 0, "packet too big"),
        ];
        for (family, kind, code, words) in cases {
            let message = refusal_of(family, kind, code, &echo_of(family, 16));
            let Some(Heard::Refusal { sequence: 7, why }) = hear(family, Some(0x1234), &message) else { panic!("{words}") };
            assert_eq!(why.to_string(), words);
            assert_eq!(hear(family, Some(1), &message), None, "somebody else's packet");
        }
    }

    #[test]
    fn cut_off_packets_are_nothing() {
        for family in [Family::V4, Family::V6] {
            let mut answer = echo_of(family, 16);
            answer[0] = family.answer();
            let refusal = refusal_of(family, if family == Family::V4 { 3 } else { 1 }, 0, &echo_of(family, 16)[..8]);
            for packet in [&answer[..16], &refusal[..]] {
                assert!(hear(family, None, packet).is_some());
                for end in 0..packet.len() {
                    assert_eq!(hear(family, None, &packet[..end]), None, "{family:?} cut to {end}");
                    let _ = behind_header(&packet[..end]);
                }
            }
        }
    }
}
