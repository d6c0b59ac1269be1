//! The media of the echo and tone numbers: an engine that beats every 10 ms while somebody listens, on the main thread.

use offhook_media::{Command, Engine, EngineConfig, Event};
use offhook_net::rtp_sockets::{Pair, RtpSockets};
use std::time::{Duration, Instant};

/// Rate of the engine [Hz].
pub(crate) const RATE: u32 = 16_000;
/// One beat.
pub(crate) const PERIOD: Duration = Duration::from_millis(10);
const SAMPLES: usize = 160;
/// Datagrams taken from one socket in one beat.
const BURST: usize = 16;
/// Beats made up for after a stall; older ones are lost, as a sound card would lose them.
const MAX_CATCH_UP: u32 = 10;

pub(crate) struct Media {
    engine: Engine,
    sockets: RtpSockets,
    buffer: Box<[u8; 2048]>,
    /// When the next beat is due; `None` while nobody listens.
    due: Option<Instant>,
}

impl Media {
    pub(crate) fn new() -> Self {
        let engine = Engine::new(EngineConfig { rate: RATE, period: SAMPLES, streams: 8 });
        Self { engine, sockets: RtpSockets::default(), buffer: Box::new([0; 2048]), due: None }
    }

    pub(crate) fn insert(&mut self, id: u32, pair: Pair) -> Result<(), Pair> {
        self.sockets.insert(id, pair)
    }

    pub(crate) fn release(&mut self, id: u32) {
        // The stream's RTCP BYE still has to leave.
        self.transmit();
        self.sockets.remove(id);
    }

    fn transmit(&mut self) {
        while let Some(packet) = self.engine.poll_transmit() {
            self.sockets.send(packet.stream.0, packet.rtcp, packet.to, packet.bytes);
        }
    }

    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        self.engine.command(now, command);
        self.due.get_or_insert(now + PERIOD);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Every beat that is due.
    pub(crate) fn beat(&mut self, now: Instant) {
        let Some(mut due) = self.due else { return };
        if now > due + PERIOD * MAX_CATCH_UP {
            due = now;
        }
        while due <= now {
            let Self { engine, sockets, buffer, .. } = self;
            sockets.receive(&mut buffer[..], BURST, |id, rtcp, from, bytes| {
                engine.receive(now, offhook_media::StreamId(id), rtcp, from, bytes);
            });
            engine.period(now, &[0; SAMPLES], &mut [0; SAMPLES], None);
            self.transmit();
            due += PERIOD;
        }
        self.due = (!self.engine.idle() || !self.sockets.is_empty()).then_some(due);
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.engine.poll_event()
    }
}
