//! Address books: names from a CardDAV server, numbers offered while dialling, the phone's own book.

use crate::provisioning::document;
use crate::{connect, gets_through, two};
use offhook_phone::Command;
use offhook_phone::address_book::{Contact, Number};
use offhook_tests::{Action, World};

const ANNA: (&str, &str) = ("anna", "book-password");

/// Alice's account names the server; `more` nodes after it.
fn give(world: &mut World, more: &str) {
    let text = document(world, "100", |text| {
        let dav = "<cardDavTitle>Office</cardDavTitle><cardDavPrincipalUrl>dav.example.com</cardDavPrincipalUrl>\
                   <blf><uri>101</uri><uri label=\"Desk 2\">102</uri></blf>";
        text.replace("</account>", &format!("{dav}{more}</account>"))
    });
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(text) });
    world.act(Action::Provision { phone: "alice".into() });
}

/// Alice follows a server that knows Bob (101) and Carol (102, and a number outside).
fn office(name: &str) -> World {
    let mut world = two(name);
    world.directory.person("office", "Bob Öztürk", "101");
    world.directory.put(
        "office",
        "carol.vcf",
        Some(
            "BEGIN:VCARD\nVERSION:4.0\nUID:c\nFN:Carol\nTEL;TYPE=work:102\nTEL;TYPE=cell:+49 170 5551234\nEND:VCARD\n",
        ),
    );
    world.directory_user = Some((ANNA.0.into(), ANNA.1.into()));
    give(&mut world, "<cardDavUsername>anna</cardDavUsername><cardDavPassword>book-password</cardDavPassword>");
    world.until(5.0, "the contacts are there", |world| {
        world.view("alice").directories.first().is_some_and(|book| book.ok == Some(true) && book.contacts == 2)
    });
    world
}

/// Covers: axml.dav.01, axml.dav.02, axml.dav.04, axml.dav.05, feat.40, feat.42
#[test]
fn callers_lamps_and_the_call_list_have_the_names_of_the_address_book() {
    let mut world = office("contact_names");
    let view = world.view("alice");
    assert_eq!(view.directories[0].title, "Office");
    let labels: Vec<&str> = view.blf.iter().map(|blf| blf.label.as_str()).collect();
    assert_eq!(labels, ["Bob Öztürk", "Desk 2"], "the account's own label stays");
    connect(&mut world);
    assert_eq!(world.view("alice").calls[0].peer_name.as_deref(), Some("Bob Öztürk"));
    world.put_down("bob");
    world.put_down("alice");
    world.lift("bob");
    world.dial("bob", "100#");
    world.until(2.0, "Alice's phone rings", |world| world.desk("alice").ring);
    assert_eq!(world.view("alice").calls[0].peer_name.as_deref(), Some("Bob Öztürk"));
    world.put_down("bob");
    world.seconds(1.0);
    // a name that is changed later is the name of calls that were before
    world.directory.person("office", "Robert", "101");
    world.directory.put("office", "Bob%20Öztürk.vcf", None);
    world.seconds(200.0);
    let names: Vec<_> = world.view("alice").history.iter().map(|record| record.peer_name.clone()).collect();
    assert_eq!(names, [Some("Robert".to_owned()), Some("Robert".to_owned())]);
}

/// Covers: axml.dav.03
#[test]
fn the_cache_has_the_names_after_a_restart_without_the_server_and_is_written_only_for_news() {
    let mut world = office("contact_cache");
    let before = world.desk("alice").records.clone();
    let record = before.keys().find(|name| name.starts_with("directory-")).expect("a record").clone();
    let asked = world.directory.asked.len();
    world.seconds(3600.0);
    let asked = world.directory.asked.len() - asked;
    assert!((18..=22).contains(&asked), "{asked} requests in an hour: one every 180 s");
    assert_eq!(world.desk("alice").records[&record], before[&record]);
    assert!(!String::from_utf8_lossy(&before[&record]).contains(ANNA.1), "no password is in it");
    world.directory_off = true;
    world.act(Action::RestartPhone { phone: "alice".into() });
    world.until(5.0, "Alice is registered", |world| world.registered("alice"));
    assert_eq!(world.view("alice").blf[0].label, "Bob Öztürk");
    assert_eq!(world.view("alice").directories[0].ok, Some(false), "the server is away");
    world.directory_off = false;
    world.until(120.0, "the server is followed again", |world| world.view("alice").directories[0].ok == Some(true));
}

/// Covers: feat.40
#[test]
fn digits_spell_names_and_the_arrow_chooses_whom_to_call() {
    let mut world = office("contact_search");
    // 227 is car on the keypad
    for key in ["2", "2", "7"] {
        world.press("alice", key);
    }
    let found: Vec<String> = world.view("alice").suggestions.iter().map(|found| found.number.clone()).collect();
    assert_eq!(found, ["102", "+49 170 5551234"]);
    world.press("alice", "7");
    assert!(world.view("alice").suggestions.is_empty());
    world.press("alice", "back");
    world.press("alice", "back");
    world.press("alice", "back");
    // 262 is bob
    world.press("alice", "6");
    world.press("alice", "2");
    assert_eq!(world.view("alice").suggestions[0].name, "Bob Öztürk");
    world.press("alice", "down");
    assert_eq!(world.view("alice").suggestion, Some(0));
    world.press("alice", "ok");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
}

#[test]
fn the_accounts_password_is_not_told_to_a_server_of_another_domain() {
    let mut world = two("contact_password");
    world.directory_user = Some(("100".into(), "whatever".into()));
    give(&mut world, "");
    world.until(5.0, "the phone says what it needs", |world| {
        world.view("alice").directories.first().is_some_and(|book| book.last.contains("cardDavPassword"))
    });
    let asked = world.directory.asked.len();
    assert_eq!(asked, 0, "nothing was answered but 401");
}

#[test]
fn an_account_that_names_no_server_any_more_leaves_nothing_behind() {
    let mut world = office("contact_gone");
    let plain = document(&world, "100", |text| text);
    let empty = plain.replace("</account>", "<cardDavPrincipalUrl></cardDavPrincipalUrl></account>");
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(empty) });
    world.act(Action::Provision { phone: "alice".into() });
    world.until(5.0, "no directory", |world| world.view("alice").directories.is_empty());
    world.seconds(1.0);
    assert!(world.view("alice").contacts.name("+491705551234").is_none());
    assert!(!world.desk("alice").records.keys().any(|name| name.starts_with("directory-")));
}

#[test]
fn the_phones_own_book_is_believed_first_and_survives_a_restart() {
    let mut world = office("contact_local");
    let contact = |uid: &str, name: &str| Contact {
        uid: uid.into(),
        name: name.into(),
        organisation: String::new(),
        numbers: vec![Number { address: "101".into(), labels: vec!["desk".into()] }],
    };
    world.command("alice", Command::SaveContact(contact("", "Bobby")));
    world.command("alice", Command::SaveContact(contact("", "")));
    assert_eq!(world.view("alice").blf[0].label, "Bobby");
    world.act(Action::RestartPhone { phone: "alice".into() });
    world.until(5.0, "Alice is registered", |world| world.registered("alice"));
    assert_eq!(world.view("alice").blf[0].label, "Bobby");
    let uid = world.view("alice").contacts.who("101")[0].contact.uid.clone();
    world.command("alice", Command::RemoveContact(uid));
    assert_eq!(world.view("alice").blf[0].label, "Bob Öztürk");
    assert!(!world.desk("alice").records.contains_key("contacts.vcf"), "an empty book needs no file");
}

const LOGIN: &str = "<cardDavUsername>anna</cardDavUsername><cardDavPassword>book-password</cardDavPassword>";

/// Alice's account from now on, and it counts.
fn given(world: &mut World, nodes: &str) {
    give(world, &format!("{LOGIN}{nodes}"));
    world.seconds(1.0);
    let view = world.view("alice");
    assert_eq!(view.provisioning[0].ok, Some(true), "{:?}", view.provisioning);
}

/// A local contact with this number.
fn own(uid: &str, name: &str, number: &str, label: &str) -> Contact {
    let numbers = vec![Number { address: number.into(), labels: vec![label.into()] }];
    Contact { uid: uid.into(), name: name.into(), organisation: String::new(), numbers }
}

/// Covers: axml.dnd.07, axml.dnd.10, axml.dnd.11
#[test]
fn a_schedule_about_a_contact_follows_the_contact_through_the_books() {
    let mut world = office("dnd_contact");
    let entry = |source: &str, identifier: &str| {
        format!(
            "<doNotDisturb><dndEntry><from>00:00</from><to>23:59</to><weekdays>127</weekdays><contacts>\
             <contactInfo name=\"whoever\" phone=\"101\" source=\"{source}\" identifier=\"{identifier}\"/></contacts>\
             </dndEntry></doNotDisturb>"
        )
    };
    given(&mut world, &entry("dav", "c"));
    assert!(gets_through(&mut world, "bob", "100", "alice"), "the schedule is about Carol");
    given(&mut world, &entry("dav", "Bob Öztürk"));
    assert!(!gets_through(&mut world, "bob", "100", "alice"), "the schedule is about Bob, as the server knows him");
    // Bob gets another telephone: who calls from the old one is not Bob any more.
    world.directory.person("office", "Bob Öztürk", "109");
    world.seconds(200.0);
    assert!(gets_through(&mut world, "bob", "100", "alice"), "101 is not Bob's number any more");
    // The same identifier in another book is another contact.
    given(&mut world, &entry("ab", "local-1"));
    assert!(gets_through(&mut world, "bob", "100", "alice"), "nobody is in the phone's own book");
    world.command("alice", Command::SaveContact(own("", "Bobby", "101", "desk")));
    assert!(!gets_through(&mut world, "bob", "100", "alice"), "Bob is local-1 in the phone's own book");
    world.act(Action::RestartPhone { phone: "alice".into() });
    world.until(5.0, "Alice is registered", |world| world.registered("alice"));
    assert!(!gets_through(&mut world, "bob", "100", "alice"), "after a restart, too");
    world.command("alice", Command::RemoveContact("local-1".into()));
    assert!(gets_through(&mut world, "bob", "100", "alice"), "the contact is gone");
}

/// Covers: axml.rew.11, axml.rew.12, axml.rew.13, axml.rew.14
#[test]
fn rules_about_books_and_labels_see_the_contacts_of_the_moment() {
    let mut world = office("rules_contacts");
    let rule = |condition: &str, word: &str, action: &str| {
        format!(
            "<rule><conditions><condition type=\"{condition}\" param=\"{word}\"/></conditions>\
             <actions><action {action}/></actions></rule>"
        )
    };
    let incoming = |condition: &str, word: &str| {
        format!("<incomingRewriting>{}</incomingRewriting>", rule(condition, word, "type=\"rejectCall\""))
    };
    let mut lets = |condition: &str, word: &str| {
        given(&mut world, &incoming(condition, word));
        gets_through(&mut world, "bob", "100", "alice")
    };
    // Bob is a contact of the server, at work, and a lamp key of Alice has his number without a name.
    assert!(!lets("contactIsFromSource", "dav") && !lets("contactIsFromSource", "qd"));
    assert!(lets("contactIsFromSource", "ab") && lets("contactIsFromSource", "ws"));
    assert!(lets("contactIsNotFromSource", "dav") && !lets("contactIsNotFromSource", "ab"));
    assert!(!lets("contactLabelMatches", "work") && lets("contactLabelMatches", "desk"));
    assert!(lets("contactLabelDoesNotMatch", "work") && !lets("contactLabelDoesNotMatch", "desk"));
    world.command("alice", Command::SaveContact(own("", "Bobby", "101", "Desk")));
    let mut lets = |condition: &str, word: &str| {
        given(&mut world, &incoming(condition, word));
        gets_through(&mut world, "bob", "100", "alice")
    };
    assert!(!lets("contactIsFromSource", "ab") && !lets("contactLabelMatches", "desk"));
    // What Alice dials is looked up as well: mobile numbers lose what is in front of them.
    let rules = rule("contactLabelMatches", "cell", "type=\"replace\" param=\"\"")
        .replace("<conditions>", "<conditions><condition type=\"startsWith\" param=\"9\"/>");
    given(&mut world, &format!("<rewriting>{rules}</rewriting>"));
    world.command("alice", Command::SaveContact(own("", "Bob mobile", "9101", "cell")));
    world.lift("alice");
    world.dial("alice", "9101#");
    world.until(2.0, "Bob's phone rings", |world| world.desk("bob").ring);
    world.put_down("alice");
    world.lift("alice");
    world.dial("alice", "9102#");
    world.seconds(1.0);
    assert!(!world.desk("bob").ring && world.tone("alice") != Some("ringing"), "nobody knows 9102");
}
