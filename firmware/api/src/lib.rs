//! The TCP control protocol as bytes: simple lines and the encapsulated form in, answers and notifications out.
//!
//! The loop of whoever owns the connection: bytes of the client to [`Session::receive`], the phone's news to
//! [`Session::notify`], the results of commands to [`Session::done`]; after each of them everything that
//! [`Session::poll`] has. No socket, no clock: a session is one connection, and forgets everything with it.
//!
//! - `frame`: where a request ends; `request`: what it says; `function`: the table of all functions, and `perform`:
//!   what the ones that act do; `desk`: what a connection
//!   remembers; `parameter`: the table of all parameters; `status` and `notification`: the words for
//!   what happens; `mailbox`: who gets them, and `API_Poll`.
//! - `docs/control-api.md` is made from these tables.
//!
//! Left out: roles and TLS. Whoever reaches the socket may dial, so it is bound to loopback.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod answer;
mod contacts;
#[cfg(test)]
mod contacts_tests;
#[cfg(test)]
mod conversation;
mod desk;
mod documentation;
mod frame;
mod function;
mod mailbox;
mod notification;
mod parameter;
mod perform;
mod request;
mod session;
mod status;
mod suggestion;
#[cfg(test)]
mod testing;

pub use documentation::documentation;
pub use frame::MAX_REQUEST;
pub use mailbox::MAX_QUEUED;
pub use session::{Output, Session};
