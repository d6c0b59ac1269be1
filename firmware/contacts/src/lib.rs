//! Who is behind a number: vCards, the address books made of them, and keeping one in step with a CardDAV server. No
//! files, no sockets, no clock.
//!
//! [`vcard`] reads and writes cards, [`AddressBooks`] answers "who is this" and "who could be meant" over all books, and
//! [`Directory`] is the machine that follows one CardDAV account. Photos and everything else that a telephone has no
//! use for are dropped as they are read.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods))]

pub mod book;
mod cache;
pub mod contact;
pub mod directory;
pub mod local;
mod multistatus;
pub mod number;
pub mod request;
mod search;
mod url;
pub mod vcard;

pub use book::{AddressBooks, Hit, Known, Origin};
pub use contact::{Contact, Number};
pub use directory::Directory;
pub use local::LocalBook;
pub use url::same_site;
