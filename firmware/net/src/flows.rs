//! What a SIP endpoint asks of the world, on a tokio runtime: UDP flows, TCP connections, listeners, names.
//!
//! The SIP endpoint names flows and says what to open; this module does it and reports back on one channel. A UDP flow
//! binds to the one local address that the system would use towards its peer, so nothing else can reach it: a phone whose
//! PBX is on loopback listens on loopback only.

use crate::resolve::Resolver;
use offhook_sip::{Answer, FlowError, FlowId, FlowState, LocalPort, Output, Query, ResolveId, Transport};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};

/// How long a TCP connection may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages waiting in a slow TCP connection before it is given up.
const WRITE_QUEUE: usize = 256;
/// Accepted connections at most; more are closed at once.
const MAX_ACCEPTED: usize = 256;

/// What the sockets report, in the words of `offhook_sip::Input` but owned.
#[derive(Debug)]
pub enum FlowEvent {
    Received { flow: FlowId, remote: SocketAddr, bytes: Vec<u8> },
    Listening { flow: FlowId, transport: Transport, local: SocketAddr },
    Accepted { flow: FlowId, transport: Transport, local: SocketAddr, remote: SocketAddr },
    Flow { flow: FlowId, state: FlowState },
    Resolved { id: ResolveId, answer: Answer },
}

impl FlowEvent {
    /// The machine's input, borrowed from this.
    pub fn as_input(&self) -> offhook_sip::Input<'_> {
        use offhook_sip::Input;
        match self {
            Self::Received { flow, remote, bytes } => Input::Received { flow: *flow, remote: *remote, bytes },
            Self::Listening { flow, transport, local } => {
                Input::Listening { flow: *flow, transport: *transport, local: *local }
            }
            Self::Accepted { flow, transport, local, remote } => {
                Input::Accepted { flow: *flow, transport: *transport, local: *local, remote: *remote }
            }
            Self::Flow { flow, state } => Input::Flow { flow: *flow, state: state.clone() },
            Self::Resolved { id, answer } => Input::Resolved { id: *id, answer: answer.clone() },
        }
    }
}

/// All signalling sockets of a daemon. Lives on the main thread.
#[derive(Debug, Clone)]
pub struct Flows {
    shared: Rc<RefCell<Shared>>,
    resolver: Resolver,
    events: mpsc::Sender<FlowEvent>,
}

#[derive(Debug, Default)]
struct Shared {
    udp: HashMap<FlowId, UdpFlow>,
    tcp: HashMap<FlowId, TcpFlow>,
    accepted: u64,
    /// Accepted connections alive now.
    open_accepted: usize,
}

#[derive(Debug)]
struct UdpFlow {
    socket: Rc<UdpSocket>,
    /// The same socket for sending at once: tokio's own would first want to see it writable.
    sender: Rc<std::net::UdpSocket>,
    remote: Option<SocketAddr>,
    /// The reader; shared by flows that share the socket.
    reader: AbortHandle,
}

#[derive(Debug)]
struct TcpFlow {
    /// `None` while connecting.
    writer: Option<mpsc::Sender<Vec<u8>>>,
    task: AbortHandle,
    accepted: bool,
}

impl Flows {
    /// Events go to `events`; when it is full, datagrams are dropped (and sent again by their sender) and streams wait.
    pub fn new(events: mpsc::Sender<FlowEvent>) -> Self {
        Self { shared: Rc::default(), resolver: Resolver::from_system(), events }
    }

    /// Performs what an endpoint asks for. Its deadline and its events are the caller's to take.
    pub fn perform(&self, output: Output) {
        match output {
            Output::Open { flow, transport, remote, local_port, .. } => self.open(flow, transport, remote, local_port),
            Output::Close { flow } => self.close(flow),
            Output::Transmit { flow, remote, bytes } => self.transmit(flow, remote, bytes),
            Output::Resolve { id, query } => self.resolve(id, query),
            Output::Timeout(_) | Output::Event(_) => {}
        }
    }

    fn resolve(&self, id: ResolveId, query: Query) {
        let this = self.clone();
        spawn_local(async move {
            let answer = this.resolver.ask(&query).await;
            this.report_waiting(FlowEvent::Resolved { id, answer }).await;
        });
    }

    /// Performs `Output::Open`.
    pub fn open(&self, flow: FlowId, transport: Transport, remote: SocketAddr, local_port: LocalPort) {
        match transport {
            Transport::Udp => {
                let state = match self.open_udp(flow, remote, local_port) {
                    Ok(local) => FlowState::Up { local },
                    Err(error) => FlowState::Down(flow_error(&error)),
                };
                self.report(FlowEvent::Flow { flow, state });
            }
            Transport::Tcp => self.connect(flow, remote),
            Transport::Tls | Transport::Wss => {
                let why = FlowError::Other(format!("{transport:?} is not part of this version; use udp or tcp"));
                self.report(FlowEvent::Flow { flow, state: FlowState::Down(why) });
            }
        }
    }

    fn open_udp(&self, flow: FlowId, remote: SocketAddr, local_port: LocalPort) -> io::Result<SocketAddr> {
        let port = match local_port {
            LocalPort::Any => 0,
            LocalPort::Fixed(port) => port,
        };
        let local = SocketAddr::new(local_address_towards(remote)?, port);
        let mut shared = self.shared.borrow_mut();
        let existing = (port != 0)
            .then(|| shared.udp.values().find(|udp| udp.socket.local_addr().is_ok_and(|address| address == local)));
        let udp = if let Some(Some(udp)) = existing {
            let (socket, sender) = (Rc::clone(&udp.socket), Rc::clone(&udp.sender));
            UdpFlow { socket, sender, remote: Some(remote), reader: udp.reader.clone() }
        } else {
            self.bind_udp(flow, local, Some(remote))?
        };
        let local = udp.socket.local_addr()?;
        shared.udp.insert(flow, udp);
        Ok(local)
    }

    /// Listens on an address (PBX). `flow` must be odd.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(&self, flow: FlowId, transport: Transport, address: SocketAddr) -> io::Result<SocketAddr> {
        let local = match transport {
            Transport::Udp => {
                let udp = self.bind_udp(flow, address, None)?;
                let local = udp.socket.local_addr()?;
                self.shared.borrow_mut().udp.insert(flow, udp);
                local
            }
            Transport::Tcp => {
                let listener = TcpListener::bind(address).await?;
                let local = listener.local_addr()?;
                let this = self.clone();
                spawn_local(async move { this.accept(listener).await });
                local
            }
            Transport::Tls | Transport::Wss => return Err(io::ErrorKind::Unsupported.into()),
        };
        self.report(FlowEvent::Listening { flow, transport, local });
        Ok(local)
    }

    fn bind_udp(&self, flow: FlowId, address: SocketAddr, remote: Option<SocketAddr>) -> io::Result<UdpFlow> {
        let sender = std::net::UdpSocket::bind(address)?;
        sender.set_nonblocking(true)?;
        let socket = Rc::new(UdpSocket::from_std(sender.try_clone()?)?);
        let reader = self.read_udp(Rc::clone(&socket), flow);
        Ok(UdpFlow { socket, sender: Rc::new(sender), remote, reader })
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let Ok((stream, remote)) = listener.accept().await else {
                // Out of descriptors: waiting is all that helps.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(local) = stream.local_addr() else { continue };
            let flow = {
                let mut shared = self.shared.borrow_mut();
                if shared.open_accepted >= MAX_ACCEPTED {
                    continue;
                }
                shared.open_accepted += 1;
                shared.accepted += 1;
                // Odd numbers from far above those of listening sockets.
                FlowId(shared.accepted * 2 + 1_000_001)
            };
            self.report_waiting(FlowEvent::Accepted { flow, transport: Transport::Tcp, local, remote }).await;
            self.run_tcp(flow, stream, remote, true);
        }
    }

    fn connect(&self, flow: FlowId, remote: SocketAddr) {
        let this = self.clone();
        let task = spawn_local(async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(remote)).await;
            let state = match connected {
                Ok(Ok(stream)) => match stream.local_addr() {
                    Ok(local) => {
                        this.report_waiting(FlowEvent::Flow { flow, state: FlowState::Up { local } }).await;
                        this.run_tcp(flow, stream, remote, false);
                        return;
                    }
                    Err(error) => FlowState::Down(flow_error(&error)),
                },
                Ok(Err(error)) => FlowState::Down(flow_error(&error)),
                Err(_) => FlowState::Down(FlowError::TimedOut),
            };
            this.shared.borrow_mut().tcp.remove(&flow);
            this.report_waiting(FlowEvent::Flow { flow, state }).await;
        });
        let entry = TcpFlow { writer: None, task: task.abort_handle(), accepted: false };
        self.shared.borrow_mut().tcp.insert(flow, entry);
    }

    fn run_tcp(&self, flow: FlowId, stream: TcpStream, remote: SocketAddr, accepted: bool) {
        let _ = stream.set_nodelay(true);
        let (mut read, mut write) = stream.into_split();
        let (writer, mut queue) = mpsc::channel::<Vec<u8>>(WRITE_QUEUE);
        let this = self.clone();
        let task = spawn_local(async move {
            let mut buffer = vec![0; 16_384];
            let why = loop {
                tokio::select! {
                    got = read.read(&mut buffer) => match got {
                        Ok(0) => break FlowError::ClosedByPeer,
                        Ok(n) => {
                            let bytes = buffer[..n].to_vec();
                            this.report_waiting(FlowEvent::Received { flow, remote, bytes }).await;
                        }
                        Err(error) => break flow_error(&error),
                    },
                    bytes = queue.recv() => match bytes {
                        Some(bytes) => if let Err(error) = write.write_all(&bytes).await {
                            break flow_error(&error);
                        },
                        // Closed from our side: what was queued has been written.
                        None => {
                            let _ = write.shutdown().await;
                            this.forget(flow);
                            return;
                        }
                    },
                }
            };
            this.forget(flow);
            this.report_waiting(FlowEvent::Flow { flow, state: FlowState::Down(why) }).await;
        });
        let entry = TcpFlow { writer: Some(writer), task: task.abort_handle(), accepted };
        self.shared.borrow_mut().tcp.insert(flow, entry);
    }

    fn forget(&self, flow: FlowId) {
        let mut shared = self.shared.borrow_mut();
        if shared.tcp.remove(&flow).is_some_and(|tcp| tcp.accepted) {
            shared.open_accepted -= 1;
        }
    }

    /// Performs `Output::Transmit`. A datagram that does not fit the socket buffer is lost, as on the wire.
    pub fn transmit(&self, flow: FlowId, remote: SocketAddr, bytes: Vec<u8>) {
        let shared = self.shared.borrow();
        if let Some(udp) = shared.udp.get(&flow) {
            if let Err(error) = udp.sender.send_to(&bytes, remote)
                && error.kind() != io::ErrorKind::WouldBlock
            {
                let dead = matches!(
                    error.kind(),
                    io::ErrorKind::AddrNotAvailable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown
                );
                drop(shared);
                if dead {
                    // The address that the socket is bound to is gone: only a new flow helps.
                    self.close(flow);
                    self.report(FlowEvent::Flow { flow, state: FlowState::Down(flow_error(&error)) });
                }
            }
        } else if let Some(TcpFlow { writer: Some(writer), .. }) = shared.tcp.get(&flow)
            && writer.try_send(bytes).is_err()
        {
            drop(shared);
            self.abort_tcp(flow);
            self.report(FlowEvent::Flow { flow, state: FlowState::Down(FlowError::TimedOut) });
        }
    }

    fn abort_tcp(&self, flow: FlowId) {
        if let Some(tcp) = self.shared.borrow().tcp.get(&flow) {
            tcp.task.abort();
        }
        self.forget(flow);
    }

    /// Performs `Output::Close`: what is queued is still written; nothing is reported.
    pub fn close(&self, flow: FlowId) {
        let mut shared = self.shared.borrow_mut();
        if let Some(udp) = shared.udp.remove(&flow) {
            if Rc::strong_count(&udp.socket) <= 2 {
                udp.reader.abort();
            }
            return;
        }
        match shared.tcp.get_mut(&flow) {
            // Dropping the writer ends the task after the queue is written.
            Some(tcp) if tcp.writer.is_some() => tcp.writer = None,
            Some(tcp) => {
                tcp.task.abort();
                shared.tcp.remove(&flow);
            }
            None => {}
        }
    }

    fn read_udp(&self, socket: Rc<UdpSocket>, first: FlowId) -> AbortHandle {
        let this = self.clone();
        spawn_local(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                let Ok((n, remote)) = socket.recv_from(&mut buffer).await else {
                    // An ICMP error of an earlier send; the next receive tells.
                    tokio::task::yield_now().await;
                    continue;
                };
                let flow = this.udp_flow(&socket, remote).unwrap_or(first);
                this.report(FlowEvent::Received { flow, remote, bytes: buffer[..n].to_vec() });
            }
        })
        .abort_handle()
    }

    /// The flow of this socket that talks to `remote`, else its lowest one.
    fn udp_flow(&self, socket: &Rc<UdpSocket>, remote: SocketAddr) -> Option<FlowId> {
        let shared = self.shared.borrow();
        let of_socket = || shared.udp.iter().filter(|(_, udp)| Rc::ptr_eq(&udp.socket, socket));
        of_socket()
            .filter(|(_, udp)| udp.remote == Some(remote))
            .map(|(flow, _)| *flow)
            .min()
            .or_else(|| of_socket().map(|(flow, _)| *flow).min())
    }

    fn report(&self, event: FlowEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
            // State must not be lost; datagrams may be.
            if !matches!(event, FlowEvent::Received { .. }) {
                let events = self.events.clone();
                spawn_local(async move {
                    let _ = events.send(event).await;
                });
            }
        }
    }

    async fn report_waiting(&self, event: FlowEvent) {
        let _ = self.events.send(event).await;
    }
}

/// The local address that the system would use towards `remote`.
///
/// # Errors
/// There is no route.
pub fn local_address_towards(remote: SocketAddr) -> io::Result<IpAddr> {
    if remote.ip().is_loopback() {
        return Ok(remote.ip());
    }
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // Connecting a datagram socket sends nothing; it only asks the routing table.
    let probe = std::net::UdpSocket::bind((any, 0))?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

fn flow_error(error: &io::Error) -> FlowError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FlowError::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            FlowError::Unreachable
        }
        io::ErrorKind::TimedOut => FlowError::TimedOut,
        io::ErrorKind::AddrInUse => FlowError::AddressInUse,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => FlowError::ClosedByPeer,
        _ => FlowError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            tokio::time::timeout(Duration::from_secs(10), test).await.expect("finished in time");
        });
    }

    async fn next(events: &mut mpsc::Receiver<FlowEvent>) -> FlowEvent {
        events.recv().await.unwrap()
    }

    #[test]
    fn udp_flow_to_loopback_is_bound_to_loopback_and_carries_datagrams_both_ways() {
        run(async {
            let (sender, mut events) = mpsc::channel(16);
            let flows = Flows::new(sender);
            let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let remote = peer.local_addr().unwrap();
            flows.open(FlowId(2), Transport::Udp, remote, LocalPort::Any);
            let FlowEvent::Flow { state: FlowState::Up { local }, .. } = next(&mut events).await else { panic!() };
            assert!(local.ip().is_loopback());
            flows.transmit(FlowId(2), remote, b"hello".to_vec());
            let mut buffer = [0; 16];
            let (n, from) = peer.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..n], from), (&b"hello"[..], local));
            peer.send_to(b"you", local).await.unwrap();
            let FlowEvent::Received { flow, remote: from, bytes } = next(&mut events).await else { panic!() };
            assert_eq!((flow, from, bytes.as_slice()), (FlowId(2), remote, &b"you"[..]));
        });
    }

    #[test]
    fn two_udp_flows_with_one_fixed_port_share_the_socket_and_are_told_apart_by_peer() {
        run(async {
            let (sender, mut events) = mpsc::channel(16);
            let flows = Flows::new(sender);
            let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let (a, b) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
            for (flow, peer) in [(FlowId(2), &a), (FlowId(4), &b)] {
                flows.open(flow, Transport::Udp, peer.local_addr().unwrap(), LocalPort::Fixed(port));
                let FlowEvent::Flow { state: FlowState::Up { local }, .. } = next(&mut events).await else { panic!() };
                assert_eq!(local.port(), port);
            }
            b.send_to(b"from b", ("127.0.0.1", port)).await.unwrap();
            let FlowEvent::Received { flow, .. } = next(&mut events).await else { panic!() };
            assert_eq!(flow, FlowId(4));
            flows.close(FlowId(4));
            b.send_to(b"from b", ("127.0.0.1", port)).await.unwrap();
            let FlowEvent::Received { flow, .. } = next(&mut events).await else { panic!() };
            assert_eq!(flow, FlowId(2));
        });
    }

    #[test]
    fn tcp_connects_carries_bytes_and_reports_the_end() {
        run(async {
            let (sender, mut server) = mpsc::channel(16);
            let listening = Flows::new(sender);
            let address = listening.listen(FlowId(1), Transport::Tcp, "127.0.0.1:0".parse().unwrap()).await.unwrap();
            assert!(matches!(next(&mut server).await, FlowEvent::Listening { .. }));
            let (sender, mut client) = mpsc::channel(16);
            let flows = Flows::new(sender);
            flows.open(FlowId(2), Transport::Tcp, address, LocalPort::Any);
            assert!(matches!(next(&mut client).await, FlowEvent::Flow { state: FlowState::Up { .. }, .. }));
            let FlowEvent::Accepted { flow: accepted, remote, .. } = next(&mut server).await else { panic!() };
            flows.transmit(FlowId(2), address, b"ping".to_vec());
            let FlowEvent::Received { bytes, .. } = next(&mut server).await else { panic!() };
            assert_eq!(bytes, b"ping");
            listening.transmit(accepted, remote, b"pong".to_vec());
            let FlowEvent::Received { bytes, .. } = next(&mut client).await else { panic!() };
            assert_eq!(bytes, b"pong");
            flows.close(FlowId(2));
            let FlowEvent::Flow { flow, state } = next(&mut server).await else { panic!() };
            assert_eq!((flow, state), (accepted, FlowState::Down(FlowError::ClosedByPeer)));
        });
    }

    #[test]
    fn refused_tcp_connection_and_taken_udp_port_are_reported_as_such() {
        run(async {
            let (sender, mut events) = mpsc::channel(16);
            let flows = Flows::new(sender);
            let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            flows.open(FlowId(2), Transport::Tcp, closed, LocalPort::Any);
            let FlowEvent::Flow { state, .. } = next(&mut events).await else { panic!() };
            assert_eq!(state, FlowState::Down(FlowError::Refused));
            let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = taken.local_addr().unwrap().port();
            flows.open(FlowId(4), Transport::Udp, closed, LocalPort::Fixed(port));
            let FlowEvent::Flow { state, .. } = next(&mut events).await else { panic!() };
            assert_eq!(state, FlowState::Down(FlowError::AddressInUse));
        });
    }
}
