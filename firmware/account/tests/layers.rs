//! Merging by rank: who wins, what falls back, who is locked out, and what a restart gives back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::{
    Document, Layers, Settings,
    layers::{Change, Locked, Source},
};

fn document(nodes: &str) -> Document {
    let text =
        format!("<account><username>1001</username><password>s3cret-PW</password><host>pbx</host>{nodes}</account>");
    Document::parse(text.as_bytes()).unwrap_or_else(|rejection| panic!("{rejection}: {text}")).0
}

fn layers(documents: &[(Source, &str)]) -> Layers {
    let mut layers = Layers::new();
    for (source, nodes) in documents {
        layers.merge(*source, &document(nodes));
    }
    layers
}

fn value(layers: &Layers, node: &str) -> Option<String> {
    layers.merged().value(node).map(str::to_owned)
}

fn uris(layers: &Layers) -> Vec<String> {
    Settings::of(&layers.merged()).0.blf.into_iter().map(|entry| entry.uri).collect()
}

/// Covers: axml.root.03
#[test]
fn the_higher_rank_wins_whatever_comes_last() {
    let merged = layers(&[
        (Source::Gui, "<expires>40</expires>"),
        (Source::ExtProv, "<expires>41</expires><ptime>30</ptime>"),
        (Source::Provisioning, "<expires>42</expires><ptime>40</ptime><title>P</title>"),
    ]);
    assert_eq!(value(&merged, "expires").as_deref(), Some("40"));
    assert_eq!(value(&merged, "ptime").as_deref(), Some("30"));
    assert_eq!(value(&merged, "title").as_deref(), Some("P"));
    assert_eq!(merged.origin("expires"), Some((Source::Gui, 40)));
    assert_eq!(merged.origin("ptime"), Some((Source::ExtProv, 20)));
    assert_eq!(merged.origin("title"), Some((Source::Provisioning, 10)));
    assert_eq!(merged.origin("nothing"), None);
    assert_eq!(value(&merged, "username").as_deref(), Some("1001"));
}

#[test]
fn a_priority_attribute_takes_the_place_of_the_rank() {
    let merged = layers(&[
        (Source::Provisioning, "<expires priority=\"30\">300</expires>"),
        (Source::ExtProv, "<expires>200</expires><ptime priority=\"odd\">30</ptime>"),
    ]);
    assert_eq!(value(&merged, "expires").as_deref(), Some("300"));
    assert_eq!(merged.origin("expires"), Some((Source::Provisioning, 30)));
    assert_eq!(merged.origin("ptime"), Some((Source::ExtProv, 20)));
}

#[test]
fn at_equal_rank_the_newer_value_wins_and_a_repeated_one_is_not_newer() {
    let pbx = "<callWaiting priority=\"40\">1</callWaiting>";
    let mut layers = layers(&[(Source::ExtProv, pbx)]);
    layers.set(Source::Gui, "callWaiting", Some("0")).unwrap();
    assert_eq!(value(&layers, "callWaiting").as_deref(), Some("0"));
    assert_eq!(layers.merge(Source::ExtProv, &document(pbx)), []);
    assert_eq!(value(&layers, "callWaiting").as_deref(), Some("0"));
    layers.merge(Source::ExtProv, &document("<callWaiting priority=\"40\">true</callWaiting>"));
    assert_eq!(value(&layers, "callWaiting").as_deref(), Some("true"));
}

#[test]
fn above_forty_the_user_is_locked_out() {
    let mut layers = layers(&[(Source::ExtProv, "<expires priority=\"50\">600</expires><ptime>30</ptime>")]);
    let locked = Err(Locked { node: "expires".into() });
    assert_eq!(layers.set(Source::Gui, "expires", Some("60")), locked);
    assert_eq!(layers.set(Source::Gui, "expires", None), locked);
    assert_eq!(layers.set(Source::Gui, "ptime", Some("40")).unwrap().len(), 1);
    layers.merge(Source::ExtProv, &document(""));
    assert!(layers.set(Source::Gui, "expires", Some("60")).is_ok());
}

#[test]
fn a_node_that_goes_away_uncovers_the_one_below() {
    let mut layers = layers(&[
        (Source::Provisioning, "<expires>100</expires>"),
        (Source::ExtProv, "<expires>200</expires><proxy>edge</proxy>"),
    ]);
    let mut changes = layers.merge(Source::ExtProv, &document(""));
    changes.sort_by(|a, b| a.node.cmp(&b.node));
    assert_eq!(
        changes,
        [
            Change { node: "expires".into(), before: Some("200".into()), after: Some("100".into()) },
            Change { node: "proxy".into(), before: Some("edge".into()), after: None },
        ]
    );
    layers.set(Source::Gui, "expires", Some("300")).unwrap();
    layers.set(Source::Gui, "expires", None).unwrap();
    assert_eq!(value(&layers, "expires").as_deref(), Some("100"));
}

#[test]
fn the_users_values_survive_provisioning() {
    let mut layers = layers(&[(Source::ExtProv, "<title>PBX</title>")]);
    layers.set(Source::Gui, "title", Some("Mine")).unwrap();
    layers.set(Source::Gui, "ptime", Some("40")).unwrap();
    layers.merge(Source::Gui, &document("<forcePtime>1</forcePtime>"));
    layers.merge(Source::ExtProv, &document("<title>Other</title>"));
    assert_eq!(value(&layers, "title").as_deref(), Some("Mine"));
    assert_eq!(value(&layers, "ptime").as_deref(), Some("40"));
    assert_eq!(value(&layers, "forcePtime").as_deref(), Some("1"));
}

#[test]
fn changes_never_show_a_secret() {
    let mut layers = layers(&[(Source::ExtProv, "<apiPass>one</apiPass>")]);
    let changes = layers.set(Source::Gui, "password", Some("brand-new")).unwrap();
    assert_eq!(changes, [Change { node: "password".into(), before: Some("***".into()), after: Some("***".into()) }]);
    let changes = layers.merge(Source::ExtProv, &document("<apiPass>two</apiPass>"));
    assert_eq!(changes[0].after.as_deref(), Some("***"));
    let shown = format!("{layers:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("brand-new") && !shown.contains("two"), "{shown}");
}

/// Covers: axml.root.05, axml.blf.03, axml.blf.04
#[test]
fn lists_are_replaced_or_united_as_they_ask() {
    let mut layers = layers(&[(Source::Provisioning, "<blf><uri>1</uri><uri>2</uri></blf>")]);
    layers.merge(Source::ExtProv, &document("<blf><uri>3</uri></blf>"));
    assert_eq!(uris(&layers), ["3"]);
    layers.merge(
        Source::ExtProv,
        &document("<blf priority=\"30\" operation=\"subnode-union\"><uri>2</uri><uri>4</uri></blf>"),
    );
    assert_eq!(uris(&layers), ["1", "2", "3", "4"]);
    assert_eq!(layers.origin("blf"), Some((Source::ExtProv, 30)));
    layers.merge(Source::ExtProv, &document("<blf operation=\"subnode-union\"><uri action=\"remove\">3</uri></blf>"));
    assert!(!uris(&layers).contains(&"3".to_owned()));
    layers.merge(Source::ExtProv, &document("<blf operation=\"sorted\"><uri>9</uri></blf>"));
    assert_eq!(uris(&layers), ["9"]);
    layers.merge(Source::ExtProv, &document("<blf priority=\"5\"><uri>8</uri></blf>"));
    assert_eq!(uris(&layers), ["1", "2"]);
}

#[test]
fn items_with_ids_are_united_by_id() {
    let mut layers = layers(&[(
        Source::Provisioning,
        "<quickDial><item id=\"a\"><uri>1</uri></item><item id=\"b\"><uri>2</uri></item></quickDial>",
    )]);
    layers.merge(
        Source::ExtProv,
        &document("<quickDial operation=\"subnode-union\"><item id=\"b\"><uri>7</uri></item><item id=\"a\" action=\"remove\"/><item id=\"c\"/></quickDial>"),
    );
    let merged = layers.merged();
    let ids: Vec<_> = merged.node("quickDial").unwrap().children.iter().map(|c| c.attribute("id").unwrap()).collect();
    assert_eq!(ids, ["b", "c"]);
    assert_eq!(merged.node("quickDial").unwrap().children[0].children[0].text, "7");
}

/// Covers: axml.root.04
#[test]
fn the_words_about_a_source_are_kept() {
    let merged = layers(&[(Source::ExtProv, "<expires source=\"head office\">90</expires>")]).merged();
    assert_eq!(merged.node("expires").unwrap().attribute("source"), Some("head office"));
}

fn three() -> Layers {
    let mut layers = layers(&[
        (Source::Provisioning, "<title>A &amp; B</title><blf><uri label=\"x\">1</uri></blf>"),
        (Source::ExtProv, "<expires priority=\"50\">90</expires><future a=\"1\"><b/></future>"),
    ]);
    layers.set(Source::Gui, "ptime", Some("40")).unwrap();
    layers
}

#[test]
fn what_is_stored_comes_back_the_same() {
    let mut before = three();
    let bytes = before.to_bytes();
    let mut after = Layers::restore(&bytes).unwrap();
    assert_eq!(after.to_bytes(), bytes);
    assert_eq!(after.merged(), before.merged());
    assert_eq!(after.origin("expires"), Some((Source::ExtProv, 50)));
    // What is newer stays newer.
    for layers in [&mut before, &mut after] {
        layers.set(Source::Gui, "title", Some("Mine")).unwrap();
    }
    assert_eq!(after.to_bytes(), before.to_bytes());
    assert_eq!(Layers::restore(&Layers::new().to_bytes()).unwrap().merged(), Document::default());
}

#[test]
fn a_torn_or_foreign_file_is_refused() {
    let bytes = three().to_bytes();
    for length in 0..bytes.len() {
        assert!(Layers::restore(&bytes[..length]).is_err(), "cut at {length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        assert!(Layers::restore(&changed).is_err(), "changed at {at}");
    }
    let text = String::from_utf8(bytes).unwrap();
    let newer = text.replacen("offhook-settings 1 ", "offhook-settings 2 ", 1);
    assert!(Layers::restore(newer.as_bytes()).unwrap_err().reason.contains("version"));
    assert!(Layers::restore(b"<account/>\n").unwrap_err().reason.contains("not a settings file"));
}

#[test]
fn unusable_names_and_endless_values_are_not_stored() {
    let mut layers = three();
    let before = layers.to_bytes();
    assert_eq!(layers.set(Source::Gui, "no name", Some("x")), Ok(Vec::new()));
    assert_eq!(layers.set(Source::Gui, "title", Some(&"x".repeat(70_000))), Ok(Vec::new()));
    assert_eq!(layers.to_bytes(), before);
    layers.set(Source::Gui, "title", Some("a\u{0}\u{1b}[31mb")).unwrap();
    assert_eq!(value(&layers, "title").as_deref(), Some("a[31mb"));
    assert_eq!(Layers::restore(&layers.to_bytes()).unwrap().merged(), layers.merged());
}
