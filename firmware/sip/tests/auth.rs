//! Digest, both sides against each other and against what servers in the field send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_sip::auth::{ChallengeOutcome, ClientAuth, Credentials, Password, Secret, ServerAuth, Verdict};
use offhook_sip::{Method, Request, Response, Uri};
use std::time::{Duration, Instant};

fn register() -> Request {
    let mut request = Request::new(Method::Register, Uri::parse("sip:pbx.example").unwrap());
    request.headers.push("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa");
    request.headers.push("From", "<sip:100@pbx.example>;tag=1");
    request.headers.push("To", "<sip:100@pbx.example>");
    request.headers.push("Call-ID", "a");
    request.headers.push("CSeq", "1 REGISTER");
    request
}

fn refusal(request: &Request, status: u16, challenges: &[&str]) -> Response {
    let mut response = Response::to(request, status, Some("t"));
    let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    for challenge in challenges {
        response.headers.push(name, *challenge);
    }
    response
}

fn user(password: &str) -> Credentials {
    Credentials { username: "100".into(), secret: Secret::Password(Password::new(password)) }
}

fn lookup(name: &str) -> Option<Password> {
    (name == "100").then(|| Password::new("secret"))
}

/// A client and a server with a clock between them.
struct Pair {
    client: ClientAuth,
    server: ServerAuth,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: ClientAuth::default(),
            server: ServerAuth::new("pbx.example", [3; 32], Duration::from_secs(300)),
            now: Instant::now(),
        }
    }

    fn verify(&mut self, request: &Request) -> Verdict {
        self.server.verify(self.now, request, lookup)
    }

    /// The server's 401 to `request`.
    fn challenge(&mut self, request: &Request, stale: bool) -> Response {
        let challenges = self.server.challenges(self.now, stale);
        refusal(request, 401, &challenges.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn authorized(&mut self) -> Request {
        let mut request = register();
        self.client.authorize(&mut request, &user("secret"), "c0ffee");
        request
    }
}

fn accepted() -> Verdict {
    Verdict::Accepted { username: "100".into() }
}

fn authorization(request: &Request) -> &str {
    request.headers.first("Authorization").unwrap()
}

#[test]
fn the_right_password_is_accepted_and_its_nonce_serves_the_next_request() {
    let mut pair = Pair::new();
    let first = pair.authorized();
    assert_eq!(pair.verify(&first), Verdict::Missing);
    let refusal = pair.challenge(&first, false);
    assert_eq!(pair.client.challenged(&first, &refusal, &user("secret")), ChallengeOutcome::Retry);
    let second = pair.authorized();
    assert!(authorization(&second).contains("algorithm=SHA-256"), "the stronger of two");
    assert_eq!(pair.verify(&second), accepted());
    let third = pair.authorized();
    assert!(authorization(&third).contains("nc=00000002"));
    assert_eq!(pair.verify(&third), accepted());
    assert_eq!(pair.verify(&second), Verdict::Wrong, "a replay");
}

#[test]
fn a_wrong_password_is_refused_after_one_try() {
    let mut pair = Pair::new();
    let mut request = register();
    let refusal = pair.challenge(&request, false);
    assert_eq!(pair.client.challenged(&request, &refusal, &user("guess")), ChallengeOutcome::Retry);
    pair.client.authorize(&mut request, &user("guess"), "c");
    assert_eq!(pair.verify(&request), Verdict::Wrong);
    let again = pair.challenge(&request, false);
    assert_eq!(pair.client.challenged(&request, &again, &user("guess")), ChallengeOutcome::Refused);
    // The user types the right one: a fresh start.
    let mut request = register();
    let refusal = pair.challenge(&request, false);
    assert_eq!(pair.client.challenged(&request, &refusal, &user("secret")), ChallengeOutcome::Retry);
    pair.client.authorize(&mut request, &user("secret"), "c");
    assert_eq!(pair.verify(&request), accepted());
}

#[test]
fn a_stale_nonce_is_answered_without_asking_the_user() {
    let mut pair = Pair::new();
    let request = register();
    let refusal = pair.challenge(&request, false);
    pair.client.challenged(&request, &refusal, &user("secret"));
    let request = pair.authorized();
    assert_eq!(pair.verify(&request), accepted());
    pair.now += Duration::from_secs(301);
    let request = pair.authorized();
    assert_eq!(pair.verify(&request), Verdict::Stale);
    let refusal = pair.challenge(&request, true);
    assert!(refusal.headers.all("WWW-Authenticate").all(|c| c.contains("stale=true")));
    assert_eq!(pair.client.challenged(&request, &refusal, &user("secret")), ChallengeOutcome::Retry);
    let request = pair.authorized();
    assert_eq!(pair.verify(&request), accepted());
}

#[test]
fn a_nonce_of_an_earlier_life_of_the_server_is_stale_and_a_forged_one_too() {
    let mut pair = Pair::new();
    let request = register();
    let refusal = pair.challenge(&request, false);
    pair.client.challenged(&request, &refusal, &user("secret"));
    pair.server = ServerAuth::new("pbx.example", [4; 32], Duration::from_secs(300));
    let request = pair.authorized();
    assert_eq!(pair.verify(&request), Verdict::Stale);
    for nonce in ["", "abc", "é", "00000000000000000000000000000001ffffffffffffffffffffffffffffffff"] {
        let mut client = ClientAuth::default();
        let challenge = format!("Digest realm=\"pbx.example\", nonce=\"{nonce}\", qop=\"auth\"");
        client.challenged(&register(), &self::refusal(&register(), 401, &[&challenge]), &user("secret"));
        let mut request = register();
        client.authorize(&mut request, &user("secret"), "c");
        assert_eq!(pair.verify(&request), Verdict::Stale, "{nonce}");
    }
}

#[test]
fn an_unknown_user_and_a_changed_method_are_wrong() {
    let mut pair = Pair::new();
    let request = register();
    let refusal = pair.challenge(&request, false);
    let stranger = Credentials { username: "999".into(), secret: Secret::Password(Password::new("")) };
    pair.client.challenged(&request, &refusal, &stranger);
    let mut request = register();
    pair.client.authorize(&mut request, &stranger, "c");
    assert_eq!(pair.verify(&request), Verdict::Wrong);
    let mut stolen = pair.authorized();
    stolen.method = Method::Invite;
    assert_eq!(pair.verify(&stolen), Verdict::Wrong);
}

#[test]
fn credentials_for_another_realm_or_scheme_are_no_credentials() {
    let mut pair = Pair::new();
    for value in [
        "NoOneKnowsThisScheme opaque-data=here",
        "Basic MTAwOnNlY3JldA==",
        "Digest realm=\"elsewhere\", username=\"100\", nonce=\"a\", uri=\"sip:x\", response=\"b\"",
        "Digest realm=\"pbx.example\", username=\"100\"",
        "Digest realm=\"pbx.example\", username=\"100\", nonce=\"a\", uri=\"sip:x\", response=\"b\", algorithm=ROT13",
        "Digest realm=\"pbx.example\", username=\"100\", nonce=\"a\", uri=\"sip:x\", response=\"b\", qop=auth, nc=zz, cnonce=\"\"",
        "Digest",
        "",
    ] {
        let mut request = register();
        request.headers.push("Authorization", value);
        assert_eq!(pair.verify(&request), Verdict::Missing, "{value}");
    }
}

#[test]
fn a_client_without_qop_uses_each_nonce_once() {
    let mut pair = Pair::new();
    let request = register();
    let challenges = pair.server.challenges(pair.now, false);
    let bare = challenges[1].replace(", qop=\"auth\"", "");
    pair.client.challenged(&request, &refusal(&request, 401, &[&bare]), &user("secret"));
    let first = pair.authorized();
    assert!(!authorization(&first).contains("qop") && !authorization(&first).contains("nc="));
    assert_eq!(pair.verify(&first), accepted());
    let second = pair.authorized();
    assert_eq!(pair.verify(&second), Verdict::Stale);
}

#[test]
fn the_strongest_algorithm_is_answered_in_the_server_s_spelling() {
    let challenge = |algorithm: &str| format!("Digest realm=\"r\", nonce=\"n\", algorithm={algorithm}, qop=\"auth\"");
    let cases = [
        (vec!["MD5", "sha-256", "AES"], "algorithm=sha-256"),
        (vec!["SHA-512-256", "SHA-256", "md5"], "algorithm=SHA-512-256"),
        (vec!["MD5", "\"SHA-256-sess\"", "SHA-256"], "algorithm=SHA-256-sess"),
        (vec!["md5"], "algorithm=md5"),
    ];
    for (algorithms, expected) in cases {
        let mut client = ClientAuth::default();
        let challenges: Vec<String> = algorithms.iter().map(|a| challenge(a)).collect();
        let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
        let request = register();
        assert_eq!(
            client.challenged(&request, &refusal(&request, 401, &challenges), &user("p")),
            ChallengeOutcome::Retry
        );
        let mut request = register();
        client.authorize(&mut request, &user("p"), "c");
        assert!(authorization(&request).contains(expected), "{}", authorization(&request));
        assert_eq!(request.headers.all("Authorization").count(), 1);
    }
}

#[test]
fn every_algorithm_and_qop_is_understood_by_our_own_server() {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
        for qop in [", qop=\"auth\"", ", qop=auth", ", qop=\"auth-int\"", ", qop=\"auth-int, auth\"", ""] {
            let mut pair = Pair::new();
            let offered = pair.server.challenges(pair.now, false).remove(1);
            let challenge = offered.replace(", qop=\"auth\"", qop).replace("MD5", algorithm) + ", opaque=\"o\"";
            let request = register();
            let outcome = pair.client.challenged(&request, &refusal(&request, 401, &[&challenge]), &user("secret"));
            assert_eq!(outcome, ChallengeOutcome::Retry);
            let mut request = pair.authorized();
            assert!(authorization(&request).contains("opaque=\"o\""));
            assert_eq!(pair.verify(&request), accepted(), "{algorithm}{qop}");
            if !qop.is_empty() {
                let mut next = pair.authorized();
                assert_eq!(pair.verify(&next), accepted(), "second use, {algorithm}{qop}");
                next = pair.authorized();
                next.body = b"changed".to_vec();
                let covered = qop == ", qop=\"auth-int\"";
                assert_eq!(pair.verify(&next) == accepted(), !covered, "the body, {algorithm}{qop}");
            }
            request.headers.set("Authorization", authorization(&request).replace("nc=00000001", "nc=00000009"));
            assert_ne!(pair.verify(&request), accepted(), "the count is part of the digest");
        }
    }
}

#[test]
fn registrar_and_proxies_are_answered_together() {
    let mut client = ClientAuth::default();
    let mut request = register();
    for (status, realm) in [(401, "registrar"), (407, "proxy one"), (407, "proxy two")] {
        let challenge = format!("Digest realm=\"{realm}\", nonce=\"{realm}\"");
        let outcome = client.challenged(&request, &refusal(&request, status, &[&challenge]), &user("p"));
        assert_eq!(outcome, ChallengeOutcome::Retry, "{realm}");
        client.authorize(&mut request, &user("p"), "c");
    }
    assert_eq!(request.headers.all("Authorization").count(), 1);
    assert_eq!(request.headers.all("Proxy-Authorization").count(), 2);
    // Refused by the last of them.
    let challenge = "Digest realm=\"proxy two\", nonce=\"other\"";
    let mut first_use = register();
    let mut fresh = ClientAuth::default();
    fresh.challenged(&first_use, &refusal(&first_use, 407, &[challenge]), &user("p"));
    fresh.authorize(&mut first_use, &user("p"), "c");
    let outcome = fresh.challenged(
        &first_use,
        &refusal(&first_use, 407, &["Digest realm=\"proxy two\", nonce=\"x\""]),
        &user("p"),
    );
    assert_eq!(outcome, ChallengeOutcome::Refused);
}

#[test]
fn a_server_that_forgets_to_say_stale_is_retried_when_its_nonce_was_old() {
    let mut client = ClientAuth::default();
    let request = register();
    let challenge = |n: u32| format!("Digest realm=\"r\", nonce=\"{n}\", qop=\"auth\"");
    client.challenged(&request, &refusal(&request, 401, &[&challenge(1)]), &user("p"));
    let mut request = register();
    client.authorize(&mut request, &user("p"), "c");
    let mut later = register();
    client.authorize(&mut later, &user("p"), "c");
    let again = refusal(&later, 401, &[&challenge(2)]);
    assert_eq!(client.challenged(&later, &again, &user("p")), ChallengeOutcome::Retry);
    client.authorize(&mut later, &user("p"), "c");
    let third = refusal(&later, 401, &[&challenge(3)]);
    assert_eq!(client.challenged(&later, &third, &user("p")), ChallengeOutcome::Refused);
}

#[test]
fn no_server_can_make_us_ask_for_ever() {
    type Challenge = fn(u32) -> String;
    let servers: [(&str, Challenge); 5] = [
        ("always stale", |n| format!("Digest realm=\"r\", nonce=\"{n}\", qop=\"auth\", stale=true")),
        ("always stale, without qop", |n| format!("Digest realm=\"r\", nonce=\"{n}\", stale=TRUE")),
        ("stale with the same nonce", |_| "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", stale=true".into()),
        ("a new realm each time", |n| format!("Digest realm=\"{n}\", nonce=\"{n}\", qop=\"auth\"")),
        ("never content", |n| format!("Digest realm=\"r\", nonce=\"{n}\"")),
    ];
    for (what, challenge) in servers {
        let mut client = ClientAuth::default();
        let mut request = register();
        let tries = (0..100)
            .take_while(|n| {
                let outcome = client.challenged(&request, &refusal(&request, 401, &[&challenge(*n)]), &user("p"));
                client.authorize(&mut request, &user("p"), "c");
                outcome == ChallengeOutcome::Retry
            })
            .count();
        assert!(tries <= 10, "{what}: {tries}");
    }
}

#[test]
fn what_we_cannot_answer_is_unsupported() {
    let ha1 = Secret::Ha1 { realm: "r".into(), ha1: "939E7578ED9E3C518A452ACEE763BCE9".into() };
    let ha1 = Credentials { username: "100".into(), secret: ha1 };
    let request = register();
    let outcome = |challenges: &[&str], credentials: &Credentials| {
        ClientAuth::default().challenged(&request, &refusal(&request, 401, challenges), credentials)
    };
    assert_eq!(outcome(&[], &user("p")), ChallengeOutcome::Unsupported);
    assert_eq!(outcome(&["Basic realm=\"r\"", "Bearer"], &user("p")), ChallengeOutcome::Unsupported);
    assert_eq!(
        outcome(&["Digest realm=\"r\", nonce=\"n\", algorithm=ROT13"], &user("p")),
        ChallengeOutcome::Unsupported
    );
    assert_eq!(
        outcome(&["Digest realm=\"r\", nonce=\"n\", qop=\"auth-conf\""], &user("p")),
        ChallengeOutcome::Unsupported
    );
    assert_eq!(outcome(&["Digest realm=\"r\""], &user("p")), ChallengeOutcome::Unsupported);
    assert_eq!(outcome(&["Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256"], &ha1), ChallengeOutcome::Unsupported);
    assert_eq!(outcome(&["Digest realm=\"s\", nonce=\"n\""], &ha1), ChallengeOutcome::Unsupported);
    assert_eq!(outcome(&["Digest realm=\"r\", nonce=\"n\""], &ha1), ChallengeOutcome::Retry);
}

#[test]
fn an_ha1_serves_as_the_password_of_its_realm() {
    let secret = Secret::Ha1 { realm: "testrealm@host.com".into(), ha1: "939e7578ed9e3c518a452acee763bce9".into() };
    let credentials = Credentials { username: "Mufasa".into(), secret };
    let mut request = Request::new(Method::Other("GET".into()), Uri::Other { scheme: "x".into(), rest: "y".into() });
    let challenge = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", qop=\"auth\"";
    let mut client = ClientAuth::default();
    client.challenged(&request, &refusal(&request, 401, &[challenge]), &credentials);
    client.authorize(&mut request, &credentials, "0a4f113b");
    // MD5 of `GET:x:y` in place of the resource of RFC 2617, computed with OpenSSL.
    assert!(
        authorization(&request).contains("response=\"512de477641a68234f002291750f7feb\""),
        "{}",
        authorization(&request)
    );
}

#[test]
fn a_quote_in_a_user_name_arrives_as_one() {
    let mut server = ServerAuth::new("a \"b\" \\c", [1; 32], Duration::from_secs(9));
    let now = Instant::now();
    let challenges = server.challenges(now, false);
    let credentials = Credentials { username: "x\"y\\".into(), secret: Secret::Password(Password::new("p")) };
    let mut request = register();
    let mut client = ClientAuth::default();
    let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
    client.challenged(&request, &refusal(&request, 401, &challenges), &credentials);
    client.authorize(&mut request, &credentials, "c\"d");
    let verdict = server.verify(now, &request, |name| (name == "x\"y\\").then(|| Password::new("p")));
    assert_eq!(verdict, Verdict::Accepted { username: "x\"y\\".into() });
}

#[test]
fn credentials_for_a_proxy_count_beside_old_ones_for_a_server() {
    let mut pair = Pair::new();
    let challenge = pair.challenge(&register(), false);
    pair.client.challenged(&register(), &challenge, &user("secret"));
    let old = authorization(&pair.authorized()).to_owned();
    pair.now += Duration::from_secs(400);
    let fresh = pair.challenge(&register(), true);
    pair.client.challenged(&register(), &fresh, &user("secret"));
    let mut both = pair.authorized();
    let good = authorization(&both).to_owned();
    both.headers.set("Authorization", old);
    assert_eq!(pair.verify(&both), Verdict::Stale);
    both.headers.push("Proxy-Authorization", good);
    assert_eq!(pair.verify(&both), accepted());
}

#[test]
fn a_method_challenged_by_407_sends_no_answer_to_the_401_of_another() {
    let mut pair = Pair::new();
    let challenge = pair.challenge(&register(), false);
    pair.client.challenged(&register(), &challenge, &user("secret"));
    let mut invite = register();
    invite.method = Method::Invite;
    let challenges = pair.server.challenges(pair.now, false);
    let refused = refusal(&invite, 407, &challenges.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(pair.client.challenged(&invite, &refused, &user("secret")), ChallengeOutcome::Retry);
    for (method, server, proxy) in
        [(Method::Invite, 0, 1), (Method::Ack, 0, 1), (Method::Register, 1, 0), (Method::Info, 1, 1)]
    {
        let mut request = register();
        request.method = method;
        pair.client.authorize(&mut request, &user("secret"), "c0ffee");
        let count = |name| request.headers.all(name).count();
        assert_eq!((count("Authorization"), count("Proxy-Authorization")), (server, proxy), "{}", request.method);
        assert_eq!(pair.verify(&request), accepted(), "{}", request.method);
    }
}
