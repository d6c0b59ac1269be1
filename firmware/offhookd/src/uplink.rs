//! Which link calls go over: the interface of the default route, or, in a network without a way out, the first that has a
//! carrier. Read from the kernel's files, as `network` does.

use offhook_phone::account::rules::{Link, Uplink};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Between two looks. A call outlives a network that is away for longer than this many times over.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// The link in use now. `metered`: interfaces whose traffic costs though they are no modems.
pub(crate) fn read(metered: &[String]) -> Uplink {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let with_carrier = crate::network::interfaces();
    let route = default_route(&text("/proc/self/net/route"), &text("/proc/self/net/ipv6_route"));
    let interface = match route {
        Some(name) if with_carrier.contains(&name) => Some(name),
        _ => with_carrier.into_iter().next(),
    };
    match interface {
        None => Uplink { link: Link::None, ..Uplink::default() },
        Some(name) => of_interface(Path::new("/sys/class/net"), &name, metered),
    }
}

fn of_interface(folder: &Path, name: &str, metered: &[String]) -> Uplink {
    let of = folder.join(name);
    let uevent = fs::read_to_string(of.join("uevent")).unwrap_or_default();
    let device = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE=")).unwrap_or_default();
    let modem = device == "wwan" || ["wwan", "ppp", "rmnet"].iter().any(|prefix| name.starts_with(prefix));
    let link = match device {
        _ if modem => Link::Cellular,
        "wlan" => Link::Wifi,
        _ if of.join("phy80211").exists() || of.join("wireless").exists() => Link::Wifi,
        _ => Link::Ethernet,
    };
    Uplink {
        link,
        ssid: (link == Link::Wifi).then(|| ssid(name)).flatten(),
        metered: modem || metered.iter().any(|marked| marked == name),
    }
}

/// The interface of the default route with the lowest metric; IPv4 before IPv6.
fn default_route(ipv4: &str, ipv6: &str) -> Option<String> {
    let v4 = ipv4.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let default = words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000");
        default.then_some(())?;
        Some((words.get(6)?.parse::<u32>().ok()?, (*words.first()?).to_owned()))
    });
    let v6 = ipv6.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let everywhere = words.first()?.bytes().all(|byte| byte == b'0') && words.get(1) == Some(&"00");
        // the kernel's own "unreachable" is a default route of lo
        let name = words.get(9).filter(|name| everywhere && **name != "lo")?;
        Some((u32::from_str_radix(words.get(5)?, 16).ok()?, (*name).to_owned()))
    });
    let best = |routes: &mut dyn Iterator<Item = (u32, String)>| routes.min().map(|(_, name)| name);
    best(&mut { v4 }).or_else(|| best(&mut { v6 }))
}

/// Name of the Wi-Fi network, by the wireless extensions' SIOCGIWESSID: it works on any datagram socket, where netlink is
/// closed to a hardened unit.
#[allow(unsafe_code)]
fn ssid(interface: &str) -> Option<String> {
    const SIOCGIWESSID: libc::Ioctl = 0x8B1B as libc::Ioctl;
    /// `struct iwreq` of linux/wireless.h with its `struct iw_point`; the union is 16 octets.
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        buffer: *mut u8,
        length: u16,
        flags: u16,
        rest: [u8; 16],
    }
    let mut request =
        Request { name: [0; libc::IFNAMSIZ], buffer: std::ptr::null_mut(), length: 0, flags: 0, rest: [0; 16] };
    if interface.len() >= libc::IFNAMSIZ {
        return None;
    }
    request.name.iter_mut().zip(interface.bytes()).for_each(|(to, from)| *to = from);
    // IEEE 802.11: at most 32 octets; older drivers add a zero
    let mut name = [0_u8; 33];
    request.buffer = name.as_mut_ptr();
    request.length = 33;
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // SAFETY: the request and its buffer of the stated length live until after the call, and are larger than what the
    // kernel writes.
    let result = unsafe {
        libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), SIOCGIWESSID, std::ptr::from_mut(&mut request))
    };
    let length = usize::from(request.length);
    let octets = name.get(..length).filter(|_| result == 0)?;
    let text = String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n";

    #[test]
    fn calls_go_over_the_default_route_with_the_lowest_metric() {
        let route = |name: &str, to: &str, metric: u32, mask: &str| {
            format!("{name}\t{to}\t0102000A\t0003\t0\t0\t{metric}\t{mask}\n")
        };
        let table = [
            HEAD.to_owned(),
            route("eth1", "0002000A", 0, "00FFFFFF"),
            route("wwan0", "00000000", 700, "00000000"),
            route("eth0", "00000000", 100, "00000000"),
        ]
        .concat();
        assert_eq!(default_route(&table, "").as_deref(), Some("eth0"));
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n\
             {zero} 00 {zero} 00 fe800000000000000000000000000001 00000064 00000001 00000000 00000003     wlan0\n"
        );
        assert_eq!(default_route(HEAD, &v6).as_deref(), Some("wlan0"));
        assert_eq!(default_route("\nbroken\n", "broken\n\n"), None);
    }

    #[test]
    fn an_interface_is_what_the_kernel_says_of_it_and_metered_if_it_is_a_modem_or_marked() {
        let folder = std::env::temp_dir().join(format!("offhook-uplink-{}", std::process::id()));
        for (name, uevent) in [("eth0", "INTERFACE=eth0\n"), ("wlan0", "DEVTYPE=wlan\n"), ("usb0", "DEVTYPE=wwan\n")] {
            fs::create_dir_all(folder.join(name)).unwrap_or_default();
            fs::write(folder.join(name).join("uevent"), uevent).unwrap_or_default();
        }
        let of = |name: &str, metered: &[&str]| {
            let marked: Vec<String> = metered.iter().map(|name| (*name).to_owned()).collect();
            let uplink = of_interface(&folder, name, &marked);
            (uplink.link, uplink.metered)
        };
        assert_eq!(of("eth0", &[]), (Link::Ethernet, false));
        assert_eq!(of("eth0", &["eth0"]), (Link::Ethernet, true));
        assert_eq!(of("wlan0", &["eth0"]), (Link::Wifi, false));
        assert_eq!(of("usb0", &[]), (Link::Cellular, true));
        assert_eq!(of("ppp0", &[]), (Link::Cellular, true));
        fs::remove_dir_all(&folder).unwrap_or_default();
    }

    #[test]
    fn what_is_no_wifi_has_no_name() {
        assert_eq!(ssid("lo"), None);
        assert_eq!(ssid("an-interface-name-that-is-too-long"), None);
    }
}
