//! The media of one call: SDP offers and answers (RFC 3264) into streams for the engine. One stream, one pair of
//! ports from the first offer to the end, one o= line whose version goes up with every new description.
//!
//! What the account says about codecs is copied when the call begins: a new setting acts from the next call on.

use crate::chance::Chance;
use crate::phone::MediaId;
use offhook_account::Settings;
use offhook_account::settings::{Codec, OpusOptions};
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::sdp::{self, SdpError};
use offhook_media::stream::StreamOptions;
use offhook_media::{Command, Direction, LocalMedia, Stream, StreamConfig, StreamId};
use std::net::{IpAddr, SocketAddr};

#[derive(Debug)]
pub(crate) struct MediaSession {
    pub(crate) id: MediaId,
    /// What we can do; `rtp` is not true before the ports are bound.
    local: LocalMedia,
    options: StreamOptions,
    bound: bool,
    /// Our offer that waits for its answer.
    open: Option<LocalMedia>,
    /// The description we sent last: a later one has its lines and payload numbers (RFC 3264 section 8).
    sent: Option<Vec<u8>>,
    agreed: Option<StreamConfig>,
    /// What the engine's stream was built from.
    built: Option<StreamConfig>,
    /// What the engine was told last.
    told: Option<Direction>,
}

impl MediaSession {
    /// `metered`: the account's set for links that cost counts.
    pub(crate) fn new(id: MediaId, settings: &Settings, metered: bool, local: IpAddr, chance: &mut Chance) -> Self {
        let set = settings.codecs(metered);
        let session_id = chance.next() >> 2;
        Self {
            id,
            local: LocalMedia {
                rtp: SocketAddr::new(local, 9),
                codecs: codecs(&set.order),
                opus: opus(&set.opus),
                ptime: set.ptime,
                force_ptime: set.force_ptime,
                direction: Direction::SendRecv,
                telephone_event: true,
                telephone_event_8k_only: settings.dtmf_only_8k,
                honor_their_order: set.honor_their_list,
                session_id,
                session_version: session_id,
                allow_loopback: local.is_loopback(),
            },
            options: StreamOptions {
                symmetric: settings.send_audio_back,
                ssrc: chance.next() as u32,
                first_sequence: (chance.next() as u16) >> 1,
                first_timestamp: chance.next() as u32,
                cname: format!("{:012x}", chance.next() & 0xFFFF_FFFF_FFFF),
                dtmf_8k_units: settings.dtmf_8k_units,
                // A clean network costs no delay; the estimate follows a bad one within a second.
                jitter_min_ms: 10,
                jitter_max_ms: 400,
            },
            bound: false,
            open: None,
            sent: None,
            agreed: None,
            built: None,
            told: None,
        }
    }

    pub(crate) fn stream(&self) -> StreamId {
        StreamId(self.id.0)
    }

    /// The call does not leave this machine: it needs no network.
    pub(crate) fn is_within_machine(&self) -> bool {
        self.local.allow_loopback
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    /// The ports are there.
    pub(crate) fn bind(&mut self, rtp: SocketAddr) {
        self.local.rtp =
            SocketAddr::new(if rtp.ip().is_unspecified() { self.local.rtp.ip() } else { rtp.ip() }, rtp.port());
        self.bound = true;
    }

    pub(crate) fn agreed(&self) -> Option<&StreamConfig> {
        self.agreed.as_ref()
    }

    /// The engine has our stream.
    pub(crate) fn is_running(&self) -> bool {
        self.built.is_some()
    }

    /// Nothing but a check before ringing: is there a common codec?
    pub(crate) fn try_offer(&self, theirs: &[u8]) -> Result<(), SdpError> {
        sdp::answer(&self.local, theirs).map(|_| ())
    }

    /// An offer of ours; its answer goes to [`accepted`](Self::accepted).
    pub(crate) fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let local = self.described(direction);
        let body = match &self.sent {
            Some(sent) => sdp::reoffer(&local, sent),
            None => sdp::offer(&local),
        };
        self.open = Some(local);
        self.sent = Some(body.clone());
        body
    }

    /// Their offer: our answer.
    pub(crate) fn answer(&mut self, theirs: &[u8], direction: Direction) -> Result<Vec<u8>, SdpError> {
        let local = self.described(direction);
        let (body, agreed) = sdp::answer(&local, theirs)?;
        self.agreed = Some(agreed);
        self.sent = Some(body.clone());
        Ok(body)
    }

    /// Their answer to our offer. A second answer to the same offer (183, then 200) replaces the first.
    pub(crate) fn accepted(&mut self, theirs: &[u8]) -> Result<(), SdpError> {
        let Some(local) = &self.open else {
            return Ok(());
        };
        self.agreed = Some(sdp::accept(local, theirs)?);
        Ok(())
    }

    /// The offer is answered for good, or refused: another may follow.
    pub(crate) fn close_offer(&mut self) {
        self.open = None;
    }

    /// Adds the stream to the engine, or replaces it if what was agreed has changed. Nothing while nothing is agreed.
    pub(crate) fn build(&mut self, engine_rate: u32) -> Result<Option<Command>, String> {
        let Some(agreed) = &self.agreed else {
            return Ok(None);
        };
        if self.built.as_ref() == Some(agreed) {
            return Ok(None);
        }
        let stream = Stream::new(StreamId(self.id.0), agreed, &self.options, engine_rate)
            .map_err(|error| format!("{error:?}"))?;
        let command = if self.built.is_some() { Command::Replace(stream) } else { Command::Add(stream) };
        self.built = Some(agreed.clone());
        self.told = None;
        Ok(Some(command))
    }

    /// What the ear and the mouth may do; a command only if it is news to the engine.
    pub(crate) fn direct(&mut self, wanted: Direction) -> Option<Command> {
        if self.built.is_none() || self.told == Some(wanted) {
            return None;
        }
        self.told = Some(wanted);
        Some(Command::Direction(StreamId(self.id.0), wanted))
    }

    /// The microphone reaches the peer.
    pub(crate) fn sends(&self) -> bool {
        matches!(self.told, Some(Direction::SendRecv | Direction::SendOnly))
    }

    /// The peer does not listen to us: hold by direction, or by address 0.0.0.0 (RFC 2543).
    pub(crate) fn held_by_them(&self) -> bool {
        self.agreed.as_ref().is_some_and(|agreed| {
            matches!(agreed.direction, Direction::RecvOnly | Direction::Inactive) || agreed.remote_rtp.is_none()
        })
    }

    fn described(&mut self, direction: Direction) -> LocalMedia {
        self.local.session_version = self.local.session_version.wrapping_add(1);
        LocalMedia { direction, ..self.local.clone() }
    }
}

/// What the engine has of the account's list; G.711 if that leaves nothing, since every peer has it.
fn codecs(order: &[Codec]) -> Vec<CodecKind> {
    let known: Vec<CodecKind> = order
        .iter()
        .filter_map(|codec| match codec {
            Codec::Pcmu => Some(CodecKind::Pcmu),
            Codec::Pcma => Some(CodecKind::Pcma),
            Codec::G722 => Some(CodecKind::G722),
            Codec::Opus => Some(CodecKind::Opus),
            Codec::Gsm | Codec::G729 | Codec::Ilbc => None,
        })
        .collect();
    if known.is_empty() { vec![CodecKind::Pcma, CodecKind::Pcmu] } else { known }
}

fn opus(options: &OpusOptions) -> OpusParams {
    OpusParams {
        max_playback_rate: options.bandwidth,
        bitrate: options.bitrate,
        fec: options.fec,
        dtx: options.dtx,
        cbr: !options.vbr,
        complexity: options.complexity,
        expected_loss: options.expected_packet_loss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_account::Document;
    use offhook_account::settings::Codec::{G722, G729, Opus, Pcma, Pcmu};

    fn session(change: impl FnOnce(&mut Settings)) -> MediaSession {
        let mut settings = Settings::of(&Document::default()).0;
        change(&mut settings);
        let mut session =
            MediaSession::new(MediaId(4), &settings, false, "192.0.2.10".parse().unwrap(), &mut Chance::new(1));
        session.bind("0.0.0.0:40000".parse().unwrap());
        session
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    fn line<'a>(sdp: &'a str, prefix: &str) -> &'a str {
        sdp.lines().find(|line| line.starts_with(prefix)).unwrap()
    }

    const THEIRS: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                          m=audio 30000 RTP/AVP 8 0\r\na=sendrecv\r\n";

    /// Covers: axml.codec.01, axml.codec.05
    #[test]
    fn the_offer_has_the_codecs_of_the_account_in_its_order_without_those_we_lack() {
        let mut session = session(|settings| {
            settings.codec_order = vec![Pcmu, G729, G722, Pcma];
            settings.ptime = 30;
        });
        let offer = session.offer(Direction::SendRecv);
        let media = line(text(&offer), "m=audio");
        assert!(media.starts_with("m=audio 40000 RTP/AVP 0 9 8"), "{media}");
        assert_eq!(line(text(&offer), "a=ptime"), "a=ptime:30");
        assert_eq!(line(text(&offer), "c="), "c=IN IP4 192.0.2.10");
        assert_eq!(codecs(&[G729]), [CodecKind::Pcma, CodecKind::Pcmu]);
        assert_eq!(codecs(&[Opus, Pcma]), [CodecKind::Opus, CodecKind::Pcma]);
    }

    /// Covers: axml.codec.03
    #[test]
    fn the_callers_order_counts_only_if_the_account_honours_it() {
        for (honor, codec) in [(true, CodecKind::Pcma), (false, CodecKind::Pcmu)] {
            let mut session = session(|settings| {
                settings.codec_order = vec![Pcmu, Pcma];
                settings.honor_their_codec_list = honor;
            });
            session.answer(THEIRS.as_bytes(), Direction::SendRecv).unwrap();
            assert_eq!(session.agreed().unwrap().codec, codec);
        }
    }

    /// Covers: axml.dtmf.03
    #[test]
    fn telephone_events_are_offered_at_8_khz_only_unless_the_account_wants_all_rates() {
        for (only_8k, rates) in [(true, 1), (false, 2)] {
            let mut session = session(|settings| {
                settings.codec_order = vec![Opus, Pcma];
                settings.dtmf_only_8k = only_8k;
            });
            let offer = session.offer(Direction::SendRecv);
            assert_eq!(text(&offer).matches("telephone-event/").count(), rates);
        }
    }

    #[test]
    fn every_description_of_a_call_has_the_same_session_and_a_higher_version() {
        let mut session = session(|_| {});
        let mut last = 0;
        for direction in [Direction::SendRecv, Direction::SendOnly, Direction::SendRecv] {
            let offer = session.offer(direction);
            let origin: Vec<&str> = line(text(&offer), "o=").split(' ').collect();
            let version: u64 = origin[2].parse().unwrap();
            assert!(version > last);
            last = version;
            session.accepted(THEIRS.as_bytes()).unwrap();
            session.close_offer();
        }
    }

    #[test]
    fn a_stream_is_added_once_and_replaced_only_by_another_agreement() {
        let mut session = session(|_| {});
        assert!(session.build(16_000).unwrap().is_none());
        session.answer(THEIRS.as_bytes(), Direction::SendRecv).unwrap();
        assert!(matches!(session.build(16_000).unwrap(), Some(Command::Add(_))));
        assert!(session.direct(Direction::SendRecv).is_some());
        assert!(session.direct(Direction::SendRecv).is_none());
        session.answer(THEIRS.as_bytes(), Direction::SendRecv).unwrap();
        assert!(session.build(16_000).unwrap().is_none());
        let held = THEIRS.replace("sendrecv", "sendonly");
        session.answer(held.as_bytes(), Direction::SendRecv).unwrap();
        assert!(matches!(session.build(16_000).unwrap(), Some(Command::Replace(_))));
        assert!(session.held_by_them());
        let held = THEIRS.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
        session.answer(held.as_bytes(), Direction::SendRecv).unwrap();
        assert!(session.held_by_them());
    }

    #[test]
    fn an_answer_to_no_offer_changes_nothing() {
        let mut session = session(|_| {});
        session.accepted(THEIRS.as_bytes()).unwrap();
        assert_eq!(session.agreed(), None);
        assert!(session.answer(b"rubbish", Direction::SendRecv).is_err());
        assert_eq!(session.agreed(), None);
    }
}
