//! The engine offline, in virtual time: an RTP arrival schedule in, a WAV out, and the other way round.
//!
//! ```text
//! lab encode  <in.wav>  <out.csv>  [--codec pcmu|pcma|g722|opus] [--ptime ms]
//! lab network <in.csv>  <out.csv>  [--loss %] [--duplicates %] [--delay ms] [--jitter ms] [--drift ppm] [--seed n]
//! lab play    <in.csv>  <out.wav>  [--codec …] [--rate Hz] [--jitter-min ms] [--jitter-max ms] [--tail ms]
//! ```
//!
//! A schedule has a line per packet: `arrival time [ms],packet in hexadecimal`; lines that begin with `#` are comments. Any
//! capture can be turned into one. `encode` speaks a WAV (mono, 16 bit, 8, 16 or 48 kHz) through an engine, a period every
//! 10 ms; `network` loses, doubles, delays and reorders (jitter is spread evenly; drift makes the sender's clock slow or fast);
//! `play` lets an engine hear it and prints what its counters say. The same input gives the same output, every time, so quality
//! under loss, jitter and drift is measured in seconds and without a sound card:
//!
//! ```text
//! cargo run -p offhook-media --example lab -- encode voice.wav sent.csv --codec g722
//! cargo run -p offhook-media --example lab -- network sent.csv came.csv --loss 5 --jitter 30
//! cargo run -p offhook-media --example lab -- play came.csv heard.wav --codec g722 --rate 16000
//! ```
#![allow(clippy::disallowed_methods)]
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::engine::{Command, Engine, EngineConfig, Event};
use offhook_media::sdp::{Direction, StreamConfig};
use offhook_media::stream::{Stream, StreamId, StreamOptions};
use std::fmt::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const ID: StreamId = StreamId(1);
const USAGE: &str = "lab encode in.wav out.csv [--codec pcmu] [--ptime 20]
lab network in.csv out.csv [--loss %] [--duplicates %] [--delay ms] [--jitter ms] [--drift ppm] [--seed n]
lab play in.csv out.wav [--codec pcmu] [--rate 8000] [--jitter-min ms] [--jitter-max ms] [--tail ms]";

/// [ms since the start], packet
type Schedule = Vec<(f64, Vec<u8>)>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [verb, from, to, options @ ..] = arguments else { return Err(USAGE.to_owned()) };
    let options = Options::parse(options)?;
    match verb.as_str() {
        "encode" => {
            let (rate, sound) = read_wav(from)?;
            write_schedule(to, &encode(rate, &sound, &options)?)
        }
        "network" => write_schedule(to, &network(read_schedule(from)?, &options)),
        "play" => {
            let sound = play(read_schedule(from)?, &options)?;
            write_wav(to, options.rate, &sound)
        }
        _ => Err(USAGE.to_owned()),
    }
}

struct Options {
    codec: CodecKind,
    ptime: u32,
    rate: u32,
    loss: f64,
    duplicates: f64,
    delay: f64,
    jitter: f64,
    drift: f64,
    seed: u64,
    jitter_min: u32,
    jitter_max: u32,
    tail: f64,
}

impl Options {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut options = Self {
            codec: CodecKind::Pcmu,
            ptime: 20,
            rate: 8000,
            loss: 0.0,
            duplicates: 0.0,
            delay: 0.0,
            jitter: 0.0,
            drift: 0.0,
            seed: 1,
            jitter_min: 0,
            jitter_max: 200,
            tail: 300.0,
        };
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(USAGE.to_owned()) };
            let number = || value.parse::<f64>().map_err(|_| format!("{name} {value}: not a number"));
            match name.as_str() {
                "--codec" => {
                    options.codec = CodecKind::ALL
                        .into_iter()
                        .find(|codec| codec.name().eq_ignore_ascii_case(value))
                        .ok_or_else(|| format!("{value}: no such codec"))?;
                }
                "--ptime" => options.ptime = number()? as u32,
                "--rate" => options.rate = number()? as u32,
                "--loss" => options.loss = number()? / 100.0,
                "--duplicates" => options.duplicates = number()? / 100.0,
                "--delay" => options.delay = number()?,
                "--jitter" => options.jitter = number()?,
                "--drift" => options.drift = number()? / 1e6,
                "--seed" => options.seed = number()? as u64,
                "--jitter-min" => options.jitter_min = number()? as u32,
                "--jitter-max" => options.jitter_max = number()? as u32,
                "--tail" => options.tail = number()?,
                _ => return Err(format!("{name}?\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

fn engine(rate: u32, options: &Options, now: Instant) -> Result<Engine, String> {
    if ![8000, 16_000, 48_000].contains(&rate) {
        return Err(format!("{rate} Hz: the engine runs at 8000, 16000 or 48000"));
    }
    let payload = options.codec.static_payload().unwrap_or(96);
    let config = StreamConfig {
        remote_rtp: Some(peer()),
        remote_rtcp: None,
        codec: options.codec,
        payload,
        receive: vec![(payload, options.codec)],
        opus: OpusParams::default(),
        telephone_event: Some((101, 8000)),
        telephone_event_receive: vec![],
        ptime: options.ptime,
        direction: Direction::SendRecv,
    };
    let stream_options = StreamOptions {
        symmetric: false,
        ssrc: 0x1ab,
        first_sequence: 1,
        first_timestamp: 0,
        cname: "lab".to_owned(),
        dtmf_8k_units: false,
        jitter_min_ms: options.jitter_min,
        jitter_max_ms: options.jitter_max,
    };
    let mut engine = Engine::new(EngineConfig { rate, period: rate as usize / 100, streams: 1 });
    let stream = Stream::new(ID, &config, &stream_options, rate).map_err(|error| format!("{error:?}"))?;
    engine.command(now, Command::Add(stream));
    Ok(engine)
}

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000))
}

fn encode(rate: u32, sound: &[i16], options: &Options) -> Result<Schedule, String> {
    let mut now = Instant::now();
    let start = now;
    let mut engine = engine(rate, options, now)?;
    let period = rate as usize / 100;
    let mut playback = vec![0; period];
    let mut schedule = Schedule::new();
    for captured in sound.chunks(period) {
        now += Duration::from_millis(10);
        engine.period(now, captured, &mut playback, None);
        while let Some(packet) = engine.poll_transmit() {
            schedule.push(((now - start).as_secs_f64() * 1000.0, packet.bytes.to_vec()));
        }
        while engine.poll_event().is_some() {}
    }
    Ok(schedule)
}

fn network(sent: Schedule, options: &Options) -> Schedule {
    let mut state = options.seed.max(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut chance = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut came = Schedule::new();
    for (at, bytes) in sent {
        if chance() < options.loss {
            continue;
        }
        let copies = if chance() < options.duplicates { 2 } else { 1 };
        for _ in 0..copies {
            came.push((at * (1.0 + options.drift) + options.delay + options.jitter * chance(), bytes.clone()));
        }
    }
    came.sort_by(|a, b| a.0.total_cmp(&b.0));
    came
}

fn play(mut schedule: Schedule, options: &Options) -> Result<Vec<i16>, String> {
    schedule.sort_by(|a, b| a.0.total_cmp(&b.0));
    let start = Instant::now();
    let mut engine = engine(options.rate, options, start)?;
    let period = options.rate as usize / 100;
    let end = schedule.last().map_or(0.0, |(at, _)| *at) + options.tail;
    let (mut sound, silence) = (Vec::new(), vec![0; period]);
    let mut packets = schedule.into_iter().peekable();
    let mut longest: f32 = 0.0;
    let mut ms = 0.0;
    while ms < end {
        ms += 10.0;
        while let Some((at, mut bytes)) = packets.next_if(|(at, _)| *at <= ms) {
            engine.receive(start + Duration::from_secs_f64(at / 1000.0), ID, false, peer(), &mut bytes);
        }
        let at = sound.len();
        sound.resize(at + period, 0);
        let now = start + Duration::from_secs_f64(ms / 1000.0);
        engine.period(now, &silence, sound.get_mut(at..).unwrap_or_default(), None);
        longest = longest.max(engine.statistics(ID).map_or(0.0, |statistics| statistics.buffer_ms));
        while engine.poll_transmit().is_some() {}
        while let Some(event) = engine.poll_event() {
            if let Event::Digit { digit, .. } = event {
                println!("{ms:.0} ms: digit {}", digit.to_char());
            }
        }
    }
    if let Some(s) = engine.statistics(ID) {
        println!("received {} lost {} late {} duplicated {}", s.received, s.lost, s.late, s.duplicated);
        println!("malformed {} foreign {} concealed {} ms", s.malformed, s.foreign, s.concealed * 10);
        println!(
            "jitter {:.1} ms, playout delay {:.1} ms at the end, {longest:.1} ms at most",
            s.jitter_ms, s.buffer_ms
        );
    }
    Ok(sound)
}

fn read_schedule(path: &str) -> Result<Schedule, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let mut schedule = Schedule::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = || format!("{path}, line {}: want `ms,hex`", number + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (at, hex) = line.split_once(',').ok_or_else(wrong)?;
        let at: f64 = at.trim().parse().map_err(|_| wrong())?;
        let digits: Option<Vec<u8>> = hex.trim().chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(wrong)?;
        schedule
            .push((at, digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()));
    }
    Ok(schedule)
}

fn write_schedule(path: &str, schedule: &Schedule) -> Result<(), String> {
    let mut text = String::from("# arrival time [ms],packet\n");
    for (at, bytes) in schedule {
        let _ = write!(text, "{at:.3},");
        for octet in bytes {
            let _ = write!(text, "{octet:02x}");
        }
        text.push('\n');
    }
    println!("{} packets", schedule.len());
    std::fs::write(path, text).map_err(|error| format!("{path}: {error}"))
}

fn read_wav(path: &str) -> Result<(u32, Vec<i16>), String> {
    let mut reader = hound::WavReader::open(path).map_err(|error| format!("{path}: {error}"))?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 {
        return Err(format!("{path}: want one channel of 16 bits"));
    }
    let sound: Result<Vec<i16>, _> = reader.samples::<i16>().collect();
    Ok((spec.sample_rate, sound.map_err(|error| format!("{path}: {error}"))?))
}

fn write_wav(path: &str, rate: u32, sound: &[i16]) -> Result<(), String> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let failed = |error: hound::Error| format!("{path}: {error}");
    let mut writer = hound::WavWriter::create(path, spec).map_err(failed)?;
    for &sample in sound {
        writer.write_sample(sample).map_err(failed)?;
    }
    writer.finalize().map_err(failed)
}
