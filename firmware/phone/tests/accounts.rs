//! Accounts: registration, provisioning, settings by hand, several lines, messages and lamp keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::account::Secret;
use offhook_phone::hal::{Key, Lamp, Pattern};
use offhook_phone::sip::Method;
use offhook_phone::{AccountState, BlfState, CallState, Command, Event, PhoneConfig, Refusal};
use std::time::Duration;
use support::{Office, account, config, dialog_info, sdp};

const DIALOG: &str = "application/dialog-info+xml";
const SUMMARY: &str = "application/simple-message-summary";

fn provisioned() -> PhoneConfig {
    PhoneConfig {
        accounts: Vec::new(),
        provision: vec!["https://pbx.example/phones/{mac}?token=geheim".into()],
        ..config("")
    }
}

/// Covers: feat.2, axml.cred.02, axml.cred.09
#[test]
fn a_phone_with_an_account_registers_at_once() {
    let mut office = Office::unstarted(config("<expires>300</expires>"));
    office.input(offhook_phone::Input::Start);
    let register = office.request(Method::Register);
    assert_eq!(register.headers.from().unwrap().uri.to_string(), "sip:100@192.0.2.1");
    assert_eq!(register.headers.first("Expires"), Some("300"));
    let view = office.view();
    assert_eq!((view.accounts[0].title.as_str(), &view.accounts[0].state), ("Desk", &AccountState::Registered));
    assert_eq!(view.accounts[0].local.unwrap().to_string(), "192.0.2.10:5070");
    assert!(office.events.contains(&Event::Started));
    assert!(office.events.contains(&Event::Registration { account: 1, state: AccountState::Registered }));
}

#[test]
fn a_refused_phone_says_why_there_is_no_dial_tone() {
    let mut office = Office::unstarted(config(""));
    office.register_status = 403;
    office.input(offhook_phone::Input::Start);
    office.seconds(1);
    assert!(matches!(office.view().accounts[0].state, AccountState::Failed(_)));
    office.lift();
    assert_eq!(office.tone, Some("congestion"));
    assert!(office.view().notice.unwrap().starts_with("no calls: "));
    assert_eq!(office.dial("102"), Err(Refusal::NotRegistered));
    office.keys("102#");
    assert_eq!(office.view().notice.as_deref(), Some("not registered"));
    assert_eq!(office.tone, Some("congestion"));
}

#[test]
fn a_phone_without_account_has_congestion_and_takes_credentials() {
    let mut office = Office::with(PhoneConfig { accounts: Vec::new(), ..config("") });
    assert_eq!(office.dial("1"), Err(Refusal::NoAccount));
    office.lift();
    assert_eq!(office.tone, Some("congestion"));
    office.put_down();
    let credentials = |username: &str| Command::Credentials {
        server: "192.0.2.1".into(),
        username: username.into(),
        password: Secret::new("s3cret"),
        auth_name: String::new(),
        display_name: "Lobby".into(),
    };
    assert!(matches!(office.command(credentials("")), Err(Refusal::BadValue(_))));
    assert!(office.view().accounts.is_empty());
    office.command(credentials("105")).unwrap();
    office.seconds(1);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert!(office.request(Method::Register).headers.first("From").unwrap().contains("Lobby"));
    let records: Vec<(String, Vec<u8>)> = office.stored.clone().into_iter().collect();
    let office = Office::with(PhoneConfig { accounts: Vec::new(), records, ..config("") });
    assert_eq!(office.view().accounts[0].username, "105");
    assert!(!format!("{:?}", office.view()).contains("s3cret"));
    assert!(!format!("{:?}{:?}", office.phone, config("<x>s3cret</x>")).contains("s3cret"));
}

/// Covers: axml.prov.01
#[test]
fn a_provisioned_phone_fetches_registers_and_starts_from_its_store_next_time() {
    let mut office = Office::with(provisioned());
    assert_eq!(office.fetches[0].1, "https://pbx.example/phones/02000000000a?token=geheim");
    assert!(office.view().accounts.is_empty());
    office.fetched(200, &account(""));
    office.seconds(1);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert_eq!(office.view().provisioning[0].ok, Some(true));
    assert!(!format!("{:?}", office.view()).contains("geheim"));
    assert!(office.events.iter().any(|event| matches!(event, Event::Provisioned { changes, .. } if *changes > 3)));
    let port = office.view().accounts[0].local;
    let records: Vec<(String, Vec<u8>)> = office.stored.clone().into_iter().collect();
    // the server is away at the next start
    let mut office = Office::with(PhoneConfig { records, ..provisioned() });
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert_eq!(office.view().accounts[0].local, port);
    office.fetched(503, b"");
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    assert_eq!(office.view().provisioning[0].ok, Some(false));
    // another source does not get the stored account
    let records: Vec<(String, Vec<u8>)> = office.stored.clone().into_iter().collect();
    let other = PhoneConfig { provision: vec!["https://other.example/".into()], records, ..provisioned() };
    let office = Office::with(other);
    assert!(office.view().accounts.is_empty());
    assert!(!office.stored.contains_key("account-1.xml"));
}

#[test]
fn a_bad_document_changes_nothing_and_says_where() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &account(""));
    office.seconds(1);
    let before = office.view().accounts;
    let stored = office.stored.clone();
    office.heard.clear();
    office.command(Command::Provision).unwrap();
    office.fetched(200, b"<account>\n<username>666</username>\n<host>evil</account>");
    assert_eq!(office.view().accounts, before);
    assert!(office.heard.is_empty());
    assert_eq!(office.stored.get("account-1.xml"), stored.get("account-1.xml"));
    let notice = office.view().notice.unwrap();
    assert!(notice.contains("line 3"), "{notice}");
    assert!(office.events.iter().any(|event| matches!(event, Event::ProvisioningFailed { .. })));
    assert!(matches!(office.command(Command::ApplyAccount(b"<acc".to_vec())), Err(Refusal::BadDocument(_))));
}

/// Covers: feat.88, axml.codec.01
#[test]
fn a_change_during_a_call_waits_where_it_would_cut_it_and_acts_elsewhere() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &account(""));
    office.seconds(1);
    office.talk();
    office.heard.clear();
    office.command(Command::Provision).unwrap();
    let changed = account("<userDisplayName>New Name</userDisplayName><blf><uri>102</uri></blf>");
    let changed = String::from_utf8(changed).unwrap().replace("8,0", "0");
    office.fetched(200, changed.as_bytes());
    office.seconds(1);
    assert_eq!(office.call().state, CallState::Talking);
    assert!(office.has_request(&Method::Subscribe), "lamp keys act at once");
    assert!(!office.has_request(&Method::Register), "the identity waits");
    office.hang_up_all();
    office.seconds(1);
    assert!(office.request(Method::Register).headers.first("From").unwrap().contains("New Name"));
    office.dial("103").unwrap();
    let body = String::from_utf8(office.request(Method::Invite).body).unwrap();
    assert!(body.contains("PCMU/8000") && !body.contains("PCMA/8000"), "{body}");
}

#[test]
fn settings_by_hand_are_checked_kept_and_may_be_locked() {
    let mut office = Office::with(provisioned());
    office.fetched(200, &account("<callWaiting priority=\"50\">1</callWaiting>"));
    office.seconds(1);
    let set = |node: &str, value: Option<&str>| Command::Set {
        account: None,
        node: node.into(),
        value: value.map(str::to_owned),
    };
    assert!(matches!(office.command(set("ptime", Some("7"))), Err(Refusal::BadValue(_))));
    assert_eq!(office.command(set("callWaiting", Some("0"))), Err(Refusal::Locked("callWaiting".into())));
    assert!(matches!(office.command(set("username", Some(""))), Err(Refusal::BadValue(_))));
    office.command(set("userDisplayName", Some("Me"))).unwrap();
    assert_eq!(office.view().accounts[0].display_name, "Me");
    let records: Vec<(String, Vec<u8>)> = office.stored.clone().into_iter().collect();
    let mut office = Office::with(PhoneConfig { records, ..provisioned() });
    assert_eq!(office.view().accounts[0].display_name, "Me");
    office.command(set("userDisplayName", None)).unwrap();
    assert_eq!(office.view().accounts[0].display_name, "");
}

/// Covers: axml.voicemail.01, axml.voicemail.02, axml.cred.13, feat.25
#[test]
fn waiting_messages_light_the_lamp_stutter_the_dial_tone_and_the_key_calls_them() {
    let mut office = Office::unstarted(config(
        "<subscribeForVoicemail>1</subscribeForVoicemail><subscriptionExpires>120</subscriptionExpires>",
    ));
    office.input(offhook_phone::Input::Start);
    let subscribe = office.request(Method::Subscribe);
    assert_eq!((subscribe.headers.first("Event"), subscribe.headers.expires()), (Some("message-summary"), Some(120)));
    assert_eq!(office.command(Command::Voicemail(None)), Err(Refusal::NoVoicemailNumber));
    let body = "Messages-Waiting: yes\r\nMessage-Account: sip:*97@192.0.2.1\r\nVoice-Message: 2/8 (0/0)\r\n";
    office.notify(&subscribe, 1, "active;expires=120", SUMMARY, body);
    office.response(200);
    assert_eq!(office.lamp(Lamp::Message), Pattern::On);
    assert_eq!((office.view().messages.new, office.view().messages.old), (2, 8));
    assert!(office.events.contains(&Event::Messages { account: 1, waiting: true, new: 2, old: 8 }));
    office.lift();
    assert_eq!(office.tone, Some("stutter"));
    office.press(Key::Message);
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:*97@192.0.2.1");
    office.notify(&subscribe, 2, "active;expires=120", SUMMARY, "Messages-Waiting: no\r\n");
    assert_eq!(office.lamp(Lamp::Message), Pattern::Off);
    office.put_down();
    // the account's own number goes before the server's
    let mut office = Office::new("<voiceMailNumber>700</voiceMailNumber>");
    office.press(Key::Message);
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:700@192.0.2.1");
}

/// Covers: axml.blf.01, axml.blf.02, feat.29
#[test]
fn a_lamp_key_follows_its_extension_and_dials_it() {
    let mut office = Office::unstarted(config("<blf><uri label=\"Bob\">102</uri><uri>sip:103@192.0.2.1</uri></blf>"));
    office.input(offhook_phone::Input::Start);
    let first = office.request(Method::Subscribe);
    let second = office.request(Method::Subscribe);
    let (bob, _) = if first.uri.to_string().contains("102") { (first, second) } else { (second, first) };
    assert_eq!(bob.headers.first("Event"), Some("dialog"));
    assert_eq!(bob.uri.to_string(), "sip:102@192.0.2.1");
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::Wink, "unknown is not idle");
    office.notify(&bob, 1, "active;expires=300", DIALOG, &dialog_info(0, true, &[]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::Off);
    office.notify(&bob, 2, "active;expires=300", DIALOG, &dialog_info(1, false, &[("a", "recipient", "early")]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::Fast);
    office.notify(&bob, 3, "active;expires=300", DIALOG, &dialog_info(2, false, &[("a", "recipient", "confirmed")]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::On);
    let views = office.view().blf;
    assert_eq!((views[0].label.as_str(), views[0].state), ("Bob", BlfState::Busy));
    assert_eq!((views[1].label.as_str(), views[1].state), ("103", BlfState::Unknown));
    // a version is missing: the state stands and is asked for again
    office.heard.clear();
    office.notify(&bob, 4, "active;expires=300", DIALOG, &dialog_info(7, false, &[("a", "recipient", "terminated")]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::On);
    office.seconds(1);
    let again: Vec<_> =
        std::iter::from_fn(|| office.has_request(&Method::Subscribe).then(|| office.request(Method::Subscribe)))
            .collect();
    let fresh =
        again.iter().find(|request| request.headers.call_id() != bob.headers.call_id()).expect("a new subscription");
    office.notify(fresh, 1, "active;expires=300", DIALOG, &dialog_info(0, true, &[]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::Off);
    office.press(Key::Lamp(1));
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:102@192.0.2.1");
    assert_eq!(office.call().peer_name.as_deref(), Some("Bob"));
    office.hang_up_all();
    office.press(Key::Lamp(9));
    assert_eq!(office.view().notice.as_deref(), Some("this key is free"));
}

#[test]
fn a_lamp_whose_subscription_ended_does_not_promise_anything() {
    let mut office = Office::unstarted(config("<blf><uri>102</uri></blf>"));
    office.input(offhook_phone::Input::Start);
    let subscribe = office.request(Method::Subscribe);
    office.notify(&subscribe, 1, "active;expires=300", DIALOG, &dialog_info(0, true, &[]));
    assert_eq!(office.lamp(Lamp::Key(1)), Pattern::Off);
    office.notify(&subscribe, 2, "terminated;reason=noresource", DIALOG, &dialog_info(1, true, &[]));
    assert_eq!((office.lamp(Lamp::Key(1)), office.view().blf[0].state), (Pattern::Wink, BlfState::Unknown));
    office.notify(&subscribe, 3, "active", DIALOG, "<rubbish");
    assert_eq!(office.view().blf[0].state, BlfState::Unknown);
}

/// Covers: feat.2
#[test]
fn two_accounts_ring_and_call_each_with_their_own_settings() {
    let second =
        String::from_utf8(account("")).unwrap().replace("<username>100", "<username>200").replace("Desk", "Shop");
    let mut config = config("<callWaiting>0</callWaiting>");
    config.accounts.push(("shop.xml".into(), second.into_bytes()));
    let mut office = Office::with(config);
    assert_eq!(office.view().accounts.len(), 2);
    office.command(Command::Dial { account: Some(2), target: "102".into() }).unwrap();
    let invite = office.request(Method::Invite);
    assert_eq!(invite.headers.from().unwrap().uri.to_string(), "sip:200@192.0.2.1");
    assert_eq!(office.call().account, 2);
    office.command(Command::Unregister(Some(2))).unwrap();
    office.seconds(1);
    assert_eq!(office.view().accounts[1].state, AccountState::Off);
    assert_eq!(office.view().accounts[0].state, AccountState::Registered);
    office.command(Command::Register(Some(2))).unwrap();
    office.seconds(1);
    assert_eq!(office.view().accounts[1].state, AccountState::Registered);
    assert_eq!(office.command(Command::Register(Some(3))), Err(Refusal::NoAccount));
}

/// Covers: axml.inc.06
#[test]
fn an_account_with_incoming_calls_off_does_not_register() {
    let mut office = Office::unstarted(config("<icm>off</icm>"));
    office.input(offhook_phone::Input::Start);
    office.seconds(5);
    assert!(!office.has_request(&Method::Register));
    assert_eq!(office.view().accounts[0].state, AccountState::Off);
}

#[test]
fn the_view_is_one_line_of_json_with_the_names_that_scripts_rely_on() {
    let mut office = Office::new("<blf><uri>102</uri></blf>");
    office.talk();
    office.advance(Duration::from_secs(2));
    let line = office.view().to_json();
    assert!(!line.contains('\n'));
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["accounts"][0]["state"], "registered");
    assert_eq!(json["accounts"][0]["local"], "192.0.2.10:5070");
    assert_eq!(json["accounts"][0]["number"], 1);
    assert_eq!(json["calls"][0]["state"], "talking");
    assert_eq!(json["calls"][0]["peer"], "102");
    assert_eq!(json["calls"][0]["codec"], "PCMA");
    assert_eq!(json["calls"][0]["seconds"], 2);
    assert_eq!(json["calls"][0]["held"], false);
    assert_eq!(json["lamps"]["line1"], "on");
    assert_eq!(json["lamps"]["key1"], "wink");
    assert_eq!(json["volume"]["handset"], 70);
    assert_eq!(json["messages"]["waiting"], false);
    assert_eq!(json["hook"], "on");
    assert_eq!(json["route"], "speaker");
    assert_eq!(json["tone"], serde_json::Value::Null);
    assert_eq!(json["soft_keys"][0], "Hold");
    for name in ["dialling", "missed", "notice"] {
        assert!(json.get(name).is_some(), "{name}");
    }
}

#[test]
fn the_view_version_moves_with_the_view_and_not_without() {
    let mut office = Office::new("");
    let before = office.phone.view_version();
    let view = office.view();
    office.input(offhook_phone::Input::Timeout);
    assert_eq!((office.phone.view_version(), office.view()), (before, view));
    office.ring("102", "", Some(&sdp("sendrecv", 8)));
    assert_ne!(office.phone.view_version(), before);
    office.hang_up_all();
    office.talk();
    let talking = office.phone.view_version();
    office.seconds(1);
    assert_ne!(office.phone.view_version(), talking);
}

/// An account elsewhere, reached through 192.0.2.1 by one of the ways that accounts know.
fn elsewhere(more: &str) -> Office {
    let text = String::from_utf8(account(more)).unwrap().replace("<host>192.0.2.1", "<host>pbx.example");
    let mut office =
        Office::unstarted(PhoneConfig { accounts: vec![("a.xml".into(), text.into_bytes())], ..config("") });
    office.input(offhook_phone::Input::Start);
    office
}

/// Covers: axml.proxy.01, axml.cred.07, axml.cred.11, axml.cred.12, axml.hdr.01, axml.hdr.02, axml.hdr.03, axml.nat.13, axml.nat.14, axml.nat.15
#[test]
fn what_the_account_says_is_on_the_wire() {
    let mut office = elsewhere(
        "<proxy>192.0.2.1</proxy><userDisplayName>Front \"Desk\"</userDisplayName><userCallerId>5550100</userCallerId>\
         <expires>900</expires><headers><header method=\"REGISTER\" name=\"X-Floor\" value=\"3\"/>\
         <header method=\"*\" name=\"X-Room\" value=\"12\"/></headers>\
         <rtpPortRangeStart>20000</rtpPortRangeStart><rtpPortRangeEnd>20100</rtpPortRangeEnd>",
    );
    let register = office.request(Method::Register);
    assert_eq!(register.uri.to_string(), "sip:pbx.example");
    let from = register.headers.from().unwrap();
    assert_eq!((from.display_name.as_deref(), from.uri.user().as_deref()), (Some("Front \"Desk\""), Some("100")));
    assert_eq!((register.headers.first("Expires"), register.headers.first("X-Floor")), (Some("900"), Some("3")));
    assert_eq!(office.view().accounts[0].local.unwrap().port(), 5070);
    office.seconds(1);
    office.dial("102").unwrap();
    let invite = office.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:102@pbx.example");
    assert_eq!(invite.headers.from().unwrap().uri.user().as_deref(), Some("5550100"));
    assert_eq!((invite.headers.first("X-Floor"), invite.headers.first("X-Room")), (None, Some("12")));
    assert_eq!(office.range, (20_000, 20_100));
}

/// Covers: axml.proxy.02, axml.proxy.03, axml.proxy.04
#[test]
fn everything_goes_through_the_outbound_proxy_by_its_transport() {
    let mut office = elsewhere(
        "<outboundProxy_enabled>1</outboundProxy_enabled><outboundProxy_host>192.0.2.1</outboundProxy_host>\
         <outboundProxy_transport>udp</outboundProxy_transport><transport>tcp</transport>",
    );
    assert_eq!(office.transport, Some(offhook_phone::sip::Transport::Udp));
    let route = office.request(Method::Register).headers.route();
    assert_eq!(route[0].uri.as_sip().unwrap().host.to_string(), "192.0.2.1");
    assert!(route[0].uri.as_sip().unwrap().has_param("lr"));
}

/// Covers: axml.cred.10
#[test]
fn the_transport_of_the_account_is_used() {
    let mut office = Office::unstarted(config("<transport>tcp</transport>"));
    office.input(offhook_phone::Input::Start);
    assert_eq!(office.transport, Some(offhook_phone::sip::Transport::Tcp));
}

/// Covers: axml.nat.08, axml.nat.09, axml.nat.11, axml.nat.12
#[test]
fn a_static_contact_is_shown_and_keep_alives_are_sent() {
    let mut office = Office::unstarted(config(
        "<contactIP>static</contactIP><forcedContact>203.0.113.9:6000</forcedContact><keepAlive>1</keepAlive>\
         <keepAlivePeriod>20</keepAlivePeriod>",
    ));
    office.input(offhook_phone::Input::Start);
    let contact = office.request(Method::Register).headers.first("Contact").unwrap().to_owned();
    assert!(contact.contains("203.0.113.9:6000"), "{contact}");
    office.seconds(110);
    assert!((4..=6).contains(&office.keep_alives), "{}", office.keep_alives);
}
