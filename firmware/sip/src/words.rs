//! The words spoken with an endpoint: what goes in, what comes out, and the names of things.

use crate::auth::Credentials;
use crate::{Body, Method, Request, Response, Uri};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Names a socket of the driver. The endpoint gives even numbers to what it opens; the driver gives
/// odd ones to listening sockets and connections it accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResolveId(pub u64);
/// An identity: an address-of-record with its credentials and next hop. A phone's account, a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub u32);
/// One INVITE usage, from the first INVITE to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u32);
/// A subscription of ours (we are the subscriber).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub u32);
/// A subscription of somebody at us (we are the notifier).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NotifierId(pub u32);
/// A request outside any usage that waits for `respond`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Wss,
}

/// Which local port a UDP flow binds (`axml.nat.15`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalPort {
    Any,
    Fixed(u16),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowState {
    /// `local`: the address the peer sees if nothing translates it (never 0.0.0.0).
    Up {
        local: SocketAddr,
    },
    Down(FlowError),
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowError {
    Refused,
    Unreachable,
    TimedOut,
    AddressInUse,
    ClosedByPeer,
    Other(String),
}

/// The DNS questions of RFC 3263.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    Naptr(String),
    Srv(String),
    Addresses(String),
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Naptr(Vec<Naptr>),
    Srv(Vec<Srv>),
    Addresses(Vec<IpAddr>),
    /// the name does not exist or has no such record
    Nothing,
    /// no server answered
    Failed,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub service: String,
    pub replacement: String,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, or the next bytes of a stream.
    Received {
        flow: FlowId,
        remote: SocketAddr,
        bytes: &'a [u8],
    },
    /// A socket that the driver listens on (PBX), before anything arrives on it.
    Listening {
        flow: FlowId,
        transport: Transport,
        local: SocketAddr,
    },
    /// A connection that the driver accepted.
    Accepted {
        flow: FlowId,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    },
    Flow {
        flow: FlowId,
        state: FlowState,
    },
    Resolved {
        id: ResolveId,
        answer: Answer,
    },
    Timeout,
}

#[derive(Debug)]
pub enum Output {
    /// Nothing more before this instant (`None`: nothing at all until an input).
    Timeout(Option<Instant>),
    /// Bind (UDP, towards `remote` so that `Up` can name the local address) or connect. Answered by `Input::Flow`.
    /// Several UDP flows with the same fixed local port share one socket; a datagram from an address of no
    /// flow is given to the lowest flow of that socket.
    Open {
        flow: FlowId,
        transport: Transport,
        remote: SocketAddr,
        local_port: LocalPort,
        server_name: String,
    },
    Close {
        flow: FlowId,
    },
    Transmit {
        flow: FlowId,
        remote: SocketAddr,
        bytes: Vec<u8>,
    },
    Resolve {
        id: ResolveId,
        query: Query,
    },
    Event(Event),
}

#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// `User-Agent` / `Server` value.
    pub user_agent: String,
    /// Methods advertised in `Allow`; others are answered 405.
    pub allow: Vec<Method>,
    /// Body types accepted in requests, for `Accept` in a 415.
    pub accept: Vec<String>,
    /// Events that may be subscribed at us, for `Allow-Events`; empty: SUBSCRIBE is answered 489.
    pub allow_events: Vec<String>,
    /// Hand REGISTER and other out-of-dialog requests to the user as `Event::Request` (a server);
    /// otherwise they are answered here (405, 501).
    pub server: bool,
    /// RFC 3261 timer T1; 500 ms.
    pub t1: Duration,
}

/// Where requests of an identity go and what they carry.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// Address-of-record, `sip:user@domain`.
    pub aor: Uri,
    pub display_name: Option<String>,
    /// From user of INVITE if it differs (`axml.cred.11`).
    pub caller_id: Option<String>,
    pub credentials: Option<Credentials>,
    pub transport: Transport,
    /// Where requests are sent instead of to the domain of the target (`axml.proxy.01`): `host[:port]`.
    pub server: Option<String>,
    /// Loose-route outbound proxy, put into Route (`axml.proxy.03`).
    pub outbound_proxy: Option<Uri>,
    pub local_port: LocalPort,
    /// Value shown in Contact instead of the flow's address (`axml.nat.09`).
    pub forced_contact: Option<String>,
    /// Learn Contact from received/rport of responses (`axml.nat.08` external).
    pub contact_external: bool,
    /// REGISTER Expires [s].
    pub expires: u32,
    /// Keep-alive interval on its flow: CRLF CRLF (`axml.nat.11`).
    pub keep_alive: Option<Duration>,
    /// Extra headers: (method or `*`, name, value); already checked against the deny list.
    pub headers: Vec<(String, String, String)>,
    /// Ignore requests from addresses that the server's name does not resolve to (`axml.sipis.04`).
    pub only_known_sources: bool,
    /// [`Event::BeforeRegistration`] comes before each attempt to register, first or refreshing (`axml.misc.01`).
    pub announce_registration: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    Unregistered,
    Registering,
    /// `expires` [s] as the server granted; `public`: our address as the server sees it.
    Registered {
        expires: u32,
        local: SocketAddr,
        public: Option<SocketAddr>,
    },
    /// Next try at `retry_at`; `None`: the credentials are wrong, no more tries until something changes.
    Failed {
        status: Option<u16>,
        reason: String,
        retry_at: Option<Instant>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// we hung up, cancelled or rejected
    Local,
    /// BYE or CANCEL from the peer; `reason` from its Reason header (`SIP;cause=200;text="Call completed elsewhere"`)
    Remote { reason: Option<String> },
    /// our INVITE was refused
    Refused { status: u16, reason: String },
    /// no answer to a request, transport lost (local 408 or 503)
    Failed { status: u16, reason: String },
}

#[derive(Debug)]
pub enum Event {
    Registration {
        identity: IdentityId,
        state: RegistrationState,
    },
    /// A REGISTER waits for [`Endpoint::proceed`], 45 s at most; of identities with `announce_registration` only. What the
    /// same attempt sends again (with credentials, with another time) is not told.
    BeforeRegistration {
        identity: IdentityId,
    },
    /// A new INVITE. 100 was sent. Answer with `ring`, `answer`, `reject`. `offer` is its body, if any.
    Incoming {
        session: SessionId,
        identity: Option<IdentityId>,
        request: Box<Request>,
        source: SocketAddr,
        offer: Option<Body>,
    },
    /// 1xx of our INVITE (not 100).
    Progress {
        session: SessionId,
        status: u16,
        reason: String,
        body: Option<Body>,
        response: Box<Response>,
    },
    /// 2xx of our INVITE; ACK was sent.
    Answered {
        session: SessionId,
        body: Option<Body>,
        response: Box<Response>,
    },
    /// 3xx of our INVITE: where else the called party may be (RFC 3261 section 8.1.3.4). `Ended` follows; whoever wants to
    /// go there makes another call.
    Redirected {
        session: SessionId,
        response: Box<Response>,
    },
    /// ACK of our 2xx (with its body if our 2xx carried the offer).
    Confirmed {
        session: SessionId,
        body: Option<Body>,
    },
    /// re-INVITE or UPDATE of the peer: answer with `answer_offer` or `refuse_offer`. `offer` None: we make the offer.
    Reoffered {
        session: SessionId,
        offer: Option<Body>,
    },
    /// Result of our `reoffer`; on failure the session goes on as before.
    OfferAnswered {
        session: SessionId,
        result: Result<Option<Body>, (u16, String)>,
    },
    Info {
        session: SessionId,
        body: Option<Body>,
    },
    Ended {
        session: SessionId,
        why: Ended,
    },
    /// A request outside dialogs that the user answers with `respond` (server), or MESSAGE/OPTIONS-like ones.
    Request {
        id: RequestId,
        request: Box<Request>,
        source: SocketAddr,
        flow: FlowId,
    },
    /// Final answer to a request sent with `request`.
    Response {
        id: RequestId,
        result: Result<Box<Response>, Ended>,
    },
    /// NOTIFY of a subscription of ours (answered 200 already).
    Notify {
        subscription: SubscriptionId,
        body: Option<Body>,
    },
    Subscription {
        subscription: SubscriptionId,
        state: SubscriptionState,
    },
    /// NOTIFY without subscription for message-summary or check-sync from a trusted source; anything else got 481.
    UnsolicitedNotify {
        identity: IdentityId,
        event: String,
        body: Option<Body>,
    },
    /// Somebody subscribes: `accept_subscription` or `refuse_subscription`. `refresh`: the notifier exists already
    /// and a full NOTIFY is due.
    Subscribed {
        notifier: NotifierId,
        request: Box<Request>,
        event: String,
        expires: u32,
        refresh: bool,
        source: SocketAddr,
    },
    NotifierEnded {
        notifier: NotifierId,
    },
    /// For the log and captures: something arrived that was dropped or answered with an error.
    Protest {
        flow: FlowId,
        remote: SocketAddr,
        what: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionState {
    Pending,
    Active {
        expires: u32,
    },
    /// tried again at `retry_at` unless None
    Terminated {
        status: Option<u16>,
        reason: String,
        retry_at: Option<Instant>,
    },
}

/// The user asked for something impossible in this state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    NoSuchIdentity,
    NoSuchSession,
    NoSuchSubscription,
    NoSuchNotifier,
    NoSuchRequest,
    WrongState,
    /// an offer of ours or theirs is still open (491)
    OfferPending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogIds {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    pub client_transactions: usize,
    pub server_transactions: usize,
    pub sessions: usize,
    pub subscriptions: usize,
    pub notifiers: usize,
    pub flows: usize,
    pub requests: usize,
}
