//! The tool as a library: the phone's own verdict on every document of the corpora, with a remedy for each mistake.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use offhook_account::inspect::{Inspection, Severity};
use offhook_account::{Document, Settings, inspect};
use offhook_lint::{Checked, Status, effective, json, json_schema, status, text};
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;
use std::sync::LazyLock;

const LEAST: &str = "<username>1001</username><password>s3cret-PW</password><host>pbx.example.net</host>";

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/xml");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

fn of(nodes: &str) -> Inspection {
    inspect(format!("<account>\n{LEAST}\n{nodes}\n</account>").as_bytes())
}

fn printed(inspection: Inspection) -> String {
    let status = status(&inspection, false);
    let answers = Vec::new();
    text::report(&Checked { name: "a.xml".into(), inspection, status, answers }, true, false)
}

#[test]
fn the_verdict_is_the_phones_for_every_document_of_the_corpora() {
    let files = corpus();
    assert!(files.len() > 70, "{}", files.len());
    for (name, bytes) in files {
        let inspection = inspect(&bytes);
        assert_eq!(inspection.accepted(), Document::parse(&bytes).is_ok(), "{name}");
        let expected = match name.as_bytes()[0] {
            b'n' => Status::Mistakes,
            b'r' => Status::Refused,
            _ => Status::Good,
        };
        let exact = !name.starts_with('a') && !["n20", "r26"].iter().any(|odd| name.starts_with(odd));
        if exact {
            assert_eq!(status(&inspection, true), expected, "{name}: {:?}", inspection.mistakes);
        }
    }
}

#[test]
fn every_mistake_has_a_place_and_a_remedy_that_fits() {
    for (name, bytes) in corpus() {
        for mistake in inspect(&bytes).mistakes.iter().filter(|mistake| mistake.severity > Severity::Warning) {
            assert!(!mistake.remedy.is_empty() && !mistake.what.is_empty(), "{name}: {mistake:?}");
            let whole = ["too large", "larger than", "document is empty"].iter().any(|w| mistake.what.contains(w));
            assert!(mistake.line > 0 || whole, "{name}: {mistake:?}");
            // The last words of the table are for a document that is something else, and for nothing more.
            let last = mistake.remedy.starts_with("the document is <account>");
            assert!(!last || name.starts_with("r05"), "{name}: {mistake:?}");
        }
    }
    for (nodes, remedy) in [
        ("<expires>10</expires>", "take <expires> out to have 600"),
        ("<callwaiting>1</callwaiting>", "write <callWaiting>"),
        ("<extProvUrl>https://h/?a=1&b=2</extProvUrl>", "&amp;"),
        ("<host>again</host>", "take this one out"),
        ("<outboundProxy_enabled>1</outboundProxy_enabled>", "add <outboundProxy_host>"),
        ("<forwardingEnabled>1</forwardingEnabled>", "add <forwardingNumber>"),
        ("<rtpPortRangeStart>65535</rtpPortRangeStart>", "rtpPortRangeStart + 3"),
        ("<opusOptions.fec>1</opusOptions.fec>", "<opusOptions.class/>"),
        ("<ptime>25</ptime>", "write 10, 20"),
        ("<listeningPort>80</listeningPort>", "write 0 or 1025"),
        ("<transport>UDP</transport>", "write udp"),
        ("<title priority=\"high\">x</title>", "priority=\"50\""),
        ("<headers><header name=\"Via\" value=\"x\"/></headers>", "another header name"),
        ("<blf>102</blf>", "<uri>"),
        ("<extProvUrl>https://h/%account[pasword]%</extProvUrl>", "name a node"),
        ("<extProvUrl>http://h/%account[password]%</extProvUrl>", "https"),
        ("<extProvUrl>ftp://h/</extProvUrl>", "http"),
        ("<genericBalanceCheckUrl>https://h/?u=%usrname%</genericBalanceCheckUrl>", "write one of %username%"),
        ("<customActionUrl>https://h/?u=%targetNumer%</customActionUrl>", "write one of %uri%, %targetNumber%"),
    ] {
        let mistakes = of(nodes).mistakes;
        assert!(mistakes.iter().any(|mistake| mistake.remedy.contains(remedy)), "{nodes}: {mistakes:?}");
    }
    assert!(of("<extProvUrl>http://127.0.0.1/%account[password]%</extProvUrl>").worst() < Some(Severity::Mistake));
}

#[test]
fn one_look_names_everything_that_is_wrong_with_a_refused_account() {
    let inspection =
        inspect(b"<account>\n<username>a b</username>\n<host>x y</host>\n<expires>1</expires>\n</account>");
    let places: Vec<_> = inspection.mistakes.iter().map(|m| (m.line, m.node.as_str(), m.severity)).collect();
    for expected in [
        (1, "password", Severity::Refused),
        (2, "username", Severity::Refused),
        (3, "host", Severity::Refused),
        (4, "expires", Severity::Mistake),
    ] {
        assert!(places.contains(&expected), "{expected:?} not in {places:?}");
    }
    assert!(!inspection.accepted());
}

#[test]
fn every_account_of_a_document_is_looked_into() {
    let second = LEAST.replace("1001", "1002");
    let text =
        format!("<accounts><account>{LEAST}</account>\n<account>{second}<expires>1</expires></account></accounts>");
    let inspection = inspect(text.as_bytes());
    assert_eq!(inspection.accounts.len(), 2);
    assert_eq!(inspection.accounts[1].settings.username, "1002");
    assert!(inspection.mistakes.iter().any(|m| m.node == "expires" && m.line == 2), "{:?}", inspection.mistakes);
}

#[test]
fn what_will_be_in_effect_is_shown_and_secrets_are_not() {
    let inspection = of("<expires>120</expires><callWaiting>0</callWaiting><cardDavPassword>geheim</cardDavPassword>\
         <codecOrder>18,8,0</codecOrder><transport>tls</transport><allowVideo>1</allowVideo><apiPass>geheim</apiPass>");
    let out = printed(inspection.clone());
    let value = |node: &str| {
        let line = out.lines().find(|line| line.trim_start().starts_with(&format!("{node} "))).expect(node);
        line.trim_start().trim_start_matches(node).trim().to_owned()
    };
    assert_eq!(value("expires"), "120");
    assert_eq!(value("callWaiting"), "0");
    assert_eq!(value("codecOrder"), "8,0");
    assert_eq!(value("transport"), "tls  (accepted, not yet in effect)");
    assert_eq!(value("ptime"), "20  (default)");
    assert_eq!(value("password"), "***");
    assert!(out.contains("kept, without a meaning on a desk phone: allowVideo"), "{out}");
    assert!(out.contains("unknown, kept: apiPass"), "{out}");
    let status = status(&inspection, false);
    let values =
        json::report(&[Checked { name: "x".into(), inspection, status, answers: Vec::new() }], true).to_string();
    for text in [out, values] {
        assert!(!text.contains("geheim") && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn real_scripts_are_understood() {
    // As public scripts of PBX operators emit it: a bare ampersand, the colon of tls+sip:, own keys in URLs.
    let inspection = of("<transport>tls+sip:</transport><apiUser>ann</apiUser><extProvInterval>3600</extProvInterval>\
         <extProvUrl>https://pbx.example.net/p.php?u=%account[username]%&k=%account[apiUser]%</extProvUrl>\
         <blf><uri>101</uri><uri>102</uri></blf>");
    assert!(inspection.accepted());
    assert_eq!((status(&inspection, false), status(&inspection, true)), (Status::Good, Status::Mistakes));
}

#[test]
fn a_document_cannot_command_the_terminal() {
    let out = printed(of("<userDisplayName>\u{9b}2J\u{7f}</userDisplayName><title>a&#10;b&#13;c</title>"));
    assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
}

/// The keywords that the schema uses; a pattern is the table's business and tested there.
fn conforms(schema: &Value, root: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        return conforms(&root["$defs"][name.strip_prefix("#/$defs/").unwrap()], root, value, place);
    }
    match schema["type"].as_str() {
        Some("object") => assert!(value.is_object(), "{place}: {value}"),
        Some("array") => assert!(value.is_array(), "{place}: {value}"),
        Some("string") => assert!(value.is_string(), "{place}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{place}: {value}"),
        Some("integer") => assert!(value.is_i64(), "{place}: {value}"),
        None if schema["enum"].is_array() => {}
        other => panic!("{place}: {other:?}"),
    }
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{place}: {value}");
    }
    if let (Some(min), Some(max)) = (schema["minimum"].as_i64(), schema["maximum"].as_i64()) {
        assert!((min..=max).contains(&value.as_i64().unwrap()), "{place}: {value}");
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(required.as_str().unwrap()).is_some(), "{place}: {required}");
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        if let Some(schema) = schema["properties"].get(name) {
            conforms(schema, root, value, &format!("{place}.{name}"));
        }
    }
    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
        conforms(&schema["items"], root, value, &format!("{place}[{at}]"));
    }
}

static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema::account);

fn check(bytes: &[u8]) {
    let inspection = inspect(bytes);
    assert_eq!(inspection.accepted(), Document::parse(bytes).is_ok());
    let schema = &*SCHEMA;
    if inspection.accepted() {
        for account in &inspection.accounts {
            if account.settings.username.is_empty() {
                continue;
            }
            for all in [true, false] {
                conforms(schema, schema, &json::values(account, all), "account");
            }
            let (again, _) = Settings::of(&effective::spelt_out(&account.document, &account.settings));
            assert_eq!(again, account.settings);
        }
    }
    let out = printed(inspection);
    assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
}

#[test]
fn values_fit_the_schema_and_spelt_out_they_give_the_same_settings() {
    for (_, bytes) in corpus() {
        check(&bytes);
    }
    for nodes in [
        "<opusOptions.class>fb</opusOptions.class>",
        "<opusOptions.class/><opusOptions.bitrate>-1</opusOptions.bitrate><opusOptions.complexity>0</opusOptions.complexity>",
        "<opusOptions><class/><fec>1</fec></opusOptions><opusOptions.fec>0</opusOptions.fec>",
        "<transport>tls</transport><outboundProxy_enabled>1</outboundProxy_enabled><outboundProxy_host>o</outboundProxy_host>",
        "<incomingDisabled>1</incomingDisabled>",
        "<pushMethod>tunnel</pushMethod><icm_auto>0</icm_auto>",
        "<bgrEnabled>1</bgrEnabled>",
        "<contactIP>static</contactIP>",
        "<listeningPort>0</listeningPort><forwardingEnabled>1</forwardingEnabled>",
        "<rtpPortRangeStart>20000</rtpPortRangeStart><rtpPortRangeEnd>100</rtpPortRangeEnd>",
        "<blf><uri label=\"B\" key=\"2\">102</uri><x/></blf><headers><header name=\"X-A\" value=\"%account[username]%\"/></headers>",
        "<authUsername/><codecOrder>18</codecOrder><ptime>25</ptime>",
        "<rewriting><rule><conditions><condition type=\"startsWith\" param=\"0\"/></conditions></rule></rewriting>",
        "<doNotDisturb gmtOffsetInMinutes=\"60\"><dndEntry><from>22:00</from><to>06:00</to></dndEntry></doNotDisturb>",
    ] {
        check(format!("<account>{LEAST}{nodes}</account>").as_bytes());
    }
}

/// Documents of the corpora with a few octets changed, and nodes of the table with any value.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> =
        corpus().into_iter().map(|(_, bytes)| bytes).filter(|bytes| bytes.len() < 20_000).collect();
    let changed =
        (prop::sample::select(files), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4))
            .prop_map(|(mut bytes, changes)| {
                for (at, to) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                    let at = at.index(bytes.len());
                    bytes[at] = *to;
                }
                bytes
            });
    let names: Vec<&str> = effective::rows().map(|row| row.node).collect();
    let text =
        prop_oneof!["[0-9]{1,6}", "[a-z:+0-9,.@-]{0,12}", Just(String::new()), "1|0", "static|tls|wss|off|nb|fb"];
    let nodes = prop::collection::vec((prop::sample::select(names), text), 0..12).prop_map(|nodes| {
        let nodes: String = nodes.iter().map(|(name, text)| format!("<{name}>{text}</{name}>")).collect();
        format!("<account>{LEAST}{nodes}</account>").into_bytes()
    });
    prop_oneof![changed, nodes]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn any_document_is_judged_as_the_phone_does_and_its_values_fit_the_schema(bytes in documents()) {
        check(&bytes);
    }
}

#[test]
fn the_schema_has_every_row_of_the_table_and_its_page_is_up_to_date() {
    let schema = json_schema::account();
    let whole = schema.to_string();
    for row in offhook_account::schema::rows().iter().filter(|row| !row.node.contains('(') && !row.node.contains('%')) {
        let general = row.node.starts_with('*') || row.id == "axml.root.01" || row.id == "axml.root.02";
        assert!(general || whole.contains(&format!("\"x-row\":\"{}\"", row.id)), "{}", row.id);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/account.schema.json");
    let text = format!("{schema:#}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == text,
        "docs/account.schema.json is stale: UPDATE_DOCS=1 cargo test -p offhook-lint schema"
    );
}
