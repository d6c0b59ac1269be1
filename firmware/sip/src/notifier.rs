//! Subscriptions of others at us: RFC 6665 section 4.2.
//!
//! `Subscribed` asks the user; `accept_subscription` answers 200 and `notify` sends the state. NOTIFYs of one
//! subscription go out one after the other. When the time is over, or the subscriber asked for none, the last
//! NOTIFY says `terminated`. A NOTIFY that fails ends the subscription.

use crate::client::{ContactUse, Failure, Outgoing, User};
use crate::dialog::{Dialog, Order};
use crate::identity::Hop;
use crate::schedule::Owner;
use crate::server::Usage;
use crate::subscription::allow_events;
use crate::{Body, Endpoint, Event, FlowId, Headers, IdentityId, Method, Misuse, NotifierId, Output, Response};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Subscribers at most.
const MAX_NOTIFIERS: usize = 1024;
/// NOTIFYs that wait for the one before at most; then the oldest is left out.
const MAX_QUEUE: usize = 16;
/// After a SUBSCRIBE with Expires 0 the user has this long to send the last state.
const FETCH: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Notifier {
    pub(crate) identity: Option<IdentityId>,
    dialog: Dialog,
    event: String,
    event_id: Option<String>,
    pin: Option<(FlowId, SocketAddr)>,
    /// SUBSCRIBE that waits for the user's answer
    asked: Option<Asked>,
    /// `None`: never accepted yet
    expires_at: Option<Instant>,
    /// NOTIFY that is out
    client: Option<u64>,
    queue: VecDeque<Last>,
    /// the last NOTIFY was sent or queued
    ending: bool,
}

#[derive(Debug)]
struct Asked {
    server: u64,
    until: Instant,
}

#[derive(Debug)]
struct Last {
    body: Option<Body>,
    /// reason of `terminated`
    terminated: Option<String>,
}

impl Notifier {
    fn next(&self) -> Option<Instant> {
        let expiry = self.expires_at.filter(|_| !self.ending);
        [self.asked.as_ref().map(|a| a.until), expiry].into_iter().flatten().min()
    }

    pub(crate) fn next_number(&mut self) -> u32 {
        self.dialog.local_seq += 1;
        self.dialog.local_seq
    }

    pub(crate) fn moved(&mut self, old: u64, new: u64) {
        if self.client == Some(old) {
            self.client = Some(new);
        }
    }
}

impl Endpoint {
    /// SUBSCRIBE outside dialogs (section 4.2.1.1).
    pub(crate) fn subscribe_received(&mut self, now: Instant, server: u64) {
        let Some(transaction) = self.servers.get(&server) else { return };
        let event = transaction.request.headers.event();
        let known =
            event.as_ref().filter(|e| self.config.allow_events.iter().any(|a| a.eq_ignore_ascii_case(&e.value)));
        let Some(event) = known.cloned() else {
            let headers = allow_events(&self.config.allow_events);
            return self.reply_with(now, server, 489, &headers, None);
        };
        if self.notifiers.len() >= MAX_NOTIFIERS {
            let mut headers = Headers::new();
            headers.push("Retry-After", "30");
            return self.reply_with(now, server, 503, &headers, None);
        }
        let Some(dialog) = Dialog::of_server(&transaction.request, &transaction.tag) else {
            return self.reply(now, server, 400);
        };
        self.next_notifier += 1;
        let id = NotifierId(self.next_notifier);
        let pin = dialog.routes.is_empty().then_some((transaction.flow, transaction.source));
        let key = (dialog.call_id.clone(), transaction.tag.clone());
        let notifier = Notifier {
            identity: transaction.identity,
            dialog,
            event_id: event.param("id").map(str::to_owned),
            event: event.value,
            pin,
            asked: None,
            expires_at: None,
            client: None,
            queue: VecDeque::new(),
            ending: false,
        };
        self.notifiers.insert(id, notifier);
        self.dialogs.insert(key, Usage::Notifier(id));
        self.ask_user(now, id, server, false);
    }

    /// SUBSCRIBE in a dialog: refresh or end (section 4.2.1.2).
    pub(crate) fn resubscribe_received(&mut self, now: Instant, id: NotifierId, server: u64) {
        let (Some(transaction), Some(notifier)) = (self.servers.get(&server), self.notifiers.get_mut(&id)) else {
            return self.reply(now, server, 481);
        };
        let headers = &transaction.request.headers;
        let tag = headers.from().and_then(|f| f.tag().map(str::to_owned)).unwrap_or_default();
        if notifier.dialog.remote_tag() != tag || notifier.ending {
            return self.reply(now, server, 481);
        }
        if notifier.asked.is_some() || notifier.dialog.receive(headers) == Order::TooLow {
            return self.reply(now, server, 500);
        }
        notifier.dialog.refresh(headers);
        if notifier.pin.is_some() {
            notifier.pin = Some((transaction.flow, transaction.source));
        }
        self.ask_user(now, id, server, true);
    }

    pub(crate) fn accept_subscription_at(&mut self, now: Instant, id: NotifierId, expires: u32) -> Result<(), Misuse> {
        let notifier = self.notifiers.get_mut(&id).ok_or(Misuse::NoSuchNotifier)?;
        let asked = notifier.asked.take().ok_or(Misuse::WrongState)?;
        let time = if expires == 0 { FETCH } else { Duration::from_secs(u64::from(expires)) };
        notifier.expires_at = Some(now + time);
        let mut headers = Headers::new();
        headers.push("Expires", expires.to_string());
        if let Some(contact) = self.servers.get(&asked.server).and_then(|s| self.contact(s.identity, s.flow)) {
            headers.push("Contact", contact.to_string());
        }
        self.reply_with(now, asked.server, 200, &headers, None);
        self.reschedule_notifier(id);
        Ok(())
    }

    pub(crate) fn refuse_subscription_at(
        &mut self,
        now: Instant,
        id: NotifierId,
        status: u16,
        headers: &Headers,
    ) -> Result<(), Misuse> {
        let notifier = self.notifiers.get_mut(&id).ok_or(Misuse::NoSuchNotifier)?;
        if !(300..=699).contains(&status) {
            return Err(Misuse::WrongState);
        }
        let asked = notifier.asked.take().ok_or(Misuse::WrongState)?;
        let fresh = notifier.expires_at.is_none();
        self.reply_with(now, asked.server, status, headers, None);
        if fresh {
            self.drop_notifier(id, false);
        } else {
            self.reschedule_notifier(id);
        }
        Ok(())
    }

    pub(crate) fn notify_at(&mut self, now: Instant, id: NotifierId, body: Option<Body>) -> Result<(), Misuse> {
        let notifier = self.notifiers.get_mut(&id).ok_or(Misuse::NoSuchNotifier)?;
        let Some(expires_at) = notifier.expires_at.filter(|_| !notifier.ending) else { return Err(Misuse::WrongState) };
        // asked for the state once: this is it
        let fetch = expires_at <= now + FETCH;
        notifier.ending = fetch;
        self.queue_notify(now, id, Last { body, terminated: fetch.then(|| "timeout".to_owned()) });
        Ok(())
    }

    pub(crate) fn end_subscription_at(&mut self, now: Instant, id: NotifierId, reason: &str) -> Result<(), Misuse> {
        let notifier = self.notifiers.get_mut(&id).ok_or(Misuse::NoSuchNotifier)?;
        if notifier.ending {
            return Ok(());
        }
        if notifier.expires_at.is_none() {
            return self.refuse_subscription_at(now, id, 603, &Headers::new());
        }
        notifier.ending = true;
        self.queue_notify(now, id, Last { body: None, terminated: Some(reason.to_owned()) });
        Ok(())
    }

    pub(crate) fn notifier_timeout(&mut self, now: Instant, id: NotifierId) {
        let Some(notifier) = self.notifiers.get_mut(&id) else { return };
        if let Some(asked) = notifier.asked.take_if(|a| a.until <= now) {
            // the user did not answer
            let fresh = notifier.expires_at.is_none();
            self.reply(now, asked.server, 500);
            if fresh {
                return self.drop_notifier(id, true);
            }
        }
        let Some(notifier) = self.notifiers.get_mut(&id) else { return };
        if !notifier.ending && notifier.expires_at.is_some_and(|at| at <= now) {
            notifier.ending = true;
            self.queue_notify(now, id, Last { body: None, terminated: Some("timeout".to_owned()) });
        }
        self.reschedule_notifier(id);
    }

    pub(crate) fn notify_response(
        &mut self,
        now: Instant,
        id: NotifierId,
        client: u64,
        result: Result<Response, Failure>,
    ) {
        let Some(notifier) = self.notifiers.get_mut(&id) else { return };
        if notifier.client != Some(client) {
            return;
        }
        notifier.client = None;
        let gone = match result {
            Ok(response) => {
                if response.status < 300 {
                    notifier.dialog.refresh(&response.headers);
                }
                // section 4.2.2: a response that invites another try does not end the subscription
                response.status >= 300 && response.headers.first("Retry-After").is_none()
            }
            Err(_) => true,
        };
        let finished = notifier.ending && notifier.queue.is_empty();
        if gone || finished {
            return self.drop_notifier(id, true);
        }
        self.next_notify(now, id);
    }

    fn ask_user(&mut self, now: Instant, id: NotifierId, server: u64, refresh: bool) {
        let (Some(transaction), Some(notifier)) = (self.servers.get(&server), self.notifiers.get_mut(&id)) else {
            return;
        };
        notifier.asked = Some(Asked { server, until: now + self.config.t1 * 64 });
        let event = Event::Subscribed {
            notifier: id,
            request: Box::new(transaction.request.clone()),
            event: notifier.event.clone(),
            expires: transaction.request.headers.expires().unwrap_or(3600),
            refresh,
            source: transaction.source,
        };
        self.outputs.push_back(Output::Event(event));
        self.reschedule_notifier(id);
    }

    fn queue_notify(&mut self, now: Instant, id: NotifierId, last: Last) {
        let Some(notifier) = self.notifiers.get_mut(&id) else { return };
        if notifier.queue.len() >= MAX_QUEUE {
            notifier.queue.pop_front();
        }
        notifier.queue.push_back(last);
        self.next_notify(now, id);
        self.reschedule_notifier(id);
    }

    fn next_notify(&mut self, now: Instant, id: NotifierId) {
        let Some(notifier) = self.notifiers.get_mut(&id) else { return };
        if notifier.client.is_some() {
            return;
        }
        let Some(last) = notifier.queue.pop_front() else { return };
        let mut request = notifier.dialog.request(Method::Notify);
        let event = match &notifier.event_id {
            Some(event_id) => format!("{};id={event_id}", notifier.event),
            None => notifier.event.clone(),
        };
        request.headers.push("Event", event);
        let state = match (&last.terminated, notifier.expires_at) {
            (Some(reason), _) => format!("terminated;reason={reason}"),
            (None, Some(at)) => format!("active;expires={}", at.saturating_duration_since(now).as_secs()),
            (None, None) => "pending".to_owned(),
        };
        request.headers.push("Subscription-State", state);
        if let Some(body) = last.body {
            request.set_body(body);
        }
        let hop = notifier.pin.map_or(Hop::Dialog, |(flow, address)| Hop::Via(flow, address));
        let (user, identity) = (User::Notifier(id), notifier.identity);
        let client = self.send(now, Outgoing { user, identity, request, contact: ContactUse::Plain, hop });
        if let Some(notifier) = self.notifiers.get_mut(&id) {
            notifier.client = Some(client);
        }
    }

    fn drop_notifier(&mut self, id: NotifierId, tell: bool) {
        self.schedule.set(Owner::Notifier(id), None);
        let Some(notifier) = self.notifiers.remove(&id) else { return };
        self.dialogs.remove(&(notifier.dialog.call_id.clone(), notifier.dialog.local_tag().to_owned()));
        if tell {
            self.outputs.push_back(Output::Event(Event::NotifierEnded { notifier: id }));
        }
    }

    fn reschedule_notifier(&mut self, id: NotifierId) {
        let next = self.notifiers.get(&id).and_then(Notifier::next);
        self.schedule.set(Owner::Notifier(id), next);
    }
}
