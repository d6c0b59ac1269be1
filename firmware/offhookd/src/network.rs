//! What the machine's network looks like, read from the kernel's files: they need no right and no socket family that a
//! hardened unit might refuse.

use offhook_phone::NetworkFacts;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// A gateway that has not answered by then does not.
const GATEWAY: Duration = Duration::from_millis(1500);

/// The network at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Network {
    /// interfaces with a carrier, loopback aside
    pub(crate) interfaces: Vec<String>,
    /// addresses that others can reach: neither loopback nor link-local
    pub(crate) addresses: Vec<IpAddr>,
    /// of the default route
    pub(crate) gateway: Option<Ipv4Addr>,
    /// name servers, of `/etc/resolv.conf`
    pub(crate) name_servers: Vec<IpAddr>,
}

impl Network {
    pub(crate) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut addresses = ipv4_addresses(&text("/proc/self/net/fib_trie"));
        addresses.extend(ipv6_addresses(&text("/proc/self/net/if_inet6")));
        Self {
            interfaces: interfaces(),
            addresses,
            gateway: gateway(&text("/proc/self/net/route")),
            name_servers: name_servers(&text("/etc/resolv.conf")),
        }
    }

    /// Is there a network at all?
    pub(crate) fn is_up(&self) -> bool {
        !self.interfaces.is_empty() && !self.addresses.is_empty()
    }
}

/// The questions of the self-test; blocks for up to [`GATEWAY`] and as long as the resolver takes.
pub(crate) fn probe(names: Vec<String>) -> NetworkFacts {
    let network = Network::read();
    let gateway = network.gateway.map(|gateway| (IpAddr::V4(gateway), gateway_answers(gateway)));
    let resolve = |name: String| {
        let found = (name.as_str(), 0_u16).to_socket_addrs().map_err(|error| error.to_string());
        let found = found.map(|addresses| addresses.map(|address| address.ip()).collect::<BTreeSet<_>>());
        (name, found.map(|addresses| addresses.into_iter().collect()))
    };
    let Network { interfaces, addresses, name_servers, .. } = network;
    NetworkFacts { interfaces, addresses, gateway, name_servers, names: names.into_iter().map(resolve).collect() }
}

/// Whoever is sent a datagram has to be found first: after one to the discard port the kernel's table of neighbours says
/// whether the gateway answered. A ping would need a right.
fn gateway_answers(gateway: Ipv4Addr) -> Option<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.send_to(&[0], (gateway, 9)).ok()?;
    let end = Instant::now() + GATEWAY;
    loop {
        let table = fs::read_to_string("/proc/self/net/arp").ok()?;
        match neighbour(&table, gateway) {
            // An interface without neighbours (a tunnel) has none to ask.
            None if Instant::now() > end => return None,
            Some(true) => return Some(true),
            Some(false) if Instant::now() > end => return Some(false),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// `/proc/net/arp`: address, type, flags (bit 1: complete), hardware address, …
fn neighbour(table: &str, address: Ipv4Addr) -> Option<bool> {
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let known = words.next()?.parse() == Ok(address);
        let flags = u32::from_str_radix(words.nth(1)?.trim_start_matches("0x"), 16).ok()?;
        known.then_some(flags & 2 != 0)
    })
}

/// Those with a carrier, loopback aside, in the order of their names.
pub(crate) fn interfaces() -> Vec<String> {
    let Ok(folder) = fs::read_dir("/sys/class/net") else { return Vec::new() };
    let mut names: Vec<String> = folder
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            // Reading the carrier of an interface that is down is an error, which is an answer too.
            let carrier = fs::read_to_string(path.join("carrier")).is_ok_and(|text| text.trim() == "1");
            (carrier && name != "lo").then_some(name)
        })
        .collect();
    names.sort();
    names
}

/// Local addresses of `/proc/net/fib_trie`: the line before `/32 host LOCAL`.
fn ipv4_addresses(trie: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        if let Some(text) = line.trim().strip_prefix("|-- ") {
            last = text.trim().parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL")
            && let Some(address) = last
            && !address.is_loopback()
            && !address.is_link_local()
            && !found.contains(&IpAddr::V4(address))
        {
            // Each table of the trie has it once more.
            found.push(IpAddr::V4(address));
        }
    }
    found
}

/// `/proc/net/if_inet6`: address, index, prefix length, scope (00 is global), flags, name; all hex.
fn ipv6_addresses(table: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let bits = u128::from_str_radix(words.next()?, 16).ok()?;
        (words.nth(2)? == "00").then(|| IpAddr::V6(Ipv6Addr::from(bits)))
    };
    table.lines().filter_map(address).collect()
}

/// `/proc/net/route`: interface, destination, gateway, flags, …, mask at 7; numbers in the machine's byte order.
fn gateway(table: &str) -> Option<Ipv4Addr> {
    let gateway = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let default = words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000");
        let bits = u32::from_str_radix(words.get(2)?, 16).ok()?;
        (default && bits != 0).then(|| Ipv4Addr::from(bits.to_ne_bytes()))
    };
    table.lines().skip(1).find_map(gateway)
}

fn name_servers(configuration: &str) -> Vec<IpAddr> {
    let server = |line: &str| line.trim().strip_prefix("nameserver")?.split('%').next()?.trim().parse().ok();
    configuration.lines().filter_map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.0.2.0/24 2 0 2
        |-- 10.0.2.15
           /32 host LOCAL
        |-- 10.0.2.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 169.254.3.4
        /32 host LOCAL
Local:
        |-- 10.0.2.15
           /32 host LOCAL
";

    #[test]
    fn addresses_are_those_that_others_can_reach_each_once() {
        assert_eq!(ipv4_addresses(TRIE), [IpAddr::from([10, 0, 2, 15])]);
        let table = "fe800000000000000000000000000001 02 40 20 80 eth0\n\
                     00000000000000000000000000000001 01 80 10 80 lo\n\
                     20010db8000000000000000000000005 02 40 00 00 eth0\n";
        assert_eq!(ipv6_addresses(table), ["2001:db8::5".parse::<IpAddr>().unwrap_or(IpAddr::from([0; 4]))]);
        assert!(ipv4_addresses("nonsense\n/32 host LOCAL").is_empty() && ipv6_addresses("x y z").is_empty());
    }

    #[test]
    fn gateway_is_that_of_the_default_route() {
        let number = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let (net, own) = (number([10, 0, 2, 0]), number([10, 0, 2, 2]));
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let table = format!(
            "{head}eth0\t{net}\t00000000\t0001\t0\t0\t0\t00FFFFFF\neth0\t00000000\t{own}\t0003\t0\t0\t0\t00000000\n"
        );
        assert_eq!(gateway(&table), Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(gateway(head), None);
        assert_eq!(gateway("\nshort line"), None);
    }

    #[test]
    fn a_neighbour_answered_when_its_entry_is_complete() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.0.2.2         0x1         0x2         52:55:0a:00:02:02     *        eth0\n\
                     10.0.2.9         0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        assert_eq!(neighbour(table, Ipv4Addr::new(10, 0, 2, 2)), Some(true));
        assert_eq!(neighbour(table, Ipv4Addr::new(10, 0, 2, 9)), Some(false));
        assert_eq!(neighbour(table, Ipv4Addr::new(10, 0, 2, 1)), None);
        assert_eq!(neighbour("\nbroken", Ipv4Addr::LOCALHOST), None);
    }

    #[test]
    fn a_probe_resolves_names_and_says_why_it_could_not() {
        let facts = probe(vec!["localhost".into(), "no-such-name.invalid".into()]);
        assert!(facts.names[0].1.as_ref().is_ok_and(|found| found.iter().all(IpAddr::is_loopback)), "{facts:?}");
        assert!(facts.names[1].1.is_err());
    }

    #[test]
    fn name_servers_are_read_with_their_zone_left_out() {
        let text = "# made by hand\nnameserver 10.0.2.3\nnameserver fe80::1%eth0\nsearch lan\nnameserver what\n";
        assert_eq!(name_servers(text).len(), 2);
    }
}
