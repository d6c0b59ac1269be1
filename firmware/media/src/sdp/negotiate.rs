//! Offer and answer (RFC 3264 sections 5 to 8), with RFC 3551 (static payload types), RFC 4733 (telephone-event), RFC 7587
//! (Opus) and RFC 3605 (rtcp attribute).
use super::parse::{Address, Stream, decimal, parse, payload_type};
use super::{Direction, LocalMedia, SdpError, StreamConfig};
use crate::codec::{CodecKind, OpusParams};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Dynamic payload types of our offers.
const OPUS: u8 = 107;
const TELEPHONE_EVENT_8000: u8 = 101;
const TELEPHONE_EVENT_48000: u8 = 102;

/// Warning codes (RFC 3261 section 20.43).
mod warning {
    pub(super) const NETWORK_PROTOCOL: u16 = 300;
    pub(super) const ADDRESS_FORMAT: u16 = 301;
    pub(super) const TRANSPORT: u16 = 302;
    pub(super) const MEDIA_TYPE: u16 = 304;
    pub(super) const FORMAT: u16 = 305;
    pub(super) const MULTICAST: u16 = 330;
    pub(super) const OTHER: u16 = 399;
}

/// A body for an INVITE, or for a 2xx to an INVITE without one.
pub fn offer(local: &LocalMedia) -> Vec<u8> {
    let mut body = head(local);
    let formats: Vec<(u8, CodecKind)> = codecs(local).map(|codec| (own_payload(codec), codec)).collect();
    let events = own_events(local);
    // without a codec there is nothing to offer; port 0 says so
    let port = if formats.is_empty() { 0 } else { local.rtp.port() };
    let ptime = formats.first().map_or(20, |(_, codec)| codec.packet_time(local.ptime));
    audio(&mut body, local, port, "RTP/AVP", &formats, &events, ptime, local.direction);
    body.into_bytes()
}

/// A body for a re-INVITE or UPDATE: `previous` is what we sent last. Every m= line of it stays in its place (RFC 3264
/// section 8), those we once refused with port 0, and no payload type changes its meaning (section 8.3.2).
pub fn reoffer(local: &LocalMedia, previous: &[u8]) -> Vec<u8> {
    let Ok(description) = parse(previous) else {
        return offer(local);
    };
    let is_audio = |stream: &&Stream<'_>| stream.kind == "audio";
    let active = description.streams.iter().position(|stream| is_audio(&stream) && stream.port > 0);
    let Some(index) = active.or_else(|| description.streams.iter().position(|stream| is_audio(&stream))) else {
        return offer(local);
    };

    let mut body = head(local);
    for (number, stream) in description.streams.iter().enumerate() {
        if number != index {
            refused(&mut body, stream);
            continue;
        }
        let mut used: Vec<u8> = stream.attributes.maps.iter().map(|(payload, ..)| *payload).collect();
        // the number it had, or the usual one, or if that means something else the next free one
        let mut numbered = |name: &str, clock: u32, usual: u8| {
            let before = |(_, known, rate): &&(u8, &str, u32)| known.eq_ignore_ascii_case(name) && *rate == clock;
            if let Some((payload, ..)) = stream.attributes.maps.iter().find(before) {
                return *payload;
            }
            let free = std::iter::once(usual).chain(96..128).find(|number| !used.contains(number)).unwrap_or(usual);
            used.push(free);
            free
        };
        let formats: Vec<_> =
            codecs(local).map(|codec| (numbered(codec.name(), codec.clock(), own_payload(codec)), codec)).collect();
        let events: Vec<_> = own_events(local)
            .into_iter()
            .map(|(usual, clock)| (numbered("telephone-event", clock, usual), clock))
            .collect();
        let port = if formats.is_empty() { 0 } else { local.rtp.port() };
        let ptime = formats.first().map_or(20, |(_, codec)| codec.packet_time(local.ptime));
        audio(&mut body, local, port, stream.protocol, &formats, &events, ptime, local.direction);
    }
    body.into_bytes()
}

/// Their offer: our answer body and the agreed stream. Other m= lines are refused with port 0.
///
/// # Errors
/// `Malformed` if it is no SDP, `NotAcceptable` if no stream in it is one we can do; then the first reason.
pub fn answer(local: &LocalMedia, offer: &[u8]) -> Result<(Vec<u8>, StreamConfig), SdpError> {
    let description = parse(offer)?;
    let mut chosen = None;
    let mut reason = None;
    for (index, stream) in description.streams.iter().enumerate() {
        match agree(local, stream, Role::Answerer) {
            Ok(config) => {
                chosen = Some((index, config));
                break;
            }
            // why the audio cannot be done is of more interest than that a video is there
            Err((kind, error)) => match reason {
                Some((before, _)) if before == "audio" || kind != "audio" => {}
                _ => reason = Some((kind, error)),
            },
        }
    }
    let Some((index, config)) = chosen else {
        return Err(reason.map_or_else(|| no(warning::MEDIA_TYPE, "no audio stream"), |(_, error)| error));
    };

    let mut body = head(local);
    for (number, stream) in description.streams.iter().enumerate() {
        if number == index {
            let formats = [(config.payload, config.codec)];
            let events: Vec<_> = config.telephone_event.into_iter().collect();
            let (port, direction) = (local.rtp.port(), config.direction);
            audio(&mut body, local, port, stream.protocol, &formats, &events, config.ptime, direction);
        } else {
            refused(&mut body, stream);
        }
    }
    Ok((body.into_bytes(), config))
}

/// Their answer to our offer.
///
/// # Errors
/// `Malformed` if it is no SDP, `NotAcceptable` if they refused the stream or answered something else than was offered.
pub fn accept(local: &LocalMedia, answer: &[u8]) -> Result<StreamConfig, SdpError> {
    let description = parse(answer)?;
    // We offer one stream of audio, perhaps among others that stay refused (see `reoffer`).
    let mut audio = description.streams.iter().filter(|stream| stream.kind == "audio");
    let Some(stream) = audio.clone().find(|stream| stream.port > 0).or_else(|| audio.next()) else {
        return Err(no(warning::MEDIA_TYPE, "no audio stream"));
    };
    agree(local, stream, Role::Offerer).map_err(|(_, error)| error)
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Offerer,
    Answerer,
}

/// What both sides can do in one stream. The error has the stream's kind with it.
fn agree<'a>(local: &LocalMedia, stream: &Stream<'a>, role: Role) -> Result<StreamConfig, (&'a str, SdpError)> {
    agree_audio(local, stream, role).map_err(|error| (stream.kind, error))
}

fn agree_audio(local: &LocalMedia, stream: &Stream<'_>, role: Role) -> Result<StreamConfig, SdpError> {
    if stream.kind != "audio" {
        return Err(no(warning::MEDIA_TYPE, "only audio is available"));
    }
    if !["RTP/AVP", "RTP/AVPF"].iter().any(|known| stream.protocol.eq_ignore_ascii_case(known)) {
        return Err(no(warning::TRANSPORT, format!("{} is not available", stream.protocol)));
    }
    if stream.port == 0 {
        return Err(no(warning::OTHER, "the stream is refused (port 0)"));
    }
    if stream.layered {
        return Err(no(warning::OTHER, "a stream over several ports is not available"));
    }

    // codecs both have, in the peer's order, each once
    let mut common: Vec<(u8, CodecKind)> = Vec::new();
    let mut events: Vec<(u8, u32)> = Vec::new();
    for payload in stream.formats.iter().filter_map(|word| payload_type(word)) {
        match format(local, stream, payload, role) {
            Some(Format::Codec(codec))
                if local.codecs.contains(&codec) && !common.iter().any(|(_, known)| *known == codec) =>
            {
                common.push((payload, codec));
            }
            Some(Format::Event(clock))
                if event_wanted(local, clock) && !events.contains(&(payload, clock)) && has_digits(stream, payload) =>
            {
                events.push((payload, clock));
            }
            _ => {}
        }
    }
    let ours_first = role == Role::Answerer && !local.honor_their_order;
    let chosen = if ours_first {
        codecs(local).find_map(|codec| common.iter().find(|(_, theirs)| *theirs == codec))
    } else {
        common.first()
    };
    let Some(&(payload, codec)) = chosen else {
        return Err(no(warning::FORMAT, "no codec in common"));
    };

    // The clock of the codec if there is one (RFC 4733 section 2.1), else 8000, which everybody has.
    let telephone_event =
        [codec.clock(), 8000].into_iter().find_map(|clock| events.iter().find(|(_, theirs)| *theirs == clock)).copied();
    let mut telephone_event_receive: Vec<_> =
        events.iter().copied().filter(|event| Some(*event) != telephone_event).collect();
    let mut receive = match role {
        Role::Answerer => vec![(payload, codec)],
        Role::Offerer => common.clone(),
    };
    if role == Role::Offerer {
        // They should send with the numbers of our offer, whatever numbers their answer has.
        let taken = |number: u8, receive: &[(u8, CodecKind)], events: &[(u8, u32)]| {
            receive.iter().any(|(known, _)| *known == number) || events.iter().any(|(known, _)| *known == number)
        };
        for (_, codec) in &common {
            let number = own_payload(*codec);
            if !taken(number, &receive, &events) {
                receive.push((number, *codec));
            }
        }
        for (number, clock) in own_events(local) {
            let answered = events.iter().any(|(_, theirs)| *theirs == clock);
            if answered && !taken(number, &receive, &events) {
                telephone_event_receive.push((number, clock));
            }
        }
    }

    let attributes = &stream.attributes;
    let address = usable(local, stream.address)?;
    let remote_rtp = address.map(|ip| SocketAddr::new(ip, stream.port));
    let remote_rtcp = match (remote_rtp, attributes.rtcp) {
        (None, _) => None,
        (Some(rtp), Some((port, given))) => {
            // an address that we would not send sound to gets no reports either
            let other = given.and_then(|given| usable(local, Some(given)).ok().flatten());
            Some(SocketAddr::new(other.unwrap_or(rtp.ip()), port))
        }
        (Some(rtp), None) => rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port)),
    };

    let theirs = attributes.direction.unwrap_or(Direction::SendRecv);
    let direction = Direction::new(
        local.direction.sends() && theirs.receives() && remote_rtp.is_some(),
        local.direction.receives() && theirs.sends(),
    );

    let wanted = if local.force_ptime { local.ptime } else { attributes.ptime.unwrap_or(local.ptime) };
    let ptime = codec.packet_time(wanted.min(attributes.maxptime.unwrap_or(u32::MAX)));

    let opus = match codec {
        CodecKind::Opus => opus_agreed(&local.opus, parameters(stream, payload)),
        _ => local.opus.clone(),
    };
    Ok(StreamConfig {
        remote_rtp,
        remote_rtcp,
        codec,
        payload,
        receive,
        opus,
        telephone_event,
        telephone_event_receive,
        ptime,
        direction,
    })
}

enum Format {
    Codec(CodecKind),
    /// telephone-event with its clock [Hz]
    Event(u32),
}

/// What a payload type of theirs stands for.
fn format(local: &LocalMedia, stream: &Stream<'_>, payload: u8, role: Role) -> Option<Format> {
    let Some(&(_, name, clock)) = stream.attributes.maps.iter().find(|(known, ..)| *known == payload) else {
        if let Some(codec) = CodecKind::ALL.into_iter().find(|codec| codec.static_payload() == Some(payload)) {
            return Some(Format::Codec(codec));
        }
        // Some answer our dynamic number without saying again what it is.
        if role == Role::Answerer || payload < 96 {
            return None;
        }
        let codec = codecs(local).find(|codec| own_payload(*codec) == payload).map(Format::Codec);
        let event = || own_events(local).into_iter().find(|(known, _)| *known == payload);
        return codec.or_else(|| event().map(|(_, clock)| Format::Event(clock)));
    };
    if name.eq_ignore_ascii_case("telephone-event") {
        return (clock > 0).then_some(Format::Event(clock));
    }
    let codec = CodecKind::ALL.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))?;
    // G.722's clock is 8000 by an old mistake (RFC 3551 section 4.5.2) that some peers correct
    let right = clock == codec.clock() || codec == CodecKind::G722 && clock == 16000;
    right.then_some(Format::Codec(codec))
}

fn parameters<'a>(stream: &Stream<'a>, payload: u8) -> &'a str {
    let found = stream.attributes.parameters.iter().find(|(known, _)| *known == payload);
    found.map_or("", |(_, parameters)| parameters)
}

/// Whether the events 0 to 11 are among those they take: `0-15`, `0-11,16`; all without a list (RFC 4733 section 2.4.1).
fn has_digits(stream: &Stream<'_>, payload: u8) -> bool {
    let list = parameters(stream, payload).trim().trim_start_matches("events=");
    if list.is_empty() {
        return true;
    }
    let mut covered = 0u32;
    for range in list.split(',').map(str::trim) {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (Some(from), Some(to)) = (decimal(from.trim()), decimal(to.trim())) else {
            continue;
        };
        for event in from..=to.min(15) {
            covered |= 1 << event;
        }
    }
    covered & 0xfff == 0xfff
}

fn event_wanted(local: &LocalMedia, clock: u32) -> bool {
    // 48000 belongs to Opus; other clocks to codecs we do not have
    local.telephone_event && (clock == 8000 || clock == 48000 && !local.telephone_event_8k_only)
}

/// The telephone-events of our offers: payload type and clock [Hz].
fn own_events(local: &LocalMedia) -> Vec<(u8, u32)> {
    let has = |clock: u32| codecs(local).any(|codec| codec.clock() == clock);
    [(TELEPHONE_EVENT_8000, 8000), (TELEPHONE_EVENT_48000, 48000)]
        .into_iter()
        .filter(|(_, clock)| event_wanted(local, *clock) && (has(*clock) || local.telephone_event_8k_only))
        .collect()
}

/// Our codecs in order, each once.
fn codecs(local: &LocalMedia) -> impl Iterator<Item = CodecKind> + '_ {
    let list = &local.codecs;
    list.iter()
        .enumerate()
        .filter(|(index, codec)| list.iter().position(|other| other == *codec) == Some(*index))
        .map(|(_, codec)| *codec)
}

fn own_payload(codec: CodecKind) -> u8 {
    codec.static_payload().unwrap_or(OPUS)
}

/// The address as one we may send to; none for the old way of holding (RFC 3264 section 8.4).
fn usable(local: &LocalMedia, address: Option<Address>) -> Result<Option<IpAddr>, SdpError> {
    let ip = match address {
        None => return Err(no(warning::ADDRESS_FORMAT, "no media address")),
        Some(Address::Unusable) => return Err(no(warning::ADDRESS_FORMAT, "the media address is no IP address")),
        Some(Address::Ip(ip)) => ip,
    };
    if ip.is_unspecified() {
        return Ok(None);
    }
    if ip.is_multicast() {
        return Err(no(warning::MULTICAST, "multicast media is not available"));
    }
    if let IpAddr::V4(v4) = ip {
        let first = v4.octets()[0];
        if first == 0 || first >= 240 {
            return Err(no(warning::ADDRESS_FORMAT, "the media address is no host's"));
        }
    }
    if ip.is_loopback() && !local.allow_loopback {
        return Err(no(warning::OTHER, "loopback media from another host"));
    }
    if ip.is_ipv4() != local.rtp.ip().to_canonical().is_ipv4() {
        return Err(no(warning::NETWORK_PROTOCOL, "the media address is of the other IP version"));
    }
    Ok(Some(ip))
}

/// What we want, within what the peer's fmtp takes (RFC 7587 section 6.1; `axml.opus.02` to `.07`).
fn opus_agreed(ours: &OpusParams, theirs: &str) -> OpusParams {
    let mut agreed = OpusParams { fec: false, dtx: false, ..ours.clone() };
    for parameter in theirs.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match (name.as_str(), decimal(value)) {
            ("maxplaybackrate", Some(rate)) if rate >= 8000 => {
                agreed.max_playback_rate = ours.max_playback_rate.min(rate);
            }
            ("maxaveragebitrate", Some(rate)) if (6000..=510_000).contains(&rate) => agreed.bitrate = Some(rate),
            ("useinbandfec", Some(1)) => agreed.fec = ours.fec,
            ("usedtx", Some(1)) => agreed.dtx = ours.dtx,
            ("cbr", Some(1)) => agreed.cbr = true,
            // stereo and the rest: a phone has one ear
            _ => {}
        }
    }
    agreed
}

/// What we want to receive.
fn opus_wanted(opus: &OpusParams) -> String {
    let mut list = Vec::new();
    if opus.max_playback_rate < 48000 {
        list.push(format!("maxplaybackrate={}", opus.max_playback_rate));
    }
    if let Some(bitrate) = opus.bitrate {
        list.push(format!("maxaveragebitrate={}", bitrate.clamp(6000, 510_000)));
    }
    for (name, set) in [("useinbandfec", opus.fec), ("usedtx", opus.dtx), ("cbr", opus.cbr)] {
        if set {
            list.push(format!("{name}=1"));
        }
    }
    list.join(";")
}

fn head(local: &LocalMedia) -> String {
    let ip = local.rtp.ip().to_canonical();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let (id, version) = (local.session_id, local.session_version);
    format!("v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
}

fn refused(body: &mut String, stream: &Stream<'_>) {
    let format = stream.formats.first().copied().unwrap_or("0");
    // writing to a string cannot fail
    let _ = write!(body, "m={} 0 {} {format}\r\n", stream.kind, stream.protocol);
}

#[expect(clippy::too_many_arguments, reason = "one line of SDP each")]
fn audio(
    body: &mut String,
    local: &LocalMedia,
    port: u16,
    protocol: &str,
    formats: &[(u8, CodecKind)],
    events: &[(u8, u32)],
    ptime: u32,
    direction: Direction,
) {
    // writing to a string cannot fail
    let _ = write!(body, "m=audio {port} {protocol}");
    for payload in formats.iter().map(|(payload, _)| payload).chain(events.iter().map(|(payload, _)| payload)) {
        let _ = write!(body, " {payload}");
    }
    if formats.is_empty() && events.is_empty() {
        body.push_str(" 0");
    }
    body.push_str("\r\n");
    for (payload, codec) in formats {
        let channels = if *codec == CodecKind::Opus { "/2" } else { "" };
        let _ = write!(body, "a=rtpmap:{payload} {}/{}{channels}\r\n", codec.name(), codec.clock());
        let parameters = if *codec == CodecKind::Opus { opus_wanted(&local.opus) } else { String::new() };
        if !parameters.is_empty() {
            let _ = write!(body, "a=fmtp:{payload} {parameters}\r\n");
        }
    }
    for (payload, clock) in events {
        let _ = write!(body, "a=rtpmap:{payload} telephone-event/{clock}\r\na=fmtp:{payload} 0-15\r\n");
    }
    let _ = write!(body, "a=ptime:{ptime}\r\na={}\r\n", direction.name());
}

fn no(code: u16, text: impl Into<String>) -> SdpError {
    SdpError::NotAcceptable(code, text.into())
}
