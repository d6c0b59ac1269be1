//! The provisioning machine in virtual time, with a server that answers as the test says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{Document, Provisioner, layers::Source, provisioner::*, template::Device};
use std::time::{Duration, Instant};

const FIRST: &str = "http://127.0.0.1:8080/provision/{mac}";
const EXT: &str = "https://ext.example.net/p?u=%account[username]%";

fn account(nodes: &str) -> String {
    format!("<account><username>1001</username><password>s3cret-PW</password><host>pbx</host>{nodes}</account>")
}

fn parsed(nodes: &str) -> Document {
    Document::parse(account(nodes).as_bytes()).unwrap().0
}

/// A phone's share: applies every document, and knows the time.
struct Bench {
    machine: Provisioner,
    now: Instant,
    begin: Instant,
}

impl Bench {
    fn new(template: &str, seed: u64) -> Self {
        let device = Device { mac: "0a1b2c3d4e5f".into(), ..Device::default() };
        let now = Instant::now();
        Self { machine: Provisioner::new(template, device, false, seed), now, begin: now }
    }

    fn started(template: &str) -> (Self, FetchId, FetchRequest) {
        let mut bench = Self::new(template, 1);
        bench.machine.handle(bench.now, Input::Start);
        let (id, request) = bench.fetch();
        (bench, id, request)
    }

    fn next(&mut self) -> Output {
        self.machine.poll()
    }

    fn fetch(&mut self) -> (FetchId, FetchRequest) {
        match self.next() {
            Output::Fetch { id, request } => (id, request),
            other => panic!("{other:?}"),
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        match self.next() {
            Output::Timeout(at) => at.map(|at| at - self.now),
            other => panic!("{other:?}"),
        }
    }

    /// Sleeps until the machine's timeout and wakes it.
    fn sleep(&mut self) -> Duration {
        let wait = self.timeout().expect("the machine waits for nothing");
        self.now += wait;
        self.machine.handle(self.now, Input::Timeout);
        wait
    }

    fn answer(&mut self, id: FetchId, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let response = FetchResponse { status, headers, body: body.as_bytes().to_vec() };
        self.machine.handle(self.now, Input::Fetched { id, result: Ok(response) });
    }

    fn applied(&mut self) -> Document {
        match self.next() {
            Output::Document { accounts } => {
                let document = accounts.into_iter().next().unwrap().document;
                self.machine.set_account(self.now, Some(&document));
                document
            }
            other => panic!("{other:?}"),
        }
    }

    fn failure(&mut self) -> (String, String, Option<Duration>) {
        match self.next() {
            Output::Failed { url_without_secrets, reason, retry_at, .. } => {
                (url_without_secrets, reason, retry_at.map(|at| at - self.now))
            }
            other => panic!("{other:?}"),
        }
    }
}

fn value<'r>(request: &'r FetchRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn within(wait: Duration, seconds: f64, part: f64) -> bool {
    (wait.as_secs_f64() - seconds).abs() <= seconds * part + 1e-6
}

#[test]
fn the_first_fetch_is_at_start_and_bounded() {
    let (mut bench, _, request) = Bench::started(FIRST);
    assert_eq!(request.url, "http://127.0.0.1:8080/provision/0a1b2c3d4e5f");
    assert_eq!((request.max_bytes, request.timeout), (1_048_576, Duration::from_secs(30)));
    assert!(value(&request, "Accept").unwrap().contains("xml"));
    assert!(value(&request, "User-Agent").unwrap().starts_with("Offhook/"));
    assert_eq!((value(&request, "If-None-Match"), value(&request, "If-Modified-Since")), (None, None));
    assert_eq!(bench.timeout(), Some(Duration::from_secs(40)));
}

#[test]
fn nothing_is_fetched_before_the_start_or_without_a_url() {
    let mut bench = Bench::new(FIRST, 1);
    bench.machine.set_account(
        bench.now,
        Some(&parsed("<extProvUrl>https://h/</extProvUrl><extProvInterval>60</extProvInterval>")),
    );
    assert_eq!(bench.timeout(), None);
    let mut bench = Bench::new("", 1);
    bench.machine.handle(bench.now, Input::Start);
    assert_eq!(bench.timeout(), None);
}

#[test]
fn without_an_interval_it_is_fetched_at_start_and_on_demand_only() {
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.answer(id, 200, &[], &account(""));
    assert_eq!(bench.applied().value("username"), Some("1001"));
    assert_eq!(bench.machine.source(), Source::Provisioning);
    assert_eq!(bench.timeout(), None);
    bench.machine.handle(bench.now, Input::FetchNow);
    let (id, _) = bench.fetch();
    bench.answer(id, 200, &[], &account(""));
    assert!(matches!(bench.next(), Output::Unchanged), "the same bytes");
    assert_eq!(bench.timeout(), None);
}

/// Covers: feat.93
#[test]
fn the_interval_is_spread_by_ten_percent() {
    let mut waits = Vec::new();
    for seed in 0..200 {
        let mut bench = Bench::new(FIRST, seed);
        bench.machine.handle(bench.now, Input::Start);
        let (id, _) = bench.fetch();
        bench.answer(id, 200, &[], &account("<extProvInterval>3600</extProvInterval>"));
        bench.applied();
        assert_eq!(bench.machine.interval(), Some(Duration::from_secs(3600)));
        waits.push(bench.timeout().unwrap());
    }
    assert!(waits.iter().all(|wait| within(*wait, 3600.0, 0.1)));
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*most - *least > Duration::from_secs(500), "{least:?} {most:?}");
}

#[test]
fn the_accounts_own_url_follows_the_first_one_and_the_interval() {
    let (mut bench, id, _) = Bench::started(FIRST);
    let nodes = format!("<extProvUrl>{EXT}</extProvUrl><extProvInterval>60</extProvInterval>");
    bench.answer(id, 200, &[], &account(&nodes));
    bench.applied();
    assert_eq!(bench.sleep(), Duration::ZERO);
    let (id, request) = bench.fetch();
    assert_eq!(request.url, "https://ext.example.net/p?u=1001");
    bench.answer(id, 200, &[], &account(&nodes));
    bench.applied();
    assert_eq!(bench.machine.source(), Source::ExtProv);
    for _ in 0..3 {
        assert!(within(bench.sleep(), 60.0, 0.1));
        let (id, request) = bench.fetch();
        assert_eq!(request.url, "https://ext.example.net/p?u=1001");
        bench.answer(id, 200, &[], &account(&nodes));
        assert!(matches!(bench.next(), Output::Unchanged));
    }
}

#[test]
fn a_url_that_changes_with_every_answer_makes_no_busy_loop() {
    let mut bench = Bench::new(FIRST, 1);
    bench.machine.handle(bench.now, Input::Start);
    let mut fetches = 0;
    while bench.now - bench.begin < Duration::from_secs(3600) && fetches < 10_000 {
        match bench.next() {
            Output::Fetch { id, .. } => {
                fetches += 1;
                let nodes = format!("<extProvUrl>https://h/{fetches}</extProvUrl><extProvInterval>1</extProvInterval>");
                bench.answer(id, 200, &[], &account(&nodes));
            }
            Output::Document { accounts } => bench.machine.set_account(bench.now, Some(&accounts[0].document)),
            Output::Timeout(Some(at)) => {
                bench.now = bench.now.max(at);
                bench.machine.handle(bench.now, Input::Timeout);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((600..900).contains(&fetches), "{fetches}");
}

/// Covers: feat.93
#[test]
fn validators_are_sent_back_and_304_changes_nothing() {
    let (mut bench, id, _) = Bench::started(FIRST);
    let headers = [("ETag", "\"v1\""), ("last-modified", "Sat, 01 Nov 2025 10:00:00 GMT")];
    bench.answer(id, 200, &headers, &account("<extProvInterval>60</extProvInterval>"));
    bench.applied();
    bench.sleep();
    let (id, request) = bench.fetch();
    assert_eq!(value(&request, "If-None-Match"), Some("\"v1\""));
    assert_eq!(value(&request, "If-Modified-Since"), Some("Sat, 01 Nov 2025 10:00:00 GMT"));
    bench.answer(id, 304, &[], "");
    assert!(matches!(bench.next(), Output::Unchanged));
    assert!(within(bench.timeout().unwrap(), 60.0, 0.1));
}

#[test]
fn validators_survive_a_restart_together_with_the_account() {
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.answer(id, 200, &[("ETag", "\"v1\"")], &account(""));
    let document = bench.applied();
    let memory = bench.machine.memory();
    assert!(!memory.contains("provision"), "{memory}");
    let restart = |account: Option<&Document>, memory: &str| {
        let mut bench = Bench::new(FIRST, 2);
        bench.machine.recall(memory);
        bench.machine.set_account(bench.now, account);
        bench.machine.handle(bench.now, Input::Start);
        let (_, request) = bench.fetch();
        value(&request, "If-None-Match").map(str::to_owned)
    };
    assert_eq!(restart(Some(&document), &memory).as_deref(), Some("\"v1\""));
    assert_eq!(restart(None, &memory), None, "a 304 would leave the phone with nothing");
    assert_eq!(restart(Some(&document), "rubbish\n\t\t\t"), None);
}

#[test]
fn an_unusable_document_is_told_and_its_tag_forgotten() {
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.answer(id, 200, &[("ETag", "\"bad\"")], "<account><username>x</username>");
    match bench.next() {
        Output::Failed { rejection: Some(rejection), reason, retry_at: Some(_), .. } => {
            assert!(rejection.line == 1 && reason.contains("cut off"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(within(bench.sleep(), 60.0, 0.2));
    let (_, request) = bench.fetch();
    assert_eq!(value(&request, "If-None-Match"), None);
}

#[test]
fn failures_wait_five_seconds_doubling_to_an_hour() {
    let (mut bench, mut id, _) = Bench::started(FIRST);
    let mut expected = 5.0;
    for _ in 0..15 {
        bench.machine.handle(bench.now, Input::Fetched { id, result: Err(FetchError::NoConnection("refused".into())) });
        let (url, reason, retry) = bench.failure();
        assert_eq!(url, "http://127.0.0.1:8080/provision/0a1b2c3d4e5f");
        assert!(reason.contains("refused"));
        assert!(within(retry.unwrap(), expected, 0.2), "{retry:?} {expected}");
        assert_eq!(bench.timeout(), retry);
        bench.sleep();
        id = bench.fetch().0;
        expected = f64::min(expected * 2.0, 3600.0);
    }
    bench.answer(id, 200, &[], &account("<extProvInterval>60</extProvInterval>"));
    bench.applied();
    bench.sleep();
    let id = bench.fetch().0;
    bench.answer(id, 503, &[], "");
    assert!(within(bench.failure().2.unwrap(), 5.0, 0.2), "a success forgets the failures");
}

#[test]
fn what_is_not_there_is_asked_for_more_slowly() {
    for status in [401, 403, 404, 410] {
        let (mut bench, id, _) = Bench::started(FIRST);
        bench.answer(id, status, &[], "<error><message>No such phone</message></error>");
        let (_, reason, retry) = bench.failure();
        assert_eq!(reason, format!("the server answered {status}: No such phone"));
        assert!(within(retry.unwrap(), 60.0, 0.2));
    }
}

#[test]
fn retry_after_is_obeyed_within_a_day() {
    for (text, least, most) in [("120", 120.0, 132.0), ("999999999", 86_400.0, 95_100.0), ("soon", 4.0, 6.0)] {
        let (mut bench, id, _) = Bench::started(FIRST);
        bench.answer(id, 503, &[("Retry-After", text)], "");
        let retry = bench.failure().2.unwrap().as_secs_f64();
        assert!((least..=most).contains(&retry), "{text}: {retry}");
    }
}

#[test]
fn retry_after_as_a_date_counts_from_the_servers_own_date() {
    let (mut bench, id, _) = Bench::started(FIRST);
    let headers = [("Retry-After", "Sun, 06 Nov 1994 08:51:37 GMT"), ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    bench.answer(id, 503, &headers, "");
    let retry = bench.failure().2.unwrap().as_secs_f64();
    assert!((120.0..=132.0).contains(&retry), "{retry}");
}

#[test]
fn one_fetch_is_in_flight_and_a_late_answer_is_ignored() {
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.machine.handle(bench.now, Input::FetchNow);
    bench.machine.handle(bench.now, Input::Start);
    assert_eq!(bench.sleep(), Duration::from_secs(40));
    assert!(bench.failure().1.contains("no answer in time"));
    bench.answer(id, 200, &[], &account(""));
    assert!(matches!(bench.next(), Output::Timeout(Some(_))));
}

#[test]
fn an_answer_that_is_too_large_is_not_read() {
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.answer(id, 200, &[], &"x".repeat(1_048_577));
    assert!(bench.failure().1.contains("1048576"));
    let (mut bench, id, _) = Bench::started(FIRST);
    bench.machine.handle(bench.now, Input::Fetched { id, result: Err(FetchError::TooLarge) });
    assert!(within(bench.failure().2.unwrap(), 60.0, 0.2));
}

#[test]
fn a_placeholder_without_a_value_waits_for_the_account() {
    let mut bench = Bench::new("http://127.0.0.1/%account[username]%", 1);
    bench.machine.handle(bench.now, Input::Start);
    let (_, reason, retry) = bench.failure();
    assert!(reason.contains("%account[username]%") && retry.is_none());
    assert_eq!(bench.timeout(), None);
    bench.machine.set_account(bench.now, Some(&parsed("")));
    bench.sleep();
    assert_eq!(bench.fetch().1.url, "http://127.0.0.1/1001");
}

#[test]
fn a_wrong_url_in_the_account_cannot_strand_the_phone() {
    let mut bench = Bench::new(FIRST, 1);
    bench.machine.set_account(
        bench.now,
        Some(&parsed(&format!("<extProvUrl>{EXT}</extProvUrl><extProvInterval>60</extProvInterval>"))),
    );
    bench.machine.handle(bench.now, Input::Start);
    let mut urls = Vec::new();
    for _ in 0..7 {
        let (id, request) = bench.fetch();
        let ok = request.url.contains("provision") && urls.is_empty();
        urls.push(request.url.contains("ext.example"));
        if ok {
            bench.answer(id, 304, &[], "");
            assert!(matches!(bench.next(), Output::Unchanged));
        } else {
            bench.answer(id, 500, &[], "");
            bench.failure();
        }
        bench.sleep();
    }
    assert_eq!(urls, [false, true, true, true, false, false, false]);
}

#[test]
fn logs_and_debug_output_have_no_secrets() {
    let mut bench = Bench::new("http://127.0.0.1/p?u=%account[username]%&p=%account[password]%", 1);
    bench.machine.set_account(bench.now, Some(&parsed("")));
    bench.machine.handle(bench.now, Input::Start);
    let (id, request) = bench.fetch();
    assert_eq!(request.url, "http://127.0.0.1/p?u=1001&p=s3cret-PW");
    bench.answer(id, 500, &[], "");
    let (url, reason, _) = bench.failure();
    let shown = format!("{url} {reason} {request:?} {:?}", bench.machine);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut bench = Bench::new(FIRST, seed);
        bench.machine.handle(bench.now, Input::Start);
        (0..8)
            .map(|_| {
                let id = bench.fetch().0;
                bench.answer(id, 500, &[], "");
                bench.failure();
                bench.sleep()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
