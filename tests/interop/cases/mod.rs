//! The cases, by what they are about.

mod contacts;
mod contacts_phone;
mod control;
mod daemons;
mod finding;
mod life;
mod load;
mod registering;
mod service;
mod services;
mod talking;
mod web;

use crate::case::{Case, Outcome, Tool};
use crate::{Entry, account};
use std::time::Duration;

pub(crate) fn all() -> Vec<Entry> {
    [
        daemons::cases(),
        life::cases(),
        service::cases(),
        services::cases(),
        control::cases(),
        registering::cases(),
        talking::cases(),
        contacts::cases(),
        web::cases(),
        finding::cases(),
        contacts_phone::cases(),
        load::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A case that may run beside others.
fn together(name: &'static str, run: fn(&Case) -> Outcome, needs: &'static [Tool]) -> Entry {
    Entry { name, run, needs, alone: false, limit: Duration::from_secs(120) }
}

/// A case that measures sound or time.
fn alone(name: &'static str, run: fn(&Case) -> Outcome, needs: &'static [Tool]) -> Entry {
    Entry { alone: true, ..together(name, run, needs) }
}

/// The account of `user` at a server, with `more` nodes.
fn account_at(host: &str, user: &str, password: &str, more: &[(&str, &str)]) -> String {
    let nodes = [
        ("title", user),
        ("username", user),
        ("password", password),
        ("host", host),
        ("transport", "udp"),
        ("codecOrder", "103,9,8,0"),
    ];
    account::document(&account::with(&nodes, more))
}
