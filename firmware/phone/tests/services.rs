//! Web services of an account at the phone: balance, web callback, call-through, actions, dial actions, quick dials.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::account::fetch::FetchError;
use offhook_phone::hal::{Key, Lamp, Pattern, Route};
use offhook_phone::sip::Method;
use offhook_phone::{AccountState, CallState, Command, Event, Input, Refusal};
use std::time::Duration;
use support::{Office, sdp};

const CALLBACK: &str = "<wcb_enabled>1</wcb_enabled><wcb_url>https://x.example/cb?to=%targetNumber%</wcb_url>\
                        <callbackNumber>+49301000</callbackNumber>";
const THROUGH: &str = "<cth_enabled>1</cth_enabled><cth_dialString>0800123,77*%targetNumber%#</cth_dialString>";
const ASKED: &str = "<cth_enabled>1</cth_enabled><cth_ws_enabled>1</cth_ws_enabled>\
                     <cth_ws_url>https://x.example/cth?to=%targetNumber%</cth_ws_url>";
const BALANCE: &str = "<genericBalanceCheckUrl>https://x.example/b</genericBalanceCheckUrl>";

/// Numbers that begin so get this action.
fn rule(start: &str, action: &str) -> String {
    format!(
        "<rewriting><rule><conditions><condition type=\"startsWith\" param=\"{start}\"/></conditions>\
         <actions>{action}</actions></rule></rewriting>"
    )
}

fn over(word: &str) -> String {
    rule("0", &format!("<action type=\"overrideDialAction\" param=\"{word}\"/>"))
}

/// Whom the phone calls; they are busy.
fn target(office: &mut Office) -> String {
    let invite = office.request(Method::Invite);
    office.respond(&invite, 486, None);
    invite.uri.to_string()
}

fn service(office: &Office) -> Option<String> {
    office.view().service
}

fn notices(office: &Office) -> Vec<String> {
    let text = |event: &Event| if let Event::Notice { text, .. } = event { Some(text.clone()) } else { None };
    office.events.iter().filter_map(text).collect()
}

fn digits(office: &Office) -> String {
    let sent =
        office.media.iter().filter_map(|text| text.strip_prefix("digit ")).filter(|text| !text.starts_with("end"));
    sent.filter_map(|text| text.split(' ').nth(1)).collect()
}

// --- web callback ---

/// Covers: axml.wcb.01, axml.wcb.02, axml.rew.25, axml.ref.03, feat.24
#[test]
fn a_callback_is_asked_for_and_its_call_is_answered_while_somebody_waits() {
    let mut office = Office::new(&(CALLBACK.to_owned() + &over("webCallback")));
    office.lift();
    office.keys("0301234#");
    assert!(!office.has_request(&Method::Invite), "the service calls, not the phone");
    assert_eq!(service(&office).as_deref(), Some("Asking for a callback to 0301234"));
    assert_eq!(office.tone, Some("trying"));
    let asked = office.serve(200, "<response><error>0</error></response>");
    assert_eq!((asked.method.as_str(), asked.url.as_str()), ("GET", "https://x.example/cb?to=0301234"));
    assert_eq!(service(&office).as_deref(), Some("Waiting for the call to 0301234"));
    assert_eq!(office.tone, None, "silence, no dial tone");
    office.seconds(20);
    office.ring("0301234", "", Some(&sdp("sendrecv", 8)));
    office.seconds(1);
    office.response(200);
    let call = office.call();
    assert_eq!((call.state, call.peer.as_str(), call.in_focus), (CallState::Talking, "0301234", true));
    assert_eq!(service(&office), None);
    office.hang_up_all();
}

#[test]
fn with_the_handset_down_the_expected_call_rings_unless_the_account_wants_it_answered() {
    for (more, rings) in [("", true), ("<wcb_autoAnswer>1</wcb_autoAnswer>", false)] {
        let mut office = Office::new(&(CALLBACK.to_owned() + more + &over("webCallback")));
        office.dial("0301234").unwrap();
        assert_eq!(office.route, Route::Off, "nobody lifted anything");
        office.serve(200, "");
        office.ring("+49301000", "", Some(&sdp("sendrecv", 8)));
        office.seconds(1);
        let state = if rings { CallState::Incoming } else { CallState::Talking };
        assert_eq!((office.call().state, office.bell), (state, rings));
        assert_eq!(office.call().peer, "0301234", "whom it leads to, not who carries it");
        office.hang_up_all();
    }
}

#[test]
fn the_expected_call_passes_do_not_disturb_and_forwarding_and_others_do_not() {
    let quiet = "<doNotDisturbNow>1</doNotDisturbNow><forwardingEnabled>1</forwardingEnabled><forwardingNumber>7</forwardingNumber>";
    let mut office = Office::new(&(CALLBACK.to_owned() + quiet + &over("webCallback")));
    office.dial("0301234").unwrap();
    office.serve(200, "OK");
    office.ring("555", "", Some(&sdp("sendrecv", 8)));
    assert_eq!(office.response(302).status, 302, "somebody else");
    office.ring("100", "", Some(&sdp("sendrecv", 8)));
    assert_eq!(office.call().state, CallState::Incoming, "the account's own number: a PBX that originates");
    office.hang_up_all();
    office.ring("0301234", "", Some(&sdp("sendrecv", 8)));
    assert_eq!(office.response(302).status, 302, "only once");
}

#[test]
fn nobody_else_is_answered_while_a_callback_is_waited_for() {
    let mut office = Office::new(&(CALLBACK.to_owned() + &over("webCallback")));
    office.lift();
    office.keys("0301234#");
    office.serve(200, "");
    office.ring("555", "", Some(&sdp("sendrecv", 8)));
    office.seconds(2);
    assert_eq!(office.call().state, CallState::Incoming);
    assert!(service(&office).is_some(), "still waiting");
}

#[test]
fn a_callback_that_does_not_come_is_told() {
    let mut office = Office::new(&(CALLBACK.to_owned() + &over("webCallback")));
    office.lift();
    office.keys("0301234#");
    office.serve(200, "");
    office.seconds(59);
    assert!(service(&office).is_some());
    office.seconds(2);
    assert_eq!((service(&office), office.tone), (None, Some("congestion")));
    assert!(notices(&office).iter().any(|text| text.contains("did not come")));
    office.ring("0301234", "", Some(&sdp("sendrecv", 8)));
    office.seconds(1);
    assert_eq!(office.call().state, CallState::Incoming, "too late: it rings like any other");
}

#[test]
fn a_service_that_refuses_is_heard_and_read() {
    for (status, body, says) in [
        (200, "<response><error>1</error><message>No credit</message></response>", "No credit"),
        (200, "<html><body>login</body></html>", "web page"),
        (200, "{\"error\":", "JSON"),
        (401, "", "401"),
        (500, "", "500"),
    ] {
        let mut office = Office::new(&(CALLBACK.to_owned() + &over("webCallback")));
        office.lift();
        office.keys("0301234#");
        office.serve(status, body);
        assert_eq!((service(&office), office.tone), (None, Some("congestion")), "{body}");
        assert!(office.view().notice.unwrap().contains(says), "{body}: {:?}", office.view().notice);
        office.put_down();
        office.ring("0301234", "", Some(&sdp("sendrecv", 8)));
        assert_eq!(office.call().state, CallState::Incoming);
    }
}

#[test]
fn a_second_press_asks_nobody_twice_and_silence_of_the_driver_ends() {
    let mut office = Office::new(&(CALLBACK.to_owned() + &over("webCallback")));
    office.dial("0301234").unwrap();
    assert!(matches!(office.dial("0305678"), Err(Refusal::WrongState(_))));
    assert_eq!(office.services.len(), 1);
    office.seconds(21);
    assert_eq!(service(&office), None);
    office.dial("0305678").unwrap();
    assert_eq!(office.services.len(), 2);
    // the first answer comes very late: it is about a number that nobody waits for
    office.serve(200, "");
    assert_eq!(service(&office).as_deref(), Some("Asking for a callback to 0305678"));
    office.serve_with(Err(FetchError::TimedOut));
    assert!(office.view().notice.unwrap().contains("no answer in time"));
}

#[test]
fn what_the_account_does_not_have_is_refused_at_once() {
    for (word, says) in [("webCallback", "callback"), ("callThrough", "call-through"), ("openUrl", "customActionUrl")] {
        let mut office = Office::new(&over(word));
        let refusal = office.dial("0301234").unwrap_err();
        assert!(refusal.to_string().contains(says), "{refusal}");
        assert!(office.services.is_empty() && !office.has_request(&Method::Invite));
    }
}

#[test]
fn an_emergency_number_is_called_whatever_the_rules_say() {
    let rules = "<rewriting><rule><actions><action type=\"overrideDialAction\" param=\"webCallback\"/></actions></rule></rewriting>";
    let mut office = Office::new(&(CALLBACK.to_owned() + rules));
    office.dial("112").unwrap();
    assert!(target(&mut office).starts_with("sip:112@"));
    assert!(office.services.is_empty());
}

// --- call-through ---

/// Covers: axml.cth.01, axml.cth.02, axml.rew.24, feat.24
#[test]
fn call_through_calls_the_access_number_and_sends_the_rest_as_digits() {
    let mut office = Office::new(&(THROUGH.to_owned() + &rule("+", "<action type=\"callThrough\"/>")));
    office.dial("+49 30 1234").unwrap();
    assert_eq!(office.call().peer, "+49301234", "who is wanted");
    let invite = office.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:0800123@192.0.2.1");
    office.respond(&invite, 180, None);
    office.seconds(5);
    assert_eq!(digits(&office), "", "nobody is there to hear them");
    office.respond(&invite, 200, Some(&sdp("sendrecv", 8)));
    office.advance(Duration::from_millis(1900));
    assert_eq!(digits(&office), "", "a comma is 2 s");
    office.seconds(5);
    assert_eq!(digits(&office), "77*0049301234#");
    office.hang_up_all();
    office.seconds(1);
    let record = office.view().history[0].clone();
    assert_eq!((record.peer.as_str(), record.called.as_str()), ("+49301234", "+49 30 1234"));
    office.heard.clear();
    office.command(Command::Redial).unwrap();
    assert_eq!(target(&mut office), "sip:0800123@192.0.2.1", "by the same way again");
    office.hang_up_all();
    office.assert_clean();
}

/// Covers: axml.cth.03, axml.cth.04
#[test]
fn a_service_says_the_dial_string() {
    let mut office = Office::new(&(ASKED.to_owned() + &over("callThrough")));
    office.lift();
    office.keys("0301234#");
    assert_eq!(office.tone, Some("trying"));
    let asked = office.serve(200, "<response><error>0</error><dialString>0900,5</dialString></response>");
    assert_eq!(asked.url, "https://x.example/cth?to=0301234");
    // what the service says is dialled as it is: no rule may send it round again
    let invite = office.pick_up();
    assert_eq!(invite.uri.to_string(), "sip:0900@192.0.2.1");
    office.seconds(3);
    assert_eq!(digits(&office), "5");
    assert_eq!(office.call().peer, "0301234");
    office.put_down();
    office.respond(&invite, 200, None);
}

#[test]
fn whoever_hangs_up_while_the_service_is_asked_makes_no_call() {
    let mut office = Office::new(&(ASKED.to_owned() + &over("callThrough")));
    office.lift();
    office.keys("0301234#");
    office.put_down();
    assert_eq!(service(&office), None);
    office.serve(200, "0900,5");
    office.seconds(1);
    assert!(!office.has_request(&Method::Invite) && office.view().calls.is_empty());
    // the same when something else was dialled meanwhile
    office.lift();
    office.keys("0301234#");
    office.keys("5");
    office.serve(200, "0900,5");
    office.seconds(1);
    assert!(!office.has_request(&Method::Invite));
    office.keys("55#");
    assert_eq!(target(&mut office), "sip:555@192.0.2.1");
}

#[test]
fn an_answer_that_cannot_be_dialled_calls_nobody() {
    for (body, says) in [
        ("<response><error>9</error><message>not today</message></response>", "not today"),
        ("<response><error>0</error></response>", "dialString"),
        ("dial 0900", "begin with a number"),
        ("<html><head/></html>", "web page"),
    ] {
        let mut office = Office::new(&(ASKED.to_owned() + &over("callThrough")));
        office.lift();
        office.keys("0301234#");
        office.serve(200, body);
        assert!(!office.has_request(&Method::Invite));
        assert_eq!(office.tone, Some("congestion"));
        assert!(office.view().notice.unwrap().contains(says), "{:?}", office.view().notice);
    }
}

// --- action ---

/// Covers: axml.misc.02
#[test]
fn an_action_asks_for_its_url_and_says_how_it_went() {
    let url = "<customActionUrl>https://example.com/action?uri=%uri%&amp;user=%account[username]%</customActionUrl>";
    let mut office = Office::new(&(url.to_owned() + &over("openUrl")));
    office.dial("030/1234").unwrap();
    let asked = office.serve(204, "");
    assert_eq!(asked.url, "https://example.com/action?uri=0301234&user=100");
    assert_eq!(office.view().notice.as_deref(), Some("the action was taken"));
    office.dial("030 1234").unwrap();
    office.serve_with(Err(FetchError::NoConnection("refused".into())));
    assert!(office.view().notice.unwrap().contains("the action failed: no connection"));
}

// --- choosing ---

/// Covers: axml.ref.01, axml.rew.25
#[test]
fn options_are_offered_on_the_soft_keys() {
    let own = "<dialActions><dialAction id=\"a\" title=\"Office\"><rule><actions><action type=\"prepend\" param=\"8\"/></actions></rule></dialAction></dialActions>";
    let nodes = CALLBACK.to_owned() + THROUGH + own + &over("options");
    let mut office = Office::new(&nodes);
    let labels = |office: &Office| office.view().soft_keys.into_iter().map(|key| key.label).collect::<Vec<_>>();
    office.lift();
    office.keys("0301234#");
    assert_eq!(labels(&office), ["Call", "Callback", "Through", "More"]);
    assert_eq!(service(&office).as_deref(), Some("How to call 0301234?"));
    assert_eq!(office.tone, None);
    office.soft("More");
    assert_eq!(labels(&office), ["Office", "More"]);
    office.soft("More");
    office.soft("Call");
    assert_eq!(target(&mut office), "sip:0301234@192.0.2.1");
    office.put_down();
    office.seconds(1);
    for (label, uri) in [("Office", "sip:80301234@192.0.2.1"), ("Through", "sip:0800123@192.0.2.1")] {
        office.heard.clear();
        office.lift();
        office.keys("0301234#");
        if label == "Office" {
            office.soft("More");
        }
        office.soft(label);
        assert_eq!(target(&mut office), uri);
        office.put_down();
        office.seconds(1);
    }
    // hanging up, Back and another number end the question
    office.lift();
    office.keys("0301234#");
    office.put_down();
    assert_eq!(service(&office), None);
    office.lift();
    office.keys("0301234#");
    office.press(Key::Back);
    assert_eq!((service(&office), office.tone), (None, Some("dial")));
    let mut custom = Office::new(&(own.to_owned() + &over("customOptions")));
    custom.dial("0301234").unwrap();
    assert_eq!(target(&mut custom), "sip:80301234@192.0.2.1", "one way only is no question");
    assert!(matches!(Office::new(&over("customOptions")).dial("0301234"), Err(Refusal::WrongState(_))));
}

/// Covers: axml.rew.25
#[test]
fn the_other_dial_actions_are_calls() {
    for word in ["autoCall", "voiceCall", "videoCall", "forceOffnetCall", "gsmCall", "text"] {
        let mut office = Office::new(&over(word));
        office.dial("0301234").unwrap();
        assert_eq!(target(&mut office), "sip:0301234@192.0.2.1", "{word}");
    }
}

// --- quick dials ---

/// Covers: axml.ref.02
#[test]
fn quick_dials_take_free_lamp_keys_and_name_numbers() {
    let mut office = Office::new(
        "<blf><uri>101</uri></blf><quickDial><item id=\"b\"><displayName>Bob</displayName><uri>102</uri></item>\
         <item id=\"c\" key=\"1\"><displayName>Carol</displayName><uri>sip:carol@else.example</uri></item></quickDial>",
    );
    let keys: Vec<_> = office.view().quick_dials.into_iter().map(|dial| (dial.key, dial.name)).collect();
    assert_eq!(keys, [(2, "Bob".to_owned()), (3, "Carol".to_owned())]);
    office.press(Key::Lamp(2));
    let invite = office.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:102@192.0.2.1");
    assert_eq!(office.call().peer_name.as_deref(), Some("Bob"));
    assert_eq!(office.lamp(Lamp::Key(2)), Pattern::Off);
    assert!(office.view().contacts.name("102").is_some());
    let labels: Vec<_> = office.view().quick_dials.into_iter().map(|dial| dial.number).collect();
    assert_eq!(labels[1], "sip:carol@else.example");
    assert!(matches!(office.command(Command::Key(Key::Lamp(9))), Ok(())));
    assert_eq!(office.view().notice.as_deref(), Some("this key is free"));
}

// --- balance ---

/// Covers: axml.bal.01, axml.bal.05, feat.44
#[test]
fn the_balance_is_asked_after_registration_and_after_a_call_and_is_shown() {
    let mut office = Office::new(&(BALANCE.to_owned() + "<balanceCheckDelayInSeconds>5</balanceCheckDelayInSeconds>"));
    office.seconds(4);
    assert!(office.services.is_empty());
    office.seconds(2);
    let asked = office.serve(200, "<response><error>0</error><balanceString>$60.20</balanceString></response>");
    assert_eq!((asked.method.as_str(), asked.url.as_str()), ("GET", "https://x.example/b"));
    assert_eq!(office.view().accounts[0].balance.as_deref(), Some("$60.20"));
    assert!(office.events.contains(&Event::Balance { account: 1, text: "$60.20".into() }));
    assert!(office.view().to_json().contains("$60.20"));
    office.seconds(3600);
    assert!(office.services.is_empty(), "no interval");
    office.talk();
    office.seconds(60);
    office.hang_up_all();
    office.seconds(4);
    assert!(office.services.is_empty());
    office.seconds(2);
    office.serve(200, "<response><error>0</error><balanceString>$59.80</balanceString></response>");
    assert_eq!(office.view().accounts[0].balance.as_deref(), Some("$59.80"));
}

#[test]
fn a_balance_server_that_fails_is_told_once_and_what_was_known_stays() {
    let mut office =
        Office::new(&(BALANCE.to_owned() + "<balanceCheckIntervalInSeconds>60</balanceCheckIntervalInSeconds>"));
    office.serve(200, "<response><balanceString>5 EUR</balanceString></response>");
    for _ in 0..3 {
        office.seconds(300);
        office.serve(200, "<html>log in</html>");
    }
    assert_eq!(notices(&office).iter().filter(|text| text.contains("balance")).count(), 1);
    assert_eq!(office.view().accounts[0].balance.as_deref(), Some("5 EUR"));
}

#[test]
fn an_https_service_is_not_asked_before_the_date_is_known_or_has_been_waited_for() {
    let mut config = support::config(BALANCE);
    config.seed = 3;
    let mut office = Office::unstarted(config);
    office.undated = true;
    office.input(Input::Start);
    office.seconds(20);
    assert!(office.services.is_empty());
    office.undated = false;
    office.seconds(2);
    assert_eq!(office.services.len(), 1);
    let mut never = Office::unstarted(support::config(BALANCE));
    never.undated = true;
    never.input(Input::Start);
    never.seconds(30);
    assert_eq!(never.services.len(), 1, "nobody tells the date: the certificate is checked all the same");
}

#[test]
fn an_account_that_changes_forgets_the_balance_of_the_other_service() {
    let mut office = Office::new(BALANCE);
    office.serve(200, "<response><balanceString>5 EUR</balanceString></response>");
    let set =
        |value: &str| Command::Set { account: None, node: "genericBalanceCheckUrl".into(), value: Some(value.into()) };
    office.command(set("https://y.example/")).unwrap();
    assert_eq!(office.view().accounts[0].balance, None);
    office.seconds(1);
    assert_eq!(office.serve(200, "<response><balanceString>7</balanceString></response>").url, "https://y.example/");
    office.command(set("")).unwrap();
    office.seconds(100);
    assert!(office.services.is_empty() && office.view().accounts[0].balance.is_none());
}

// --- registration ---

/// Covers: axml.inc.05
#[test]
fn an_account_without_incoming_calls_may_be_registered_all_the_same() {
    let mut office = Office::new("<icm>off</icm><forceRegistration>1</forceRegistration>");
    office.dial("102").unwrap();
    assert_eq!(target(&mut office), "sip:102@192.0.2.1");
    office.hang_up_all();
    office.ring("102", "", Some(&sdp("sendrecv", 8)));
    assert_eq!(office.response(480).status, 480);
}

/// Covers: axml.inc.07
#[test]
fn an_account_that_does_not_ring_registers_for_the_time_of_its_call() {
    let mut office = Office::new("<icm>off</icm>");
    assert!(!office.has_request(&Method::Register));
    office.lift();
    assert_eq!(office.tone, Some("dial"));
    office.keys("102#");
    let register = office.request(Method::Register);
    assert_ne!(register.headers.first("Expires"), Some("0"));
    assert!(target(&mut office).starts_with("sip:102@"));
    office.seconds(1);
    let unregister = office.request(Method::Register);
    let contact = unregister.headers.first("Contact").unwrap_or_default().to_owned();
    assert!(unregister.headers.first("Expires") == Some("0") || contact.contains("expires=0"), "{contact}");
    // somebody who hangs up before is not called
    office.put_down();
    office.register_status = 0;
    office.lift();
    office.keys("102#");
    assert_eq!((office.tone, service(&office).as_deref()), (Some("trying"), Some("Registering to call 102")));
    office.put_down();
    office.register_status = 200;
    office.heard.clear();
    office.seconds(40);
    assert!(!office.has_request(&Method::Invite) && service(&office).is_none());
}

/// Covers: axml.inc.07
#[test]
fn a_registration_that_is_refused_ends_the_call_or_not_as_the_account_says() {
    for (more, called) in
        [("", false), ("<requiresRegistrationForOutgoingCalls>0</requiresRegistrationForOutgoingCalls>", true)]
    {
        let mut office = Office::new(&format!("<icm>off</icm>{more}"));
        office.register_status = 403;
        office.lift();
        office.keys("102#");
        office.seconds(1);
        assert_eq!(office.has_request(&Method::Invite), called, "{:?}", office.summary());
        if called {
            office.pick_up();
            assert_eq!(office.call().state, CallState::Talking);
        } else {
            assert_eq!(office.tone, Some("congestion"));
            assert!(office.view().notice.unwrap().contains("not called"));
        }
    }
}

// --- before registering ---

/// Covers: axml.misc.01
#[test]
fn a_gateway_is_asked_before_each_registration_which_goes_out_whatever_it_answers() {
    let vpn = "<vpnStartupUrl>https://x.example/up?u=%account[username]%</vpnStartupUrl><expires>60</expires>";
    let mut office = Office::unstarted(support::config(vpn));
    let registers = |office: &Office| office.summary().iter().filter(|line| line.starts_with("REGISTER")).count();
    office.input(Input::Start);
    office.seconds(5);
    assert_eq!((registers(&office), office.services.len()), (0, 1), "the way is not open yet");
    assert_eq!(office.view().accounts[0].state, AccountState::Registering);
    assert_eq!(office.serve(200, "").url, "https://x.example/up?u=100");
    office.seconds(1);
    assert_eq!((registers(&office), &office.view().accounts[0].state), (1, &AccountState::Registered));
    // refreshed at 80 to 90 % of a minute: nobody hears of a gateway that is away
    office.seconds(55);
    assert_eq!((registers(&office), office.services.len()), (1, 1), "asked once");
    office.serve_with(Err(FetchError::NoConnection("refused".into())));
    office.seconds(1);
    assert_eq!((registers(&office), &office.view().accounts[0].state), (2, &AccountState::Registered));
    assert_eq!(notices(&office), Vec::<String>::new());
    // a driver that never answers does not keep the phone off the air
    office.seconds(55 + 46);
    assert_eq!((registers(&office), &office.view().accounts[0].state), (3, &AccountState::Registered));
}

#[test]
fn a_gateway_that_cannot_be_asked_is_told_of_and_the_phone_registers() {
    for (url, says) in [("https://x.example/%account[nobody]%", "stands for nothing"), ("https://x.example/", "(500)")]
    {
        let mut office = Office::unstarted(support::config(&format!("<vpnStartupUrl>{url}</vpnStartupUrl>")));
        office.input(Input::Start);
        if !office.services.is_empty() {
            office.serve(500, "<error><message>no tunnel</message></error>");
        }
        office.seconds(1);
        assert_eq!(office.view().accounts[0].state, AccountState::Registered);
        let told = notices(&office);
        assert!(told.iter().any(|text| text.contains(says) && text.contains("registering all the same")), "{told:?}");
    }
}
