//! RTP in real time: PCMU every 20 ms with bursts of a tone where they are asked for, or what came sent back; and everything
//! that comes with the time it came.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Packet time of what is sent.
const PACKET: Duration = Duration::from_millis(20);
/// Samples in a packet of 20 ms.
pub(crate) const SAMPLES: usize = 160;
/// Sampling rate of G.711 [Hz].
pub(crate) const RATE: f64 = 8000.0;
/// Of everything that is sent here.
const SSRC: u32 = 0x0ff0_0c00;
/// Length of a burst [samples].
const BURST: usize = 240;
/// One period of a full 1 kHz tone in µ-law (the digital milliwatt of G.711).
const MILLIWATT: [u8; 8] = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
/// Silence in µ-law.
const SILENCE: u8 = 0xff;
/// Magnitude in µ-law steps (16 are 6 dB) from which a sample belongs to a burst: 18 dB under its top.
const LOUD: u8 = 0x40;

/// A packet that came.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) at: Instant,
    pub(crate) payload_type: u8,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// Where a burst begins in it, if one does.
    pub(crate) fn onset(&self) -> Option<usize> {
        (self.payload_type == 0).then(|| self.payload.iter().position(|byte| !byte & 0x7f >= LOUD)).flatten()
    }
}

/// Both directions of one call, until dropped.
#[derive(Debug)]
pub(crate) struct Voice {
    stop: Arc<AtomicBool>,
    orders: Sender<usize>,
    /// When the packet was sent in which a burst began.
    pub(crate) sent: Receiver<Instant>,
    pub(crate) heard: Receiver<Packet>,
    threads: Vec<JoinHandle<()>>,
}

impl Voice {
    pub(crate) fn start(socket: &UdpSocket, remote: SocketAddr) -> Result<Self, String> {
        let text = |error: std::io::Error| format!("RTP socket: {error}");
        let stop = Arc::new(AtomicBool::new(false));
        let (orders, ordered) = channel();
        let (began, sent) = channel();
        let (came, heard) = channel();
        let (out, into) = (socket.try_clone().map_err(text)?, socket.try_clone().map_err(text)?);
        into.set_read_timeout(Some(Duration::from_millis(100))).map_err(text)?;
        let stopped = Arc::clone(&stop);
        let sender = std::thread::spawn(move || speak(&out, remote, &ordered, &began, &stopped));
        let stopped = Arc::clone(&stop);
        let receiver = std::thread::spawn(move || listen(&into, &came, &stopped));
        Ok(Self { stop, orders, sent, heard, threads: vec![sender, receiver] })
    }

    /// As `start`, but what comes goes back at once, from another source: sound in whatever codec the phone speaks.
    pub(crate) fn echo(socket: &UdpSocket, remote: SocketAddr) -> Result<Self, String> {
        let text = |error: std::io::Error| format!("RTP socket: {error}");
        let stop = Arc::new(AtomicBool::new(false));
        let (orders, (_, sent), (came, heard)) = (channel().0, channel(), channel());
        let socket = socket.try_clone().map_err(text)?;
        socket.set_read_timeout(Some(Duration::from_millis(100))).map_err(text)?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || send_back(&socket, remote, &came, &stopped));
        Ok(Self { stop, orders, sent, heard, threads: vec![thread] })
    }

    /// A burst that begins at this sample of the next packet.
    pub(crate) fn burst(&self, at: usize) {
        let _ = self.orders.send(at % SAMPLES);
    }

    /// Throws away what came so far.
    pub(crate) fn forget(&self) {
        while self.heard.try_recv().is_ok() {}
        while self.sent.try_recv().is_ok() {}
    }

    /// The first packet that `wanted` finds something in.
    pub(crate) fn wait<T>(
        &self,
        limit: Duration,
        wanted: impl Fn(&Packet) -> Option<T>,
    ) -> Result<(Packet, T), String> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let packet = self.heard.recv_timeout(left).map_err(|_| format!("no such RTP within {limit:?}"))?;
            if let Some(found) = wanted(&packet) {
                return Ok((packet, found));
            }
        }
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Asks for real-time priority for this thread, so that the measuring is late less often than what it measures. Without
/// the right to it the figures only scatter more.
pub(crate) fn punctual() {
    let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(id) = own.file_name() {
        let mut command = std::process::Command::new("chrt");
        command.args(["-f", "-p", "35"]).arg(id);
        let _ = command.stdin(std::process::Stdio::null()).output();
    }
}

fn speak(socket: &UdpSocket, remote: SocketAddr, orders: &Receiver<usize>, began: &Sender<Instant>, stop: &AtomicBool) {
    punctual();
    let mut due = Instant::now();
    let (mut sequence, mut timestamp) = (1u16, 8000u32);
    // What is left of a burst.
    let mut left = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut packet = [SILENCE; 12 + SAMPLES];
        let marker = if sequence == 1 { 0x80 } else { 0 };
        packet[0] = 0x80;
        packet[1] = marker;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&SSRC.to_be_bytes());
        let order = if left == 0 { orders.try_recv().ok() } else { None };
        let from = order.unwrap_or(0);
        if order.is_some() {
            left = BURST;
        }
        for sample in packet.iter_mut().skip(12 + from) {
            if left == 0 {
                break;
            }
            *sample = MILLIWATT[(BURST - left) % MILLIWATT.len()];
            left -= 1;
        }
        let at = Instant::now();
        if socket.send_to(&packet, remote).is_err() {
            return;
        }
        if order.is_some() {
            let _ = began.send(at);
        }
        sequence = sequence.wrapping_add(1);
        timestamp = timestamp.wrapping_add(SAMPLES as u32);
        due += PACKET;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn listen(socket: &UdpSocket, came: &Sender<Packet>, stop: &AtomicBool) {
    punctual();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(n) = socket.recv(&mut buffer) else { continue };
        let at = Instant::now();
        if let Some((payload_type, payload)) = parse(&buffer[..n])
            && came.send(Packet { at, payload_type, payload: payload.to_vec() }).is_err()
        {
            return;
        }
    }
}

fn send_back(socket: &UdpSocket, remote: SocketAddr, came: &Sender<Packet>, stop: &AtomicBool) {
    punctual();
    let mut buffer = [0; 2048];
    while !stop.load(Ordering::Relaxed) {
        let Ok(n) = socket.recv(&mut buffer) else { continue };
        let at = Instant::now();
        let Some(packet) = buffer.get_mut(..n) else { continue };
        // A phone that hears its own SSRC has met itself (RFC 3550 section 8.2).
        if let Some(ssrc) = packet.get_mut(8..12) {
            ssrc.copy_from_slice(&SSRC.to_be_bytes());
        }
        let _ = socket.send_to(packet, remote);
        if let Some((payload_type, payload)) = parse(packet)
            && came.send(Packet { at, payload_type, payload: payload.to_vec() }).is_err()
        {
            return;
        }
    }
}

/// Payload type and payload. Nothing here sends extensions or padding.
fn parse(packet: &[u8]) -> Option<(u8, &[u8])> {
    let header = packet.get(..12)?;
    (header[0] >> 6 == 2).then(|| (header[1] & 0x7f, &packet[12..]))
}
