//! What lights lamps: dialog-info for lamp keys (RFC 4235), message-summary for the message lamp (RFC 3842).

use super::office::{Desk, Office};
use crate::Input;
use offhook_sip::event_package::dialog_info::{DialogInfo, DialogState, Direction};
use offhook_sip::event_package::message_summary::MessageSummary;
use offhook_sip::{Event, SubscriptionId, SubscriptionState};
use std::time::Duration;

fn documents(office: &Office, desk: Desk, id: SubscriptionId) -> Vec<DialogInfo> {
    let bodies = office.notifications(desk, id);
    assert!(bodies.iter().all(|body| body.content_type == "application/dialog-info+xml"));
    bodies.iter().map(|body| DialogInfo::parse(&body.bytes).unwrap()).collect()
}

fn states(documents: &[DialogInfo]) -> Vec<Vec<DialogState>> {
    documents.iter().map(|document| document.dialogs.iter().map(|dialog| dialog.state).collect()).collect()
}

fn terminated(office: &Office, phone: usize, id: SubscriptionId) -> Option<Option<u16>> {
    office.phones[phone].events.iter().find_map(|event| match event {
        Event::Subscription { subscription, state: SubscriptionState::Terminated { status, .. } }
            if *subscription == id =>
        {
            Some(*status)
        }
        _ => None,
    })
}

/// Covers: office.other.06
#[test]
fn lamp_follows_a_call_from_trying_to_its_end() {
    use DialogState::{Confirmed, Early, Terminated, Trying};
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let (of_bob, of_ann) =
        (office.subscribe(carol, "101", "dialog", 300), office.subscribe(carol, "100", "dialog", 300));
    assert_eq!(states(&documents(&office, carol, of_bob)), [vec![]], "full state at once");

    let call = office.call(ann, "101");
    office.ring(bob);
    office.answer(bob);
    office.hang_up(ann, call);
    office.run_ms(500);

    let told = documents(&office, carol, of_bob);
    let mut seen = states(&told);
    seen.dedup();
    assert_eq!(seen, [vec![], vec![Trying], vec![Early], vec![Confirmed], vec![Terminated]]);
    assert!(told.iter().all(|document| document.full && document.entity == "sip:101@10.0.0.1:5060"));
    let versions: Vec<u32> = told.iter().map(|document| document.version).collect();
    assert!(versions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{versions:?}");
    let talking = told.iter().flat_map(|d| &d.dialogs).find(|d| d.state == Confirmed).unwrap();
    assert_eq!(talking.direction, Some(Direction::Recipient));
    assert_eq!(talking.remote_identity.as_deref(), Some("sip:100@10.0.0.1:5060"));
    assert_eq!(talking.remote_display.as_deref(), Some("Phone 0"));
    assert!(talking.call_id.is_some() && talking.local_tag.is_some() && talking.remote_tag.is_some());
    // RFC 4235: local is the side of the phone that is watched
    let (_, request, _) = office.invitation(bob);
    assert_eq!(request.headers.call_id(), talking.call_id.as_deref());
    assert_eq!(request.headers.from().unwrap().tag(), talking.remote_tag.as_deref());

    let caller = documents(&office, carol, of_ann);
    let mut seen = states(&caller);
    seen.dedup();
    assert_eq!(seen, [vec![], vec![Trying], vec![Early], vec![Confirmed], vec![Terminated]]);
    let talking = caller.iter().flat_map(|d| &d.dialogs).find(|d| d.state == Confirmed).unwrap();
    assert_eq!((talking.direction, talking.remote_display.as_deref()), (Some(Direction::Initiator), Some("101")));
}

#[test]
fn late_watcher_is_told_about_a_call_that_goes_on_and_two_calls_are_both_named() {
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    office.call(ann, "101");
    office.answer(bob);
    office.call(carol, "101");
    office.ring(bob);
    let id = office.subscribe(carol, "101", "dialog", 300);
    let told = documents(&office, carol, id);
    assert_eq!(states(&told), [vec![DialogState::Confirmed, DialogState::Early]]);
}

#[test]
fn call_to_the_echo_number_lights_the_lamp_too() {
    let mut office = Office::new();
    let (ann, carol) = (office.registered("100"), office.registered("102"));
    let id = office.subscribe(carol, "100", "dialog", 300);
    let call = office.call(ann, "600");
    office.hang_up(ann, call);
    let mut seen = states(&documents(&office, carol, id));
    seen.dedup();
    assert_eq!(seen.last(), Some(&vec![DialogState::Terminated]));
    assert!(seen.contains(&vec![DialogState::Confirmed]));
}

#[test]
fn subscriptions_are_refreshed_beyond_their_time_and_end_when_asked() {
    let mut office = Office::new();
    let (ann, bob, carol) = (office.registered("100"), office.registered("101"), office.registered("102"));
    let id = office.subscribe(carol, "101", "dialog", 300);
    office.run(Duration::from_secs(1500));
    assert_eq!(terminated(&office, 2, id), None);
    let before = documents(&office, carol, id);
    assert!(before.windows(2).all(|pair| pair[1].version == pair[0].version + 1));
    office.call(ann, "101");
    office.ring(bob);
    let after = documents(&office, carol, id);
    assert_eq!(after.last().unwrap().dialogs[0].state, DialogState::Early);

    office.at(carol, |endpoint, _, now| endpoint.unsubscribe(now, id).unwrap());
    office.run(Duration::from_secs(40));
    assert_eq!(office.pbx.census().notifiers, 0);
}

#[test]
fn watcher_that_is_unplugged_is_forgotten() {
    let mut office = Office::new();
    let carol = office.registered("102");
    office.subscribe(carol, "101", "dialog", 300);
    office.phones[0].unplugged = true;
    office.run(Duration::from_secs(400));
    assert_eq!(office.pbx.census().notifiers, 0);
}

#[test]
fn subscription_needs_the_password() {
    let mut office = Office::new();
    let stranger = office.phone_with("100", |config| config.credentials = None);
    let id = office.subscribe(stranger, "101", "dialog", 300);
    assert_eq!(terminated(&office, 0, id), Some(Some(401)));
    assert!(office.notifications(stranger, id).is_empty());
    office.run(Duration::from_secs(40));
    assert_eq!(office.pbx.census().notifiers, 0);
}

#[test]
fn other_events_are_489_strangers_404_and_foreign_mailboxes_403() {
    let mut office = Office::new();
    let ann = office.registered("100");
    for (number, event, status) in [("101", "presence", 489), ("777", "dialog", 404), ("101", "message-summary", 403)] {
        let id = office.subscribe(ann, number, event, 300);
        assert_eq!(terminated(&office, 0, id), Some(Some(status)), "{event} of {number}");
    }
}

#[test]
fn too_short_a_subscription_is_answered_423() {
    let mut office = Office::new();
    let ann = office.registered("100");
    office.subscribe(ann, "101", "dialog", 30);
    assert!(office.spoken.iter().any(|m| m.starts_with("SIP/2.0 423") && m.contains("Min-Expires: 60")));
}

fn summaries(office: &Office, desk: Desk, id: SubscriptionId) -> Vec<(bool, u32, u32)> {
    let read = |body: &offhook_sip::Body| {
        assert_eq!(body.content_type, "application/simple-message-summary");
        let summary = MessageSummary::parse(&body.bytes).unwrap();
        let voice = summary.voice.unwrap();
        (summary.waiting, voice.new, voice.old)
    };
    office.notifications(desk, id).iter().map(read).collect()
}

#[test]
fn message_lamp_follows_the_counts_and_they_survive_a_restart() {
    let mut office = Office::new();
    let ann = office.registered("100");
    let id = office.subscribe(ann, "100", "message-summary", 300);
    assert_eq!(summaries(&office, ann, id), [(false, 0, 0)]);

    office.pbx_input(Input::Messages { user: "100".into(), new: 2, old: 1 });
    office.run_ms(50);
    let token = office.provision["100"].split_once("token=").unwrap().1.to_owned();
    assert_eq!(office.http("POST", &format!("/messages/100?new=0&old=3&token={token}"), &[]).status, 204);
    office.run_ms(50);
    assert_eq!(summaries(&office, ann, id), [(false, 0, 0), (true, 2, 1), (false, 0, 3)]);

    office.pbx_input(Input::Messages { user: "100".into(), new: 5, old: 0 });
    office.pbx_input(Input::Messages { user: "777".into(), new: 5, old: 0 });
    office.power_cycle();
    office.phones[0].events.clear();
    let id = office.subscribe(ann, "100", "message-summary", 300);
    assert_eq!(summaries(&office, ann, id), [(true, 5, 0)]);
}
