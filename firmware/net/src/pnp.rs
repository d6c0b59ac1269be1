//! The socket of SIP PnP: datagrams to 224.0.1.75, which stay in the local network, and what comes back.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;

/// sip.mcast.net
pub const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 1, 75)), 5060);
/// A NOTIFY with a URL in it is far smaller [octets].
const LARGEST: usize = 4096;

/// A socket that hears until it is dropped.
#[derive(Debug)]
pub struct PnpSocket {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    hears: tokio::task::AbortHandle,
}

impl PnpSocket {
    /// `heard` gets every datagram. Needs a tokio runtime.
    ///
    /// # Errors
    /// There is no network that takes multicast.
    pub fn open(heard: impl FnMut(SocketAddr, &[u8]) + Send + 'static) -> std::io::Result<Self> {
        // The address that the system would use towards the group; asking costs no packet.
        let probe = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        probe.connect(GROUP)?;
        Self::open_on(probe.local_addr()?.ip(), heard)
    }

    fn open_on(ip: IpAddr, mut heard: impl FnMut(SocketAddr, &[u8]) + Send + 'static) -> std::io::Result<Self> {
        let socket = std::net::UdpSocket::bind((ip, 0))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_ttl_v4(1)?;
        let local = socket.local_addr()?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let reader = Arc::clone(&socket);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; LARGEST];
            loop {
                // An ICMP error of an earlier datagram is no reason to stop.
                if let Ok((length, from)) = reader.recv_from(&mut buffer).await {
                    heard(from, buffer.get(..length).unwrap_or_default());
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        });
        Ok(Self { socket, local, hears: task.abort_handle() })
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// `to` absent: the group. A datagram that cannot go is lost, as one on the way would be.
    pub fn send(&self, to: Option<SocketAddr>, bytes: &[u8]) {
        if let Err(error) = self.socket.try_send_to(bytes, to.unwrap_or(GROUP)) {
            tracing::debug!("SIP PnP: {error}");
        }
    }
}

impl Drop for PnpSocket {
    fn drop(&mut self) {
        self.hears.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_heard_and_a_closed_socket_is_free_again() {
        let (sender, mut heard) = tokio::sync::mpsc::channel(8);
        let hear = move |from: SocketAddr, bytes: &[u8]| drop(sender.try_send((from, bytes.to_vec())));
        let socket = PnpSocket::open_on(IpAddr::V4(Ipv4Addr::LOCALHOST), hear).unwrap();
        let peer = UdpSocket::bind((socket.local().ip(), 0)).await.unwrap();
        peer.send_to(b"hello", socket.local()).await.unwrap();
        assert_eq!(heard.recv().await.unwrap(), (peer.local_addr().unwrap(), b"hello".to_vec()));
        let local = socket.local();
        drop(socket);
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(std::net::UdpSocket::bind(local).is_ok());
    }
}
