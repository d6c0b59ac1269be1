//! HTTP GET for provisioning, on a blocking thread, bounded in size and time.

use offhook_account::provisioner::{FetchError, FetchRequest, FetchResponse};
use std::io::Read;
use std::sync::OnceLock;

/// Redirects followed at most. Credentials in headers are not carried to another host by the client.
const MAX_REDIRECTS: u32 = 3;

/// Performs one request; blocks, so it belongs on the blocking pool.
///
/// # Errors
/// No response came, or it was larger than `request.max_bytes` (reading stops there).
pub fn fetch(request: &FetchRequest) -> Result<FetchResponse, FetchError> {
    let mut call = agent().get(&request.url).config().timeout_global(Some(request.timeout)).build();
    for (name, value) in &request.headers {
        call = call.header(name, value);
    }
    let mut response = call.call().map_err(fetch_error)?;
    let headers = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let limit = request.max_bytes as u64;
    if response.body().content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    // One octet more than allowed tells "exactly the limit" from "too large".
    response
        .body_mut()
        .as_reader()
        .take(limit + 1)
        .read_to_end(&mut body)
        .map_err(|error| FetchError::Other(error.to_string()))?;
    if body.len() as u64 > limit {
        return Err(FetchError::TooLarge);
    }
    Ok(FetchResponse { status: response.status().as_u16(), headers, body })
}

fn agent() -> &'static ureq::Agent {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .tls_config(tls)
            .build()
            .new_agent()
    })
}

fn fetch_error(error: ureq::Error) -> FetchError {
    match error {
        ureq::Error::Timeout(_) => FetchError::TimedOut,
        ureq::Error::BadUri(text) => FetchError::BadUrl(text),
        ureq::Error::HostNotFound => FetchError::NoConnection("the host name is not known".into()),
        ureq::Error::ConnectionFailed => FetchError::NoConnection("the connection failed".into()),
        ureq::Error::Io(error) => FetchError::NoConnection(error.to_string()),
        ureq::Error::Rustls(error) => FetchError::Tls(error.to_string()),
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
    use std::time::Duration;

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
