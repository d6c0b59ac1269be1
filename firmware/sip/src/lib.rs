//! SIP user agent and server core (RFC 3261 and companions) as a machine: bytes, time and
//! commands in; bytes, events and a next deadline out. It opens no socket and reads no clock.
//!
//! ```text
//! endpoint.handle(now, input);              // one thing happened
//! loop {
//!     match endpoint.poll() {
//!         Output::Timeout(at) => break,      // nothing to do before `at` unless something happens
//!         output => perform(output),
//!     }
//! }
//! ```
//!
//! `endpoint` is the face, `words` what is said to it. A message comes in through `flow` and `message`, meets its
//! transaction in `client` or `server` (the four machines are in `transaction`), then its dialog's use:
//! `session`, `subscription` or `notifier`. `registration`, `identity` and `locate` serve what goes out.
//!
//! Bodies are opaque bytes with a content type: SDP is read and written by whoever owns the
//! media. The crate has no idea what a phone is: no do-not-disturb, no lines, no ringing.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

pub mod auth;
mod chance;
mod client;
mod dialog;
pub mod endpoint;
pub mod event_package;
mod flow;
pub mod framing;
mod identity;
mod locate;
pub mod message;
mod notifier;
mod registration;
mod schedule;
mod server;
mod session;
mod subscription;
mod transaction;
mod words;

pub use endpoint::*;
pub use message::{Body, Headers, Message, Method, NameAddr, ParseError, Request, Response, Uri};
