//! What a SIP account is: its settings, the Account XML that carries them, how documents from
//! several sources merge, and when to fetch the next one. No files, no sockets, no clock.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod contact_facts;
pub mod document;
pub mod export;
pub mod fetch;
pub mod finding;
pub mod http_date;
pub mod inspect;
pub mod layers;
pub mod provisioner;
pub mod rules;
pub mod schema;
pub mod secret;
pub mod services;
pub mod set_apart;
pub mod settings;
pub mod template;
pub mod verdict;
pub mod web_access;
mod xml;

pub use contact_facts::{ContactFact, ContactFacts, ContactSource};
pub use document::{Account, Document, Rejection, report};
pub use export::export;
pub use fetch::{FetchError, FetchRequest, FetchResponse};
pub use inspect::inspect;
pub use layers::Layers;
pub use provisioner::Provisioner;
pub use secret::Secret;
pub use settings::Settings;
