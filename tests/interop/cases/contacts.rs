//! Following address books at Radicale: the machine, without a phone around it.

use super::together;
use crate::case::{Case, Outcome, Tool};
use crate::radicale::{self, Radicale};
use crate::{Entry, wait};
use offhook_phone::address_book::Directory;
use offhook_phone::address_book::directory::{Answer, Input, Output};
use std::time::{Duration, Instant};

pub(super) fn cases() -> Vec<Entry> {
    vec![together("radicale_directory", directory, &[Tool::Radicale])]
}

pub(super) const BOB: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:bob\r\nN:Öztürk;Bob;;;\r\nFN:Bob Öztürk\r\nTEL;TYPE=WORK,VOICE:101\r\n\
                   TEL;TYPE=CELL:+49 170 5551234\r\nPHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ\r\nEND:VCARD\r\n";
const CAROL: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:03a0e51f-d1aa-4385-8a53-e29025acd8af\r\nFN:Carol & Sons\r\n\
                     TEL;VALUE=uri;PREF=1;TYPE=\"voice,work\":tel:+49-30-1234567\r\nEND:VCARD\r\n";

pub(super) fn office(case: &Case) -> Outcome<Radicale> {
    let radicale = radicale::start(case, None)?;
    radicale.make_book("/anna/office/")?;
    radicale.put("/anna/office/bob.vcf", BOB)?;
    radicale.put("/anna/office/carol%20and%20sons.vcf", CAROL)?;
    Ok(radicale)
}

/// What one refresh came to, and how many requests it took.
struct Refresh {
    result: Result<(), String>,
    changed: bool,
    requests: usize,
}

/// One refresh, each request answered by the server.
fn refresh(radicale: &Radicale, directory: &mut Directory, known: bool) -> Outcome<Refresh> {
    let now = Instant::now();
    directory.handle(now, Input::Refresh);
    let mut requests = 0;
    loop {
        match directory.poll() {
            Output::Ask { id, request } => {
                requests += 1;
                let path = request.url.strip_prefix(&radicale.url("")).ok_or("another server is asked")?.to_owned();
                let headers =
                    [("Depth", &*request.depth.to_string()), ("Content-Type", "application/xml; charset=utf-8")];
                let answer =
                    radicale::request(radicale.address, request.method, &path, &headers, &request.body, known)?;
                let radicale::Answer { status, location, body } = answer;
                let answer = Answer { status, location, retry_after: None, body: body.into_bytes() };
                directory.handle(now, Input::Answered { id, result: Ok(answer) });
            }
            Output::Refreshed { changed, result } => return Ok(Refresh { result, changed, requests }),
            Output::Timeout(_) => return Err("the directory waits for nothing".into()),
        }
    }
}

fn names(directory: &Directory) -> Vec<String> {
    directory.contacts().map(|contact| contact.name.clone()).collect()
}

/// Covers: axml.dav.02, feat.40
fn directory(case: &Case) -> Outcome {
    let radicale = office(case)?;
    let every = Some(Duration::from_secs(180));
    // A server, a principal, a book: all lead to the same contacts.
    for path in ["", "/", "/anna/", "/anna/office/", "/not/there/"] {
        let mut directory = Directory::new(&radicale.url(path), every, 1);
        let first = refresh(&radicale, &mut directory, true)?;
        wait::ensure(first.result.is_ok() && first.changed, || format!("{path:?}: {:?}", first.result))?;
        wait::ensure(names(&directory) == ["Bob Öztürk", "Carol & Sons"], || {
            format!("{path:?}: {:?}", names(&directory))
        })?;
    }
    let mut directory = Directory::new(&radicale.url("/"), every, 1);
    refresh(&radicale, &mut directory, true)?.result?;
    let numbers: Vec<String> =
        directory.contacts().flat_map(|contact| &contact.numbers).map(|number| number.address.clone()).collect();
    wait::ensure(numbers == ["101", "+49 170 5551234", "+49-30-1234567"], || format!("{numbers:?}"))?;
    let quiet = refresh(&radicale, &mut directory, true)?;
    wait::ensure(quiet.result.is_ok() && !quiet.changed && quiet.requests == 1, || {
        format!("nothing was new: {:?}, {} requests", quiet.result, quiet.requests)
    })?;
    // Changed, new, gone: by the token of the book.
    radicale.put("/anna/office/bob.vcf", &BOB.replace("Bob Öztürk", "Robert"))?;
    radicale.put("/anna/office/eve.vcf", &BOB.replace("UID:bob", "UID:eve").replace("Bob Öztürk", "Eve"))?;
    radicale.delete("/anna/office/carol%20and%20sons.vcf")?;
    let news = refresh(&radicale, &mut directory, true)?;
    wait::ensure(news.result.is_ok() && news.changed && news.requests == 3, || {
        format!("{:?}, {} requests: look, changes and cards are three", news.result, news.requests)
    })?;
    wait::ensure(names(&directory) == ["Robert", "Eve"], || format!("{:?}", names(&directory)))?;
    // A second book, over a restart of the phone.
    radicale.make_book("/anna/family/")?;
    radicale.put("/anna/family/dad.vcf", &CAROL.replace("Carol & Sons", "Dad"))?;
    let mut again = Directory::new(&radicale.url("/"), every, 2);
    again.recall(&directory.memory());
    wait::ensure(names(&again) == ["Robert", "Eve"], || format!("after a restart: {:?}", names(&again)))?;
    refresh(&radicale, &mut again, true)?.result?;
    let mut found = names(&again);
    found.sort();
    wait::ensure(found == ["Dad", "Eve", "Robert"], || format!("{found:?}"))?;
    // A token that the server does not know any more.
    let memory = String::from_utf8_lossy(&again.memory())
        .replace("http://radicale.org/ns/sync/", "http://radicale.org/ns/sync/0");
    let mut forgotten = Directory::new(&radicale.url("/"), every, 3);
    forgotten.recall(memory.as_bytes());
    let anew = refresh(&radicale, &mut forgotten, true)?;
    wait::ensure(anew.result.is_ok() && !anew.changed && names(&forgotten).len() == 3, || {
        format!("after a lost token: {:?}, {:?}", anew.result, names(&forgotten))
    })?;
    let denied = refresh(&radicale, &mut Directory::new(&radicale.url("/"), every, 4), false)?;
    wait::ensure(denied.result.as_ref().is_err_and(|why| why.contains("password")), || format!("{:?}", denied.result))?;
    let log = radicale.process.log();
    wait::ensure(!log.contains("Traceback"), || format!("Radicale stumbled: {log}"))
}
