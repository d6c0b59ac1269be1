//! As much HTTP as the cases need: one request, and a server with one document that a case can change.

use crate::case::Outcome;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

pub(crate) fn request(method: &str, url: &str) -> Outcome<Answer> {
    let text = |error: std::io::Error| format!("{method} to the PBX: {error}");
    let rest = url.strip_prefix("http://").ok_or("not an http URL")?;
    let (host, target) = rest.split_once('/').ok_or("a URL without a path")?;
    let address: SocketAddr = host.parse().map_err(|_| format!("{host}: not an address"))?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(text)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(text)?;
    write!(stream, "{method} /{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .map_err(text)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(text)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its headers")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("an answer without a status")?;
    Ok(Answer { status, body: body.to_owned() })
}

/// What the server gives.
#[derive(Debug, Default)]
struct Shelf {
    status: u16,
    body: Vec<u8>,
    posted: Vec<String>,
    stop: bool,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
}

/// Gives `body` to whoever asks, on a port of its own.
pub(crate) fn serve(body: impl Into<Vec<u8>>) -> Outcome<Server> {
    serve_on(Ipv4Addr::LOCALHOST.into(), body)
}

/// As `serve`, at this address.
pub(crate) fn serve_on(ip: IpAddr, body: impl Into<Vec<u8>>) -> Outcome<Server> {
    let text = |error: std::io::Error| format!("HTTP server: {error}");
    let listener = TcpListener::bind((ip, 0)).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let shelf = Arc::new(Mutex::new(Shelf { status: 200, body: body.into(), ..Shelf::default() }));
    let shared = Arc::clone(&shelf);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if shared.lock().unwrap().stop {
                return;
            }
            let _ = answer(stream, &shared);
        }
    });
    Ok(Server { address, shelf })
}

fn answer(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().map_err(|_| std::io::Error::other(format!("{name} is no length")))?;
        }
    }
    let mut posted = vec![0; length];
    reader.read_exact(&mut posted)?;
    let (status, body) = {
        let mut shelf = shelf.lock().unwrap();
        if length > 0 {
            shelf.posted.push(String::from_utf8_lossy(&posted).into_owned());
        }
        (shelf.status, shelf.body.clone())
    };
    let head = format!(
        "HTTP/1.1 {status} As Told\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Bodies of what was posted, in order.
    pub(crate) fn posted(&self) -> Vec<String> {
        self.shelf.lock().unwrap().posted.clone()
    }

    pub(crate) fn give(&self, status: u16, body: impl Into<Vec<u8>>) {
        let mut shelf = self.shelf.lock().unwrap();
        (shelf.status, shelf.body) = (status, body.into());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shelf.lock().unwrap().stop = true;
        let _ = TcpStream::connect_timeout(&self.address, TIMEOUT);
    }
}
