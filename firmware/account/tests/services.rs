//! Web services: what is read of an account, what goes out, what is made of the answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::document::FindingKind;
use offhook_account::fetch::{FetchError, FetchRequest, FetchResponse, Trust};
use offhook_account::rules::{DialAction, Link, Moment, Uplink, Zone, dialled, programmed};
use offhook_account::services::{
    CallThrough, Context, Failure, MAX_ANSWER, Service, Unfit, answer, dial_string, request,
};
use offhook_account::template::Device;
use offhook_account::{ContactFacts, Document, Settings};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const BASE: &str = "<username>1001</username><password>s3cret&amp;PW</password><host>pbx.example</host>\
                    <callbackNumber>+49301234</callbackNumber><apiUser>u 1</apiUser><apiToken>t0k3n</apiToken>";

fn document(nodes: &str) -> Document {
    Document::parse(format!("<account>{BASE}{nodes}</account>").as_bytes()).unwrap().0
}

fn read(nodes: &str) -> (Settings, Vec<(String, FindingKind)>) {
    let (settings, findings) = Settings::of(&document(nodes));
    (settings, findings.into_iter().filter(|f| f.node != "title").map(|f| (f.node, f.kind)).collect())
}

fn callback(nodes: &str) -> Service {
    read(&format!("<wcb_enabled>1</wcb_enabled>{nodes}")).0.services.callback.unwrap().service
}

fn asked_with(nodes: &str, number: &str, insecure: bool) -> Result<FetchRequest, Unfit> {
    let all = format!("<wcb_enabled>1</wcb_enabled>{nodes}");
    let account = document(&all);
    let device = Device { mac: "02000000000a".into(), ..Device::default() };
    let context = Context {
        nonce: 0xfeed,
        account: &account,
        device: &device,
        insecure,
        trust: Arc::new(Trust::default()),
        user_agent: "Offhook/1",
    };
    request(&callback(nodes), &[("targetNumber", number)], &context)
}

fn asked(nodes: &str, number: &str) -> FetchRequest {
    asked_with(nodes, number, false).unwrap()
}

fn header<'r>(request: &'r FetchRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn ok(kind: &str, body: &str) -> FetchResponse {
    response(200, kind, body)
}

fn response(status: u16, kind: &str, body: &str) -> FetchResponse {
    FetchResponse { status, headers: vec![("content-type".into(), kind.into())], body: body.as_bytes().to_vec() }
}

/// Covers: axml.wcb.01, axml.wcb.02, axml.wcb.03, axml.ref.03
#[test]
fn a_callback_is_a_get_with_its_numbers_encoded() {
    let request = asked(
        "<wcb_url>https://x.example/cb?to=%targetNumber%&amp;from=%account[callbackNumber]%&amp;u=%account[apiUser]%&amp;p=%account[password]%</wcb_url>",
        "+15551231234",
    );
    assert_eq!(request.method, "GET");
    assert_eq!(request.url, "https://x.example/cb?to=%2B15551231234&from=%2B49301234&u=u%201&p=s3cret%26PW");
    assert_eq!((request.body.len(), header(&request, "Content-Type")), (0, None));
    assert_eq!(header(&request, "User-Agent"), Some("Offhook/1"));
    assert_eq!((request.max_bytes, request.timeout), (MAX_ANSWER, Duration::from_secs(15)));
    assert!(request.only_home, "nobody else is to see the number");
    assert!(!format!("{request:?}").contains("s3cret"));
    assert!(read("<wcb_url>https://x/</wcb_url>").0.services.callback.is_none(), "it is switched off");
}

/// Covers: axml.wcb.03, axml.wcb.04, axml.wcb.05, axml.wcb.06, axml.bal.02, axml.bal.03
#[test]
fn a_body_makes_a_post_and_its_values_are_escaped_as_its_type_demands() {
    let number = "a\"b\\<&>\n1 2";
    for (kind, template, body) in [
        ("", "to=%targetNumber%&amp;u=%account[apiUser]%", "to=a%22b%5C%3C%26%3E%0A1%202&u=u%201"),
        ("application/json", r#"{"to":"%targetNumber%"}"#, r#"{"to":"a\"b\\<&>\u000a1 2"}"#),
        ("text/xml; charset=utf-8", "&lt;to&gt;%targetNumber%&lt;/to&gt;", "<to>a&quot;b\\&lt;&amp;&gt; 1 2</to>"),
        ("text/plain", "%targetNumber%", "a\"b\\<&> 1 2"),
    ] {
        let nodes = format!(
            "<wcb_url>https://x/</wcb_url><wcb_contentType>{kind}</wcb_contentType><wcb_postData>{template}</wcb_postData>"
        );
        let request = asked(&nodes, number);
        assert_eq!(request.method, "POST", "{kind}");
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), body, "{kind}");
        let expected = if kind.is_empty() { "application/x-www-form-urlencoded" } else { kind };
        assert_eq!(header(&request, "Content-Type"), Some(expected));
    }
    let put = asked("<wcb_url>https://x/</wcb_url><wcb_method>put</wcb_method><wcb_postData>a\nb</wcb_postData>", "1");
    assert_eq!((put.method.as_str(), put.body.as_slice()), ("PUT", b"a\nb".as_slice()));
    let get = "<wcb_url>https://x/</wcb_url><wcb_method>GET</wcb_method><wcb_postData>a</wcb_postData>";
    assert!(asked(get, "1").body.is_empty());
    assert!(
        read(&format!("<wcb_enabled>1</wcb_enabled>{get}")).1.contains(&("wcb_method".into(), FindingKind::Repaired))
    );
}

/// Covers: axml.wcb.06
#[test]
fn custom_headers_and_credentials_go_along_and_none_of_the_drivers_own() {
    let nodes = "<wcb_url>https://x/</wcb_url><wcb_customHeaders>X-Api: %account[apiToken]%\\nX-To: %targetNumber%\n\
                 Host: evil\nContent-Length: 5\nno colon\n: empty\n User-Agent : mine</wcb_customHeaders>\
                 <wcb_authUsername>%account[username]%</wcb_authUsername><wcb_authPassword>p%w%d</wcb_authPassword>\
                 <webServiceTimeoutInSeconds>3</webServiceTimeoutInSeconds>";
    let request = asked(nodes, "5\r\nX-Evil: 1");
    let expected = [("X-Api", "t0k3n"), ("X-To", "5  X-Evil: 1"), ("User-Agent", "mine")];
    assert_eq!(request.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let credentials = request.credentials.unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.reveal()), ("1001", "p%w%d"));
    assert_eq!(request.timeout, Duration::from_secs(3));
    let (_, findings) = read(&format!("<wcb_enabled>1</wcb_enabled>{nodes}"));
    let wrong = findings.iter().filter(|finding| **finding == ("wcb_customHeaders".to_owned(), FindingKind::BadValue));
    assert_eq!(wrong.count(), 4);
}

#[test]
fn passwords_stay_at_home_unless_nobody_can_read_them() {
    let nodes = |url: &str| {
        format!(
            "<wcb_url>{url}?p=%account[password]%</wcb_url><wcb_postData>t=%account[apiToken]%</wcb_postData>\
             <wcb_customHeaders>X-T: %account[apiToken]%</wcb_customHeaders>"
        )
    };
    for (url, insecure, revealed) in [
        ("https://x.example/", false, true),
        ("http://127.0.0.1:80/", false, true),
        ("http://[::1]/", false, true),
        ("http://x.example/", false, false),
        ("http://localhost.evil.example/", false, false),
        ("http://127.0.0.1@evil.example/", false, false),
        ("http://x.example/", true, true),
    ] {
        let request = asked_with(&nodes(url), "1", insecure).unwrap();
        let body = String::from_utf8(request.body.clone()).unwrap();
        let shown = format!("{} {body} {:?}", request.url, request.headers);
        assert_eq!(shown.contains("s3cret") && shown.matches("t0k3n").count() == 2, revealed, "{url}");
        assert_eq!(shown.matches("***").count(), if revealed { 0 } else { 3 }, "{url}");
    }
    let (_, findings) = read(&format!("<wcb_enabled>1</wcb_enabled>{}", nodes("http://x.example/")));
    assert!(findings.contains(&("wcb_url".into(), FindingKind::Repaired)));
}

#[test]
fn a_placeholder_that_stands_for_nothing_asks_nobody() {
    for url in ["https://x/?n=%nonse%", "https://x/?n=%tragetNumber%", "https://x/?n=%sha1(%tragetNumber%)%"] {
        let (settings, findings) = read(&format!("<wcb_enabled>1</wcb_enabled><wcb_url>{url}</wcb_url>"));
        assert!(settings.services.callback.is_none());
        assert!(findings.contains(&("wcb_url".into(), FindingKind::BadValue)), "{findings:?}");
    }
    // A node that some other document may bring is known only when it is asked for.
    let unknown = asked_with("<wcb_url>https://x/?n=%account[other]%</wcb_url>", "1", false).unwrap_err();
    assert!(unknown.to_string().contains("%account[other]%"), "{unknown}");
    assert!(asked_with("<wcb_url>https://x/{device}</wcb_url>", "1", false).is_err());
    assert!(asked("<wcb_url>https://x/{mac}</wcb_url>", "1").url.ends_with("/02000000000a"));
}

#[test]
fn a_nonce_is_the_same_in_all_parts_of_a_request() {
    let nodes = "<wcb_url>https://x/?n=%nonce%</wcb_url><wcb_postData>n=%nonce%&amp;h=%sha1(%targetNumber%%nonce%)%</wcb_postData>";
    let request = asked(nodes, "7");
    assert_eq!(request.url, "https://x/?n=000000000000feed");
    // SHA-1 of 7000000000000feed
    let body = String::from_utf8(request.body).unwrap();
    assert_eq!(body, "n=000000000000feed&h=8f1f3e804b3c41dcf6dfa11cb25073632128514c");
}

#[test]
fn a_service_without_its_url_is_not_set_up_and_the_report_says_so() {
    for (nodes, node) in [
        ("<wcb_enabled>1</wcb_enabled>", "wcb_enabled"),
        ("<cth_enabled>1</cth_enabled>", "cth_enabled"),
        ("<cth_enabled>1</cth_enabled><cth_dialString>0</cth_dialString>", "cth_enabled"),
        ("<cth_enabled>1</cth_enabled><cth_ws_enabled>1</cth_ws_enabled>", "cth_ws_enabled"),
        ("<cth_enabled>1</cth_enabled><cth_dialString>5,%to%</cth_dialString>", "cth_dialString"),
    ] {
        let (settings, findings) = read(nodes);
        assert!(settings.services.callback.is_none() && settings.services.call_through.is_none(), "{nodes}");
        assert!(findings.contains(&(node.into(), FindingKind::BadValue)), "{nodes}: {findings:?}");
    }
}

/// Covers: axml.cth.01, axml.cth.02, axml.cth.03, axml.cth.04, axml.cth.05, axml.cth.06, axml.cth.07, axml.cth.08
#[test]
fn call_through_is_a_dial_string_or_a_service_that_says_it() {
    let nodes = "<cth_enabled>1</cth_enabled><cth_dialString>+1555123456,%account[pinCode]%*%targetNumber%</cth_dialString>\
                 <pinCode>77</pinCode>";
    let (settings, findings) = read(nodes);
    assert!(findings.iter().all(|(_, kind)| *kind == FindingKind::Unknown), "{findings:?}");
    let Some(CallThrough::Fixed(template)) = settings.services.call_through else { panic!("no dial string") };
    let account = document(nodes);
    let made = dial_string(&template, "+4930123", &account, &Device::default()).unwrap();
    assert_eq!((made.number.as_str(), made.digits.as_str()), ("+1555123456", ",77*004930123"));
    let leak = dial_string("5,%account[password]%", "1", &account, &Device::default());
    assert!(leak.unwrap_err().to_string().contains("password"));
    let (settings, _) = read(
        "<cth_enabled>1</cth_enabled><cth_dialString>5,%targetNumber%</cth_dialString><cth_ws_enabled>1</cth_ws_enabled>\
         <cth_ws_url>https://x/</cth_ws_url><cth_ws_method>POST</cth_ws_method><cth_ws_contentType>application/json</cth_ws_contentType>\
         <cth_ws_postData>{}</cth_ws_postData><cth_ws_customHeaders>X-A: b</cth_ws_customHeaders>",
    );
    let Some(CallThrough::Asked(service)) = settings.services.call_through else { panic!("no service") };
    assert_eq!(
        (service.method, service.content_type.as_str(), service.body.as_str()),
        ("POST", "application/json", "{}")
    );
    assert_eq!(service.headers, [("X-A".to_owned(), "b".to_owned())]);
}

/// Covers: axml.bal.01, axml.bal.04, axml.bal.05
#[test]
fn the_balance_check_is_read_with_its_times() {
    let check = |nodes: &str| {
        read(&format!("<genericBalanceCheckUrl>https://x/b?u=%account[username]%</genericBalanceCheckUrl>{nodes}"))
            .0
            .services
            .balance
            .unwrap()
    };
    let least = check("");
    assert_eq!((least.interval, least.delay, least.service.method), (None, Duration::ZERO, "GET"));
    let full = check(
        "<balanceCheckIntervalInSeconds>3600</balanceCheckIntervalInSeconds><balanceCheckDelayInSeconds>7</balanceCheckDelayInSeconds>\
         <genericBalanceCheckMethod>DELETE</genericBalanceCheckMethod><genericBalanceCheckCustomHeaders>A: b</genericBalanceCheckCustomHeaders>\
         <genericBalanceCheckAuthUsername>n</genericBalanceCheckAuthUsername><genericBalanceCheckAuthPassword>pw</genericBalanceCheckAuthPassword>",
    );
    assert_eq!((full.interval, full.delay), (Some(Duration::from_secs(3600)), Duration::from_secs(7)));
    assert_eq!((full.service.method, full.service.headers.len()), ("DELETE", 1));
    assert_eq!((full.service.username.as_str(), full.service.password.reveal()), ("n", "pw"));
    assert!(read("").0.services.balance.is_none());
}

/// Covers: axml.bal.01
#[test]
fn a_balance_is_shown_as_the_service_words_it() {
    let balance = |response: &FetchResponse| answer::balance(Ok(response));
    let xml = |inner: &str| ok("application/xml", &format!("<?xml version=\"1.0\"?>\n<response>{inner}</response>"));
    for good in [
        xml("<error>0</error><balanceString>$60.20</balanceString>"),
        xml("<balanceString> $60.20\n</balanceString>"),
        ok("text/html", "<response><error>0</error><balanceString>$60.20</balanceString></response>"),
        ok("application/json", r#"{"error":0,"balanceString":"$60.20"}"#),
        ok("", r#"{"response":{"error":"0","balanceString":"$60.20"}}"#),
    ] {
        assert_eq!(balance(&good).as_deref(), Ok("$60.20"), "{good:?}");
    }
    // nothing that moves the cursor, turns the line around, or fills the screen
    let wild = xml("<balanceString>&#x202E;1\t&#x9;2&#x200B;3</balanceString>");
    assert_eq!(balance(&wild).as_deref(), Ok("1 23"));
    assert_eq!(balance(&xml(&format!("<balanceString>{}</balanceString>", "9".repeat(999)))).unwrap().len(), 40);
}

#[test]
fn an_answer_that_is_none_is_told_from_a_refusal() {
    let of = |response: &FetchResponse| answer::balance(Ok(response)).unwrap_err();
    let page = "<!DOCTYPE html><html><body>Please log in</body></html>";
    assert_eq!(of(&ok("text/html", page)), Failure::Page);
    assert_eq!(of(&ok("application/xml", "<html><body/></html>")), Failure::Page);
    assert_eq!(of(&ok("text/html", "<p>hello")), Failure::Page);
    for (kind, body) in [
        ("application/xml", ""),
        ("application/xml", "<response><error>0</error>"),
        ("application/xml", "<response><error>0</error><balanceString/></response>"),
        ("application/xml", "<response><balance>5</balance></response>"),
        ("application/xml", "<!DOCTYPE r [<!ENTITY a \"b\">]><response><balanceString>&a;</balanceString></response>"),
        ("application/json", "{\"error\":0"),
        ("application/json", "[]"),
        ("application/json", "{\"response\":5}"),
        ("application/json", "{\"error\":0,\"balanceString\":{\"a\":1}"),
        ("application/json", "null"),
        ("text/plain", "$60.20"),
        ("", "\u{0}\u{1}"),
    ] {
        assert!(matches!(of(&ok(kind, body)), Failure::Unusable(_)), "{kind} {body:?}: {:?}", of(&ok(kind, body)));
    }
    let refused = |body: &str| of(&ok("application/xml", body)).to_string();
    assert_eq!(refused("<response><error>1</error><message>No credit</message></response>"), "No credit");
    assert_eq!(refused("<response><error>7</error></response>"), "the service refuses (error 7)");
    assert_eq!(refused("<error><message>wrong user</message></error>"), "wrong user");
    assert_eq!(refused("<response><error><message>wrong user</message></error></response>"), "wrong user");
    assert_eq!(refused("<response><error>no such user</error></response>"), "no such user");
    let status = response(503, "application/json", r#"{"message":"tired"}"#);
    assert_eq!(of(&status).to_string(), "tired (503)");
    assert_eq!(of(&response(500, "text/html", page)).to_string(), "the service answers 500");
    assert_eq!(answer::balance(Err(&FetchError::TimedOut)), Err(Failure::Unreachable(FetchError::TimedOut)));
    let large = FetchResponse { body: vec![b'x'; MAX_ANSWER + 1], ..ok("text/plain", "") };
    assert!(matches!(of(&large), Failure::Unusable(_)));
}

/// Covers: axml.wcb.02
#[test]
fn a_callback_is_taken_by_any_success_that_names_no_error() {
    let of = |kind: &str, body: &str| answer::callback(Ok(&ok(kind, body)));
    assert_eq!(of("application/xml", "<response><error>0</error></response>"), Ok(None));
    assert_eq!(of("application/xml", "<response/>"), Ok(None));
    assert_eq!(of("application/xml", "<response><message>soon</message></response>"), Ok(Some("soon".into())));
    assert_eq!(of("", ""), Ok(None));
    assert_eq!(of("text/plain", "OK\n"), Ok(Some("OK".into())));
    assert_eq!(of("text/html", "calling you"), Ok(Some("calling you".into())));
    for (kind, body) in [
        ("text/plain", "ERROR: no credit"),
        ("application/xml", "<response><error>3</error></response>"),
        ("application/xml", "<callback>1</callback>"),
        ("application/json", "{\"error\":true}"),
        ("text/html", "<html>log in</html>"),
        ("application/json", "OK"),
    ] {
        assert!(of(kind, body).is_err(), "{kind} {body}");
    }
    assert!(answer::callback(Ok(&response(302, "", ""))).is_err());
}

/// Covers: axml.cth.04
#[test]
fn a_dial_string_comes_in_a_response_or_as_plain_text() {
    let of = |kind: &str, body: &str| answer::dial_string(Ok(&ok(kind, body))).map(|made| (made.number, made.digits));
    let expected = Ok(("+1555".to_owned(), ",99".to_owned()));
    for (kind, body) in [
        ("application/xml", "<response><error>0</error><dialString>+1555,99</dialString></response>"),
        ("application/json", r#"{"dialString":"+1555,99"}"#),
        ("text/plain", " +1 555,99\r\n"),
        ("text/html", "+1555,99"),
    ] {
        assert_eq!(of(kind, body), expected, "{kind}");
    }
    for (kind, body) in [
        ("application/xml", "<response><error>0</error></response>"),
        ("application/xml", "<response><error>5</error><dialString>900123</dialString></response>"),
        ("text/plain", ""),
        ("text/plain", "Sorry, not today"),
        ("text/plain", "1\n2"),
        ("application/xml", "<response><dialString>0900 call me</dialString></response>"),
    ] {
        assert!(of(kind, body).is_err(), "{kind} {body}");
    }
}

/// Covers: axml.ref.01, axml.rew.25
#[test]
fn dial_actions_are_rules_with_a_name() {
    let nodes = "<dialActions><dialAction id=\"office\" title=\"By the office\"><rewriting><rule><actions>\
                 <action type=\"prepend\" param=\"8\"/><action type=\"callThrough\"/></actions></rule></rewriting></dialAction>\
                 <dialAction id=\"plain\"><rule><actions><action type=\"append\" param=\"#\"/></actions></rule></dialAction>\
                 <dialAction/><dialAction id=\"office\"/><dialAction id=\"autoCall\"/><other/></dialActions>\
                 <rewriting><rule><conditions><condition type=\"startsWith\" param=\"9\"/></conditions>\
                 <actions><action type=\"overrideDialAction\" param=\"office\"/></actions></rule></rewriting>";
    let (settings, findings) = read(nodes);
    let titles: Vec<_> = settings.services.dial_actions.iter().map(|a| (a.id.as_str(), a.title.as_str())).collect();
    assert_eq!(titles, [("office", "By the office"), ("plain", "plain")]);
    assert_eq!(findings.iter().filter(|(node, _)| node == "dialActions/dialAction").count(), 3);
    let (zone, uplink, contacts) =
        (Zone::fixed(0).unwrap(), Uplink { link: Link::Ethernet, ..Uplink::default() }, ContactFacts::default());
    let moment = Moment { wall: None, zone: &zone, uplink: &uplink, contacts: &contacts };
    let made = dialled(&settings, "95", &moment);
    assert_eq!(
        (made.number.as_str(), made.action, made.programmed.as_deref()),
        ("895", Some(DialAction::CallThrough), Some("office"))
    );
    assert_eq!(dialled(&settings, "5", &moment).programmed, None);
    let chosen = programmed(&settings, "plain", "5 5", &moment).unwrap();
    assert_eq!((chosen.number.as_str(), chosen.action), ("55#", None));
    assert_eq!(programmed(&settings, "none", "5", &moment), None);
    // Emergency numbers stay what they are called.
    assert!(programmed(&settings, "plain", "112", &moment).unwrap().emergency);
}

/// Covers: axml.ref.02
#[test]
fn quick_dials_are_read_in_their_order() {
    let (settings, findings) = read(
        "<quickDial><item id=\"1\" key=\"4\"><displayName>Bob &amp; Co</displayName><uri>sip:102@pbx</uri></item>\
         <item id=\"2\" action=\"remove\"/><item id=\"3\"><uri>0301234</uri><portraitUrl>https://x/</portraitUrl></item>\
         <item id=\"4\" key=\"x\"><uri>7</uri></item><item id=\"1\"><uri>8</uri></item><item id=\"5\"><displayName>E</displayName></item></quickDial>",
    );
    let dials: Vec<_> =
        settings.services.quick_dials.iter().map(|q| (q.name.as_str(), q.uri.as_str(), q.key)).collect();
    assert_eq!(dials, [("Bob & Co", "sip:102@pbx", Some(4)), ("0301234", "0301234", None), ("7", "7", None)]);
    let of = |kind| findings.iter().filter(|finding| **finding == ("quickDial/item".to_owned(), kind)).count();
    assert_eq!((of(FindingKind::BadValue), of(FindingKind::Duplicate), of(FindingKind::NotApplicable)), (2, 1, 1));
}

proptest! {
    #[test]
    fn no_answer_panics_and_what_is_shown_is_one_short_line(
        status in 100_u16..700, kind in "(text/html|application/xml|application/json|text/plain|)", body in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let response = FetchResponse { status, headers: vec![("Content-Type".into(), kind)], body };
        if let Ok(balance) = answer::balance(Ok(&response)) {
            prop_assert!(balance.chars().count() <= 40 && !balance.chars().any(char::is_control));
        }
        if let Ok(Some(words)) = answer::callback(Ok(&response)) {
            prop_assert!(words.chars().count() <= 120 && !words.chars().any(char::is_control));
        }
        if let Ok(made) = answer::dial_string(Ok(&response)) {
            prop_assert!(!made.number.is_empty() && made.digits.chars().all(|c| "0123456789*#ABCD,".contains(c)));
        }
    }

    #[test]
    fn no_number_leaves_its_place(number in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
        let nodes = "<wcb_url>https://x.example/a?b=%targetNumber%&amp;c=1</wcb_url><wcb_contentType>application/json</wcb_contentType>\
                     <wcb_postData>{\"a\":\"%targetNumber%\",\"b\":1}</wcb_postData><wcb_customHeaders>X-N: %targetNumber%</wcb_customHeaders>";
        let request = asked(nodes, &number);
        let rest = request.url.strip_prefix("https://x.example/a?b=").and_then(|rest| rest.strip_suffix("&c=1"));
        prop_assert!(rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b))));
        prop_assert!(request.headers.iter().all(|(_, value)| !value.chars().any(char::is_control)));
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        prop_assert_eq!(&body["a"], &serde_json::Value::String(number));
    }
}
