//! 600 and 601: what the media engine is told, and that nothing is left bound.

use super::office::{OFFER, Office, sdp};
use crate::numbers::MAX_PLAYING;
use crate::{Input, MediaId};
use offhook_media::codec::{CodecKind, OpusParams};
use offhook_media::{Command, Direction, Event as MediaEvent, LocalMedia, StreamConfig, StreamId};
use offhook_sip::{Body, Ended, Event};

/// A phone that can do all codecs.
fn phone_media() -> LocalMedia {
    LocalMedia {
        rtp: "10.0.1.1:4000".parse().unwrap(),
        codecs: vec![CodecKind::G722, CodecKind::Opus, CodecKind::Pcma, CodecKind::Pcmu],
        opus: OpusParams {
            max_playback_rate: 48_000,
            bitrate: None,
            fec: true,
            dtx: false,
            cbr: false,
            complexity: None,
            expected_loss: 0,
        },
        ptime: 20,
        force_ptime: false,
        direction: Direction::SendRecv,
        telephone_event: true,
        telephone_event_8k_only: false,
        honor_their_order: false,
        session_id: 7,
        session_version: 1,
        allow_loopback: false,
    }
}

fn offer(local: &LocalMedia) -> Body {
    Body { content_type: "application/sdp".into(), bytes: offhook_media::sdp::offer(local) }
}

fn accepted(local: &LocalMedia, answer: Option<Option<Body>>) -> StreamConfig {
    offhook_media::sdp::accept(local, &answer.expect("answered").expect("with a description").bytes).unwrap()
}

#[test]
fn echo_number_sends_back_what_it_hears_in_the_callers_first_codec() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let call = office.call_with(ann, "600", Some(offer(&phone_media())));
    let agreed = accepted(&phone_media(), office.answered(ann, call));
    assert_eq!((agreed.codec, agreed.direction), (CodecKind::G722, Direction::SendRecv));
    assert_eq!(agreed.remote_rtp, Some("10.0.0.1:20000".parse().unwrap()));
    let id = StreamId(office.bound[0].0);
    assert!(
        matches!(office.commands.as_slice(), [Command::Add(stream), Command::Loop(looped, true)] if stream.id() == id && *looped == id)
    );
    assert!(office.released.is_empty());

    office.hang_up(ann, call);
    assert!(matches!(office.commands.last(), Some(Command::Remove(removed)) if *removed == id));
    assert_eq!(office.released, office.bound);
    office.assert_no_call_is_left();
}

#[test]
fn tone_number_plays_a_tone() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let call = office.call(ann, "601");
    let id = StreamId(office.bound[0].0);
    assert!(matches!(office.commands.as_slice(), [Command::Add(_), Command::ToneTo(to, Some(_))] if *to == id));
    office.hang_up(ann, call);
    assert_eq!(office.released, office.bound);
}

#[test]
fn echo_call_can_be_held_and_taken_back() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let call = office.call(ann, "600");
    for (direction, answer) in [("sendonly", "a=recvonly"), ("sendrecv", "a=sendrecv")] {
        let hold = sdp(&OFFER.replace("sendrecv", direction));
        office.at(ann, |endpoint, _, now| endpoint.reoffer(now, call, Some(hold)).unwrap());
        office.run_ms(50);
        let result = office.phones[0]
            .events
            .iter()
            .rev()
            .find_map(|e| if let Event::OfferAnswered { result, .. } = e { Some(result.clone()) } else { None });
        let body = result.expect("an answer").unwrap().expect("a description");
        assert!(String::from_utf8_lossy(&body.bytes).contains(answer), "{direction}");
        assert!(matches!(office.commands.last(), Some(Command::Replace(_))));
    }
    office.hang_up(ann, call);
    office.assert_no_call_is_left();
}

#[test]
fn offer_without_a_common_codec_is_488_and_an_unreadable_one_400() {
    for (text, status) in [
        (OFFER.replace("0 8", "96").replace("rtpmap:0 PCMU/8000", "rtpmap:96 FOO/8000"), 488),
        ("v=0\r\nnonsense".to_owned(), 400),
    ] {
        let mut office = Office::new();
        let ann = office.registered("100");
        let call = office.call_with(ann, "600", Some(sdp(&text)));
        assert_eq!(office.refused(ann, call), Some(status));
        assert_eq!(office.released, office.bound);
        assert!(office.commands.is_empty());
        office.assert_no_call_is_left();
    }
}

#[test]
fn no_free_port_is_503() {
    let mut office = Office::new();
    office.sockets = false;
    let ann = office.registered("100");
    let call = office.call(ann, "600");
    assert_eq!(office.refused(ann, call), Some(503));
    office.assert_no_call_is_left();
}

#[test]
fn a_ninth_listener_hears_busy() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let calls: Vec<_> = (0..=MAX_PLAYING).map(|_| office.call(ann, "601")).collect();
    assert_eq!(office.refused(ann, calls[MAX_PLAYING]), Some(486));
    assert!(calls[..MAX_PLAYING].iter().all(|&call| office.answered(ann, call).is_some()));
    for &call in &calls[..MAX_PLAYING] {
        office.hang_up(ann, call);
    }
    assert_eq!(office.released, office.bound);
    office.assert_no_call_is_left();
}

#[test]
fn caller_who_has_fallen_silent_for_a_minute_is_hung_up_on() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let call = office.call(ann, "600");
    let stream = StreamId(office.bound[0].0);
    office.pbx_input(Input::Media(MediaEvent::Silent { stream, seconds: 55 }));
    assert!(office.released.is_empty());
    office.pbx_input(Input::Media(MediaEvent::Silent { stream, seconds: 60 }));
    office.run_ms(50);
    assert!(matches!(office.ended(ann, call), Some(Ended::Remote { .. })));
    assert_eq!(office.released, office.bound);
    office.assert_no_call_is_left();
}

#[test]
fn sockets_that_come_after_the_call_is_gone_disturb_nothing() {
    let mut office = Office::new();
    office.pbx_input(Input::MediaBound { id: MediaId(99), result: Ok("10.0.0.1:20000".parse().unwrap()) });
    assert!(office.commands.is_empty());
}

#[test]
fn call_without_an_offer_is_offered_one() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let call = office.call_with(ann, "600", None);
    let offered = office.answered(ann, call).expect("answered").expect("with an offer");
    assert!(String::from_utf8_lossy(&offered.bytes).contains("m=audio 20000"));
}
