//! Who is at the other end: names and numbers out of a request (`axml.inc.08`), and numbers to be dialled into URIs.

use offhook_account::settings::IdentitySource;
use offhook_sip::{NameAddr, Request, Uri};

/// The other end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    /// number, or `user@host` of somebody elsewhere
    pub(crate) address: String,
    pub(crate) name: Option<String>,
}

/// The caller of an INVITE by the account's order of sources. Asserted identities count only if the account's server
/// sent them (`trusted`) and the caller does not ask that they be kept back (RFC 3323 section 4.2, RFC 3325 section 9.3);
/// From is what anybody may claim, but it is all there is then.
pub(crate) fn of_request(request: &Request, order: &[IdentitySource], trusted: bool, domain: &str) -> Party {
    let private = request
        .headers
        .list("Privacy")
        .iter()
        .flat_map(|value| value.split(';'))
        .any(|word| ["id", "user", "header"].iter().any(|known| word.trim().eq_ignore_ascii_case(known)));
    let asserted = |name: &str| {
        if !trusted || private {
            return None;
        }
        request.headers.list(name).iter().find_map(|value| NameAddr::parse(value))
    };
    let found = order.iter().find_map(|source| match source {
        IdentitySource::Pai => asserted("P-Asserted-Identity"),
        IdentitySource::From => request.headers.from(),
        IdentitySource::Rpid => asserted("Remote-Party-ID"),
        IdentitySource::Ppi => asserted("P-Preferred-Identity"),
    });
    let Some(identity) = found.or_else(|| request.headers.from()) else {
        return Party { address: "unknown".to_owned(), name: None };
    };
    // a display name of From still helps when the asserted identity has none for the same number
    let own_name = identity.display_name.clone().filter(|name| !name.trim().is_empty());
    let name = own_name.or_else(|| {
        let from = request.headers.from()?;
        (from.uri.user() == identity.uri.user()).then_some(from.display_name).flatten()
    });
    Party {
        address: address(&identity.uri, domain),
        name: name.map(|name| clean(&name)).filter(|name| !name.is_empty()),
    }
}

/// As a person reads it: the user part if it is a number or of our domain, else `user@host`.
pub(crate) fn address(uri: &Uri, domain: &str) -> String {
    let text = match (uri, uri.user()) {
        (Uri::Sip(sip), Some(user)) => {
            let host = sip.host.to_string();
            if is_number(&user) || host.eq_ignore_ascii_case(host_of(domain)) { user } else { format!("{user}@{host}") }
        }
        (Uri::Sip(sip), None) => sip.host.to_string(),
        (_, Some(user)) => user,
        (uri, None) => uri.to_string(),
    };
    let text = clean(&text);
    if text.is_empty() { "unknown".to_owned() } else { text }
}

/// What a person or program dialled as a URI: `sip:`, `sips:` and `user@host` as they are, anything else as a number
/// at the account's domain. `None`: it cannot be dialled.
pub(crate) fn target(dialled: &str, domain: &str) -> Option<Uri> {
    let dialled = dialled.trim();
    if dialled.is_empty() || dialled.len() > 256 || dialled.chars().any(char::is_control) {
        return None;
    }
    let scheme = dialled.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("sip" | "sips") => return Uri::parse(dialled).filter(|uri| uri.as_sip().is_some()),
        Some("tel") => {
            let uri = Uri::parse(dialled)?;
            return Uri::sip(&uri.user()?, domain);
        }
        _ => {}
    }
    if dialled.contains('@') {
        return Uri::parse(&format!("sip:{dialled}")).filter(|uri| uri.as_sip().is_some());
    }
    let user = without_separators(dialled);
    if user.is_empty() { None } else { Uri::sip(&user, domain) }
}

/// Digits, star, hash and plus.
pub(crate) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | '+'))
}

/// A number without what people put between its digits (RFC 3966 section 5.1.1); a name stays as it is.
fn without_separators(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    if is_number(&bare) { bare } else { text.to_owned() }
}

/// The host of `host`, `host:port`, `[v6]:port`.
pub(crate) fn host_of(host_port: &str) -> &str {
    if let Some(rest) = host_port.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host_port.split_once(':') {
        Some((_, rest)) if rest.contains(':') => host_port,
        Some((host, _)) => host,
        None => host_port,
    }
}

/// Without control characters, and short enough for any screen.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_becomes_a_uri() {
        let dial = |text: &str| target(text, "pbx.example:5070").map(|uri| uri.to_string());
        assert_eq!(dial("102").as_deref(), Some("sip:102@pbx.example:5070"));
        assert_eq!(dial(" +1 (555) 123-4567 ").as_deref(), Some("sip:+15551234567@pbx.example:5070"));
        assert_eq!(dial("*97").as_deref(), Some("sip:*97@pbx.example:5070"));
        assert_eq!(dial("bob@example.org").as_deref(), Some("sip:bob@example.org"));
        assert_eq!(dial("sip:bob@[2001:db8::1]:5061").as_deref(), Some("sip:bob@[2001:db8::1]:5061"));
        assert_eq!(dial("tel:+15551234").as_deref(), Some("sip:+15551234@pbx.example:5070"));
        assert_eq!(dial("a b").as_deref(), Some("sip:a%20b@pbx.example:5070"));
        assert_eq!(dial("*93*102#").as_deref(), Some("sip:*93*102%23@pbx.example:5070"));
        for nothing in ["", "  ", "a\r\nVia: x", "sip:"] {
            assert_eq!(dial(nothing), None, "{nothing:?}");
        }
    }

    fn invite(headers: &str) -> Request {
        let text = format!(
            "INVITE sip:100@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             To: <sip:100@pbx>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n{headers}\r\n"
        );
        match offhook_sip::Message::parse(text.as_bytes()).unwrap() {
            offhook_sip::Message::Request(request) => request,
            offhook_sip::Message::Response(_) => unreachable!(),
        }
    }

    /// Covers: axml.inc.08
    #[test]
    fn asserted_names_count_only_from_the_accounts_server_and_in_its_order() {
        use IdentitySource::{From, Pai, Ppi, Rpid};
        let request = invite(
            "From: \"Anybody\" <sip:1@pbx>;tag=a\r\nP-Asserted-Identity: \"Two\" <sip:2@pbx>, <tel:+2>\r\n\
             Remote-Party-ID: \"Three\" <sip:3@pbx>;party=calling\r\nP-Preferred-Identity: <sip:4@pbx>\r\n",
        );
        let who = |order: &[IdentitySource], trusted| {
            let party = of_request(&request, order, trusted, "pbx");
            format!("{} {}", party.address, party.name.unwrap_or_default())
        };
        assert_eq!(who(&[Pai, From], true), "2 Two");
        assert_eq!(who(&[Pai, From], false), "1 Anybody");
        assert_eq!(who(&[Rpid, Pai], true), "3 Three");
        assert_eq!(who(&[Ppi], true), "4 ");
        assert_eq!(who(&[Ppi], false), "1 Anybody");
        assert_eq!(who(&[], true), "1 Anybody");
    }

    #[test]
    fn callers_of_other_domains_are_shown_whole_unless_they_are_numbers() {
        let who = |from: &str| of_request(&invite(&format!("From: {from};tag=a\r\n")), &[], false, "pbx:5060").address;
        assert_eq!(who("<sip:bob@elsewhere.org>"), "bob@elsewhere.org");
        assert_eq!(who("<sip:bob@PBX>"), "bob");
        assert_eq!(who("<sip:+15551234@elsewhere.org>"), "+15551234");
        assert_eq!(who("<tel:0815>"), "0815");
        assert_eq!(who("<sip:elsewhere.org>"), "elsewhere.org");
    }

    #[test]
    fn the_host_of_a_domain_is_found_with_and_without_port() {
        for (whole, host) in
            [("a.b", "a.b"), ("a.b:5", "a.b"), ("[::1]:5", "::1"), ("::1", "::1"), ("1.2.3.4:9", "1.2.3.4")]
        {
            assert_eq!(host_of(whole), host);
        }
    }
}
