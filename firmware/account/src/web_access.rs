//! How an account's web servers are met: name and password, authorities beside the system's, pinned keys, and the
//! certificate that the phone shows. Read from the account, joined with what the phone was started with.

use crate::Secret;
use crate::fetch::{Credentials, Identity, Trust};

/// Of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WebAccess {
    /// for the provisioning server
    pub credentials: Option<Credentials>,
    pub trust: Trust,
}

/// A node whose value does not act, and why.
pub(crate) type Unusable = (&'static str, String);

impl WebAccess {
    /// `text` answers a node's value, empty if there is none.
    pub(crate) fn read(text: impl Fn(&str) -> String) -> (Self, Vec<Unusable>) {
        let mut unusable = Vec::new();
        let username = text("extProvUsername");
        let credentials =
            (!username.is_empty()).then(|| Credentials { username, password: Secret::new(text("extProvPassword")) });
        if credentials.is_none() && !text("extProvPassword").is_empty() {
            unusable.push(("extProvPassword", "extProvUsername is missing: nobody is named to the server".to_owned()));
        }
        let mut certificates = |node: &'static str| {
            let given = text(node);
            let pem = pem(&given);
            if pem.is_empty() && !given.trim().is_empty() {
                unusable.push((node, "no certificate in it: PEM is expected, from BEGIN to END".to_owned()));
            }
            pem
        };
        let (authorities, chain) = (certificates("trustedAuthorities"), certificates("clientCertificate"));
        let key = pem(&text("clientKey"));
        let identity = match (chain.is_empty(), key.is_empty()) {
            (false, false) => Some(Identity { chain, key: Secret::new(key) }),
            (true, true) => None,
            (false, true) => {
                unusable.push(("clientCertificate", "clientKey is missing or no PEM: it is not shown".to_owned()));
                None
            }
            (true, false) => {
                unusable.push(("clientKey", "clientCertificate is missing: it is not used".to_owned()));
                None
            }
        };
        // A pin that cannot be read must not leave the phone without any.
        let pins = Trust::read_pins(&text("extProvPins")).unwrap_or_else(|why| {
            unusable.push(("extProvPins", format!("{why}; until it is right, no server fits")));
            vec![[0; 32]]
        });
        (Self { credentials, trust: Trust { authorities, pins, identity } }, unusable)
    }
}

impl Trust {
    /// Both: all authorities; the pins and the identity of `self` before those of `other`.
    pub fn joined(&self, other: &Self) -> Self {
        let mut authorities = self.authorities.clone();
        if !authorities.is_empty() && !authorities.ends_with('\n') {
            authorities.push('\n');
        }
        authorities.push_str(&other.authorities);
        let pins = if self.pins.is_empty() { &other.pins } else { &self.pins };
        Self { authorities, pins: pins.clone(), identity: self.identity.clone().or_else(|| other.identity.clone()) }
    }
}

/// The PEM blocks of a text that may have lost its line breaks on the way through XML (RFC 7468).
fn pem(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = after.split_once("-----") else { break };
        let end = format!("-----END {label}-----");
        let Some((body, after)) = after.split_once(end.as_str()) else { break };
        out.push_str(&format!("-----BEGIN {label}-----\n"));
        let body: Vec<u8> = body.bytes().filter(|octet| !octet.is_ascii_whitespace()).collect();
        for line in body.chunks(64) {
            out.push_str(&String::from_utf8_lossy(line));
            out.push('\n');
        }
        out.push_str(&end);
        out.push('\n');
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";

    fn read(nodes: &[(&str, &str)]) -> (WebAccess, Vec<Unusable>) {
        WebAccess::read(|node| {
            nodes.iter().find(|(name, _)| *name == node).map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        })
    }

    #[test]
    fn certificates_that_lost_their_line_breaks_are_restored() {
        let flat = "-----BEGIN CERTIFICATE----- QUJD -----END CERTIFICATE----- junk -----BEGIN CERTIFICATE-----QUJD-----END CERTIFICATE-----";
        let (access, unusable) = read(&[("trustedAuthorities", flat)]);
        assert_eq!(access.trust.authorities, format!("{PEM}{PEM}"));
        assert!(unusable.is_empty());
        let (_, unusable) = read(&[("trustedAuthorities", "hello")]);
        assert_eq!(unusable[0].0, "trustedAuthorities");
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let key = "-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n";
        assert!(read(&[("clientCertificate", PEM), ("clientKey", key)]).0.trust.identity.is_some());
        for nodes in [[("clientCertificate", PEM)], [("clientKey", key)]] {
            let (access, unusable) = read(&nodes);
            assert!(access.trust.identity.is_none() && unusable.len() == 1);
        }
    }

    #[test]
    fn a_broken_pin_closes_the_door_instead_of_opening_it() {
        let (access, unusable) = read(&[("extProvPins", "nonsense")]);
        assert_eq!((access.trust.pins.len(), unusable.len()), (1, 1));
        assert!(read(&[]).0.trust.pins.is_empty());
    }

    #[test]
    fn a_password_without_a_name_is_told() {
        assert_eq!(read(&[("extProvPassword", "x")]).1[0].0, "extProvPassword");
        let (access, _) = read(&[("extProvUsername", "u"), ("extProvPassword", "x")]);
        assert_eq!(access.credentials.unwrap().username, "u");
    }
}
