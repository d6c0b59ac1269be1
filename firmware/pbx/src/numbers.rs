//! The numbers that the PBX answers itself: 600 sends back what it hears, 601 plays 1004 Hz.
//!
//! The tone is a digital milliwatt's frequency at -16 dBm0, which is comfortable in a handset; 0 dBm0 would hurt. Digits
//! sent to 600 are not interpreted. The media runs in the driver's `offhook_media::Engine`.

use crate::context::Context;
use crate::{MediaId, Output};
use offhook_media as media;
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::sdp::SdpError;
use offhook_media::{Direction, LocalMedia, Stream, StreamConfig, StreamId};
use offhook_sip::Body;
use std::net::SocketAddr;
use std::time::Duration;

/// Calls to these numbers at a time; one more is answered 486.
pub(crate) const MAX_PLAYING: usize = 8;
/// Their RTP ports.
pub(crate) const PORTS: (u16, u16) = (20_000, 20_999);
/// A call that has sent no RTP for so long is ended [s].
pub(crate) const MAX_SILENCE: u32 = 60;
/// For the driver to bind a pair of sockets.
pub(crate) const BIND_TIME: Duration = Duration::from_secs(5);
pub(crate) const RESERVED: [&str; 2] = ["600", "601"];
/// A negative amplitude is a level in dBm0.
const TONE: &str = "periodic(sine(1000ms,-16,1004Hz))";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Echo,
    Tone,
}

impl Number {
    pub(crate) fn dialled(user: &str) -> Option<Self> {
        match user {
            "600" => Some(Self::Echo),
            "601" => Some(Self::Tone),
            _ => None,
        }
    }
}

/// The media side of one such call.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) media: MediaId,
    number: Number,
    local: LocalMedia,
    running: bool,
    /// Our offer is out: its answer comes with the ACK.
    pub(crate) offered: bool,
}

impl Player {
    pub(crate) fn new(media: MediaId, number: Number, rtp: SocketAddr, peer: SocketAddr, session_id: u32) -> Self {
        let opus = OpusParams {
            max_playback_rate: 48_000,
            bitrate: None,
            fec: true,
            dtx: false,
            cbr: false,
            complexity: None,
            expected_loss: 0,
        };
        let local = LocalMedia {
            rtp,
            codecs: vec![CodecKind::Opus, CodecKind::G722, CodecKind::Pcma, CodecKind::Pcmu],
            opus,
            ptime: 20,
            force_ptime: false,
            direction: Direction::SendRecv,
            telephone_event: true,
            telephone_event_8k_only: false,
            honor_their_order: true,
            session_id: u64::from(session_id),
            session_version: 1,
            allow_loopback: peer.ip().is_loopback(),
        };
        Self { media, number, local, running: false, offered: false }
    }

    /// Our description: the answer to `offer`, whose stream starts at once, or an offer if there is none.
    pub(crate) fn describe(&mut self, context: &mut Context<'_>, offer: Option<&Body>) -> Result<Body, SdpError> {
        let bytes = match offer {
            Some(offer) => {
                let (bytes, config) = media::sdp::answer(&self.local, &offer.bytes)?;
                self.offered = false;
                self.play(context, &config)?;
                bytes
            }
            None => {
                self.offered = true;
                media::sdp::offer(&self.local)
            }
        };
        self.local.session_version += 1;
        Ok(Body { content_type: "application/sdp".to_owned(), bytes })
    }

    /// The answer to our offer.
    pub(crate) fn accept(&mut self, context: &mut Context<'_>, answer: &Body) -> Result<(), SdpError> {
        self.offered = false;
        let config = media::sdp::accept(&self.local, &answer.bytes)?;
        self.play(context, &config)
    }

    pub(crate) fn stop(&self, context: &mut Context<'_>) {
        if self.running {
            context.outputs.push_back(Output::Media(media::Command::Remove(self.stream())));
        }
        context.outputs.push_back(Output::ReleaseMedia { id: self.media });
    }

    fn stream(&self) -> StreamId {
        StreamId(self.media.0)
    }

    fn play(&mut self, context: &mut Context<'_>, config: &StreamConfig) -> Result<(), SdpError> {
        let options = media::stream::StreamOptions {
            symmetric: true,
            ssrc: context.chance.u32(),
            first_sequence: context.chance.u16(),
            first_timestamp: context.chance.u32(),
            cname: context.chance.text(16),
            dtmf_8k_units: false,
            jitter_min_ms: 20,
            jitter_max_ms: 300,
        };
        let unusable = |why: String| SdpError::NotAcceptable(399, why);
        let stream = Stream::new(self.stream(), config, &options, context.engine_rate)
            .map_err(|e| unusable(format!("{e:?}")))?;
        if self.running {
            // loop and tone belong to the place in the engine and stay
            context.outputs.push_back(Output::Media(media::Command::Replace(stream)));
            return Ok(());
        }
        self.running = true;
        context.outputs.push_back(Output::Media(media::Command::Add(stream)));
        let sound = match self.number {
            Number::Echo => media::Command::Loop(self.stream(), true),
            Number::Tone => {
                let tone = media::tone::Tone::parse(TONE).map_err(|e| unusable(e.reason))?;
                media::Command::ToneTo(self.stream(), Some(Box::new(tone)))
            }
        };
        context.outputs.push_back(Output::Media(sound));
        Ok(())
    }
}
