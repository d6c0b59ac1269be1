//! The directory against a small server, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

#[path = "../../../tests/src/carddav.rs"]
#[allow(unreachable_pub)]
mod carddav;

use carddav::Server;
use offhook_contacts::Directory;
use offhook_contacts::directory::{Answer, AskId, BACK_OFF_DENIED, Failure, Input, Output};
use offhook_contacts::request::Request;
use std::time::{Duration, Instant};

const REFRESH: Duration = Duration::from_secs(180);

/// A phone and its server.
struct Story {
    server: Server,
    directory: Directory,
    now: Instant,
    due: Option<Instant>,
    /// of the last refresh
    result: Option<Result<(), String>>,
    changed: bool,
    hosts: Vec<String>,
    /// octets that the way home carries at most
    room: usize,
}

impl Story {
    fn new(url: &str, server: Server) -> Self {
        let directory = Directory::new(url, Some(REFRESH), 7);
        let (result, changed) = (None, false);
        let now = Instant::now();
        Self { server, directory, now, due: None, result, changed, hosts: Vec::new(), room: usize::MAX }
    }

    fn serve(&mut self, request: &Request) -> Result<Answer, Failure> {
        let (scheme, rest) = request.url.split_once("://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        self.hosts.push(format!("{scheme}://{host}"));
        let (status, body) = self.server.answer(request.method, path, &request.depth.to_string(), &request.body);
        if body.len() > self.room.min(request.max_bytes) {
            return Err(Failure::TooLarge);
        }
        Ok(Answer { status, location: None, retry_after: None, body: body.into_bytes() })
    }

    fn handle(&mut self, input: Input) {
        self.directory.handle(self.now, input);
        loop {
            match self.directory.poll() {
                Output::Timeout(at) => {
                    self.due = at;
                    assert!(at.is_none_or(|at| at > self.now), "a time that has come");
                    return;
                }
                Output::Ask { id, request } => {
                    let result = self.serve(&request);
                    self.directory.handle(self.now, Input::Answered { id, result });
                }
                Output::Refreshed { changed, result } => (self.changed, self.result) = (changed, Some(result)),
            }
        }
    }

    /// Until the next refresh is over; answers how long that took to come.
    fn wait(&mut self) -> Duration {
        let wait = self.due.expect("a next time") - self.now;
        self.now += wait;
        self.server.asked.clear();
        self.handle(Input::Timeout);
        wait
    }

    fn names(&self) -> Vec<String> {
        self.directory.contacts().map(|contact| contact.name.clone()).collect()
    }

    fn fails(&self) -> &str {
        self.result.as_ref().unwrap().as_ref().unwrap_err()
    }
}

fn office() -> Server {
    let mut server = Server::default();
    server.person("office", "Anna Müller", "+49 30 1");
    server.person("office", "Bob", "102");
    server.put("office", "group.vcf", Some("BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:All\nEND:VCARD\n"));
    server.person("family", "Carol", "0170 1");
    server
}

/// Covers: axml.dav.02, feat.40
#[test]
fn books_are_found_from_a_server_a_principal_a_home_or_the_book_itself() {
    for (url, expected) in [
        ("https://dav.example.com", vec!["Carol", "Anna Müller", "Bob"]),
        ("dav.example.com/", vec!["Carol", "Anna Müller", "Bob"]),
        ("https://dav.example.com/not/there", vec!["Carol", "Anna Müller", "Bob"]),
        ("https://dav.example.com/principals/anna/", vec!["Carol", "Anna Müller", "Bob"]),
        ("https://dav.example.com/books/anna/office/", vec!["Anna Müller", "Bob"]),
        ("http://127.0.0.1:5232/", vec!["Carol", "Anna Müller", "Bob"]),
    ] {
        for well_known in [true, false] {
            let mut story = Story::new(url, office());
            story.server.manners.well_known = well_known;
            story.handle(Input::Start);
            assert_eq!(story.result, Some(Ok(())), "{url}");
            assert_eq!(story.names(), expected, "{url}");
            assert!(story.changed);
        }
    }
}

#[test]
fn a_refresh_without_news_is_one_request_and_changes_nothing() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    let wait = story.wait();
    assert!(wait > REFRESH.mul_f64(0.94) && wait < REFRESH.mul_f64(1.06), "{wait:?}");
    assert_eq!(story.server.asked, ["PROPFIND /books/anna/"]);
    assert_eq!((story.changed, story.result), (false, Some(Ok(()))));
}

#[test]
fn only_what_has_changed_is_fetched() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    story.server.person("office", "Bob", "199");
    story.server.person("office", "Dave", "103");
    story.server.put("office", "Anna%20Müller.vcf", None);
    story.wait();
    assert!(story.changed);
    assert_eq!(story.names(), ["Carol", "Bob", "Dave"]);
    let bob = story.directory.contacts().find(|contact| contact.name == "Bob").unwrap();
    assert_eq!(bob.numbers[0].address, "199");
    let cards: Vec<&String> = story.server.asked.iter().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(cards, ["  /books/anna/office/Bob.vcf", "  /books/anna/office/Dave.vcf"]);
}

#[test]
fn a_server_without_synchronisation_is_followed_by_entity_tags() {
    let mut story = Story::new("dav.example.com", office());
    story.server.manners.syncs = false;
    story.handle(Input::Start);
    assert_eq!(story.names(), ["Carol", "Anna Müller", "Bob"]);
    story.wait();
    assert_eq!(story.server.asked, ["PROPFIND /books/anna/"]);
    story.server.person("office", "Dave", "103");
    story.server.put("office", "Bob.vcf", None);
    story.wait();
    assert_eq!(story.names(), ["Carol", "Anna Müller", "Dave"]);
    assert_eq!(story.server.asked.iter().filter(|line| line.starts_with("  ")).count(), 1, "{:?}", story.server.asked);
}

#[test]
fn a_forgotten_token_means_reading_the_book_anew_without_fetching_what_is_known() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    story.server.put("office", "Bob.vcf", None);
    story.server.manners.forgets = 1000;
    story.wait();
    assert_eq!((&story.result, story.changed), (&Some(Ok(())), true));
    assert_eq!(story.names(), ["Carol", "Anna Müller"]);
    assert!(!story.server.asked.iter().any(|line| line.starts_with("  ")), "{:?}", story.server.asked);
}

#[test]
fn changes_in_pages_are_followed_to_the_end() {
    let mut server = Server::default();
    for n in 0..95 {
        server.person("office", &format!("Person {n:02}"), &format!("1{n:02}"));
    }
    server.manners.page = 10;
    let mut story = Story::new("dav.example.com", server);
    story.handle(Input::Start);
    assert_eq!(story.names().len(), 95);
    let reports = story.server.asked.iter().filter(|line| *line == "REPORT /books/anna/office/").count();
    assert_eq!(reports, 10 + 4, "ten pages, four portions of cards");
}

#[test]
fn the_cache_is_there_after_a_restart_without_a_network_and_spares_the_search() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    let memory = story.directory.memory();
    assert!(!String::from_utf8_lossy(&memory).contains("BEGIN:VCARD"));
    let mut again = Story::new("dav.example.com", office());
    again.directory.recall(&memory);
    assert_eq!(again.names(), story.names());
    again.handle(Input::Start);
    assert_eq!(again.server.asked, ["PROPFIND /books/anna/"]);
    // of another account, or broken: nothing is taken from it
    let mut other = Story::new("other.example.com", office());
    other.directory.recall(&memory);
    other.directory.recall(&memory[..memory.len() / 2]);
    assert!(other.names().is_empty());
}

/// Covers: axml.dav.03
#[test]
fn failures_are_tried_again_ever_later_and_what_is_known_stays() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    story.server.manners.status = Some(500);
    story.wait();
    assert!(story.fails().contains("500"), "{}", story.fails());
    assert_eq!(story.names().len(), 3);
    let mut before = Duration::ZERO;
    for _ in 0..8 {
        let wait = story.wait();
        assert!(wait > before, "{wait:?} after {before:?}");
        before = wait;
    }
    for _ in 0..20 {
        assert!(story.wait() < Duration::from_secs(3800));
    }
    story.server.manners.status = None;
    story.wait();
    assert_eq!(story.result, Some(Ok(())));
    assert!(story.wait() < Duration::from_secs(200));
}

#[test]
fn a_wrong_password_is_not_tried_every_minute() {
    let mut story = Story::new("dav.example.com", office());
    story.server.manners.status = Some(401);
    story.handle(Input::Start);
    assert!(story.fails().contains("password"), "{}", story.fails());
    let mut asked = 0;
    let begin = story.now;
    while story.now - begin < Duration::from_secs(86_400) {
        assert!(story.wait() >= BACK_OFF_DENIED.mul_f64(0.9));
        asked += story.server.asked.len();
    }
    assert!(asked < 12, "{asked} in a day");
}

#[test]
fn the_password_does_not_follow_to_another_domain() {
    let mut story = Story::new("https://dav.example.com", office());
    story.server.manners.elsewhere = Some("https://evil.example.net".into());
    story.handle(Input::Start);
    assert!(story.fails().contains("evil.example.net"), "{}", story.fails());
    story.server.manners.elsewhere = Some("http://p1.example.com".into());
    story.wait();
    assert!(story.fails().contains("p1.example.com"), "{}", story.fails());
    story.server.manners.elsewhere = Some("https://p2.example.com".into());
    story.wait();
    assert_eq!(story.result, Some(Ok(())));
    story.hosts.sort();
    story.hosts.dedup();
    assert_eq!(story.hosts, ["https://dav.example.com", "https://p2.example.com"]);
}

#[test]
fn a_book_that_disappears_takes_its_contacts_with_it_and_a_new_one_is_noticed() {
    let mut story = Story::new("dav.example.com", office());
    story.handle(Input::Start);
    story.server.drop_book("family");
    story.server.person("suppliers", "Eve", "+1 555 0100");
    story.wait();
    assert_eq!(story.names(), ["Anna Müller", "Bob", "Eve"]);
}

#[test]
fn cards_that_are_too_large_together_are_fetched_apart_and_one_that_is_too_large_alone_is_left_out() {
    let mut server = office();
    let photo = "x".repeat(50_000);
    server.put("office", "big.vcf", Some(&format!("BEGIN:VCARD\nFN:Big\nTEL:1\nPHOTO:{photo}\nEND:VCARD\n")));
    for n in 0..20 {
        server.person("office", &format!("Person {n}"), "10");
    }
    let mut story = Story::new("dav.example.com", server);
    story.room = 3000;
    // the list of names fits, but hardly any card with it
    story.server.manners.page = 10;
    story.handle(Input::Start);
    assert_eq!(story.result, Some(Ok(())));
    assert_eq!(story.names().len(), 23);
    assert!(!story.names().contains(&"Big".to_owned()));
}

#[test]
fn a_server_that_never_answers_is_given_up_and_its_late_answer_ignored() {
    let mut directory = Directory::new("dav.example.com", Some(REFRESH), 1);
    let now = Instant::now();
    directory.handle(now, Input::Start);
    let Output::Ask { id, .. } = directory.poll() else { panic!() };
    let Output::Timeout(Some(at)) = directory.poll() else { panic!() };
    directory.handle(at, Input::Timeout);
    assert!(matches!(directory.poll(), Output::Refreshed { changed: false, result: Err(_) }));
    let Output::Timeout(Some(next)) = directory.poll() else { panic!() };
    assert!(next > at);
    let answer = Answer { status: 207, location: None, retry_after: None, body: Vec::new() };
    directory.handle(at, Input::Answered { id, result: Ok(answer.clone()) });
    directory.handle(at, Input::Answered { id: AskId(99), result: Ok(answer) });
    assert_eq!(directory.poll(), Output::Timeout(Some(next)));
}

#[test]
fn a_server_without_an_end_is_left() {
    let mut directory = Directory::new("https://dav.example.com/book/", Some(REFRESH), 1);
    let now = Instant::now();
    directory.handle(now, Input::Start);
    let mut asked = 0;
    let why = loop {
        match directory.poll() {
            Output::Ask { id, .. } => {
                asked += 1;
                // every page moves on, and there is always another
                let body = format!(
                    "<d:multistatus xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:carddav\"><d:response><d:href>/book/\
                     </d:href><d:status>HTTP/1.1 507 More</d:status><d:propstat><d:prop><d:resourcetype><c:addressbook/>\
                     </d:resourcetype><d:sync-token>{asked}</d:sync-token></d:prop></d:propstat></d:response>\
                     <d:sync-token>{asked}</d:sync-token></d:multistatus>"
                );
                let answer = Answer { status: 207, location: None, retry_after: None, body: body.into_bytes() };
                directory.handle(now, Input::Answered { id, result: Ok(answer) });
            }
            Output::Refreshed { result, .. } => break result.unwrap_err(),
            Output::Timeout(_) => panic!("it waits"),
        }
    };
    assert!(why.contains("never") && asked >= 1000, "{why} after {asked}");
}

#[test]
fn an_unusable_address_is_told_and_asks_nobody() {
    for url in ["", "ftp://x", "https://user@x/", "a b"] {
        let mut story = Story::new(url, office());
        story.handle(Input::Start);
        assert!(story.fails().contains("https://"), "{url}: {}", story.fails());
        assert!(story.due.is_none() && story.hosts.is_empty());
    }
}

#[test]
fn redirects_are_followed_within_the_domain_and_not_for_ever() {
    let follow = |location: &str| {
        let mut directory = Directory::new("https://dav.example.com/start", Some(REFRESH), 1);
        let now = Instant::now();
        directory.handle(now, Input::Start);
        let mut urls = Vec::new();
        loop {
            match directory.poll() {
                Output::Ask { id, request } => {
                    urls.push(request.url);
                    let location = Some(location.replace("{n}", &urls.len().to_string()));
                    let answer = Answer { status: 301, location, retry_after: None, body: Vec::new() };
                    directory.handle(now, Input::Answered { id, result: Ok(answer) });
                }
                Output::Refreshed { result, .. } => return (urls, result.unwrap_err()),
                Output::Timeout(_) => panic!("it waits"),
            }
        }
    };
    let (urls, why) = follow("/next/{n}");
    assert_eq!((urls.len(), urls[1].as_str()), (6, "https://dav.example.com/next/1"));
    assert!(why.contains("circles"), "{why}");
    let (urls, why) = follow("https://other.example.net/{n}");
    assert_eq!(urls.len(), 1);
    assert!(why.contains("other.example.net"), "{why}");
}
