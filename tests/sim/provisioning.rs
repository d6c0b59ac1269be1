//! Provisioning: changes that act, documents that must not.

use crate::{connect, hear_each_other, talking, two};
use offhook_tests::{Action, World};

/// The document that the PBX gives this user, with changes.
pub(crate) fn document(world: &World, user: &str, change: impl FnOnce(String) -> String) -> String {
    let url = world.cupboard.urls[user].clone();
    let password = password(world, user);
    let host = world.cupboard.sip;
    let text = format!(
        "<account><title>{user}</title><username>{user}</username><password>{password}</password>\
         <host>{host}</host><extProvUrl>{}</extProvUrl></account>",
        url.replace('&', "&amp;")
    );
    change(text)
}

/// The user's password, from what the phone stored: nobody else ever says it.
pub(crate) fn password(world: &World, user: &str) -> String {
    let desk = world.desks.iter().find(|desk| desk.user == user).unwrap();
    let text = desk.records.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<String>();
    let start = text.find("<password").and_then(|at| Some(at + text[at..].find('>')? + 1)).unwrap();
    text[start..].split('<').next().unwrap().to_owned()
}

#[test]
fn provisioning_change_during_a_call_waits_for_its_end_and_then_acts() {
    let mut world = talking("change_in_call");
    let changed = document(&world, "100", |text| {
        text.replace("</account>", "<userDisplayName>Anna</userDisplayName><transport>tcp</transport></account>")
    });
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(changed) });
    world.act(Action::Provision { phone: "alice".into() });
    world.seconds(2.0);
    hear_each_other(&mut world);
    assert_eq!(world.calls("alice"), ["talking"]);
    world.put_down("alice");
    world.put_down("bob");
    world.until(10.0, "Alice has moved to TCP", |world| {
        let view = world.view("alice");
        view.accounts[0].transport == "tcp" && world.registered("alice")
    });
    connect(&mut world);
    assert_eq!(world.view("bob").calls[0].peer_name.as_deref(), Some("Anna"));
}

#[test]
fn bad_documents_change_nothing_and_say_where_and_why() {
    let mut world = two("bad_provisioning");
    let good = world.view("alice");
    let cut = document(&world, "100", |text| text[..text.len() / 2].to_owned());
    let wrong = [
        (200, cut),
        (200, "<html><body>Internal error</body></html>".into()),
        (200, String::new()),
        (200, "<account><username>evil</username></account>".into()),
        (500, "oops".into()),
        (404, String::new()),
    ];
    for (status, body) in wrong {
        let before = world.desk("alice").records.clone();
        world.act(Action::Provisioning { user: "100".into(), status, body: Some(body.clone()) });
        world.act(Action::Provision { phone: "alice".into() });
        world.seconds(1.0);
        let view = world.view("alice");
        assert_eq!(view.accounts, good.accounts, "{status} {body}");
        assert_eq!(view.provisioning[0].ok, Some(false), "{status} {body}: {:?}", view.provisioning);
        if status == 200 && !body.is_empty() {
            assert!(view.provisioning[0].last.contains("line"), "{:?}", view.provisioning[0]);
        }
        assert_eq!(world.desk("alice").records.get("account-1.xml"), before.get("account-1.xml"));
    }
    assert!(world.registered("alice"));
    connect(&mut world);
}

/// Covers: axml.root.06, feat.88
#[test]
fn lamp_keys_change_without_a_restart() {
    let mut world = two("lamp_keys_change");
    assert_eq!(world.view("alice").blf.len(), 2);
    let one = document(&world, "100", |text| {
        text.replace("</account>", "<blf><uri label=\"Carol\">102</uri></blf></account>")
    });
    world.act(Action::Provisioning { user: "100".into(), status: 200, body: Some(one) });
    world.act(Action::Provision { phone: "alice".into() });
    world.until(5.0, "one lamp key is left", |world| world.view("alice").blf.len() == 1);
    let blf = world.view("alice").blf[0].clone();
    assert_eq!((blf.extension.as_str(), blf.label.as_str()), ("102", "Carol"));
}
