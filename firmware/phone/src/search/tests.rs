use super::*;
use offhook_account::Secret;

const ACCOUNT: &[u8] = b"<account><username>100</username><password>p</password><host>pbx.test</host></account>";

/// A search with its world in a test's hands.
struct Bench {
    search: Search,
    now: Instant,
    fetches: Vec<FetchRequest>,
    found: Vec<Found>,
    /// to whom, `None` the group
    sent: Vec<Option<SocketAddr>>,
    closed: usize,
    /// What DHCP says, and where PnP's answers would come to.
    leases: Vec<DhcpOptions>,
    local: Option<SocketAddr>,
    call_id: String,
}

impl Bench {
    fn new(leases: &[(u8, &str)]) -> Self {
        let mut options = DhcpOptions::default();
        for (option, text) in leases {
            let octets = Some(text.as_bytes().to_vec());
            match option {
                66 => options.tftp_server_name = octets,
                43 => options.vendor_specific = octets,
                _ => options.provisioning = octets,
            }
        }
        let device =
            Device { mac: "001122334455".into(), model: "desk".into(), serial: "s 1".into(), version: "1.0".into() };
        let mut bench = Self {
            search: Search::new(device, false, 7),
            #[allow(clippy::disallowed_methods)]
            now: Instant::now(),
            fetches: Vec::new(),
            found: Vec::new(),
            sent: Vec::new(),
            closed: 0,
            leases: vec![options],
            local: None,
            call_id: String::new(),
        };
        bench.input(SearchInput::Start);
        bench
    }

    fn input(&mut self, input: SearchInput<'_>) {
        self.search.handle(self.now, input);
        loop {
            match self.search.poll() {
                SearchOutput::Timeout(_) => return,
                SearchOutput::ReadLeases => {
                    let leases = self.leases.clone();
                    self.search.handle(self.now, SearchInput::Leases(&leases));
                }
                SearchOutput::OpenPnp => self.search.handle(self.now, SearchInput::PnpOpened(self.local)),
                SearchOutput::ClosePnp => self.closed += 1,
                SearchOutput::SendPnp { to, bytes } => {
                    if let Ok(offhook_sip::Message::Request(request)) = offhook_sip::Message::parse(&bytes) {
                        self.call_id = request.headers.call_id().unwrap().to_owned();
                    }
                    self.sent.push(to);
                }
                SearchOutput::Fetch(request) => self.fetches.push(request),
                SearchOutput::Found(found) => self.found.push(found),
                SearchOutput::Changed => {}
            }
        }
    }

    fn answer(&mut self, status: u16, body: &[u8]) {
        self.input(SearchInput::Fetched(Ok(FetchResponse { status, headers: Vec::new(), body: body.to_vec() })));
    }

    fn asked(&self) -> Vec<&str> {
        self.fetches.iter().map(|request| request.url.as_str()).collect()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let SearchOutput::Timeout(Some(at)) = self.search.poll()
            && at <= end
        {
            assert!(at >= self.now);
            self.now = at;
            self.input(SearchInput::Timeout);
        }
        self.now = end;
    }

    fn log_in(&mut self, server: &str) {
        let login = Login { username: "u".into(), password: Secret::new("p&w"), code: "9".into() };
        self.input(SearchInput::Login { server, login });
    }
}

#[test]
fn the_first_place_with_a_document_is_it_and_the_search_is_over() {
    let mut bench = Bench::new(&[(66, "pbx.test"), (160, "https://other.test/{mac}.xml")]);
    assert_eq!(bench.asked(), ["https://other.test/001122334455.xml"]);
    bench.answer(404, b"");
    assert_eq!(bench.asked().last(), Some(&"https://pbx.test/001122334455.xml"));
    bench.input(SearchInput::Fetched(Err(FetchError::NoConnection("refused".into()))));
    bench.answer(200, ACCOUNT);
    assert_eq!(bench.asked().len(), 3);
    assert_eq!(bench.found.len(), 1);
    let candidate = &bench.found[0].candidate;
    assert_eq!((candidate.template.as_str(), candidate.by), ("http://pbx.test/{mac}.xml", Finder::Dhcp(66)));
    bench.run(Duration::from_secs(86_400));
    bench.input(SearchInput::Start);
    assert_eq!(bench.asked().len(), 3);
}

#[test]
fn a_login_page_with_200_is_no_account() {
    let mut bench = Bench::new(&[(160, "http://portal.test/x.xml")]);
    bench.answer(200, b"<!DOCTYPE html><html><form action=login></form></html>");
    assert!(bench.found.is_empty());
    assert!(bench.search.view().last.contains("no account there"), "{}", bench.search.view().last);
}

#[test]
fn rounds_come_ever_later_and_a_network_that_comes_up_starts_one_at_once() {
    let mut bench = Bench::new(&[]);
    bench.leases = vec![DhcpOptions { provisioning: Some(b"http://a.test/x".to_vec()), ..DhcpOptions::default() }];
    let mut rounds = 0;
    for _ in 0..60 * 60 {
        bench.run(Duration::from_secs(1));
        if bench.fetches.len() > rounds {
            rounds = bench.fetches.len();
            bench.answer(503, b"");
        }
    }
    assert!((8..=16).contains(&rounds), "{rounds} rounds in an hour");
    bench.input(SearchInput::Start);
    assert_eq!(bench.fetches.len(), rounds + 1);
}

#[test]
fn pnp_is_asked_beside_dhcp_and_its_url_is_followed() {
    let mut bench = Bench::new(&[]);
    bench.local = Some("10.0.0.7:40000".parse().unwrap());
    bench.input(SearchInput::Start);
    assert_eq!(bench.sent, [None], "to the group");
    let notify = format!(
        "NOTIFY sip:10.0.0.7:40000 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1\r\nMax-Forwards: 20\r\n\
         From: <sip:a@224.0.1.75>;tag=s\r\nTo: <sip:a@224.0.1.75>;tag=1\r\nCall-ID: {}\r\nCSeq: 3 NOTIFY\r\n\
         Event: ua-profile\r\nSubscription-State: terminated\r\nContent-Type: application/url\r\n\
         Content-Length: 25\r\n\r\nhttp://10.0.0.2/{{mac}}.xml",
        bench.call_id
    );
    let from = "10.0.0.2:5060".parse().unwrap();
    bench.input(SearchInput::PnpHeard { from, bytes: b"garbage" });
    bench.input(SearchInput::PnpHeard { from, bytes: notify.as_bytes() });
    assert_eq!(bench.sent.last(), Some(&Some(from)), "the NOTIFY was answered");
    assert_eq!(bench.asked(), ["http://10.0.0.2/001122334455.xml"]);
    bench.answer(200, ACCOUNT);
    assert_eq!(bench.found[0].candidate.by, Finder::Pnp);
    assert!(bench.closed > 0);
}

#[test]
fn a_server_that_asks_who_is_there_waits_for_the_login_and_gets_it_alone() {
    let mut bench = Bench::new(&[(160, "https://pbx.test/{mac}.xml")]);
    bench.answer(401, b"");
    assert_eq!(bench.search.view().login.as_deref(), Some("https://pbx.test/{mac}.xml"));
    bench.log_in("");
    let request = bench.fetches.last().unwrap();
    assert_eq!(request.credentials.as_ref().unwrap().username, "u");
    assert!(bench.search.view().busy);
    bench.answer(401, b"<response><message>who are you?</message></response>");
    assert!(
        bench.found.is_empty() && bench.search.view().last.contains("who are you?"),
        "{}",
        bench.search.view().last
    );
    bench.log_in("");
    bench.answer(200, ACCOUNT);
    assert_eq!(bench.found[0].login.as_ref().unwrap().username, "u");
    assert_eq!(bench.found[0].body, ACCOUNT);
}

#[test]
fn the_first_call_has_name_password_and_code_in_its_url_and_the_password_only_over_https() {
    for (scheme, password) in [("https", "p%26w"), ("http", "***")] {
        let template = format!("{scheme}://pbx.test/a?u=%username%&p=%password%&c=%fullcode%");
        let mut bench = Bench::new(&[(160, &template)]);
        assert!(bench.fetches.is_empty(), "nothing is asked before somebody says who he is");
        assert!(bench.search.view().login.is_some());
        bench.log_in("");
        let code = if scheme == "https" { "9" } else { "***" };
        assert_eq!(bench.asked(), [format!("{scheme}://pbx.test/a?u=u&p={password}&c={code}")]);
    }
}

#[test]
fn somebody_may_name_the_server_and_a_bare_name_means_https() {
    let mut bench = Bench::new(&[]);
    bench.log_in("pbx.test");
    assert_eq!(bench.asked(), ["https://pbx.test/001122334455.xml"]);
    bench.answer(404, b"");
    bench.log_in("http://pbx.test/phones/");
    assert_eq!(bench.asked().last(), Some(&"http://pbx.test/phones/001122334455.xml"));
    bench.answer(200, ACCOUNT);
    assert_eq!(bench.found[0].candidate.by, Finder::Person);
    let mut other = Bench::new(&[]);
    other.log_in("");
    assert!(other.fetches.is_empty() && other.search.view().last.contains("name the server"));
}

#[test]
fn a_driver_that_never_answers_does_not_stop_the_search() {
    let mut bench = Bench::new(&[(160, "http://a.test/x"), (66, "http://b.test/x")]);
    bench.run(Duration::from_secs(60));
    assert_eq!(bench.asked()[..2], ["http://a.test/x", "http://b.test/x"]);
}

#[test]
fn the_code_on_the_screen_says_who_the_phone_is() {
    let bench = Bench::new(&[]);
    assert_eq!(bench.search.view().code, "offhook:?mac=001122334455&model=desk&serial=s%201&version=1.0");
}
