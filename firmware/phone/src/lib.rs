//! The product's mind: the `Phone` machine. Signalling, calls, features, settings, panel in; packets, media commands,
//! lamps, tones, records and news out. Sans-I/O: see [`phone::Phone`] for the loop.

pub mod command;
pub mod event;
pub mod phone;
pub mod view;

pub use command::*;
pub use event::*;
pub use phone::*;
pub use view::*;
// The words that drivers need from below, so that api and tui need only this crate.
pub use offhook_account as account;
pub use offhook_hal as hal;
pub use offhook_media as media;
pub use offhook_sip as sip;
