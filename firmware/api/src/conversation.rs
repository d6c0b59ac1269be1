//! Whole conversations: what a client sends, what the phone is asked, what the client gets.

use crate::testing::{call, ended, record, registered};
use crate::{MAX_QUEUED, MAX_REQUEST, Output, Session, function, parameter};
use offhook_phone::account::schema;
use offhook_phone::hal::Route;
use offhook_phone::*;
use proptest::prelude::*;

/// A client and a phone that does, or refuses, everything at once.
pub(crate) struct Talk {
    session: Session,
    pub(crate) view: View,
    pub(crate) asked: Vec<Command>,
    /// What the phone says to the next commands; then all are done.
    refusals: Vec<Refusal>,
}

impl Talk {
    pub(crate) fn new(view: View) -> Self {
        let mut talk = Self { session: Session::new(1000), view, asked: Vec::new(), refusals: Vec::new() };
        assert_eq!(talk.heard(), "WPNOTIFICATION,START,api,NEOL\r\n");
        talk
    }

    fn heard(&mut self) -> String {
        let mut heard = String::new();
        while let Some(output) = self.session.poll() {
            match output {
                Output::Bytes(bytes) => heard.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Command { id, command } => {
                    self.asked.push(command);
                    let result = if self.refusals.is_empty() { Ok(()) } else { Err(self.refusals.remove(0)) };
                    self.session.done(id, result, &self.view);
                }
                Output::Close => heard.push_str("<closed>"),
            }
        }
        heard
    }

    pub(crate) fn say(&mut self, text: &str) -> String {
        self.session.receive(text.as_bytes(), &self.view);
        self.heard()
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(&format!("{line}\r\n"))
    }

    /// What a line makes the phone do, with the answer OK.
    fn orders(&mut self, line: &str) -> Vec<Command> {
        self.asked.clear();
        let answer = self.ask(line);
        assert!(answer.lines().last().unwrap().starts_with("OK: "), "{line}: {answer}");
        std::mem::take(&mut self.asked)
    }

    fn event(&mut self, event: &Event) -> String {
        self.session.notify(event, &self.view);
        self.heard()
    }
}

fn talk() -> Talk {
    Talk::new(registered())
}

fn speaking() -> Talk {
    let mut view = registered();
    view.calls = vec![call(1, CallState::Talking, false), call(2, CallState::Incoming, true)];
    view.route = Some(Route::Speaker);
    Talk::new(view)
}

fn set(node: &str, value: &str) -> Command {
    Command::Set { account: Some(1), node: node.into(), value: Some(value.into()) }
}

fn reset(node: &str) -> Command {
    Command::Set { account: Some(1), node: node.into(), value: None }
}

// Answers and framing

/// Covers: ctl.api.proto.05, ctl.api.misc.01, ctl.api.misc.02
#[test]
fn a_line_is_answered_by_ok_error_or_the_plain_value() {
    let mut talk = talk();
    assert_eq!(talk.ask("API_Test"), "OK: API_Test succeed\r\n");
    assert_eq!(talk.ask("api testex"), "42\r\n");
    talk.refusals = vec![Refusal::NoSuchCall];
    assert_eq!(talk.ask("API_Hangup"), "ERROR: API_Hangup failed: there is no such call\r\n");
}

/// Covers: ctl.api.proto.04, ctl.api.proto.06
#[test]
fn an_encapsulated_request_is_answered_with_its_arguments() {
    let mut talk = talk();
    let named =
        "BOFCOMMAND BOFLINE function=API Call EOFLINE BOFLINE line=-1 EOFLINE BOFLINE peer=123456 EOFLINE EOFCOMMAND";
    assert_eq!(talk.say(named), "APIREQUEST: API_Call RPARAM1:-1 RPARAM2:123456 APIRESULT:true\r\n");
    let number = "BOFCOMMAND BOFLINE API_TestEx EOFLINE EOFCOMMAND";
    assert_eq!(talk.say(number), "APIREQUEST: API_TestEx APIRESULT:42\r\n");
    let wrong = "BOFCOMMAND BOFLINE API_Hold EOFLINE BOFLINE 9 EOFLINE EOFCOMMAND";
    assert_eq!(
        talk.say(wrong),
        "APIREQUEST: API_Hold RPARAM1:9 APIERROR:a line is -2 (all), -1 (the current one) or 1 to 4 APIRESULT:false\r\n"
    );
    let text = "BOFCOMMAND BOFLINE API_GetCallerID EOFLINE EOFCOMMAND";
    assert_eq!(
        talk.say(text),
        "APIREQUEST: API_GetCallerID APIERROR:there is no such call APIRESULT:ERROR: there is no such call\r\n"
    );
}

#[test]
fn the_accounts_are_exported_as_one_document() {
    let mut talk = talk();
    let header = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let account = "<account>\n  <username>1111</username>\n</account>";
    assert_eq!(talk.ask("API_ExportAccounts"), format!("{header}\n{account}\r\n"));
    let block = "BOFCOMMAND BOFLINE API_ExportAccounts EOFLINE EOFCOMMAND";
    let answer = talk.say(block);
    assert!(answer.contains("APIRESULT:<?xml") && answer.ends_with("CRLF </account>\r\n"), "{answer}");
    talk.view.accounts.push(talk.view.accounts[0].clone());
    assert_eq!(talk.ask("API_ExportAccounts"), format!("{header}\n<accounts>\n{account}\n{account}\n</accounts>\r\n"));
    talk.view.accounts.clear();
    assert_eq!(talk.ask("API_ExportAccounts"), "ERROR: API_ExportAccounts failed: there is no account\r\n");
}

#[test]
fn a_request_that_was_not_ended_is_answered_and_the_next_one_is_done() {
    let answer = talk().say("BOFCOMMAND BOFLINE API_Test BOFCOMMAND BOFLINE API_Test EOFLINE EOFCOMMAND");
    assert_eq!(
        answer,
        "APIREQUEST:  APIERROR:EOFCOMMAND is missing APIRESULT:false\r\nAPIREQUEST: API_Test APIRESULT:true\r\n"
    );
}

#[test]
fn a_request_without_an_end_ends_the_connection() {
    let mut talk = talk();
    let endless = "x".repeat(MAX_REQUEST + 1);
    assert_eq!(talk.say(&endless), "ERROR: a request is at most 64 KiB long\r\n<closed>");
    assert_eq!(talk.ask("API_Test"), "");
    assert_eq!(talk.event(&Event::Started), "");
}

#[test]
fn requests_that_pile_up_behind_a_busy_phone_end_the_connection() {
    let mut session = Session::new(1);
    let view = registered();
    session.receive(b"API_Hangup\n", &view);
    let many = "API_Test\n".repeat(MAX_REQUEST);
    session.receive(many.as_bytes(), &view);
    let outputs: Vec<Output> = std::iter::from_fn(|| session.poll()).collect();
    assert!(matches!(outputs.last(), Some(Output::Close)), "{} outputs", outputs.len());
}

#[test]
fn answers_come_in_the_order_of_the_requests_whatever_the_phone_has_to_do() {
    let mut session = Session::new(7);
    let view = registered();
    while session.poll().is_some() {}
    session.receive(b"API_Call,-1,5\nAPI_TestEx\nAPI_Hangup\nAPI_Test\n", &view);
    let Some(Output::Command { id: first, command: Command::Dial { .. } }) = session.poll() else { panic!() };
    assert_eq!(first, CommandId(7));
    assert!(session.poll().is_none());
    // Notifications do not wait for answers.
    session.notify(&Event::Messages { account: 1, waiting: true, new: 1, old: 0 }, &view);
    assert!(matches!(session.poll(), Some(Output::Bytes(bytes)) if bytes.starts_with(b"WPNOTIFICATION,MWI,")));
    session.done(CommandId(99), Ok(()), &view);
    assert!(session.poll().is_none(), "not the command that was asked for");
    session.done(first, Ok(()), &view);
    let Some(Output::Bytes(bytes)) = session.poll() else { panic!() };
    assert_eq!(bytes, b"OK: API_Call succeed\r\n42\r\n");
    let Some(Output::Command { id, command: Command::Hangup(CallRef::Current) }) = session.poll() else { panic!() };
    assert_eq!(id, CommandId(8));
    session.done(id, Err(Refusal::NoSuchCall), &view);
    let Some(Output::Bytes(bytes)) = session.poll() else { panic!() };
    assert_eq!(bytes, b"ERROR: API_Hangup failed: there is no such call\r\nOK: API_Test succeed\r\n");
}

/// Covers: ctl.api.conf.05, ctl.api.conf.06, ctl.ntf.051
#[test]
fn the_conversation_of_the_manual_works_as_printed() {
    let mut talk = talk();
    assert_eq!(talk.say("API Start"), "");
    let start = "WPNOTIFICATION,START,api,NEOL\r\nWPNOTIFICATION,START,sip,NEOL\r\nOK: API_Start succeed\r\n";
    let answer = talk
        .say("API_SetParameters,serveraddress=pbx.example CRLF username=100 CRLF password=geheim CRLF loglevel=5 \r\n");
    let warning = "WPNOTIFICATION,EVENT,WARNING,loglevel is kept and has no effect in this version,NEOL\r\n";
    assert_eq!(answer, format!("{start}{warning}OK: API_SetParameters succeed\r\n"));
    let [Command::Credentials { server, username, password, .. }] = talk.asked.as_slice() else {
        panic!("{:?}", talk.asked)
    };
    assert_eq!((server.as_str(), username.as_str(), password.reveal()), ("pbx.example", "100", "geheim"));
    assert_eq!(talk.ask("API SetParameter,mediatimeout,0").lines().last(), Some("OK: API_SetParameter succeed"));
    assert_eq!(talk.ask("API_Call,-1, DESTINATION"), "OK: API_Call succeed\r\n");
    assert_eq!(talk.ask("API_Hangup"), "OK: API_Hangup succeed\r\n");
    assert_eq!(
        talk.ask("API SendChat,-1,DESTINATION,MESSAGE"),
        "ERROR: API_SendChat failed: not part of this version\r\n"
    );
    assert!(talk.ask("API_StartStack").starts_with("WPNOTIFICATION,START,sip,NEOL"));
}

/// Covers: ctl.api.call.09, ctl.api.audio.04, ctl.api.misc.27
#[test]
fn what_does_not_act_says_why_and_what_is_unknown_is_suggested() {
    let mut talk = talk();
    for function in function::all() {
        let answer = talk.ask(function.name);
        match function.does {
            function::Does::Act(_) => assert!(!answer.contains("not part of this version"), "{answer}"),
            function::Does::NotYet => {
                assert_eq!(answer, format!("ERROR: {} failed: not part of this version\r\n", function.name));
            }
            function::Does::NotApplicable(why) => {
                let reason = format!("not applicable on this device: {why}");
                assert_eq!(answer, format!("ERROR: {} failed: {reason}\r\n", function.name));
            }
        }
    }
    assert_eq!(talk.ask("API_Hangpu"), "ERROR: API_Hangpu failed: unknown function, did you mean API_Hangup?\r\n");
    assert_eq!(talk.ask("GET / HTTP/1.1"), "ERROR: GET / HTTP/1.1 failed: unknown function\r\n");
}

// Calls

/// Covers: ctl.api.proto.08, ctl.api.call.01, ctl.api.call.03, ctl.api.call.04, ctl.api.call.05, ctl.api.call.14,
/// ctl.api.call.15, ctl.api.call.17
#[test]
fn calls_are_made_answered_held_and_ended_by_line() {
    let mut talk = speaking();
    let dial = |target: &str| Command::Dial { account: None, target: target.into() };
    assert_eq!(talk.orders("API_Call,-1,123"), [dial("123")]);
    assert_eq!(talk.orders("API_Call,3,sip:a@b"), [dial("sip:a@b")]);
    assert_eq!(talk.orders("API_Call,-1,"), [Command::Redial]);
    assert_eq!(talk.ask("API_Call,1,123"), "ERROR: API_Call failed: line 1 is in use\r\n");
    assert_eq!(talk.orders("API_Hangup"), [Command::Hangup(CallRef::Current)]);
    assert_eq!(talk.orders("API_Hangup,-2"), [Command::Hangup(CallRef::All)]);
    assert_eq!(talk.orders("API_Hangup,2"), [Command::Hangup(CallRef::Line(2))]);
    assert_eq!(talk.orders("API_Hangup,0"), [Command::Hangup(CallRef::Current)]);
    assert!(talk.ask("API_Hangup,5").starts_with("ERROR: API_Hangup failed: a line is"));
    assert!(talk.ask("API_Hangup,one").starts_with("ERROR: API_Hangup failed: one is no number"));
    assert_eq!(talk.orders("API_Accept,-1"), [Command::Answer(CallRef::Current)]);
    assert_eq!(talk.orders("API_Accept,2"), [Command::Answer(CallRef::Line(2))]);
    assert_eq!(talk.orders("API_Reject"), [Command::Reject(CallRef::Current)]);
    assert_eq!(talk.orders("API_Hold,1,true"), [Command::Hold(CallRef::Line(1), true)]);
    assert_eq!(talk.orders("API_Hold,-2,reload"), [Command::Hold(CallRef::All, false)]);
    assert!(talk.ask("API_Hold,1,perhaps").starts_with("ERROR: API_Hold failed: true or false"));
    assert_eq!(talk.orders("API_HoldChange,1"), [Command::HoldToggle(CallRef::Line(1))]);
    assert_eq!(talk.orders("API_Dtmf,-2,\" 12 345 #\""), [Command::Dtmf(CallRef::All, " 12 345 #".into())]);
    assert!(talk.ask("API_Dtmf,1").starts_with("ERROR: API_Dtmf failed"));
}

/// Covers: ctl.api.conf.11, ctl.api.conf.12
#[test]
fn the_chosen_line_is_the_current_one_as_long_as_it_has_a_call() {
    let mut talk = speaking();
    assert_eq!(talk.ask("API_GetLine"), "1\r\n");
    talk.orders("API_SetLine,2");
    assert_eq!(talk.ask("API_GetLine"), "2\r\n");
    assert_eq!(talk.orders("API_Hangup,-1"), [Command::Hangup(CallRef::Line(2))]);
    talk.orders("API_SetLine,3");
    assert_eq!(talk.orders("API_Hangup,-1"), [Command::Hangup(CallRef::Current)]);
    assert!(talk.ask("API_SetLine,5").starts_with("ERROR"));
    talk.orders("API_SetLine,1");
    // Line 1 does not ring: what rings is meant.
    assert_eq!(talk.orders("API_Accept,-1"), [Command::Answer(CallRef::Current)]);
}

/// Covers: ctl.api.call.02, ctl.api.call.10
#[test]
fn a_video_call_is_made_with_sound_only_and_a_warning() {
    let mut talk = talk();
    let answer = talk.ask("API_CallEx,-1,123,1");
    assert!(answer.starts_with("WPNOTIFICATION,EVENT,WARNING,there is no video on this device%2C"), "{answer}");
    assert!(answer.ends_with("OK: API_CallEx succeed\r\n"), "{answer}");
    assert_eq!(talk.asked, [Command::Dial { account: None, target: "123".into() }]);
    assert_eq!(talk.ask("API_CallEx,-1,123,0"), "OK: API_CallEx succeed\r\n");
    assert_eq!(talk.ask("API_StopVideo,1"), "OK: API_StopVideo succeed\r\n");
}

/// Covers: ctl.api.call.11, ctl.api.call.12, ctl.par.call.19
#[test]
fn mute_is_for_the_microphone_and_says_so() {
    let mut talk = speaking();
    assert_eq!(talk.orders("API_MuteEx,-1,true,2"), [Command::Mute(Some(true))]);
    assert_eq!(talk.orders("API_MuteEx,-1,false,4"), [Command::Mute(Some(false))]);
    assert!(talk.ask("API_MuteEx,-1,true,0").contains("EVENT,WARNING,only the microphone"));
    assert!(talk.ask("API_MuteEx,-1,true,1").starts_with("ERROR: API_MuteEx failed: muting the speaker"));
    assert!(talk.ask("API_MuteEx,2,true,2").starts_with("ERROR: API_MuteEx failed: only the call in the ear"));
    assert!(talk.ask("API_MuteEx,3,true,2").starts_with("ERROR: API_MuteEx failed: there is no such call"));
    talk.orders("API_SetParameter,defmute,1");
    assert!(talk.ask("API_MuteEx,-1,true").starts_with("ERROR: API_MuteEx failed: muting the speaker"));
    assert_eq!(talk.ask("API_IsMuted,1"), "0\r\n");
    assert_eq!(talk.ask("API_IsMuted,3"), "-1\r\n");
    talk.view.calls[0].muted = true;
    assert_eq!(talk.ask("API_IsMuted,-1"), "3\r\n");
}

/// Covers: ctl.api.call.13
#[test]
fn hold_is_told_by_side_and_over_all_lines() {
    let mut talk = speaking();
    assert_eq!(talk.ask("API_IsOnHold,1"), "0\r\n");
    assert_eq!(talk.ask("API_IsOnHold,4"), "-1\r\n");
    talk.view.calls[0].held_by_them = true;
    assert_eq!(talk.ask("API_IsOnHold,1"), "3\r\n");
    talk.view.calls[0].held_by_us = true;
    assert_eq!(talk.ask("API_IsOnHold,1"), "4\r\n");
    talk.view.calls[0].held_by_them = false;
    assert_eq!(talk.ask("API_IsOnHold,-2"), "2\r\n");
}

// State

/// Covers: ctl.api.state.01, ctl.api.state.04, ctl.api.state.05, ctl.api.state.06, ctl.api.state.07, ctl.api.state.09,
/// ctl.api.state.10, ctl.api.state.11
#[test]
fn questions_are_answered_from_the_picture_of_the_phone() {
    let mut quiet = talk();
    assert_eq!(quiet.ask("API_GetVersion"), "1.2.3\r\n");
    assert_eq!(quiet.ask("API_IsOnline"), "OK: API_IsOnline succeed\r\n");
    assert_eq!(quiet.ask("API_IsRegistered"), "OK: API_IsRegistered succeed\r\n");
    assert_eq!(quiet.ask("API_IsInCall"), "0\r\n");
    assert_eq!(quiet.ask("API_GetLastCallDetails"), "\r\n");
    quiet.view.history = vec![record(1, 2)];
    assert_eq!(quiet.ask("API_GetLastCallDetails"), "1,2222,1111,2222,192.0.2.1,1500,7000,2,200 ended here\r\n");
    quiet.view.accounts[0].state = AccountState::Registering;
    quiet.view.accounts[0].local = None;
    assert_eq!(quiet.ask("API_IsRegistered"), "ERROR: API_IsRegistered failed: not registered\r\n");
    assert_eq!(quiet.ask("API_IsOnline"), "ERROR: API_IsOnline failed: no network\r\n");
    quiet.view.calls = vec![call(1, CallState::Ringing, false)];
    assert_eq!(quiet.ask("API_IsInCall"), "1\r\n");

    let mut talk = speaking();
    assert_eq!(talk.ask("API_IsInCall"), "2\r\n");
    assert_eq!(talk.ask("API_GetCurrentConnectedCallCount"), "1\r\n");
    assert_eq!(talk.ask("API_GetCallerID,1"), "2222\r\n");
    assert_eq!(talk.ask("API_GetIncomingDisplay,-1"), "2222\nKatie\r\n");
    assert!(talk.ask("API_GetIncomingDisplay,1").starts_with("ERROR"));
}

/// Covers: ctl.api.state.02, ctl.api.conf.13, ctl.api.conf.14, ctl.ntf.019
#[test]
fn a_status_is_the_word_of_the_notifications() {
    let mut quiet = talk();
    assert_eq!(quiet.ask("API_GetStatus,-2,0"), "Registered\r\n");
    assert_eq!(quiet.ask("API_GetStatus,-1"), "Registered\r\n");
    assert_eq!(quiet.ask("API_GetStatus,1,1"), "Unknown\r\n");
    assert_eq!(quiet.ask("API_GetLineStatusText,1"), "Ready\r\n");
    let mut talk = speaking();
    talk.view.calls[0].seconds = 12;
    assert_eq!(talk.ask("API_GetStatus,-2,0"), "In Call (12 sec)\r\n");
    assert_eq!(talk.ask("API_GetStatus,2,1"), "Ringing\r\n");
    assert_eq!(talk.ask("API_GetStatus,4,1"), "Unknown\r\n");
    assert_eq!(talk.ask("API_GetStatus,4,0"), "Speaking\r\n");
    assert_eq!(talk.ask("API_GetLineStatusText,1"), "Speaking\r\n");
    assert_eq!(talk.ask("API_GetLineStatus,1"), "16\r\n");
    assert_eq!(talk.ask("API_GetLineStatus,2"), "11\r\n");
    assert_eq!(talk.ask("API_GetLineStatus,3"), "2\r\n");
}

/// Covers: ctl.api.state.08
#[test]
fn the_reason_of_a_failed_registration_stays_after_it_is_repaired() {
    let mut talk = talk();
    assert_eq!(talk.ask("API_GetRegFailReason"), "\r\n");
    let failed = AccountState::Failed("wrong password".into());
    talk.view.accounts[0].state = failed.clone();
    talk.event(&Event::Registration { account: 1, state: failed });
    assert_eq!(talk.ask("API_GetRegFailReason"), "wrong password\r\n");
    talk.view.accounts[0].state = AccountState::Registered;
    assert_eq!(talk.ask("API_GetRegFailReason,true"), "1111@pbx.example: wrong password\r\n");
}

/// Covers: ctl.api.audio.11, ctl.api.audio.12, ctl.par.audio.07, ctl.par.audio.08, ctl.par.audio.09
#[test]
fn volume_is_set_and_told_for_microphone_playback_and_ringer() {
    let mut talk = speaking();
    let volume = |device, percent| Command::Volume { device, percent };
    assert_eq!(talk.orders("API_SetVolume,0,7"), [volume(VolumeDevice::Microphone, 7)]);
    assert_eq!(talk.orders("API_SetVolume,1,0"), [volume(VolumeDevice::Playback, 0)]);
    assert_eq!(talk.orders("API_SetVolume,2,100"), [volume(VolumeDevice::Ringer, 100)]);
    assert!(talk.ask("API_SetVolume,2,101").starts_with("ERROR"));
    assert!(talk.ask("API_SetVolume,3,10").starts_with("ERROR"));
    assert_eq!(talk.ask("API_GetVolume,0"), "50\r\n");
    assert_eq!(talk.ask("API_GetVolume,1"), "20\r\n");
    assert_eq!(talk.ask("API_GetVolume,2"), "40\r\n");
    let line = "API_SetParameters,volumein=1 CRLF volumeout=2 CRLF volumering=3";
    let three = [VolumeDevice::Microphone, VolumeDevice::Playback, VolumeDevice::Ringer].into_iter().zip(1..);
    assert_eq!(talk.orders(line), three.map(|(device, percent)| volume(device, percent)).collect::<Vec<_>>());
}

#[test]
fn a_name_with_line_ends_cannot_pass_for_an_answer() {
    let mut talk = speaking();
    for call in &mut talk.view.calls {
        call.peer = "2222\r\nOK: API_Hangup succeed".into();
        call.peer_name = Some("a\r\nb".into());
    }
    assert_eq!(talk.ask("API_GetCallerID,1"), "2222OK: API_Hangup succeed\r\n");
    assert_eq!(talk.ask("API_GetIncomingDisplay,-1"), "2222OK: API_Hangup succeed\nab\r\n");
    talk.event(&Event::Registration { account: 1, state: AccountState::Failed("a\r\nb".into()) });
    assert_eq!(talk.ask("API_GetRegFailReason"), "ab\r\n");
}

// Account and parameters

/// Covers: ctl.api.conf.03, ctl.api.conf.07, ctl.api.conf.09, ctl.ntf.004
#[test]
fn credentials_go_to_the_main_account_and_registering_follows() {
    let mut talk = talk();
    let made = talk.orders("API_SetCredentials,\"\",100,\"\",,Ann, A.");
    let [Command::Credentials { server, username, password, auth_name, display_name }] = made.as_slice() else {
        panic!("{made:?}")
    };
    assert!(server.is_empty() && password.is_empty() && auth_name.is_empty());
    assert_eq!((username.as_str(), display_name.as_str()), ("100", "Ann, A."));
    assert_eq!(talk.orders("API_SetCredentials"), []);

    let answer = talk.ask("API_Register");
    assert_eq!(answer, "WPNOTIFICATION,STATUS,-1,Register...,,1111,,,,NEOL\r\nOK: API_Register succeed\r\n");
    assert_eq!(talk.asked, [Command::Register(None)]);
    let both = talk.orders("API_Register,pbx.example,100,geheim");
    assert!(matches!(both.as_slice(), [Command::Credentials { .. }, Command::Register(None)]), "{both:?}");
    talk.refusals = vec![Refusal::Locked("host".into())];
    let refused = talk.ask("API_Register,other.example,100,geheim");
    assert!(refused.ends_with("ERROR: API_Register failed: host is locked by the administrator\r\n"), "{refused}");

    // No call to hang up is no error.
    talk.refusals = vec![Refusal::NoSuchCall];
    assert_eq!(talk.orders("API_Unregister"), [Command::Hangup(CallRef::All), Command::Unregister(None)]);
}

#[test]
fn an_account_is_made_when_server_and_user_name_are_both_known() {
    let mut talk = Talk::new(View::default());
    assert!(talk.ask("API_Register").starts_with("ERROR: API_Register failed: there is no account"));
    assert_eq!(talk.orders("API_SetParameter,password,geheim"), []);
    assert_eq!(talk.orders("API_SetParameter,transport,1"), []);
    assert_eq!(talk.orders("API_SetParameter,serveraddress,pbx.example"), []);
    let made = talk.orders("API_SetParameter,username,100");
    let [Command::Credentials { server, username, password, .. }, Command::Set { account: None, node, value }] =
        made.as_slice()
    else {
        panic!("{made:?}")
    };
    assert_eq!((server.as_str(), username.as_str(), password.reveal()), ("pbx.example", "100", "geheim"));
    assert_eq!((node.as_str(), value.as_deref()), ("transport", Some("tcp")));
}

/// Covers: ctl.api.conf.01, ctl.api.conf.02, ctl.par.how.01, ctl.par.main.01, ctl.par.main.02, ctl.par.main.03,
/// ctl.par.reg.04, ctl.par.reg.12, ctl.par.reg.13, ctl.par.nat.07, ctl.par.nat.12, ctl.par.nat.13, ctl.par.nat.16,
/// ctl.par.nat.20, ctl.par.media.07, ctl.par.media.25, ctl.par.call.02, ctl.par.call.04, ctl.par.call.07,
/// ctl.par.vm.01, ctl.par.vm.02
#[test]
fn parameters_become_settings_of_the_main_account() {
    let mut talk = talk();
    assert_eq!(talk.orders("API_SetParameter,registerinterval,3600"), [set("expires", "3600")]);
    assert_eq!(
        talk.orders("API_SetParameter,keepaliveival,28000"),
        [set("keepAlive", "1"), set("keepAlivePeriod", "28")]
    );
    assert_eq!(talk.orders("API_SetParameter,signalingport,5070"), [set("listeningPort", "5070")]);
    assert_eq!(
        talk.orders("API_SetParameter,rtpport,20000"),
        [set("rtpPortRangeStart", "20000"), set("rtpPortRangeEnd", "21000")]
    );
    assert_eq!(
        talk.orders("API_SetParameter,proxyaddress,edge.example"),
        [set("outboundProxy_host", "edge.example"), set("outboundProxy_enabled", "1")]
    );
    assert_eq!(
        talk.orders("API_SetParameter,proxyaddress,"),
        [reset("outboundProxy_host"), reset("outboundProxy_enabled")]
    );
    assert_eq!(talk.orders("API_SetParameter,transport,1"), [set("transport", "tcp")]);
    assert_eq!(talk.orders("API_SetParameter,transport,DEF"), [reset("transport")]);
    assert_eq!(talk.orders("API_SetParameter,dtmfmode,1"), [set("dtmfOrder", "info"), set("dtmfAll", "0")]);
    assert_eq!(talk.orders("API_SetParameter,codecframecount,2"), [set("ptime", "40")]);
    assert_eq!(talk.orders("API_SetParameter,rejectonbusy,true"), [set("callWaiting", "0")]);
    assert_eq!(
        talk.orders("API_SetParameter,callforwardalways,102"),
        [set("forwardingNumber", "102"), set("forwardingEnabled", "1")]
    );
    assert_eq!(talk.orders("API_SetParameter,callforwardonbusy,102"), [set("forwardingBusyNumber", "102")]);
    assert_eq!(talk.orders("API_SetParameter,autoaccept,true"), [set("appInitiatedAutoAnswerEnabled", "1")]);
    assert_eq!(talk.orders("API_SetParameter,voicemail,3"), [set("subscribeForVoicemail", "1")]);
    assert_eq!(talk.orders("API_SetParameter,voicemailnum,*97"), [set("voiceMailNumber", "*97")]);
    // A node of the Account XML by its own name.
    assert_eq!(talk.orders("API_SetParameter,enablertcpmux,1"), [set("enableRtcpMux", "1")]);
    assert_eq!(talk.orders("API_SetParameter,password,NULL"), [reset("password")]);
    assert_eq!(talk.orders("API_SetParameter,password,"), []);
    let all = "API_SetParameters,transport=0 CRLF serveraddress=a CRLF username=b CRLF password=c CRLF sipusername=d CRLF displayname=e";
    let made = talk.orders(all);
    let [Command::Credentials { server, username, password, auth_name, display_name }, last] = made.as_slice() else {
        panic!("{made:?}")
    };
    assert_eq!([server.as_str(), username, password.reveal(), auth_name, display_name], ["a", "b", "c", "d", "e"]);
    assert_eq!(*last, set("transport", "udp"));
}

#[test]
fn of_several_parameters_the_good_ones_are_set_and_the_others_named() {
    let mut talk = talk();
    talk.refusals = vec![Refusal::Locked("expires".into())];
    let answer = talk.ask("API_SetParameters,registerinterval=100 CRLF transport=7 CRLF usernme=x CRLF voicemailnum=5");
    assert_eq!(
        answer,
        "ERROR: API_SetParameters failed: transport: -1 to 5 expected; usernme: unknown parameter, did you mean \
         username?; registerinterval: expires is locked by the administrator\r\n"
    );
    assert_eq!(talk.asked, [set("expires", "100"), set("voiceMailNumber", "5")]);
    assert_eq!(talk.ask("API_GetParameter,voicemailnum"), "5\r\n");
    assert_eq!(talk.ask("API_GetParameter,registerinterval"), "\r\n");
}

/// Covers: ctl.par.nat.05, ctl.par.nat.08, ctl.par.nat.17, ctl.par.nat.18, ctl.par.nat.19, ctl.par.nat.21,
/// ctl.par.nat.22, ctl.par.nat.26, ctl.par.media.06, ctl.par.media.23, ctl.par.media.34, ctl.par.audio.21,
/// ctl.par.audio.24, ctl.par.audio.25, ctl.par.call.30, ctl.par.sys.14, ctl.par.sys.15, ctl.par.sys.16,
/// ctl.par.sys.17
#[test]
fn what_has_no_effect_is_kept_given_back_and_reported() {
    let mut talk = talk();
    let mut counted = 0;
    for parameter in parameter::all() {
        let name = parameter.names[0].replace('N', "2");
        let why = match parameter.effect {
            parameter::Effect::Kept => "is kept and has no effect in this version",
            parameter::Effect::NotApplicable => "is kept and not applicable on this device",
            parameter::Effect::Fixed(_) => "has no effect: ",
            _ => continue,
        };
        let answer = talk.ask(&format!("API_SetParameter,{name},17"));
        assert!(answer.starts_with("WPNOTIFICATION,EVENT,WARNING,"), "{answer}");
        assert!(answer.contains(why) && answer.ends_with("OK: API_SetParameter succeed\r\n"), "{answer}");
        let back = talk.ask(&format!("API_GetParameter,{name}"));
        match parameter::is_secret(&name) {
            true => assert!(back.starts_with("ERROR"), "{back}"),
            false => assert_eq!(back, "17\r\n", "{name}"),
        }
        counted += 1;
    }
    assert!(counted > 150, "{counted}");
    assert!(talk.asked.is_empty());
    talk.ask("API_SetParameter,agc,DEF");
    assert_eq!(talk.ask("API_GetParameter,agc"), "\r\n");
}

#[test]
fn passwords_are_never_given_back() {
    let mut talk = talk();
    let mut heard = String::new();
    talk.ask("API_SetParameter,jsscriptevent,3");
    for request in [
        "BOFCOMMAND BOFLINE API_SetParameter EOFLINE BOFLINE password EOFLINE BOFLINE geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetParameter EOFLINE BOFLINE cloud_password EOFLINE BOFLINE geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetParameters EOFLINE BOFLINE password=geheim EOFLINE BOFLINE username=1 EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetParameters EOFLINE BOFLINE md5=geheim CRLF pasword=geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetParameters EOFLINE BOFLINE geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetCredentials EOFLINE BOFLINE a EOFLINE BOFLINE b EOFLINE BOFLINE geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_Register EOFLINE BOFLINE password=geheim EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_SetCredentialsMD5,a,b,geheim,c EOFLINE EOFCOMMAND",
        "BOFCOMMAND BOFLINE API_RegisterEx EOFLINE BOFLINE a,b,geheim,60 EOFLINE EOFCOMMAND",
        "password=geheim\r\n",
        "API_SetParameter,password2,geheim\r\n",
        "API_SetParameter,ftp_addr,ftp://u:geheim@h/\r\n",
        "API_GetParameter,password\r\n",
        "API_GetParameter,password2\r\n",
        "API_GetParameter,ftp_addr\r\n",
        "API_GetStatus,-2\r\n",
        "API_Poll\r\n",
    ] {
        heard.push_str(&talk.say(request));
        heard.push_str(&format!("{:?}", talk.session));
    }
    assert!(heard.contains("RPARAM3:*** APIRESULT:true"), "{heard}");
    assert!(heard.contains("password=*** CRLF username=1"), "{heard}");
    assert!(!heard.contains("geheim"), "{heard}");
    let mut session = Session::new(1);
    session.receive(b"API_SetParameter,STUNPassword,geheim\nAPI_SetCredentials,a,b,geheim\n", &registered());
    let shown = format!("{session:?} {:?} {:?}", session.poll(), session.poll());
    assert!(shown.contains("***") && !shown.contains("geheim"), "{shown}");
}

#[test]
fn an_encrypted_text_is_refused_and_not_taken_for_a_password() {
    let mut talk = talk();
    for line in [
        "API_SetParameter,password,encrypted__3__Zm9v",
        "API_SetParameters,username=1 CRLF password=encrypted__3__Zm9v",
        "API_SetCredentials,a,b,encrypted__3__Zm9v",
    ] {
        let answer = talk.ask(line);
        assert!(answer.contains("encrypted texts need a key"), "{answer}");
        assert!(answer.starts_with("ERROR"), "{answer}");
    }
    let took = |command: &Command| matches!(command, Command::Credentials { password, .. } if !password.is_empty());
    assert!(!talk.asked.iter().any(took), "{:?}", talk.asked);
}

// Notifications and polling

/// Covers: ctl.api.proto.07, ctl.ntf.001, ctl.ntf.050
#[test]
fn notifications_come_framed_and_after_the_answer_that_caused_them() {
    let mut talk = talk();
    let trying = call(1, CallState::Trying, false);
    talk.view.calls = vec![trying.clone()];
    let told = talk.event(&Event::Call { call: trying.clone() });
    assert!(told.contains("WPNOTIFICATION,STATUS,1,CallSetup,2222,1111,1,Katie,abc@host,NEOL\r\n"), "{told}");
    for line in told.lines() {
        assert_eq!(line.split(',').count(), 10, "{line}");
    }
    let over = talk.event(&ended(trying, 2));
    assert!(
        over.contains("WPNOTIFICATION,CDR,1,2222,1111,2222,192.0.2.1,1500,7000,2,200 ended here,NEOL\r\n"),
        "{over}"
    );
}

#[test]
fn a_connection_that_opens_during_a_call_is_not_told_that_it_begins() {
    let mut talk = speaking();
    talk.ask("API_Test");
    let muted = CallView { muted: true, ..talk.view.calls[0].clone() };
    talk.view.calls[0] = muted.clone();
    let told = talk.event(&Event::Call { call: muted });
    assert!(told.contains(",1,Muted,") && !told.contains("CallSetup") && !told.contains("CallConnect"), "{told}");
}

/// Covers: ctl.par.sys.07, ctl.ntf.055
#[test]
fn the_level_of_notifications_is_that_of_the_connection() {
    let events = [
        Event::Messages { account: 1, waiting: true, new: 1, old: 0 },
        Event::Notice { level: Level::Event, text: "notice".into() },
        Event::Protest("protest".into()),
    ];
    for (level, heard) in [(0, 0), (1, 1), (2, 2), (3, 3)] {
        let mut talk = talk();
        talk.orders(&format!("API_SetParameter,jsscriptevent,{level}"));
        let told: String = events.iter().map(|event| talk.event(event)).collect();
        assert_eq!(told.lines().count(), heard, "level {level}: {told}");
    }
    let mut talk = talk();
    assert_eq!(talk.ask("API_AddLog,a, b"), "OK: API_AddLog succeed\r\n");
    talk.orders("API_SetParameter,jsscriptevent,3");
    assert_eq!(talk.ask("API_AddLog,a, b"), "WPNOTIFICATION,LOG,EVENT,a%2C b,NEOL\r\nOK: API_AddLog succeed\r\n");
    assert!(talk.ask("API_SetParameter,jsscriptevent,4").starts_with("ERROR"));
}

/// Covers: ctl.api.state.03, ctl.par.sys.09
#[test]
fn poll_gives_what_came_since_the_last_time_and_the_newest_two_hundred() {
    let mut talk = talk();
    assert_eq!(talk.ask("API_Poll"), "WPNOTIFICATION,START,api,NEOL\r\n");
    assert_eq!(talk.ask("API_Poll"), "\r\n");
    talk.orders("API_SetParameter,jsscriptpoll,3");
    let notice = |n: usize| Event::Notice { level: Level::Event, text: format!("n{n}") };
    for n in 0..MAX_QUEUED + 5 {
        assert_eq!(talk.event(&notice(n)), "", "only by polling");
    }
    let got = talk.ask("API_Poll");
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines.len(), MAX_QUEUED);
    assert_eq!((lines[0], lines[199]), ("WPNOTIFICATION,EVENT,EVENT,n5,NEOL", "WPNOTIFICATION,EVENT,EVENT,n204,NEOL"));
    talk.event(&notice(1));
    talk.event(&notice(2));
    assert_eq!(
        talk.say("BOFCOMMAND BOFLINE API_Poll EOFLINE EOFCOMMAND"),
        "APIREQUEST: API_Poll APIRESULT:WPNOTIFICATION,EVENT,EVENT,n1,NEOL CRLF WPNOTIFICATION,EVENT,EVENT,n2,NEOL\r\n"
    );
    talk.orders("API_SetParameter,jsscriptpoll,0");
    assert!(talk.event(&notice(3)).contains("n3"));
    assert_eq!(talk.ask("API_Poll"), "ERROR: API_Poll failed: jsscriptpoll is 0\r\n");
}

/// Covers: ctl.ntf.060, ctl.api.misc.03, ctl.api.misc.04
#[test]
fn small_functions_answer_without_the_phone() {
    let mut talk = talk();
    talk.view.messages = Messages { waiting: true, new: 2, old: 3 };
    assert_eq!(
        talk.ask("API_CheckVoicemail,-1"),
        "WPNOTIFICATION,MWI,new=2 old=3 account=1,NEOL\r\nOK: API_CheckVoicemail succeed\r\n"
    );
    assert_eq!(talk.ask("API_HTTPKeepAlive"), "OK: API_HTTPKeepAlive succeed\r\n");
    assert_eq!(talk.ask("API_ServerInit,pbx"), "OK: API_ServerInit succeed\r\n");
    assert!(talk.asked.is_empty());
}

// Any input

/// All that a client hears, and the phone is asked, when bytes come in these pieces.
fn outcome(pieces: &[&[u8]]) -> (String, Vec<Command>) {
    let mut talk = speaking();
    let mut heard = String::new();
    for piece in pieces {
        talk.session.receive(piece, &talk.view);
        heard.push_str(&talk.heard());
    }
    (heard, talk.asked)
}

fn words() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&str> = function::names()
        .chain(parameter::names())
        .chain(schema::rows().iter().map(|row| row.node))
        .chain([
            ",",
            ",",
            ",",
            "\r\n",
            "\n",
            " ",
            "=",
            "CRLF",
            " CRLF ",
            "-1",
            "-2",
            "1",
            "5",
            "true",
            "\"",
            "DEF",
            "\u{fc}\u{0}",
            "BOFCOMMAND ",
            "EOFCOMMAND",
            "BOFLINE ",
            " EOFLINE",
            "function=",
            "api",
            "_",
            "encrypted__1__",
            "ß",
            "İ",
        ])
        .collect();
    prop::collection::vec(prop::sample::select(known), 0..80).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_cut_of_a_conversation_gives_the_same_answers(
        bytes in words(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces: Vec<&[u8]> = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        prop_assert_eq!(outcome(&pieces), outcome(&[&bytes]));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), known in words()) {
        outcome(&[&bytes, &known, b"\nEOFCOMMAND\n", &bytes]);
    }

    #[test]
    fn every_request_gets_exactly_one_answer(lines in prop::collection::vec("[ -~]{0,30}", 0..20)) {
        let mut talk = speaking();
        talk.orders("API_SetParameter,jsscriptevent,0");
        talk.orders("API_SetParameter,jsscriptpoll,3");
        let heard = talk.say(&lines.iter().map(|line| format!("API_GetCallerID,{}\n", line.replace(',', ";"))).collect::<String>());
        prop_assert_eq!(heard.lines().count(), lines.len());
    }

    #[test]
    fn any_text_of_the_phone_stays_in_its_field(peer in "\\PC{0,20}|[,\r\n%]{0,9}", line in 1_u8..=4) {
        let mut talk = talk();
        let mut known = call(line, CallState::Trying, true);
        known.peer.clone_from(&peer);
        known.peer_name = Some(peer);
        talk.view.calls = vec![known.clone()];
        for told in talk.event(&Event::Call { call: known }).split_terminator("\r\n") {
            prop_assert_eq!(told.split(',').count(), 10, "{}", told);
        }
    }
}
