//! The phone's own book over the control API: what a client writes is there afterwards, and nothing else is.

use crate::conversation::Talk;
use crate::testing::registered;
use offhook_phone::address_book::{AddressBooks, Contact, LocalBook, Number, Origin};
use offhook_phone::{Command, View};
use std::sync::Arc;

/// A phone with a book of its own, and Zoe in the book of a server.
struct Book {
    talk: Talk,
    book: LocalBook,
}

impl Book {
    fn new() -> Self {
        let mut book = Self { talk: Talk::new(registered()), book: LocalBook::default() };
        book.show();
        book
    }

    /// The answer, after the phone has done what was asked of it.
    fn ask(&mut self, line: &str) -> String {
        self.talk.asked.clear();
        let answer = self.talk.ask(line);
        for command in std::mem::take(&mut self.talk.asked) {
            match command {
                Command::SaveContact(contact) => drop(self.book.put(contact).unwrap()),
                Command::RemoveContact(uid) => self.book.remove(&uid).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        self.show();
        answer
    }

    fn does(&mut self, line: &str) {
        let answer = self.ask(line);
        assert!(answer.ends_with(" succeed\r\n"), "{line}: {answer}");
    }

    fn refuses(&mut self, line: &str, why: &str) {
        let before = self.book.clone();
        let answer = self.ask(line);
        assert!(answer.starts_with("ERROR: ") && answer.contains(why), "{line}: {answer}");
        assert_eq!(self.book, before, "{line}");
    }

    fn show(&mut self) {
        let numbers = vec![Number { address: "900".into(), labels: vec!["work".into()] }];
        let zoe = Contact { uid: "z".into(), name: "Zoe".into(), numbers, ..Contact::default() };
        let own = self.book.contacts().iter().collect();
        let books = AddressBooks::new([(Origin::Local, own), (Origin::Directory(1), vec![&zoe])]);
        self.talk.view = View { contacts: Arc::new(books), ..registered() };
    }
}

/// Covers: ctl.api.contact.02, ctl.api.contact.03, ctl.api.contact.04, ctl.api.contact.06, ctl.api.contact.11,
/// ctl.api.contact.12, ctl.api.contact.13
#[test]
fn a_contact_is_added_read_and_deleted_by_its_name() {
    let mut book = Book::new();
    assert_eq!(book.ask("API_GetContacts"), "\r\n");
    // the manual's own example
    book.does("API_AddContact,,John Smith,jsmith,");
    book.does("API_AddContact,,Anna Müller,sip:anna@example.org,+49 30 1234567,102,,0170 1;0170 2");
    assert_eq!(book.ask("API_GetContact,john smith"), ",John Smith,jsmith,,,,,,,,,,,\r\n");
    let anna = ",Anna Müller,sip:anna@example.org,+49 30 1234567,102,0170 1,0170 2,,,,,,,";
    assert_eq!(book.ask("API_GetContacts"), format!("{anna}\n,John Smith,jsmith,,,,,,,,,,,\r\n"));
    assert_eq!(book.ask("API_GetContactName,ANNA MÜLLER"), "Anna Müller\r\n");
    assert_eq!(book.ask("API_GetContactSIP,Anna Müller"), "sip:anna@example.org\r\n");
    assert_eq!(book.ask("API_GetContactPhone,Anna Müller"), "+49 30 1234567\r\n");
    assert_eq!(book.ask("API_GetContactPhone,John Smith"), "\r\n");
    book.does("API_DelContact,John Smith");
    book.refuses("API_DelContact,John Smith", "no such contact");
    book.refuses("API_DelContact,Zoe", "no such contact in the phone's own book");
    book.refuses("API_AddContact,,anna müller,7", "there already");
    book.refuses("API_AddContact,,,7", "needs a name");
    book.refuses("API_AddContact,,Bob", "needs a number");
    book.refuses("API_AddContact,Bob", "fields");
    book.refuses("API_AddContact,,a,1,,,,,,,,,,,,", "fields");
}

/// Covers: ctl.api.contact.05, ctl.api.contact.07, ctl.api.contact.08, ctl.api.contact.09
#[test]
fn what_is_changed_of_a_contact_leaves_the_rest() {
    let mut book = Book::new();
    let numbers = vec![
        Number { address: "+49 30 1".into(), labels: vec!["work".into()] },
        Number { address: "0170 1".into(), labels: vec!["cell".into()] },
    ];
    let anna = Contact { name: "Anna".into(), organisation: "Müller & Co".into(), numbers, ..Contact::default() };
    let uid = book.book.put(anna).unwrap();
    book.show();
    book.does("API_SetContact,Anna,,,,+49 30 2,0170 1");
    book.does("API_SetContactSIP,Anna,anna");
    book.does("API_SetContactPhone,Anna,+49 30 3");
    book.does("API_SetContactName,Anna,Anna, née Schmidt");
    let [anna] = book.book.contacts() else { panic!("{:?}", book.book) };
    assert_eq!((anna.uid.as_str(), anna.name.as_str()), (uid.as_str(), "Anna, née Schmidt"));
    assert_eq!(anna.organisation, "Müller & Co");
    let numbers: Vec<(&str, Option<&str>)> =
        anna.numbers.iter().map(|number| (number.address.as_str(), number.label())).collect();
    assert_eq!(numbers, [("+49 30 3", None), ("0170 1", Some("cell")), ("anna", Some("sip"))]);
    assert_eq!(
        book.ask("API_GetContacts"),
        ",Anna  née Schmidt,anna,+49 30 3,0170 1,,,,,,,,,\r\n",
        "no comma of a name"
    );
    book.does("API_AddContact,,Bob,,5");
    book.refuses("API_SetContactName,Bob,Anna, née Schmidt", "already");
    book.refuses("API_SetContactName,Bob,", "needs a name");
    book.refuses("API_SetContactPhone,Bob,", "needs a number");
    book.refuses("API_SetContactPhone,Bob,ask at the desk", "needs a number");
    book.refuses("API_SetContact,Carol,,Carol,,7", "no such contact");
}

/// Covers: ctl.api.contact.01
#[test]
fn a_whole_book_takes_the_place_of_the_old_one_or_nothing_does() {
    let mut book = Book::new();
    book.does("API_AddContact,,Anna,,1");
    book.does("API_AddContact,,Bob,,2");
    let anna = book.book.contacts()[0].uid.clone();
    book.refuses("API_SetContacts,,Carol,,3 CRLF ,Dan", "Dan: a contact needs a number");
    book.refuses("API_SetContacts,,Carol,,3 CRLF ,carol,,4", "twice");
    book.does("API_SetContacts,,Carol,,3 CRLF ,Anna,,5");
    let names: Vec<(&str, &str)> =
        book.book.contacts().iter().map(|contact| (contact.name.as_str(), contact.uid.as_str())).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&("Anna", anna.as_str())), "the same contact as before: {names:?}");
    assert!(names.iter().any(|(name, _)| *name == "Carol"));
    // what one client got another one can give back
    let all = book.ask("API_GetContacts");
    let before = book.book.clone();
    book.does(&format!("API_SetContacts,{}", all.trim_end().replace('\n', " CRLF ")));
    assert_eq!(book.ask("API_GetContacts"), all);
    assert_eq!(book.book, before);
    book.refuses("API_SetContacts", "which contacts?");
}

#[test]
fn what_a_record_says_beyond_the_book_is_said_to_be_lost() {
    let mut book = Book::new();
    let answer = book.ask("API_AddContact,,Anna,,1,,,,,anna@example.org,,Main Street 1,17");
    let warning = "WPNOTIFICATION,EVENT,WARNING,not kept of a contact: email address speeddial,NEOL\r\n";
    assert_eq!(answer, format!("{warning}OK: API_AddContact succeed\r\n"));
    assert_eq!(book.ask("API_GetContact,Anna"), ",Anna,,1,,,,,,,,,,\r\n");
    book.refuses("API_SetContactSpeedDial,Anna,17", "not part of this version");
}
