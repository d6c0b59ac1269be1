//! Calls between users, back to back: one `sip` session with the caller, one with every phone of the called user until
//! somebody answers, then two. SDP passes through untouched. The numbers of the PBX itself end here (`numbers`).
//!
//! Refusals of several phones become one as RFC 3261 section 16.7 step 6 chooses, with our own words for what the caller
//! cannot act on (a phone that asks the PBX for credentials, that has lost its contact, that did not answer). A call that a
//! phone sends on (3xx) goes there once no other phone of the user rings any more (`forwarding`). An INVITE without offer goes on without one: the phone's 2xx has the offer, and its ACK waits for what
//! the caller's ACK brings (RFC 3261 section 13.2.1); re-INVITEs likewise.

use crate::context::{Context, asserted};
use crate::forwarding::{self, Diversion, Redirection};
use crate::numbers::{self, Number, Player};
use crate::{MediaId, Output};
use offhook_media as media;
use offhook_media::sdp::SdpError;
use offhook_sip::event_package::dialog_info::{Dialog, DialogState, Direction};
use offhook_sip::{Body, Ended, Endpoint, Headers, Request, Response, SessionId, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Calls at a time; one more is answered 503.
pub(crate) const MAX_CALLS: usize = 64;
/// How long phones ring before the caller gets 480 (`office.user.06`).
pub(crate) const NO_ANSWER: Duration = Duration::from_secs(30);
/// A call that nobody has ended by then has been forgotten.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(12 * 3600);
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
/// Characters of a caller's name.
const MAX_NAME: usize = 64;

#[derive(Debug)]
struct Call {
    caller: SessionId,
    from: String,
    /// as the called phone shows it
    name: String,
    /// as dialled
    to: String,
    /// whose phones ring or are talked to: `to`, unless the call was sent on
    called: String,
    /// who sent it on, the first one first
    diversions: Vec<Diversion>,
    state: State,
}

/// What of the caller's INVITE every INVITE to a phone needs.
#[derive(Debug, Clone)]
struct Asked {
    /// `None`: the phones make the offer
    offer: Option<Body>,
    source: SocketAddr,
    uri: Uri,
}

#[derive(Debug)]
enum State {
    /// The called user's phones are asked.
    Forking {
        branches: Vec<SessionId>,
        /// more than one phone: no early media, the caller could not tell the phones apart
        several: bool,
        refusals: Vec<u16>,
        /// what a phone that sends the call on wants; followed when the last of the others has refused
        redirection: Option<Redirection>,
        /// last provisional status passed on
        early: Option<u16>,
        asked: Box<Asked>,
        no_answer_at: Instant,
    },
    Talking {
        callee: SessionId,
        since: Instant,
        exchange: Exchange,
    },
    /// 600, 601: the driver is asked for sockets.
    Binding {
        media: MediaId,
        number: Number,
        offer: Option<Body>,
        peer: SocketAddr,
        give_up_at: Instant,
    },
    Playing {
        player: Box<Player>,
        since: Instant,
    },
}

/// Offer and answer between the two sides of a call (RFC 3264): one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exchange {
    Idle,
    /// What `origin` offered is with the other side; `None`: he asked for an offer.
    Open {
        origin: SessionId,
        offer: Option<Body>,
    },
    /// The other side's offer went to its asker in a 2xx; `owed` waits for the answer that comes with the ACK.
    Owed {
        owed: SessionId,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: BTreeMap<u64, Call>,
    by_session: BTreeMap<SessionId, u64>,
    /// users whose dialogs are no longer what was last told
    changed: BTreeSet<String>,
    /// dialogs that have ended and were not told yet
    ended: Vec<(String, Dialog)>,
    last: u64,
    last_media: u32,
}

impl Calls {
    /// An INVITE of `from`, who has proved to be that user.
    pub(crate) fn incoming(
        &mut self,
        context: &mut Context<'_>,
        session: SessionId,
        from: &str,
        request: &Request,
        source: SocketAddr,
        offer: Option<Body>,
    ) {
        let to = request.uri.user().unwrap_or_default();
        if self.calls.len() >= MAX_CALLS {
            let mut headers = Headers::new();
            headers.push("Retry-After", "10");
            context.log(&format!("call of {from} refused: {MAX_CALLS} calls already"));
            return context.reject(session, 503, headers);
        }
        let name = self.caller_name(context, from, request);
        let call = |state| Call {
            caller: session,
            from: from.to_owned(),
            name: name.clone(),
            to: to.clone(),
            called: to.clone(),
            diversions: Vec::new(),
            state,
        };
        if let Some(number) = Number::dialled(&to) {
            let playing = self
                .calls
                .values()
                .filter(|c| matches!(c.state, State::Binding { .. } | State::Playing { .. }))
                .count();
            if playing >= numbers::MAX_PLAYING {
                return context.reject(session, 486, Headers::new());
            }
            self.last_media = self.last_media.wrapping_add(1);
            let media = MediaId(self.last_media);
            context.outputs.push_back(Output::BindMedia {
                id: media,
                local: context.site.sip.ip(),
                range: numbers::PORTS,
            });
            let give_up_at = context.now.instant + numbers::BIND_TIME;
            self.put(call(State::Binding { media, number, offer, peer: source, give_up_at }));
            return;
        }
        let asked = Box::new(Asked { offer, source, uri: request.uri.clone() });
        match fork(context, from, &name, &to, &[], &asked) {
            Ok(branches) => {
                context.log(&format!("{from} calls {to} on {} phone(s)", branches.len()));
                self.put(call(State::forking(context, branches, None, asked)));
            }
            Err(status) => context.reject(session, status, Headers::new()),
        }
    }

    /// 3xx of a called phone; its session ends next.
    pub(crate) fn redirected(&mut self, context: &mut Context<'_>, session: SessionId, response: &Response) {
        let Some(call) = self.by_session.get(&session).and_then(|id| self.calls.get_mut(id)) else { return };
        let State::Forking { redirection, asked, .. } = &mut call.state else { return };
        // 305 names a proxy and 380 another service: no place to call
        if session == call.caller || !matches!(response.status, 300..=302) {
            return;
        }
        let own = context.aor(&call.called);
        let homes: Vec<&Uri> = own.iter().chain([&asked.uri]).collect();
        let wish = Redirection::of(response, &homes);
        // of two phones of a user the first one counts that can be followed
        if redirection.as_ref().is_none_or(|earlier| earlier.to.is_none()) {
            *redirection = Some(wish);
        }
    }

    /// No phone of the user is left to answer: on to where one of them sent the call, or the caller hears `status`.
    fn unanswered(&mut self, context: &mut Context<'_>, id: u64, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let State::Forking { redirection, .. } = &mut call.state else { return };
        let Some(redirection) = redirection.take() else { return self.give_up(context, id, status) };
        if let Err((status, why)) = self.follow(context, id, &redirection) {
            let Some(call) = self.calls.get(&id) else { return };
            context.log(&format!("call of {} not sent on by {}: {why}", call.from, call.called));
            let headers = warning(399, &format!("not sent on: {why}"));
            context.reject(call.caller, status, headers);
            let caller = call.caller;
            self.finish(context, id, Some(caller), &format!("answered {status}"));
        }
    }

    /// # Errors
    /// The status for the caller, and why.
    fn follow(
        &mut self,
        context: &mut Context<'_>,
        id: u64,
        redirection: &Redirection,
    ) -> Result<(), (u16, &'static str)> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        let State::Forking { branches, asked, .. } = &call.state else { return Ok(()) };
        let refused = |why| (redirection.refusal(), why);
        let to = redirection.to.clone().ok_or(refused("the target is not a number of this PBX"))?;
        if to == call.called || call.diversions.iter().any(|diversion| diversion.by == to) {
            return Err(refused("the call would go round in a circle"));
        }
        if call.diversions.len() >= forwarding::MOST {
            return Err(refused("it was sent on too often"));
        }
        let mut diversions = call.diversions.clone();
        diversions.push(Diversion { by: call.called.clone(), reason: redirection.reason });
        let (asked, rest) = (asked.clone(), branches.clone());
        let branches =
            fork(context, &call.from, &call.name, &to, &diversions, &asked).map_err(|status| match status {
                404 => refused("nobody has the number"),
                status => (status, "nobody is there"),
            })?;
        // after 30 s they may still ring
        for branch in rest {
            self.by_session.remove(&branch);
            context.end(branch, None);
        }
        let host = context.site.sip.to_string();
        let names = |number: &str| shown_name(context, number);
        let over = call.dialogs(id, context.endpoint, &host, &names).into_iter().filter(|(of, _)| *of == call.called);
        self.ended.extend(over.map(|(of, dialog)| (of, Dialog { state: DialogState::Terminated, ..dialog })));
        context.log(&format!(
            "{} sends the call of {} on to {to} ({}), {} phone(s)",
            call.called,
            call.from,
            redirection.reason,
            branches.len()
        ));
        self.changed.extend([call.from.clone(), call.called.clone(), to.clone()]);
        self.by_session.extend(branches.iter().map(|&branch| (branch, id)));
        call.called = to;
        call.diversions = diversions;
        // RFC 3261 section 21.1.3
        let _ = context.endpoint.ring(context.now.instant, call.caller, 181, None);
        call.state = State::forking(context, branches, Some(181), asked);
        Ok(())
    }

    /// 1xx of a called phone.
    pub(crate) fn progress(&mut self, context: &mut Context<'_>, session: SessionId, status: u16, body: Option<Body>) {
        let Some(call) = self.by_session.get(&session).and_then(|id| self.calls.get_mut(id)) else { return };
        let State::Forking { several, early, .. } = &mut call.state else { return };
        let (status, body) = if *several { (180, None) } else { (status, body) };
        if *early == Some(status) && body.is_none() {
            return;
        }
        *early = Some(status);
        let _ = context.endpoint.ring(context.now.instant, call.caller, status, body);
        self.changed.extend([call.from.clone(), call.called.clone()]);
    }

    /// 2xx of a called phone: the first wins.
    pub(crate) fn answered(&mut self, context: &mut Context<'_>, session: SessionId, body: Option<Body>) {
        let Some(&id) = self.by_session.get(&session) else {
            // its 2xx crossed our CANCEL
            return context.end(session, Some(ELSEWHERE));
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let State::Forking { branches, asked, .. } = &mut call.state else { return };
        let others: Vec<SessionId> = branches.iter().copied().filter(|&branch| branch != session).collect();
        let since = context.now.instant;
        let exchange = if asked.offer.is_some() { Exchange::Idle } else { Exchange::Owed { owed: session } };
        call.state = State::Talking { callee: session, since, exchange };
        let (caller, line) = (call.caller, format!("{} and {} talk", call.from, call.called));
        self.changed.extend([call.from.clone(), call.called.clone()]);
        for other in others {
            self.by_session.remove(&other);
            context.end(other, Some(ELSEWHERE));
        }
        if context.endpoint.answer(since, caller, body).is_err() {
            self.finish(context, id, None, "the caller was gone");
        } else {
            context.log(&line);
        }
    }

    /// A new offer within the call: hold, resume, another codec.
    pub(crate) fn reoffered(&mut self, context: &mut Context<'_>, session: SessionId, offer: Option<Body>) {
        let now = context.now.instant;
        let Some(call) = self.by_session.get(&session).and_then(|id| self.calls.get_mut(id)) else {
            let _ = context.endpoint.refuse_offer(now, session, 481);
            return;
        };
        match &mut call.state {
            State::Talking { callee, exchange, .. } => {
                let other = if session == call.caller { *callee } else { call.caller };
                match exchange {
                    Exchange::Idle => match context.endpoint.reoffer(now, other, offer.clone()) {
                        Ok(()) => *exchange = Exchange::Open { origin: session, offer },
                        Err(_) => {
                            let _ = context.endpoint.refuse_offer(now, session, 491);
                        }
                    },
                    // both put on hold in the same moment: section 14.2, this one has to ask again later
                    Exchange::Open { origin, offer: first } if *origin != session => {
                        let first = first.clone();
                        let _ = context.endpoint.refuse_offer(now, session, 491);
                        // the first offer goes on; if it was waiting for its second try, that is now
                        let _ = context.endpoint.reoffer(now, session, first);
                    }
                    Exchange::Open { .. } | Exchange::Owed { .. } => {
                        let _ = context.endpoint.refuse_offer(now, session, 491);
                    }
                }
            }
            State::Playing { player, .. } => match player.describe(context, offer.as_ref()) {
                Ok(body) => {
                    let _ = context.endpoint.answer_offer(now, session, Some(body));
                }
                Err(error) => {
                    let _ = context.endpoint.refuse_offer(now, session, refusal(&error).0);
                }
            },
            State::Forking { .. } | State::Binding { .. } => {
                let _ = context.endpoint.refuse_offer(now, session, 491);
            }
        }
    }

    /// The answer to an offer that was passed on.
    pub(crate) fn offer_answered(
        &mut self,
        context: &mut Context<'_>,
        session: SessionId,
        result: Result<Option<Body>, (u16, String)>,
    ) {
        let Some(&id) = self.by_session.get(&session) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let State::Talking { exchange, .. } = &mut call.state else { return };
        let Exchange::Open { origin, offer } = std::mem::replace(exchange, Exchange::Idle) else { return };
        match result {
            Ok(body) => {
                if offer.is_none() {
                    // this is an offer: its answer comes with the ACK of the one who asked for it
                    *exchange = Exchange::Owed { owed: session };
                }
                let _ = context.endpoint.answer_offer(context.now.instant, origin, body);
            }
            Err((status, _)) => {
                let status = match status {
                    300..=399 | 401 | 407 => 488,
                    // section 12.2.1.2: the dialog is gone, and with it the call
                    408 | 481 => return self.finish(context, id, Some(session), "the other side was gone"),
                    other => other,
                };
                let _ = context.endpoint.refuse_offer(context.now.instant, origin, status);
            }
        }
    }

    /// ACK of our 2xx.
    pub(crate) fn confirmed(&mut self, context: &mut Context<'_>, session: SessionId, body: Option<Body>) {
        let Some(&id) = self.by_session.get(&session) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        match &mut call.state {
            State::Talking { exchange, .. } => {
                let Exchange::Owed { owed } = *exchange else { return };
                if owed == session {
                    return;
                }
                *exchange = Exchange::Idle;
                match body {
                    Some(answer) => {
                        let _ = context.endpoint.answer_offer(context.now.instant, owed, Some(answer));
                    }
                    None => self.finish(context, id, None, "an offer got no answer"),
                }
            }
            State::Playing { player, .. } if player.offered => {
                let usable = body.is_some_and(|body| player.accept(context, &body).is_ok());
                if !usable {
                    self.finish(context, id, None, "its answer could not be used");
                }
            }
            _ => {}
        }
    }

    pub(crate) fn info(&mut self, context: &mut Context<'_>, session: SessionId, body: Option<Body>) {
        let Some(call) = self.by_session.get(&session).and_then(|id| self.calls.get(id)) else { return };
        if let (State::Talking { callee, .. }, Some(body)) = (&call.state, body) {
            let other = if session == call.caller { *callee } else { call.caller };
            let _ = context.endpoint.info(context.now.instant, other, body);
        }
    }

    pub(crate) fn ended(&mut self, context: &mut Context<'_>, session: SessionId, why: &Ended) {
        let Some(&id) = self.by_session.get(&session) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let State::Forking { branches, refusals, redirection, .. } = &mut call.state
            && session != call.caller
        {
            self.by_session.remove(&session);
            branches.retain(|&branch| branch != session);
            refusals.push(match why {
                Ended::Refused { status: 300..=399, .. } => redirection.as_ref().map_or(480, Redirection::refusal),
                Ended::Refused { status, .. } | Ended::Failed { status, .. } => *status,
                Ended::Local | Ended::Remote { .. } => 480,
            });
            // section 16.7: a global refusal speaks for all phones of the user
            let declined = refusals.iter().any(|status| *status >= 600);
            let status = combined(refusals);
            if declined {
                self.give_up(context, id, status);
            } else if branches.is_empty() {
                self.unanswered(context, id, status);
            }
            return;
        }
        let reason = match why {
            Ended::Remote { reason } => reason.clone(),
            _ => None,
        };
        let who = if session == call.caller { "by the caller" } else { "by the called" };
        self.finish_with(context, id, Some(session), reason.as_deref(), who);
    }

    // media of our own numbers

    pub(crate) fn media_bound(
        &mut self,
        context: &mut Context<'_>,
        media: MediaId,
        result: Result<SocketAddr, String>,
    ) {
        let found =
            self.calls.iter_mut().find(|(_, c)| matches!(&c.state, State::Binding { media: m, .. } if *m == media));
        // the caller may have given up since: the sockets were released then
        let Some((&id, call)) = found else { return };
        let State::Binding { number, offer, peer, .. } = &call.state else { return };
        let rtp = match result {
            Ok(rtp) => rtp,
            Err(why) => {
                context.log(&format!("no media port for {}: {why}", call.to));
                return self.give_up(context, id, 503);
            }
        };
        let (number, offer, peer) = (*number, offer.clone(), *peer);
        let mut player = Player::new(media, number, rtp, peer, context.chance.u32());
        let described = player.describe(context, offer.as_ref());
        let caller = call.caller;
        call.state = State::Playing { player: Box::new(player), since: context.now.instant };
        self.changed.insert(call.from.clone());
        match described {
            Ok(body) => {
                let line = format!("{} listens to {}", call.from, call.to);
                context.log(&line);
                if context.endpoint.answer(context.now.instant, caller, Some(body)).is_err() {
                    self.finish(context, id, Some(caller), "the caller was gone");
                }
            }
            Err(error) => {
                let (status, headers) = refusal(&error);
                context.reject(caller, status, headers);
                self.finish(context, id, Some(caller), "its offer could not be used");
            }
        }
    }

    pub(crate) fn media_event(&mut self, context: &mut Context<'_>, event: media::Event) {
        let (stream, why) = match event {
            media::Event::Silent { stream, seconds } if seconds >= numbers::MAX_SILENCE => {
                (stream, "nothing was heard of the caller")
            }
            media::Event::Refused(media::Command::Add(stream) | media::Command::Replace(stream)) => {
                (stream.id(), "the media engine refused")
            }
            // what is handed back is freed here, off the media thread
            _ => return,
        };
        let found = self
            .calls
            .iter()
            .find(|(_, c)| matches!(&c.state, State::Playing { player, .. } if player.media.0 == stream.0));
        if let Some((&id, _)) = found {
            self.finish(context, id, None, why);
        }
    }

    // time

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.calls.values().map(Call::deadline).min()
    }

    pub(crate) fn expire(&mut self, context: &mut Context<'_>) {
        let due: Vec<u64> =
            self.calls.iter().filter(|(_, c)| c.deadline() <= context.now.instant).map(|(&id, _)| id).collect();
        for id in due {
            match self.calls.get(&id).map(|c| &c.state) {
                Some(State::Forking { .. }) => self.unanswered(context, id, 480),
                Some(State::Binding { .. }) => self.give_up(context, id, 503),
                _ => self.finish(context, id, None, "it was forgotten"),
            }
        }
    }

    /// Ends every call.
    pub(crate) fn end_all(&mut self, context: &mut Context<'_>) {
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            match self.calls.get(&id).map(|c| &c.state) {
                Some(State::Forking { .. } | State::Binding { .. }) => self.give_up(context, id, 503),
                _ => self.finish(context, id, None, "the PBX stops"),
            }
        }
    }

    // for the watchers

    /// Users whose dialogs have changed since the last time, and the dialogs that have ended since.
    pub(crate) fn take_changes(&mut self) -> (BTreeSet<String>, Vec<(String, Dialog)>) {
        (std::mem::take(&mut self.changed), std::mem::take(&mut self.ended))
    }

    /// The calls of a user as RFC 4235 sees them, from his phones' side.
    pub(crate) fn dialogs(
        &self,
        endpoint: &Endpoint,
        host: &str,
        user: &str,
        names: impl Fn(&str) -> String,
    ) -> Vec<Dialog> {
        self.calls
            .iter()
            .flat_map(|(id, call)| call.dialogs(*id, endpoint, host, &names))
            .filter(|(of, _)| of == user)
            .map(|(_, dialog)| dialog)
            .collect()
    }

    fn put(&mut self, call: Call) {
        self.last += 1;
        self.by_session.insert(call.caller, self.last);
        if let State::Forking { branches, .. } = &call.state {
            self.by_session.extend(branches.iter().map(|&branch| (branch, self.last)));
        }
        self.changed.extend([call.from.clone(), call.called.clone()]);
        self.calls.insert(self.last, call);
    }

    /// An INVITE that comes to nothing: the phones stop ringing, the caller gets `status`.
    fn give_up(&mut self, context: &mut Context<'_>, id: u64, status: u16) {
        let Some(caller) = self.calls.get(&id).map(|call| call.caller) else { return };
        context.reject(caller, status, Headers::new());
        self.finish(context, id, Some(caller), &format!("answered {status}"));
    }

    fn finish(&mut self, context: &mut Context<'_>, id: u64, gone: Option<SessionId>, why: &str) {
        self.finish_with(context, id, gone, None, why);
    }

    /// Takes the call out of the table first, so that what its sessions still say finds nothing, then ends every session but `gone`.
    fn finish_with(
        &mut self,
        context: &mut Context<'_>,
        id: u64,
        gone: Option<SessionId>,
        reason: Option<&str>,
        why: &str,
    ) {
        let Some(call) = self.calls.get(&id) else { return };
        let host = context.site.sip.to_string();
        let names = |number: &str| shown_name(context, number);
        let last: Vec<_> = call.dialogs(id, context.endpoint, &host, &names);
        self.ended
            .extend(last.into_iter().map(|(user, dialog)| (user, Dialog { state: DialogState::Terminated, ..dialog })));
        let Some(call) = self.calls.remove(&id) else { return };
        self.by_session.retain(|_, of| *of != id);
        self.changed.extend([call.from.clone(), call.called.clone()]);
        let mut sessions = vec![call.caller];
        let mut lasted = None;
        match &call.state {
            State::Forking { branches, .. } => sessions.extend(branches),
            State::Talking { callee, since, .. } => {
                sessions.push(*callee);
                lasted = Some(*since);
            }
            State::Binding { media, .. } => context.outputs.push_back(Output::ReleaseMedia { id: *media }),
            State::Playing { player, since } => {
                player.stop(context);
                lasted = Some(*since);
            }
        }
        for session in sessions.into_iter().filter(|&session| Some(session) != gone) {
            context.end(session, reason);
        }
        let lasted = lasted.map_or(String::new(), |since| {
            format!(" after {} s", context.now.instant.saturating_duration_since(since).as_secs())
        });
        context.log(&format!("call {} to {} ended{lasted}: {why}", call.from, call.to));
    }

    /// The name in the user's record, else the one that his phone wrote, else his number (`office.user.05`).
    fn caller_name(&self, context: &Context<'_>, from: &str, request: &Request) -> String {
        let stored = context.users.get(from).map(|user| user.display_name.as_str()).unwrap_or_default();
        if !stored.is_empty() {
            return stored.to_owned();
        }
        let written = request.headers.from().and_then(|from| from.display_name).unwrap_or_default();
        let plain: String = written.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        if plain.trim().is_empty() { from.to_owned() } else { plain.trim().to_owned() }
    }
}

/// An INVITE to every phone of `to`.
///
/// # Errors
/// The status for the caller: nobody has that number, or no phone of his can be asked.
fn fork(
    context: &mut Context<'_>,
    from: &str,
    name: &str,
    to: &str,
    diversions: &[Diversion],
    asked: &Asked,
) -> Result<Vec<SessionId>, u16> {
    if context.users.get(to).is_none() {
        return Err(404);
    }
    let mut targets = context.location.targets(context.now.instant, to);
    let registered = !targets.is_empty();
    // calling the own number reaches the other phones of the user
    targets.retain(|target| to != from || target.source != asked.source);
    if targets.is_empty() {
        return Err(if registered { 486 } else { 480 });
    }
    let aor = context.aor(from).ok_or(500_u16)?;
    let identity = context.identities.of(context.endpoint, context.now.instant, &aor, from, name);
    let mut headers = Headers::new();
    headers.push("P-Asserted-Identity", asserted(&aor, name));
    // RFC 5806 section 3: the newest on top
    for diversion in diversions.iter().rev() {
        if let Some(by) = context.aor(&diversion.by) {
            headers.push("Diversion", format!("<{by}>;reason={};counter=1", diversion.reason));
        }
    }
    let mut branches = Vec::new();
    for target in targets {
        let (now, via) = (context.now.instant, Some((target.flow, target.source)));
        let (offer, headers) = (asked.offer.clone(), headers.clone());
        if let Ok(branch) = context.endpoint.invite_via(now, identity, target.uri, via, offer, headers) {
            branches.push(branch);
        }
    }
    if branches.is_empty() { Err(480) } else { Ok(branches) }
}

impl State {
    fn forking(context: &Context<'_>, branches: Vec<SessionId>, early: Option<u16>, asked: Box<Asked>) -> Self {
        Self::Forking {
            several: branches.len() > 1,
            branches,
            refusals: Vec::new(),
            redirection: None,
            early,
            asked,
            no_answer_at: context.now.instant + NO_ANSWER,
        }
    }
}

impl Call {
    fn deadline(&self) -> Instant {
        match &self.state {
            State::Forking { no_answer_at, .. } => *no_answer_at,
            State::Binding { give_up_at, .. } => *give_up_at,
            State::Talking { since, .. } | State::Playing { since, .. } => *since + MAX_DURATION,
        }
    }

    /// The caller's dialog and, unless the PBX itself answers, the called user's.
    fn dialogs(
        &self,
        id: u64,
        endpoint: &Endpoint,
        host: &str,
        names: &dyn Fn(&str) -> String,
    ) -> Vec<(String, Dialog)> {
        let (state, called) = match &self.state {
            State::Forking { branches, early, .. } => {
                let state = if early.is_some() { DialogState::Early } else { DialogState::Trying };
                (state, Some(if branches.len() == 1 { branches.first().copied() } else { None }))
            }
            State::Talking { callee, .. } => (DialogState::Confirmed, Some(Some(*callee))),
            State::Binding { .. } => (DialogState::Trying, None),
            State::Playing { .. } => (DialogState::Confirmed, None),
        };
        let dialog = |direction, side: &str, session: Option<SessionId>, number: &str, name: String| {
            // our local tag is the phone's remote tag
            let ids = session.and_then(|session| endpoint.dialog(session));
            let tag = |tag: &String| Some(tag.clone()).filter(|tag| !tag.is_empty());
            Dialog {
                id: format!("{id}{side}"),
                call_id: ids.as_ref().map(|ids| ids.call_id.clone()),
                local_tag: ids.as_ref().and_then(|ids| tag(&ids.remote_tag)),
                remote_tag: ids.as_ref().and_then(|ids| tag(&ids.local_tag)),
                direction: Some(direction),
                state,
                remote_identity: Uri::sip(number, host).map(|uri| uri.to_string()),
                remote_display: Some(name),
            }
        };
        let mut dialogs =
            vec![(self.from.clone(), dialog(Direction::Initiator, "a", Some(self.caller), &self.to, names(&self.to)))];
        if let Some(session) = called {
            dialogs
                .push((self.called.clone(), dialog(Direction::Recipient, "b", session, &self.from, self.name.clone())));
        }
        dialogs
    }
}

fn shown_name(context: &Context<'_>, number: &str) -> String {
    context.users.get(number).map_or(number, |user| user.shown_name()).to_owned()
}

/// One final status for the caller out of those of the phones.
fn combined(refusals: &[u16]) -> u16 {
    if let Some(&global) = refusals.iter().find(|&&status| status >= 600) {
        return global;
    }
    let own_word = |status: &u16| match *status {
        300..=399 | 401 | 404 | 407 | 408 | 410 | 481 | 487 => 480,
        503 => 480,
        other => other,
    };
    refusals.iter().map(own_word).min().unwrap_or(480)
}

fn refusal(error: &SdpError) -> (u16, Headers) {
    match error {
        SdpError::Malformed(line, what) => (400, warning(399, &format!("SDP line {line}: {what}"))),
        SdpError::NotAcceptable(code, text) => (488, warning(*code, text)),
    }
}

/// RFC 3261 section 20.43.
fn warning(code: u16, text: &str) -> Headers {
    let plain: String = text.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').take(120).collect();
    let mut headers = Headers::new();
    headers.push("Warning", format!("{code} pbx \"{plain}\""));
    headers
}

#[cfg(test)]
mod tests {
    use super::combined;

    /// RFC 3261 section 16.7 step 6, and the words of our own.
    #[test]
    fn refusals_of_several_phones_become_one() {
        let cases: [(&[u16], u16); 10] = [
            (&[486], 486),
            (&[486, 486], 486),
            (&[486, 480], 480),
            (&[486, 408], 480),
            (&[503, 486], 480),
            (&[488, 486], 486),
            (&[486, 603], 603),
            (&[401], 480),
            (&[500], 500),
            (&[], 480),
        ];
        for (refusals, expected) in cases {
            assert_eq!(combined(refusals), expected, "{refusals:?}");
        }
    }
}
