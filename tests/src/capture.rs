//! What went over the simulated wire, as a pcap file that Wireshark opens: raw IPv4 with UDP, TCP drawn as UDP.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Packets kept for a failing story; the newest win.
const MAX_PACKETS: usize = 50_000;

#[derive(Debug, Default)]
pub struct Capture {
    packets: std::collections::VecDeque<(Duration, SocketAddr, SocketAddr, Vec<u8>)>,
    digest: u64,
}

impl Capture {
    pub fn add(&mut self, at: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        // FNV-1a over everything that was ever sent: two runs with the same seed must agree on it.
        let mut digest = if self.digest == 0 { 0xcbf2_9ce4_8422_2325 } else { self.digest };
        for byte in at.as_nanos().to_le_bytes().iter().chain(bytes) {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.digest = digest;
        if self.packets.len() == MAX_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back((at, from, to, bytes.to_vec()));
    }

    /// A number that is the same for two runs only if every packet and its time was.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Every text that went from `from` to `to` and looks like SIP.
    pub fn sip(&self) -> impl Iterator<Item = (Duration, SocketAddr, SocketAddr, &str)> {
        self.packets.iter().filter_map(|(at, from, to, bytes)| {
            let text = std::str::from_utf8(bytes).ok()?;
            let sip = text.starts_with("SIP/2.0 ") || text.lines().next()?.ends_with(" SIP/2.0");
            sip.then_some((*at, *from, *to, text))
        })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
        // Magic of microsecond captures, version 2.4, 65,535 octets, link type 101: raw IP.
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
            out.write_all(&word.to_le_bytes())?;
        }
        for (at, from, to, bytes) in &self.packets {
            let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip(), to.ip()) else { continue };
            let payload = &bytes[..bytes.len().min(60_000)];
            let length = 28 + payload.len();
            for word in [at.as_secs() as u32, at.subsec_micros(), length as u32, length as u32] {
                out.write_all(&word.to_le_bytes())?;
            }
            let mut header = vec![0x45, 0];
            header.extend((length as u16).to_be_bytes());
            header.extend([0, 0, 0, 0, 64, 17, 0, 0]);
            header.extend(source.octets());
            header.extend(target.octets());
            header.extend(from.port().to_be_bytes());
            header.extend(to.port().to_be_bytes());
            header.extend(((length - 20) as u16).to_be_bytes());
            header.extend([0, 0]);
            out.write_all(&header)?;
            out.write_all(payload)?;
        }
        out.flush()
    }
}
