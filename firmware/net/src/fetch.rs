//! Performs HTTP requests, on a blocking thread, bounded in size and time. `exchange` decides about redirects and
//! challenges, `tls` whom to believe. A proxy in the environment is not used: the phone speaks to whom it was told.

use crate::exchange::{Exchange, Hop, Next};
use crate::{clock, tls};
use offhook_account::fetch::{FetchError, FetchRequest, FetchResponse};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::http::{self, HeaderMap};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, TcpConnector};
use ureq::{Agent, Body};

/// Of a response; servers that send more are not provisioning servers [octets].
const MAX_HEADERS: usize = 32 * 1024;

/// Performs one request; blocks, so it belongs on the blocking pool.
///
/// # Errors
/// No response came in time and in full, or it was larger than `request.max_bytes` (reading stops there), or the way to
/// it was refused: see `exchange` and `tls`.
pub fn fetch(request: &FetchRequest) -> Result<FetchResponse, FetchError> {
    let deadline = Instant::now() + request.timeout;
    let chance = clock::entropy::<16>().map_err(|error| FetchError::Other(format!("no randomness: {error}")))?;
    let cnonce: String = chance.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut exchange = Exchange::new(request, cnonce)?;
    let mut agents = Agents { request, deadline, home: None, away: None };
    loop {
        let mut response = agents.send(exchange.hop())?;
        let headers = response.headers().clone();
        let values = |name: &'static str| -> Vec<&str> {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
        };
        match exchange.answered(response.status().as_u16(), values)? {
            Next::Again => {}
            Next::Take => {
                let body = read(&mut response, request.max_bytes)?;
                return Ok(FetchResponse { status: response.status().as_u16(), headers: texts(&headers), body });
            }
        }
    }
}

/// For hops to the server that the request named, and for those to others, which do not see who the phone is.
struct Agents<'r> {
    request: &'r FetchRequest,
    deadline: Instant,
    home: Option<Agent>,
    away: Option<Agent>,
}

impl Agents<'_> {
    fn send(&mut self, hop: &Hop) -> Result<http::Response<Body>, FetchError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(FetchError::TimedOut);
        }
        let agent = if hop.home { &mut self.home } else { &mut self.away };
        let agent = agent.get_or_insert_with(|| agent_for(self.request, hop.home));
        let mut call = http::Request::builder().method(hop.method.as_str()).uri(hop.url.as_str());
        for (name, value) in &hop.headers {
            call = call.header(name, value);
        }
        let bad = |error: http::Error| FetchError::BadUrl(error.to_string());
        if hop.body.is_empty() {
            run(agent, call.body(()).map_err(bad)?, left)
        } else {
            run(agent, call.body(hop.body.as_slice()).map_err(bad)?, left)
        }
    }
}

fn run(
    agent: &Agent,
    call: http::Request<impl ureq::AsSendBody>,
    left: Duration,
) -> Result<http::Response<Body>, FetchError> {
    let call = agent.configure_request(call).timeout_global(Some(left)).build();
    agent.run(call).map_err(fetch_error)
}

fn agent_for(request: &FetchRequest, home: bool) -> Agent {
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_HEADERS)
        // CardDAV speaks PROPFIND and REPORT.
        .allow_non_standard_methods(true)
        .proxy(None)
        .build();
    let tls = tls::TlsConnector { trust: Arc::clone(&request.trust), identity: home };
    Agent::with_parts(settings, TcpConnector::default().chain(tls), DefaultResolver::default())
}

fn read(response: &mut http::Response<Body>, limit: usize) -> Result<Vec<u8>, FetchError> {
    let limit = limit as u64;
    if response.body().content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    // One octet more than allowed tells "exactly the limit" from "too large"; after decompression, so that a small
    // answer cannot become a large one.
    let mut reader = response.body_mut().as_reader().take(limit + 1);
    reader.read_to_end(&mut body).map_err(|error| match ureq::Error::from(error) {
        // The headers came, then the line was cut or the length was wrong.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            FetchError::Other("the answer ended before its end".into())
        }
        other => fetch_error(other),
    })?;
    if body.len() as u64 > limit {
        return Err(FetchError::TooLarge);
    }
    Ok(body)
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter_map(text).collect()
}

fn fetch_error(error: ureq::Error) -> FetchError {
    match error {
        ureq::Error::Timeout(_) => FetchError::TimedOut,
        ureq::Error::BadUri(text) => FetchError::BadUrl(text),
        ureq::Error::HostNotFound => FetchError::NoConnection("the host name is not known".into()),
        ureq::Error::ConnectionFailed => FetchError::NoConnection("the connection failed".into()),
        ureq::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => FetchError::Tls(tls::explain(error)),
            None => FetchError::NoConnection(error.to_string()),
        },
        ureq::Error::Other(error) => match error.downcast::<FetchError>() {
            Ok(error) => *error,
            Err(error) => FetchError::Other(error.to_string()),
        },
        ureq::Error::Tls(text) => FetchError::Tls(text.into()),
        ureq::Error::BodyExceedsLimit(_) => FetchError::TooLarge,
        other => FetchError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    /// Answers one connection with `response`, then hands back what was asked.
    fn serve_once(response: Vec<u8>) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/account.xml", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut buffer = [0; 1024];
            while !asked.windows(4).any(|w| w == b"\r\n\r\n") {
                let n = stream.read(&mut buffer).unwrap();
                asked.extend_from_slice(&buffer[..n]);
            }
            let _ = stream.write_all(&response);
            String::from_utf8(asked).unwrap()
        });
        (url, thread)
    }

    fn request(url: String) -> FetchRequest {
        FetchRequest {
            headers: vec![("If-None-Match".into(), "\"x\"".into())],
            max_bytes: 1000,
            timeout: Duration::from_secs(2),
            ..FetchRequest::get(url)
        }
    }

    #[test]
    fn not_modified_is_a_response_and_the_entity_tag_was_sent() {
        let (url, thread) = serve_once(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_vec());
        let response = fetch(&request(url)).unwrap();
        assert_eq!(response.status, 304);
        assert!(response.headers.contains(&("etag".into(), "\"x\"".into())));
        assert!(thread.join().unwrap().to_lowercase().contains("if-none-match: \"x\""));
    }

    #[test]
    fn body_past_the_limit_is_refused_with_and_without_content_length() {
        for head in ["HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"]
        {
            let mut response = head.as_bytes().to_vec();
            response.extend_from_slice(&[b'x'; 5000]);
            let (url, thread) = serve_once(response);
            assert_eq!(fetch(&request(url)), Err(FetchError::TooLarge));
            let _ = thread.join();
        }
    }

    #[test]
    fn closed_port_is_no_connection_and_silence_is_a_time_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let silent = FetchRequest { timeout: Duration::from_millis(200), ..request(url.clone()) };
        assert_eq!(fetch(&silent), Err(FetchError::TimedOut));
        drop(listener);
        assert!(matches!(fetch(&request(url)), Err(FetchError::NoConnection(_))));
    }
}
