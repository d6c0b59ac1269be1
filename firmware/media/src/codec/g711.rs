//! ITU-T G.711: logarithmic PCM, one octet per sample at 8 kHz, both laws. Tables are worked out by the compiler.
//!
//! Samples are 16 bits with the G.711 value at the top: 14 bits for µ-law, 13 for A-law. No Appendix I (concealment) and no
//! Appendix II (comfort noise).
use super::{Decoder, Encoder};

/// µ-law in both directions; it has no state.
pub(super) struct Mu;

/// A-law in both directions; it has no state.
pub(super) struct A;

impl Encoder for Mu {
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize {
        for (octet, &sample) in into.iter_mut().zip(samples) {
            *octet = MU_OF_LINEAR[usize::from(sample as u16 >> 2)];
        }
        samples.len().min(into.len())
    }
}

impl Decoder for Mu {
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize {
        expand(&LINEAR_OF_MU, packet, into)
    }

    fn conceal(&mut self, _into: &mut [i16]) -> bool {
        false
    }
}

impl Encoder for A {
    fn encode(&mut self, samples: &[i16], into: &mut [u8]) -> usize {
        for (octet, &sample) in into.iter_mut().zip(samples) {
            *octet = A_OF_LINEAR[usize::from(sample as u16 >> 4)];
        }
        samples.len().min(into.len())
    }
}

impl Decoder for A {
    fn decode(&mut self, packet: &[u8], into: &mut [i16]) -> usize {
        expand(&LINEAR_OF_A, packet, into)
    }

    fn conceal(&mut self, _into: &mut [i16]) -> bool {
        false
    }
}

fn expand(table: &[i16; 256], packet: &[u8], into: &mut [i16]) -> usize {
    for (sample, &octet) in into.iter_mut().zip(packet) {
        *sample = table[usize::from(octet)];
    }
    packet.len().min(into.len())
}

static LINEAR_OF_MU: [i16; 256] = linear_of_mu();
static LINEAR_OF_A: [i16; 256] = linear_of_a();
static MU_OF_LINEAR: [u8; 1 << 14] = mu_of_linear();
static A_OF_LINEAR: [u8; 1 << 12] = a_of_linear();

/// Table 2a/2b: chord and step, inverted on the line; the value sits in the middle of its interval.
const fn linear_of_mu() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = !(code as u8);
        let (chord, step) = ((plain >> 4) & 7, (plain & 15) as i16);
        let magnitude = ((33 + 2 * step) << chord) - 33;
        // 14 bits, brought to the top of 16
        table[code] = if plain & 0x80 == 0 { magnitude * 4 } else { -magnitude * 4 };
        code += 1;
    }
    table
}

/// Table 1a/1b: even bits inverted on the line.
const fn linear_of_a() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let plain = code as u8 ^ 0x55;
        let (chord, step) = ((plain >> 4) & 7, (plain & 15) as i16);
        let magnitude = if chord == 0 { 2 * step + 1 } else { (2 * step + 33) << (chord - 1) };
        table[code] = if plain & 0x80 != 0 { magnitude * 8 } else { -magnitude * 8 };
        code += 1;
    }
    table
}

/// Index: the top 14 bits of a sample. Negative values are mirrored by complement, so that -1 falls into the first negative
/// interval as the standard has it.
const fn mu_of_linear() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 13;
        let magnitude = if negative { (1 << 14) - 1 - index } else { index };
        // 33 makes every chord a power of two; 8191 is the end of the last one
        let biased = if magnitude + 33 > 8191 { 8191 } else { magnitude + 33 } as u32;
        let chord = 26 - biased.leading_zeros();
        let step = (biased >> (chord + 1)) & 15;
        let plain = (chord << 4 | step) as u8;
        table[index] = !(if negative { plain | 0x80 } else { plain });
        index += 1;
    }
    table
}

/// Index: the top 12 bits of a sample (the 13th only chooses between equal codes).
const fn a_of_linear() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        let negative = index >= 1 << 11;
        let magnitude = if negative { (1 << 12) - 1 - index } else { index } as u32;
        let plain = if magnitude < 32 {
            // chords 0 and 1 are equally fine
            magnitude
        } else {
            let chord = 28 - magnitude.leading_zeros();
            chord << 4 | (magnitude >> (chord - 1)) & 15
        } as u8;
        table[index] = (if negative { plain } else { plain | 0x80 }) ^ 0x55;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's way of saying it: 8 segments of 16 intervals, whose width doubles; a value is every interval's middle.
    /// Answers (decision value above, output value) for the positive side, in 16-bit units.
    fn intervals(widths: [i32; 8], first: i32, unit: i32) -> Vec<(i32, i32)> {
        let mut list = Vec::new();
        let mut below = 0;
        for (segment, width) in widths.into_iter().enumerate() {
            for interval in 0..16 {
                // µ-law's very first interval is half as wide and its value is 0
                let width = if segment == 0 && interval == 0 { first } else { width };
                let above = below + width;
                let value = if width == 1 { 0 } else { (below + above) / 2 };
                list.push((above * unit, value * unit));
                below = above;
            }
        }
        list
    }

    fn check(
        encode: impl Fn(i16) -> u8,
        decode: impl Fn(u8) -> i16,
        list: &[(i32, i32)],
        code_of: impl Fn(usize, bool) -> u8,
    ) {
        for sample in i16::MIN..=i16::MAX {
            let negative = sample < 0;
            let magnitude = i32::from(if negative { !sample } else { sample });
            let n = list.iter().position(|(above, _)| magnitude < *above).unwrap_or(127);
            assert_eq!(encode(sample), code_of(n, negative), "sample {sample}");
        }
        for (n, (_, value)) in list.iter().enumerate() {
            assert_eq!(i32::from(decode(code_of(n, false))), *value);
            assert_eq!(i32::from(decode(code_of(n, true))), -*value);
        }
    }

    /// Covers: feat.47
    #[test]
    fn mu_law_agrees_with_the_standard_for_every_sample_and_every_code() {
        let list = intervals([2, 4, 8, 16, 32, 64, 128, 256], 1, 4);
        // the last decision value of the standard is 8159
        assert_eq!(list[127], (8159 * 4, 8031 * 4));
        let encode = |sample| {
            let mut octet = [0];
            assert_eq!(Mu.encode(&[sample], &mut octet), 1);
            octet[0]
        };
        let decode = |octet| {
            let mut sample = [0];
            assert_eq!(Mu.decode(&[octet], &mut sample), 1);
            sample[0]
        };
        check(encode, decode, &list, |n, negative| !(n as u8 | u8::from(negative) << 7));
        // RFC 3551: silence is 0xff
        assert_eq!(encode(0), 0xff);
    }

    /// Covers: feat.47
    #[test]
    fn a_law_agrees_with_the_standard_for_every_sample_and_every_code() {
        let list = intervals([2, 2, 4, 8, 16, 32, 64, 128], 2, 8);
        assert_eq!(list[127], (4096 * 8, 4032 * 8));
        let encode = |sample| {
            let mut octet = [0];
            assert_eq!(A.encode(&[sample], &mut octet), 1);
            octet[0]
        };
        let decode = |octet| {
            let mut sample = [0];
            assert_eq!(A.decode(&[octet], &mut sample), 1);
            sample[0]
        };
        check(encode, decode, &list, |n, negative| (n as u8 | u8::from(!negative) << 7) ^ 0x55);
        assert_eq!(encode(0), 0xd5);
    }

    #[test]
    fn a_decoded_value_encodes_to_its_own_code() {
        for code in 0..=255u8 {
            let (mut sample, mut back) = ([0], [0]);
            A.decode(&[code], &mut sample);
            A.encode(&sample, &mut back);
            assert_eq!(back[0], code);
            Mu.decode(&[code], &mut sample);
            Mu.encode(&sample, &mut back);
            // µ-law has two zeros
            assert!(back[0] == code || code == 0x7f && back[0] == 0xff);
        }
    }
}
