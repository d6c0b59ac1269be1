//! Ports that nobody else has: one counter for the whole suite, below the ports that the system gives away by itself, and
//! each looked at before it is handed out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 11_000;
const LAST: u16 = 31_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// `count` ports in a row, free for UDP and TCP on loopback; the first of them is even.
pub(crate) fn take(count: u16) -> u16 {
    // Two suites at once start at different places.
    let _ = NEXT.compare_exchange(
        0,
        FIRST + ((std::process::id() % 190) as u16) * 100,
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
    for _ in 0..20_000 {
        let step = count.next_multiple_of(2);
        let first = NEXT.fetch_add(step, Ordering::Relaxed);
        if first > LAST {
            NEXT.store(FIRST, Ordering::Relaxed);
            continue;
        }
        let first = first.next_multiple_of(2);
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no free ports between {FIRST} and {LAST}");
}

fn is_free(port: u16) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].into_iter().all(|ip| {
        let taken = |error: std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
        !UdpSocket::bind((ip, port)).is_err_and(taken) && !TcpListener::bind((ip, port)).is_err_and(taken)
    })
}
