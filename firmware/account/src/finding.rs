//! Where a phone that was told nothing looks for its provisioning server: what the network's DHCP says, and what somebody
//! types at the phone. Nobody's server is built in. Every answer is a list of URLs with placeholders, best first.
//!
//! DHCP options: 160 (a URL, as several makers of phones use it), 66 (TFTP server name, RFC 2132 section 9.4, in which URLs
//! are usual), 43 (vendor specific, RFC 2132 section 8.4: a URL as it is, or in a sub-option).

/// What the network said when the phone got its address; each as the octets of the option.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DhcpOptions {
    /// 66
    pub tftp_server_name: Option<Vec<u8>>,
    /// 43
    pub vendor_specific: Option<Vec<u8>>,
    /// 160
    pub provisioning: Option<Vec<u8>>,
}

/// Who named a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finder {
    /// The number of the option.
    Dhcp(u8),
    /// SIP's ua-profile by multicast.
    Pnp,
    /// Somebody at the phone.
    Person,
}

impl std::fmt::Display for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dhcp(option) => write!(f, "DHCP option {option}"),
            Self::Pnp => f.write_str("SIP PnP"),
            Self::Person => f.write_str("the login screen"),
        }
    }
}

/// A place to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub template: String,
    pub by: Finder,
}

/// Longest URL that is taken from the network [octets].
const LONGEST: usize = 1024;
/// Places at most: a network that names more is not to be followed.
const MOST: usize = 16;

/// What DHCP names, in the order of its options' precision: 160, 66, 43.
pub fn from_dhcp(leases: &[DhcpOptions]) -> Vec<Candidate> {
    let mut found = Vec::new();
    let texts = |option: u8, of: fn(&DhcpOptions) -> Option<&Vec<u8>>| {
        leases.iter().filter_map(of).map(move |octets| (option, octets.clone())).collect::<Vec<_>>()
    };
    let mut all = texts(160, |lease| lease.provisioning.as_ref());
    all.extend(texts(66, |lease| lease.tftp_server_name.as_ref()));
    for (option, octets) in &all {
        let templates = text(octets).map(templates).unwrap_or_default();
        found.extend(templates.into_iter().map(|template| Candidate { template, by: Finder::Dhcp(*option) }));
    }
    for octets in leases.iter().filter_map(|lease| lease.vendor_specific.as_ref()) {
        let urls = vendor_urls(octets).into_iter().flat_map(|url| templates(&url));
        found.extend(urls.map(|template| Candidate { template, by: Finder::Dhcp(43) }));
    }
    unique(found)
}

/// What SIP PnP or a person named: a URL, or for a person only the name of a server.
pub fn from_text(by: Finder, given: &str) -> Vec<Candidate> {
    unique(templates(given).into_iter().map(|template| Candidate { template, by }).collect())
}

fn unique(found: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in found {
        if kept.len() < MOST && !kept.iter().any(|other| other.template == candidate.template) {
            kept.push(candidate);
        }
    }
    kept
}

/// A URL, a folder's URL (its file is the phone's own), or the name of a server (then https before http). TFTP and FTP
/// are not spoken.
fn templates(given: &str) -> Vec<String> {
    let given = given.trim();
    if given.is_empty() || given.len() > LONGEST || given.chars().any(|c| c.is_control() || c == ' ') {
        return Vec::new();
    }
    // Other makers' words for the same thing.
    let given = given.replace("$MAC", "{mac}").replace("$mac", "{mac}");
    match given.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            if rest.is_empty() || rest.starts_with('/') {
                return Vec::new();
            }
            let scheme = scheme.to_ascii_lowercase();
            vec![match rest.split_once('/') {
                None => format!("{scheme}://{rest}/{{mac}}.xml"),
                Some((_, path)) if path.is_empty() || path.ends_with('/') => format!("{scheme}://{rest}{{mac}}.xml"),
                Some(_) => format!("{scheme}://{rest}"),
            }]
        }
        Some(_) => Vec::new(),
        None if is_host(&given) => ["https", "http"].map(|scheme| format!("{scheme}://{given}/{{mac}}.xml")).to_vec(),
        None => Vec::new(),
    }
}

/// A name or an address, with or without a port.
fn is_host(text: &str) -> bool {
    crate::schema::host_port(text).is_ok()
}

/// Printable, without the zero that some servers add.
fn text(octets: &[u8]) -> Option<&str> {
    let end = octets.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(octets.get(..end)?).ok()?.trim();
    (!text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)).then_some(text)
}

/// Option 43 is the vendor's own: a URL as text, or sub-options (code, length, octets) of which some are URLs.
fn vendor_urls(octets: &[u8]) -> Vec<String> {
    let is_url = |text: &str| text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"));
    if let Some(url) = text(octets).filter(|text| is_url(text)) {
        return vec![url.to_owned()];
    }
    let mut urls = Vec::new();
    let mut rest = octets;
    while let [code, after @ ..] = rest {
        match code {
            0 => rest = after,
            255 => break,
            _ => {
                let [length, after @ ..] = after else { break };
                let Some((value, next)) = after.split_at_checked(usize::from(*length)) else { break };
                urls.extend(text(value).filter(|text| is_url(text)).map(str::to_owned));
                rest = next;
            }
        }
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lease: DhcpOptions) -> Vec<String> {
        from_dhcp(&[lease]).into_iter().map(|candidate| candidate.template).collect()
    }

    fn option_66(text: &str) -> Vec<String> {
        found(DhcpOptions { tftp_server_name: Some(text.into()), ..DhcpOptions::default() })
    }

    #[test]
    fn a_url_is_itself_and_a_folder_gets_the_phones_own_file() {
        assert_eq!(option_66("https://pbx.test/phones/all.xml"), ["https://pbx.test/phones/all.xml"]);
        assert_eq!(option_66("http://pbx.test/phones/\0"), ["http://pbx.test/phones/{mac}.xml"]);
        assert_eq!(option_66("HTTPS://pbx.test:8443"), ["https://pbx.test:8443/{mac}.xml"]);
        assert_eq!(option_66("https://pbx.test/$MAC.cfg?m={model}"), ["https://pbx.test/{mac}.cfg?m={model}"]);
    }

    #[test]
    fn a_bare_server_is_asked_by_https_first() {
        for host in ["pbx.test", "10.0.0.2", "pbx.test:8080", "[fd00::2]"] {
            assert_eq!(option_66(host), [format!("https://{host}/{{mac}}.xml"), format!("http://{host}/{{mac}}.xml")]);
        }
    }

    #[test]
    fn what_is_no_place_on_the_web_is_passed_over() {
        for text in
            ["", "tftp://10.0.0.2/x", "ftp://a/b", "http://", "http:///x", "a b", "/etc/passwd", "http://a\r\nX: y/"]
        {
            assert_eq!(option_66(text), Vec::<String>::new(), "{text}");
        }
        assert!(option_66(&format!("http://a/{}", "x".repeat(2000))).is_empty());
        let bad = DhcpOptions { tftp_server_name: Some(vec![0xff, 0xfe]), ..DhcpOptions::default() };
        assert!(found(bad).is_empty());
    }

    #[test]
    fn option_160_comes_before_66_and_43() {
        let lease = DhcpOptions {
            tftp_server_name: Some(b"http://b/b".to_vec()),
            vendor_specific: Some(b"http://c/c".to_vec()),
            provisioning: Some(b"http://a/a".to_vec()),
        };
        assert_eq!(found(lease.clone()), ["http://a/a", "http://b/b", "http://c/c"]);
        let by: Vec<Finder> = from_dhcp(&[lease]).into_iter().map(|candidate| candidate.by).collect();
        assert_eq!(by, [Finder::Dhcp(160), Finder::Dhcp(66), Finder::Dhcp(43)]);
    }

    #[test]
    fn option_43_is_read_as_text_and_as_sub_options_to_its_last_octet() {
        let lease =
            |octets: &[u8]| found(DhcpOptions { vendor_specific: Some(octets.to_vec()), ..DhcpOptions::default() });
        assert_eq!(lease(b"http://c/c"), ["http://c/c"]);
        let mut octets = vec![0, 1, 4, 1, 2, 3, 4, 2, 10];
        octets.extend_from_slice(b"http://c/d");
        octets.push(255);
        assert_eq!(lease(&octets), ["http://c/d"]);
        for end in 0..octets.len() {
            let _ = lease(&octets[..end]);
        }
        assert!(lease(&[1, 200, b'h']).is_empty());
    }

    #[test]
    fn the_same_place_is_looked_at_once_and_not_endlessly_many() {
        let same = DhcpOptions {
            tftp_server_name: Some(b"http://a/a".to_vec()),
            provisioning: Some(b"http://a/a".to_vec()),
            ..DhcpOptions::default()
        };
        assert_eq!(found(same), ["http://a/a"]);
        let many: Vec<DhcpOptions> = (0..100)
            .map(|n| DhcpOptions { provisioning: Some(format!("http://a/{n}").into()), ..DhcpOptions::default() })
            .collect();
        assert_eq!(from_dhcp(&many).len(), MOST);
    }
}
