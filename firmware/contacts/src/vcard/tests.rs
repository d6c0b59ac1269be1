use super::*;
use crate::contact::LONGEST;
use proptest::prelude::*;

fn one(text: &str) -> Contact {
    let read = read(text);
    assert_eq!((read.contacts.len(), read.left_out), (1, 0), "{read:?}");
    read.contacts.into_iter().next().unwrap()
}

fn numbers(contact: &Contact) -> Vec<(&str, Vec<&str>)> {
    let labelled = contact.numbers.iter();
    labelled.map(|number| (number.address.as_str(), number.labels.iter().map(String::as_str).collect())).collect()
}

#[test]
fn version_3_as_address_books_export_it() {
    let contact = one("BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//x//EN\r\nUID:4f2c\r\nN:Müller;Anna;Maria;Dr.;\r\n\
         FN:Dr. Anna Müller\r\nORG:Example AG;Sales\\, North\r\nTEL;TYPE=WORK,VOICE:+49 30 1234567\r\n\
         TEL;TYPE=CELL;TYPE=pref:0170/5551234\r\nTEL;TYPE=\"HOME,FAX\":+49 30 7654321\r\n\
         EMAIL:anna@example.org\r\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQ\r\n AAAQABAAD/2wBD\r\nEND:VCARD\r\n");
    assert_eq!((contact.name.as_str(), contact.uid.as_str()), ("Dr. Anna Müller", "4f2c"));
    assert_eq!(contact.organisation, "Example AG, Sales, North");
    let expected =
        [("0170/5551234", vec!["cell"]), ("+49 30 1234567", vec!["work"]), ("+49 30 7654321", vec!["home", "fax"])];
    assert_eq!(numbers(&contact), expected);
}

#[test]
fn version_4_with_uris_quotes_and_preferences() {
    let contact = one(
        "BEGIN:VCARD\nVERSION:4.0\nUID:urn:uuid:1-2\nFN:Bob\nTEL;VALUE=uri;TYPE=\"voice,home\":tel:+33-01-23-45-67;ext=12\n\
         TEL;VALUE=uri;PREF=1;TYPE=work:sip:bob@example.org\nIMPP;PREF=2:sips:bob@example.net\nIMPP:xmpp:bob@example.net\nEND:VCARD\n",
    );
    let expected =
        [("sip:bob@example.org", vec!["work"]), ("sips:bob@example.net", vec![]), ("+33-01-23-45-67", vec!["home"])];
    assert_eq!(numbers(&contact), expected);
    assert_eq!(contact.uid, "urn:uuid:1-2");
}

#[test]
fn labels_of_groups_are_taken_and_apples_own_words_unwrapped() {
    let contact = one("BEGIN:VCARD\nVERSION:3.0\nFN:C\nitem1.TEL:101\nitem1.X-ABLabel:_$!<HomePage>!$_\n\
         item2.TEL;type=CELL:102\nitem2.X-ABLabel:Weekend\nEND:VCARD\n");
    assert_eq!(numbers(&contact), [("101", vec!["homepage"]), ("102", vec!["weekend", "cell"])]);
}

#[test]
fn folded_lines_are_joined_with_tab_or_blank_and_with_either_line_end() {
    for (end, blank) in [("\r\n", " "), ("\n", "\t")] {
        let text =
            ["BEGIN:VCARD", "VERSION:4.0", "FN:A very long", "  name of so", "meone", "TEL:1", "01", "END:VCARD"]
                .join(end)
                .replace(&format!("{end}  "), &format!("{end}{blank} "))
                .replace(&format!("{end}meone"), &format!("{end}{blank}meone"))
                .replace(&format!("{end}01"), &format!("{end}{blank}01"));
        let contact = one(&text);
        assert_eq!(
            (contact.name.as_str(), contact.numbers[0].address.as_str()),
            ("A very long name of someone", "101")
        );
    }
}

#[test]
fn a_name_is_found_somewhere() {
    let name = |line: &str| one(&format!("BEGIN:VCARD\nVERSION:3.0\n{line}\nTEL:101\nEND:VCARD")).name;
    assert_eq!(name("N:Doe;John;;;"), "John Doe");
    assert_eq!(name("NICKNAME:Johnny"), "Johnny");
    assert_eq!(name("ORG:Front Desk"), "Front Desk");
    assert_eq!(name("FN:"), "101");
    assert_eq!(name("FN:a\\nb\\, c\\;d\u{7}"), "a b, c;d");
}

#[test]
fn cards_without_a_number_groups_and_cut_off_cards_are_left_out_and_counted() {
    let text = "BEGIN:VCARD\nFN:No number\nEND:VCARD\nBEGIN:VCARD\nKIND:group\nFN:All\nTEL:1\nEND:VCARD\n\
                BEGIN:VCARD\nFN:Good\nTEL:101\nEND:VCARD\nTEL:stray\nBEGIN:VCARD\nFN:Cut off\nTEL:102\n";
    let read = read(text);
    assert_eq!(read.contacts.iter().map(|contact| contact.name.as_str()).collect::<Vec<_>>(), ["Good"]);
    assert_eq!(read.left_out, 3);
}

#[test]
fn a_photo_of_megabytes_is_passed_over() {
    let photo = "A".repeat(74).add_lines(40_000);
    let contact = one(&format!("BEGIN:VCARD\nVERSION:3.0\nFN:P\nPHOTO;ENCODING=b:{photo}\nTEL:101\nEND:VCARD\n"));
    assert_eq!(contact.numbers.len(), 1);
}

trait AddLines {
    fn add_lines(&self, count: usize) -> String;
}

impl AddLines for String {
    fn add_lines(&self, count: usize) -> String {
        format!("\n {self}").repeat(count)
    }
}

#[test]
fn an_attack_of_numbers_is_bounded() {
    let many = "TEL:5551234\n".repeat(100_000);
    let contact = one(&format!("BEGIN:VCARD\nFN:{}\n{many}END:VCARD\n", "x".repeat(5000)));
    assert_eq!((contact.numbers.len(), contact.name.chars().count()), (MOST_NUMBERS, LONGEST));
}

#[test]
fn a_card_cut_at_any_octet_never_panics_and_never_invents_a_contact() {
    let whole = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Änna\r\nTEL;TYPE=\"work,voice\":+49 30 1234567\r\nEND:VCARD\r\n";
    for cut in 0..whole.len() {
        let text = String::from_utf8_lossy(&whole.as_bytes()[..cut]).into_owned();
        let complete = text.trim_end().ends_with("END:VCARD");
        assert_eq!(read(&text).contacts.len(), usize::from(complete), "{cut}");
    }
}

fn words() -> impl Strategy<Value = String> {
    "[a-zA-ZäöüßЖ,;\\\\: .'\"^-]{1,60}"
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in words(), organisation in "[a-z, ;]{0,40}", uid in "[a-z0-9:-]{1,40}",
        raw in proptest::collection::vec(("[+0-9 ()/-]{1,20}", proptest::collection::vec("[a-z ]{1,12}", 0..3)), 1..5),
    ) {
        let mut numbers: Vec<Number> = raw
            .into_iter()
            .map(|(address, labels)| Number {
                address: clean(&address),
                labels: labels.into_iter().map(|label| clean(&label)).filter(|label| !label.is_empty()).collect(),
            })
            .filter(|number| crate::number::Form::of(&number.address).is_some())
            .collect();
        for number in &mut numbers {
            number.labels.retain(|label| !["fax", "pager", "pref", "voice", "text", "video", "msg"].contains(&label.as_str()));
            let mut seen = Vec::new();
            number.labels.retain(|label| { let new = !seen.contains(label); seen.push(label.clone()); new });
        }
        prop_assume!(!numbers.is_empty() && !clean(&name).is_empty());
        let organisation = clean(&organisation);
        let name = clean(&name);
        let contact = Contact { uid, organisation: if organisation == name { String::new() } else { organisation }, name, numbers };
        let read = read(&write(&contact));
        prop_assert_eq!(read.contacts, vec![contact]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(BEGIN:VCARD\n|END:VCARD\n|TEL[;:\"=,]|FN:|item1\\.|[\\PC\n\r\t \\\\]{0,8}){0,40}") {
        for contact in read(&text).contacts {
            prop_assert!(!contact.name.is_empty() && !contact.numbers.is_empty());
        }
    }
}
