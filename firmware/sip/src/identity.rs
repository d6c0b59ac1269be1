//! Identities: what an address-of-record puts into requests, and which one a request from outside is for.

use crate::auth::ClientAuth;
use crate::flow::word;
use crate::locate::Place;
use crate::message::Host;
use crate::registration::Registration;
use crate::{
    Endpoint, EndpointConfig, FlowId, Headers, IdentityConfig, IdentityId, Method, Misuse, NameAddr, Request,
    Transport, Uri,
};
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Addresses remembered at most as those of the server.
const MAX_KNOWN: usize = 64;

#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) config: IdentityConfig,
    pub(crate) auth: ClientAuth,
    pub(crate) registration: Registration,
    /// Tells our Contact from that of another phone with the same user.
    pub(crate) instance: String,
    /// The flow that REGISTER took last.
    pub(crate) flow: Option<FlowId>,
    /// Our address as the server sees it.
    pub(crate) public: Option<SocketAddr>,
    /// Addresses that the server's name resolved to.
    pub(crate) known: HashSet<IpAddr>,
    /// `remove_identity` was called: it goes when its last transaction has gone.
    pub(crate) leaving: bool,
}

impl Identity {
    pub(crate) fn know(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        for ip in addresses {
            if self.known.len() < MAX_KNOWN {
                self.known.insert(ip);
            }
        }
    }

    fn user(&self) -> String {
        self.config.aor.user().unwrap_or_default()
    }
}

/// How requests of this identity leave when nothing else is said: outbound proxy, then server, then the
/// domain of the target (`axml.proxy.05`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hop {
    /// Outside dialogs.
    Server,
    /// In a dialog: route set or target.
    Dialog,
    /// Over this flow to this address, if the flow is still there.
    Via(FlowId, SocketAddr),
}

impl Endpoint {
    /// A request outside dialogs with everything but Via and Contact. `from` is an address without tag.
    pub(crate) fn bare_request(
        &mut self,
        identity: IdentityId,
        method: Method,
        target: &Uri,
        call_id: &str,
        tag: &str,
        number: u32,
    ) -> Option<Request> {
        let known = self.identities.get(&identity)?;
        let mut uri = target.clone();
        if let Uri::Sip(sip) = &mut uri {
            // section 19.1.5: header parts of a URI do not travel in a Request-URI
            sip.headers.clear();
        }
        let mut from = NameAddr::new(known.config.aor.clone());
        from.display_name = known.config.display_name.clone();
        if method == Method::Invite
            && let (Some(caller), Uri::Sip(sip)) = (&known.config.caller_id, &mut from.uri)
        {
            sip.user = Some(crate::message::escape_user(caller));
        }
        from.set_tag(tag);
        let mut request = Request::new(method.clone(), uri.clone());
        let headers = &mut request.headers;
        if let Some(proxy) = &known.config.outbound_proxy {
            let mut proxy = proxy.clone();
            if let Uri::Sip(sip) = &mut proxy {
                sip.set_param("lr", None);
            }
            headers.push("Route", format!("<{proxy}>"));
        }
        headers.push("Max-Forwards", "70");
        headers.push("From", from.to_string());
        let to = match &method {
            Method::Register => known.config.aor.clone(),
            _ => uri,
        };
        headers.push("To", NameAddr::new(to).to_string());
        headers.push("Call-ID", call_id);
        headers.push("CSeq", crate::message::CSeq { number, method }.to_string());
        Some(request)
    }

    /// User-Agent, Allow where it helps, and the extra headers of the identity.
    pub(crate) fn decorate(&self, identity: Option<IdentityId>, request: &mut Request) {
        request.headers.push("User-Agent", self.config.user_agent.as_str());
        if matches!(request.method, Method::Invite | Method::Register | Method::Update | Method::Subscribe) {
            request.headers.push("Allow", allow(&self.config));
        }
        if request.method == Method::Invite && !self.config.accept.is_empty() {
            request.headers.push("Accept", self.config.accept.join(", "));
        }
        let Some(identity) = identity.and_then(|i| self.identities.get(&i)) else { return };
        for (method, name, value) in &identity.config.headers {
            if method == "*" || method.eq_ignore_ascii_case(request.method.as_str()) {
                request.headers.push(name, value.as_str());
            }
        }
    }

    /// Our Contact on this flow.
    pub(crate) fn contact(&self, identity: Option<IdentityId>, flow: FlowId) -> Option<NameAddr> {
        let mut transport = self.flows.get(&flow)?.transport;
        let mut address = self.shown_address(flow)?.to_string();
        let Some(identity) = identity.and_then(|i| self.identities.get(&i)) else {
            return contact_uri("", &address, transport, None).map(NameAddr::new);
        };
        if transport != identity.config.transport
            && let Some(main) = identity.flow.and_then(|f| self.shown_address(f))
        {
            // a large request that leaves over TCP still wants its answers where we are registered
            transport = identity.config.transport;
            address = main.to_string();
        }
        if let (true, Some(public)) = (identity.config.contact_external, identity.public) {
            address = public.to_string();
        }
        if let Some(forced) = &identity.config.forced_contact {
            address = forced.clone();
        }
        contact_uri(&identity.user(), &address, transport, Some(&identity.instance)).map(NameAddr::new)
    }

    /// The place that requests outside dialogs go to.
    pub(crate) fn server_place(&self, identity: Option<IdentityId>, request: &Request) -> Option<Place> {
        if let Some(route) = request.headers.route().first() {
            return self.uri_place(identity, &route.uri);
        }
        let known = identity.and_then(|i| self.identities.get(&i));
        if let Some(known) = known
            && let Some(server) = &known.config.server
            && let Some(Uri::Sip(uri)) = Uri::sip("", server)
        {
            return Some(Place::new(&uri.host, uri.port, known.config.transport));
        }
        self.uri_place(identity, &request.uri)
    }

    /// Where a URI leads (RFC 3263 section 4.1). Without a `transport` parameter the identity's is taken:
    /// phones behind a TCP registration are not reachable over UDP.
    pub(crate) fn uri_place(&self, identity: Option<IdentityId>, uri: &Uri) -> Option<Place> {
        let known = identity.and_then(|i| self.identities.get(&i));
        let uri = match uri {
            Uri::Sip(uri) => uri,
            _ => known?.config.aor.as_sip()?,
        };
        let named = uri.param("transport").and_then(|p| p.value.as_deref()).and_then(|value| {
            [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Wss]
                .into_iter()
                .find(|t| word(*t).1.eq_ignore_ascii_case(value))
        });
        let secure = uri.scheme == crate::message::Scheme::Sips;
        let transport = match (named, secure) {
            (Some(Transport::Tcp) | None, true) => Transport::Tls,
            (Some(transport), _) => transport,
            (None, false) => known.map_or(Transport::Udp, |i| i.config.transport),
        };
        let maddr = uri.param("maddr").and_then(|p| p.value.as_deref()).and_then(Host::parse);
        Some(Place::new(maddr.as_ref().unwrap_or(&uri.host), uri.port, transport))
    }

    /// Whom a request is for: our Contact, else the user in the Request-URI, else the one in To, else the
    /// owner of the flow. Of two identities with the same user the one that owns the flow is meant.
    pub(crate) fn identity_for(&self, flow: FlowId, request: &Request) -> Option<IdentityId> {
        let instance = request.uri.as_sip().and_then(|u| u.param("rinstance")).and_then(|p| p.value.as_deref());
        if let Some(instance) = instance
            && let Some((id, _)) = self.identities.iter().find(|(_, i)| i.instance == instance)
        {
            return Some(*id);
        }
        let owner = self.flows.get(&flow).and_then(crate::flow::Flow::identity);
        for user in [request.uri.user(), request.headers.to().and_then(|to| to.uri.user())].into_iter().flatten() {
            let mut matching = self.identities.iter().filter(|(_, i)| i.user() == user && !i.leaving);
            let first = matching.next().map(|(id, _)| *id);
            if first.is_some() {
                let owned = owner.filter(|o| first == Some(*o) || matching.any(|(id, _)| id == o));
                return owned.or(first);
            }
        }
        owner.filter(|o| self.identities.contains_key(o))
    }

    pub(crate) fn is_known_source(&self, identity: IdentityId, source: SocketAddr) -> bool {
        self.identities.get(&identity).is_some_and(|i| i.known.contains(&source.ip()))
    }

    /// Forgets identities that were removed and whose last transactions have gone, and closes their flows.
    pub(crate) fn sweep(&mut self) {
        if !self.identities.values().any(|i| i.leaving) {
            return;
        }
        let leaving: Vec<IdentityId> = self.identities.iter().filter(|(_, i)| i.leaving).map(|(id, _)| *id).collect();
        for id in leaving {
            let mine = Some(id);
            let busy = self.clients.values().any(|c| c.identity == mine)
                || self.sessions.values().any(|s| s.identity == mine)
                || self.subscriptions.values().any(|s| s.identity == id)
                || self.notifiers.values().any(|n| n.identity == mine);
            if busy {
                continue;
            }
            self.identities.remove(&id);
            self.schedule.set(crate::schedule::Owner::Registration(id), None);
            let flows: Vec<FlowId> =
                self.flows.iter().filter(|(_, f)| f.identity() == mine).map(|(flow, _)| *flow).collect();
            for flow in flows {
                self.close_flow(flow);
            }
        }
    }

    pub(crate) fn remove_identity_at(&mut self, now: Instant, id: IdentityId) -> Result<(), Misuse> {
        if self.identities.get(&id).is_none_or(|i| i.leaving) {
            return Err(Misuse::NoSuchIdentity);
        }
        self.unregister_at(now, id)?;
        let subscriptions: Vec<_> =
            self.subscriptions.iter().filter(|(_, s)| s.identity == id).map(|(id, _)| *id).collect();
        for subscription in subscriptions {
            let _ = self.unsubscribe_at(now, subscription);
        }
        if let Some(identity) = self.identities.get_mut(&id) {
            identity.leaving = true;
        }
        self.sweep();
        Ok(())
    }
}

pub(crate) fn allow(config: &EndpointConfig) -> String {
    let methods: Vec<&str> = config.allow.iter().map(Method::as_str).collect();
    methods.join(", ")
}

fn contact_uri(user: &str, address: &str, transport: Transport, instance: Option<&str>) -> Option<Uri> {
    let mut uri = Uri::sip(user, address)?;
    if let Uri::Sip(sip) = &mut uri {
        if transport != Transport::Udp {
            sip.set_param("transport", Some(word(transport).1));
        }
        if let Some(instance) = instance {
            sip.set_param("rinstance", Some(instance));
        }
    }
    Some(uri)
}

/// Sets User-Agent's sibling for responses.
pub(crate) fn server_header(config: &EndpointConfig, headers: &mut Headers) {
    if !config.user_agent.is_empty() {
        headers.push("Server", config.user_agent.as_str());
    }
}
