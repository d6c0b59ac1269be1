//! Kamailio as registrar.

use super::{account_at, together};
use crate::case::{Case, Outcome, Tool};
use crate::kamailio::{self, Kamailio};
use crate::offhook::{self, Offhook};
use crate::{Entry, wait};

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("kamailio_udp_md5", |case| registers(case, "MD5", "udp"), &[Tool::Kamailio]),
        together("kamailio_tcp_md5", |case| registers(case, "MD5", "tcp"), &[Tool::Kamailio]),
        together("kamailio_udp_sha256", |case| registers(case, "SHA-256", "udp"), &[Tool::Kamailio]),
        together("kamailio_wrong_password", wrong_password, &[Tool::Kamailio]),
    ]
}

fn phone(case: &Case, kamailio: &Kamailio, password: &str, transport: &str) -> Outcome<Offhook> {
    let proxy = kamailio.address.to_string();
    let account = account_at(kamailio::DOMAIN, "100", password, &[("proxy", &proxy), ("transport", transport)]);
    offhook::phone(case, "100")?.silent().account(&account)?.start(case)
}

fn registers(case: &Case, algorithm: &str, transport: &str) -> Outcome {
    let kamailio = kamailio::start(case, algorithm)?;
    let mut phone = phone(case, &kamailio, "pw100", transport)?;
    phone.wait_registered()?;
    let (all, answered) = kamailio.registers("100");
    wait::ensure(all == 2 && answered == 1, || {
        format!("{all} REGISTERs, {answered} with an answer; 2 and 1 are enough")
    })?;
    wait::ensure(kamailio.seen().iter().all(|seen| seen.user != "100" || seen.transport == transport), || {
        format!("not all over {transport}: {:?}", kamailio.seen())
    })?;
    // It says goodbye.
    phone.process.stop()?;
    let (all, answered) = kamailio.registers("100");
    wait::ensure(all > 2 && answered > 1, || format!("after the end {all} REGISTERs, {answered} with an answer"))?;
    let complaints = kamailio.complaints();
    wait::ensure(complaints.is_empty(), || format!("Kamailio complained: {complaints:?}"))
}

fn wrong_password(case: &Case) -> Outcome {
    let kamailio = kamailio::start(case, "MD5")?;
    let mut phone = phone(case, &kamailio, "not-it", "udp")?;
    let view = phone.wait_view(10, "that the account failed", |view| view["accounts"][0]["state"] == "failed")?;
    let reason = view["accounts"][0]["reason"].as_str().unwrap_or_default();
    wait::ensure(reason.contains("password"), || format!("the reason is {reason:?}"))?;
    // Servers lock out who asks again and again.
    wait::pass(8000);
    let (all, answered) = kamailio.registers("100");
    wait::ensure(all <= 4 && answered <= 2, || format!("{all} REGISTERs in 8 s, {answered} with the wrong password"))?;
    wait::ensure(all >= 2 && answered >= 1, || {
        format!("{all} REGISTERs, {answered} with an answer: was it tried at all?")
    })
}
