//! Many calls, and more than a phone can take.

use super::{account_at, alone};
use crate::case::{Case, Outcome, Tool};
use crate::offhook::{self, Offhook};
use crate::pbxd::{self, Pbxd};
use crate::{Entry, sipp, wait};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Transactions are kept for 32 s after a call (64 times T1, RFC 3261 section 17), so memory grows until calls that began
/// so long ago are forgotten at the pace at which new ones come.
const WARM_UP: u32 = 1000;
const CALLS: u32 = 1000;
/// More than this much more memory after another 1,000 calls is a leak [KiB]: half a kilobyte per call.
const GROWTH: u64 = 512;
/// Rounds in which the heap may find its size.
const ROUNDS: usize = 3;

pub(super) fn cases() -> Vec<Entry> {
    let long = |entry| Entry { limit: Duration::from_secs(300), ..entry };
    vec![long(alone("thousand_calls", thousand_calls, &[Tool::Sipp])), alone("flood", flood, &[])]
}

/// A phone of the PBX that takes calls from anybody.
fn open_phone(case: &Case, pbx: &Pbxd, user: &str, more: &[(&str, &str)]) -> Outcome<Offhook> {
    let mut nodes = vec![("udpFromUnknownAddresses", "1")];
    nodes.extend(more);
    let account = account_at(&pbx.sip.to_string(), user, &pbx.password(user)?, &nodes);
    let mut phone = offhook::phone(case, user)?.silent().option("--log", "warn").account(&account)?.start(case)?;
    phone.wait_registered()?;
    Ok(phone)
}

/// Covers: axml.aa.01, axml.sipis.04
fn thousand_calls(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut phone = open_phone(case, &pbx, "100", &[("appInitiatedAutoAnswerEnabled", "1")])?;
    let address = phone.address()?;
    sipp::calls_in_a_row(case, "sipp-warm-up", address, WARM_UP, 20)?;
    phone.wait_idle()?;
    let mut memory = phone.process.status("VmRSS")?;
    let (threads, descriptors) = (phone.process.status("Threads")?, phone.process.descriptors()?);
    let mut grown = Vec::new();
    // A leak grows with every round; a heap that was not at its size yet does not.
    while grown.last().is_none_or(|more| *more > GROWTH) {
        wait::ensure(grown.len() < ROUNDS, || {
            format!("resident memory grew by {grown:?} KiB with every {CALLS} calls")
        })?;
        sipp::calls_in_a_row(case, &format!("sipp-calls-{}", grown.len()), address, CALLS, 20)?;
        phone.wait_idle()?;
        let now = phone.process.status("VmRSS")?;
        grown.push(now.saturating_sub(memory));
        memory = now;
    }
    let after = phone.process.descriptors()?;
    wait::ensure(after.len() == descriptors.len(), || {
        format!("{} open descriptors before, {} after: {descriptors:?} and {after:?}", descriptors.len(), after.len())
    })?;
    let now = phone.process.status("Threads")?;
    wait::ensure(now == threads, || format!("{threads} threads before, {now} after"))
}

/// Covers: feat.119
fn flood(case: &Case) -> Outcome {
    let pbx = pbxd::start(case)?;
    let mut phone = open_phone(case, &pbx, "100", &[])?;
    let mut other = open_phone(case, &pbx, "101", &[])?;
    let target = phone.address()?;
    let calls = rain(target, "INVITE", 1000, Duration::from_secs(5))?;
    phone.view().map_err(|error| format!("after the flood of INVITEs: {error}"))?;
    let refused =
        calls.finals.iter().filter(|(status, _)| matches!(**status, 486 | 503)).map(|(_, count)| count).sum::<u64>();
    // Some ring. The others have an answer, but for what a busy machine lost before the phone could read it (a peer would
    // send that again), and none is told anything else.
    wait::ensure(refused >= calls.sent / 4, || format!("of {} INVITEs were answered: {:?}", calls.sent, calls.finals))?;
    wait::ensure(calls.finals.keys().all(|status| matches!(status, 486 | 487 | 503)), || {
        format!("{:?}", calls.finals)
    })?;
    let questions = rain(target, "OPTIONS", 1000, Duration::from_secs(2))?;
    let fine = questions.finals.get(&200).copied().unwrap_or(0);
    wait::ensure(fine >= questions.sent / 4, || {
        format!("of {} OPTIONS were answered: {:?}", questions.sent, questions.finals)
    })?;
    // What rang has been cancelled: the phone is a phone again.
    phone.wait_idle()?;
    other.call("100")?;
    phone.forget();
    phone.wait_view(10, "a ringing call", |view| view["ringing"] == true)?;
    phone.lift()?;
    other.wait_calls(&["talking"])?;
    phone.put_down()?;
    phone.wait_idle()?;
    Ok(())
}

#[derive(Debug, Default)]
struct Rain {
    sent: u64,
    /// How often each final status came.
    finals: BTreeMap<u16, u64>,
}

/// Sends `rate` requests a second to `target`, each a transaction and dialog of its own, acknowledges what is refused and
/// cancels at the end what rings.
fn rain(target: SocketAddr, method: &str, rate: u64, time: Duration) -> Outcome<Rain> {
    let text = |error: std::io::Error| format!("flood: {error}");
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(text)?;
    socket.set_nonblocking(true).map_err(text)?;
    let local = socket.local_addr().map_err(text)?;
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
        local.port()
    );
    let request = |method: &str, cseq: &str, id: u64, to: &str| {
        let body = if method == "INVITE" { sdp.as_str() } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:100@{target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{cseq}{id};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:flood@{local}>;tag=f{id}\r\nTo: {to}\r\nCall-ID: {cseq}{id}@{local}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:flood@{local}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let plain = format!("<sip:100@{target}>");
    let mut rain = Rain::default();
    let mut ringing = std::collections::BTreeSet::new();
    let mut done = std::collections::BTreeSet::new();
    let begin = Instant::now();
    let mut buffer = [0; 4096];
    let mut cancelled = false;
    while begin.elapsed() < time + Duration::from_secs(2) {
        let due = (begin.elapsed().min(time).as_secs_f64() * rate as f64) as u64;
        while rain.sent < due {
            let _ = socket.send_to(request(method, method, rain.sent, &plain).as_bytes(), target);
            rain.sent += 1;
        }
        if !cancelled && begin.elapsed() > time + Duration::from_millis(500) {
            cancelled = true;
            for id in &ringing {
                let _ = socket.send_to(request("CANCEL", method, *id, &plain).as_bytes(), target);
            }
        }
        let mut idle = true;
        while let Ok(count) = socket.recv(&mut buffer) {
            idle = false;
            let answer = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let header =
                |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
            let status = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse::<u16>().ok());
            let id = header("Call-ID").and_then(|id| id.split('@').next()?.strip_prefix(method)?.parse::<u64>().ok());
            let (Some(status), Some(id)) = (status, id) else { continue };
            if header("CSeq").is_none_or(|cseq| !cseq.ends_with(method)) {
                continue;
            }
            if status < 200 {
                if status > 100 {
                    ringing.insert(id);
                }
                continue;
            }
            ringing.remove(&id);
            if method == "INVITE" && status >= 300 {
                // RFC 3261 section 17.1.1.3: the ACK has the INVITE's branch.
                let to = header("To").unwrap_or_default().to_owned();
                let _ = socket.send_to(request("ACK", method, id, &to).as_bytes(), target);
            }
            if done.insert(id) {
                *rain.finals.entry(status).or_default() += 1;
            }
        }
        if idle {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    Ok(rain)
}
