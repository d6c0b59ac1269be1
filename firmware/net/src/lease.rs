//! What DHCP said, where the system's DHCP client wrote it down: our image's hook, systemd-networkd, dhclient, dhcpcd's and
//! udhcpc's environment as saved by a script. Asking DHCP itself is the client's business; this reads and never asks.
//!
//! | file | written by | options |
//! |---|---|---|
//! | `/run/offhook-lease/*` | our image: `option<number>=<hex>` | 43, 66, 160 |
//! | `/run/systemd/netif/leases/*` | systemd-networkd: `VENDOR_SPECIFIC=<hex>`, `OPTION_<number>=<hex>` | 43 |
//! | `/var/lib/dhcp/*.leases`, `/var/lib/NetworkManager/*.lease` | dhclient: the last `lease { ... }` | 43, 66, 160 |

use offhook_account::finding::DhcpOptions;
use std::path::{Path, PathBuf};

/// Where they are looked for.
pub const PLACES: [&str; 4] =
    ["/run/offhook-lease", "/run/systemd/netif/leases", "/var/lib/dhcp", "/var/lib/NetworkManager"];
/// Larger files are no leases [octets].
const LARGEST: u64 = 1 << 20;

/// Everything that is written in the files of these folders, file by file in the order of their names. What is not there or
/// not readable is passed over: another client may have written elsewhere.
pub fn read(places: &[impl AsRef<Path>]) -> Vec<DhcpOptions> {
    let mut leases = Vec::new();
    for place in places {
        let Ok(folder) = std::fs::read_dir(place) else { continue };
        let mut files: Vec<PathBuf> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files {
            let small = std::fs::metadata(&file).is_ok_and(|about| about.is_file() && about.len() <= LARGEST);
            let Some(bytes) = small.then(|| std::fs::read(&file).ok()).flatten() else { continue };
            let options = parse(&String::from_utf8_lossy(&bytes));
            if options != DhcpOptions::default() {
                leases.push(options);
            }
        }
    }
    leases
}

/// One file in any of the forms; later lines win, as the last lease of a dhclient file does.
pub fn parse(text: &str) -> DhcpOptions {
    let mut options = DhcpOptions::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with("lease ") {
            options = DhcpOptions::default();
        }
        let (name, value) =
            match line.strip_prefix("option ").and_then(|rest| rest.trim_end_matches(';').split_once(' ')) {
                Some((name, value)) => (name, dhclient_value(value.trim())),
                None => match line.split_once('=') {
                    Some((name, value)) => (name, hex(value.trim(), None)),
                    None => continue,
                },
            };
        let slot = match name {
            "option66" | "OPTION_66" | "tftp-server-name" => &mut options.tftp_server_name,
            "option43" | "OPTION_43" | "VENDOR_SPECIFIC" | "vendor-encapsulated-options" => {
                &mut options.vendor_specific
            }
            "option160" | "OPTION_160" | "unknown-160" => &mut options.provisioning,
            _ => continue,
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            *slot = Some(value);
        }
    }
    options
}

/// `"text with \"escapes\""` or `1:2:ff`.
fn dhclient_value(text: &str) -> Option<Vec<u8>> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return hex(text, Some(':'));
    };
    let mut octets = Vec::new();
    let mut rest = inner.as_bytes();
    while let [first, after @ ..] = rest {
        let octal = (*first == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| {
            digits
                .iter()
                .try_fold(0_u16, |all, digit| (b'0'..=b'7').contains(digit).then(|| all * 8 + u16::from(digit - b'0')))
        });
        match (first, octal, after) {
            (b'\\', Some(octet), _) => {
                octets.push(octet as u8);
                rest = after.get(3..).unwrap_or_default();
            }
            (b'\\', None, [escaped, after @ ..]) => {
                octets.push(*escaped);
                rest = after;
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    Some(octets)
}

fn hex(text: &str, separator: Option<char>) -> Option<Vec<u8>> {
    let octet = |digits: &str| u8::from_str_radix(digits, 16).ok();
    match separator {
        Some(separator) => text.split(separator).map(octet).collect(),
        None if text.is_ascii() && text.len().is_multiple_of(2) => {
            (0..text.len()).step_by(2).map(|at| octet(text.get(at..at + 2)?)).collect()
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_of_our_image_is_read() {
        let options = parse("interface=eth0\noption66=687474703a2f2f612f\noption160=\noption43=0102ff00\n");
        assert_eq!(options.tftp_server_name.as_deref(), Some(&b"http://a/"[..]));
        assert_eq!(options.vendor_specific.as_deref(), Some(&[1, 2, 255, 0][..]));
        assert_eq!(options.provisioning, None);
    }

    #[test]
    fn networkd_is_read() {
        let options =
            parse("# This is private data. Do not parse.\nADDRESS=10.0.0.7\nVENDOR_SPECIFIC=687474703a2f2f612f\n");
        assert_eq!(options.vendor_specific.as_deref(), Some(&b"http://a/"[..]));
    }

    #[test]
    fn the_last_lease_of_dhclient_counts() {
        let options = parse(
            "lease {\n  interface \"eth0\";\n  option tftp-server-name \"http://old/\";\n  option unknown-160 \"http://old/\";\n}\n\
             lease {\n  option tftp-server-name \"http://new/a\\\"b\\000\";\n  option vendor-encapsulated-options 1:2:ff:0;\n}\n",
        );
        assert_eq!(options.tftp_server_name.as_deref(), Some(&b"http://new/a\"b\0"[..]));
        assert_eq!(options.vendor_specific.as_deref(), Some(&[1, 2, 255, 0][..]));
        assert_eq!(options.provisioning, None);
    }

    #[test]
    fn what_is_not_well_formed_is_passed_over() {
        for text in [
            "option66=xyz",
            "option66=123",
            "option66",
            "option tftp-server-name",
            "option tftp-server-name ;",
            "=",
            "option66=\u{e9}0",
        ] {
            assert_eq!(parse(text), DhcpOptions::default(), "{text}");
        }
    }

    #[test]
    fn folders_are_read_file_by_file_and_absent_ones_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("eth1"), "option66=61\n").unwrap();
        std::fs::write(folder.path().join("eth0"), "option66=62\n").unwrap();
        std::fs::write(folder.path().join("other"), "nothing\n").unwrap();
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let names: Vec<Vec<u8>> = read(&[folder.path(), Path::new("/nowhere/at/all")])
            .into_iter()
            .filter_map(|l| l.tftp_server_name)
            .collect();
        assert_eq!(names, [b"b".to_vec(), b"a".to_vec()]);
    }
}
