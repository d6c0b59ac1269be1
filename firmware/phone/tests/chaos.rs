//! Anything in any order: keys, hook, commands, SIP from a peer that keeps no rules, sound devices and ports that come and
//! go. The phone never panics, never asks for the same past twice, answers every command once, and when all have hung up
//! and the transactions have timed out, nothing is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use offhook_phone::account::Secret;
use offhook_phone::hal::{Hook, Key, PanelEvent};
use offhook_phone::media::telephone_event::Digit;
use offhook_phone::media::{Event as MediaEvent, StreamId};
use offhook_phone::sip::{Message, Method};
use offhook_phone::{CallRef, Command, Event, Input, MediaId, VolumeDevice};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;
use support::{Incoming, Office, config, dialog_info, sdp};

#[derive(Debug, Clone)]
enum Act {
    Panel(PanelEvent),
    Command(Command),
    /// milliseconds
    Time(u32),
    Ring {
        caller: u8,
        body: u8,
        header: u8,
    },
    /// answers the newest INVITE of the phone with this
    Respond {
        status: u16,
        body: u8,
    },
    /// in the nth call the peer made
    InCall {
        which: u8,
        method: u8,
        body: u8,
    },
    /// in the newest call the phone made
    InOwn {
        method: u8,
        body: u8,
    },
    Notify {
        body: u8,
        version: u8,
    },
    Bytes(Vec<u8>),
    /// a file of bad messages
    Corpus(usize),
    Bind,
    BindLater(bool),
    BindFails(u32),
    Media(u8, u8),
    Fetched(u16, u8),
    Audio(bool),
    Storage(bool),
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => prop::sample::select("0123456789*#".chars().collect::<Vec<_>>()).prop_map(Key::Digit),
        3 => (0_u8..6).prop_map(Key::Soft),
        2 => (0_u8..6).prop_map(Key::Line),
        1 => (0_u8..4).prop_map(Key::Lamp),
        4 => prop::sample::select(vec![
            Key::Hold, Key::Mute, Key::Speaker, Key::Headset, Key::Redial, Key::Message, Key::VolumeUp, Key::VolumeDown,
            Key::Ok, Key::Back, Key::Up,
        ]),
    ]
}

fn call_ref() -> impl Strategy<Value = CallRef> {
    prop_oneof![Just(CallRef::Current), Just(CallRef::All), (0_u8..6).prop_map(CallRef::Line)]
}

fn command() -> impl Strategy<Value = Command> {
    let account = prop::option::of(0_u32..3);
    prop_oneof![
        ("[0-9*#+a-z:@. ]{0,12}", account.clone()).prop_map(|(target, account)| Command::Dial { account, target }),
        Just(Command::Redial),
        call_ref().prop_map(Command::Answer),
        call_ref().prop_map(Command::Reject),
        call_ref().prop_map(Command::Hangup),
        (call_ref(), any::<bool>()).prop_map(|(which, on)| Command::Hold(which, on)),
        call_ref().prop_map(Command::HoldToggle),
        (call_ref(), "[0-9*#, x]{0,6}").prop_map(|(which, digits)| Command::Dtmf(which, digits)),
        prop::option::of(any::<bool>()).prop_map(Command::Mute),
        prop::option::of(any::<bool>()).prop_map(Command::Speaker),
        prop::option::of(any::<bool>()).prop_map(Command::DoNotDisturb),
        any::<u8>().prop_map(|percent| Command::Volume { device: VolumeDevice::Playback, percent }),
        any::<i8>().prop_map(Command::VolumeStep),
        account.clone().prop_map(Command::Register),
        account.clone().prop_map(Command::Unregister),
        account.clone().prop_map(Command::Voicemail),
        any::<u8>().prop_map(Command::SoftKey),
        Just(Command::Provision),
        Just(Command::ClearMissed),
        key().prop_map(Command::Key),
        (
            account,
            prop::sample::select(vec!["callWaiting", "userDisplayName", "blf", "codecOrder", "strange", ""]),
            "[01a-z]{0,3}"
        )
            .prop_map(|(account, node, value)| Command::Set { account, node: node.into(), value: Some(value) }),
        "[a-z]{0,3}".prop_map(|display_name| Command::Credentials {
            server: String::new(),
            username: String::new(),
            password: Secret::new("x"),
            auth_name: String::new(),
            display_name,
        }),
        any::<bool>().prop_map(|good| Command::ApplyAccount(if good {
            support::account("<blf><uri>104</uri><uri>102</uri></blf>")
        } else {
            b"<account><username>x".to_vec()
        })),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any::<bool>().prop_map(|off| Act::Panel(PanelEvent::Hook(if off { Hook::Off } else { Hook::On }))),
        6 => key().prop_map(|key| Act::Panel(PanelEvent::Down(key))),
        3 => key().prop_map(|key| Act::Panel(PanelEvent::Up(key))),
        1 => any::<bool>().prop_map(|plugged| Act::Panel(PanelEvent::HeadsetJack(plugged))),
        8 => command().prop_map(Act::Command),
        5 => (0_u32..8000).prop_map(Act::Time),
        1 => (8000_u32..200_000).prop_map(Act::Time),
        4 => (0_u8..4, any::<u8>(), any::<u8>()).prop_map(|(caller, body, header)| Act::Ring { caller, body, header }),
        6 => (prop::sample::select(vec![100_u16, 180, 183, 200, 200, 302, 401, 404, 486, 487, 491, 500, 603]), any::<u8>())
            .prop_map(|(status, body)| Act::Respond { status, body }),
        4 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(which, method, body)| Act::InCall { which, method, body }),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(method, body)| Act::InOwn { method, body }),
        2 => (any::<u8>(), 0_u8..6).prop_map(|(body, version)| Act::Notify { body, version }),
        1 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Act::Bytes),
        2 => any::<usize>().prop_map(Act::Corpus),
        1 => Just(Act::Bind),
        1 => any::<bool>().prop_map(Act::BindLater),
        1 => (0_u32..8).prop_map(Act::BindFails),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(kind, stream)| Act::Media(kind, stream)),
        1 => (prop::sample::select(vec![200_u16, 304, 404, 500]), any::<u8>()).prop_map(|(status, body)| Act::Fetched(status, body)),
        1 => any::<bool>().prop_map(Act::Audio),
        1 => any::<bool>().prop_map(Act::Storage),
    ]
}

fn body(choice: u8) -> Option<String> {
    match choice % 8 {
        0 => None,
        1 => Some("v=0 what is this".into()),
        2 => Some(sdp("sendonly", 8)),
        3 => Some(sdp("inactive", 0)),
        4 => Some(support::sdp_at("0.0.0.0", 30_000, "sendrecv", 8)),
        5 => Some(sdp("sendrecv", 8).replace("PCMA", "NOTHING").replace(" 8 ", " 99 ").replace(":8 ", ":99 ")),
        6 => Some(sdp("sendrecv", 0)),
        _ => Some(sdp("sendrecv", 8)),
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora"));
    let mut files: Vec<_> = ["rfc4475", "rfc5118/wire", "sip-own"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("corpora"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(files.len() > 50);
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

struct Chaos {
    office: Office,
    incoming: Vec<Incoming>,
    cseq: u32,
    corpus: Vec<Vec<u8>>,
}

impl Chaos {
    fn own_invite(&self) -> Option<offhook_phone::sip::Request> {
        self.office.heard.iter().rev().find_map(|message| match message {
            Message::Request(request) if request.method == Method::Invite => Some(request.clone()),
            _ => None,
        })
    }

    fn act(&mut self, act: Act) {
        self.cseq += 1;
        let cseq = self.cseq;
        let office = &mut self.office;
        if office.flow().is_none() && !matches!(act, Act::Panel(_) | Act::Command(_) | Act::Time(_)) {
            return;
        }
        match act {
            Act::Panel(event) => office.input(Input::Panel(event)),
            Act::Command(command) => {
                let _ = office.command(command);
            }
            Act::Time(ms) => office.advance(Duration::from_millis(ms.into())),
            Act::Ring { caller, body: choice, header } => {
                let header = match header % 5 {
                    0 => "Call-Info: <sip:x>;answer-after=1\r\n",
                    1 => "Alert-Info: info=alert-autoanswer\r\n",
                    2 => "P-Asserted-Identity: \"\" <tel:+1>, <<<\r\n",
                    3 => "Diversion: <sip:a@b>;counter=4294967295\r\n",
                    _ => "",
                };
                let call = office.ring(&format!("20{caller}"), header, body(choice).as_deref());
                self.incoming.push(call);
            }
            Act::Respond { status, body: choice } => {
                if let Some(invite) = self.own_invite() {
                    self.office.respond(&invite, status, body(choice).as_deref());
                }
            }
            Act::InCall { which, method, body: choice } => {
                let count = self.incoming.len();
                if let Some(call) =
                    count.checked_sub(1).and_then(|last| self.incoming.get_mut(usize::from(which) % (last + 1)))
                {
                    let method = ["ACK", "BYE", "CANCEL", "INVITE", "INFO", "UPDATE", "OPTIONS", "PRACK"]
                        [usize::from(method) % 8];
                    let number = if matches!(method, "ACK" | "CANCEL") { 1 } else { cseq + 1 };
                    office.send(call, method, number, "", body(choice).as_deref());
                }
            }
            Act::InOwn { method, body: choice } => {
                if let Some(invite) = self.own_invite() {
                    let method = ["BYE", "INVITE", "ACK", "UPDATE", "INFO", "NOTIFY"][usize::from(method) % 6];
                    self.office.send_in(&invite, method, cseq, "", body(choice).as_deref());
                }
            }
            Act::Notify { body: choice, version } => {
                let subscribe = office.heard.iter().rev().find_map(|message| match message {
                    Message::Request(request) if request.method == Method::Subscribe => Some(request.clone()),
                    _ => None,
                });
                if let Some(subscribe) = subscribe {
                    let text = match choice % 4 {
                        0 => "Messages-Waiting: yes\r\nVoice-Message: 99999999999/1\r\n".to_owned(),
                        1 => "rubbish".to_owned(),
                        full => dialog_info(version.into(), full == 2, &[("a", "recipient", "early")]),
                    };
                    let state = if choice % 16 == 15 { "terminated;reason=rejected" } else { "active;expires=60" };
                    office.notify(&subscribe, cseq, state, "application/dialog-info+xml", &text);
                }
            }
            Act::Bytes(bytes) => office.say(&bytes),
            Act::Corpus(index) => {
                let bytes = self.corpus[index % self.corpus.len()].clone();
                office.say(&bytes);
            }
            Act::Bind => office.bind_pending(),
            Act::BindLater(later) => {
                office.bind = !later;
                office.bind_pending();
            }
            Act::BindFails(id) => {
                office.input(Input::MediaBound { id: MediaId(id), result: Err("no".into()) });
            }
            Act::Media(kind, stream) => {
                let stream = StreamId(u32::from(stream % 8));
                office.media_event(match kind % 4 {
                    0 => MediaEvent::Digit { stream, digit: Digit::from_char('1').unwrap() },
                    1 => MediaEvent::Silent { stream, seconds: 5 },
                    2 => MediaEvent::PeerLeft { stream },
                    _ => MediaEvent::Talking { stream, from: "192.0.2.1:30000".parse().unwrap() },
                });
            }
            Act::Fetched(status, choice) => {
                if !office.fetches.is_empty() {
                    let text = match choice % 3 {
                        0 => support::account(
                            "<blf><uri>102</uri></blf><subscribeForVoicemail>1</subscribeForVoicemail>",
                        ),
                        1 => support::account("<callWaiting>0</callWaiting>"),
                        _ => b"<account>".to_vec(),
                    };
                    office.fetched(status, &text);
                }
            }
            Act::Storage(full) => {
                office.input(Input::Storage { trouble: full.then(|| "cannot save history: disk full".into()) });
            }
            Act::Audio(available) => office.input(Input::Audio { available, text: "sound".into() }),
        }
        let view = self.office.view();
        assert!(view.calls.len() <= 5 && view.soft_keys.len() <= 4 && view.history.len() <= 100);
        assert!(view.calls.iter().filter(|call| call.in_focus).count() <= 1);
        assert!(!view.to_json().contains('\n'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_breaks_the_phone_or_stays_in_it(acts in prop::collection::vec(act(), 1..70)) {
        let mut config = config("<blf><uri>102</uri><uri>103</uri></blf><subscribeForVoicemail>1</subscribeForVoicemail>");
        config.provision = vec!["http://192.0.2.1/x".into()];
        let mut office = Office::with(config);
        office.lenient = true;
        let mut chaos = Chaos { office, incoming: Vec::new(), cseq: 0, corpus: corpus() };
        for act in acts {
            chaos.act(act);
        }
        let mut office = chaos.office;
        office.bind = true;
        office.bind_pending();
        office.hang_up_all();
        office.put_down();
        office.input(Input::Panel(PanelEvent::HeadsetJack(false)));
        if office.view().route != Some(offhook_phone::hal::Route::Off) {
            office.press(Key::Speaker);
        }
        // whoever still waits is told that it is over
        let open: Vec<_> = office
            .heard
            .iter()
            .filter_map(|message| match message {
                Message::Request(request) if request.method == Method::Invite => Some(request.clone()),
                _ => None,
            })
            .collect();
        for invite in open {
            office.respond(&invite, 487, None);
        }
        office.seconds(400);
        let census = office.census();
        prop_assert_eq!((census.calls, census.media, census.sip.sessions), (0, 0, 0));
        // a refresh may be on its way just now, but not always
        for _ in 0..10 {
            if office.census().sip.client_transactions > 0 {
                office.seconds(7);
            }
        }
        let census = office.census();
        let left = (census.sip.client_transactions, census.sip.server_transactions);
        prop_assert_eq!(left, (0, 0), "{:?} {:?}", office.summary(), office.lost);
        prop_assert!(office.bound.is_empty());
        prop_assert!(!office.bell);
        prop_assert_eq!(office.tone, None);
        let started = office.events.iter().filter(|event| **event == Event::Started).count();
        prop_assert_eq!(started, 1);
        office.input(Input::Stop);
        office.seconds(2);
        prop_assert!(office.stopped);
    }
}
