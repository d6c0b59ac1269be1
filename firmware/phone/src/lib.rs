//! The product's mind: the `Phone` machine. Signalling, calls, features, settings, panel in; packets, media commands,
//! lamps, tones, records and news out. Sans-I/O: see [`phone::Phone`] for the loop.
//!
//! What happens is decided by inputs, one at a time; what is heard, shown and lit is worked out anew from the whole state
//! after each of them (`settle`) and told only where it differs from what was told before. So no lamp, tone or route
//! has an owner that could forget it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

mod accounts;
mod apply;
mod blf;
mod call;
mod caller;
mod chance;
pub mod command;
mod contacts;
mod dialing;
mod ear;
pub mod event;
pub mod factory_reset;
mod feature;
pub mod finding;
mod history;
mod incoming;
mod line;
mod media_session;
mod moment;
mod mwi;
mod on_demand;
mod orders;
mod outgoing;
mod panel;
pub mod phone;
mod picture;
pub mod pnp;
mod provisioning;
mod registration;
mod report;
mod requests;
mod search;
pub mod self_test;
mod services;
mod settle;
mod signalling;
mod soft_keys;
mod testing_ourselves;
mod timers;
mod tones;
pub mod view;
mod volume;

pub use apply::PROOF_TIME;
pub use command::*;
pub use event::*;
pub use finding::{PnpEvent, PnpOrder};
pub use phone::*;
pub use search::FindingView;
pub use self_test::{NetworkFacts, Probe, Probed, SelfTestView};
pub use view::*;
// The words that drivers need from below, so that api and tui need only this crate.
pub use offhook_account as account;
pub use offhook_contacts as address_book;
pub use offhook_hal as hal;
pub use offhook_media as media;
pub use offhook_sip as sip;
