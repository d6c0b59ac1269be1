//! The four transactions of RFC 3261 section 17 with the corrections of RFC 6026.
//!
//! Each file is one machine and knows statuses and time only: what is sent where, and to whom a response
//! belongs, is in `client` and `server`. Matching rules are with the tables there.

pub(crate) mod client_invite;
pub(crate) mod client_non_invite;
pub(crate) mod server_invite;
pub(crate) mod server_non_invite;
pub(crate) mod timers;

use client_invite::ClientInvite;
use client_non_invite::ClientNonInvite;
use server_invite::{Repeated, ServerInvite};
use server_non_invite::ServerNonInvite;
use std::time::Instant;
use timers::Timing;

/// What a client transaction wants done with a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Give it to the user.
    Pass,
    /// Send ACK and give it to the user.
    AckAndPass,
    /// Send the ACK again.
    Ack,
    /// A repetition, or too late: nothing.
    Absorb,
}

/// What an expired timer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Send the request or response again.
    Retransmit,
    /// Timer B, F or H.
    TimedOut,
    /// The transaction is over and may be forgotten.
    Ended,
}

#[derive(Debug)]
pub(crate) enum Client {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl Client {
    pub(crate) fn new(now: Instant, timing: Timing, invite: bool) -> Self {
        match invite {
            true => Self::Invite(ClientInvite::new(now, timing)),
            false => Self::NonInvite(ClientNonInvite::new(now, timing)),
        }
    }
    pub(crate) fn receive(&mut self, now: Instant, status: u16) -> Received {
        match self {
            Self::Invite(machine) => machine.receive(now, status),
            Self::NonInvite(machine) => machine.receive(now, status),
        }
    }
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match self {
            Self::Invite(machine) => machine.expire(now),
            Self::NonInvite(machine) => machine.expire(now),
        }
    }
    pub(crate) fn next(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.next(),
            Self::NonInvite(machine) => machine.next(),
        }
    }
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_pending(),
            Self::NonInvite(machine) => machine.is_pending(),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Server {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

impl Server {
    pub(crate) fn new(timing: Timing, invite: bool) -> Self {
        match invite {
            true => Self::Invite(ServerInvite::new(timing)),
            false => Self::NonInvite(ServerNonInvite::new(timing)),
        }
    }
    pub(crate) fn respond(&mut self, now: Instant, status: u16) -> bool {
        match self {
            Self::Invite(machine) => machine.respond(now, status),
            Self::NonInvite(machine) => machine.respond(now, status),
        }
    }
    pub(crate) fn again(&self) -> Repeated {
        match self {
            Self::Invite(machine) => machine.invite_again(),
            Self::NonInvite(machine) => machine.request_again(),
        }
    }
    pub(crate) fn ack(&mut self, now: Instant) -> Repeated {
        match self {
            Self::Invite(machine) => machine.ack(now),
            Self::NonInvite(_) => Repeated::Absorb,
        }
    }
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        match self {
            Self::Invite(machine) => machine.expire(now),
            Self::NonInvite(machine) => machine.expire(now),
        }
    }
    pub(crate) fn next(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.next(),
            Self::NonInvite(machine) => machine.next(),
        }
    }
    /// Has no final response been sent yet?
    pub(crate) fn is_pending(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.is_proceeding(),
            Self::NonInvite(machine) => machine.is_pending(),
        }
    }
}
