//! Kamailio as registrar.

use super::{account_at, together};
use crate::case::{Case, Outcome, Tool};
use crate::kamailio::{self, Kamailio};
use crate::offhook::{self, Offhook};
use crate::{Entry, http, wait};
use serde_json::Value;
use std::time::{Duration, Instant};

pub(super) fn cases() -> Vec<Entry> {
    vec![
        together("kamailio_udp_md5", |case| registers(case, "MD5", "udp"), &[Tool::Kamailio]),
        together("kamailio_tcp_md5", |case| registers(case, "MD5", "tcp"), &[Tool::Kamailio]),
        together("kamailio_udp_sha256", |case| registers(case, "SHA-256", "udp"), &[Tool::Kamailio]),
        together("kamailio_wrong_password", wrong_password, &[Tool::Kamailio]),
        together("kamailio_settings_that_do_not_work_are_taken_back", taken_back, &[Tool::Kamailio]),
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

/// A PBX hands out a password that its own registrar refuses.
fn taken_back(case: &Case) -> Outcome {
    let kamailio = kamailio::start(case, "MD5")?;
    let proxy = kamailio.address.to_string();
    let server = http::serve("")?;
    let report = server.url("report");
    let give = |title: &str, password: &str| {
        let more = [("proxy", proxy.as_str()), ("title", title), ("extProvInterval", "5"), ("reportUrl", &report)];
        server.give(200, account_at(kamailio::DOMAIN, "100", password, &more));
    };
    let reported = |result: &str| {
        let known = |text: &String| serde_json::from_str::<Value>(text).is_ok_and(|report| report["result"] == result);
        server.posted().iter().any(known)
    };
    give("Desk", "pw100");
    let mut options = offhook::phone(case, "100")?.silent().provision(&server.url("phone.xml"));
    let mut phone = options.start(case)?;
    phone.wait_registered()?;
    wait::until(10, || Ok(reported("applied").then_some(())), || format!("no report: {:?}", server.posted()))?;
    give("Broken", "not-it");
    let began = Instant::now();
    wait::until(90, || Ok(reported("returned").then_some(())), || format!("not taken back: {:?}", server.posted()))?;
    wait::ensure(began.elapsed() < Duration::from_secs(80), || "the set time is 75 s".to_owned())?;
    let working = |view: &Value, title: &str| {
        let account = &view["accounts"][0];
        account["state"] == "registered" && account["title"] == title
    };
    phone.wait_view(15, "what worked before", |view| working(view, "Desk"))?;
    wait::ensure(server.posted().iter().all(|text| !text.contains("not-it") && !text.contains("pw100")), || {
        "a password is in a report".to_owned()
    })?;
    // The same document again is not tried again: a registrar locks out who does that.
    let (_, before) = kamailio.registers("100");
    wait::pass(12_000);
    let (_, after) = kamailio.registers("100");
    wait::ensure(after <= before + 1, || format!("{} more REGISTERs with a password", after - before))?;
    // What works is what is stored, too.
    phone.process.stop()?;
    server.give(503, "");
    let mut phone = options.start(case)?;
    phone.wait_view(15, "what worked before the restart", |view| working(view, "Desk"))?;
    give("Mended", "pw100");
    phone.wait_view(30, "settings that are right again", |view| working(view, "Mended")).map(drop)
}
