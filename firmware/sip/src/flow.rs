//! Flows: the sockets of the driver as the endpoint sees them, and which one a request takes.
//!
//! UDP: one flow per identity and kind of network (family, loopback or not), whatever the remote address.
//! Streams: one connection per identity and remote address; a connection that the peer opened is used
//! again (RFC 5626 in spirit). A socket that the driver listens on serves all identities.
//! Keep-alive is CRLF CRLF (RFC 5626 section 4.4.1); a missing pong counts only if one came before,
//! because servers without RFC 5626 never send any.

use crate::framing::{Framed, Framing};
use crate::schedule::Owner;
use crate::{
    Endpoint, Event, FlowError, FlowId, FlowState, IdentityId, LocalPort, Message, Output, ParseError, Transport,
};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Connections of peers at most; more are closed.
const MAX_ACCEPTED: usize = 1024;
/// Half a message may wait this long on a stream before the connection is closed.
const PARTIAL: Duration = Duration::from_secs(32);
/// A pong has to come within this time (RFC 5626 section 4.4.1).
const PONG: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) transport: Transport,
    pub(crate) kind: Kind,
    /// `None` until it is up
    pub(crate) local: Option<SocketAddr>,
    framing: Framing,
    partial_until: Option<Instant>,
    keep_alive: Option<KeepAlive>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// We asked for it, for this identity.
    Opened {
        identity: Option<IdentityId>,
        remote: SocketAddr,
    },
    Listening,
    Accepted {
        remote: SocketAddr,
    },
}

#[derive(Debug)]
struct KeepAlive {
    interval: Duration,
    remote: SocketAddr,
    next: Instant,
    ponged: bool,
    pong_until: Option<Instant>,
}

impl Flow {
    fn new(transport: Transport, kind: Kind, local: Option<SocketAddr>) -> Self {
        Self { transport, kind, local, framing: Framing::default(), partial_until: None, keep_alive: None }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.transport != Transport::Udp
    }

    pub(crate) fn identity(&self) -> Option<IdentityId> {
        match self.kind {
            Kind::Opened { identity, .. } => identity,
            _ => None,
        }
    }

    fn next(&self) -> Option<Instant> {
        let keep_alive = self.keep_alive.as_ref().map(|k| k.pong_until.map_or(k.next, |p| p.min(k.next)));
        [self.partial_until, keep_alive].into_iter().flatten().min()
    }
}

/// Word of a transport in Via and in `transport=`.
pub(crate) fn word(transport: Transport) -> (&'static str, &'static str) {
    match transport {
        Transport::Udp => ("UDP", "udp"),
        Transport::Tcp => ("TCP", "tcp"),
        Transport::Tls => ("TLS", "tls"),
        Transport::Wss => ("WSS", "ws"),
    }
}

fn same_network(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4() && a.is_loopback() == b.is_loopback()
}

impl Endpoint {
    pub(crate) fn listening(&mut self, flow: FlowId, transport: Transport, local: SocketAddr) {
        self.flows.insert(flow, Flow::new(transport, Kind::Listening, Some(local)));
    }

    pub(crate) fn accepted(&mut self, flow: FlowId, transport: Transport, local: SocketAddr, remote: SocketAddr) {
        let count = self.flows.values().filter(|f| matches!(f.kind, Kind::Accepted { .. })).count();
        if count >= MAX_ACCEPTED {
            self.outputs.push_back(Output::Close { flow });
            return;
        }
        self.flows.insert(flow, Flow::new(transport, Kind::Accepted { remote }, Some(local)));
    }

    /// The flow for a request to `remote`, opened if there is none.
    pub(crate) fn flow_to(
        &mut self,
        identity: Option<IdentityId>,
        transport: Transport,
        remote: SocketAddr,
        server_name: &str,
    ) -> FlowId {
        let mut best: Option<(u8, FlowId)> = None;
        for (id, flow) in &self.flows {
            if flow.transport != transport {
                continue;
            }
            let rank = match flow.kind {
                Kind::Opened { identity: owner, remote: to } if owner == identity => match transport {
                    Transport::Udp if same_network(to.ip(), remote.ip()) => 0,
                    Transport::Udp => continue,
                    _ if to == remote => 0,
                    _ => continue,
                },
                Kind::Accepted { remote: to } if to == remote => 1,
                Kind::Listening if transport == Transport::Udp => match flow.local.map(|l| l.ip()) {
                    Some(ip) if same_network(ip, remote.ip()) => 2,
                    Some(ip) if ip.is_ipv4() == remote.is_ipv4() => 3,
                    _ => continue,
                },
                _ => continue,
            };
            if best.is_none_or(|b| (rank, *id) < b) {
                best = Some((rank, *id));
            }
        }
        if let Some((_, id)) = best {
            return id;
        }
        self.next_flow += 2;
        let flow = FlowId(self.next_flow);
        let wanted = identity.and_then(|i| self.identities.get(&i));
        let local_port = match wanted {
            // a large request over TCP and connections use any port
            Some(identity) if transport == Transport::Udp => identity.config.local_port,
            _ => LocalPort::Any,
        };
        self.flows.insert(flow, Flow::new(transport, Kind::Opened { identity, remote }, None));
        let server_name = server_name.to_owned();
        self.outputs.push_back(Output::Open { flow, transport, remote, local_port, server_name });
        flow
    }

    /// The address that is written into Via and Contact for this flow. A connection of ours out of a
    /// server shows the port that the server listens on.
    pub(crate) fn shown_address(&self, flow: FlowId) -> Option<SocketAddr> {
        let flow = self.flows.get(&flow)?;
        let local = flow.local?;
        if matches!(flow.kind, Kind::Opened { .. }) && flow.is_stream() {
            let listening = self.flows.values().find(|f| {
                f.kind == Kind::Listening
                    && f.transport == flow.transport
                    && f.local.is_some_and(|l| same_network(l.ip(), local.ip()))
            });
            if let Some(address) = listening.and_then(|f| f.local) {
                return Some(address);
            }
        }
        Some(local)
    }

    pub(crate) fn flow_state(&mut self, now: Instant, id: FlowId, state: FlowState) {
        match state {
            FlowState::Up { local } => {
                let Some(flow) = self.flows.get_mut(&id) else {
                    self.outputs.push_back(Output::Close { flow: id });
                    return;
                };
                flow.local = Some(local);
                self.clients_of_open_flow(now, id);
            }
            FlowState::Down(error) => self.flow_down(now, id, &error),
        }
    }

    pub(crate) fn flow_down(&mut self, now: Instant, id: FlowId, error: &FlowError) {
        if self.flows.remove(&id).is_none() {
            return;
        }
        self.schedule.set(Owner::Flow(id), None);
        self.clients_of_lost_flow(now, id, error);
        self.registrations_of_lost_flow(now, id);
    }

    pub(crate) fn close_flow(&mut self, id: FlowId) {
        if self.flows.remove(&id).is_some() {
            self.schedule.set(Owner::Flow(id), None);
            self.outputs.push_back(Output::Close { flow: id });
        }
    }

    pub(crate) fn keep_alive(&mut self, now: Instant, id: FlowId, remote: SocketAddr, interval: Option<Duration>) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        match (interval, &mut flow.keep_alive) {
            (Some(interval), Some(k)) if k.interval == interval && k.remote == remote => {}
            (Some(interval), slot) => {
                let interval = interval.max(Duration::from_secs(1));
                *slot = Some(KeepAlive { interval, remote, next: now + interval, ponged: false, pong_until: None });
            }
            (None, slot) => *slot = None,
        }
        let next = flow.next();
        self.schedule.set(Owner::Flow(id), next);
    }

    pub(crate) fn flow_timeout(&mut self, now: Instant, id: FlowId) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if flow.partial_until.is_some_and(|at| at <= now) {
            self.close_broken(now, id);
            return;
        }
        let mut ping = None;
        if let Some(k) = &mut flow.keep_alive {
            if k.pong_until.is_some_and(|at| at <= now) {
                self.close_broken(now, id);
                return;
            }
            if k.next <= now {
                k.next = now + k.interval;
                if k.ponged && flow.transport != Transport::Udp {
                    k.pong_until = Some(now + PONG);
                }
                ping = Some(k.remote);
            }
        }
        let next = flow.next();
        self.schedule.set(Owner::Flow(id), next);
        if let Some(remote) = ping {
            self.transmit(id, remote, b"\r\n\r\n".to_vec());
        }
    }

    pub(crate) fn received(&mut self, now: Instant, id: FlowId, remote: SocketAddr, bytes: &[u8]) {
        let Some(flow) = self.flows.get_mut(&id) else { return };
        if !flow.is_stream() {
            // keep-alives and empty datagrams
            if bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
                return;
            }
            self.message(now, id, remote, bytes);
            return;
        }
        flow.framing.push(bytes);
        loop {
            let Some(flow) = self.flows.get_mut(&id) else { return };
            match flow.framing.next() {
                Some(Framed::Message(message)) => self.message(now, id, remote, &message),
                Some(Framed::Ping) => self.transmit(id, remote, b"\r\n".to_vec()),
                Some(Framed::Pong) => {
                    if let Some(k) = &mut flow.keep_alive {
                        k.ponged = true;
                        k.pong_until = None;
                    }
                }
                Some(Framed::Broken(error)) => {
                    self.unreadable(id, remote, error);
                    self.close_broken(now, id);
                    return;
                }
                None => break,
            }
        }
        let Some(flow) = self.flows.get_mut(&id) else { return };
        flow.partial_until = match flow.framing.is_partial() {
            true => Some(flow.partial_until.unwrap_or(now + PARTIAL)),
            false => None,
        };
        let next = flow.next();
        self.schedule.set(Owner::Flow(id), next);
    }

    /// Sends to `remote`, never to many (RFC 4475 section 3.3.10).
    pub(crate) fn transmit(&mut self, flow: FlowId, remote: SocketAddr, bytes: Vec<u8>) {
        let to_many = match remote.ip() {
            IpAddr::V4(ip) => ip.is_broadcast() || ip.is_multicast() || ip.is_unspecified(),
            IpAddr::V6(ip) => ip.is_multicast() || ip.is_unspecified(),
        };
        if to_many || remote.port() == 0 || !self.flows.contains_key(&flow) {
            return;
        }
        self.outputs.push_back(Output::Transmit { flow, remote, bytes });
    }

    pub(crate) fn protest(&mut self, flow: FlowId, remote: SocketAddr, what: impl Into<String>) {
        self.outputs.push_back(Output::Event(Event::Protest { flow, remote, what: what.into() }));
    }

    fn message(&mut self, now: Instant, flow: FlowId, remote: SocketAddr, bytes: &[u8]) {
        match Message::parse(bytes) {
            Ok(Message::Request(request)) => self.request_received(now, flow, remote, request),
            Ok(Message::Response(response)) => self.response_received(now, flow, remote, response),
            Err(error) => self.unreadable(flow, remote, error),
        }
    }

    fn unreadable(&mut self, flow: FlowId, remote: SocketAddr, error: ParseError) {
        self.protest(flow, remote, format!("unreadable at octet {}: {:?}", error.at, error.kind));
        if let Some(answer) = error.answer {
            self.respond_stateless(flow, remote, *answer);
        }
    }

    fn close_broken(&mut self, now: Instant, id: FlowId) {
        self.outputs.push_back(Output::Close { flow: id });
        self.flow_down(now, id, &FlowError::ClosedByPeer);
    }
}
