//! Subscriptions of ours: RFC 6665 section 4.1.
//!
//! A subscription is wanted until `unsubscribe`; when the notifier ends it, or it fails, it is made anew.
//! How soon: after an ending that invites us back (deactivated, timeout, 481) at once at first, after a
//! refusal 30 s, and twice as long each time it happens again, at most 30 min. Never are two SUBSCRIBEs less than
//! [`GAP`] apart, except the answer to one challenge. Forked subscriptions are refused (481).

use crate::client::{ContactUse, Failure, Outgoing, User};
use crate::dialog::{Dialog, Order};
use crate::identity::Hop;
use crate::registration::{BASE, LONGEST};
use crate::schedule::Owner;
use crate::server::{Usage, retry_after};
use crate::{
    Endpoint, Event, Headers, IdentityId, Method, Misuse, Output, Request, Response, SubscriptionId, SubscriptionState,
    Uri,
};
use std::time::{Duration, Instant};

/// Least time between two SUBSCRIBEs of one subscription.
/// Events whose NOTIFY needs no subscription.
const UNSOLICITED: [&str; 2] = ["message-summary", "check-sync"];
const GAP: Duration = Duration::from_millis(500);
/// A refresh is at least this far away, however little time is granted.
const LEAST_REFRESH: Duration = Duration::from_secs(5);
/// A subscription that lived this long was a success: waiting times start anew.
const SETTLED: Duration = Duration::from_secs(60);
/// Subscriptions at most.
const MAX_SUBSCRIPTIONS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) identity: IdentityId,
    target: Uri,
    event: String,
    accept: String,
    /// asked for [s], raised by 423
    expires: u32,
    call_id: String,
    tag: String,
    number: u32,
    dialog: Option<Dialog>,
    phase: Phase,
    last_sent: Option<Instant>,
    alive_since: Option<Instant>,
    /// refusals and endings in a row
    failures: u32,
    state: Option<SubscriptionState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// SUBSCRIBE is out.
    Trying {
        client: u64,
    },
    /// A 2xx came; the first NOTIFY has to come before `timer_n` (section 4.1.2.4).
    AwaitingNotify {
        timer_n: Instant,
        refresh_at: Instant,
    },
    Active {
        refresh_at: Instant,
    },
    /// Next SUBSCRIBE, in a new dialog, at `at`.
    Waiting {
        at: Instant,
    },
    /// Refused for good.
    GivenUp,
    /// SUBSCRIBE with Expires 0 is out or answered; the last NOTIFY is awaited until `until`.
    Ending {
        until: Instant,
    },
}

impl Subscription {
    fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::AwaitingNotify { timer_n, refresh_at } => Some(timer_n.min(refresh_at)),
            Phase::Active { refresh_at: at } | Phase::Waiting { at } | Phase::Ending { until: at } => Some(at),
            Phase::Trying { .. } | Phase::GivenUp => None,
        }
    }

    pub(crate) fn next_number(&mut self, old: u32) -> u32 {
        match &mut self.dialog {
            Some(dialog) => {
                dialog.local_seq += 1;
                dialog.local_seq
            }
            None => {
                self.number = self.number.max(old) + 1;
                self.number
            }
        }
    }

    pub(crate) fn moved(&mut self, old: u64, new: u64) {
        if let Phase::Trying { client } = &mut self.phase
            && *client == old
        {
            *client = new;
        }
    }
}

impl Endpoint {
    pub(crate) fn subscribe_at(
        &mut self,
        now: Instant,
        from: IdentityId,
        target: Uri,
        event: &str,
        accept: &str,
        expires: u32,
    ) -> Result<SubscriptionId, Misuse> {
        if self.identities.get(&from).is_none_or(|i| i.leaving) {
            return Err(Misuse::NoSuchIdentity);
        }
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(Misuse::WrongState);
        }
        self.next_subscription += 1;
        let id = SubscriptionId(self.next_subscription);
        let subscription = Subscription {
            identity: from,
            target,
            event: event.to_owned(),
            accept: accept.to_owned(),
            expires,
            call_id: String::new(),
            tag: String::new(),
            number: 0,
            dialog: None,
            phase: Phase::Waiting { at: now },
            last_sent: None,
            alive_since: None,
            failures: 0,
            state: None,
        };
        self.subscriptions.insert(id, subscription);
        self.subscribe_anew(now, id);
        Ok(id)
    }

    pub(crate) fn unsubscribe_at(&mut self, now: Instant, id: SubscriptionId) -> Result<(), Misuse> {
        let subscription = self.subscriptions.get_mut(&id).ok_or(Misuse::NoSuchSubscription)?;
        let phase = subscription.phase;
        match phase {
            Phase::Ending { .. } => return Ok(()),
            Phase::Waiting { .. } | Phase::GivenUp => {
                self.end_subscription_of_ours(id);
                return Ok(());
            }
            // nothing has left yet
            Phase::Trying { client } if subscription.dialog.is_none() && self.withdraw(client) => {
                self.end_subscription_of_ours(id);
                return Ok(());
            }
            _ => {}
        }
        let until = now + self.config.t1 * 64;
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.phase = Phase::Ending { until };
        }
        // without a dialog the answer to the first SUBSCRIBE has to come first
        if self.subscriptions.get(&id).is_some_and(|s| s.dialog.is_some()) {
            self.send_subscribe(now, id, 0);
        }
        self.reschedule_subscription(id);
        Ok(())
    }

    pub(crate) fn subscription_timeout(&mut self, now: Instant, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let gap = subscription.last_sent.map_or(now, |at| at + GAP);
        match subscription.phase {
            Phase::Waiting { at } if at <= now => match gap <= now {
                true => return self.subscribe_anew(now, id),
                false => subscription.phase = Phase::Waiting { at: gap },
            },
            Phase::AwaitingNotify { timer_n, .. } if timer_n <= now => {
                return self.subscription_failed(now, id, None, "no NOTIFY came", Again::Later(None));
            }
            Phase::Active { refresh_at } | Phase::AwaitingNotify { refresh_at, .. } if refresh_at <= now => {
                if gap <= now {
                    let expires = subscription.expires;
                    if let Some(client) = self.send_subscribe(now, id, expires)
                        && let Some(subscription) = self.subscriptions.get_mut(&id)
                    {
                        subscription.phase = Phase::Trying { client };
                    }
                } else {
                    subscription.phase = Phase::Active { refresh_at: gap };
                }
            }
            Phase::Ending { until } if until <= now => return self.end_subscription_of_ours(id),
            _ => {}
        }
        self.reschedule_subscription(id);
    }

    pub(crate) fn subscribe_response(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        client: u64,
        result: Result<Response, Failure>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if let Phase::Ending { .. } = subscription.phase {
            return self.answer_while_ending(now, id, client, result);
        }
        if subscription.phase != (Phase::Trying { client }) {
            return;
        }
        let response = match result {
            Ok(response) => response,
            Err(f) => return self.subscription_failed(now, id, Some(f.status), f.reason, Again::Later(None)),
        };
        match response.status {
            200..=299 => {
                let asked = subscription.expires;
                let granted = response.headers.expires().unwrap_or(asked).min(asked.max(1));
                if granted == 0 {
                    let reason = "no time granted";
                    return self.subscription_failed(now, id, None, reason, Again::Later(None));
                }
                let sent = self.clients.get(&client).and_then(|c| c.running()).map(|r| &r.sent);
                let made = sent.and_then(|sent| Dialog::of_client(sent, &response));
                let refresh_at = now + self.refresh_after(granted);
                let timer_n = now + self.config.t1 * 64;
                let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
                match (&mut subscription.dialog, made) {
                    (Some(dialog), _) => dialog.refresh(&response.headers),
                    (slot, made) => *slot = made,
                }
                subscription.phase = match subscription.alive_since {
                    Some(_) => Phase::Active { refresh_at },
                    None => Phase::AwaitingNotify { timer_n, refresh_at },
                };
                self.reschedule_subscription(id);
            }
            423 => {
                let least = response.headers.first("Min-Expires").and_then(|v| v.trim().parse::<u32>().ok());
                match least {
                    Some(least) if least > subscription.expires => {
                        subscription.expires = least;
                        self.subscription_failed(now, id, Some(423), &response.reason, Again::Soon);
                    }
                    _ => self.subscription_failed(now, id, Some(423), &response.reason, Again::Later(None)),
                }
            }
            481 => self.subscription_failed(now, id, Some(481), &response.reason, Again::Soon),
            // one challenge too many is tried again with what was learned; a wrong password is not
            401 | 407 => {
                let learned = response.headers.first("WWW-Authenticate").is_some_and(|c| c.contains("stale=true"));
                let again = if learned { Again::Soon } else { Again::Never };
                self.subscription_failed(now, id, Some(response.status), &response.reason, again);
            }
            status => {
                let wait = retry_after(&response.headers);
                self.subscription_failed(now, id, Some(status), &response.reason, Again::Later(wait));
            }
        }
    }

    /// NOTIFY in a dialog of ours (section 4.1.3).
    pub(crate) fn notify_received(&mut self, now: Instant, id: SubscriptionId, server: u64) {
        let Some(request) = self.servers.get(&server).map(|s| s.request.clone()) else { return };
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return self.reply(now, server, 481) };
        let headers = &request.headers;
        let event = headers.event().map(|e| e.value).unwrap_or_default();
        if !event.eq_ignore_ascii_case(&subscription.event) {
            return self.reply(now, server, 481);
        }
        let Some(state) = headers.subscription_state() else { return self.reply(now, server, 400) };
        let tag = headers.from().and_then(|f| f.tag().map(str::to_owned)).unwrap_or_default();
        match &mut subscription.dialog {
            Some(dialog) if dialog.remote_tag() != tag => return self.reply(now, server, 481),
            Some(dialog) => {
                if dialog.receive(headers) == Order::TooLow {
                    return self.reply(now, server, 500);
                }
                dialog.refresh(headers);
            }
            None => {
                // before the 2xx (section 4.1.2.4)
                let number = subscription.number;
                subscription.dialog = Dialog::of_server(&request, &subscription.tag).map(|mut dialog| {
                    dialog.local_seq = number;
                    dialog
                });
            }
        }
        self.reply(now, server, 200);
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let ending = matches!(subscription.phase, Phase::Ending { .. });
        let body = request.body();
        if !ending && (body.is_some() || !state.value.eq_ignore_ascii_case("terminated")) {
            self.outputs.push_back(Output::Event(Event::Notify { subscription: id, body }));
        }
        let seconds = |name: &str| state.param(name).and_then(|v| v.parse::<u32>().ok());
        match state.value.to_ascii_lowercase().as_str() {
            "terminated" if ending => self.end_subscription_of_ours(id),
            "terminated" => {
                let wait = seconds("retry-after").map(|s| Duration::from_secs(u64::from(s.min(86_400))));
                let reason = state.param("reason").unwrap_or("terminated").to_owned();
                let again = match reason.to_ascii_lowercase().as_str() {
                    "deactivated" | "timeout" => Again::Soon,
                    "rejected" | "noresource" | "invariant" => Again::Never,
                    _ => Again::Later(wait),
                };
                self.subscription_failed(now, id, None, &reason, again);
            }
            _ if ending => self.reschedule_subscription(id),
            word => {
                let given = seconds("expires");
                let left = given.map(|s| self.refresh_after(s));
                let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
                subscription.alive_since.get_or_insert(now);
                match subscription.phase {
                    Phase::AwaitingNotify { refresh_at, .. } | Phase::Active { refresh_at } => {
                        // the notifier may shorten the time, never lengthen it (section 4.1.3)
                        let refresh_at = left.map_or(refresh_at, |l| refresh_at.min(now + l));
                        subscription.phase = Phase::Active { refresh_at };
                    }
                    _ => {}
                }
                let expires = given.unwrap_or(subscription.expires);
                let state = match word {
                    "pending" => SubscriptionState::Pending,
                    _ => SubscriptionState::Active { expires },
                };
                self.tell_subscription(id, state);
                self.reschedule_subscription(id);
            }
        }
    }

    /// A NOTIFY outside subscriptions: message-summary and check-sync from the registrar count, all else is refused.
    pub(crate) fn unsolicited_notify(&mut self, now: Instant, server: u64) {
        let Some(transaction) = self.servers.get(&server) else { return };
        let event = transaction.request.headers.event().map(|e| e.value).unwrap_or_default();
        let trusted = transaction.identity.filter(|i| self.is_known_source(*i, transaction.source));
        match trusted {
            Some(identity) if UNSOLICITED.iter().any(|known| event.eq_ignore_ascii_case(known)) => {
                let body = transaction.request.body();
                self.reply(now, server, 200);
                self.outputs.push_back(Output::Event(Event::UnsolicitedNotify { identity, event, body }));
            }
            _ => self.reply(now, server, 481),
        }
    }

    // Private from here.

    fn subscribe_anew(&mut self, now: Instant, id: SubscriptionId) {
        let (call_id, tag) = (self.chance.token(), self.chance.token());
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let old = (std::mem::replace(&mut subscription.call_id, call_id.clone()), subscription.tag.clone());
        subscription.tag.clone_from(&tag);
        subscription.number = 0;
        subscription.dialog = None;
        subscription.alive_since = None;
        let expires = subscription.expires;
        self.dialogs.remove(&old);
        self.dialogs.insert((call_id, tag), Usage::Subscription(id));
        if let Some(client) = self.send_subscribe(now, id, expires)
            && let Some(subscription) = self.subscriptions.get_mut(&id)
        {
            subscription.phase = Phase::Trying { client };
        }
        self.reschedule_subscription(id);
    }

    fn send_subscribe(&mut self, now: Instant, id: SubscriptionId, expires: u32) -> Option<u64> {
        let subscription = self.subscriptions.get_mut(&id)?;
        subscription.last_sent = Some(now);
        let identity = subscription.identity;
        let (event, accept) = (subscription.event.clone(), subscription.accept.clone());
        let (mut request, hop): (Request, Hop) = match &mut subscription.dialog {
            Some(dialog) => (dialog.request(Method::Subscribe), Hop::Dialog),
            None => {
                subscription.number += 1;
                let number = subscription.number;
                let (target, call_id, tag) =
                    (subscription.target.clone(), subscription.call_id.clone(), subscription.tag.clone());
                let request = self.bare_request(identity, Method::Subscribe, &target, &call_id, &tag, number)?;
                (request, Hop::Server)
            }
        };
        request.headers.push("Event", event);
        if !accept.is_empty() {
            request.headers.push("Accept", accept);
        }
        request.headers.push("Expires", expires.to_string());
        let (user, identity) = (User::Subscription(id), Some(identity));
        Some(self.send(now, Outgoing { user, identity, request, contact: ContactUse::Plain, hop }))
    }

    fn answer_while_ending(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        client: u64,
        result: Result<Response, Failure>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        match result {
            Ok(response) if response.status < 300 => {
                // the answer to the first SUBSCRIBE came after `unsubscribe`
                let sent = self.clients.get(&client).and_then(|c| c.running()).map(|r| &r.sent);
                let first = sent.and_then(|s| s.headers.expires()) != Some(0);
                if subscription.dialog.is_none() {
                    subscription.dialog = sent.and_then(|sent| Dialog::of_client(sent, &response));
                }
                if first {
                    self.send_subscribe(now, id, 0);
                }
            }
            _ => self.end_subscription_of_ours(id),
        }
    }

    fn subscription_failed(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        status: Option<u16>,
        reason: &str,
        again: Again,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.alive_since.is_some_and(|since| now.saturating_duration_since(since) >= SETTLED) {
            subscription.failures = 0;
        }
        let failures = subscription.failures.min(20);
        subscription.failures = failures + 1;
        subscription.alive_since = None;
        subscription.dialog = None;
        let earliest = subscription.last_sent.map_or(now, |at| at + GAP);
        let doubled = |base: Duration| base.saturating_mul(2u32.saturating_pow(failures)).min(LONGEST);
        let retry_at = match again {
            Again::Never => None,
            Again::Soon if failures == 0 => Some(earliest.max(now)),
            Again::Soon => Some(earliest.max(now + doubled(GAP))),
            Again::Later(wait) => {
                let longest = doubled(BASE);
                let own = self.chance.between(longest / 2, longest);
                // a Retry-After of nothing does not mean for ever at once
                Some(earliest.max(now + wait.map_or(own, |w| w.max(doubled(GAP)))))
            }
        };
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.phase = retry_at.map_or(Phase::GivenUp, |at| Phase::Waiting { at });
        }
        self.tell_subscription(id, SubscriptionState::Terminated { status, reason: reason.to_owned(), retry_at });
        self.reschedule_subscription(id);
    }

    /// `unsubscribe` is done.
    fn end_subscription_of_ours(&mut self, id: SubscriptionId) {
        let state = SubscriptionState::Terminated { status: None, reason: "unsubscribed".to_owned(), retry_at: None };
        self.tell_subscription(id, state);
        self.schedule.set(Owner::Subscription(id), None);
        if let Some(subscription) = self.subscriptions.remove(&id) {
            self.dialogs.remove(&(subscription.call_id, subscription.tag));
        }
    }

    fn tell_subscription(&mut self, id: SubscriptionId, state: SubscriptionState) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if subscription.state.as_ref() != Some(&state) {
            subscription.state = Some(state.clone());
            self.outputs.push_back(Output::Event(Event::Subscription { subscription: id, state }));
        }
    }

    /// 80 to 90 % of what was granted.
    fn refresh_after(&mut self, granted: u32) -> Duration {
        let time = Duration::from_secs(u64::from(granted));
        self.chance.between(time * 80 / 100, time * 90 / 100).max(LEAST_REFRESH)
    }

    fn reschedule_subscription(&mut self, id: SubscriptionId) {
        let next = self.subscriptions.get(&id).and_then(Subscription::next);
        self.schedule.set(Owner::Subscription(id), next);
    }
}

#[derive(Debug, Clone, Copy)]
enum Again {
    Soon,
    Later(Option<Duration>),
    Never,
}

/// Events that we can be asked for, for a 489.
pub(crate) fn allow_events(events: &[String]) -> Headers {
    let mut headers = Headers::new();
    headers.push("Allow-Events", events.join(", "));
    headers
}
