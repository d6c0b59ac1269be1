//! Tones into files, and what is in a recording.

use crate::case::Outcome;
use crate::wait;
use offhook_media::measure;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Rate of what is written here [Hz].
const RATE: u32 = 16_000;
/// A tone is heard when it stands this far above everything else [dB].
const CLEAR: f64 = 20.0;
/// Length of a piece that is judged by itself [s].
const PIECE: f64 = 0.3;
/// What lies before the samples fits into this [octets].
const HEAD: u64 = 256;
/// Below this it is silence [dBov].
const SILENCE: f64 = -60.0;

/// A sine of `seconds` at -15 dBov.
pub(crate) fn write_tone(path: &Path, hz: f64, seconds: u32) -> Outcome {
    let text = |error: hound::Error| format!("{}: {error}", path.display());
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(path, spec).map_err(text)?;
    for i in 0..seconds * RATE {
        let angle = std::f64::consts::TAU * hz * f64::from(i) / f64::from(RATE);
        file.write_sample((8230.0 * angle.sin()).round() as i16).map_err(text)?;
    }
    file.finalize().map_err(text)
}

/// The first channel of a WAV file that may still be growing (so its header is not believed about the length).
pub(crate) fn read(path: &Path) -> Outcome<(Vec<i16>, u32)> {
    read_since(path, 0)
}

/// As [`read`], from this frame on: a long recording is not read again and again.
pub(crate) fn read_since(path: &Path, first: u64) -> Outcome<(Vec<i16>, u32)> {
    let text = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut recording = Recording::open(path)?;
    recording.file.seek(SeekFrom::Start(recording.begin + first * recording.frame as u64)).map_err(text)?;
    let mut data = Vec::new();
    recording.file.read_to_end(&mut data).map_err(text)?;
    let frames = data.chunks_exact(recording.frame);
    Ok((frames.map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect(), recording.rate))
}

/// Frames in a WAV file that may still be growing.
pub(crate) fn frames(path: &Path) -> Outcome<u64> {
    let recording = Recording::open(path)?;
    let length = recording.file.metadata().map_err(|error| format!("{}: {error}", path.display()))?.len();
    Ok(length.saturating_sub(recording.begin) / recording.frame as u64)
}

/// A WAV file of 16 bits.
struct Recording {
    file: std::fs::File,
    /// where its samples begin [octets]
    begin: u64,
    /// length of a frame [octets]
    frame: usize,
    /// [Hz]
    rate: u32,
}

impl Recording {
    fn open(path: &Path) -> Outcome<Self> {
        let text = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = std::fs::File::open(path).map_err(text)?;
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(text)?;
        let wrong = || format!("{}: not a WAV file with 16 bits", path.display());
        let find = |name: &[u8]| head.windows(4).position(|window| window == name);
        let format = head.get(find(b"fmt ").ok_or_else(wrong)? + 8..).ok_or_else(wrong)?;
        let number = |at: usize| format.get(at..at + 2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).unwrap_or(0);
        let (channels, rate, bits) = (number(2), u32::from(number(4)) | u32::from(number(6)) << 16, number(14));
        if bits != 16 || channels == 0 {
            return Err(wrong());
        }
        let begin = (find(b"data").ok_or_else(wrong)? + 8) as u64;
        Ok(Self { file, begin, frame: 2 * usize::from(channels), rate })
    }
}

/// The last `seconds` of a recording.
pub(crate) fn tail(samples: &[i16], rate: u32, seconds: f64) -> &[i16] {
    &samples[samples.len().saturating_sub((f64::from(rate) * seconds) as usize)..]
}

/// An error unless `hz` stands 20 dB above everything else, at the median of pieces: a machine that also does something
/// else may lose a period of sound now and then on the way to the recording, and that is not what is asked here.
pub(crate) fn ensure_tone(who: &str, samples: &[i16], rate: u32, hz: f64) -> Outcome {
    let pieces = samples.chunks_exact((rate as f64 * PIECE) as usize);
    let mut ratios: Vec<f64> = pieces.map(|piece| measure::tone_ratio_db(piece, rate, hz)).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NEG_INFINITY);
    let level = measure::level_dbov(samples);
    wait::ensure(ratio >= CLEAR && level > -40.0, || {
        format!(
            "{who} should hear {hz} Hz: it stands {ratio:.1} dB above the rest, the strongest is {:.0} Hz, level {level:.0} dBov, {:.1} s",
            measure::strongest(samples, rate),
            samples.len() as f64 / f64::from(rate)
        )
    })
}

/// An error unless there is nothing to hear.
pub(crate) fn ensure_silence(who: &str, samples: &[i16], rate: u32) -> Outcome {
    let level = measure::level_dbov(samples);
    wait::ensure(level < SILENCE, || {
        format!("{who} should hear nothing: {level:.0} dBov, strongest {:.0} Hz", measure::strongest(samples, rate))
    })
}
