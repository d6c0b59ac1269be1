//! The phone's own book as the manual writes it (`ctl.api.contact.*`): a contact is a line of at most fourteen fields with
//! commas between them, and is found by its name.
//!
//! The book has a name, SIP addresses and numbers; a contact of this interface shows one SIP address (`sip`) and the
//! numbers (`phone`, `phone2`, `phone3`, and with semicolons `othernumbers`). What else a record says is not kept, and
//! said so.

use crate::answer::Value;
use crate::desk::{Desk, Outcome, Reply, Step, step};
use crate::parameter;
use crate::request::Arguments;
use offhook_phone::address_book::number::Form;
use offhook_phone::address_book::{Contact, LocalBook, Number, Origin};
use offhook_phone::{Command, View};

/// The record's fields, in their order.
const FIELDS: [&str; 14] = [
    "imstatus",
    "name",
    "sip",
    "phone",
    "phone2",
    "phone3",
    "othernumbers",
    "sipcontacturi",
    "email",
    "web",
    "address",
    "speeddial",
    "extra",
    "internalextra",
];
const NAME: usize = 1;
const SIP: usize = 2;
const PHONE: usize = 3;
const OTHERS: usize = 6;
/// How a number is marked that stands in the field `sip` and has no `@` to show for it.
const SIP_LABEL: &str = "sip";

pub(crate) fn set_all(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let mut wanted: Vec<Contact> = Vec::new();
    if arguments.text(0).trim().is_empty() {
        // an argument that was lost on its way must not cost the book
        return Err("which contacts? API_DelContact deletes one".into());
    }
    for line in parameter::split(arguments.text(0)) {
        let before = |name: &str| find(view, name).ok().cloned().unwrap_or_default();
        let contact = read(desk, line, before).map_err(|error| format!("{line}: {error}"))?;
        if wanted.iter().any(|other| is_called(other, &contact.name)) {
            return Err(format!("{} is there twice", contact.name));
        }
        wanted.push(contact);
    }
    let stays = |uid: &str| wanted.iter().any(|contact| contact.uid == uid);
    let gone: Vec<String> = own(view).map(|contact| contact.uid.clone()).filter(|uid| !stays(uid)).collect();
    let gone = gone.into_iter().map(|uid| step(Command::RemoveContact(uid)));
    Ok(commands(gone.chain(wanted.into_iter().map(|contact| step(Command::SaveContact(contact)))).collect()))
}

pub(crate) fn all(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    text(own(view).map(record).collect::<Vec<_>>().join("\n"))
}

pub(crate) fn delete(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let contact = find(view, arguments.text(0))?;
    Ok(commands(vec![step(Command::RemoveContact(contact.uid.clone()))]))
}

pub(crate) fn add(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let contact = read(desk, arguments.text(0), |_| Contact::default())?;
    if own(view).any(|known| is_called(known, &contact.name)) {
        return Err(format!("{} is there already; API_SetContact changes it", contact.name));
    }
    save(contact)
}

pub(crate) fn set(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let known = find(view, arguments.text(0))?.clone();
    save(read(desk, arguments.text(1), |_| known)?)
}

pub(crate) fn one(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    text(record(find(view, arguments.text(0))?))
}

pub(crate) fn set_name(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let known = find(view, arguments.text(0))?.clone();
    let name = arguments.text(1);
    if !is_called(&known, name) && own(view).any(|other| is_called(other, name)) {
        return Err(format!("{name} is there already"));
    }
    save(Contact { name: name.to_owned(), ..known })
}

/// Empty: none.
pub(crate) fn set_sip(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    replace(view, arguments, is_sip, vec![SIP_LABEL.to_owned()])
}

/// The first number; empty: none.
pub(crate) fn set_phone(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    replace(view, arguments, |number| !is_sip(number), Vec::new())
}

pub(crate) fn name(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    text(plain(&find(view, arguments.text(0))?.name))
}

pub(crate) fn sip(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let contact = find(view, arguments.text(0))?;
    text(contact.numbers.iter().find(|number| is_sip(number)).map(|number| plain(&number.address)).unwrap_or_default())
}

pub(crate) fn phone(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let contact = find(view, arguments.text(0))?;
    let first = contact.numbers.iter().find(|number| !is_sip(number));
    text(first.map(|number| plain(&number.address)).unwrap_or_default())
}

fn own(view: &View) -> impl Iterator<Item = &Contact> {
    view.contacts.of(Origin::Local)
}

fn is_called(contact: &Contact, name: &str) -> bool {
    contact.name.to_lowercase() == name.trim().to_lowercase()
}

/// The one of that name.
fn find<'v>(view: &'v View, name: &str) -> Result<&'v Contact, String> {
    let mut named = own(view).filter(|contact| is_called(contact, name));
    match (named.next(), named.next()) {
        (Some(contact), None) => Ok(contact),
        (Some(_), Some(_)) => Err("several contacts have that name".into()),
        (None, _) => Err("there is no such contact in the phone's own book".into()),
    }
}

fn is_sip(number: &Number) -> bool {
    number.labels.iter().any(|label| label == SIP_LABEL)
        || number.address.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip"))
        || matches!(Form::of(&number.address), Some(Form::Address(_)))
}

fn record(contact: &Contact) -> String {
    let mut fields: [String; FIELDS.len()] = Default::default();
    let sip = contact.numbers.iter().position(is_sip);
    let mut others = contact.numbers.iter().enumerate().filter(|(at, _)| Some(*at) != sip);
    let mut other = || others.next().map(|(_, number)| plain(&number.address)).unwrap_or_default();
    fields[NAME] = plain(&contact.name);
    fields[SIP] = sip.and_then(|at| contact.numbers.get(at)).map(|number| plain(&number.address)).unwrap_or_default();
    fields.iter_mut().take(OTHERS).skip(PHONE).for_each(|field| *field = other());
    fields[OTHERS] = others.map(|(_, number)| plain(&number.address).replace(';', " ")).collect::<Vec<_>>().join(";");
    fields.join(",")
}

/// A record as a contact. `before`: who has had this name; labels, company and an empty name are taken over from there.
fn read(desk: &mut Desk, line: &str, before: impl FnOnce(&str) -> Contact) -> Result<Contact, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    if fields.len() < 2 || fields.len() > FIELDS.len() {
        return Err(format!("{},... expected, 2 to {} fields", FIELDS[..=PHONE].join(","), FIELDS.len()));
    }
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let known = before(field(NAME));
    let phones = (PHONE..OTHERS).map(field).chain(field(OTHERS).split(';').map(str::trim));
    let mut numbers: Vec<Number> = Vec::new();
    for (address, sip) in [(field(SIP), true)].into_iter().chain(phones.map(|phone| (phone, false))) {
        if address.is_empty() {
            continue;
        }
        let labels = match known.numbers.iter().find(|number| number.address == address && is_sip(number) == sip) {
            Some(number) => number.labels.clone(),
            None if sip => vec![SIP_LABEL.to_owned()],
            None => Vec::new(),
        };
        numbers.push(Number { address: address.to_owned(), labels });
    }
    let name = Some(field(NAME)).filter(|name| !name.is_empty()).map_or(known.name, str::to_owned);
    let contact = fit(Contact { uid: known.uid, name, organisation: known.organisation, numbers })?;
    let lost: Vec<&str> = (OTHERS + 1..FIELDS.len()).filter(|at| !field(*at).is_empty()).map(|at| FIELDS[at]).collect();
    if !lost.is_empty() {
        desk.warn(&format!("not kept of a contact: {}", lost.join(" ")));
    }
    Ok(contact)
}

/// One number of a contact for another one.
fn replace(view: &View, arguments: &Arguments, which: fn(&Number) -> bool, labels: Vec<String>) -> Outcome {
    let mut contact = find(view, arguments.text(0))?.clone();
    let address = arguments.text(1);
    let at = contact.numbers.iter().position(which);
    match (at, address.is_empty()) {
        (Some(at), true) => drop(contact.numbers.remove(at)),
        (Some(at), false) => {
            if let Some(number) = contact.numbers.get_mut(at) {
                address.clone_into(&mut number.address);
            }
        }
        (None, true) => {}
        (None, false) => contact.numbers.push(Number { address: address.to_owned(), labels }),
    }
    save(contact)
}

/// What the book would refuse is refused before anything is changed.
fn fit(contact: Contact) -> Result<Contact, String> {
    LocalBook::default().put(contact.clone()).map_err(|unfit| unfit.to_string())?;
    Ok(contact)
}

fn save(contact: Contact) -> Outcome {
    Ok(commands(vec![step(Command::SaveContact(fit(contact)?))]))
}

/// Nothing in a field can pass for another field, or for an answer.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == ',' { ' ' } else { c }).collect()
}

fn text(text: String) -> Outcome {
    Ok(Reply::Value(Value::Text(text)))
}

fn commands(steps: Vec<Step>) -> Reply {
    Reply::Commands { steps, failures: Vec::new() }
}
