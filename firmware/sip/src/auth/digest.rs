//! Digest fields and the computation of RFC 7616 section 3.4, shared by both sides.

use super::Algorithm;
use crate::message::scan;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// One challenge or one set of credentials: the scheme and its parameters. A quoted value is without
/// its quotes, escapes and all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) scheme: &'a str,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    pub(super) fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The first of that name.
    pub(super) fn param(&self, name: &str) -> Option<&'a str> {
        self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Is `token` in the comma list that is the value of `name`?
    pub(super) fn lists(&self, name: &str, token: &str) -> bool {
        self.param(name).is_some_and(|list| list.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
    }

    /// No algorithm named is MD5; an unknown one is `None`.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.param("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse)
    }
}

/// Everything in one header field. SIP has one challenge in each, HTTP allows several with commas;
/// both are read.
pub(super) fn fields(value: &str) -> Vec<Fields<'_>> {
    let mut all: Vec<Fields<'_>> = Vec::new();
    for piece in scan::split(value, b',') {
        let param = match piece.split_once([' ', '\t']) {
            // `Digest realm="…"`, but not `realm = "…"`: a new scheme starts.
            Some((scheme, rest)) if scan::is_token(scheme) && !rest.trim_start().starts_with('=') => {
                all.push(Fields { scheme, params: Vec::new() });
                scan::trim(rest)
            }
            None if !piece.contains('=') && scan::is_token(piece) => {
                all.push(Fields { scheme: piece, params: Vec::new() });
                continue;
            }
            _ => piece,
        };
        if let (Some(last), Some((name, value))) = (all.last_mut(), param.split_once('=')) {
            let value = scan::trim(value);
            let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
            last.params.push((scan::trim(name), bare));
        }
    }
    all
}

/// How the body and the count take part (RFC 7616 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qop {
    /// RFC 2069: no client nonce, no count.
    Absent,
    Auth,
    AuthInt,
}

impl Qop {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "",
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// What goes into a response beside the secret.
#[derive(Debug)]
pub(super) struct Inputs<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) qop: Qop,
    pub(super) nonce: &'a str,
    /// Eight digits as on the wire.
    pub(super) nc: &'a str,
    pub(super) cnonce: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) body: &'a [u8],
}

impl Inputs<'_> {
    /// The request-digest; `ha1` is H(user:realm:password).
    pub(super) fn response(&self, ha1: &str) -> String {
        let Self { algorithm, qop, nonce, nc, cnonce, method, uri, body } = *self;
        let a1 = match algorithm.is_sess() {
            true => hash(algorithm, format!("{ha1}:{nonce}:{cnonce}").as_bytes()),
            false => ha1.to_owned(),
        };
        let a2 = match qop {
            Qop::AuthInt => hash(algorithm, format!("{method}:{uri}:{}", hash(algorithm, body)).as_bytes()),
            Qop::Auth | Qop::Absent => hash(algorithm, format!("{method}:{uri}").as_bytes()),
        };
        let all = match qop {
            Qop::Absent => format!("{a1}:{nonce}:{a2}"),
            _ => format!("{a1}:{nonce}:{nc}:{cnonce}:{}:{a2}", qop.as_str()),
        };
        hash(algorithm, all.as_bytes())
    }
}

pub(super) fn ha1(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> String {
    hash(algorithm, format!("{username}:{realm}:{password}").as_bytes())
}

/// H of RFC 7616 in lower-case hexadecimal.
pub(super) fn hash(algorithm: Algorithm, octets: &[u8]) -> String {
    match algorithm {
        Algorithm::Md5 | Algorithm::Md5Sess => hex(&Md5::digest(octets)),
        Algorithm::Sha256 | Algorithm::Sha256Sess => hex(&Sha256::digest(octets)),
        Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => hex(&Sha512_256::digest(octets)),
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Content for a quoted string, escaped; line ends become spaces.
pub(super) fn quoted(content: &str) -> String {
    content.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ")
}

/// Undoes the escapes of a quoted string.
pub(super) fn unquoted(content: &str) -> String {
    let mut escaped = false;
    content
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(algorithm: Algorithm, qop: Qop, ha1: &str, strings: [&str; 4]) -> String {
        let [nonce, cnonce, method, uri] = strings;
        Inputs { algorithm, qop, nonce, nc: "00000001", cnonce, method, uri, body: b"" }.response(ha1)
    }

    #[test]
    fn the_example_of_rfc_2617_is_reproduced() {
        let ha1 = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(ha1, "939e7578ed9e3c518a452acee763bce9");
        let got = response(
            Algorithm::Md5,
            Qop::Auth,
            &ha1,
            ["dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b", "GET", "/dir/index.html"],
        );
        assert_eq!(got, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_example_of_rfc_2069_without_qop_is_reproduced() {
        // With the erratum: the digest printed in the RFC itself is wrong.
        let ha1 = ha1(Algorithm::Md5, "Mufasa", "testrealm@host.com", "CircleOfLife");
        let got = response(
            Algorithm::Md5,
            Qop::Absent,
            &ha1,
            ["dcd98b7102dd2f0e8b11d0f600bfb0c093", "", "GET", "/dir/index.html"],
        );
        assert_eq!(got, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn the_examples_of_rfc_7616_are_reproduced() {
        let strings = [
            "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            "GET",
            "/dir/index.html",
        ];
        for (algorithm, expected) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (Algorithm::Sha256, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let ha1 = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
            assert_eq!(response(algorithm, Qop::Auth, &ha1, strings), expected);
        }
    }

    #[test]
    fn sha_512_256_is_the_function_of_fips_180_4_and_not_a_cut_sha_512() {
        // RFC 7616 section 3.9.2 as corrected by its erratum on userhash; the response was computed with OpenSSL.
        let algorithm = Algorithm::Sha512_256;
        let userhash = hash(algorithm, "Jäsøn Doe:api@example.org".as_bytes());
        assert_eq!(userhash, "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
        let ha1 = ha1(algorithm, "Jäsøn Doe", "api@example.org", "Secret, or not?");
        let got = response(
            algorithm,
            Qop::Auth,
            &ha1,
            ["5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm", "GET", "/doe.json"],
        );
        assert_eq!(got, "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c");
    }

    #[test]
    fn challenges_are_read_with_any_quoting_and_several_in_a_field() {
        let value =
            r#"Digest realm="a, \"b\"", nonce = abc,QOP="auth,auth-int" ,algorithm=md5, Basic realm="c", NewOne"#;
        let all = fields(value);
        assert_eq!(all.iter().map(|f| f.scheme).collect::<Vec<_>>(), ["Digest", "Basic", "NewOne"]);
        assert_eq!(all[0].param("realm"), Some(r#"a, \"b\""#));
        assert_eq!(all[0].param("Nonce"), Some("abc"));
        assert!(all[0].lists("qop", "AUTH-INT") && !all[0].lists("qop", "int"));
        assert_eq!(all[0].algorithm(), Some(Algorithm::Md5));
        assert_eq!(all[1].param("realm"), Some("c"));
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        for text in ["plain", r#"a"b\c"#, r"\\", "\""] {
            assert_eq!(unquoted(&quoted(text)), text);
        }
    }
}
