//! What a number becomes and whether a call rings, as an administrator asks it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const ACCOUNT: &str = r##"<account><title>T</title><username>1001</username><password/><host>pbx.example.net</host>
<rewriting>
  <rule><conditions><condition type="startsWith" param="00"/></conditions>
    <actions><action type="replace" param="+"/></actions></rule>
  <rule><conditions><condition type="startsWith" param="0"/><condition type="longerThan" param="3"/></conditions>
    <actions><action type="replace" param="+49"/><action type="continue"/></actions></rule>
  <rule><conditions><condition type="startsWith" param="+49"/><condition type="networkType" param="cellular"/></conditions>
    <actions><action type="append" param="#"/></actions></rule>
</rewriting>
<incomingRewriting><rule><conditions><condition type="startsWith" param="+1900"/></conditions>
  <actions><action type="rejectCall"/></actions></rule></incomingRewriting>
<doNotDisturb gmtOffsetInMinutes="60"><dndEntry><from>22:00</from><to>06:00</to><weekdays>127</weekdays>
  <comment>night</comment></dndEntry></doNotDisturb></account>"##;

fn run(arguments: &[&str], document: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_offhook-lint"))
        .env("TZ", "Europe/Berlin")
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(document.as_bytes());
    child.wait_with_output().unwrap()
}

/// Answers of an account that has these nodes as well.
fn with(nodes: &str, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let document = ACCOUNT.replace("</account>", &format!("{nodes}</account>"));
    let output = run(&[&["--json"], arguments].concat(), &document);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let answers = value["files"][0]["accounts"][0]["answers"].as_array().cloned().unwrap_or_default();
    (output.status.code(), answers, String::from_utf8(output.stderr).unwrap())
}

fn ask(arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    with("", arguments)
}

/// Covers: axml.rew.01, axml.rew.19
#[test]
fn a_dialled_number_is_told_with_the_rules_that_changed_it() {
    let (status, answers, error) = ask(&["--dial", "0445566", "--dial", "0044", "--dial", "112x"]);
    assert_eq!(status, Some(0), "{error}");
    let told: Vec<_> = answers.iter().map(|answer| (&answer["number"], answer["rules"].to_string())).collect();
    assert_eq!(told[0], (&Value::from("+49445566"), "[2]".into()));
    assert_eq!(told[1], (&Value::from("+44"), "[1]".into()));
    assert_eq!(told[2].1, "[]");
    let (_, answers, _) = ask(&["--dial", "0445566", "--network", "cellular"]);
    assert_eq!((&answers[0]["number"], answers[0]["rules"].to_string()), (&Value::from("+49445566#"), "[2,3]".into()));
}

/// Covers: axml.dnd.01, axml.rew.27
#[test]
fn whether_a_call_rings_depends_on_the_time_that_is_asked_for() {
    let result = |arguments: &[&str]| {
        let (status, answers, error) = ask(arguments);
        assert_eq!(status, Some(0), "{error}");
        let text = |key: &str| answers[0][key].as_str().unwrap_or_default().to_owned();
        (text("result"), answers[0]["rings"].as_bool().unwrap(), text("why"))
    };
    let (word, rings, _) = result(&["--ring", "+1222333", "--at", "2026-12-24T09:00"]);
    assert_eq!((word.as_str(), rings), ("rings", true));
    let (word, rings, why) = result(&["--ring", "+1222333", "--at", "2026-12-24T23:30"]);
    assert_eq!((word.as_str(), rings), ("rejected", false));
    assert!(why.contains("night"), "{why}");
    // In summer Berlin is an hour ahead of the schedule's fixed offset.
    assert!(result(&["--ring", "+1222333", "--at", "2026-07-01T22:30"]).1);
    assert!(!result(&["--ring", "+1222333", "--at", "2026-07-01T22:30", "--zone", "UTC"]).1);
    assert_eq!(result(&["--ring", "+1900555", "--at", "2026-12-24T09:00"]).0, "rejected");
}

#[test]
fn a_time_or_a_zone_that_is_none_is_told() {
    for (arguments, word) in [
        (&["--ring", "1", "--at", "yesterday"][..], "--at yesterday"),
        (&["--ring", "1", "--at", "2026-02-30T09:00"], "2026-02-30"),
        (&["--ring", "1", "--zone", "Europe/Atlantis"], "Europe/Atlantis"),
        (&["--dial", "1", "--network", "tin cans"], "tin cans"),
        (&["--dial", "1", "--network", "none"], "none"),
        (&["--dial", "1", "--busy"], "--ring"),
        (&["--at", "2026-12-24T09:00"], "--dial"),
        (&["--ssid", "Cafe"], "--ring"),
        (&["--ring"], "--ring"),
    ] {
        // the last one takes the file for its value, and then there is no file
        let (status, answers, error) = ask(arguments);
        assert_eq!((status, answers.len()), (Some(3), 0), "{arguments:?}: {error}");
        assert!(error.contains(word) || arguments == ["--ring"], "{arguments:?}: {error}");
    }
}

/// Covers: feat.24
#[test]
fn a_call_up_forwarding_and_the_network_count_as_they_do_in_the_phone() {
    let one = |nodes: &str, arguments: &[&str]| {
        let (status, answers, error) = with(nodes, arguments);
        assert_eq!((status, answers.len()), (Some(0), 1), "{error}");
        answers.into_iter().next().unwrap()
    };
    let noon = ["--ring", "77", "--at", "2026-12-24T12:00"];
    let busy = [&noon[..], &["--busy"]].concat();
    let waiting = "<callWaiting>0</callWaiting>";
    assert_eq!(one(waiting, &noon)["result"], "rings");
    assert_eq!(one("", &busy)["result"], "rings");
    let answer = one(waiting, &busy);
    assert_eq!((&answer["result"], &answer["status"]), (&"rejected".into(), &486.into()));
    // nobody is answered by itself while somebody is talking
    let automatic = "<appInitiatedAutoAnswerEnabled>1</appInitiatedAutoAnswerEnabled>";
    assert_eq!(one(automatic, &noon)["result"], "answers");
    assert_eq!(one(automatic, &busy)["result"], "rings");
    let answer = one("<forwardingEnabled>1</forwardingEnabled><forwardingNumber>102</forwardingNumber>", &noon);
    assert_eq!((&answer["result"], &answer["target"]), (&"forwarded".into(), &"102".into()));
    let cafe = "<rewriting><rule><conditions><condition type=\"ssid\" param=\"Cafe\"/></conditions>\
                <actions><action type=\"prepend\" param=\"9\"/></actions></rule></rewriting>";
    let document = ACCOUNT.split("<rewriting>").next().unwrap().to_owned() + cafe + "</account>";
    for (ssid, number) in [("Cafe", "955"), ("Home", "55")] {
        let output = run(&["--json", "--dial", "55", "--network", "wifi", "--ssid", ssid], &document);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["files"][0]["accounts"][0]["answers"][0]["number"], number, "{ssid}");
    }
}

#[test]
fn a_refused_document_answers_nothing_and_several_accounts_answer_by_name() {
    let output = run(&["--quiet", "--dial", "1"], "<account><title>T</title></account>");
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("dial 1"));
    let account = |title: &str, prefix: &str| {
        ACCOUNT
            .replace(">T<", &format!(">{title}<"))
            .replace(">1001<", &format!(">{title}<"))
            .replace("param=\"+49\"", &format!("param=\"{prefix}\""))
    };
    let both = format!("<accounts>{}{}</accounts>", account("Berlin", "+49"), account("Wien", "+43"));
    let output = run(&["--quiet", "--dial", "0445566"], &both);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        "Berlin: dial 0445566: calls +49445566, by rule 2\nWien: dial 0445566: calls +43445566, by rule 2\n"
    );
}
