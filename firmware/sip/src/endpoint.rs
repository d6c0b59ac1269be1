//! The endpoint: transport choice, transactions, dialogs and the usages above them.

use crate::auth::ClientAuth;
use crate::chance::Chance;
use crate::client::{ClientTransaction, ContactUse, Outgoing, User};
use crate::flow::{Flow, Kind};
use crate::identity::{Hop, Identity};
use crate::locate::Locations;
use crate::notifier::Notifier;
use crate::registration::Registration;
use crate::schedule::{Owner, Schedule};
use crate::server::{ServerTransaction, Usage};
use crate::session::Session;
use crate::subscription::Subscription;
use crate::{Body, Headers, Method, Response, Uri};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

pub use crate::words::*;

/// The machine. Its parts are in the modules named in the crate's documentation; here is its face.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) config: EndpointConfig,
    pub(crate) chance: Chance,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) schedule: Schedule,
    pub(crate) flows: BTreeMap<FlowId, Flow>,
    pub(crate) locations: Locations,
    /// Addresses that refused TCP for large requests, until when.
    pub(crate) no_tcp: HashMap<SocketAddr, Instant>,
    pub(crate) identities: BTreeMap<IdentityId, Identity>,
    pub(crate) clients: HashMap<u64, ClientTransaction>,
    /// By branch, and whether it is a CANCEL.
    pub(crate) client_by_branch: HashMap<(String, bool), u64>,
    pub(crate) servers: HashMap<u64, ServerTransaction>,
    pub(crate) server_by_key: HashMap<String, u64>,
    /// Requests outside dialogs by Call-ID, From tag and CSeq (RFC 3261 section 8.2.2.2).
    pub(crate) merged: HashMap<String, u64>,
    /// By Call-ID and our tag.
    pub(crate) dialogs: HashMap<(String, String), Usage>,
    pub(crate) sessions: HashMap<SessionId, Session>,
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub(crate) notifiers: HashMap<NotifierId, Notifier>,
    /// Requests that wait for `respond`, with their server transaction.
    pub(crate) requests: HashMap<RequestId, u64>,
    /// Requests of ours, with their first client transaction.
    pub(crate) requests_out: HashMap<RequestId, u64>,
    pub(crate) next_client: u64,
    pub(crate) next_server: u64,
    pub(crate) next_flow: u64,
    pub(crate) next_identity: u32,
    pub(crate) next_session: u32,
    pub(crate) next_subscription: u32,
    pub(crate) next_notifier: u32,
    pub(crate) next_request: u32,
}

impl Endpoint {
    /// `seed`: all tags, branches, Call-IDs and jitter come from it.
    pub fn new(config: EndpointConfig, seed: u64) -> Self {
        Self {
            config,
            chance: Chance::new(seed),
            outputs: VecDeque::new(),
            schedule: Schedule::default(),
            flows: BTreeMap::new(),
            locations: Locations::default(),
            no_tcp: HashMap::new(),
            identities: BTreeMap::new(),
            clients: HashMap::new(),
            client_by_branch: HashMap::new(),
            servers: HashMap::new(),
            server_by_key: HashMap::new(),
            merged: HashMap::new(),
            dialogs: HashMap::new(),
            sessions: HashMap::new(),
            subscriptions: BTreeMap::new(),
            notifiers: HashMap::new(),
            requests: HashMap::new(),
            requests_out: HashMap::new(),
            next_client: 0,
            next_server: 0,
            next_flow: 0,
            next_identity: 0,
            next_session: 0,
            next_subscription: 0,
            next_notifier: 0,
            next_request: 0,
        }
    }

    /// One thing happened. Whatever timers are due at `now` run too.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Received { flow, remote, bytes } => self.received(now, flow, remote, bytes),
            Input::Listening { flow, transport, local } => self.listening(flow, transport, local),
            Input::Accepted { flow, transport, local, remote } => self.accepted(flow, transport, local, remote),
            Input::Flow { flow, state } => self.flow_state(now, flow, state),
            Input::Resolved { id, answer } => self.resolved(now, id, answer),
            Input::Timeout => {}
        }
        self.run_timers(now);
        self.sweep();
    }

    /// What is to be done next; `Output::Timeout` when there is nothing.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(self.schedule.next()))
    }

    // identities
    pub fn add_identity(&mut self, now: Instant, config: IdentityConfig) -> IdentityId {
        let _ = now;
        self.next_identity += 1;
        let id = IdentityId(self.next_identity);
        let registration = Registration::new(self.chance.token(), self.chance.token(), config.expires);
        let identity = Identity {
            config,
            auth: ClientAuth::default(),
            registration,
            instance: self.chance.token(),
            flow: None,
            public: None,
            known: HashSet::new(),
            leaving: false,
        };
        self.identities.insert(id, identity);
        id
    }

    /// Replaces settings; a registered identity registers again if what REGISTER carries changed.
    pub fn change_identity(&mut self, now: Instant, id: IdentityId, config: IdentityConfig) -> Result<(), Misuse> {
        let identity = self.identities.get_mut(&id).filter(|i| !i.leaving).ok_or(Misuse::NoSuchIdentity)?;
        let old = std::mem::replace(&mut identity.config, config);
        let new = &identity.config;
        let new_aor = !old.aor.equivalent(&new.aor);
        let new_way = old.transport != new.transport
            || old.server != new.server
            || old.outbound_proxy != new.outbound_proxy
            || old.local_port != new.local_port
            || !same_host(&old.aor, &new.aor);
        let new_credentials = old.credentials != new.credentials;
        let changed = new_aor
            || new_way
            || new_credentials
            || old.forced_contact != new.forced_contact
            || old.contact_external != new.contact_external
            || old.expires != new.expires
            || old.display_name != new.display_name
            || old.keep_alive != new.keep_alive;
        if new_credentials {
            identity.auth = ClientAuth::default();
        }
        if new_way {
            identity.known.clear();
            identity.public = None;
            identity.flow = None;
        }
        let in_use = self.sessions.values().any(|s| s.identity == Some(id));
        if old.local_port != new.local_port || (new_way && !in_use) {
            let all = !in_use;
            let mine: Vec<FlowId> = self
                .flows
                .iter()
                .filter(|(_, f)| (all || f.transport == Transport::Udp) && f.identity() == Some(id))
                .map(|(flow, _)| *flow)
                .collect();
            for flow in mine {
                self.close_flow(flow);
                self.clients_of_lost_flow(now, flow, &FlowError::Other("settings changed".to_owned()));
            }
        }
        if changed {
            self.register_after_change(now, id, new_aor);
        }
        Ok(())
    }

    /// Unregisters, ends subscriptions; sessions go on until they end.
    pub fn remove_identity(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        self.remove_identity_at(now, id)
    }

    /// Registers now and keeps registered. Also clears a failure for good.
    pub fn register(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        self.register_at(now, id)
    }

    /// What had to come before a registration (`Event::BeforeRegistration`) is done: the REGISTER goes out. Nothing happens
    /// if none waits.
    pub fn proceed(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        self.proceed_at(now, id)
    }

    pub fn unregister(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        self.unregister_at(now, id)
    }

    pub fn registration(&self, id: IdentityId) -> Option<&RegistrationState> {
        self.identities.get(&id).map(|i| &i.registration.state)
    }

    /// The local address of the identity's flow, once it is up. An identity that never registered: that of
    /// its first flow, or of the socket the driver listens on.
    pub fn local_address(&self, id: IdentityId) -> Option<SocketAddr> {
        let identity = self.identities.get(&id)?;
        if let Some(address) = identity.flow.and_then(|f| self.shown_address(f)) {
            return Some(address);
        }
        let own = self.flows.iter().find(|(_, f)| f.identity() == Some(id) && f.local.is_some());
        let listening =
            || self.flows.iter().find(|(_, f)| f.kind == Kind::Listening && f.transport == identity.config.transport);
        own.or_else(listening).and_then(|(flow, _)| self.shown_address(*flow))
    }

    // sessions
    /// Calls `target`. `Misuse::WrongState`: too many sessions.
    pub fn invite(
        &mut self,
        now: Instant,
        from: IdentityId,
        target: Uri,
        offer: Option<Body>,
        headers: Headers,
    ) -> Result<SessionId, Misuse> {
        self.invite_via(now, from, target, None, offer, headers)
    }

    /// As [`Endpoint::invite`], but over this flow to this address (RFC 5626): how a server reaches a client behind
    /// the flow it registered over. If the flow is gone, the target decides.
    #[allow(clippy::needless_pass_by_value)]
    pub fn invite_via(
        &mut self,
        now: Instant,
        from: IdentityId,
        target: Uri,
        via: Option<(FlowId, SocketAddr)>,
        offer: Option<Body>,
        headers: Headers,
    ) -> Result<SessionId, Misuse> {
        self.invite_at(now, from, &target, via, offer, &headers)
    }

    /// 101 to 199, usually 180. Repeated every minute until the final answer (RFC 3261 section 13.3.1.1).
    pub fn ring(&mut self, now: Instant, session: SessionId, status: u16, body: Option<Body>) -> Result<(), Misuse> {
        self.ring_at(now, session, status, body)
    }

    pub fn answer(&mut self, now: Instant, session: SessionId, body: Option<Body>) -> Result<(), Misuse> {
        self.answer_at(now, session, body)
    }

    /// 300 to 699.
    #[allow(clippy::needless_pass_by_value)]
    pub fn reject(
        &mut self,
        now: Instant,
        session: SessionId,
        status: u16,
        reason: Option<&str>,
        headers: Headers,
    ) -> Result<(), Misuse> {
        self.reject_at(now, session, status, reason, &headers)
    }

    /// CANCEL, BYE or 486, as the state asks for. `reason`: value of a Reason header. `Ended` comes at once.
    pub fn end(&mut self, now: Instant, session: SessionId, reason: Option<&str>) -> Result<(), Misuse> {
        self.end_with(now, session, reason, Ended::Local)
    }

    /// re-INVITE; `None` asks the peer for an offer, which `answer_offer` then answers (in the ACK).
    pub fn reoffer(&mut self, now: Instant, session: SessionId, offer: Option<Body>) -> Result<(), Misuse> {
        self.reoffer_at(now, session, offer)
    }

    /// Answers `Reoffered`; or, after an INVITE or `reoffer` of ours without offer, the offer of the 2xx.
    pub fn answer_offer(&mut self, now: Instant, session: SessionId, body: Option<Body>) -> Result<(), Misuse> {
        self.answer_offer_at(now, session, body)
    }

    pub fn refuse_offer(&mut self, now: Instant, session: SessionId, status: u16) -> Result<(), Misuse> {
        self.refuse_offer_at(now, session, status)
    }

    pub fn info(&mut self, now: Instant, session: SessionId, body: Body) -> Result<(), Misuse> {
        self.info_at(now, session, body)
    }

    /// Local tag, remote tag and Call-ID of the dialog (remote tag empty while early).
    pub fn dialog(&self, session: SessionId) -> Option<DialogIds> {
        self.dialog_of(session)
    }

    // subscriptions of ours
    pub fn subscribe(
        &mut self,
        now: Instant,
        from: IdentityId,
        target: Uri,
        event: &str,
        accept: &str,
        expires: u32,
    ) -> Result<SubscriptionId, Misuse> {
        self.subscribe_at(now, from, target, event, accept, expires)
    }

    pub fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) -> Result<(), Misuse> {
        self.unsubscribe_at(now, id)
    }

    // subscriptions of others
    /// `expires` 0: the state is wanted once; the next `notify` is the last.
    pub fn accept_subscription(&mut self, now: Instant, id: NotifierId, expires: u32) -> Result<(), Misuse> {
        self.accept_subscription_at(now, id, expires)
    }

    #[allow(clippy::needless_pass_by_value)]
    pub fn refuse_subscription(
        &mut self,
        now: Instant,
        id: NotifierId,
        status: u16,
        headers: Headers,
    ) -> Result<(), Misuse> {
        self.refuse_subscription_at(now, id, status, &headers)
    }

    pub fn notify(&mut self, now: Instant, id: NotifierId, body: Option<Body>) -> Result<(), Misuse> {
        self.notify_at(now, id, body)
    }

    /// NOTIFY with Subscription-State: terminated.
    pub fn end_subscription(&mut self, now: Instant, id: NotifierId, reason: &str) -> Result<(), Misuse> {
        self.end_subscription_at(now, id, reason)
    }

    // requests outside usages
    pub fn respond(&mut self, now: Instant, id: RequestId, response: Response) -> Result<(), Misuse> {
        self.respond_at(now, id, response)
    }

    /// Sends an out-of-dialog request (OPTIONS, MESSAGE): the endpoint adds Via, From, To, Call-ID, CSeq, digest.
    #[allow(clippy::needless_pass_by_value)]
    pub fn request(
        &mut self,
        now: Instant,
        from: IdentityId,
        method: Method,
        target: Uri,
        body: Option<Body>,
        headers: Headers,
    ) -> Result<RequestId, Misuse> {
        if self.identities.get(&from).is_none_or(|i| i.leaving) {
            return Err(Misuse::NoSuchIdentity);
        }
        if matches!(method, Method::Invite | Method::Ack | Method::Cancel | Method::Bye) {
            return Err(Misuse::WrongState);
        }
        let (call_id, tag) = (self.chance.token(), self.chance.token());
        let mut request = self.bare_request(from, method, &target, &call_id, &tag, 1).ok_or(Misuse::NoSuchIdentity)?;
        for (name, value) in headers.iter() {
            request.headers.push(name, value);
        }
        if let Some(body) = body {
            request.set_body(body);
        }
        self.next_request += 1;
        let id = RequestId(self.next_request);
        let (user, identity) = (User::Request(id), Some(from));
        let client =
            self.send(now, Outgoing { user, identity, request, contact: ContactUse::Without, hop: Hop::Server });
        self.requests_out.insert(id, client);
        Ok(id)
    }

    /// How many transactions, sessions, subscriptions are alive: zero of each after everything has ended.
    /// `flows` counts what was opened or accepted, not what the driver listens on.
    pub fn census(&self) -> Census {
        Census {
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            sessions: self.sessions.len(),
            subscriptions: self.subscriptions.len(),
            notifiers: self.notifiers.len(),
            flows: self.flows.values().filter(|f| f.kind != Kind::Listening).count(),
            requests: self.requests.len() + self.requests_out.len(),
        }
    }

    /// Unregister, end all, and stop.
    pub fn shut_down(&mut self, now: Instant) {
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for session in sessions {
            let _ = self.end(now, session, None);
        }
        let notifiers: Vec<NotifierId> = self.notifiers.keys().copied().collect();
        for notifier in notifiers {
            let _ = self.end_subscription(now, notifier, "noresource");
        }
        let identities: Vec<IdentityId> = self.identities.keys().copied().collect();
        for identity in identities {
            let _ = self.remove_identity(now, identity);
        }
    }

    /// After [`Self::shut_down`]: everybody has answered. What is left are transactions that only wait for late repetitions.
    pub fn is_at_rest(&self) -> bool {
        let gone = |state: &RegistrationState| {
            matches!(state, RegistrationState::Unregistered | RegistrationState::Failed { .. })
        };
        self.sessions.is_empty()
            && self.subscriptions.is_empty()
            && self.identities.keys().all(|id| self.registration(*id).is_none_or(gone))
    }
}

// How the parts are woken.
impl Endpoint {
    fn run_timers(&mut self, now: Instant) {
        // A timer that is due again at once would turn for ever: the rest waits for the next call.
        let mut left = 10_000_u32;
        while let Some(owner) = self.schedule.take_due(now) {
            match owner {
                Owner::Client(id) => self.client_timeout(now, id),
                Owner::Server(id) => self.server_timeout(now, id),
                Owner::Session(id) => self.session_timeout(now, id),
                Owner::Registration(id) => self.registration_timeout(now, id),
                Owner::Subscription(id) => self.subscription_timeout(now, id),
                Owner::Notifier(id) => self.notifier_timeout(now, id),
                Owner::Request(id) => self.request_timeout(now, id),
                Owner::Flow(id) => self.flow_timeout(now, id),
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }

    /// The CSeq number of a request that is sent again with credentials.
    pub(crate) fn next_number(&mut self, user: User, old: u32) -> u32 {
        match user {
            User::Session(id) | User::Bye(id) | User::Info(id) => {
                self.sessions.get_mut(&id).map_or(old + 1, |s| s.next_number(old))
            }
            User::Registration(id) => self.identities.get_mut(&id).map_or(old + 1, |i| i.registration.next_number()),
            User::Subscription(id) => self.subscriptions.get_mut(&id).map_or(old + 1, |s| s.next_number(old)),
            User::Notifier(id) => self.notifiers.get_mut(&id).map_or(old + 1, Notifier::next_number),
            User::Ack(_) | User::Request(_) | User::Nobody => old + 1,
        }
    }

    /// A request of `user` goes on under another transaction.
    pub(crate) fn client_moved(&mut self, user: User, old: u64, new: u64) {
        match user {
            User::Session(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.moved(old, new);
                }
            }
            User::Registration(id) => {
                if let Some(identity) = self.identities.get_mut(&id) {
                    identity.registration.moved(old, new);
                }
            }
            User::Subscription(id) => {
                if let Some(subscription) = self.subscriptions.get_mut(&id) {
                    subscription.moved(old, new);
                }
            }
            User::Notifier(id) => {
                if let Some(notifier) = self.notifiers.get_mut(&id) {
                    notifier.moved(old, new);
                }
            }
            _ => {}
        }
    }

    /// Is this a request whose challenge is not worth answering any more?
    pub(crate) fn wants_no_retry(&self, user: User) -> bool {
        match user {
            User::Session(id) => self.sessions.get(&id).is_none_or(Session::is_cancelled),
            User::Nobody | User::Ack(_) => true,
            _ => false,
        }
    }
}

fn same_host(a: &Uri, b: &Uri) -> bool {
    match (a.as_sip(), b.as_sip()) {
        (Some(a), Some(b)) => a.host.equivalent(&b.host) && a.port == b.port,
        _ => a == b,
    }
}
