//! Tones into files, and what is in a recording.

use crate::case::Outcome;
use crate::wait;
use offhook_media::measure;
use std::path::Path;

/// Rate of what is written here [Hz].
const RATE: u32 = 16_000;
/// A tone is heard when it stands this far above everything else [dB].
const CLEAR: f64 = 20.0;
/// Length of a piece that is judged by itself [s].
const PIECE: f64 = 0.3;
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
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let wrong = || format!("{}: not a WAV file with 16 bits", path.display());
    let find = |name: &[u8]| bytes.windows(4).take(200).position(|window| window == name);
    let format = bytes.get(find(b"fmt ").ok_or_else(wrong)? + 8..).ok_or_else(wrong)?;
    let number = |at: usize| format.get(at..at + 2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).unwrap_or(0);
    let (channels, rate, bits) = (number(2), u32::from(number(4)) | u32::from(number(6)) << 16, number(14));
    if bits != 16 || channels == 0 {
        return Err(wrong());
    }
    let data = bytes.get(find(b"data").ok_or_else(wrong)? + 8..).unwrap_or_default();
    let frames = data.chunks_exact(2 * usize::from(channels));
    Ok((frames.map(|frame| i16::from_le_bytes([frame[0], frame[1]])).collect(), rate))
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
