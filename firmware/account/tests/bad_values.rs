//! Wrong types for every row of the table, wherever it stands in a document, and a real document cut at every octet.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use offhook_account::document::FindingKind;
use offhook_account::inspect::Severity;
use offhook_account::schema::{self, Kind, Row};
use offhook_account::{Document, Settings, inspect};

const LEAST: &str = "<title>T</title><username>1001</username><password>pw</password><host>pbx.example.net</host>";

/// Texts that are no value of this kind; of free text nothing is wrong.
fn wrong(kind: Kind) -> Vec<String> {
    let all = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    match kind {
        Kind::Text | Kind::Container => Vec::new(),
        Kind::Secret => all(&["a\u{9}b", "a&#10;b"]),
        Kind::Bool => all(&["2", "-1", "yes", "on", "0x1", "1.0", "\u{661}"]),
        Kind::Integer { min, max } => {
            let mut texts = all(&["many", "1e3", "0x10", "1.5", "99999999999999999999", "\u{661}", "+1", "--1"]);
            // A rank is read as Rust reads a number.
            texts.retain(|text| text != "+1" || (min, max) != (0, 4_294_967_295));
            texts.extend([min.checked_sub(1), max.checked_add(1)].into_iter().flatten().map(|n| n.to_string()));
            texts
        }
        Kind::Choice(_) => all(&["sideways", "0;1", "\u{661}"]),
        Kind::List(_) => all(&["sideways", ";", "0 8 9 10", "\u{661}"]),
        Kind::HostPort => {
            all(&["a b", "h:0", "h:65536", "h:x", "::1", "[::1", "-h", "h..x", "h/x", "h;x", "a@b", "b\u{fc}ro"])
        }
        Kind::Url => all(&["h/x", "ftp://h", "http://", "https:///x", "http://a b", "javascript:1", "//h"]),
        Kind::DialString => all(&["1;rm", "sip:", "a b", "&lt;1&gt;", "1&#10;2", "x@y z"]),
        Kind::Tone => all(&["beep", "sine()", "sine(1,1", "wav(x)", "silence(1,2)", "exec(1)"]),
    }
}

/// A document with this text where the row stands; `None` for rows that are no place in a document.
fn placed(row: &Row, text: &str) -> Option<String> {
    let quoted = text.replace('"', "&quot;");
    let nodes = match row.node {
        "account" | "accounts" => return None,
        "username" | "host" | "password" | "title" => {
            let start = LEAST.find(&format!("<{}>", row.node))?;
            let end = LEAST.find(&format!("</{}>", row.node))?;
            let open = row.node.len() + 2;
            return Some(format!("<account>{}{text}{}</account>", &LEAST[..start + open], &LEAST[end..]));
        }
        path if path.starts_with('*') => format!("<expires {}=\"{quoted}\">60</expires>", path.strip_prefix("*@")?),
        path if path.contains('[') => {
            // condition[startsWith]
            let (part, word) = path.strip_suffix(']')?.split_once('[')?;
            let list = if part == "condition" { "conditions" } else { "actions" };
            let around = if row.id == "axml.rew.28" { "incomingRewriting" } else { "rewriting" };
            format!("<{around}><rule><{list}><{part} type=\"{word}\" param=\"{quoted}\"/></{list}></rule></{around}>")
        }
        path if path.contains(['(', '%']) => return None,
        path => {
            let (path, attribute) = match path.split_once('@') {
                Some((path, attribute)) => (path, Some(attribute)),
                None => (path, None),
            };
            let names: Vec<&str> = path.split('/').collect();
            let (last, outer) = names.split_last()?;
            let open: String = outer.iter().map(|name| format!("<{name}>")).collect();
            let close: String = outer.iter().rev().map(|name| format!("</{name}>")).collect();
            match attribute {
                Some(attribute) => format!("{open}<{last} {attribute}=\"{quoted}\"/>{close}"),
                None => format!("{open}<{last}>{text}</{last}>{close}"),
            }
        }
    };
    Some(format!("<account>{LEAST}{nodes}</account>"))
}

#[test]
fn every_wrong_type_of_every_row_is_told_with_its_place_and_leaves_the_default() {
    let plain = Settings::of(&Document::parse(format!("<account>{LEAST}</account>").as_bytes()).unwrap().0).0;
    let (mut tried, mut refused) = (0, 0);
    let mut wrongs = Vec::new();
    for row in schema::rows() {
        // Rows whose feature is to come are kept as they are below the first level: nothing reads them yet.
        let nested = row.node.contains(['/', '@', '[']) && !row.node.starts_with('*');
        if nested && row.effect != schema::Effect::Acts {
            continue;
        }
        for text in wrong(row.kind) {
            // A host without a scheme is an https address there (C-21).
            if row.id == "axml.dav.02" && ["h/x", "javascript:1"].contains(&text.as_str()) {
                continue;
            }
            let Some(document) = placed(row, &text) else { continue };
            tried += 1;
            let mut check = |right: bool, what: &str| {
                if !right {
                    wrongs.push(format!("{} = {text:?}: {what}", row.node));
                }
            };
            match Document::parse(document.as_bytes()) {
                Ok((document, findings)) => {
                    let told = [FindingKind::BadValue, FindingKind::Repaired];
                    check(findings.iter().any(|f| told.contains(&f.kind) && f.line == 1), "is not told");
                    if !nested && !row.node.starts_with('*') {
                        check(Settings::of(&document).0 == plain, "does not leave the default");
                    }
                }
                Err(rejection) => {
                    refused += 1;
                    check(["username", "host", "password"].contains(&row.node), "refuses the document");
                    check(rejection.line == 1, "has no place");
                }
            }
            check(inspect(document.as_bytes()).worst() >= Some(Severity::Warning), "is nothing to look at");
        }
    }
    assert!(wrongs.is_empty(), "{wrongs:#?}");
    assert!(tried > 500 && refused >= 10, "{tried} {refused}");
}

/// What a PBX writes: nodes of the table with their defaults, comments, lists, attributes, characters of all lengths.
fn real() -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- desk 12 -->\n<account>\n");
    text.push_str(LEAST);
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
    let own =
        |row: &&Row| plain(row.node) && row.kind != Kind::Container && !LEAST.contains(&format!("<{}>", row.node));
    for row in schema::rows().iter().filter(own).step_by(4) {
        text.push_str(&format!("\n  <{0} priority=\"20\">{1}</{0}>", row.node, row.default));
    }
    text.push_str(
        "\n  <blf operation=\"subnode-union\"><uri label=\"J\u{f6}rg &amp; \u{1f4de}\">102</uri><uri>103</uri></blf>\
         <note><![CDATA[a < b]]></note><ownUrl>https://h/?a=1&b=2</ownUrl>\n</account>\n",
    );
    text
}

#[test]
fn a_real_document_cut_at_any_octet_is_refused_with_its_place() {
    let text = real();
    let bytes = text.as_bytes();
    assert!(bytes.len() > 2000 && Document::parse(bytes).is_ok(), "{} octets", bytes.len());
    let end = text.find("</account>").unwrap() + "</account>".len();
    for length in 0..end {
        let rejection = Document::parse(&bytes[..length]).expect_err("a document that was cut off");
        assert!(rejection.line > 0 || length < 60, "cut at {length}: {rejection}");
        // As an administrator is told it.
        if length % 97 == 0 {
            let inspection = inspect(&bytes[..length]);
            assert!(!inspection.accepted() && inspection.mistakes.iter().all(|m| !m.remedy.is_empty()), "{length}");
        }
    }
    for length in end..bytes.len() {
        assert!(Document::parse(&bytes[..length]).is_ok(), "cut at {length}");
    }
}
