//! REGISTER with digest, and what becomes of registrations (RFC 3261 section 10.3, RFC 7616).

use super::office::*;
use offhook_sip::auth::{Credentials, Password, Secret};
use offhook_sip::{RegistrationState, Transport, Uri};
use std::time::Duration;

fn secret(user: &str, password: &str) -> Option<Credentials> {
    Some(Credentials { username: user.to_owned(), secret: Secret::Password(Password::new(password)) })
}

/// Covers: office.user.03, office.user.04
#[test]
fn a_provisioned_phone_registers_and_is_found() {
    let mut office = Office::new();
    let ann = office.registered("100");
    assert!(matches!(office.registration(ann), RegistrationState::Registered { expires: 600, .. }));
    let contacts = office.pbx.contacts("100");
    assert!(contacts.len() == 1 && contacts[0].contains("10.0.1.1"), "{contacts:?}");
    assert!(office.pbx.contacts("101").is_empty());
    let challenge = office.spoken.iter().find(|m| m.starts_with("SIP/2.0 401")).expect("a challenge");
    assert!(challenge.contains("SHA-256") && challenge.contains("MD5"));
}

#[test]
fn a_wrong_password_registers_nothing_and_is_in_the_log() {
    let mut office = Office::new();
    let desk = office.phone_with("100", |config| config.credentials = secret("100", "100"));
    office.register(desk);
    assert!(
        matches!(office.registration(desk), RegistrationState::Failed { retry_at: None, .. }),
        "{:?}",
        office.registration(desk)
    );
    assert!(office.pbx.contacts("100").is_empty());
    assert!(office.log.iter().any(|line| line.contains("wrong user or password")));
    assert!(!office.log.iter().any(|line| line.contains("nonce")));
}

#[test]
fn a_user_cannot_register_the_address_of_another() {
    let mut office = Office::new();
    let ann = office.settings("100");
    let desk = office.phone_with("101", |config| config.credentials = secret("100", ann.password.reveal()));
    office.register(desk);
    assert!(
        matches!(office.registration(desk), RegistrationState::Failed { status: Some(403), .. }),
        "{:?}",
        office.registration(desk)
    );
    assert!(office.pbx.contacts("101").is_empty());
}

#[test]
fn an_address_that_nobody_has_is_answered_404() {
    let mut office = Office::new();
    let desk = office.phone_with("100", |config| config.aor = Uri::sip("777", "10.0.0.1:5060").unwrap());
    office.register(desk);
    assert!(
        matches!(office.registration(desk), RegistrationState::Failed { status: Some(404), .. }),
        "{:?}",
        office.registration(desk)
    );
}

#[test]
fn a_nonce_that_has_grown_stale_costs_one_more_round_and_nothing_else() {
    let mut office = Office::new();
    let desk = office.registered("100");
    office.spoken.clear();
    // refreshes come after more than the 300 s that a nonce lives
    office.run(Duration::from_secs(3 * 600));
    assert!(matches!(office.registration(desk), RegistrationState::Registered { .. }));
    assert_eq!(office.pbx.contacts("100").len(), 1);
    assert!(office.spoken.iter().any(|m| m.starts_with("SIP/2.0 401") && m.contains("stale=true")));
    assert!(!office.log.iter().any(|line| line.contains("wrong user")), "{:?}", office.log);
}

#[test]
fn too_short_a_registration_is_answered_423_and_asked_again() {
    let mut office = Office::new();
    let desk = office.phone_with("100", |config| config.expires = 10);
    office.register(desk);
    assert!(office.spoken.iter().any(|m| m.starts_with("SIP/2.0 423") && m.contains("Min-Expires: 30")));
    assert!(
        matches!(office.registration(desk), RegistrationState::Registered { expires: 30, .. }),
        "{:?}",
        office.registration(desk)
    );
}

#[test]
fn an_hour_is_the_longest_registration() {
    let mut office = Office::new();
    let desk = office.phone_with("100", |config| config.expires = 100_000);
    office.register(desk);
    assert!(
        matches!(office.registration(desk), RegistrationState::Registered { expires: 3600, .. }),
        "{:?}",
        office.registration(desk)
    );
}

/// Covers: office.suppl.08
#[test]
fn one_number_has_several_phones_and_each_takes_back_its_own() {
    let mut office = Office::new();
    let (desk, second) = (office.registered("100"), office.registered("100"));
    assert_eq!(office.pbx.contacts("100").len(), 2);
    office.at(desk, |endpoint, identity, now| endpoint.unregister(now, identity).unwrap());
    office.run_ms(50);
    let left = office.pbx.contacts("100");
    assert!(left.len() == 1 && left[0].contains("10.0.1.2"), "{left:?}");
    assert!(matches!(office.registration(second), RegistrationState::Registered { .. }));
}

#[test]
fn a_ninth_phone_takes_the_place_of_the_one_that_expires_first() {
    let mut office = Office::new();
    for _ in 0..8 {
        office.registered("100");
        office.run(Duration::from_secs(1));
    }
    office.registered("100");
    let contacts = office.pbx.contacts("100");
    assert_eq!(contacts.len(), 8);
    assert!(!contacts.iter().any(|c| c.contains("10.0.1.1:") || c.ends_with("10.0.1.1")), "{contacts:?}");
}

#[test]
fn a_phone_that_is_unplugged_is_forgotten_when_its_time_is_over() {
    let mut office = Office::new();
    office.registered("100");
    office.phones[0].unplugged = true;
    office.run(Duration::from_secs(590));
    assert_eq!(office.pbx.contacts("100").len(), 1);
    office.run(Duration::from_secs(20));
    assert!(office.pbx.contacts("100").is_empty());
    assert!(office.log.iter().any(|line| line.contains("expired")));
}

#[test]
fn a_lost_connection_takes_its_registration_along() {
    let mut office = Office::new();
    let desk = office.phone_with("100", |config| config.transport = Transport::Tcp);
    office.register(desk);
    assert_eq!(office.pbx.contacts("100").len(), 1);
    office.cut_connections(desk);
    assert!(office.pbx.contacts("100").is_empty());
}
