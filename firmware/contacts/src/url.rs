//! As much of URLs as DAV needs: where a reference leads (RFC 3986 section 5), whether two of them are the same resource,
//! and whether a password may follow.

/// `http` or `https`, authority, path with query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    /// `host[:port]` in lower case, without a user
    pub(crate) authority: String,
    /// from `/` on
    pub(crate) path: String,
}

impl Url {
    /// An absolute URL; without a scheme, https is meant (C-21). `None`: not a web address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return None;
        }
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some(_) => return None,
            None => (true, text),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        // a user in the URL would be sent to whoever is behind the @
        if authority.is_empty() || authority.contains('@') || path.starts_with('\\') {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Some(Self { secure, authority: authority.to_ascii_lowercase(), path })
    }

    /// Where `reference` leads from here.
    pub(crate) fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim();
        if reference.contains("://") {
            return Self::parse(reference);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme()));
        }
        let path = if reference.starts_with('/') {
            reference.to_owned()
        } else {
            let folder = self.path.split('?').next().unwrap_or_default();
            let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{reference}")
        };
        Self::parse(&format!("{}://{}{path}", self.scheme(), self.authority))
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    pub(crate) fn host(&self) -> &str {
        match self.authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.authority.split(':').next().unwrap_or_default(),
        }
    }

    /// Whether what is known of the one may be told to the other: the same server, or https in the same domain.
    pub(crate) fn trusts(&self, other: &Self) -> bool {
        let same_server = self.authority == other.authority && self.secure == other.secure;
        // from http to https of the same host is an improvement
        same_server || (other.secure && same_site(self.host(), other.host()))
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

/// Whether two hosts belong to the same registrable domain, such as `sip.example.co.uk` and `dav.example.co.uk`, by the
/// public suffix list. Addresses and single words only equal themselves.
pub fn same_site(one: &str, other: &str) -> bool {
    let clean = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let (one, other) = (clean(one), clean(other));
    if one.is_empty() {
        return false;
    }
    if one == other {
        return true;
    }
    let is_address = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    if is_address(&one) || is_address(&other) {
        return false;
    }
    // a made-up top-level domain (`.lan`) has no registrar: its last two words would be a guess
    let domain = |host: &str| {
        let domain = psl::domain(host.as_bytes())?;
        domain.suffix().is_known().then(|| domain.as_bytes().to_vec())
    };
    domain(&one).is_some_and(|found| domain(&other) == Some(found))
}

/// A path in the form in which it is compared: servers write the same resource with and without escapes.
pub(crate) fn comparable(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16);
        match (first, more) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                let value = hex(high).unwrap_or_default() * 16 + hex(low).unwrap_or_default();
                out.push(value as u8);
                rest = after;
            }
            _ => {
                out.push(first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_where_rfc_3986_says() {
        let base = Url::parse("dav.example.org:8443/books/anna/?x").unwrap();
        assert_eq!(base.to_string(), "https://dav.example.org:8443/books/anna/?x");
        let join = |reference: &str| base.join(reference).map(|url| url.to_string());
        assert_eq!(join("/p/").as_deref(), Some("https://dav.example.org:8443/p/"));
        assert_eq!(join("a.vcf").as_deref(), Some("https://dav.example.org:8443/books/anna/a.vcf"));
        assert_eq!(join("//Other.example.org/x").as_deref(), Some("https://other.example.org/x"));
        assert_eq!(join("http://other.example.org").as_deref(), Some("http://other.example.org/"));
        for bad in ["https://user@evil.example/", "ftp://x/", "https://", "a b", "file:///etc/passwd"] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
        assert_eq!(Url::parse("https://a\\@b/").map(|url| url.authority), None);
    }

    /// Covers: axml.dav.02
    #[test]
    fn an_address_without_a_scheme_is_https_and_plain_http_must_be_written_out() {
        assert!(Url::parse("somecarddavurl.com").unwrap().secure);
        assert!(!Url::parse("http://somecarddavurl.com").unwrap().secure);
    }

    #[test]
    fn only_the_same_registrable_domain_is_the_same_site() {
        for (one, other) in [
            ("sip.example.com", "dav.example.com"),
            ("example.co.uk", "a.b.example.co.uk"),
            ("10.0.0.1", "10.0.0.1"),
            ("PBX", "pbx"),
        ] {
            assert!(same_site(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("example.co.uk", "other.co.uk"),
            ("10.0.0.1", "10.0.0.2"),
            ("a.github.io", "b.github.io"),
            ("pbx.lan", "dav.lan"),
            ("a.office.lan", "b.office.lan"),
            ("com", "example.com"),
            ("", ""),
        ] {
            assert!(!same_site(one, other), "{one} {other}");
        }
    }

    #[test]
    fn trust_does_not_follow_to_plain_http_or_to_somebody_else() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(url("https://dav.example.com").trusts(&url("https://p42.example.com")));
        assert!(url("http://dav.example.com").trusts(&url("https://dav.example.com")));
        assert!(url("http://127.0.0.1:5232").trusts(&url("http://127.0.0.1:5232/x")));
        assert!(!url("https://dav.example.com").trusts(&url("http://dav.example.com")));
        assert!(!url("https://dav.example.com").trusts(&url("https://evil.example")));
        assert!(!url("http://dav.example.com").trusts(&url("http://p42.example.com")));
    }
}
