//! Calls in both directions, from lifting to hanging up, with a peer that is scripted message by message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use offhook_phone::hal::{Key, Lamp, Pattern, Route};
use offhook_phone::media::Direction;
use offhook_phone::media::measure::{strongest, tone_ratio_db};
use offhook_phone::sip::Method;
use offhook_phone::{CallRef, CallState, Command, Event, Input, Level, MediaId, Refusal};
use support::{Office, sdp, sdp_at};

/// Covers: feat.1, feat.4, axml.tones.06, axml.tones.07, axml.tones.08
#[test]
fn lift_dial_talk_and_be_hung_up_on() {
    let mut office = Office::new("");
    office.lift();
    assert_eq!((office.route, office.tone), (Route::Handset, Some("dial")));
    office.keys("1");
    assert_eq!(office.tone, None);
    assert_eq!(office.view().dialling.as_deref(), Some("1"));
    office.keys("02");
    office.seconds(3);
    assert!(!office.has_request(&Method::Invite));
    office.seconds(1);
    let invite = office.request(Method::Invite);
    assert_eq!(invite.uri.to_string(), "sip:102@192.0.2.1");
    let body = String::from_utf8(invite.body.clone()).unwrap();
    assert!(body.contains("m=audio 4000"), "{body}");
    assert_eq!((office.tone, office.call().state), (Some("trying"), CallState::Trying));
    assert_eq!(office.lamp(Lamp::Line(1)), Pattern::On);
    office.respond(&invite, 100, None);
    office.respond(&invite, 180, None);
    assert_eq!((office.tone, office.call().state), (Some("ringing"), CallState::Ringing));
    office.respond(&invite, 200, Some(&sdp("sendrecv", 8)));
    office.request(Method::Ack);
    let call = office.call();
    assert_eq!(
        (office.tone, call.state, call.codec, call.peer.as_str()),
        (None, CallState::Talking, Some("PCMA"), "102")
    );
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::SendRecv]);
    assert!(office.events.contains(&Event::Mic(true)));
    office.seconds(75);
    assert_eq!(office.call().seconds, 75);
    office.send_in(&invite, "BYE", 1, "", None);
    office.response(200);
    let call = office.call();
    assert_eq!((office.tone, call.state, call.seconds), (Some("endcall"), CallState::Ended, 75));
    assert_eq!(call.end.unwrap().party, 2);
    assert_eq!(office.lamp(Lamp::Line(1)), Pattern::Off);
    office.put_down();
    assert_eq!((office.route, office.tone), (Route::Off, None));
    let record = office.view().history[0].clone();
    assert_eq!((record.answered, record.missed, record.duration_ms), (true, false, 75_000));
    assert_eq!((record.caller.as_str(), record.called.as_str()), ("100", "102"));
    assert!(record.started.is_some());
    office.assert_clean();
}

#[test]
fn the_hash_key_sends_at_once_and_hook_on_before_it_forgets() {
    let mut office = Office::new("");
    office.lift();
    office.keys("10");
    office.put_down();
    office.seconds(10);
    assert!(!office.has_request(&Method::Invite));
    office.lift();
    assert_eq!(office.tone, Some("dial"));
    office.keys("*97#");
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:*97@192.0.2.1");
    office.put_down();
    office.assert_clean();
}

#[test]
fn a_number_dialled_on_the_hook_is_sent_by_lifting() {
    let mut office = Office::new("");
    office.keys("102");
    office.seconds(20);
    assert_eq!(office.view().dialling.as_deref(), Some("102"));
    assert_eq!(office.tone, None);
    office.lift();
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:102@192.0.2.1");
    assert_eq!((office.route, office.tone), (Route::Handset, Some("trying")));
    office.put_down();
    office.keys("5");
    office.seconds(61);
    assert_eq!(office.view().dialling, None);
    office.assert_clean();
}

#[test]
fn hanging_up_while_it_rings_cancels() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    let invite = office.request(Method::Invite);
    office.respond(&invite, 180, None);
    office.put_down();
    let cancel = office.request(Method::Cancel);
    office.respond(&cancel, 200, None);
    office.respond(&invite, 487, None);
    office.request(Method::Ack);
    assert_eq!((office.route, office.tone), (Route::Off, None));
    assert!(!office.view().history[0].answered);
    office.assert_clean();
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut office = Office::new("");
    office.dial("102").unwrap();
    let invite = office.request(Method::Invite);
    office.respond(&invite, 180, None);
    office.command(Command::Hangup(CallRef::Current)).unwrap();
    let cancel = office.request(Method::Cancel);
    office.respond(&invite, 200, Some(&sdp("sendrecv", 8)));
    office.respond(&cancel, 481, None);
    office.request(Method::Ack);
    office.request(Method::Bye);
    assert!(office.view().calls.is_empty());
    office.assert_clean();
}

/// One second of `hz`, 16 bits at 8 kHz.
fn wav_file(hz: f64) -> Vec<u8> {
    let mut file =
        b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0\0".to_vec();
    for n in 0..8000 {
        let sample = (f64::from(n) * hz * std::f64::consts::TAU / 8000.0).sin() * 6000.0;
        file.extend((sample as i16).to_le_bytes());
    }
    file
}

/// A second of what the engine was told to play, at its 16 kHz.
fn progress(office: &Office) -> Vec<i16> {
    let mut tone = office.progress.clone().unwrap();
    tone.reset(16_000);
    let mut sound = vec![0; 16_000];
    sound.chunks_mut(160).for_each(|period| {
        tone.fill(period);
    });
    sound
}

fn busy(office: &mut Office) {
    office.lift();
    office.keys("102#");
    let invite = office.request(Method::Invite);
    office.respond(&invite, 486, None);
    office.request(Method::Ack);
    assert_eq!(office.tone, Some("busy"));
}

/// Covers: axml.tones.03, axml.tones.09
#[test]
fn a_busy_tone_from_a_sound_file_is_heard() {
    let media = vec![("other.wav".to_owned(), wav_file(900.0)), ("busy.wav".to_owned(), wav_file(620.0))];
    let account = "<busyTone>periodic(wav(\"busy.wav\"))</busyTone>";
    let mut office = Office::with(offhook_phone::PhoneConfig { media, ..support::config(account) });
    assert_eq!(office.view().notice, None);
    busy(&mut office);
    let sound = progress(&office);
    assert!((strongest(&sound, 16_000) - 620.0).abs() < 1.0);
    assert!(tone_ratio_db(&sound[1600..14_400], 16_000, 620.0) > 40.0);
    office.put_down();
    office.assert_clean();
}

/// Covers: axml.tones.03
#[test]
fn a_tone_whose_file_is_missing_or_broken_is_the_default_with_a_notice() {
    let mut cut = wav_file(620.0);
    cut.pop();
    for (media, reason) in [
        (Vec::new(), "there is no sound file \"busy.wav\""),
        (vec![("busy.wav".to_owned(), cut)], "the sound file \"busy.wav\" cannot be played: the file is cut off"),
    ] {
        let account = "<busyTone>periodic(silence(20ms),wav(\"busy.wav\"))</busyTone>";
        let mut office = Office::with(offhook_phone::PhoneConfig { media, ..support::config(account) });
        let expected = format!("busyTone: at 23: {reason}; the default is played");
        let said = |event: &Event| matches!(event, Event::Notice { text, .. } if *text == expected);
        assert_eq!(office.events.iter().filter(|event| said(event)).count(), 1, "{:?}", office.events);
        busy(&mut office);
        assert!((strongest(&progress(&office), 16_000) - 400.0).abs() < 1.0);
        office.put_down();
    }
}

/// Covers: axml.tones.03
#[test]
fn sound_files_beyond_five_minutes_together_are_refused() {
    // 41 s each at 8 bits and 4 kHz
    let mut file = wav_file(500.0)[..44].to_vec();
    let length = 41 * 4000u32;
    file[4..8].copy_from_slice(&(length + 36).to_le_bytes());
    file[24..28].copy_from_slice(&4000u32.to_le_bytes());
    file[32..36].copy_from_slice(&[1, 0, 8, 0]);
    file[40..44].copy_from_slice(&length.to_le_bytes());
    file.resize(44 + length as usize, 200);
    let media = (1..=8).map(|number| (format!("{number}.wav"), file.clone())).collect();
    let account = "<busyTone>wav(\"7.wav\")</busyTone><dialTone>wav(\"8.wav\")</dialTone>";
    let office = Office::with(offhook_phone::PhoneConfig { media, ..support::config(account) });
    let notices: Vec<&str> = office
        .events
        .iter()
        .filter_map(|event| if let Event::Notice { text, .. } = event { Some(text.as_str()) } else { None })
        .collect();
    assert!(matches!(notices[..], [one] if one.contains("8.wav") && one.contains("300 s")), "{notices:?}");
}

/// Covers: axml.tones.09
#[test]
fn busy_gives_busy_tone_and_other_refusals_congestion_with_a_reason() {
    let words = [
        (486, "busy", "busy"),
        (600, "busy", "busy"),
        (404, "congestion", "number not known"),
        (403, "congestion", "not allowed"),
        (480, "congestion", "not available"),
        (488, "congestion", "no common way to talk"),
        (503, "congestion", "service not available"),
        (603, "congestion", "declined"),
        (302, "congestion", "moved to another number"),
    ];
    for (status, tone, text) in words {
        let mut office = Office::new("");
        office.lift();
        office.keys("102#");
        let invite = office.request(Method::Invite);
        office.respond(&invite, status, None);
        office.request(Method::Ack);
        assert_eq!(office.tone, Some(tone), "{status}");
        let end = office.call().end.unwrap();
        assert_eq!((end.status, end.text.as_str()), (Some(status), text));
        assert_eq!(office.view().notice.as_deref(), Some(text));
        office.put_down();
        office.assert_clean();
    }
}

#[test]
fn early_media_is_heard_instead_of_the_ringing_tone_and_nobody_hears_us_yet() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    let invite = office.request(Method::Invite);
    office.respond(&invite, 183, Some(&sdp("sendrecv", 8)));
    assert_eq!((office.tone, office.call().state), (None, CallState::Ringing));
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::RecvOnly]);
    office.respond(&invite, 180, None);
    assert_eq!(office.tone, None);
    assert!(!office.events.contains(&Event::Mic(true)));
    office.respond(&invite, 200, None);
    assert_eq!(office.call().state, CallState::Talking);
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::SendRecv]);
    office.put_down();
    office.request(Method::Bye);
    office.assert_clean();
}

/// Covers: feat.4, axml.inc.08
#[test]
fn a_call_rings_with_the_name_of_the_caller_and_lifting_answers() {
    let mut office = Office::new("");
    let asserted = "P-Asserted-Identity: \"Bob Builder\" <sip:102@192.0.2.1>\r\n";
    let mut call = office.ring("anonymous", asserted, Some(&sdp("sendrecv", 0)));
    office.response(180);
    assert!(office.bell);
    assert_eq!(office.lamp(Lamp::Line(1)), Pattern::Fast);
    let view = office.call();
    assert_eq!(
        (view.state, view.peer.as_str(), view.peer_name.as_deref()),
        (CallState::Incoming, "102", Some("Bob Builder"))
    );
    assert_eq!(office.view().soft_keys.iter().map(|key| key.label.as_str()).collect::<Vec<_>>(), ["Answer", "Reject"]);
    office.lift();
    assert!(!office.bell);
    assert_eq!(office.lamp(Lamp::Line(1)), Pattern::On);
    let answer = office.response(200);
    let body = String::from_utf8(answer.body.clone()).unwrap();
    assert!(body.contains("PCMU/8000") && !body.contains("PCMA/8000"), "{body}");
    office.heard.push(offhook_phone::sip::Message::Response(answer));
    office.send(&mut call, "ACK", 1, "", None);
    assert_eq!((office.call().state, office.route), (CallState::Talking, Route::Handset));
    office.seconds(5);
    office.put_down();
    let bye = office.request(Method::Bye);
    assert_eq!(bye.headers.call_id(), Some(call.call_id().as_str()));
    assert_eq!(office.view().history[0].duration_ms, 5000);
    assert_eq!(office.view().missed, 0);
    office.assert_clean();
}

#[test]
fn a_caller_who_gives_up_is_a_missed_call_unless_it_was_answered_elsewhere() {
    let mut office = Office::new("");
    let mut call = office.ring("102", "", Some(&sdp("sendrecv", 8)));
    office.send(&mut call, "CANCEL", 1, "", None);
    office.response(487);
    assert!(!office.bell);
    assert_eq!(office.view().missed, 1);
    assert!(office.view().calls.is_empty());
    let mut call = office.ring("103", "", Some(&sdp("sendrecv", 8)));
    let reason = "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n";
    office.send(&mut call, "CANCEL", 1, reason, None);
    assert_eq!(office.view().missed, 1);
    assert_eq!(office.view().history[0].end.text, "answered elsewhere");
    assert!(office.view().soft_keys.iter().any(|key| key.label == "Clear"));
    office.soft("Clear");
    assert_eq!(office.view().missed, 0);
    office.heard.clear();
    office.assert_clean();
}

#[test]
fn rejecting_answers_486_and_stops_the_bell() {
    let mut office = Office::new("");
    office.ring("102", "", Some(&sdp("sendrecv", 8)));
    office.soft("Reject");
    office.response(486);
    assert!(!office.bell);
    assert_eq!(office.view().missed, 0);
    office.assert_clean();
}

#[test]
fn an_invite_without_offer_gets_ours_in_the_200_and_sound_after_the_ack() {
    let mut office = Office::new("");
    let mut call = office.ring("102", "", None);
    office.command(Command::Answer(CallRef::Current)).unwrap();
    let answer = office.response(200);
    assert!(String::from_utf8(answer.body.clone()).unwrap().contains("m=audio"));
    assert_eq!(office.call().codec, None);
    office.heard.push(offhook_phone::sip::Message::Response(answer));
    office.send(&mut call, "ACK", 1, "", Some(&sdp("sendrecv", 0)));
    assert_eq!(office.call().codec, Some("PCMU"));
    assert_eq!(office.route, Route::Speaker);
    office.hang_up_all();
    office.request(Method::Bye);
    assert_eq!(office.route, Route::Off);
    office.assert_clean();
}

#[test]
fn an_offer_without_common_codec_is_answered_488_with_a_warning_and_does_not_ring() {
    let mut office = Office::new("");
    let strange =
        sdp("sendrecv", 8).replace("RTP/AVP 8 101", "RTP/AVP 18").replace("a=rtpmap:8 PCMA", "a=rtpmap:18 G729");
    office.ring("102", "", Some(&strange));
    let refused = office.response(488);
    assert!(refused.headers.first("Warning").unwrap().starts_with("3"), "{:?}", refused.headers);
    assert!(!office.bell);
    office.ring("102", "", Some("this is no SDP"));
    office.response(400);
    assert!(office.bound.is_empty());
    office.assert_clean();
}

#[test]
fn ports_that_come_late_or_never_are_waited_for_or_refused() {
    let mut office = Office::new("");
    office.bind = false;
    let mut call = office.ring("102", "", Some(&sdp("sendrecv", 8)));
    office.lift();
    assert!(!office.summary().contains(&"200".to_owned()));
    office.bind_pending();
    let answer = office.response(200);
    office.heard.push(offhook_phone::sip::Message::Response(answer));
    office.send(&mut call, "ACK", 1, "", None);
    office.put_down();
    office.request(Method::Bye);
    office.ring("103", "", Some(&sdp("sendrecv", 8)));
    let id: MediaId = *office.bound.last().unwrap();
    office.input(Input::MediaBound { id, result: Err("all ports in use".into()) });
    office.response(500);
    assert!(!office.bell);
    office.bind = true;
    office.assert_clean();
}

#[test]
fn the_peer_may_change_codec_and_address_and_hold_us_in_a_call() {
    let mut office = Office::new("");
    let invite = office.talk();
    office.send_in(&invite, "INVITE", 1, "", Some(&sdp_at("192.0.2.1", 31_000, "sendrecv", 0)));
    let answer = office.response(200);
    assert!(String::from_utf8(answer.body).unwrap().contains("PCMU/8000"));
    office.send_in(&invite, "ACK", 1, "", None);
    assert_eq!(office.call().codec, Some("PCMU"));
    assert!(office.media.iter().any(|command| command.starts_with("replace")));
    office.send_in(&invite, "INVITE", 2, "", Some(&sdp_at("192.0.2.1", 31_000, "sendonly", 0)));
    let answer = office.response(200);
    assert!(String::from_utf8(answer.body).unwrap().contains("a=recvonly"));
    office.send_in(&invite, "ACK", 2, "", None);
    assert!(office.call().held_by_them);
    assert_eq!(office.directions.values().copied().collect::<Vec<_>>(), [Direction::RecvOnly]);
    office.send_in(&invite, "INVITE", 3, "", Some("rubbish"));
    office.response(488);
    office.send_in(&invite, "ACK", 3, "", None);
    assert_eq!(office.call().state, CallState::Talking);
    office.send_in(&invite, "INVITE", 4, "", Some(&sdp_at("192.0.2.1", 31_000, "sendrecv", 0)));
    office.response(200);
    office.send_in(&invite, "ACK", 4, "", None);
    assert!(!office.call().held_by_them);
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn the_fifth_call_hears_busy_and_is_listed_as_missed() {
    let mut office = Office::new("");
    for number in 1..=4 {
        office.ring(&format!("20{number}"), "", Some(&sdp("sendrecv", 8)));
        office.response(180);
        assert_eq!(office.lamp(Lamp::Line(number)), Pattern::Fast);
    }
    office.ring("205", "", Some(&sdp("sendrecv", 8)));
    office.response(486);
    assert_eq!(office.view().calls.len(), 4);
    assert_eq!((office.view().missed, office.view().history[0].peer.as_str()), (1, "205"));
    assert_eq!(office.dial("102"), Err(Refusal::LinesFull));
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn an_unanswered_call_is_given_up_after_three_minutes() {
    let mut office = Office::new("");
    office.lift();
    office.keys("102#");
    let invite = office.request(Method::Invite);
    office.respond(&invite, 180, None);
    office.seconds(181);
    let cancel = office.request(Method::Cancel);
    office.respond(&cancel, 200, None);
    office.respond(&invite, 487, None);
    assert_eq!((office.tone, office.call().end.unwrap().text.as_str()), (Some("congestion"), "no answer"));
    office.put_down();
    office.assert_clean();
}

#[test]
fn hands_free_closes_by_itself_some_time_after_the_other_side_hung_up() {
    let mut office = Office::new("");
    let invite = office.talk();
    assert_eq!(office.route, Route::Speaker);
    assert_eq!(office.lamp(Lamp::Speaker), Pattern::On);
    office.send_in(&invite, "BYE", 1, "", None);
    assert_eq!(office.tone, Some("endcall"));
    office.seconds(4);
    assert_eq!(office.route, Route::Speaker);
    office.seconds(1);
    assert_eq!((office.route, office.tone), (Route::Off, None));
    office.assert_clean();
}

#[test]
fn redial_repeats_the_last_number_also_after_a_restart() {
    let mut office = Office::new("");
    assert_eq!(office.command(Command::Redial), Err(Refusal::NothingToRedial));
    office.talk();
    office.hang_up_all();
    office.heard.clear();
    let records = office.stored.clone().into_iter().collect();
    let mut office = Office::with(offhook_phone::PhoneConfig { records, ..support::config("") });
    office.press(Key::Redial);
    assert_eq!(office.request(Method::Invite).uri.to_string(), "sip:102@192.0.2.1");
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn numbers_that_cannot_be_dialled_are_refused_with_a_word() {
    let mut office = Office::new("");
    assert!(matches!(office.dial(""), Err(Refusal::BadNumber(_))));
    assert!(matches!(office.dial("a\r\nVia: x"), Err(Refusal::BadNumber(_))));
    let wrong = Command::Dial { account: Some(9), target: "102".into() };
    assert_eq!(office.command(wrong), Err(Refusal::NoAccount));
    assert_eq!(office.route, Route::Off);
    assert!(office.view().calls.is_empty());
}

#[test]
fn a_lost_sound_device_is_told_and_the_call_goes_on() {
    let mut office = Office::new("");
    office.talk();
    office.input(Input::Audio { available: false, text: "the sound device went away".into() });
    assert_eq!(office.view().notice.as_deref(), Some("the sound device went away"));
    assert!(office.events.iter().any(|event| matches!(event, Event::Notice { level: Level::Warning, .. })));
    assert_eq!(office.call().state, CallState::Talking);
    office.seconds(11);
    assert_eq!(office.view().notice, None);
    office.hang_up_all();
    office.assert_clean();
}

#[test]
fn state_that_cannot_be_written_is_shown_until_it_is_and_told_once_each_way() {
    let mut office = Office::new("");
    let trouble = || Input::Storage { trouble: Some("cannot save history.json: no space left; free some".into()) };
    let told = |office: &Office| {
        let notices = office.events.iter().filter_map(|event| match event {
            Event::Notice { level, text } if text.contains("save") => Some((*level, text.clone())),
            _ => None,
        });
        notices.collect::<Vec<_>>()
    };
    office.input(trouble());
    office.input(trouble());
    assert_eq!(told(&office), [(Level::Warning, "cannot save history.json: no space left; free some".to_owned())]);
    assert!(office.view().notice.is_some_and(|text| text.contains("no space left")));
    office.seconds(60);
    assert!(office.view().notice.is_none() && office.view().unsaved.is_some_and(|text| text.contains("free some")));
    assert!(office.view().to_json().contains("\"unsaved\":\"cannot save history.json"));
    office.input(Input::Storage { trouble: None });
    assert_eq!((office.view().unsaved, told(&office).len()), (None, 2));
    assert_eq!(office.view().notice.as_deref(), Some("everything is saved again"));
}

#[test]
fn stopping_hangs_up_unregisters_and_says_so_within_two_seconds() {
    let mut office = Office::new("");
    office.talk();
    office.input(Input::Stop);
    office.request(Method::Bye);
    office.seconds(2);
    let unregister = office.request(Method::Register);
    assert_eq!(unregister.headers.expires(), Some(0));
    assert!(office.stopped);
    assert_eq!(office.route, Route::Off);
    assert!(office.bound.is_empty());
}

#[test]
fn a_phone_that_nobody_answers_stops_all_the_same() {
    let mut office = Office::new("");
    office.dial("102").unwrap();
    office.register_status = 0;
    office.input(Input::Stop);
    office.seconds(2);
    assert!(office.stopped);
}
