//! RTCP (RFC 3550 section 6): compound packets read and written in place, and the arithmetic of reports. Nothing allocates.
//!
//! [`Compound::parse`] checks every length before anything is given out, so the iterators behind it cannot run over. Reading
//! knows SR, RR, SDES and BYE; other types (APP, feedback of RFC 4585, XR of RFC 3611) are checked for their outer shape and
//! skipped. [`write`] makes SR or RR with SDES, and BYE. [`Reception`] counts what arrives (appendices A.1, A.3 and A.8).
//! Deciding when to send is left to the stream, which asks [`interval`].
use std::time::Duration;

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const XR: u8 = 207;
/// SDES item of the canonical name
const CNAME: u8 = 1;

/// The RTCP that [`write`] makes is never longer [octets].
pub const LONGEST: usize = 4 + 24 + 24 * 31 + 8 + 258 + 4 + 8;

/// Why a datagram is no RTCP. Count it and drop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpError {
    /// shorter than a header
    Short,
    /// not version 2
    Version,
    /// no packet type of RTCP (192 to 223, RFC 5761 section 4)
    Type,
    /// a packet's length goes past the end, or its contents past its length
    Length,
    /// padding where none may be, or of an impossible length
    Padding,
}

/// A datagram whose packets are all whole.
#[derive(Debug, Clone, Copy)]
pub struct Compound<'a>(&'a [u8]);

impl<'a> Compound<'a> {
    /// Checks the whole datagram.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        if datagram.len() < 4 {
            return Err(RtcpError::Short);
        }
        let mut rest = datagram;
        while !rest.is_empty() {
            let (part, after) = split(rest)?;
            if part.padded && !after.is_empty() {
                return Err(RtcpError::Padding);
            }
            part.check()?;
            rest = after;
        }
        Ok(Self(datagram))
    }

    /// The packets in order.
    pub fn packets(self) -> impl Iterator<Item = Packet<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (part, after) = split(rest).ok()?;
            rest = after;
            Some(part.read())
        })
    }
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packet<'a> {
    SenderReport {
        ssrc: u32,
        sender: Sender,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        ssrc: u32,
        blocks: Blocks<'a>,
    },
    /// Source description; see [`Packet::cname`].
    Description {
        chunks: &'a [u8],
        count: u8,
    },
    Bye {
        sources: &'a [u8],
        reason: &'a [u8],
    },
    /// Some other packet type.
    Other(u8),
}

impl<'a> Packet<'a> {
    /// Of a source description: the canonical name of `ssrc`.
    pub fn cname(self, ssrc: u32) -> Option<&'a [u8]> {
        let Self::Description { chunks, count } = self else {
            return None;
        };
        let mut rest = chunks;
        for _ in 0..count {
            let (source, items, after) = chunk(rest)?;
            if source == ssrc {
                return items.filter(|(kind, _)| *kind == CNAME).map(|(_, text)| text).next();
            }
            rest = after;
        }
        None
    }

    /// Of a goodbye: whether `ssrc` leaves.
    pub fn leaves(self, ssrc: u32) -> bool {
        let Self::Bye { sources, .. } = self else {
            return false;
        };
        sources.chunks_exact(4).any(|source| word(source, 0) == Some(ssrc))
    }
}

/// What a sender tells of itself (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// NTP timestamp, 32.32 fixed point [s]; of a clock that need not be right, only steady
    pub ntp: u64,
    /// the same moment in the units of the RTP clock
    pub rtp: u32,
    /// packets since the start
    pub packets: u32,
    /// payload octets since the start
    pub octets: u32,
}

/// What a receiver tells of a source (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub ssrc: u32,
    /// since the last report [1/256]
    pub fraction_lost: u8,
    /// since the start; 24 bits with sign
    pub lost: i32,
    /// number of cycles in the upper half
    pub highest_sequence: u32,
    /// [units of the RTP clock]
    pub jitter: u32,
    /// middle of the NTP timestamp in the last sender report; 0: none came
    pub last_sr: u32,
    /// since then [1/65536 s]
    pub delay_since_last_sr: u32,
}

/// The report blocks of an SR or RR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blocks<'a>(&'a [u8]);

impl Blocks<'_> {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Report> + '_ {
        self.0.chunks_exact(24).map(|block| {
            let at = |index| word(block, index).unwrap_or(0);
            Report {
                ssrc: at(0),
                fraction_lost: (at(1) >> 24) as u8,
                // sign extension from 24 bits
                lost: (at(1) << 8) as i32 >> 8,
                highest_sequence: at(2),
                jitter: at(3),
                last_sr: at(4),
                delay_since_last_sr: at(5),
            }
        })
    }

    /// The block about `ssrc`.
    pub fn about(&self, ssrc: u32) -> Option<Report> {
        self.iter().find(|report| report.ssrc == ssrc)
    }
}

/// Writes a compound packet into `into`: SR if `sender` is given (else RR) with at most 31 `reports`, SDES with `cname` (cut
/// after 255 octets), and BYE if `bye`. Answers its length in octets; none if it does not fit ([`LONGEST`] always does).
pub fn write(
    into: &mut [u8],
    ssrc: u32,
    sender: Option<&Sender>,
    reports: &[Report],
    cname: &str,
    bye: bool,
) -> Option<usize> {
    let reports = reports.get(..31).unwrap_or(reports);
    let mut out = Writer { into, at: 0 };

    let start = out.header(reports.len(), if sender.is_some() { SR } else { RR })?;
    out.word(ssrc)?;
    if let Some(sender) = sender {
        out.word((sender.ntp >> 32) as u32)?;
        out.word(sender.ntp as u32)?;
        out.word(sender.rtp)?;
        out.word(sender.packets)?;
        out.word(sender.octets)?;
    }
    for report in reports {
        out.word(report.ssrc)?;
        let lost = report.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        out.word(u32::from(report.fraction_lost) << 24 | lost)?;
        out.word(report.highest_sequence)?;
        out.word(report.jitter)?;
        out.word(report.last_sr)?;
        out.word(report.delay_since_last_sr)?;
    }
    out.finish(start)?;

    let cut = (0..=cname.len().min(255)).rev().find(|&end| cname.is_char_boundary(end)).unwrap_or(0);
    let name = cname.as_bytes().get(..cut).unwrap_or_default();
    let start = out.header(1, SDES)?;
    out.word(ssrc)?;
    out.octets(&[CNAME, name.len() as u8])?;
    out.octets(name)?;
    // at least one zero ends the chunk, then up to the next word
    out.octets(&[0])?;
    while !out.at.is_multiple_of(4) {
        out.octets(&[0])?;
    }
    out.finish(start)?;

    if bye {
        let start = out.header(1, BYE)?;
        out.word(ssrc)?;
        out.finish(start)?;
    }
    Some(out.at)
}

/// Counts what arrives from one source (appendices A.1, A.3, A.8).
#[derive(Debug, Clone, Copy, Default)]
pub struct Reception {
    started: bool,
    first_sequence: u16,
    highest: u16,
    cycles: u32,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// arrival minus timestamp of the last packet [units of the RTP clock]
    transit: u32,
    /// sixteen times the jitter [units of the RTP clock]
    jitter: u32,
    last_sr: Option<(u32, Duration)>,
}

impl Reception {
    /// A packet that belongs to the source came. `arrival` is the local time in the units of the RTP clock, from any origin;
    /// duplicates count as received, as the RFC has it.
    pub fn packet(&mut self, sequence: u16, timestamp: u32, arrival: u32) {
        let transit = arrival.wrapping_sub(timestamp);
        self.received += 1;
        if !self.started {
            self.started = true;
            self.first_sequence = sequence;
            self.highest = sequence;
            self.transit = transit;
            return;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead != 0 && ahead < 0x8000 {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1);
            }
            self.highest = sequence;
        }
        let change = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        self.transit = transit;
        self.jitter = self.jitter.saturating_add(change.min(u32::MAX >> 5)) - ((self.jitter + 8) >> 4).min(self.jitter);
    }

    /// A sender report of the source came at `now`, counted from any origin.
    pub fn sender_report(&mut self, sender: &Sender, now: Duration) {
        self.last_sr = Some(((sender.ntp >> 16) as u32, now));
    }

    /// [units of the RTP clock]
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Packets of this source that should have come so far.
    pub fn expected(&self) -> u64 {
        if !self.started {
            return 0;
        }
        let highest = u64::from(self.cycles) << 16 | u64::from(self.highest);
        (highest + 1).saturating_sub(u64::from(self.first_sequence))
    }

    /// Packets that came, with duplicates.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets missing so far; below zero if duplicates came.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// The report block about `ssrc`, this source, at `now`; the fraction lost is that since the last call.
    pub fn report(&mut self, ssrc: u32, now: Duration) -> Report {
        let expected = self.expected();
        let expected_since = expected.saturating_sub(self.expected_before);
        let received_since = self.received - self.received_before;
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since << 8).checked_div(expected_since).unwrap_or(0).min(255);
        let (last_sr, delay) = match self.last_sr {
            Some((middle, at)) => (middle, short(now.saturating_sub(at))),
            None => (0, 0),
        };
        Report {
            ssrc,
            fraction_lost: fraction as u8,
            lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.cycles << 16 | u32::from(self.highest),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr: delay,
        }
    }
}

/// A steady clock's reading as an NTP timestamp (32.32 fixed point): seconds since its origin. Section 4 allows a sender
/// without the time of day to count from any start; only differences are used.
pub fn ntp(elapsed: Duration) -> u64 {
    let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
    elapsed.as_secs() << 32 | fraction
}

/// Round trip from a report about us that arrives at `now` (the clock of [`ntp`]): A - LSR - DLSR (section 6.4.1). None if the
/// peer has had no report of ours, or answers nonsense (more than a minute, less than nothing).
pub fn round_trip(now: Duration, report: &Report) -> Option<Duration> {
    if report.last_sr == 0 {
        return None;
    }
    let now = (ntp(now) >> 16) as u32;
    let units = now.wrapping_sub(report.last_sr).wrapping_sub(report.delay_since_last_sr) as i32;
    // two clocks' rounding may make it a little negative
    let units = if (-66..0).contains(&units) { 0 } else { units };
    (0..60 << 16).contains(&units).then(|| Duration::from_nanos((units as u64 * 1_000_000_000) >> 16))
}

/// When to report next: 5 s on average, half of that before the first report, spread evenly over 50 to 150 % by `chance`
/// (section 6.2 for two participants, 6.3.1).
pub fn interval(first: bool, chance: u32) -> Duration {
    let average = if first { 2500u64 } else { 5000 };
    let percent = 50_000 + u64::from(chance) * 100_000 / u64::from(u32::MAX);
    Duration::from_micros(average * percent / 100)
}

/// [1/65536 s]
fn short(time: Duration) -> u32 {
    u32::try_from(time.as_micros() * 65536 / 1_000_000).unwrap_or(u32::MAX)
}

struct Part<'a> {
    kind: u8,
    count: u8,
    padded: bool,
    /// after the header, without padding
    body: &'a [u8],
}

/// The first packet and what follows it.
fn split(bytes: &[u8]) -> Result<(Part<'_>, &[u8]), RtcpError> {
    let &[first, kind, high, low, ..] = bytes else {
        return Err(RtcpError::Short);
    };
    if first >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    if !(192..=223).contains(&kind) {
        return Err(RtcpError::Type);
    }
    let end = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
    let (Some(body), Some(after)) = (bytes.get(4..end), bytes.get(end..)) else {
        return Err(RtcpError::Length);
    };
    let padded = first & 0x20 != 0;
    let padding = match body.last() {
        Some(&padding) if padded => usize::from(padding),
        _ if padded => return Err(RtcpError::Padding),
        _ => 0,
    };
    if padded && (padding == 0 || padding % 4 != 0 || padding > body.len()) {
        return Err(RtcpError::Padding);
    }
    let body = body.get(..body.len() - padding).unwrap_or_default();
    Ok((Part { kind, count: first & 31, padded, body }, after))
}

impl<'a> Part<'a> {
    fn check(&self) -> Result<(), RtcpError> {
        let count = usize::from(self.count);
        let whole = match self.kind {
            SR => self.body.len() >= 24 + 24 * count,
            RR => self.body.len() >= 4 + 24 * count,
            BYE => match self.body.get(4 * count..) {
                Some(&[length, ref text @ ..]) => usize::from(length) <= text.len(),
                Some([]) => true,
                None => false,
            },
            SDES => {
                let mut rest = Some(self.body);
                for _ in 0..count {
                    rest = rest.and_then(chunk).map(|(_, _, after)| after);
                }
                rest.is_some()
            }
            XR => {
                // RFC 3611 section 3: blocks of whole words
                let mut rest = self.body.get(4..);
                while let Some(&[_, _, high, low, ref after @ ..]) = rest {
                    rest = after.get(usize::from(u16::from_be_bytes([high, low])) * 4..);
                }
                rest.is_some_and(<[u8]>::is_empty)
            }
            _ => true,
        };
        if whole { Ok(()) } else { Err(RtcpError::Length) }
    }

    fn read(&self) -> Packet<'a> {
        let at = |index| word(self.body, index).unwrap_or(0);
        let count = usize::from(self.count);
        let blocks = |from: usize| Blocks(self.body.get(from..from + 24 * count).unwrap_or_default());
        match self.kind {
            SR => Packet::SenderReport {
                ssrc: at(0),
                sender: Sender {
                    ntp: u64::from(at(1)) << 32 | u64::from(at(2)),
                    rtp: at(3),
                    packets: at(4),
                    octets: at(5),
                },
                blocks: blocks(24),
            },
            RR => Packet::ReceiverReport { ssrc: at(0), blocks: blocks(4) },
            SDES => Packet::Description { chunks: self.body, count: self.count },
            BYE => {
                let (sources, text) = self.body.split_at_checked(4 * count).unwrap_or_default();
                let reason = match text {
                    [length, text @ ..] => text.get(..usize::from(*length)).unwrap_or_default(),
                    [] => &[],
                };
                Packet::Bye { sources, reason }
            }
            kind => Packet::Other(kind),
        }
    }
}

/// A chunk of a source description: source, items, what follows. None if it runs over.
#[expect(clippy::type_complexity, reason = "used twice, right here")]
fn chunk(bytes: &[u8]) -> Option<(u32, impl Iterator<Item = (u8, &[u8])>, &[u8])> {
    let source = word(bytes, 0)?;
    let items = bytes.get(4..)?;
    let mut length = 0;
    loop {
        match items.get(length..)? {
            // the zero that ends it, and those that fill the word (the source's four octets are one)
            [0, ..] => break,
            &[_, text, ..] => length += 2 + usize::from(text),
            _ => return None,
        }
    }
    let after = items.get(length / 4 * 4 + 4..)?;
    let mut rest = items.get(..length)?;
    let iterator = std::iter::from_fn(move || {
        let (&[kind, size], text) = rest.split_first_chunk::<2>()?;
        let (text, after) = text.split_at_checked(usize::from(size))?;
        rest = after;
        Some((kind, text))
    });
    Some((source, iterator, after))
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.get(index * 4..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

struct Writer<'a> {
    into: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn octets(&mut self, octets: &[u8]) -> Option<()> {
        self.into.get_mut(self.at..self.at + octets.len())?.copy_from_slice(octets);
        self.at += octets.len();
        Some(())
    }

    fn word(&mut self, word: u32) -> Option<()> {
        self.octets(&word.to_be_bytes())
    }

    /// Answers where it is, for [`Self::finish`].
    fn header(&mut self, count: usize, kind: u8) -> Option<usize> {
        let start = self.at;
        self.octets(&[0x80 | count as u8, kind, 0, 0])?;
        Some(start)
    }

    fn finish(&mut self, start: usize) -> Option<()> {
        let words = ((self.at - start) / 4 - 1) as u16;
        self.into.get_mut(start + 2..start + 4)?.copy_from_slice(&words.to_be_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests;
