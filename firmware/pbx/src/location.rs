//! Registrar and location service (RFC 3261 section 10.3): which contacts a user can be reached at.
//!
//! A binding remembers the flow and the address its REGISTER came from, and calls go back that way whatever the Contact
//! says, so that phones behind address translation are reached (RFC 3581, in the spirit of RFC 5626). A contact with
//! `+sip.instance` replaces the older one of the same instance and `reg-id` (RFC 5626 section 6). Not done: Path, GRUU.
//! The domain of the address-of-record is not looked at: this PBX serves one office under whatever name it is reached.

use crate::Now;
use crate::store::BindingRow;
use offhook_sip::{FlowId, Headers, NameAddr, Request, Transport, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Shortest registration [s]; a shorter one is answered 423.
pub(crate) const MIN_EXPIRES: u32 = 30;
/// Longest registration, and the one of a Contact that names none [s].
pub(crate) const MAX_EXPIRES: u32 = 3600;
/// One number, several phones (`office.suppl.08`). One more takes the place of the one that expires first.
pub(crate) const MAX_CONTACTS: usize = 8;
/// Longest Contact that is kept [octets].
const MAX_CONTACT: usize = 1024;
const MAX_CALL_ID: usize = 256;

#[derive(Debug, Clone)]
pub(crate) struct Binding {
    /// Contact as it came, without `expires` and `q`.
    contact: NameAddr,
    /// q-value x 1000
    q: u16,
    expires_at: Instant,
    call_id: String,
    cseq: u32,
    via: Via,
}

#[derive(Debug, Clone, Copy)]
struct Via {
    /// `None`: restored, and no socket for it is there yet.
    flow: Option<FlowId>,
    transport: Transport,
    local: Option<SocketAddr>,
    source: SocketAddr,
}

/// Where a call to a contact goes.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) flow: FlowId,
    pub(crate) source: SocketAddr,
}

/// A REGISTER that is not done; nothing of it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) headers: Headers,
}

impl Refusal {
    pub(crate) fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, headers: Headers::new() }
    }
}

/// What a REGISTER did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It only asked.
    Nothing,
    /// The same contacts, for longer.
    Refreshed,
    /// Other contacts than before.
    Moved,
}

#[derive(Debug, Default)]
pub(crate) struct Location {
    bindings: BTreeMap<String, Vec<Binding>>,
    flows: BTreeMap<FlowId, (Transport, SocketAddr)>,
}

impl Location {
    // sockets

    pub(crate) fn flow_up(&mut self, flow: FlowId, transport: Transport, local: SocketAddr) {
        self.flows.insert(flow, (transport, local));
        if transport != Transport::Udp {
            return;
        }
        // restored bindings wait for the socket they came to, or for one of the same family if the address has changed
        for via in self.bindings.values_mut().flatten().map(|b| &mut b.via).filter(|v| v.transport == Transport::Udp) {
            let exact = via.local == Some(local);
            if exact || (via.flow.is_none() && via.source.is_ipv4() == local.is_ipv4()) {
                via.flow = Some(flow);
            }
        }
    }

    /// Bindings that a lost connection carried are gone (there is no way back to the phone). Answers whose.
    pub(crate) fn flow_down(&mut self, flow: FlowId) -> Vec<String> {
        let transport = self.flows.remove(&flow).map(|(transport, _)| transport);
        if transport == Some(Transport::Udp) {
            for via in self.bindings.values_mut().flatten().map(|b| &mut b.via).filter(|v| v.flow == Some(flow)) {
                via.flow = None;
            }
            return Vec::new();
        }
        self.retain(|binding| binding.via.flow != Some(flow))
    }

    // REGISTER

    /// RFC 3261 section 10.3 steps 6 to 8 for a user who proved to be `user`: all of the request or nothing of it.
    /// [`Location::contact_headers`] has the Contacts of the 200.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        user: &str,
        request: &Request,
        flow: FlowId,
        source: SocketAddr,
    ) -> Result<Change, Refusal> {
        let headers = &request.headers;
        let call_id = headers.call_id().unwrap_or_default();
        let cseq = headers.cseq().ok_or(Refusal::new(400, "CSeq missing"))?.number;
        if call_id.len() > MAX_CALL_ID {
            return Err(Refusal::new(400, "Call-ID Too Long"));
        }
        let mut bindings = self.bindings.get(user).cloned().unwrap_or_default();
        bindings.retain(|b| b.expires_at > now);
        let in_order = |b: &Binding| b.call_id != call_id || b.cseq < cseq;

        let written = headers.list("Contact").len();
        if headers.contact_is_star() {
            if written != 1 || headers.expires() != Some(0) {
                return Err(Refusal::new(400, "Contact * Needs Expires 0"));
            }
            if !bindings.iter().all(in_order) {
                return Err(Refusal::new(500, "CSeq Out Of Order"));
            }
            return Ok(self.put(user, Vec::new()));
        }
        let contacts = headers.contacts();
        if contacts.len() != written {
            return Err(Refusal::new(400, "Contact Unreadable"));
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(Refusal::new(400, "Too Many Contacts"));
        }
        let (transport, local) = match self.flows.get(&flow) {
            Some(&(transport, local)) => (transport, Some(local)),
            None => (Transport::Udp, None),
        };
        for contact in &contacts {
            let asked = match contact.param("expires") {
                // section 20.10: what is not a number counts as one hour
                Some(text) => text.trim().parse().unwrap_or(MAX_EXPIRES),
                None => headers.expires().unwrap_or(MAX_EXPIRES),
            };
            if asked > 0 && asked < MIN_EXPIRES {
                let mut refusal = Refusal::new(423, "Interval Too Brief");
                refusal.headers.push("Min-Expires", MIN_EXPIRES.to_string());
                return Err(refusal);
            }
            if contact.uri.as_sip().is_none() {
                return Err(Refusal::new(400, "Contact Is Not A SIP URI"));
            }
            let q = match contact.param("q") {
                Some(text) => q_value(text).ok_or(Refusal::new(400, "Contact With Bad q"))?,
                None => 1000,
            };
            let mut kept = contact.clone();
            kept.params.retain(|p| !p.name.eq_ignore_ascii_case("expires") && !p.name.eq_ignore_ascii_case("q"));
            if kept.to_string().len() > MAX_CONTACT {
                return Err(Refusal::new(400, "Contact Too Long"));
            }
            let same = |b: &Binding| b.contact.uri.equivalent(&kept.uri) || same_instance(&b.contact, &kept);
            if !bindings.iter().filter(|b| same(b)).all(in_order) {
                return Err(Refusal::new(500, "CSeq Out Of Order"));
            }
            bindings.retain(|b| !same(b));
            if asked == 0 {
                continue;
            }
            if bindings.len() >= MAX_CONTACTS {
                let first_to_expire = bindings.iter().enumerate().min_by_key(|(_, b)| b.expires_at).map(|(at, _)| at);
                if let Some(at) = first_to_expire {
                    bindings.remove(at);
                }
            }
            bindings.push(Binding {
                contact: kept,
                q,
                expires_at: now + Duration::from_secs(u64::from(asked.min(MAX_EXPIRES))),
                call_id: call_id.to_owned(),
                cseq,
                via: Via { flow: Some(flow), transport, local, source },
            });
        }
        if contacts.is_empty() {
            return Ok(Change::Nothing);
        }
        Ok(self.put(user, bindings))
    }

    /// Contact values of a 200 to REGISTER, each with what is left of it.
    pub(crate) fn contact_headers(&self, now: Instant, user: &str) -> Vec<String> {
        self.of(user)
            .filter(|b| b.expires_at > now)
            .map(|b| {
                let left = b.expires_at.duration_since(now).as_secs_f64().ceil();
                let q = if b.q == 1000 { String::new() } else { format!(";q=0.{:03}", b.q) };
                format!("{}{q};expires={left}", bracketed(&b.contact))
            })
            .collect()
    }

    // finding

    /// Where `user` is now. Highest q first; all are called at once.
    pub(crate) fn targets(&self, now: Instant, user: &str) -> Vec<Target> {
        let mut found: Vec<&Binding> = self.of(user).filter(|b| b.expires_at > now).collect();
        found.sort_by_key(|b| std::cmp::Reverse(b.q));
        found
            .into_iter()
            .filter_map(|b| {
                let mut uri = b.contact.uri.clone();
                if let Uri::Sip(sip) = &mut uri {
                    // header fields have no place in a Request-URI, and a stranger's Route least of all (RFC 4475 section 3.3.14)
                    sip.headers.clear();
                }
                Some(Target { uri, flow: b.via.flow?, source: b.via.source })
            })
            .collect()
    }

    /// The contact URIs of a user as they were registered.
    pub(crate) fn contacts(&self, user: &str) -> Vec<String> {
        self.of(user).map(|b| b.contact.uri.to_string()).collect()
    }

    // time

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.bindings.values().flatten().map(|b| b.expires_at).min()
    }

    /// Drops what has expired. Answers whose.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<String> {
        self.retain(|binding| binding.expires_at > now)
    }

    // the record

    /// UDP bindings only: a connection does not survive us.
    pub(crate) fn rows(&self, now: Now) -> Vec<BindingRow> {
        let unix = now.wall.and_then(|wall| wall.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs());
        let mut rows = Vec::new();
        for (user, bindings) in &self.bindings {
            for b in bindings.iter().filter(|b| b.via.transport == Transport::Udp && b.expires_at > now.instant) {
                let remaining = b.expires_at.duration_since(now.instant).as_secs();
                rows.push(BindingRow {
                    user: user.clone(),
                    contact: bracketed(&b.contact),
                    q: b.q,
                    expires_unix: unix.map(|unix| unix.saturating_add(remaining)),
                    remaining,
                    call_id: b.call_id.clone(),
                    cseq: b.cseq,
                    source: b.via.source,
                    local: b.via.local,
                });
            }
        }
        rows
    }

    /// Takes back what `rows` wrote. Without a clock on either side of the restart the time in between is not subtracted.
    pub(crate) fn restore(&mut self, now: Now, rows: Vec<BindingRow>, known: impl Fn(&str) -> bool) {
        let unix = now.wall.and_then(|wall| wall.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs());
        for row in rows {
            let left = match (row.expires_unix, unix) {
                (Some(end), Some(unix)) => end.saturating_sub(unix),
                _ => row.remaining,
            };
            let Some(contact) = NameAddr::parse(&row.contact).filter(|c| c.uri.as_sip().is_some()) else { continue };
            if left == 0 || !known(&row.user) {
                continue;
            }
            let bindings = self.bindings.entry(row.user).or_default();
            if bindings.len() >= MAX_CONTACTS || bindings.iter().any(|b| b.contact.uri.equivalent(&contact.uri)) {
                continue;
            }
            bindings.push(Binding {
                contact,
                q: row.q.min(1000),
                expires_at: now.instant + Duration::from_secs(left.min(u64::from(MAX_EXPIRES))),
                call_id: row.call_id,
                cseq: row.cseq,
                via: Via { flow: None, transport: Transport::Udp, local: row.local, source: row.source },
            });
        }
        for (flow, (transport, local)) in self.flows.clone() {
            self.flow_up(flow, transport, local);
        }
    }

    fn of<'a>(&'a self, user: &str) -> impl Iterator<Item = &'a Binding> + use<'a> {
        self.bindings.get(user).into_iter().flatten()
    }

    fn put(&mut self, user: &str, bindings: Vec<Binding>) -> Change {
        let places = |bindings: &[Binding]| -> BTreeSet<(String, Option<FlowId>, SocketAddr)> {
            bindings.iter().map(|b| (b.contact.to_string(), b.via.flow, b.via.source)).collect()
        };
        let after = places(&bindings);
        let before = if bindings.is_empty() {
            self.bindings.remove(user)
        } else {
            self.bindings.insert(user.to_owned(), bindings)
        };
        if places(before.as_deref().unwrap_or_default()) == after { Change::Refreshed } else { Change::Moved }
    }

    fn retain(&mut self, keep: impl Fn(&Binding) -> bool) -> Vec<String> {
        let mut changed = Vec::new();
        self.bindings.retain(|user, bindings| {
            let before = bindings.len();
            bindings.retain(|b| keep(b));
            if bindings.len() != before {
                changed.push(user.clone());
            }
            !bindings.is_empty()
        });
        changed
    }
}

/// A Contact must be in brackets when parameters follow, whoever printed it.
fn bracketed(contact: &NameAddr) -> String {
    let text = contact.to_string();
    if text.contains('<') { text } else { format!("<{text}>") }
}

/// RFC 5626 section 6: the same device and the same of its flows.
fn same_instance(a: &NameAddr, b: &NameAddr) -> bool {
    match (a.param("+sip.instance"), b.param("+sip.instance")) {
        (Some(one), Some(other)) => one == other && a.param("reg-id") == b.param("reg-id"),
        _ => false,
    }
}

/// `0.7` is 700 (RFC 3261 section 25.1 qvalue).
fn q_value(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", q) => Some(q),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_sip::Message;

    const FLOW: FlowId = FlowId(1);

    fn source(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], port))
    }

    fn request(cseq: u32, fields: &str) -> Request {
        let text = format!(
            "REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK{cseq}\r\nFrom: <sip:100@pbx>;tag=1\r\n\
             To: <sip:100@pbx>\r\nCall-ID: one\r\nCSeq: {cseq} REGISTER\r\nMax-Forwards: 70\r\n{fields}Content-Length: 0\r\n\r\n"
        );
        match Message::parse(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    struct Registrar {
        location: Location,
        now: Instant,
        cseq: u32,
    }

    impl Registrar {
        fn new() -> Self {
            let mut location = Location::default();
            location.flow_up(FLOW, Transport::Udp, "10.0.0.1:5060".parse().unwrap());
            Self { location, now: Instant::now(), cseq: 0 }
        }
        fn register(&mut self, fields: &str) -> Result<Change, u16> {
            self.cseq += 1;
            let request = request(self.cseq, fields);
            self.location.register(self.now, "100", &request, FLOW, source(5060)).map_err(|refusal| refusal.status)
        }
        fn answer(&self) -> Vec<String> {
            self.location.contact_headers(self.now, "100")
        }
    }

    #[test]
    fn expires_of_a_contact_goes_before_the_header_and_one_hour_is_the_rule() {
        let mut registrar = Registrar::new();
        let fields = "Expires: 120\r\nContact: <sip:a@10.0.0.2>;expires=60\r\nContact: <sip:b@10.0.0.2>, <sip:c@10.0.0.2>;expires=nonsense\r\n";
        assert_eq!(registrar.register(fields), Ok(Change::Moved));
        assert_eq!(
            registrar.answer(),
            ["<sip:a@10.0.0.2>;expires=60", "<sip:b@10.0.0.2>;expires=120", "<sip:c@10.0.0.2>;expires=3600"]
        );
        registrar.register("Contact: <sip:d@10.0.0.2>;expires=4294967295\r\n").unwrap();
        assert_eq!(registrar.answer()[3], "<sip:d@10.0.0.2>;expires=3600");
    }

    #[test]
    fn star_removes_everything_but_only_with_expires_zero_and_alone() {
        let mut registrar = Registrar::new();
        registrar.register("Contact: <sip:a@10.0.0.2>, <sip:b@10.0.0.2>\r\n").unwrap();
        assert_eq!(registrar.register("Contact: *\r\n"), Err(400));
        assert_eq!(registrar.register("Contact: *\r\nExpires: 60\r\n"), Err(400));
        assert_eq!(registrar.register("Contact: *\r\nContact: <sip:a@10.0.0.2>\r\nExpires: 0\r\n"), Err(400));
        assert_eq!(registrar.answer().len(), 2);
        assert_eq!(registrar.register("Contact: *\r\nExpires: 0\r\n"), Ok(Change::Moved));
        assert!(registrar.answer().is_empty());
    }

    #[test]
    fn one_bad_contact_undoes_the_whole_request() {
        let mut registrar = Registrar::new();
        for (bad, status) in [
            ("<sip:b@10.0.0.2>;expires=29", 423),
            ("<http://b>", 400),
            ("<sip:b@10.0.0.2>;q=2", 400),
            ("<sip:b@10.0.0.2>;q=0.7x", 400),
        ] {
            assert_eq!(
                registrar.register(&format!("Contact: <sip:a@10.0.0.2>\r\nContact: {bad}\r\n")),
                Err(status),
                "{bad}"
            );
            assert!(registrar.answer().is_empty());
        }
        assert_eq!(registrar.register(&"Contact: <sip:a@10.0.0.2>\r\n".repeat(9)), Err(400));
    }

    #[test]
    fn request_without_contact_asks_only() {
        let mut registrar = Registrar::new();
        registrar.register("Contact: <sip:a@10.0.0.2>\r\n").unwrap();
        assert_eq!(registrar.register(""), Ok(Change::Nothing));
        assert_eq!(registrar.answer(), ["<sip:a@10.0.0.2>;expires=3600"]);
        assert_eq!(registrar.register("Contact: <sip:a@10.0.0.2>\r\n"), Ok(Change::Refreshed));
    }

    #[test]
    fn older_cseq_of_the_same_call_id_changes_nothing() {
        let mut registrar = Registrar::new();
        registrar.register("Contact: <sip:a@10.0.0.2>\r\n").unwrap();
        registrar.cseq = 0;
        assert_eq!(registrar.register("Contact: <sip:a@10.0.0.2>;expires=0\r\n"), Err(500));
        registrar.cseq = 0;
        assert_eq!(registrar.register("Contact: *\r\nExpires: 0\r\n"), Err(500));
        assert_eq!(registrar.answer().len(), 1);
    }

    #[test]
    fn same_device_at_a_new_address_replaces_its_old_contact() {
        let mut registrar = Registrar::new();
        let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\"";
        registrar.register(&format!("Contact: <sip:a@10.0.0.2:1000>;{instance};reg-id=1\r\n")).unwrap();
        registrar.register(&format!("Contact: <sip:a@10.0.0.2:2000>;{instance};reg-id=1\r\n")).unwrap();
        assert_eq!(registrar.location.contacts("100"), ["sip:a@10.0.0.2:2000"]);
        assert!(registrar.answer()[0].contains(instance), "parameters are kept");
        registrar.register(&format!("Contact: <sip:a@10.0.0.2:3000>;{instance};reg-id=2\r\n")).unwrap();
        assert_eq!(registrar.answer().len(), 2);
    }

    #[test]
    fn targets_come_by_preference_and_go_to_where_the_request_came_from() {
        let mut registrar = Registrar::new();
        registrar.register("Contact: <sip:a@192.168.1.1>;q=0.5, <sip:b@192.168.1.1>\r\n").unwrap();
        let targets = registrar.location.targets(registrar.now, "100");
        assert_eq!(targets.iter().map(|t| t.uri.user().unwrap()).collect::<Vec<_>>(), ["b", "a"]);
        assert!(targets.iter().all(|t| t.source == source(5060) && t.flow == FLOW));
        assert!(registrar.answer()[0].contains(";q=0.500;"));
    }

    #[test]
    fn q_values_are_those_of_the_grammar() {
        let good = [("0", 0), ("1", 1000), ("0.7", 700), ("0.05", 50), ("0.123", 123), ("1.000", 1000), ("0.", 0)];
        assert!(good.into_iter().all(|(text, q)| q_value(text) == Some(q)));
        assert!(["", ".5", "1.1", "2", "-1", "0.1234", "0.x", "00.1"].into_iter().all(|text| q_value(text).is_none()));
    }
}
