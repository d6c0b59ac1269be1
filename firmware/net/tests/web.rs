//! The HTTP client against a server that does what servers do: moves, asks for a password, compresses, lies about lengths,
//! stalls, shows the wrong certificate or wants to see one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use offhook_account::Secret;
use offhook_account::fetch::{Credentials, FetchError, FetchRequest, FetchResponse, Identity, Trust};
use offhook_net::{fetch::fetch, tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("certificates/", $name))
    };
}

/// Anything that can be spoken over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A server: `answer` writes what it likes to each request. Hands out its address and what it was asked.
struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

fn serve(config: Option<Arc<ServerConfig>>, answer: impl Fn(&str, &mut dyn Stream) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, answer, seen) = (config.clone(), Arc::clone(&answer), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut stream: Box<dyn Stream> = match config {
                    None => Box::new(stream),
                    Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
                };
                while let Some(request) = head(&mut stream) {
                    seen.lock().unwrap().push(request.clone());
                    answer(&request, &mut stream);
                    if stream.flush().is_err() {
                        return;
                    }
                }
            });
        }
    });
    Server { port, asked }
}

fn head(stream: &mut dyn Stream) -> Option<String> {
    let mut text = Vec::new();
    let mut octet = [0];
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read(&mut octet).ok()? == 0 {
            return None;
        }
        text.push(octet[0]);
    }
    let text = String::from_utf8(text).ok()?;
    let length = text.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8_lossy(&body))
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn secure_url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn say(stream: &mut dyn Stream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

fn give(stream: &mut dyn Stream, status: &str, headers: &str, body: &[u8]) {
    say(stream, &format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()));
    let _ = stream.write_all(body);
}

fn get(url: impl Into<String>) -> FetchRequest {
    FetchRequest { max_bytes: 100_000, timeout: Duration::from_secs(5), ..FetchRequest::get(url) }
}

fn body(result: Result<FetchResponse, FetchError>) -> String {
    let response = result.unwrap();
    assert_eq!(response.status, 200);
    String::from_utf8(response.body).unwrap()
}

// ---- Moves and passwords

#[test]
fn a_redirect_to_another_server_is_followed_without_the_password() {
    let other = serve(None, |_, stream| give(stream, "200 OK", "", b"<account/>"));
    let to = other.url("/b");
    let first = serve(None, move |request, stream| {
        match request.contains("Authorization: Basic") || request.contains("authorization: Basic") {
            true => give(stream, "302 Found", &format!("Location: {to}\r\n"), b""),
            false => give(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
        }
    });
    let credentials = Some(Credentials { username: "100".into(), password: Secret::new("hunter2") });
    assert_eq!(body(fetch(&FetchRequest { credentials, ..get(first.url("/a")) })), "<account/>");
    let asked = other.asked();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].to_lowercase().contains("authorization"), "{}", asked[0]);
}

#[test]
fn a_redirect_loop_ends() {
    let server = serve(None, |request, stream| {
        let to = if request.starts_with("GET /a") { "/b" } else { "/a" };
        give(stream, "302 Found", &format!("Location: {to}\r\n"), b"");
    });
    let Err(FetchError::Other(why)) = fetch(&get(server.url("/a"))) else { panic!() };
    assert!(why.contains("circle"), "{why}");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_wrong_password_is_asked_once_and_comes_back_as_401() {
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
    let server = serve(None, move |_, stream| give(stream, "401 Unauthorized", challenge, b"no"));
    let credentials = Some(Credentials { username: "100".into(), password: Secret::new("wrong") });
    let response = fetch(&FetchRequest { credentials, ..get(server.url("/a")) }).unwrap();
    assert_eq!(response.status, 401);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].contains("username=\"100\"") && asked[1].contains("algorithm=SHA-256"), "{}", asked[1]);
}

#[test]
fn methods_of_carddav_and_bodies_are_sent_as_they_are() {
    let server = serve(None, |_, stream| give(stream, "207 Multi-Status", "", b"ok"));
    let request = FetchRequest {
        method: "PROPFIND".into(),
        headers: vec![("Depth".into(), "0".into())],
        body: b"<propfind/>".to_vec(),
        ..get(server.url("/dav"))
    };
    assert_eq!(fetch(&request).unwrap().status, 207);
    let asked = &server.asked()[0];
    assert!(asked.starts_with("PROPFIND /dav HTTP/1.1\r\n") && asked.ends_with("<propfind/>"), "{asked}");
}

// ---- Bodies that are not what they should be

#[test]
fn compression_is_undone_and_bounded_by_what_comes_out() {
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let small = gzip(b"<account/>");
    let bomb = gzip(&vec![b'x'; 50_000_000]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let server = serve(None, move |request, stream| {
        let body = if request.contains("/bomb") { &bomb } else { &small };
        give(stream, "200 OK", "Content-Encoding: gzip\r\n", body);
    });
    assert_eq!(body(fetch(&get(server.url("/a")))), "<account/>");
    assert!(server.asked()[0].to_lowercase().contains("accept-encoding: gzip"));
    assert_eq!(fetch(&get(server.url("/bomb"))), Err(FetchError::TooLarge));
}

#[test]
fn a_hundred_megabytes_are_not_read() {
    let server = serve(None, |request, stream| {
        if request.contains("/said") {
            say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
        } else {
            say(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        }
        for _ in 0..100 {
            if stream.write_all(&vec![b'<'; 1 << 20]).is_err() {
                return;
            }
        }
    });
    let begin = Instant::now();
    assert_eq!(fetch(&get(server.url("/said"))), Err(FetchError::TooLarge));
    assert_eq!(fetch(&get(server.url("/unsaid"))), Err(FetchError::TooLarge));
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn half_an_answer_and_a_length_too_long_are_no_answer() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<account><title>",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n<account>\r\n",
        "HTTP/1.1 200 OK\r\nContent-Len",
        "",
        "SIP/2.0 200 OK\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = head(&mut stream);
            let _ = stream.write_all(text.as_bytes());
        });
        let result = fetch(&get(url));
        assert!(result.is_err(), "{text}: {result:?}");
        thread.join().unwrap();
    }
}

#[test]
fn a_length_too_short_cuts_the_answer_there() {
    let server = serve(None, |_, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n<account/>garbage");
    });
    assert_eq!(body(fetch(&get(server.url("/")))), "<account/>");
}

#[test]
fn a_server_that_answers_an_octet_at_a_time_is_left_at_the_time_limit() {
    let server = serve(None, |_, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..1000 {
            std::thread::sleep(Duration::from_millis(20));
            say(stream, "x");
        }
    });
    let begin = Instant::now();
    let result = fetch(&FetchRequest { timeout: Duration::from_millis(600), ..get(server.url("/")) });
    assert_eq!(result, Err(FetchError::TimedOut));
    assert!(begin.elapsed() < Duration::from_secs(3));
}

// ---- Certificates

fn secure(certificate: &str, key: &str, ask: bool) -> Arc<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = if ask {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem!("authority.pem").as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

fn secure_server(certificate: &str, key: &str) -> Server {
    serve(Some(secure(certificate, key, false)), |_, stream| give(stream, "200 OK", "", b"<account/>"))
}

fn believing() -> Trust {
    Trust { authorities: pem!("authority.pem").into(), ..Trust::default() }
}

fn tls_error(url: String, trust: Trust) -> String {
    match fetch(&FetchRequest { trust: Arc::new(trust), ..get(url) }) {
        Err(FetchError::Tls(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_provisioned_authority_is_believed_and_an_unknown_one_is_not() {
    let server = secure_server(pem!("server.pem"), pem!("server.key"));
    let trust = Arc::new(believing());
    assert_eq!(body(fetch(&FetchRequest { trust, ..get(server.secure_url("/a")) })), "<account/>");
    let why = tls_error(server.secure_url("/a"), Trust::default());
    assert!(why.contains("authority"), "{why}");
    assert_eq!(server.asked().len(), 1, "nothing was asked of the server that was not believed");
}

#[test]
fn a_certificate_for_another_name_or_out_of_date_is_refused_with_the_reason() {
    for (certificate, key, word) in [
        (pem!("other-name.pem"), pem!("other-name.key"), "another name"),
        (pem!("expired.pem"), pem!("expired.key"), "too old"),
    ] {
        let server = secure_server(certificate, key);
        let why = tls_error(server.secure_url("/a"), believing());
        assert!(why.contains(word), "{why}");
        assert!(server.asked().is_empty());
    }
}

#[test]
fn a_pinned_key_is_demanded_beside_the_usual_check() {
    let certificate = CertificateDer::from_pem_slice(pem!("server.pem").as_bytes()).unwrap();
    let other = CertificateDer::from_pem_slice(pem!("authority.pem").as_bytes()).unwrap();
    let (right, wrong) = (tls::pin(&certificate).unwrap(), tls::pin(&other).unwrap());
    let server = secure_server(pem!("server.pem"), pem!("server.key"));
    let trust = Arc::new(Trust { pins: vec![wrong, right], ..believing() });
    assert_eq!(body(fetch(&FetchRequest { trust, ..get(server.secure_url("/a")) })), "<account/>");
    let why = tls_error(server.secure_url("/a"), Trust { pins: vec![wrong], ..believing() });
    assert!(why.contains("pinned"), "{why}");
    let why = tls_error(server.secure_url("/a"), Trust { pins: vec![right], ..Trust::default() });
    assert!(why.contains("authority"), "{why}");
}

#[test]
fn the_phone_shows_its_certificate_to_the_server_that_was_named_and_to_no_other() {
    let identity = Some(Identity { chain: pem!("phone.pem").into(), key: Secret::new(pem!("phone.key")) });
    let asking = secure(pem!("server.pem"), pem!("server.key"), true);
    let other = serve(Some(Arc::clone(&asking)), |_, stream| give(stream, "200 OK", "", b"<account/>"));
    let to = other.secure_url("/b");
    let server = serve(Some(asking), move |request, stream| match request.starts_with("GET /away") {
        true => give(stream, "302 Found", &format!("Location: {to}\r\n"), b""),
        false => give(stream, "200 OK", "", b"<account/>"),
    });
    let trust = Arc::new(Trust { identity, ..believing() });
    let shown = |path: &str| fetch(&FetchRequest { trust: Arc::clone(&trust), ..get(server.secure_url(path)) });
    assert_eq!(body(shown("/home")), "<account/>");
    assert!(matches!(shown("/away"), Err(FetchError::Tls(_))));
    let why = tls_error(server.secure_url("/home"), believing());
    assert!(why.contains("certificate of the phone"), "{why}");
    assert!(other.asked().is_empty());
}

#[test]
fn certificates_that_are_not_readable_are_named() {
    let broken = Trust {
        authorities: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
        ..Trust::default()
    };
    let nothing = Trust { authorities: "what is this".into(), ..Trust::default() };
    for trust in [broken, nothing] {
        let Err(FetchError::Tls(why)) = tls::client(&trust, true) else { panic!() };
        assert!(why.contains("provisioned authorit"), "{why}");
    }
    let identity = Some(Identity { chain: pem!("phone.pem").into(), key: Secret::new("no key") });
    let Err(FetchError::Tls(why)) = tls::client(&Trust { identity, ..believing() }, true) else { panic!() };
    assert!(why.contains("key of the phone"), "{why}");
}
