//! One request to a web server and what it takes to get the answer: redirects (RFC 9110 section 15.4), a challenge for a
//! name and password (RFC 7616, RFC 7617). Decides and sends nothing: `fetch` takes a [`Hop`], performs it, and tells
//! [`Exchange::answered`] how it went, until that says [`Next::Take`].
//!
//! What it makes sure of: a request that began with https stays with https; credentials and `Authorization` go only to the
//! server that the request named; a password goes out in the clear only where nobody can read it, or in a laboratory; it
//! ends.

use base64::Engine;
use offhook_account::fetch::{Credentials, FetchError, FetchRequest};
use offhook_account::template::{keeps_secrets, without_secrets};
use offhook_sip::auth::{WebRequest, WebScheme, web_digest, web_scheme};
use url::Url;

/// Redirects followed at most.
pub const MAX_REDIRECTS: usize = 5;
/// Answers to challenges at most: one, and one more when the server calls its own nonce stale.
const MAX_ANSWERS: usize = 2;

/// One request as it goes out.
#[derive(Clone, PartialEq, Eq)]
pub struct Hop {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// It goes to the server that the request named, which may see the phone's own certificate.
    pub home: bool,
}

/// What to do after a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send [`Exchange::hop`] anew; the body of the response is of no use.
    Again,
    /// This is the answer.
    Take,
}

/// One request on its way. Debug output has no secrets.
pub struct Exchange {
    hop: Hop,
    home: Url,
    credentials: Option<Credentials>,
    insecure: bool,
    only_home: bool,
    cnonce: String,
    seen: Vec<Url>,
    answers: usize,
}

impl Exchange {
    /// `cnonce`: chance, for Digest.
    ///
    /// # Errors
    /// The URL is not http or https, or has no host.
    pub fn new(request: &FetchRequest, cnonce: String) -> Result<Self, FetchError> {
        let mut url = web_url(&request.url)?;
        let mut credentials = request.credentials.clone();
        // `http://name:password@host/` is how old tools write credentials; they are not part of what is asked for.
        if !url.username().is_empty() {
            let plain = |text: &str| percent_decoded(text);
            credentials = credentials.or_else(|| {
                Some(Credentials {
                    username: plain(url.username()),
                    password: offhook_account::Secret::new(plain(url.password().unwrap_or_default())),
                })
            });
        }
        // Only URLs without a host refuse, and those are refused above.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_fragment(None);
        let hop = Hop {
            method: request.method.clone(),
            url: url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            home: true,
        };
        Ok(Self {
            hop,
            home: url.clone(),
            credentials,
            insecure: request.insecure,
            only_home: request.only_home,
            cnonce,
            seen: vec![url],
            answers: 0,
        })
    }

    /// What is to be sent now.
    pub fn hop(&self) -> &Hop {
        &self.hop
    }

    /// A response with `status` came; `headers` answers the values of a field.
    ///
    /// # Errors
    /// There is no way to go on that ends, or that keeps the password secret.
    pub fn answered<'h>(
        &mut self,
        status: u16,
        headers: impl Fn(&'static str) -> Vec<&'h str>,
    ) -> Result<Next, FetchError> {
        match status {
            301 | 302 | 303 | 307 | 308 => match headers("location").first() {
                Some(location) => self.redirected(status, location),
                None => Ok(Next::Take),
            },
            401 => self.challenged(&headers("www-authenticate")),
            _ => Ok(Next::Take),
        }
    }

    fn redirected(&mut self, status: u16, location: &str) -> Result<Next, FetchError> {
        let bad = |why: String| FetchError::Other(format!("the server sends the phone elsewhere, but {why}"));
        let shown = without_secrets(location);
        let mut to = self.hop.url.join(location.trim()).map_err(|error| bad(format!("{shown} is no URL: {error}")))?;
        let _ = (to.set_username(""), to.set_password(None));
        to.set_fragment(None);
        let to = web_url(to.as_str()).map_err(|_| bad(format!("{shown} is neither http nor https")))?;
        if self.hop.url.scheme() == "https" && to.scheme() != "https" {
            return Err(FetchError::Tls(format!("the server sends the phone from https to {shown}; make it https")));
        }
        if self.only_home && to.origin() != self.home.origin() {
            return Err(bad(format!("{shown} is another server, which has no business with this request")));
        }
        if self.seen.contains(&to) {
            return Err(bad(format!("in a circle, back to {}", without_secrets(to.as_str()))));
        }
        if self.seen.len() > MAX_REDIRECTS {
            return Err(bad(format!("more than {MAX_REDIRECTS} times")));
        }
        self.seen.push(to.clone());
        // RFC 9110 section 15.4: 303 asks for a GET; a POST becomes one for historical reasons.
        if status == 303 && self.hop.method != "HEAD" || matches!(status, 301 | 302) && self.hop.method == "POST" {
            self.hop.method = "GET".to_owned();
            self.hop.body.clear();
            self.drop_headers(&["content-type", "content-encoding", "content-language"]);
        }
        // An answer belongs to the request it was made for.
        self.drop_headers(&["authorization"]);
        self.answers = 0;
        self.hop.home = to.origin() == self.home.origin();
        if !self.hop.home {
            self.drop_headers(&["cookie", "proxy-authorization"]);
        }
        self.hop.url = to;
        Ok(Next::Again)
    }

    fn challenged(&mut self, challenges: &[&str]) -> Result<Next, FetchError> {
        let Some(credentials) = self.credentials.clone().filter(|_| self.hop.home) else { return Ok(Next::Take) };
        let target = self.target();
        let request = WebRequest { method: &self.hop.method, target: &target, body: &self.hop.body };
        let value = match web_scheme(challenges.iter().copied()) {
            // Refused with a fresh nonce: the password is wrong, and asking again locks accounts.
            WebScheme::Digest { stale } if self.answers > 0 && !stale => return Ok(Next::Take),
            WebScheme::Basic if self.answers > 0 => return Ok(Next::Take),
            _ if self.answers >= MAX_ANSWERS => return Ok(Next::Take),
            WebScheme::Digest { .. } => {
                let Credentials { username, password } = &credentials;
                let all = challenges.iter().copied();
                web_digest(all, request, username, password.reveal(), &self.cnonce)
            }
            WebScheme::Basic if !self.insecure && !keeps_secrets(self.hop.url.as_str()) => {
                return Err(FetchError::Other(
                    "the server wants the password in the clear (Basic over http): use https, or Digest".into(),
                ));
            }
            WebScheme::Basic => Some(basic(&credentials)),
            WebScheme::Other => None,
        };
        let Some(value) = value else { return Ok(Next::Take) };
        self.answers += 1;
        self.drop_headers(&["authorization"]);
        self.hop.headers.push(("Authorization".to_owned(), value));
        Ok(Next::Again)
    }

    fn target(&self) -> String {
        let url = &self.hop.url;
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    fn drop_headers(&mut self, names: &[&str]) {
        self.hop.headers.retain(|(name, _)| !names.iter().any(|other| name.eq_ignore_ascii_case(other)));
    }
}

impl std::fmt::Debug for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, without_secrets(self.url.as_str()))
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("hop", &self.hop).field("answers", &self.answers).finish_non_exhaustive()
    }
}

fn web_url(text: &str) -> Result<Url, FetchError> {
    let shown = || without_secrets(text);
    let url = Url::parse(text.trim()).map_err(|error| FetchError::BadUrl(format!("{}: {error}", shown())))?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if web { Ok(url) } else { Err(FetchError::BadUrl(format!("{}: it must be http or https", shown()))) }
}

fn basic(credentials: &Credentials) -> String {
    let pair = format!("{}:{}", credentials.username, credentials.password.reveal());
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// `%41` as `A`; what is no escape, or no UTF-8, stays.
fn percent_decoded(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = (*first == b'%').then(|| std::str::from_utf8(after.get(..2)?).ok()).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(octets).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_account::Secret;

    fn exchange(url: &str) -> Exchange {
        let credentials = Some(Credentials { username: "100".into(), password: Secret::new("hunter2") });
        let headers = vec![("Accept".to_owned(), "text/xml".to_owned())];
        Exchange::new(&FetchRequest { credentials, headers, ..FetchRequest::get(url) }, "chance".into()).unwrap()
    }

    fn answer(
        exchange: &mut Exchange,
        status: u16,
        name: &'static str,
        value: &'static str,
    ) -> Result<Next, FetchError> {
        exchange.answered(status, |asked| if asked == name { vec![value] } else { Vec::new() })
    }

    fn authorization(exchange: &Exchange) -> Option<&str> {
        let found = exchange.hop().headers.iter().find(|(name, _)| name == "Authorization");
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_relative_redirect_is_followed_and_the_headers_stay() {
        let mut exchange = exchange("http://pbx.test/phones/1.xml?x=1#part");
        assert_eq!(exchange.hop().url.as_str(), "http://pbx.test/phones/1.xml?x=1");
        assert_eq!(answer(&mut exchange, 302, "location", "../new/1.xml"), Ok(Next::Again));
        assert_eq!(exchange.hop().url.as_str(), "http://pbx.test/new/1.xml");
        assert!(exchange.hop().home && exchange.hop().headers.len() == 1);
        assert_eq!(answer(&mut exchange, 200, "", ""), Ok(Next::Take));
    }

    #[test]
    fn a_redirect_loop_and_an_endless_chain_end_with_a_reason() {
        let mut circle = exchange("http://pbx.test/a");
        assert_eq!(answer(&mut circle, 301, "location", "/b"), Ok(Next::Again));
        let Err(FetchError::Other(why)) = answer(&mut circle, 301, "location", "/a") else { panic!() };
        assert!(why.contains("circle"), "{why}");
        let mut chain = exchange("http://pbx.test/0");
        for to in ["/1", "/2", "/3", "/4", "/5"] {
            assert_eq!(answer(&mut chain, 307, "location", to), Ok(Next::Again));
        }
        assert!(answer(&mut chain, 307, "location", "/6").is_err());
    }

    #[test]
    fn https_is_never_left_and_other_schemes_are_never_followed() {
        let mut secure = exchange("https://pbx.test/a");
        assert!(matches!(answer(&mut secure, 302, "location", "http://pbx.test/b"), Err(FetchError::Tls(_))));
        for location in ["file:///etc/passwd", "ftp://pbx.test/a", "http://", "javascript:1"] {
            assert!(answer(&mut exchange("http://pbx.test/a"), 302, "location", location).is_err(), "{location}");
        }
        assert_eq!(answer(&mut exchange("http://pbx.test/a"), 302, "location", "https://pbx.test/b"), Ok(Next::Again));
    }

    #[test]
    fn another_host_gets_no_password_and_no_answer_to_its_challenge() {
        let mut exchange = exchange("https://pbx.test/a");
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", "Basic realm=\"x\""), Ok(Next::Again));
        assert!(authorization(&exchange).is_some());
        assert_eq!(answer(&mut exchange, 302, "location", "https://evil.test/a"), Ok(Next::Again));
        assert!(!exchange.hop().home && authorization(&exchange).is_none());
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", "Basic realm=\"x\""), Ok(Next::Take));
        assert!(authorization(&exchange).is_none());
    }

    #[test]
    fn digest_is_answered_once_and_a_stale_nonce_once_more() {
        let mut exchange = exchange("http://pbx.test/a?b=c");
        let challenge = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\", algorithm=SHA-256";
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", challenge), Ok(Next::Again));
        assert!(authorization(&exchange).unwrap().contains("uri=\"/a?b=c\""));
        let stale = "Digest realm=\"r\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256, stale=true";
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", stale), Ok(Next::Again));
        assert!(authorization(&exchange).unwrap().contains("nonce=\"2\""));
        assert_eq!(exchange.hop().headers.len(), 2);
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", stale), Ok(Next::Take));
        let mut wrong = self::exchange("http://pbx.test/a");
        assert_eq!(answer(&mut wrong, 401, "www-authenticate", challenge), Ok(Next::Again));
        assert_eq!(answer(&mut wrong, 401, "www-authenticate", challenge), Ok(Next::Take));
    }

    #[test]
    fn basic_goes_over_https_or_to_this_machine_only() {
        let challenge = "Basic realm=\"r\", charset=\"UTF-8\"";
        for url in ["https://pbx.test/", "http://127.0.0.1:8080/"] {
            let mut exchange = exchange(url);
            assert_eq!(answer(&mut exchange, 401, "www-authenticate", challenge), Ok(Next::Again));
            assert_eq!(authorization(&exchange), Some("Basic MTAwOmh1bnRlcjI="));
            assert_eq!(answer(&mut exchange, 401, "www-authenticate", challenge), Ok(Next::Take));
        }
        let mut plain = exchange("http://pbx.test/");
        let Err(error) = answer(&mut plain, 401, "www-authenticate", challenge) else { panic!() };
        assert!(error.to_string().contains("https") && !error.to_string().contains("hunter2"), "{error}");
        assert!(authorization(&plain).is_none());
    }

    #[test]
    fn credentials_in_the_url_are_taken_out_of_it() {
        let mut exchange =
            Exchange::new(&FetchRequest::get("http://Aladdin:open%20sesame@127.0.0.1/x"), String::new()).unwrap();
        assert_eq!(exchange.hop().url.as_str(), "http://127.0.0.1/x");
        assert_eq!(answer(&mut exchange, 401, "www-authenticate", "Basic realm=\"r\""), Ok(Next::Again));
        // RFC 7617 section 2
        assert_eq!(authorization(&exchange), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn see_other_turns_a_post_into_a_get_and_temporary_redirect_does_not() {
        for (status, method, length) in [(303, "GET", 0), (302, "GET", 0), (307, "POST", 2), (308, "POST", 2)] {
            let request = FetchRequest::post("http://pbx.test/a", "application/json", "{}");
            let mut exchange = Exchange::new(&request, String::new()).unwrap();
            assert_eq!(answer(&mut exchange, status, "location", "/b"), Ok(Next::Again));
            assert_eq!((exchange.hop().method.as_str(), exchange.hop().body.len()), (method, length));
            assert_eq!(exchange.hop().headers.is_empty(), length == 0);
        }
    }

    #[test]
    fn a_request_for_one_server_alone_is_not_sent_to_another() {
        let request = FetchRequest { only_home: true, ..FetchRequest::get("https://pbx.test/a?number=0301234") };
        let mut exchange = Exchange::new(&request, String::new()).unwrap();
        assert_eq!(answer(&mut exchange, 302, "location", "/b"), Ok(Next::Again));
        let refused = answer(&mut exchange, 302, "location", "https://elsewhere.test/b");
        assert!(matches!(&refused, Err(FetchError::Other(why)) if why.contains("another server")), "{refused:?}");
    }

    #[test]
    fn urls_that_are_not_of_the_web_are_refused_without_a_packet() {
        for url in ["", "pbx.test/x", "ftp://pbx.test/", "http://", "http://[::1", "file:///etc/passwd"] {
            let refused = Exchange::new(&FetchRequest::get(url), String::new());
            assert!(matches!(refused, Err(FetchError::BadUrl(_))), "{url}");
        }
    }
}
