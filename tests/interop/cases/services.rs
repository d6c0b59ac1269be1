//! The daemon and the web services of its account: a small server in the rig that a case can change.

use super::{account_at, together};
use crate::case::{Case, Outcome};
use crate::{Entry, offhook, pbxd, wait};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) fn cases() -> Vec<Entry> {
    vec![together("web_services", web_services, &[])]
}

/// `METHOD target` and the body of a request.
type Asked = (String, String);

#[derive(Debug, Clone)]
enum Reply {
    Body(u16, String),
    /// More than anybody wants, until the other side has enough.
    Endless,
    /// Elsewhere.
    Moved(String),
}

#[derive(Debug, Default)]
struct Desk {
    replies: BTreeMap<String, Reply>,
    asked: Vec<Asked>,
    /// What an endless reply had sent when it was cut off [octets].
    sent: Option<usize>,
}

struct Services {
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
}

fn serve() -> Outcome<Services> {
    let text = |error: std::io::Error| format!("HTTP server: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(text)?;
    let address = listener.local_addr().map_err(text)?;
    let desk = Arc::new(Mutex::new(Desk::default()));
    let shared = Arc::clone(&desk);
    // ends with the process: a thread that waits in accept holds nothing but its port
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let desk = Arc::clone(&shared);
            std::thread::spawn(move || answer(stream, &desk));
        }
    });
    Ok(Services { address, desk })
}

fn answer(mut stream: TcpStream, desk: &Mutex<Desk>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap_or(0),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let path = request.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
    let reply = {
        let mut desk = desk.lock().unwrap();
        desk.asked.push((request, String::from_utf8_lossy(&body).into_owned()));
        desk.replies.get(&path).cloned().unwrap_or(Reply::Body(404, String::new()))
    };
    match reply {
        Reply::Body(status, body) => write!(
            stream,
            "HTTP/1.1 {status} As Told\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        Reply::Moved(to) => write!(
            stream,
            "HTTP/1.1 307 Over There\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Reply::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nConnection: close\r\n\r\n<response>")?;
            let mut sent = 0;
            while sent < 100_000_000 && stream.write_all(&[b'x'; 65_536]).is_ok() {
                sent += 65_536;
            }
            desk.lock().unwrap().sent = Some(sent);
            Ok(())
        }
    }
}

impl Services {
    fn reply(&self, path: &str, reply: Reply) {
        self.desk.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    fn done(&self, path: &str, inner: &str) {
        self.reply(path, Reply::Body(200, format!("<response><error>0</error>{inner}</response>")));
    }

    fn asked(&self, path: &str) -> Vec<Asked> {
        let fits = |(request, _): &&Asked| request.split([' ', '?']).nth(1) == Some(path);
        self.desk.lock().unwrap().asked.iter().filter(fits).cloned().collect()
    }
}

/// Covers: axml.wcb.02, axml.wcb.05, axml.cth.04, axml.bal.01, axml.rew.25, feat.24, feat.44
fn web_services(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let password = pbx.password("100")?;
    let (services, other) = (serve()?, serve()?);
    let url = |path: &str| format!("http://{}{path}", services.address);
    services.done("/balance", "<balanceString>$60.20</balanceString>");
    services.done("/callback", "<message>soon</message>");
    services.done("/through", "<dialString>600,1#</dialString>");
    let post = "{\"to\":\"%targetNumber%\",\"key\":\"%account[password]%\"}";
    let (balance, callback, through) =
        (url("/balance?u=%account[username]%"), url("/callback"), url("/through?to=%targetNumber%"));
    let account = account_at(
        &pbx.sip.to_string(),
        "100",
        &password,
        &[
            ("genericBalanceCheckUrl", &balance),
            ("balanceCheckIntervalInSeconds", "10"),
            ("wcb_enabled", "1"),
            ("wcb_url", &callback),
            ("wcb_contentType", "application/json"),
            ("wcb_postData", post),
            ("cth_enabled", "1"),
            ("cth_ws_enabled", "1"),
            ("cth_ws_url", &through),
        ],
    );
    let rule = |start: &str, action: &str| {
        format!(
            "<rule><conditions><condition type=\"startsWith\" param=\"{start}\"/></conditions><actions>\
             <action type=\"replace\" param=\"\"/><action type=\"overrideDialAction\" param=\"{action}\"/></actions></rule>"
        )
    };
    let rules = format!("<rewriting>{}{}</rewriting></account>", rule("8", "webCallback"), rule("9", "callThrough"));
    let mut phone =
        offhook::phone(case, "100")?.silent().account(&account.replace("</account>", &rules))?.start(case)?;
    let mut bob = offhook::phone(case, "101")?.silent().provision(pbx.url("101")?).start(case)?;
    phone.wait_registered()?;
    bob.wait_registered()?;

    phone.wait_view(10, "the balance", |view| view["accounts"][0]["balance"] == "$60.20")?;
    let asked = services.asked("/balance");
    wait::ensure(asked[0].0 == "GET /balance?u=100", || format!("the balance was asked by {:?}", asked[0]))?;

    // The service says yes, and then there is a call from the number that was wanted.
    phone.call("8101")?;
    phone.wait_view(10, "that it waits", |view| view["service"] == "Waiting for the call to 101")?;
    let asked = services.asked("/callback");
    let expected = ("POST /callback".to_owned(), format!("{{\"to\":\"101\",\"key\":\"{password}\"}}"));
    wait::ensure(asked == [expected], || format!("the callback was asked with {asked:?}"))?;
    bob.call("100")?;
    phone.wait_calls(&["talking"])?;
    bob.wait_calls(&["talking"])?;
    phone.put_down()?;
    bob.put_down()?;
    phone.wait_idle()?;

    // The service says how to reach somebody: by way of the echo.
    phone.call("90301234")?;
    let view = phone.wait_calls(&["talking"])?;
    wait::ensure(view["calls"][0]["peer"] == "0301234", || format!("the call is {}", view["calls"]))?;
    wait::ensure(services.asked("/through")[0].0 == "GET /through?to=0301234", || "asked otherwise".to_owned())?;
    phone.put_down()?;
    phone.wait_idle()?;

    // A request with a password in it is not sent on to another host.
    other.done("/callback", "");
    services.reply("/callback", Reply::Moved(format!("http://localhost:{}/callback", other.address.port())));
    phone.call("8101")?;
    phone.wait_view(10, "why there is no callback", |view| {
        view["notice"].as_str().is_some_and(|notice| notice.contains("no callback"))
    })?;
    wait::ensure(other.asked("/callback").is_empty(), || "the request went to another host".to_owned())?;
    phone.put_down()?;
    phone.wait_idle()?;

    // 100 MB in place of a balance: cut off early, and the phone goes on.
    services.reply("/balance", Reply::Endless);
    let sent =
        wait::until(60, || Ok(services.desk.lock().unwrap().sent), || "the balance was not asked again".to_owned())?;
    wait::ensure(sent < 20_000_000, || format!("{sent} octets were taken"))?;
    phone.wait_view(10, "that the balance is not known", |view| {
        view["notice"].as_str().is_some_and(|notice| notice.contains("longer than 65536 octets"))
    })?;
    let view = phone.view()?;
    wait::ensure(view["accounts"][0]["balance"] == "$60.20", || format!("the balance is {}", view["accounts"][0]))?;
    phone.call("101")?;
    bob.wait_calls(&["incoming"])?;
    let log = phone.process.log();
    wait::ensure(!log.contains(&password), || "the password is in the log".to_owned())
}
