//! Where settings come from: one machine for each URL asks for documents, and what a document says goes to the accounts it
//! names. A document that cannot be used changes nothing.

use crate::apply::Outcome;
use crate::line::{self, Line};
use crate::phone::{Now, Phone};
use crate::report::{AccountAttempt, Attempt, Posting};
use crate::requests::Asker;
use crate::{Event, Level, ProvisioningView, registration};
use offhook_account::fetch::Trust;
use offhook_account::layers::Source;
use offhook_account::provisioner::{self, FetchRequest, Provisioner};
use offhook_account::template::without_secrets;
use offhook_account::verdict::{Verdict, verdicts};
use offhook_account::{Account, Rejection, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Nobody tells that the date is known: when a fetch has failed, perhaps for want of it, it is looked for.
const CLOCK_LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Fetching, account by account.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    /// one for each account; those of [`Fetches::holders`] fetch a source's document, the others `extProvUrl` only
    pub(crate) machines: BTreeMap<u32, Provisioner>,
    /// the accounts whose machine fetches a document for them and others, and its template
    pub(crate) holders: BTreeMap<u32, String>,
    pub(crate) timeouts: BTreeMap<u32, Instant>,
    views: BTreeMap<u32, ProvisioningView>,
    /// what became of the last document of each machine
    pub(crate) attempts: BTreeMap<u32, Attempt>,
    /// hashes of the reports that were made last
    pub(crate) told: BTreeMap<u32, u64>,
    /// reports on their way
    pub(crate) postings: Vec<Posting>,
    /// machines that have something to say
    pub(crate) stirred: Vec<u32>,
    clock_look: Option<Instant>,
    /// the date has been known once
    dated: bool,
}

impl Fetches {
    pub(crate) fn clock_deadline(&self) -> Option<Instant> {
        self.clock_look
    }

    /// This account's machine fetches the document of a template.
    pub(crate) fn hold(&mut self, number: u32, template: &str, report: Option<&str>) {
        self.holders.insert(number, template.to_owned());
        let view = ProvisioningView {
            url: without_secrets(template),
            last: "not fetched yet".into(),
            ok: None,
            report: report.map(Into::into),
        };
        self.views.insert(number, view);
    }

    /// Another account's machine is to do that, with everything it knows.
    pub(crate) fn hand_over(&mut self, from: u32, to: u32) {
        fn moved<T>(map: &mut BTreeMap<u32, T>, from: u32, to: u32) {
            if let Some(value) = map.remove(&from) {
                map.insert(to, value);
            }
        }
        self.timeouts.remove(&to);
        moved(&mut self.machines, from, to);
        moved(&mut self.holders, from, to);
        moved(&mut self.timeouts, from, to);
        moved(&mut self.views, from, to);
        moved(&mut self.attempts, from, to);
        moved(&mut self.told, from, to);
        self.stirred.push(to);
    }

    /// The account is gone.
    pub(crate) fn forget(&mut self, number: u32) {
        self.machines.remove(&number);
        self.holders.remove(&number);
        self.timeouts.remove(&number);
        self.views.remove(&number);
        self.attempts.remove(&number);
        self.told.remove(&number);
        self.postings.retain(|posting| posting.account != number);
    }
}

impl Phone {
    /// Asks one provisioner; what it answers is dealt with in `pump`.
    pub(crate) fn provision(&mut self, now: Now, number: u32, input: provisioner::Input) {
        if let Some(machine) = self.fetches.machines.get_mut(&number) {
            machine.handle(now.instant, input);
            self.fetches.stirred.push(number);
        }
    }

    /// Retries have grown slow without a network. Accounts that are registered may have another address now.
    pub(crate) fn network_up(&mut self, now: Now) {
        let waiting = |(number, report): (&u32, &ProvisioningView)| (report.ok != Some(true)).then_some(*number);
        let fetches: Vec<u32> = self.fetches.views.iter().filter_map(waiting).collect();
        for number in fetches {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
        let lines: Vec<u32> = self.lines.iter().filter(|line| line.registers()).map(|line| line.number).collect();
        for number in lines {
            self.register(now, number);
        }
    }

    /// Accounts whose settings come from somewhere.
    pub(crate) fn fetched_accounts(&self) -> Vec<u32> {
        let has_url = |number: &u32| {
            let own = self.line(*number).and_then(|line| line.settings.as_ref()?.ext_prov_url.as_deref());
            let given = self.fetches.views.get(number).map(|report| report.url.as_str());
            own.or(given).is_some_and(|url| !url.is_empty())
        };
        self.fetches.machines.keys().copied().filter(has_url).collect()
    }

    /// The account's server says that there are new settings (`feat.92`): of its own URL, and of the document that it
    /// is in.
    pub(crate) fn check_sync(&mut self, now: Now, number: u32) {
        self.pardon();
        let holder = self.holder_of(number).filter(|holder| *holder != number);
        for number in [Some(number), holder].into_iter().flatten() {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
    }

    pub(crate) fn fetch_all(&mut self, now: Now) {
        self.pardon();
        let numbers: Vec<u32> = self.fetches.machines.keys().copied().collect();
        for number in numbers {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
    }

    /// What the provisioners have to say; true if that may have moved the endpoint.
    pub(crate) fn pump_provisioning(&mut self, now: Now) -> bool {
        let mut moved = false;
        while let Some(number) = self.fetches.stirred.pop() {
            while let Some(machine) = self.fetches.machines.get_mut(&number) {
                match machine.poll() {
                    provisioner::Output::Timeout(at) => {
                        match at {
                            Some(at) => self.fetches.timeouts.insert(number, at),
                            None => self.fetches.timeouts.remove(&number),
                        };
                        break;
                    }
                    provisioner::Output::Fetch { id, request } => {
                        // one fetch at a time for each account: an older one was given up
                        self.requests.give_up(
                            |asker| matches!(asker, Asker::Provisioning { account, .. } if *account == number),
                        );
                        let request = self.as_account(number, request);
                        self.fetch(now, Asker::Provisioning { account: number, fetch: id }, request);
                    }
                    provisioner::Output::Document { accounts } => {
                        let source = machine.source();
                        moved = true;
                        self.document(now, number, source, &accounts);
                    }
                    provisioner::Output::Unchanged => {
                        self.report(now, number, "unchanged".into(), true, None);
                        self.persist_memory(number);
                    }
                    provisioner::Output::Failed { url_without_secrets, reason, rejection, .. } => {
                        self.provisioning_failed(now, number, url_without_secrets, reason, rejection);
                    }
                }
            }
        }
        moved
    }

    /// With what the account, or the command line, says of the provisioning server.
    pub(crate) fn as_account(&self, number: u32, mut request: FetchRequest) -> FetchRequest {
        request.insecure = self.config.insecure_provisioning;
        request.trust = Arc::clone(&self.config.trust);
        if let Some(web) = self.line(number).and_then(|line| line.settings.as_ref()).map(|settings| &settings.web) {
            request.credentials.clone_from(&web.credentials);
            if web.trust != Trust::default() {
                request.trust = Arc::new(web.trust.joined(&self.config.trust));
            }
        }
        request
    }

    /// The authorities that the account's web servers are believed by. Pins and the phone's own certificate are the
    /// provisioning server's business alone.
    pub(crate) fn authorities(&self, number: u32) -> Arc<Trust> {
        let mut trust = Trust { authorities: self.config.trust.authorities.clone(), ..Trust::default() };
        if let Some(settings) = self.line(number).and_then(|line| line.settings.as_ref()) {
            trust = Trust { authorities: settings.web.trust.authorities.clone(), ..Trust::default() }.joined(&trust);
        }
        Arc::new(trust)
    }

    /// What failed for want of the date is tried as soon as it is known, however slow retries have grown.
    pub(crate) fn clock_due(&mut self, now: Now) {
        if now.wall.is_some() && !self.fetches.dated {
            self.fetches.dated = true;
            self.fetch_failed_again(now);
        }
        if self.fetches.clock_look.is_some_and(|at| at <= now.instant) {
            self.fetches.clock_look = None;
            self.look_for_date(now);
        }
    }

    /// Nobody tells when the date is known: while a fetch may have failed for that, it is looked for.
    fn look_for_date(&mut self, now: Now) {
        let failed = self.fetches.views.values().any(|view| view.ok == Some(false));
        if now.wall.is_none() && failed {
            self.fetches.clock_look.get_or_insert(now.instant + CLOCK_LOOK_AGAIN);
        }
    }

    fn fetch_failed_again(&mut self, now: Now) {
        let failed = |(number, view): (&u32, &ProvisioningView)| (view.ok == Some(false)).then_some(*number);
        let numbers: Vec<u32> = self.fetches.views.iter().filter_map(failed).collect();
        for number in numbers {
            self.provision(now, number, provisioner::Input::FetchNow);
        }
    }

    /// A usable document: what it says goes to the accounts it names.
    fn document(&mut self, now: Now, machine: u32, source: Source, accounts: &[Account]) {
        let own = self.line(machine).and_then(|line| line.settings.as_ref()?.ext_prov_url.as_deref());
        let url = match self.fetches.views.get(&machine) {
            Some(view) if source == Source::Provisioning => view.url.clone(),
            _ => own.map(without_secrets).unwrap_or_default(),
        };
        let mut attempt = Attempt { url, at: now.wall, rejection: None, accounts: Vec::new(), removed: Vec::new() };
        let holder = self.fetches.holders.get(&machine).cloned().filter(|_| source == Source::Provisioning);
        let mut number_of_report = machine;
        let assigned: Vec<(u32, Account)> = match holder {
            Some(template) => {
                let staying = self.lines.iter().filter(|line| !line.leaving);
                let before: Vec<u32> = staying.map(|line| line.number).collect();
                let assigned = self.assign(now, &template.clone(), &template, accounts);
                if let Some(now_holds) = self.fetches.holders.iter().find(|(_, held)| **held == template) {
                    number_of_report = *now_holds.0;
                }
                let leaves = |number: &u32| self.line(*number).is_some_and(|line| line.leaving);
                attempt.removed = before.into_iter().filter(leaves).map(|number| self.address(number)).collect();
                assigned
            }
            // an account's own URL speaks of that account
            None => {
                let own = self.line(machine).and_then(Line::given);
                let same = |account: &&Account| {
                    let settings = Settings::of(&account.document).0;
                    own.as_ref().is_some_and(|own| registration::same_account(own, &settings))
                };
                let account = accounts.iter().find(same).or(accounts.first());
                account.map(|account| (machine, account.clone())).into_iter().collect()
            }
        };
        let mut text = Vec::new();
        for (number, account) in assigned {
            let rows = self.provisioned(now, number, source, &account);
            text.extend(rows.rows.iter().filter_map(describe));
            text.extend(account.findings.iter().map(ToString::to_string));
            attempt.accounts.push(rows);
            // a new account may name a URL of its own
            self.provision(now, number, provisioner::Input::Start);
        }
        self.persist_index();
        self.rebuild_lamps(now);
        let changes = attempt.accounts.iter().flat_map(|account| &account.rows).filter(|row| row.change.is_some());
        let (source, changes) = (attempt.url.clone(), changes.count() + attempt.removed.len());
        // what is still on trial is told when it is over
        self.fetches.attempts.insert(number_of_report, attempt);
        self.tell_attempt(now, number_of_report);
        self.notify(Event::Provisioned { source, changes, report: text.join("\n") });
    }

    fn provisioned(&mut self, now: Now, number: u32, source: Source, account: &Account) -> AccountAttempt {
        let document = &account.document;
        let mut layers = self.line(number).map(|line| line.layers.clone()).unwrap_or_default();
        let changes = layers.merge(source, document);
        let rows = verdicts(document, &account.findings, &changes, &layers, source);
        let outcome = if !line::usable(&Settings::of(&layers.merged()).0) {
            Outcome::Refused("user name and host make no SIP address".into())
        } else if self.is_refused(now, number, source, document) {
            self.ask_whole(number, source);
            Outcome::Refused("these settings were tried and did not work".into())
        } else {
            self.try_settings(now, number, layers, source, document)
        };
        AccountAttempt { number, address: self.address(number), outcome, rows }
    }

    /// `user@host`, for reports.
    fn address(&self, number: u32) -> String {
        let settings = self.line(number).and_then(|line| line.settings.as_ref());
        settings.map_or_else(String::new, |settings| format!("{}@{}", settings.username, settings.host))
    }

    fn provisioning_failed(
        &mut self,
        now: Now,
        number: u32,
        source: String,
        reason: String,
        rejection: Option<Rejection>,
    ) {
        let known = self.fetches.views.get(&number).is_some_and(|view| view.last == reason);
        if rejection.is_some() {
            let url = source.clone();
            let attempt = Attempt { url, at: now.wall, rejection, accounts: Vec::new(), removed: Vec::new() };
            self.fetches.attempts.insert(number, attempt);
            self.tell_attempt(now, number);
        }
        self.report(now, number, reason.clone(), false, None);
        self.look_for_date(now);
        // a server that is away is worth one notice, not one for each try
        if !known {
            self.notice(now, Level::Warning, format!("settings not updated: {reason}"));
        }
        self.notify(Event::ProvisioningFailed { source, reason });
    }

    /// What the screen says of the last attempt; `report` keeps the one before if there is none.
    pub(crate) fn report(&mut self, now: Now, number: u32, last: String, ok: bool, report: Option<&str>) {
        self.changed();
        if let Some(test) = &mut self.self_test {
            test.fetched(now.instant, number, ok, &last);
        }
        let old = self.fetches.views.get(&number);
        let url = match old {
            Some(view) if !view.url.is_empty() => view.url.clone(),
            _ => self.line(number).and_then(|line| line.settings.as_ref()?.ext_prov_url.clone()).unwrap_or_default(),
        };
        let report = report.map(Into::into).or_else(|| old.and_then(|view| view.report.clone()));
        let view = ProvisioningView { url: without_secrets(&url), last, ok: Some(ok), report };
        self.fetches.views.insert(number, view);
    }

    /// The account whose machine fetches the document that this one is in.
    pub(crate) fn holder_of(&self, number: u32) -> Option<u32> {
        let source = &self.line(number)?.source;
        self.fetches.holders.iter().find(|(_, template)| *template == source).map(|(number, _)| *number)
    }

    pub(crate) fn provisioning_views(&self) -> Vec<ProvisioningView> {
        self.fetches.views.values().cloned().collect()
    }
}

/// One change as a line of the log; the layers have masked secrets already.
fn describe(row: &Verdict) -> Option<String> {
    let (before, after) = row.change.as_ref()?;
    let shown = |value: &Option<String>| {
        value.as_deref().map_or("(default)".to_owned(), |text| text.chars().take(80).collect())
    };
    Some(format!("{}: {} -> {}", row.node, shown(before), shown(after)))
}
