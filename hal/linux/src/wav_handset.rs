//! A handset made of two WAV files, for machines without a sound card: the microphone hears one file over and over, and
//! what the receiver plays is written to the other. It keeps real time by a [`Beat`].
//!
//! Files stay away from the media thread: the input is read and resampled when it is opened, and the output goes through
//! a ring of fixed size to a thread that writes it. That thread renews the header twice a second, so that the file of a
//! killed process can still be played. [`read`](Audio::read) and [`write`](Audio::write) do not allocate; if the disk
//! stands still for longer than the ring holds, samples are missing in the file, never in the call.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook_hal::sim::Beat;
use offhook_hal::{Audio, AudioError, AudioFormat, PollFd, Route};

/// How long the disk may stand still.
const RING: Duration = Duration::from_secs(8);
/// How often the writing thread looks.
const LOOK: Duration = Duration::from_millis(100);
/// How often it renews the header.
const FLUSH: Duration = Duration::from_millis(500);
/// The longest input [samples per channel]: an hour at 48 kHz.
const LONGEST: u32 = 48_000 * 3_600;

/// An hour, after which a recording ends [s].
const HOUR: u32 = 3_600;

/// Microphone from a file, loudspeaker to a file, for an hour.
#[derive(Debug)]
pub struct WavHandset {
    format: AudioFormat,
    beat: Beat,
    microphone: Vec<i16>,
    /// next sample of the microphone
    at: usize,
    recorder: Option<Recorder>,
}

impl WavHandset {
    /// `input`: mono or more channels, 8 to 32 bit or float, any rate; an empty path is a silent microphone. `output`
    /// is overwritten: mono, 16 bit, in the rate of `format`; an empty path keeps nothing.
    ///
    /// # Errors
    /// [`AudioError::Open`] with the file and what to do.
    pub fn open(input: &Path, output: &Path, format: AudioFormat) -> Result<Self, AudioError> {
        let microphone = if is_none(input) { Vec::new() } else { load(input, format.rate)? };
        if !is_none(output)
            && let (Ok(one), Ok(other)) = (input.canonicalize(), output.canonicalize())
            && one == other
        {
            return Err(refuse(output, "the output would overwrite the input; name another file"));
        }
        let recorder = if is_none(output) { None } else { Some(Recorder::create(output, format.rate)?) };
        Ok(Self { format, beat: Beat::new(format), microphone, at: 0, recorder })
    }

    /// Samples that did not find their way into the output because the disk stood still.
    pub fn missing(&self) -> u64 {
        self.recorder.as_ref().map_or(0, |recorder| recorder.missing.load(Ordering::Relaxed))
    }
}

fn is_none(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn refuse(path: &Path, why: impl std::fmt::Display) -> AudioError {
    AudioError::Open(path.display().to_string(), why.to_string())
}

impl Audio for WavHandset {
    fn format(&self) -> AudioFormat {
        self.format
    }

    fn start(&mut self) -> Result<(), AudioError> {
        self.beat.restart();
        Ok(())
    }

    fn descriptors(&self, _: &mut [PollFd]) -> usize {
        0
    }

    fn ready(&mut self, _: &mut [PollFd]) -> Result<bool, AudioError> {
        Ok(self.beat.is_due())
    }

    fn due(&self, now: Instant) -> Duration {
        self.beat.due(now)
    }

    fn read(&mut self, into: &mut [i16]) -> Result<(), AudioError> {
        for to in into {
            if self.at >= self.microphone.len() {
                self.at = 0;
            }
            *to = self.microphone.get(self.at).copied().unwrap_or(0);
            self.at += 1;
        }
        self.beat.step();
        Ok(())
    }

    fn write(&mut self, from: &[i16]) -> Result<(), AudioError> {
        if let Some(recorder) = &mut self.recorder {
            recorder.push(from);
        }
        Ok(())
    }

    fn queued(&mut self) -> usize {
        0
    }

    fn route(&mut self, _: Route) -> Result<(), AudioError> {
        Ok(())
    }
}

/// The way to the output file.
#[derive(Debug)]
struct Recorder {
    samples: rtrb::Producer<i16>,
    missing: AtomicU64,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    fn create(path: &Path, rate: u32) -> Result<Self, AudioError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(path, spec).map_err(|error| refuse(path, error))?;
        file.flush().map_err(|error| refuse(path, error))?;
        let capacity = usize::try_from(u64::from(rate) * RING.as_secs()).unwrap_or(usize::MAX);
        let (samples, from) = rtrb::RingBuffer::new(capacity);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("wav".into())
            .spawn(move || record(file, from, &stopped))
            .map_err(|error| refuse(path, error))?;
        Ok(Self { samples, missing: AtomicU64::new(0), stop, thread: Some(thread) })
    }

    fn push(&mut self, samples: &[i16]) {
        let mut left = samples.len() as u64;
        for sample in samples {
            if self.samples.push(*sample).is_err() {
                self.missing.fetch_add(left, Ordering::Relaxed);
                return;
            }
            left -= 1;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// The writing thread: until told to stop, then what is left.
fn record<W: Write + Seek>(mut file: hound::WavWriter<W>, mut from: rtrb::Consumer<i16>, stop: &AtomicBool) {
    let mut flushed = Instant::now();
    let mut fresh = false;
    loop {
        let last = stop.load(Ordering::Acquire);
        while let Ok(sample) = from.pop() {
            // A full disk ends the recording, and so does an hour: a phone that stands there for weeks must not fill one.
            // The call goes on, and its samples are counted as missing.
            if file.write_sample(sample).is_err() || file.duration() >= HOUR * file.spec().sample_rate {
                return;
            }
            fresh = true;
        }
        if last {
            let _ = file.finalize();
            return;
        }
        if fresh && flushed.elapsed() >= FLUSH {
            if file.flush().is_err() {
                return;
            }
            flushed = Instant::now();
            fresh = false;
        }
        std::thread::park_timeout(LOOK);
    }
}

/// Reads a file as mono at `rate`.
fn load(path: &Path, rate: u32) -> Result<Vec<i16>, AudioError> {
    let fault = |error: hound::Error| match error {
        hound::Error::IoError(error) => refuse(path, error),
        other => refuse(path, format!("not a WAV file that can be read ({other}); make one with `sox … -b 16 -c 1`")),
    };
    let mut file = hound::WavReader::open(path).map_err(fault)?;
    let spec = file.spec();
    if spec.sample_rate == 0 || spec.channels == 0 || file.duration() > LONGEST {
        return Err(refuse(path, "senseless rate or longer than an hour; cut it"));
    }
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => file.samples::<f32>().collect::<Result<_, _>>().map_err(fault)?,
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1_u64 << spec.bits_per_sample.clamp(1, 32).saturating_sub(1)) as f32;
            let scaled = file.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 * scale));
            scaled.collect::<Result<_, _>>().map_err(fault)?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / f32::from(spec.channels)).collect();
    Ok(resample(&mono, spec.sample_rate, rate).into_iter().map(to_i16).collect())
}

fn to_i16(sample: f32) -> i16 {
    // A cast from float saturates; NaN becomes 0.
    (sample * 32_768.0).round() as i16
}

/// Windowed-sinc resampling, slow and good enough: it runs once, when a file is opened.
fn resample(from: &[f32], rate: u32, to: u32) -> Vec<f32> {
    if rate == to {
        return from.to_vec();
    }
    let step = f64::from(rate) / f64::from(to);
    // Below half of the lower rate, with a little room for the slope of the filter.
    let cutoff = (1.0 / step).min(1.0) * 0.95;
    let reach = (16.0 / cutoff).ceil();
    let length = (from.len() as f64 / step).floor() as usize;
    let at = |index: f64| if index < 0.0 { 0.0 } else { from.get(index as usize).copied().map_or(0.0, f64::from) };
    let one = |position: f64| {
        let (mut sum, mut index) = (0.0, (position - reach).ceil());
        while index <= position + reach {
            let distance = index - position;
            let angle = std::f64::consts::PI * distance * cutoff;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            let window = (std::f64::consts::PI * distance / (2.0 * (reach + 1.0))).cos();
            sum += at(index) * sinc * cutoff * window * window;
            index += 1.0;
        }
        sum as f32
    };
    (0..length).map(|index| one(index as f64 * step)).collect()
}

/// Splits `in.wav,out.wav` as `--audio` takes it; `None` if there is no comma, so that it names an ALSA PCM. A PCM with
/// arguments has commas too (`hw:0,0`): at least one part must end in `.wav`, and no part may be something else.
pub fn file_pair(text: &str) -> Option<(PathBuf, PathBuf)> {
    let (input, output) = text.split_once(',')?;
    let is_wav = |part: &str| Path::new(part).extension().is_some_and(|end| end.eq_ignore_ascii_case("wav"));
    let fits = |part: &str| part.is_empty() || is_wav(part);
    let pair = fits(input) && fits(output) && (is_wav(input) || is_wav(output));
    pair.then(|| (PathBuf::from(input), PathBuf::from(output)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: AudioFormat = AudioFormat { rate: 16_000, period: 160, periods: 3 };

    /// A folder that is gone afterwards.
    struct Folder(PathBuf);
    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("offhook-wav-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
        fn tone(&self, rate: u32, channels: u16, seconds: u32, hz: f64) -> PathBuf {
            let path = self.file("in.wav");
            let spec = hound::WavSpec {
                channels,
                sample_rate: rate,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut file = hound::WavWriter::create(&path, spec).unwrap();
            for index in 0..rate * seconds {
                let phase = f64::from(index) * hz * std::f64::consts::TAU / f64::from(rate);
                for _ in 0..channels {
                    file.write_sample((phase.sin() * 16_000.0) as i16).unwrap();
                }
            }
            file.finalize().unwrap();
            path
        }
    }
    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn share(samples: &[i16], hz: f64) -> f64 {
        let (mut real, mut imaginary, mut all) = (0.0, 0.0, 0.0);
        for (index, sample) in samples.iter().enumerate() {
            let (value, phase) = (f64::from(*sample), index as f64 * hz * std::f64::consts::TAU / 16_000.0);
            real += value * phase.cos();
            imaginary += value * phase.sin();
            all += value * value;
        }
        2.0 * (real * real + imaginary * imaginary) / (samples.len() as f64 * f64::max(all, 1.0))
    }

    fn read(handset: &mut WavHandset, samples: usize) -> Vec<i16> {
        let mut all = vec![0; samples];
        for period in all.chunks_mut(160) {
            handset.read(period).unwrap();
        }
        all
    }

    #[test]
    fn a_tone_of_any_rate_and_channels_keeps_pitch_and_level() {
        for (rate, channels) in [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1)] {
            let folder = Folder::new("pitch");
            let input = folder.tone(rate, channels, 1, 1_000.0);
            let mut handset = WavHandset::open(&input, Path::new(""), FORMAT).unwrap();
            let heard = read(&mut handset, 16_000);
            let middle = &heard[1_600..14_400];
            assert!(share(middle, 1_000.0) > 0.999, "{rate} Hz: {}", share(middle, 1_000.0));
            let peak = middle.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((15_700..=16_300).contains(&peak), "{rate} Hz: {peak}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_filtered_and_not_folded() {
        let folder = Folder::new("alias");
        let input = folder.tone(48_000, 1, 1, 11_000.0);
        let mut handset = WavHandset::open(&input, Path::new(""), FORMAT).unwrap();
        let heard = read(&mut handset, 16_000);
        let peak = heard[1_600..14_400].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(peak < 160, "40 dB down at least: {peak}");
    }

    #[test]
    fn the_microphone_begins_again_at_the_end_of_its_file() {
        let folder = Folder::new("loop");
        let input = folder.tone(16_000, 1, 1, 100.0);
        let mut handset = WavHandset::open(&input, Path::new(""), FORMAT).unwrap();
        let heard = read(&mut handset, 48_000);
        assert_eq!(heard[..16_000], heard[32_000..]);
        assert!(heard.iter().any(|sample| *sample > 15_000));
    }

    #[test]
    fn what_is_played_is_in_the_file_while_it_still_plays_and_in_the_end() {
        let folder = Folder::new("out");
        let output = folder.file("out.wav");
        let mut handset = WavHandset::open(Path::new(""), &output, FORMAT).unwrap();
        let empty = hound::WavReader::open(&output).unwrap();
        assert_eq!((empty.spec().sample_rate, empty.duration()), (16_000, 0));
        let ramp: Vec<i16> = (0..1_600).collect();
        for period in ramp.chunks(160) {
            handset.write(period).unwrap();
        }
        let until = Instant::now() + Duration::from_secs(5);
        let early = loop {
            let file = hound::WavReader::open(&output).unwrap();
            if file.duration() == 1_600 || Instant::now() > until {
                break file.duration();
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(early, 1_600, "a process killed now leaves a playable file");
        handset.write(&[7; 160]).unwrap();
        drop(handset);
        let whole: Vec<i16> = hound::WavReader::open(&output).unwrap().samples().map(Result::unwrap).collect();
        assert_eq!(whole[..1_600], ramp);
        assert_eq!(whole[1_600..], [7; 160]);
    }

    #[test]
    fn a_disk_that_stands_still_costs_samples_in_the_file_only() {
        let (samples, _from) = rtrb::RingBuffer::new(100);
        let mut recorder = Recorder { samples, missing: AtomicU64::new(0), stop: Arc::default(), thread: None };
        recorder.push(&[1; 160]);
        assert_eq!(recorder.missing.load(Ordering::Relaxed), 60);
    }

    #[test]
    fn files_that_cannot_be_are_refused_by_name() {
        let folder = Folder::new("refuse");
        let text = folder.file("notes.wav");
        std::fs::write(&text, "no sound").unwrap();
        let absent = folder.file("absent.wav");
        let input = folder.tone(8_000, 1, 1, 400.0);
        for (input, output) in [
            (text.as_path(), Path::new("")),
            (absent.as_path(), Path::new("")),
            (Path::new(""), Path::new("/nowhere/out.wav")),
            (input.as_path(), input.as_path()),
        ] {
            let Err(AudioError::Open(file, remedy)) = WavHandset::open(input, output, FORMAT) else {
                panic!("{input:?} {output:?}");
            };
            assert!(!file.is_empty() && !remedy.is_empty());
        }
        assert!(hound::WavReader::open(&input).is_ok(), "the input was not touched");
    }

    #[test]
    fn a_pair_of_files_is_told_from_a_pcm_with_commas() {
        assert_eq!(file_pair("a.wav,b.WAV"), Some(("a.wav".into(), "b.WAV".into())));
        assert_eq!(file_pair(",b.wav"), Some(("".into(), "b.wav".into())));
        assert_eq!(file_pair("a.wav,"), Some(("a.wav".into(), "".into())));
        for pcm in ["default", "hw:0,0", "plughw:CARD=Codec,DEV=0", ",", "a.wav,hw:0"] {
            assert_eq!(file_pair(pcm), None, "{pcm}");
        }
    }
}
