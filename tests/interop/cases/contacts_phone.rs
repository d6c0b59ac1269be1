//! The whole phone with its address book at Radicale.

use super::contacts::{BOB, office};
use super::{account_at, together};
use crate::case::{Case, Outcome, Tool};
use crate::offhook::{self, Offhook};
use crate::radicale::{self, PASSWORD, Radicale, USER};
use crate::{Entry, pbxd, wait};

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("radicale_phone", phone, &[Tool::Radicale]),
        together("radicale_wrong_password", wrong_password, &[Tool::Radicale]),
    ]
}

/// 100 of the PBX, whose account names the address book.
fn start(case: &Case, pbx: &pbxd::Pbxd, radicale: &Radicale, password: &str) -> Outcome<(offhook::Options, Offhook)> {
    let (host, url) = (pbx.sip.to_string(), radicale.url("/"));
    let dav = [
        ("cardDavPrincipalUrl", url.as_str()),
        ("cardDavUsername", USER),
        ("cardDavPassword", password),
        ("cardDavRefresh", "30"),
        ("cardDavTitle", "Office"),
    ];
    let account = account_at(&host, "100", &pbx.password("100")?, &dav);
    let mut options = offhook::phone(case, "100")?.silent().account(&account)?;
    let phone = options.start(case)?;
    Ok((options, phone))
}

/// Covers: axml.dav.01, axml.dav.02, axml.dav.03, axml.dav.04, axml.dav.05, feat.40, feat.42
fn phone(case: &Case) -> Outcome {
    let radicale = office(case)?;
    let pbx = pbxd::start(case)?;
    let (mut options, mut phone) = start(case, &pbx, &radicale, PASSWORD)?;
    phone.wait_registered()?;
    phone.wait_view(15, "two contacts", |view| {
        view["directories"][0]["contacts"] == 2 && view["directories"][0]["title"] == "Office"
    })?;
    let mut bob = offhook::phone(case, "101")?.silent().provision(pbx.url("101")?).start(case)?;
    bob.wait_registered()?;
    bob.call("100")?;
    phone.wait_line("ring on")?;
    phone.wait_view(5, "Bob's name", |view| view["calls"][0]["name"] == "Bob Öztürk")?;
    bob.put_down()?;
    phone.wait_line("ring off")?;
    phone.wait_view(5, "Bob's name in the call list", |view| view["history"][0]["name"] == "Bob Öztürk")?;
    // 227 spells car
    phone.dial("227")?;
    phone.wait_view(5, "Carol offered", |view| view["suggestions"][0]["name"] == "Carol & Sons")?;
    for _ in 0..3 {
        phone.press("back")?;
    }
    // Not before 30 s, and spread.
    radicale.put("/anna/office/bob.vcf", &BOB.replace("Bob Öztürk", "Robert"))?;
    phone.wait_view(45, "the new name", |view| view["history"][0]["name"] == "Robert")?;
    // The server is away, the names are not.
    let mut radicale = radicale;
    radicale.process.stop()?;
    phone.process.stop()?;
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    phone.wait_view(15, "the contacts of before", |view| {
        view["contacts"] == 2 && view["directories"][0]["ok"] == false && view["history"][0]["name"] == "Robert"
    })?;
    let _again = radicale::start(case, Some(radicale.address.port()))?;
    phone.wait_view(60, "the server again", |view| view["directories"][0]["ok"] == true)?;
    let log = phone.process.log();
    wait::ensure(!log.contains(PASSWORD), || "the address book's password is in the log".into())
}

/// Covers: axml.dav.05
fn wrong_password(case: &Case) -> Outcome {
    let radicale = office(case)?;
    let pbx = pbxd::start(case)?;
    let (_, mut phone) = start(case, &pbx, &radicale, "not it")?;
    let view = phone.wait_view(15, "a refused password", |view| view["directories"][0]["ok"] == false)?;
    let said = view["directories"][0]["last"].as_str().unwrap_or_default();
    wait::ensure(said.contains("password"), || format!("it says {said:?}"))?;
    wait::pass(8000);
    let asked = radicale.process.log().matches("PROPFIND request").count();
    wait::ensure(asked <= 3, || format!("{asked} requests in 8 s"))
}
