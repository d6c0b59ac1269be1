//! A small HTTP server for the PBX: each request becomes a value on a channel, each answer goes back by a one-shot.

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;

/// Largest request body [octets].
const MAX_BODY: usize = 65_536;
/// Connections at most; more are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// A client that sends its request slower than this is cut off.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the machine may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that waits for `answer`.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub source: SocketAddr,
    pub answer: oneshot::Sender<Response>,
}

/// What goes back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Listens until the task is aborted; answers the bound address.
///
/// # Errors
/// The address cannot be bound.
pub async fn listen(address: SocketAddr, requests: mpsc::Sender<Request>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    spawn_local(accept(listener, requests));
    Ok(local)
}

async fn accept(listener: TcpListener, requests: mpsc::Sender<Request>) {
    let open = Rc::new(Cell::new(0));
    loop {
        let Ok((stream, source)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if open.get() >= MAX_CONNECTIONS {
            continue;
        }
        open.set(open.get() + 1);
        let (open, requests) = (Rc::clone(&open), requests.clone());
        spawn_local(async move {
            let service = service_fn(|request| {
                let requests = requests.clone();
                async move { Ok::<_, Infallible>(exchange(request, source, requests).await) }
            });
            // Errors here are the client's: a broken request or a closed connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            open.set(open.get() - 1);
        });
    }
}

async fn exchange(
    request: hyper::Request<Incoming>,
    source: SocketAddr,
    requests: mpsc::Sender<Request>,
) -> hyper::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(HEADER_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(_)) => return plain(413, "The request body is too large.\n"),
        Err(_) => return plain(408, "The request came too slowly.\n"),
    };
    let headers = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let target = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let (answer, answered) = oneshot::channel();
    let request = Request { method: head.method.to_string(), target, headers, body, source, answer };
    if requests.try_send(request).is_err() {
        return plain(503, "Too many requests at once; try again.\n");
    }
    match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
        Ok(Ok(response)) => {
            let mut built = hyper::Response::builder().status(response.status);
            for (name, value) in response.headers {
                built = built.header(name, value);
            }
            built
                .body(Full::new(Bytes::from(response.body)))
                .unwrap_or_else(|_| plain(500, "The answer could not be written.\n"))
        }
        _ => plain(500, "No answer.\n"),
    }
}

fn plain(status: u16, text: &'static str) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn request_is_handed_over_and_the_answer_goes_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (sender, mut requests) = mpsc::channel(4);
            let address = listen("127.0.0.1:0".parse().unwrap(), sender).await.unwrap();
            let client = spawn_local(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream
                    .write_all(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"e\"\r\nConnection: close\r\n\r\n")
                    .await
                    .unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                text
            });
            let request = requests.recv().await.unwrap();
            assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/a?b=c"));
            assert!(request.headers.contains(&("if-none-match".into(), "\"e\"".into())));
            let headers = vec![("ETag".into(), "\"f\"".into())];
            request.answer.send(Response { status: 200, headers, body: b"hello".to_vec() }).unwrap();
            let text = client.await.unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("hello"), "{text}");
        });
    }
}
