//! Web services of an account, and what may be done with a number beside calling it: web callback (`axml.wcb.*`),
//! call-through (`axml.cth.*`), balance (`axml.bal.*`), actions (`axml.misc.*`), dial actions and quick dials
//! (`axml.ref.*`).
//!
//! Pure functions on both sides of the wire: [`request`] makes what goes out of a [`Service`] and the parameters of the
//! moment, and [`answer`] reads what came back. Who asks when is the phone's business.

pub mod answer;
mod dial_string;
mod read;
mod request;

pub use answer::{Failure, MAX_ANSWER};
pub use dial_string::DialString;
pub use request::{Context, Unfit, dial_string, request};

pub(crate) use read::{placeholders, read};

use crate::rules::Rule;
use crate::template::without_secrets;
use std::time::Duration;

/// What an account has of them; nothing unless it is set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    /// `axml.wcb.*`
    pub callback: Option<Callback>,
    /// `axml.ref.03`: the number that a web callback calls here; empty: none is named.
    pub callback_number: String,
    /// `axml.cth.*`
    pub call_through: Option<CallThrough>,
    /// `axml.bal.*`
    pub balance: Option<BalanceCheck>,
    /// `axml.misc.01`
    pub vpn_startup: Option<Service>,
    /// `axml.misc.02`
    pub custom_action: Option<Service>,
    /// `axml.ref.01`, in the order of the document
    pub dial_actions: Vec<Programmed>,
    /// `axml.ref.02`, in the order of the keys
    pub quick_dials: Vec<QuickDial>,
}

/// One web service: everything is still a template.
#[derive(Clone, PartialEq, Eq)]
pub struct Service {
    /// for people: `web callback`, `balance`, ...
    pub name: &'static str,
    pub url: String,
    /// `GET`, `POST`, `PUT`, `HEAD` or `DELETE`
    pub method: &'static str,
    pub content_type: String,
    pub body: String,
    pub headers: Vec<(String, String)>,
    /// Name and password for a server that asks (Digest, or Basic where that may be); an empty name: none.
    pub username: String,
    pub password: crate::Secret,
    pub timeout: Duration,
}

/// A service that calls both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    pub service: Service,
    /// `offhook.ws.09`: its call is answered by itself even with the handset on the hook.
    pub auto_answer: bool,
}

/// How a number is reached by way of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallThrough {
    /// A dial string, with `%targetNumber%` in it.
    Fixed(String),
    /// A service says the dial string.
    Asked(Service),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceCheck {
    pub service: Service,
    /// `None`: not by the clock.
    pub interval: Option<Duration>,
    /// From registration, and from the end of a call.
    pub delay: Duration,
}

/// A dial action of the account's own: rules that change the number and may choose another action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programmed {
    pub id: String,
    /// for a soft key
    pub title: String,
    pub rules: Vec<Rule>,
}

/// A speed dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuickDial {
    pub id: String,
    /// for people
    pub name: String,
    /// as it is dialled
    pub uri: String,
    /// lamp key, if one is asked for
    pub key: Option<u8>,
}

impl Services {
    pub fn programmed(&self, id: &str) -> Option<&Programmed> {
        self.dial_actions.iter().find(|action| action.id == id)
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("url", &without_secrets(&self.url))
            .finish_non_exhaustive()
    }
}
