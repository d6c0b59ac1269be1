//! All that happens to sound and RTP: codecs, jitter buffer, concealment, RTP and RTCP, tones, DTMF, mixing, SDP.
//!
//! [`engine::Engine`] is a machine with a beat instead of a timeout: `receive` when a packet came, `period` when the sound
//! device is due, `command` when the main thread wants something. It never allocates, locks or waits: whatever is big is
//! built on the main thread, passed in whole and handed back whole to be freed there.

// Tests read the corpora, start from the real time and write decibels that look like circles.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::disallowed_methods,
        clippy::approx_constant
    )
)]

pub mod codec;
pub mod conceal;
pub mod engine;
pub mod event_receiver;
pub mod event_sender;
pub mod inband_dtmf;
pub mod jitter;
pub mod level;
mod matrix;
pub mod measure;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod stream;
pub mod telephone_event;
pub mod timescale;
pub mod tone;

pub use engine::{Command, Engine, EngineConfig, Event};
pub use sdp::{Direction, LocalMedia, StreamConfig};
pub use stream::{Stream, StreamId};
