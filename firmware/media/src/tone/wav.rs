//! Reader of WAV files (RIFF; "Multimedia Programming Interface and Data Specifications 1.0") for `wav("file")`.
//!
//! PCM of 8 or 16 bits and IMA ADPCM of 4 bits, one or two channels, 4 to 48 kHz, at most a minute. Everything happens when
//! the file is read: two channels become their mean, and the sound is brought to the engine's rate by a windowed sinc, so that
//! playing it is copying. CAF files, 24 bits, floating point, G.711 and MP3 in a WAV file are refused by name.
use std::f32::consts::PI;
use std::sync::Arc;

/// Longest sound [s].
pub const LONGEST: usize = 60;
/// [Hz]
const RATES: std::ops::RangeInclusive<u32> = 4000..=48_000;
/// [samples of the lower rate] on each side of the resampling filter
const REACH: usize = 16;
/// Filters kept at most; a ratio that would need more uses the nearest one.
const MOST_PHASES: u64 = 1024;

const PCM: u16 = 1;
const IMA_ADPCM: u16 = 0x11;
const EXTENSIBLE: u16 = 0xfffe;

/// A sound file, read and at its rate; copies share the samples.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    rate: u32,
    samples: Arc<[i16]>,
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sound({} samples at {} Hz)", self.samples.len(), self.rate)
    }
}

/// Why a file cannot be played, in words for whoever put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundError(pub String);

impl std::fmt::Display for SoundError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SoundError {}

impl Sound {
    /// Reads a WAV file and brings it to `rate` [Hz, 8000 to 192 000].
    ///
    /// # Errors
    /// It is damaged, of a kind that is not read, empty, or longer than [`LONGEST`].
    pub fn read(file: &[u8], rate: u32) -> Result<Self, SoundError> {
        let (from, samples) = decode(file)?;
        let rate = rate.clamp(8000, 192_000);
        let samples = if from == rate { samples } else { resampled(&samples, from, rate) };
        Ok(Self { rate, samples: samples.into() })
    }

    /// [Hz]
    pub fn rate(&self) -> u32 {
        self.rate
    }

    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, SoundError> {
    Err(SoundError(reason.into()))
}

/// What a `fmt ` chunk says.
struct Format {
    coding: u16,
    stereo: bool,
    rate: u32,
    /// [octets] of one sample of every channel, or of one block of ADPCM
    block: usize,
    bits: u16,
}

fn decode(file: &[u8]) -> Result<(u32, Vec<i16>), SoundError> {
    if file.starts_with(b"caff") {
        return refuse("a CAF file; save it as WAV");
    }
    let (Some(b"RIFF"), Some(length), Some(b"WAVE")) = (file.get(..4), u32_at(file, 4), file.get(8..12)) else {
        return refuse("not a WAV file");
    };
    // the length counts from behind itself
    let Some(body) = (length as usize).checked_add(8).and_then(|end| file.get(12..end)) else {
        return refuse("the file is cut off");
    };
    let (mut format, mut frames, mut rest) = (None, None, body);
    while let (Some(name), Some(length)) = (rest.get(..4), u32_at(rest, 4)) {
        let length = length as usize;
        let Some(content) = length.checked_add(8).and_then(|end| rest.get(8..end)) else {
            return refuse(format!("the chunk {:?} is longer than the file", String::from_utf8_lossy(name)));
        };
        match name {
            b"fmt " => format = Some(read_format(content)?),
            b"fact" => frames = u32_at(content, 0).map(|frames| frames as usize),
            b"data" => {
                let Some(format) = format else {
                    return refuse("the samples come before their format");
                };
                return samples(&format, content, frames).map(|samples| (format.rate, samples));
            }
            _ => {}
        }
        // chunks begin at even places
        rest = length.checked_add(8 + length % 2).and_then(|end| rest.get(end..)).unwrap_or_default();
    }
    refuse("there are no samples in the file")
}

fn read_format(content: &[u8]) -> Result<Format, SoundError> {
    let (Some(mut coding), Some(channels), Some(rate), Some(block), Some(bits)) =
        (u16_at(content, 0), u16_at(content, 2), u32_at(content, 4), u16_at(content, 12), u16_at(content, 14))
    else {
        return refuse("the format is cut off");
    };
    if coding == EXTENSIBLE {
        // the coding's old number begins its new name
        coding = u16_at(content, 24).unwrap_or(EXTENSIBLE);
    }
    if !(1..=2).contains(&channels) {
        return refuse(format!("{channels} channels; one or two can be played"));
    }
    if !RATES.contains(&rate) {
        return refuse(format!("{rate} samples a second; 4000 to 48000 can be played"));
    }
    let wide = usize::from(channels) * usize::from(bits / 8);
    match (coding, bits) {
        (PCM, 8 | 16) if usize::from(block) == wide => {}
        (PCM, 8 | 16) => return refuse("the size of a sample contradicts its bits"),
        // each channel: 4 octets of state, then words of 8 samples
        (IMA_ADPCM, 4) if block > 4 * channels && block.is_multiple_of(4 * channels) => {}
        (IMA_ADPCM, 4) => return refuse("the size of a block of ADPCM is impossible"),
        (PCM | IMA_ADPCM, _) => {
            return refuse(format!("{bits} bits a sample; PCM of 8 or 16 and IMA ADPCM of 4 can be played"));
        }
        (coding, _) => return refuse(format!("coding {coding:#06x}; PCM and IMA ADPCM can be played")),
    }
    Ok(Format { coding, stereo: channels == 2, rate, block: block.into(), bits })
}

fn samples(format: &Format, content: &[u8], frames: Option<usize>) -> Result<Vec<i16>, SoundError> {
    let longest = LONGEST * format.rate as usize;
    // a broken last block is no sound
    let blocks = content.len() / format.block;
    let channels = if format.stereo { 2 } else { 1 };
    let per_block = if format.coding == IMA_ADPCM { 1 + (format.block / channels - 4) * 2 } else { 1 };
    let mut total = blocks.saturating_mul(per_block);
    if format.coding == IMA_ADPCM {
        // the last block is filled up, so that only this tells where the sound ends
        total = frames.filter(|frames| *frames > 0).map_or(total, |frames| frames.min(total));
    }
    if total == 0 {
        return refuse("there is no sound in the file");
    }
    if total > longest {
        return refuse(format!("longer than {LONGEST} s"));
    }
    let blocks = total.div_ceil(per_block);
    let mut sound = Vec::with_capacity(blocks * per_block);
    for block in content.chunks_exact(format.block).take(blocks) {
        match (format.coding, format.bits) {
            (IMA_ADPCM, _) => adpcm(block, channels, &mut sound),
            (_, 8) => sound.push(mean(block.iter().map(|&octet| (i16::from(octet) - 128) << 8))),
            _ => sound.push(mean(block.chunks_exact(2).filter_map(|pair| u16_at(pair, 0)).map(u16::cast_signed))),
        }
    }
    sound.truncate(total);
    Ok(sound)
}

fn mean(channels: impl Iterator<Item = i16>) -> i16 {
    let (sum, count) = channels.fold((0, 0), |(sum, count), sample| (sum + i32::from(sample), count + 1));
    (sum / count.max(1)) as i16
}

/// One block of IMA ADPCM: for each channel its first sample and place in the table of steps; then words of eight samples
/// for each channel in turn, low half octets first.
fn adpcm(block: &[u8], channels: usize, sound: &mut Vec<i16>) {
    let Some((head, words)) = block.split_at_checked(4 * channels) else { return };
    let mut states = [(0, 0); 2];
    for (state, head) in states.iter_mut().zip(head.chunks_exact(4)) {
        let first = u16_at(head, 0).unwrap_or_default().cast_signed();
        *state = (i32::from(first), usize::from(head.get(2).copied().unwrap_or_default()).min(STEPS.len() - 1));
    }
    let states = states.get_mut(..channels).unwrap_or_default();
    sound.push(mean(states.iter().map(|state| state.0 as i16)));
    for words in words.chunks_exact(4 * channels) {
        let mut sums = [0i32; 8];
        for (word, state) in words.chunks_exact(4).zip(states.iter_mut()) {
            let codes = word.iter().flat_map(|octet| [octet & 15, octet >> 4]);
            for (sum, code) in sums.iter_mut().zip(codes) {
                *sum += step(state, code);
            }
        }
        sound.extend(sums.map(|sum| (sum / channels as i32) as i16));
    }
}

fn step((value, place): &mut (i32, usize), code: u8) -> i32 {
    let size = STEPS.get(*place).copied().map_or(0, i32::from);
    let mut change = size >> 3;
    for (bit, shift) in [(4, 0), (2, 1), (1, 2)] {
        if code & bit != 0 {
            change += size >> shift;
        }
    }
    *value = (*value + if code & 8 == 0 { change } else { -change }).clamp(-32768, 32767);
    *place = match code & 7 {
        up @ 4.. => (*place + 2 * (usize::from(up) - 3)).min(STEPS.len() - 1),
        _ => place.saturating_sub(1),
    };
    *value
}

/// Step sizes of IMA ADPCM.
const STEPS: [i16; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];

/// Every output sample is a sum over the input around its place, weighted by a sinc that lets the lower of both bands pass.
fn resampled(input: &[i16], from: u32, to: u32) -> Vec<i16> {
    let (from, to) = (u64::from(from), u64::from(to));
    let band = (to as f32 / from as f32).min(1.0) * 0.95;
    let reach = (REACH as u64 * from.max(to)).div_ceil(to) as usize;
    let phases = (to / gcd(from, to)).min(MOST_PHASES);
    let filter = |phase: u64| -> Vec<f32> {
        let shift = phase as f32 / phases as f32;
        let mut taps: Vec<f32> = (0..2 * reach)
            .map(|tap| {
                let place = tap as f32 + 1.0 - reach as f32 - shift;
                let window = (0.5 * PI * place / reach as f32).cos().powi(2);
                let angle = PI * band * place;
                window * if angle.abs() < 1e-6 { 1.0 } else { angle.sin() / angle }
            })
            .collect();
        // constant sound keeps its level
        let sum: f32 = taps.iter().sum();
        taps.iter_mut().for_each(|tap| *tap /= sum);
        taps
    };
    let filters: Vec<Vec<f32>> = (0..phases).map(filter).collect();
    let mut padded = vec![0.0; reach - 1];
    padded.extend(input.iter().map(|&sample| f32::from(sample)));
    padded.resize(padded.len() + reach + 1, 0.0);
    let count = (input.len() as u64 * to).div_ceil(from);
    (0..count)
        .map(|index| {
            let place = index * from;
            let around = padded.get((place / to) as usize..).unwrap_or_default();
            let filter = filters.get((place % to * phases / to) as usize).map_or(&[][..], Vec::as_slice);
            let value: f32 = around.iter().zip(filter).map(|(sample, tap)| sample * tap).sum();
            value.round().clamp(-32768.0, 32767.0) as i16
        })
        .collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
