//! The users of the office: number, password, provisioning token, display name.
//!
//! A user that is not in the stored record gets a random password and a random token; nobody's password is ever his
//! number (contradiction B-02 of the manuals). Stored users stay; numbers that are listed and not stored are added.

use crate::chance::Chance;
use crate::store::UserRow;
use offhook_sip::auth::Password;
use std::collections::BTreeMap;

/// More users than that are for a larger PBX.
pub(crate) const MAX_USERS: usize = 256;
const PASSWORD_LENGTH: usize = 24;
const TOKEN_LENGTH: usize = 32;
/// Shortest password or token taken from a record that somebody edited.
const MIN_SECRET: usize = 12;

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) number: String,
    pub(crate) password: Password,
    /// Guards the Account XML; masked like a password.
    pub(crate) token: Password,
    /// Empty: the number is shown (`office.user.05`).
    pub(crate) display_name: String,
}

impl User {
    pub(crate) fn shown_name(&self) -> &str {
        if self.display_name.is_empty() { &self.number } else { &self.display_name }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Users {
    by_number: BTreeMap<String, User>,
}

/// What became of the list and the record.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The record must be written.
    pub(crate) changed: bool,
    pub(crate) complaints: Vec<String>,
}

impl Users {
    pub(crate) fn new(listed: &[String], stored: Vec<UserRow>, reserved: &[&str], chance: &mut Chance) -> (Self, Made) {
        let mut users = Self::default();
        let mut made = Made::default();
        for row in stored {
            if let Err(why) = users.check(&row.number, reserved) {
                made.complaints.push(format!("a stored user is left out: {why}"));
            } else if row.password.len() < MIN_SECRET || row.token.len() < MIN_SECRET {
                made.complaints.push(format!(
                    "user {}: password or token is shorter than {MIN_SECRET} characters, new ones made",
                    row.number
                ));
                users.make(&row.number, row.display_name, chance);
                made.changed = true;
            } else {
                let user = User {
                    number: row.number.clone(),
                    password: Password::new(row.password),
                    token: Password::new(row.token),
                    display_name: row.display_name,
                };
                users.by_number.insert(row.number, user);
            }
        }
        for number in listed {
            if users.by_number.contains_key(number) {
                continue;
            }
            match users.check(number, reserved) {
                Ok(()) => {
                    users.make(number, String::new(), chance);
                    made.changed = true;
                }
                Err(why) => made.complaints.push(format!("a listed user is left out: {why}")),
            }
        }
        (users, made)
    }

    pub(crate) fn get(&self, number: &str) -> Option<&User> {
        self.by_number.get(number)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_number.values()
    }

    pub(crate) fn password(&self, number: &str) -> Option<Password> {
        self.get(number).map(|user| user.password.clone())
    }

    pub(crate) fn rows(&self) -> Vec<UserRow> {
        self.iter()
            .map(|user| UserRow {
                number: user.number.clone(),
                password: user.password.reveal().to_owned(),
                token: user.token.reveal().to_owned(),
                display_name: user.display_name.clone(),
            })
            .collect()
    }

    fn make(&mut self, number: &str, display_name: String, chance: &mut Chance) {
        let user = User {
            number: number.to_owned(),
            password: Password::new(chance.text(PASSWORD_LENGTH)),
            token: Password::new(chance.text(TOKEN_LENGTH)),
            display_name,
        };
        self.by_number.insert(number.to_owned(), user);
    }

    /// A number is also a URI user part, a path segment and an XML text: only characters that mean themselves in all three.
    fn check(&self, number: &str, reserved: &[&str]) -> Result<(), String> {
        let plain = !number.is_empty()
            && number.len() <= 32
            && number.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !plain || number.bytes().all(|b| b == b'.') {
            let shown: String = number.chars().filter(|c| !c.is_control()).take(32).collect();
            Err(format!("\"{shown}\" is not 1 to 32 letters, digits, '-', '_' or '.'"))
        } else if reserved.contains(&number) {
            Err(format!("{number} is a number of the PBX itself"))
        } else if self.by_number.len() >= MAX_USERS {
            Err(format!("there are {MAX_USERS} users already"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[&str]) -> Vec<String> {
        list.iter().map(|&n| n.to_owned()).collect()
    }

    /// Covers: office.user.01
    #[test]
    fn preset_users_get_long_random_passwords_that_are_not_their_numbers() {
        let mut chance = Chance::new(&[3; 32], "users");
        let (users, made) = Users::new(&numbers(&["100", "101", "102"]), Vec::new(), &["600"], &mut chance);
        assert!(made.changed && made.complaints.is_empty());
        let mut seen: Vec<String> = Vec::new();
        for user in users.iter() {
            for secret in [user.password.reveal(), user.token.reveal()] {
                assert!(secret.len() >= 20 && !secret.contains(&user.number));
                assert!(!seen.contains(&secret.to_owned()));
                seen.push(secret.to_owned());
            }
        }
        assert_eq!(seen.len(), 6);
    }

    #[test]
    fn stored_users_keep_their_secrets_and_listed_ones_are_added() {
        let mut chance = Chance::new(&[3; 32], "users");
        let (first, _) = Users::new(&numbers(&["100"]), Vec::new(), &[], &mut chance);
        let (second, made) =
            Users::new(&numbers(&["100", "200"]), first.rows(), &[], &mut Chance::new(&[9; 32], "users"));
        assert!(made.changed);
        assert_eq!(second.password("100"), first.password("100"));
        assert!(second.get("200").is_some());
        let (_, made) = Users::new(&numbers(&["100"]), second.rows(), &[], &mut Chance::new(&[9; 32], "users"));
        assert!(!made.changed);
    }

    #[test]
    fn unusable_numbers_and_short_stored_passwords_are_named_and_not_used() {
        let mut chance = Chance::new(&[3; 32], "users");
        let row =
            UserRow { number: "100".into(), password: "100".into(), token: "100".into(), display_name: "Ann".into() };
        let listed = numbers(&["", "600", "a/b", "..", "1 2", "<x>", "101\r\n"]);
        let (users, made) = Users::new(&listed, vec![row], &["600"], &mut chance);
        assert_eq!(users.iter().map(|u| u.number.as_str()).collect::<Vec<_>>(), ["100"]);
        assert_eq!(made.complaints.len(), 8);
        assert!(users.get("100").unwrap().password.reveal().len() >= 20);
        assert_eq!(users.get("100").unwrap().shown_name(), "Ann");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let (users, _) = Users::new(&numbers(&["100"]), Vec::new(), &[], &mut Chance::new(&[3; 32], "users"));
        let text = format!("{users:?}");
        let user = users.get("100").unwrap();
        assert!(!text.contains(user.password.reveal()) && !text.contains(user.token.reveal()));
    }
}
