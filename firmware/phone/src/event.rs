//! News: what happened, for the control API, the log and the bench.
use crate::view::{AccountState, CallId, CallRecord, CallView};

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The phone is up (once).
    Started,
    Registration {
        account: u32,
        state: AccountState,
    },
    /// a call is new, or its state, holding, mute, codec, peer or place in the ear has changed
    Call {
        call: CallView,
    },
    /// a call is over: the record that also went into the history
    CallEnded {
        call: CallView,
        record: CallRecord,
    },
    Messages {
        account: u32,
        waiting: bool,
        new: u32,
        old: u32,
    },
    /// what a web service says of an account's credit, in its words (`axml.bal.01`)
    Balance {
        account: u32,
        text: String,
    },
    /// a digit of the peer
    Digit {
        call: CallId,
        digit: char,
    },
    Lamp {
        lamp: offhook_hal::Lamp,
        pattern: offhook_hal::Pattern,
    },
    Ring(bool),
    Route(offhook_hal::Route),
    /// the microphone is heard by a peer, or is not any more
    Mic(bool),
    /// name as in the tone table: `dial`, `stutter`, `trying`, `ringing`, `busy`, `congestion`, `endcall`, `callwaiting`, `howler`; None: off
    Tone(Option<&'static str>),
    Provisioned {
        source: String,
        changes: usize,
        report: String,
    },
    ProvisioningFailed {
        source: String,
        reason: String,
    },
    /// one line worth showing to a person
    Notice {
        level: Level,
        text: String,
    },
    /// for log and capture: a peer did something wrong
    Protest(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Event,
    Warning,
    Error,
}
