//! Bodies of NOTIFY: round trips, documents as PBXs send them, and hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_sip::Message;
use offhook_sip::event_package::{Counts, Dialog, DialogInfo, DialogState, Direction, MAX_BODY, MessageSummary};
use proptest::prelude::*;

const CORPORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/");

const HEAD: &str =
    r#"<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="full" entity="sip:100@pbx">"#;

fn parse(inner: &str) -> Result<DialogInfo, offhook_sip::event_package::DialogInfoError> {
    DialogInfo::parse(format!("{HEAD}{inner}</dialog-info>").as_bytes())
}

fn body_of(file: &str) -> Vec<u8> {
    match Message::parse(&std::fs::read(format!("{CORPORA}{file}")).unwrap()).unwrap() {
        Message::Request(request) => request.body,
        Message::Response(_) => panic!("{file}"),
    }
}

#[test]
fn a_dialog_of_rfc_4235_is_read_with_its_other_party() {
    let info = parse(
        r#"<!-- ringing -->
        <dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag='456887766'
                direction="recipient" x:new="1">
          <state event="remote-busy" code="486">early</state>
          <duration>12</duration>
          <local><identity display="Me">sip:100@pbx</identity><target uri="sip:100@10.0.0.1"/></local>
          <remote><identity display="Tom &amp; &quot;Jerry&#34; &#x42F;"><![CDATA[sip:101@pbx]]></identity>
            <target uri="sip:101@10.0.0.2"><param pname="+sip.rendering" pval="no"/></target></remote>
        </dialog>"#,
    )
    .unwrap();
    assert_eq!((info.version, info.full, info.entity.as_str()), (7, true, "sip:100@pbx"));
    assert_eq!(
        info.dialogs,
        [Dialog {
            id: "as7d900as8".into(),
            call_id: Some("a84b4c76e66710".into()),
            local_tag: Some("1928301774".into()),
            remote_tag: Some("456887766".into()),
            direction: Some(Direction::Recipient),
            state: DialogState::Early,
            remote_identity: Some("sip:101@pbx".into()),
            remote_display: Some("Tom & \"Jerry\" Я".into()),
        }]
    );
}

#[test]
fn namespace_prefixes_and_a_byte_order_mark_are_tolerated() {
    let text = "\u{feff}<?xml version='1.0'?>\r\n<d:dialog-info xmlns:d='urn:ietf:params:xml:ns:dialog-info' version='0' \
        state='partial' entity='sip:a@b'><d:dialog id='1'><d:state>terminated</d:state></d:dialog></d:dialog-info>\r\n";
    let info = DialogInfo::parse(text.as_bytes()).unwrap();
    assert!(!info.full);
    assert_eq!(info.dialogs[0].state, DialogState::Terminated);
}

#[test]
fn a_document_without_dialogs_is_an_idle_line() {
    let info = DialogInfo::parse(&body_of("sip-own/o07_notify_fake_blf.sip")).unwrap();
    assert_eq!((info.version, info.full, info.dialogs.len()), (1, true, 0));
}

#[test]
fn documents_that_are_no_documents_are_refused_as_a_whole() {
    let dialog = r#"<dialog id="1"><state>early</state></dialog>"#;
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "nothing"),
        (HEAD.to_owned(), "no end"),
        (format!("{HEAD}{dialog}"), "no end tag of the root"),
        (format!("{HEAD}{dialog}</dialog-info"), "cut in a tag"),
        (format!("{HEAD}{dialog}</dialog-info><x/>"), "two roots"),
        (format!("{HEAD}{dialog}</dialog-info>x"), "text behind the root"),
        (format!("{HEAD}</dialog>{dialog}</dialog-info>"), "mismatched tags"),
        (format!("<!DOCTYPE x [<!ENTITY a \"b\">]>{HEAD}</dialog-info>"), "a DTD"),
        (format!("{HEAD}&a;</dialog-info>"), "an entity"),
        (format!("{HEAD}&#0;</dialog-info>"), "NUL by reference"),
        (format!("{HEAD}&#xD800;</dialog-info>"), "a surrogate by reference"),
        (format!("{HEAD}&#+65;</dialog-info>"), "a signed reference"),
        (format!("{HEAD}a & b</dialog-info>"), "a bare ampersand"),
        (format!("{HEAD}\u{1}</dialog-info>"), "a control character"),
        (format!("{HEAD}<dialog><state>early</state></dialog></dialog-info>"), "a dialog without id"),
        (format!("{HEAD}<dialog id='1'/></dialog-info>"), "a dialog without state"),
        (format!("{HEAD}<dialog id='1'><state>asleep</state></dialog></dialog-info>"), "an unknown state"),
        (format!("{HEAD}<dialog id=1><state>early</state></dialog></dialog-info>"), "a bare attribute value"),
        (format!("{HEAD}<dialog id='1'a='2'><state>early</state></dialog></dialog-info>"), "attributes stuck together"),
        ("<presence/>".to_owned(), "another document"),
        (HEAD.replace("version=\"7\"", "version=\"4294967296\"") + "</dialog-info>", "a version past 32 bits"),
        (HEAD.replace("entity", "other") + "</dialog-info>", "no entity"),
        (HEAD.replace("full", "half") + "</dialog-info>", "an unknown document state"),
    ];
    for (text, what) in cases {
        let error = DialogInfo::parse(text.as_bytes()).expect_err(what);
        assert!(error.at <= text.len(), "{what}: {error}");
    }
    assert!(DialogInfo::parse(b"<dialog-info version='0' state='full' entity='\xff'/>").is_err(), "no UTF-8");
}

#[test]
fn size_count_depth_and_attributes_are_bounded() {
    let dialog = r#"<dialog id="1"><state>early</state></dialog>"#;
    assert_eq!(parse(&dialog.repeat(256)).unwrap().dialogs.len(), 256);
    assert_eq!(parse(&dialog.repeat(257)).unwrap_err().reason, "too many dialogs");
    assert_eq!(parse(&" ".repeat(MAX_BODY)).unwrap_err().reason, "too large");
    assert_eq!(parse(&"<a>".repeat(20_000)).unwrap_err().reason, "nested too deeply");
    let attributes: String = (0..65).map(|n| format!(" a{n}='1'")).collect();
    assert_eq!(parse(&format!("<a{attributes}/>")).unwrap_err().reason, "too many attributes");
}

#[test]
fn time_to_read_grows_with_the_size_and_not_with_its_square() {
    // A reader that looks ahead from every octet would need 10^9 steps for each of these.
    for piece in ["&amp;", "<a/>", "<!-- -->", "<![CDATA[]]>", "<a b='c'/>", "]]>", "&", "<"] {
        let started = std::time::Instant::now();
        let _ = parse(&piece.repeat(60_000 / piece.len()));
        assert!(started.elapsed().as_millis() < 500, "{piece}");
    }
}

#[test]
fn summary_of_rfc_3842_is_read() {
    let text = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n\r\n\
        To: <alice@atlanta.example.com>\r\nMessages-Waiting: no\r\n";
    let summary = MessageSummary::parse(text.as_bytes()).unwrap();
    let voice = Some(Counts { new: 2, old: 8, new_urgent: 0, old_urgent: 2 });
    assert_eq!(summary, MessageSummary { waiting: true, account: Some("sip:alice@vmail.example.com".into()), voice });
}

#[test]
fn summaries_with_odd_spelling_are_read_and_senseless_ones_are_not() {
    let parse = |text: &str| MessageSummary::parse(text.as_bytes());
    assert!(parse("messages-waiting:NO\n").is_some_and(|s| !s.waiting && s.voice.is_none()));
    assert_eq!(parse("Messages-Waiting : yes\nvoice-message : 1 / 0\n").unwrap().voice.unwrap().new, 1);
    assert_eq!(parse("Messages-Waiting: yes\nVoice-Message: many\n").unwrap().voice, None);
    assert_eq!(parse("Voice-Message: 1/0\n"), None);
    assert_eq!(parse("Messages-Waiting: perhaps\n"), None);
    assert_eq!(parse(""), None);
    assert_eq!(parse(&format!("Messages-Waiting: yes\n{}", "x".repeat(MAX_BODY))), None);
}

#[test]
fn a_count_past_32_bits_is_counted_safely() {
    let summary = MessageSummary::parse(&body_of("sip-own/o08_mwi_fake.sip")).unwrap();
    assert_eq!(summary.voice.unwrap().new, u32::MAX);
}

/// Any text that XML can hold.
fn text() -> impl Strategy<Value = String> {
    "[ -~\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}\t\r\n]{0,20}"
}

fn dialog() -> impl Strategy<Value = Dialog> {
    let states = [
        DialogState::Trying,
        DialogState::Proceeding,
        DialogState::Early,
        DialogState::Confirmed,
        DialogState::Terminated,
    ];
    let directions = [None, Some(Direction::Initiator), Some(Direction::Recipient)];
    let identity = proptest::option::of("[!-~\u{e4}]([ -~\u{e4}]{0,20}[!-~])?");
    let optional = || proptest::option::of(text());
    (
        (text(), optional(), optional(), optional()),
        proptest::sample::select(directions.to_vec()),
        proptest::sample::select(states.to_vec()),
        identity,
        optional(),
    )
        .prop_map(|((id, call_id, local_tag, remote_tag), direction, state, remote_identity, remote_display)| {
            Dialog { id, call_id, local_tag, remote_tag, direction, state, remote_identity, remote_display }
        })
}

proptest! {
    #[test]
    fn dialog_info_is_read_back_as_it_was_written(
        version: u32, full: bool, entity in text(), dialogs in proptest::collection::vec(dialog(), 0..6),
    ) {
        let info = DialogInfo { version, full, entity, dialogs };
        prop_assert_eq!(DialogInfo::parse(&info.to_xml()).unwrap(), info);
    }

    #[test]
    fn message_summary_is_read_back_as_it_was_written(
        waiting: bool, account in proptest::option::of("[!-~]([ -~]{0,30}[!-~])?"),
        voice in proptest::option::of(any::<[u32; 4]>()),
    ) {
        let voice = voice.map(|[new, old, new_urgent, old_urgent]| Counts { new, old, new_urgent, old_urgent });
        let summary = MessageSummary { waiting, account, voice };
        prop_assert_eq!(MessageSummary::parse(&summary.to_bytes()).unwrap(), summary);
    }

    #[test]
    fn nothing_that_arrives_makes_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = DialogInfo::parse(&bytes);
        let _ = MessageSummary::parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_document_makes_the_reader_panic(at in 0_usize..600, with in "[<>&;\"'/a\u{0}\u{e9}]{0,4}", cut in 0_usize..8) {
        let dialog = Dialog {
            id: "1".into(), call_id: Some("c&d".into()), local_tag: None, remote_tag: Some("x".into()),
            direction: Some(Direction::Initiator), state: DialogState::Confirmed,
            remote_identity: Some("sip:101@pbx".into()), remote_display: Some("Ä".into()),
        };
        let mut bytes = DialogInfo { version: 1, full: true, entity: "sip:a@b".into(), dialogs: vec![dialog.clone(), dialog] }.to_xml();
        let at = at.min(bytes.len());
        bytes.splice(at..(at + cut).min(bytes.len()), with.bytes());
        if let Err(error) = DialogInfo::parse(&bytes) {
            prop_assert!(error.at <= bytes.len());
        }
    }
}
