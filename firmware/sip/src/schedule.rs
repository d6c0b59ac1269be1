//! Which machine of the endpoint wants to be woken when: one deadline per owner, earliest first.

use crate::{FlowId, IdentityId, NotifierId, RequestId, SessionId, SubscriptionId};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Who is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Owner {
    Client(u64),
    Server(u64),
    Session(SessionId),
    Registration(IdentityId),
    Subscription(SubscriptionId),
    Notifier(NotifierId),
    Request(RequestId),
    Flow(FlowId),
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    ordered: BTreeSet<(Instant, Owner)>,
    of: HashMap<Owner, Instant>,
}

impl Schedule {
    /// Replaces the deadline of `owner`; `None`: it is not woken any more.
    pub(crate) fn set(&mut self, owner: Owner, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.of.insert(owner, at),
            None => self.of.remove(&owner),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.ordered.remove(&(before, owner));
        }
        if let Some(at) = at {
            self.ordered.insert((at, owner));
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.ordered.first().map(|(at, _)| *at)
    }

    /// Takes the owner that is due first, if one is due at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Owner> {
        let &(at, owner) = self.ordered.first()?;
        if at > now {
            return None;
        }
        self.set(owner, None);
        Some(owner)
    }
}
