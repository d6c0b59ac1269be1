//! What became of a provisioned document, as JSON: it stays on the phone, and goes to the URL that the account names
//! (`reportUrl`). `docs/provisioning.md` describes it.

use crate::Level;
use crate::apply::Outcome;
use crate::phone::{Now, Phone, PhoneFetchId};
use crate::requests::Asker;
use offhook_account::Rejection;
use offhook_account::provisioner::{FetchError, FetchRequest, FetchResponse};
use offhook_account::template::{self, Device, Values};
use offhook_account::verdict::{self, Verdict};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A report that the server did not take is sent again after this time, then four times as long.
const RESEND_FIRST: Duration = Duration::from_secs(60);
const RESENDS: u32 = 4;

pub(crate) fn record(machine: u32) -> String {
    format!("report-{machine}.json")
}

/// One document and what became of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// without secrets
    pub(crate) url: String,
    pub(crate) at: Option<SystemTime>,
    /// not usable as a whole
    pub(crate) rejection: Option<Rejection>,
    pub(crate) accounts: Vec<AccountAttempt>,
    /// addresses of accounts that it does not name any more
    pub(crate) removed: Vec<String>,
}

/// One account of the document.
#[derive(Debug)]
pub(crate) struct AccountAttempt {
    pub(crate) number: u32,
    pub(crate) address: String,
    pub(crate) outcome: Outcome,
    pub(crate) rows: Vec<Verdict>,
}

/// A report on its way.
#[derive(Debug)]
pub(crate) struct Posting {
    pub(crate) account: u32,
    url: String,
    /// where the document came from
    document: String,
    body: String,
    /// `None`: it has to be sent (again) at `at`
    fetch: Option<PhoneFetchId>,
    at: Option<Instant>,
    tries: u32,
}

impl Attempt {
    /// Nothing is left to wait for.
    pub(crate) fn is_over(&self) -> bool {
        self.accounts.iter().all(|account| !matches!(account.outcome, Outcome::Waiting | Outcome::Trying))
    }

    /// One line for the screen, and whether all is well.
    pub(crate) fn summary(&self) -> (String, bool) {
        if let Some(rejection) = &self.rejection {
            return (format!("the document is not usable: {rejection}"), false);
        }
        let worst = self.accounts.iter().max_by_key(|account| match &account.outcome {
            Outcome::Applied => 0,
            Outcome::Trying => 1,
            Outcome::Waiting => 2,
            Outcome::Kept(_) => 3,
            Outcome::Unproved(_) => 4,
            Outcome::Returned(_) => 5,
            Outcome::Refused(_) => 6,
        });
        let changes: usize = self.accounts.iter().map(AccountAttempt::changes).sum();
        let text = match worst.map(|account| &account.outcome) {
            Some(Outcome::Waiting) => "new settings wait for the end of the call".to_owned(),
            Some(Outcome::Trying) => "new settings are being tried".to_owned(),
            Some(Outcome::Kept(why) | Outcome::Unproved(why)) => format!("new settings, but: {why}"),
            Some(Outcome::Returned(why)) => format!("new settings taken back: {why}"),
            Some(Outcome::Refused(why)) => why.clone(),
            _ if changes + self.removed.len() == 0 => "nothing new".to_owned(),
            _ if changes == 1 => "1 change".to_owned(),
            _ => format!("{changes} changes"),
        };
        let bad = matches!(worst.map(|a| &a.outcome), Some(Outcome::Returned(_) | Outcome::Refused(_)));
        (text, !bad)
    }

    pub(crate) fn to_json(&self, device: &Device) -> String {
        let result = match &self.rejection {
            Some(_) => "refused",
            None if self.accounts.iter().any(|account| matches!(account.outcome, Outcome::Returned(_))) => "returned",
            None if self.accounts.iter().any(|account| matches!(account.outcome, Outcome::Refused(_))) => "refused",
            None if !self.is_over() => "being tried",
            None if self.removed.is_empty() && self.accounts.iter().all(|account| account.changes() == 0) => {
                "unchanged"
            }
            None => "applied",
        };
        let mut report = json!({
            "report": 1,
            "phone": {
                "mac": device.mac, "model": device.model, "serial": device.serial, "version": device.version,
            },
            "time": self.at.map(rfc3339),
            "document": self.url,
            "result": result,
        });
        if let Some(map) = report.as_object_mut() {
            if let Some(rejection) = &self.rejection {
                map.insert("reason".into(), rejection.reason.clone().into());
                place(map, rejection.line, rejection.column);
            } else {
                map.insert("accounts".into(), self.accounts.iter().map(AccountAttempt::to_json).collect());
                map.insert("removed".into(), self.removed.clone().into());
            }
        }
        report.to_string()
    }
}

impl AccountAttempt {
    fn changes(&self) -> usize {
        self.rows.iter().filter(|row| row.change.is_some()).count()
    }

    fn to_json(&self) -> Value {
        let (word, reason) = match &self.outcome {
            Outcome::Waiting => ("waits for the end of a call", None),
            Outcome::Trying => ("being tried", None),
            Outcome::Applied if self.changes() == 0 => ("unchanged", None),
            Outcome::Applied => ("applied", None),
            Outcome::Kept(why) => ("applied, not registered for another reason", Some(why)),
            Outcome::Unproved(why) => ("applied, not registered", Some(why)),
            Outcome::Returned(why) => ("returned", Some(why)),
            Outcome::Refused(why) => ("refused", Some(why)),
        };
        let back = matches!(self.outcome, Outcome::Returned(_) | Outcome::Refused(_));
        let rows: Vec<Value> = self.rows.iter().map(|row| row_json(row, back)).collect();
        let mut account = json!({ "number": self.number, "account": self.address, "result": word, "rows": rows });
        if let (Some(map), Some(why)) = (account.as_object_mut(), reason) {
            map.insert("reason".into(), why.clone().into());
        }
        account
    }
}

/// `back`: what was applied is not in force any more.
fn row_json(row: &Verdict, back: bool) -> Value {
    let mut map = Map::new();
    map.insert("node".into(), row.node.clone().into());
    if let Some(id) = row.row {
        map.insert("row".into(), id.into());
    }
    let taken_back = back && matches!(row.outcome, verdict::Outcome::Applied | verdict::Outcome::Gone);
    map.insert("outcome".into(), if taken_back { "returned" } else { row.outcome.word() }.into());
    place(&mut map, row.line, row.column);
    if let Some((before, after)) = &row.change {
        map.insert("before".into(), before.clone().into());
        map.insert("after".into(), after.clone().into());
    }
    if let Some(expected) = &row.expected {
        map.insert("expected".into(), expected.clone().into());
    }
    if !row.notes.is_empty() {
        map.insert("notes".into(), row.notes.clone().into());
    }
    map.into()
}

fn place(map: &mut Map<String, Value>, line: u32, column: u32) {
    if line > 0 {
        map.insert("line".into(), line.into());
        map.insert("column".into(), column.into());
    }
}

/// Scheme, host and port are the same: what the document's server is told in confidence may be told there too.
fn same_server(a: &str, b: &str) -> bool {
    let server = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Some((scheme.to_ascii_lowercase(), host.to_ascii_lowercase()))
    };
    server(a).is_some_and(|a| server(b) == Some(a))
}

/// RFC 3339, UTC, whole seconds.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // civil from days: years that begin in March, in eras of 400
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

impl Phone {
    /// Where an account of a document has got to. The report goes out when all of them have arrived somewhere.
    pub(crate) fn attempted(&mut self, now: Now, number: u32, outcome: Outcome) {
        let found = self
            .fetches
            .attempts
            .iter_mut()
            .find_map(|(at, attempt)| Some((*at, attempt.accounts.iter_mut().find(|a| a.number == number)?)));
        let Some((at, account)) = found else { return };
        if !matches!(account.outcome, Outcome::Waiting | Outcome::Trying) {
            return;
        }
        account.outcome = outcome;
        self.tell_attempt(now, at);
    }

    /// The machine's last attempt as it stands: on the screen, in the store, and to the server once it is over.
    pub(crate) fn tell_attempt(&mut self, now: Now, machine: u32) {
        let Some(attempt) = self.fetches.attempts.get_mut(&machine) else { return };
        let (text, ok) = attempt.summary();
        let over = attempt.is_over();
        let json = attempt.to_json(&self.config.device);
        // the same as last time is no news, whenever it was: neither card nor server need it again
        let time = attempt.at.take();
        let content = Self::hash(attempt.to_json(&self.config.device).as_bytes());
        attempt.at = time;
        self.report(now, machine, text, ok, Some(&json));
        if over && self.fetches.told.insert(machine, content) != Some(content) {
            self.persist(record(machine), json.clone().into_bytes());
            self.post_report(now, machine, json);
        }
    }

    fn post_report(&mut self, now: Now, machine: u32, body: String) {
        let Some(line) = self.line(machine) else { return };
        let Some(template) = line.settings.as_ref().and_then(|settings| settings.report_url.clone()) else { return };
        let account = line.layers.merged();
        let nonce = self.chance.next();
        let values = Values::new(&self.config.device, Some(&account)).with_nonce(nonce);
        let url = match template::expand_url(&template, values, self.config.insecure_provisioning) {
            Ok(url) => url,
            Err(unknown) => return self.notice(now, Level::Warning, format!("reportUrl: {unknown}")),
        };
        let document = self.fetches.attempts.get(&machine).map(|attempt| attempt.url.clone()).unwrap_or_default();
        self.fetches.postings.retain(|posting| posting.account != machine);
        self.requests.give_up(|asker| *asker == Asker::Report { account: machine });
        self.fetches.postings.push(Posting {
            account: machine,
            url,
            document,
            body,
            fetch: None,
            at: Some(now.instant),
            tries: 0,
        });
        self.send_reports(now);
    }

    /// Reports whose time has come.
    pub(crate) fn send_reports(&mut self, now: Now) {
        let mut due = Vec::new();
        for posting in self.fetches.postings.iter_mut().filter(|p| p.at.is_some_and(|at| at <= now.instant)) {
            posting.at = None;
            posting.tries += 1;
            let request = FetchRequest::post(posting.url.clone(), "application/json", posting.body.clone());
            due.push((posting.account, same_server(&posting.url, &posting.document), request));
        }
        for (account, at_home, mut request) in due {
            if at_home {
                request = self.as_account(account, request);
            } else {
                request.trust = self.authorities(account);
            }
            request.insecure = self.config.insecure_provisioning;
            let id = self.fetch(now, Asker::Report { account }, request);
            if let Some(posting) = self.fetches.postings.iter_mut().find(|posting| posting.account == account) {
                posting.fetch = Some(id);
            }
        }
    }

    /// The answer to a report.
    pub(crate) fn report_answered(
        &mut self,
        now: Now,
        account: u32,
        id: PhoneFetchId,
        result: &Result<FetchResponse, FetchError>,
    ) {
        let ours = |posting: &Posting| posting.account == account && posting.fetch == Some(id);
        let Some(at) = self.fetches.postings.iter().position(ours) else { return };
        let taken = match result {
            Ok(response) => (200..300).contains(&response.status),
            Err(_) => false,
        };
        let Some(posting) = self.fetches.postings.get_mut(at) else { return };
        posting.fetch = None;
        if taken || posting.tries > RESENDS {
            self.fetches.postings.remove(at);
        } else {
            posting.at = Some(now.instant + RESEND_FIRST.saturating_mul(4_u32.saturating_pow(posting.tries - 1)));
        }
    }

    pub(crate) fn report_deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        self.fetches.postings.iter().filter_map(|posting| posting.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_server_is_scheme_host_and_port() {
        assert!(same_server("https://u@Pbx.example/report", "HTTPS://pbx.example/a/b?c"));
        for other in ["http://pbx.example/", "https://pbx.example:8443/", "https://pbx.example.org/", "pbx.example", ""]
        {
            assert!(!same_server("https://pbx.example/report", other), "{other}");
        }
        assert!(!same_server("", ""));
    }

    #[test]
    fn times_are_rfc3339() {
        let at = |seconds| rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_248_061), "2026-11-21T08:01:01Z");
        assert_eq!(at(4_102_444_799), "2099-12-31T23:59:59Z");
    }
}
