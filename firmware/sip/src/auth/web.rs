//! Digest for requests that are not SIP: a web server's `WWW-Authenticate` (RFC 7616), which has several challenges in one
//! field, any method, and a request target where SIP has a URI. Nothing is remembered: each answer is to a fresh nonce.

use super::Algorithm;
use super::digest::{self, Fields, Inputs, Qop};

/// A request that a web server refused with 401.
#[derive(Debug, Clone, Copy)]
pub struct WebRequest<'a> {
    pub method: &'a str,
    /// path and query, as in the request line
    pub target: &'a str,
    pub body: &'a [u8],
}

/// What a server's challenges allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebScheme {
    /// `stale`: the nonce was too old, the password was right.
    Digest { stale: bool },
    /// The password itself (RFC 7617).
    Basic,
    /// Nothing that we can answer.
    Other,
}

/// The strongest scheme among the `WWW-Authenticate` values of a response.
pub fn web_scheme<'a>(challenges: impl IntoIterator<Item = &'a str>) -> WebScheme {
    let all: Vec<Fields<'_>> = challenges.into_iter().flat_map(digest::fields).collect();
    match strongest(&all) {
        Some((fields, ..)) => {
            let stale = fields.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"));
            WebScheme::Digest { stale }
        }
        None if all.iter().any(|fields| fields.scheme.eq_ignore_ascii_case("Basic")) => WebScheme::Basic,
        None => WebScheme::Other,
    }
}

/// The value of `Authorization` that answers the strongest Digest challenge; `None` if there is none. `cnonce` is the
/// caller's chance.
pub fn web_digest<'a>(
    challenges: impl IntoIterator<Item = &'a str>,
    request: WebRequest<'_>,
    username: &str,
    password: &str,
    cnonce: &str,
) -> Option<String> {
    let all: Vec<Fields<'_>> = challenges.into_iter().flat_map(digest::fields).collect();
    let (fields, algorithm, qop) = strongest(&all)?;
    let (realm, nonce) = (fields.param("realm")?, fields.param("nonce")?);
    let cnonce = digest::quoted(cnonce);
    let nc = "00000001";
    let WebRequest { method, target, body } = request;
    let inputs = Inputs { algorithm, qop, nonce, nc, cnonce: &cnonce, method, uri: target, body };
    let response = inputs.response(&digest::ha1(algorithm, username, realm, password));
    let mut value = format!(
        "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", response=\"{response}\"",
        digest::quoted(username),
    );
    if let Some(algorithm) = fields.param("algorithm") {
        value.push_str(&format!(", algorithm={algorithm}"));
    }
    if let Some(opaque) = fields.param("opaque") {
        value.push_str(&format!(", opaque=\"{opaque}\""));
    }
    match qop {
        Qop::Absent if algorithm.is_sess() => value.push_str(&format!(", cnonce=\"{cnonce}\"")),
        Qop::Absent => {}
        _ => value.push_str(&format!(", qop={}, cnonce=\"{cnonce}\", nc={nc}", qop.as_str())),
    }
    Some(value)
}

/// Of equals the topmost (RFC 7616 section 3.7).
fn strongest<'f, 'a>(all: &'f [Fields<'a>]) -> Option<(&'f Fields<'a>, Algorithm, Qop)> {
    let mut best: Option<(&Fields<'_>, Algorithm, Qop)> = None;
    for fields in all.iter().filter(|fields| fields.is_digest()) {
        let qop = match fields.param("qop").map(str::trim) {
            None | Some("") => Qop::Absent,
            Some(_) if fields.lists("qop", "auth") => Qop::Auth,
            Some(_) if fields.lists("qop", "auth-int") => Qop::AuthInt,
            Some(_) => continue,
        };
        let Some(algorithm) = fields.algorithm() else { continue };
        let complete = fields.param("realm").is_some() && fields.param("nonce").is_some();
        if complete && best.as_ref().is_none_or(|(_, other, _)| other.strength() < algorithm.strength()) {
            best = Some((fields, algorithm, qop));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: WebRequest<'_> = WebRequest { method: "GET", target: "/dir/index.html", body: b"" };
    const BOTH: [&str; 2] = [
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    ];

    #[test]
    fn the_example_of_rfc_7616_section_3_9_1_is_answered_with_the_stronger_algorithm() {
        let answer = |challenges: &[&str]| {
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            web_digest(challenges.iter().copied(), GET, "Mufasa", "Circle of Life", cnonce).unwrap()
        };
        let both = answer(&BOTH);
        assert!(both.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"), "{both}");
        assert!(both.contains("algorithm=SHA-256") && both.contains("qop=auth,"), "{both}");
        assert!(answer(&BOTH[..1]).contains("8ca523f5e9506fed4657c9700eebdbec"));
    }

    #[test]
    fn digest_is_preferred_to_basic_and_an_unknown_algorithm_is_no_digest() {
        let basic = "Basic realm=\"x\"";
        assert_eq!(web_scheme([basic, BOTH[0]]), WebScheme::Digest { stale: false });
        assert_eq!(web_scheme([basic]), WebScheme::Basic);
        assert_eq!(web_scheme(["Digest realm=\"x\", nonce=\"1\", algorithm=NEW-1", basic]), WebScheme::Basic);
        assert_eq!(web_scheme(["Bearer realm=\"x\"", "Negotiate"]), WebScheme::Other);
        assert_eq!(
            web_scheme(["Digest realm=\"x\", nonce=\"1\", stale=TRUE, Basic realm=\"y\""]),
            WebScheme::Digest { stale: true }
        );
    }

    #[test]
    fn a_body_takes_part_when_only_auth_int_is_offered() {
        let only = ["Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\""];
        let answer = |body: &[u8]| web_digest(only, WebRequest { method: "POST", body, ..GET }, "u", "p", "c").unwrap();
        assert!(answer(b"").contains("qop=auth-int"));
        assert_ne!(answer(b"a"), answer(b"b"));
    }
}
