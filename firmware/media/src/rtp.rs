//! RTP packets in place (RFC 3550 section 5.1): reading with every bound checked, writing the fixed header, and telling
//! RTP from what else arrives on the same port (RFC 7983).
//!
//! Nothing here allocates or copies; a payload is a range of the datagram. Header extensions are stepped over, not read:
//! we negotiate none. Sequence numbers and sources are judged in [`crate::stream`].
use std::ops::Range;

/// Octets of the header without CSRC list and extension.
pub const HEADER_LENGTH: usize = 12;
/// Payloads beyond this are refused: 187 ms of G.711, and more than Opus ever puts into one packet. It bounds the slots of the
/// jitter buffer.
pub const PAYLOAD_MAX: usize = 1500;

/// The fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talkspurt, or of a telephone-event.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    pub sequence: u16,
    /// In units of the payload type's clock.
    pub timestamp: u32,
    pub ssrc: u32,
}

/// Whose fault a refused datagram is: always the sender's. The receiver counts it and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than the header, its CSRC list or its extension says.
    Truncated,
    /// Not version 2.
    Version,
    /// The padding count is zero or larger than what it pads.
    Padding,
    /// More than [`PAYLOAD_MAX`] octets.
    TooLarge,
}

/// What a first octet announces (RFC 7983 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstOctet {
    /// 0..=3
    Stun,
    /// 16..=19
    Zrtp,
    /// 20..=63
    Dtls,
    /// 64..=79
    TurnChannel,
    /// 128..=191
    Rtp,
    /// Everything else, and the empty datagram: dropped.
    Unknown,
}

impl FirstOctet {
    /// Judges a datagram by its first octet.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(16..=19) => Self::Zrtp,
            Some(20..=63) => Self::Dtls,
            Some(64..=79) => Self::TurnChannel,
            Some(128..=191) => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

/// True if a datagram that looks like STUN has its magic cookie (RFC 8489 section 5).
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42])
}

/// True if a datagram that looks like RTP is RTCP sharing the port (RFC 5761 section 4: packet types 192 to 223).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram.get(1), Some(192..=223))
}

/// Reads the header and finds the payload, without padding.
///
/// # Errors
/// [`RtpError`] if any length contradicts the datagram's. An empty payload is legal.
pub fn parse(datagram: &[u8]) -> Result<(Header, Range<usize>), RtpError> {
    let Some((fixed, _)) = datagram.split_first_chunk::<HEADER_LENGTH>() else {
        return Err(RtpError::Truncated);
    };
    let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
    if flags >> 6 != 2 {
        return Err(RtpError::Version);
    }
    let mut start = HEADER_LENGTH + usize::from(flags & 0x0f) * 4;
    if flags & 0x10 != 0 {
        let Some(&[_, _, l0, l1]) = datagram.get(start..start + 4) else {
            return Err(RtpError::Truncated);
        };
        start += 4 + usize::from(u16::from_be_bytes([l0, l1])) * 4;
    }
    if start > datagram.len() {
        return Err(RtpError::Truncated);
    }
    let mut end = datagram.len();
    if flags & 0x20 != 0 {
        let count = datagram.last().copied().map_or(0, usize::from);
        if count == 0 || count > end - start {
            return Err(RtpError::Padding);
        }
        end -= count;
    }
    if end - start > PAYLOAD_MAX {
        return Err(RtpError::TooLarge);
    }
    let header = Header {
        marker: kind & 0x80 != 0,
        payload_type: kind & 0x7f,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    Ok((header, start..end))
}

impl Header {
    /// The twelve octets to put before a payload: no CSRC, no extension, no padding.
    pub fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let kind = (self.payload_type & 0x7f) | if self.marker { 0x80 } else { 0 };
        [0x80, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn csrc_extension_and_padding_are_stepped_over() {
        let mut bytes = vec![
            0xb1, 0x80, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, // V=2 P X CC=1
            9, 9, 9, 9, // CSRC
            0xbe, 0xde, 0, 1, 1, 2, 3, 4, // extension of one word
        ];
        bytes.extend_from_slice(b"sound");
        bytes.extend_from_slice(&[0, 0, 3]);
        let (header, payload) = parse(&bytes).unwrap();
        assert_eq!((header.sequence, header.timestamp, header.ssrc, header.marker), (7, 160, 0x0102_0304, true));
        assert_eq!(&bytes[payload], b"sound");
    }

    #[test]
    fn first_octet_tells_stun_dtls_and_rtp_apart() {
        assert_eq!(FirstOctet::of(&[]), FirstOctet::Unknown);
        assert_eq!(FirstOctet::of(&[0, 1]), FirstOctet::Stun);
        assert_eq!(FirstOctet::of(&[22, 254]), FirstOctet::Dtls);
        assert_eq!(FirstOctet::of(&[0x40]), FirstOctet::TurnChannel);
        assert_eq!(FirstOctet::of(&[16]), FirstOctet::Zrtp);
        assert_eq!(FirstOctet::of(&[0x80, 0]), FirstOctet::Rtp);
        assert_eq!(FirstOctet::of(&[0xff]), FirstOctet::Unknown);
        assert!(is_rtcp(&[0x80, 200]) && !is_rtcp(&[0x80, 0x80]));
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_or_refused_within_its_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok((_, payload)) = parse(&bytes) {
                prop_assert!(payload.start >= HEADER_LENGTH && payload.start <= payload.end && payload.end <= bytes.len());
            }
        }

        #[test]
        fn a_written_header_reads_back(marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            prop_assert_eq!(parse(&header.to_bytes()), Ok((header, 12..12)));
        }
    }
}
