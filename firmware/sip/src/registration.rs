//! Registration of an identity: RFC 3261 section 10.2, with the waiting times of RFC 5626 section 4.5.
//!
//! One Call-ID and one rising CSeq for as long as the identity lives. Wrong credentials end the attempts
//! until something changes; any other failure is tried again, at first after 15 to 30 s, at last every
//! 15 to 30 min. A binding is refreshed at 80 to 90 % of its time.

use crate::client::{ContactUse, Failure, Outgoing, User};
use crate::identity::Hop;
use crate::schedule::Owner;
use crate::server::retry_after;
use crate::{Endpoint, Event, FlowId, IdentityId, Method, Misuse, Output, RegistrationState, Response, Uri};
use std::time::{Duration, Instant};

/// First and longest wait after a failure (RFC 5626 section 4.5).
pub(crate) const BASE: Duration = Duration::from_secs(30);
pub(crate) const LONGEST: Duration = Duration::from_secs(1800);
/// Who was told of a REGISTER and does not let it go out is not waited for any longer.
const ANNOUNCED: Duration = Duration::from_secs(45);
/// How often our address may change in a row before we stop following it.
const MAX_MOVES: u8 = 2;

#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) state: RegistrationState,
    call_id: String,
    tag: String,
    number: u32,
    phase: Phase,
    /// failures in a row
    failures: u32,
    /// Expires that is asked for, raised by 423.
    expires: u32,
    /// Contact URI of the last REGISTER that was accepted.
    bound: Option<String>,
    /// re-registrations in a row because our address looked different
    moves: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not wanted, or given up.
    Idle,
    Registering {
        client: u64,
        /// register again when this one is done
        again: bool,
    },
    /// Registered or waiting after a failure: next REGISTER at `at`.
    Waiting {
        at: Instant,
    },
    Unregistering {
        client: u64,
    },
    /// The user was told of the next REGISTER, which goes out when he lets it, or at `until`.
    Announced {
        until: Instant,
    },
}

impl Registration {
    pub(crate) fn new(call_id: String, tag: String, expires: u32) -> Self {
        Self {
            state: RegistrationState::Unregistered,
            call_id,
            tag,
            number: 0,
            phase: Phase::Idle,
            failures: 0,
            expires,
            bound: None,
            moves: 0,
        }
    }

    pub(crate) fn next_number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    pub(crate) fn moved(&mut self, old: u64, new: u64) {
        match &mut self.phase {
            Phase::Registering { client, .. } | Phase::Unregistering { client } if *client == old => *client = new,
            _ => {}
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(self.phase, Phase::Registering { .. } | Phase::Waiting { .. } | Phase::Announced { .. })
    }
}

impl Endpoint {
    pub(crate) fn register_at(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        let identity = self.identities.get_mut(&id).filter(|i| !i.leaving).ok_or(Misuse::NoSuchIdentity)?;
        let registration = &mut identity.registration;
        registration.failures = 0;
        registration.moves = 0;
        if let Phase::Registering { again, .. } = &mut registration.phase {
            *again = true;
            return Ok(());
        }
        registration.expires = identity.config.expires;
        if let Phase::Announced { .. } = registration.phase {
            return Ok(());
        }
        self.set_registration(id, RegistrationState::Registering);
        self.begin_register(now, id);
        Ok(())
    }

    /// An attempt begins: at once, or when the user has done what comes before it.
    fn begin_register(&mut self, now: Instant, id: IdentityId) {
        let Some(identity) = self.identities.get_mut(&id) else { return };
        if !identity.config.announce_registration {
            return self.send_register(now, id);
        }
        let until = now + ANNOUNCED;
        identity.registration.phase = Phase::Announced { until };
        self.schedule.set(Owner::Registration(id), Some(until));
        self.outputs.push_back(Output::Event(Event::BeforeRegistration { identity: id }));
    }

    pub(crate) fn proceed_at(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        let identity = self.identities.get(&id).ok_or(Misuse::NoSuchIdentity)?;
        if let Phase::Announced { .. } = identity.registration.phase {
            self.send_register(now, id);
        }
        Ok(())
    }

    pub(crate) fn unregister_at(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        let identity = self.identities.get_mut(&id).ok_or(Misuse::NoSuchIdentity)?;
        let registration = &mut identity.registration;
        let before = registration.phase;
        if let Phase::Unregistering { .. } = before {
            return Ok(());
        }
        registration.phase = Phase::Idle;
        self.schedule.set(Owner::Registration(id), None);
        let sent = match before {
            Phase::Registering { client, .. } => {
                let withdrawn = self.withdraw(client);
                if let Some(client) = self.clients.get_mut(&client) {
                    client.user = User::Nobody;
                }
                !withdrawn
            }
            _ => false,
        };
        let Some(identity) = self.identities.get(&id) else { return Ok(()) };
        if !sent && identity.registration.bound.is_none() {
            self.set_registration(id, RegistrationState::Unregistered);
            return Ok(());
        }
        let client = self.send_register_with(now, id, 0);
        if let (Some(client), Some(identity)) = (client, self.identities.get_mut(&id)) {
            identity.registration.phase = Phase::Unregistering { client };
        }
        Ok(())
    }

    pub(crate) fn registration_timeout(&mut self, now: Instant, id: IdentityId) {
        let Some(identity) = self.identities.get(&id) else { return };
        let (Phase::Waiting { at } | Phase::Announced { until: at }) = identity.registration.phase else { return };
        if at > now {
            return self.schedule.set(Owner::Registration(id), Some(at));
        }
        if let Phase::Announced { .. } = identity.registration.phase {
            return self.send_register(now, id);
        }
        if !matches!(identity.registration.state, RegistrationState::Registered { .. }) {
            self.set_registration(id, RegistrationState::Registering);
        }
        self.begin_register(now, id);
    }

    pub(crate) fn register_response(
        &mut self,
        now: Instant,
        id: IdentityId,
        client: u64,
        result: Result<Response, Failure>,
    ) {
        let Some(identity) = self.identities.get_mut(&id) else { return };
        let again = match identity.registration.phase {
            Phase::Registering { client: ours, again } if ours == client => again,
            Phase::Unregistering { client: ours } if ours == client => {
                identity.registration.phase = Phase::Idle;
                identity.registration.bound = None;
                return self.set_registration(id, RegistrationState::Unregistered);
            }
            _ => return,
        };
        match result {
            Ok(response) if response.status < 300 => self.registered(now, id, &response, again),
            // What was refused is not what is wanted any more.
            _ if again => self.send_register(now, id),
            Ok(response) => match response.status {
                423 => {
                    let least = response.headers.first("Min-Expires").and_then(|v| v.trim().parse::<u32>().ok());
                    match least {
                        Some(least) if least > identity.registration.expires => {
                            identity.registration.expires = least;
                            self.send_register(now, id);
                        }
                        _ => self.register_failed(now, id, Some(423), &response.reason, None),
                    }
                }
                401 | 407 => {
                    identity.registration.phase = Phase::Idle;
                    let state = RegistrationState::Failed {
                        status: Some(response.status),
                        reason: response.reason,
                        retry_at: None,
                    };
                    self.set_registration(id, state);
                }
                status => {
                    let wait = retry_after(&response.headers);
                    self.register_failed(now, id, Some(status), &response.reason, wait);
                }
            },
            Err(failure) => self.register_failed(now, id, Some(failure.status), failure.reason, None),
        }
    }

    /// The flow of a registration is gone: register again, over a new one.
    pub(crate) fn registrations_of_lost_flow(&mut self, now: Instant, flow: FlowId) {
        let lost: Vec<IdentityId> =
            self.identities.iter().filter(|(_, i)| i.flow == Some(flow)).map(|(id, _)| *id).collect();
        for id in lost {
            let Some(identity) = self.identities.get_mut(&id) else { continue };
            identity.flow = None;
            identity.public = None;
            let registered = matches!(identity.registration.state, RegistrationState::Registered { .. });
            if matches!(identity.registration.phase, Phase::Waiting { .. }) && registered {
                // not all phones of an office in the same moment
                let at = now + self.chance.between(Duration::from_millis(100), Duration::from_secs(1));
                if let Some(identity) = self.identities.get_mut(&id) {
                    identity.registration.phase = Phase::Waiting { at };
                }
                self.schedule.set(Owner::Registration(id), Some(at));
                self.set_registration(id, RegistrationState::Registering);
            }
        }
    }

    /// The settings changed: register again at once if a registration is wanted or failed for good.
    pub(crate) fn register_after_change(&mut self, now: Instant, id: IdentityId, new_aor: bool) {
        let (call_id, tag) = (self.chance.token(), self.chance.token());
        let Some(identity) = self.identities.get_mut(&id) else { return };
        let given_up = matches!(identity.registration.state, RegistrationState::Failed { .. });
        let wanted = identity.registration.is_wanted() || given_up;
        if new_aor {
            let state = identity.registration.state.clone();
            let phase = identity.registration.phase;
            identity.registration = Registration::new(call_id, tag, identity.config.expires);
            identity.registration.state = state;
            if let Phase::Registering { client, .. } = phase
                && let Some(client) = self.clients.get_mut(&client)
            {
                client.user = User::Nobody;
            }
        }
        if wanted {
            let _ = self.register_at(now, id);
        }
    }

    fn registered(&mut self, now: Instant, id: IdentityId, response: &Response, again: bool) {
        let Some(identity) = self.identities.get(&id) else { return };
        let Some(local) = identity.flow.and_then(|f| self.shown_address(f)) else {
            if again {
                // The way to the server was changed while the answer was on the old one: what the server bound there
                // is withdrawn with the next REGISTER.
                let bound = self.registered_contact(id);
                if let Some(identity) = self.identities.get_mut(&id) {
                    identity.registration.bound = bound;
                }
                return self.send_register(now, id);
            }
            return self.register_failed(now, id, None, "flow lost", None);
        };
        let contact = identity.flow.and_then(|f| self.contact(Some(id), f));
        let asked = identity.registration.expires;
        let own = response.headers.contacts().into_iter().find(|c| {
            let same_instance = c.uri.as_sip().and_then(|u| u.param("rinstance")).and_then(|p| p.value.as_deref())
                == Some(identity.instance.as_str());
            same_instance || contact.as_ref().is_some_and(|ours| ours.uri.equivalent(&c.uri))
        });
        let granted = own
            .and_then(|c| c.param("expires").and_then(|e| e.parse::<u32>().ok()))
            .or_else(|| response.headers.expires())
            .unwrap_or(asked);
        if granted == 0 {
            return self.register_failed(now, id, None, "the server granted no time", None);
        }
        let (public, external) = (identity.public, identity.config.contact_external);
        let (flow, interval) = (identity.flow, identity.config.keep_alive);
        let was = identity.registration.bound.clone();
        let bound = self.registered_contact(id).or(was);
        let remote = self.current_register(id).map(|r| r.remote);
        let moved = external && bound.as_deref() != self.contact_text(id).as_deref();
        let time = Duration::from_secs(u64::from(granted));
        let at = now + self.chance.between(time * 80 / 100, time * 90 / 100).max(Duration::from_secs(1));
        let Some(identity) = self.identities.get_mut(&id) else { return };
        let registration = &mut identity.registration;
        registration.failures = 0;
        registration.bound = bound;
        registration.phase = Phase::Waiting { at };
        let follow = moved && registration.moves < MAX_MOVES;
        registration.moves = if follow { registration.moves + 1 } else { 0 };
        self.schedule.set(Owner::Registration(id), Some(at));
        if let Some(flow) = flow
            && let Some(remote) = remote
        {
            self.keep_alive(now, flow, remote, interval);
        }
        if follow || again {
            return self.send_register(now, id);
        }
        let state = RegistrationState::Registered { expires: granted, local, public };
        self.set_registration(id, state);
    }

    fn register_failed(
        &mut self,
        now: Instant,
        id: IdentityId,
        status: Option<u16>,
        reason: &str,
        wait: Option<Duration>,
    ) {
        let Some(identity) = self.identities.get_mut(&id) else { return };
        let failures = identity.registration.failures;
        identity.registration.failures = failures.saturating_add(1);
        let longest = (BASE * 2u32.saturating_pow(failures.min(10))).min(LONGEST);
        let own = self.chance.between(longest / 2, longest);
        // a Retry-After of nothing does not mean for ever at once
        let least = Duration::from_secs(1 << failures.min(10)).min(LONGEST);
        let at = now + wait.map_or(own, |w| w.max(least));
        if let Some(identity) = self.identities.get_mut(&id) {
            identity.registration.phase = Phase::Waiting { at };
        }
        self.schedule.set(Owner::Registration(id), Some(at));
        let state = RegistrationState::Failed { status, reason: reason.to_owned(), retry_at: Some(at) };
        self.set_registration(id, state);
    }

    fn send_register(&mut self, now: Instant, id: IdentityId) {
        let Some(identity) = self.identities.get(&id) else { return };
        let expires = identity.registration.expires;
        self.schedule.set(Owner::Registration(id), None);
        let client = self.send_register_with(now, id, expires);
        if let (Some(client), Some(identity)) = (client, self.identities.get_mut(&id)) {
            identity.registration.phase = Phase::Registering { client, again: false };
        }
    }

    fn send_register_with(&mut self, now: Instant, id: IdentityId, expires: u32) -> Option<u64> {
        let identity = self.identities.get_mut(&id)?;
        let number = identity.registration.next_number();
        let bound = identity.registration.bound.clone();
        let (call_id, tag) = (identity.registration.call_id.clone(), identity.registration.tag.clone());
        let mut registrar = identity.config.aor.clone();
        if let Uri::Sip(uri) = &mut registrar {
            uri.user = None;
            uri.password = None;
        }
        let request = self.bare_request(id, Method::Register, &registrar, &call_id, &tag, number)?;
        Some(self.send(
            now,
            Outgoing {
                user: User::Registration(id),
                identity: Some(id),
                request,
                contact: ContactUse::Register { expires, bound },
                hop: Hop::Server,
            },
        ))
    }

    fn set_registration(&mut self, id: IdentityId, state: RegistrationState) {
        let Some(identity) = self.identities.get_mut(&id) else { return };
        if identity.registration.state != state {
            identity.registration.state = state.clone();
            self.outputs.push_back(Output::Event(Event::Registration { identity: id, state }));
        }
    }

    /// Our Contact as it would be written now.
    fn contact_text(&self, id: IdentityId) -> Option<String> {
        let flow = self.identities.get(&id)?.flow?;
        self.contact(Some(id), flow).map(|c| c.uri.to_string())
    }

    fn current_register(&self, id: IdentityId) -> Option<&crate::client::Running> {
        match self.identities.get(&id)?.registration.phase {
            Phase::Registering { client, .. } => self.clients.get(&client)?.running(),
            _ => None,
        }
    }

    /// The Contact that the REGISTER just answered carried.
    fn registered_contact(&self, id: IdentityId) -> Option<String> {
        let contacts = self.current_register(id)?.sent.headers.contacts();
        contacts.iter().rev().find(|c| c.param("expires") != Some("0")).map(|c| c.uri.to_string())
    }
}
