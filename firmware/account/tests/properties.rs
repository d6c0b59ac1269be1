//! What must hold for any input: no panic, a round trip, and a machine that neither loops nor forgets to wake.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document, Layers, Provisioner, Settings,
    document::Node,
    layers::Source,
    provisioner::{FetchError, FetchResponse, Input, Output},
    report, schema,
    template::{Device, Values, expand_url, without_secrets},
};
use proptest::prelude::*;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/xml");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read(file).unwrap()).filter(|bytes| bytes.len() < 20_000).collect()
    })
}

/// A corpus document with some octets changed, cut out, or copied in from another one.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits =
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0_u8..5), 0..6);
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), edits).prop_map(|(which, other, edits)| {
        let mut bytes = which.get(corpus()).clone();
        let other = other.get(corpus());
        for (at, to, octet, edit) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = octet,
                1 => bytes.insert(at, b"<>&;\"'/!?[]-="[usize::from(octet) % 13]),
                2 => drop(bytes.drain(at..(at + to.index(40)).min(bytes.len()))),
                3 if !other.is_empty() => {
                    let from = to.index(other.len());
                    let piece = other[from..(from + usize::from(octet)).min(other.len())].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

fn round_trips(document: &Document) {
    let text = document.to_xml();
    let (again, _) = Document::parse(text.as_bytes()).unwrap_or_else(|rejection| panic!("{rejection}\n{text}"));
    assert_eq!(document.nodes.len(), again.nodes.len(), "{text}");
    assert!(document.nodes.iter().zip(&again.nodes).all(|(a, b)| a.same(b)), "{text}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\n\t]{0,20}",
        "[&<>\"';#a-z0-9]{0,20}",
        "\\PC{0,8}",
        prop::sample::select(vec![
            "1",
            "0",
            "-1",
            "99999999999999999999",
            "tls+sip:",
            "periodic(sine(1,1,1))",
            "9,0,8"
        ])
        .prop_map(str::to_owned),
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let known: Vec<String> = schema::rows().iter().map(|row| row.node.to_owned()).collect();
    let name = prop_oneof![
        prop::sample::select(known).prop_filter("an element name", |name| name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')),
        "[a-z][a-zA-Z0-9_.-]{0,8}",
    ];
    let attributes = prop::collection::vec(("[a-z]{1,6}", text()), 0..3);
    (name, attributes, text(), prop::collection::vec(("[a-z]{1,5}", text()), 0..4)).prop_map(
        |(name, attributes, text, children)| {
            let mut node = Node::with_text(&name, &text);
            for (name, value) in attributes {
                if node.attribute(&name).is_none() {
                    node.attributes.push((name, value));
                }
            }
            node.children = children.iter().map(|(name, text)| Node::with_text(name, text)).collect();
            if !node.children.is_empty() {
                node.text = node.text.trim().to_owned();
            }
            node
        },
    )
}

fn document() -> impl Strategy<Value = Document> {
    prop::collection::vec(node(), 0..12).prop_map(|nodes| {
        let mut all =
            vec![Node::with_text("username", "u"), Node::with_text("host", "h"), Node::with_text("password", "p")];
        all.extend(nodes);
        Document { nodes: all }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn parsing_never_panics_and_what_is_accepted_comes_back(bytes in mutated()) {
        match Document::parse(&bytes) {
            Ok((document, findings)) => {
                let (settings, _) = Settings::of(&document);
                prop_assert!(!settings.username.chars().chain(settings.host.chars()).any(char::is_control));
                prop_assert!(!settings.username.is_empty() && !settings.host.is_empty());
                for header in &settings.headers {
                    prop_assert!(!header.value.chars().any(char::is_control));
                }
                let _ = report(&document, &findings);
                round_trips(&document);
            }
            Err(rejection) => prop_assert!(!rejection.reason.chars().any(char::is_control)),
        }
    }

    #[test]
    fn any_octets_are_parsed_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Document::parse(&bytes);
        let _ = Layers::restore(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn settings_are_total_and_within_their_limits(document in document()) {
        let (settings, _) = Settings::of(&document);
        prop_assert!(settings.expires >= 30 && settings.subscription_expires >= 30);
        prop_assert!((10..=60).contains(&settings.ptime) && settings.ptime % 10 == 0);
        prop_assert!(settings.rtp_ports.0 >= 1025 && settings.rtp_ports.1 - settings.rtp_ports.0 >= 3);
        prop_assert!(!settings.codec_order.is_empty() && !settings.dtmf_order.is_empty());
        prop_assert!(settings.keep_alive.is_none_or(|period| period >= Duration::from_secs(5)));
    }

    #[test]
    fn written_documents_are_read_again(document in document()) {
        round_trips(&document);
    }

    #[test]
    fn layers_come_back_from_their_octets(
        steps in prop::collection::vec((0_u8..4, document(), node()), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut layers = Layers::new();
        for (step, document, node) in &steps {
            match step {
                0 => drop(layers.merge(Source::Provisioning, document)),
                1 => drop(layers.merge(Source::ExtProv, document)),
                2 => drop(layers.merge(Source::Gui, document)),
                _ => drop(layers.set(Source::Gui, &node.name, Some(&node.text))),
            }
        }
        let bytes = layers.to_bytes();
        let again = Layers::restore(&bytes).unwrap();
        prop_assert_eq!(again.to_bytes(), bytes.clone());
        prop_assert_eq!(again.merged(), layers.merged());
        prop_assert!(Layers::restore(&bytes[..cut.index(bytes.len())]).is_err());
        // Merging the same thing again changes nothing.
        if let Some((step @ 0..=2, document, _)) = steps.last() {
            let source = [Source::Provisioning, Source::ExtProv, Source::Gui][usize::from(*step)];
            prop_assert_eq!(layers.merge(source, document), vec![]);
        }
    }

    #[test]
    fn templates_never_panic(template in "[a-z:/%{}\\[\\]?&=é]{0,40}", document in document(), insecure: bool) {
        let _ = expand_url(&template, Values::new(&Device::default(), Some(&document)), insecure);
        let _ = without_secrets(&template);
    }

    #[test]
    fn the_provisioner_neither_loops_nor_asks_for_the_past(
        seed: u64,
        answers in prop::collection::vec((0_u8..9, document()), 1..30),
    ) {
        let mut now = Instant::now();
        let begin = now;
        let mut machine = Provisioner::new("http://127.0.0.1/p", Device::default(), false, seed);
        machine.handle(now, Input::Start);
        let mut answers = answers.iter().cycle();
        let (mut fetches, mut demands, mut in_flight) = (0_u64, 0_u64, None);
        for _ in 0..2000 {
            match machine.poll() {
                Output::Fetch { id, .. } => {
                    prop_assert!(in_flight.is_none());
                    fetches += 1;
                    in_flight = Some(id);
                }
                Output::Document { accounts } => machine.set_account(now, accounts.first().map(|account| &account.document)),
                Output::Unchanged | Output::Failed { .. } => {}
                Output::Timeout(at) => {
                    prop_assert!(at.is_none_or(|at| at >= now));
                    let (kind, document) = answers.next().unwrap();
                    let respond = |status, body: String| Ok(FetchResponse { status, headers: Vec::new(), body: body.into_bytes() });
                    let result = match kind {
                        0..=3 => respond(200, document.to_xml()),
                        4 => respond(304, String::new()),
                        5 => respond(404, String::new()),
                        6 => respond(200, "<html>".into()),
                        7 => Err(FetchError::TimedOut),
                        _ => Ok(FetchResponse { status: 503, headers: vec![("Retry-After".into(), "1".into())], body: Vec::new() }),
                    };
                    match in_flight.take() {
                        Some(id) if *kind != 7 => machine.handle(now, Input::Fetched { id, result }),
                        _ => match at {
                            Some(at) => {
                                now = at;
                                machine.handle(now, Input::Timeout);
                            }
                            None => {
                                demands += 1;
                                machine.handle(now, Input::FetchNow);
                            }
                        },
                    }
                    if now - begin > Duration::from_secs(7200) {
                        break;
                    }
                }
            }
        }
        // 4 s is the shortest wait; a demand (or the start) may ask both URLs.
        let waits = (now - begin).as_secs() / 4;
        prop_assert!(fetches <= 2 * (demands + 1) + 2 * waits, "{fetches} {demands} {waits}");
    }
}
