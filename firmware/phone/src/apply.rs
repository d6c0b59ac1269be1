//! Provisioned settings put to work as a transaction: apply, prove, else take back.
//!
//! Settings that touch what a registration depends on are on trial until the account registers with them. If it fails in
//! a way that they can have caused, what worked before returns by itself; until then it is what is stored, so that a
//! power cut ends a trial the same way. A failure that they cannot have caused (the server was told nothing new and is
//! away) is no reason to go back. Settings that were taken back are tried again when they come as another document, when
//! somebody asks for it, after an hour, or when what they made room for does not work either.
//!
//! What would cut a call waits for its end, and the trial with it; everything else acts at once.

use crate::line;
use crate::phone::{Now, Phone};
use crate::{AccountState, Level};
use offhook_account::layers::Source;
use offhook_account::provisioner;
use offhook_account::settings::ListeningPort;
use offhook_account::{Document, Layers, Settings};
use std::time::{Duration, Instant};

/// Time in which new settings must register. Longer than a REGISTER over UDP takes to be given up (32 s), and one more.
pub const PROOF_TIME: Duration = Duration::from_secs(75);
/// Settings that were taken back are tried again when what they were to replace fails, at first after this time, then
/// four times as long, up to [`AGAIN_LAST`].
const AGAIN_FIRST: Duration = Duration::from_secs(30);
const AGAIN_LAST: Duration = Duration::from_secs(3600);

/// Settings that have yet to show that they work.
#[derive(Debug)]
pub(crate) struct Trial {
    /// What returns if they do not. `None`: nothing has ever worked.
    pub(crate) before: Option<Layers>,
    pub(crate) source: Source,
    pub(crate) document: Document,
    /// `None`: a call has to end first.
    until: Option<Instant>,
    changed: Changed,
    failure: Option<Failure>,
}

/// Provisioned settings that were taken back.
#[derive(Debug)]
pub(crate) struct Refused {
    source: Source,
    document: Document,
    since: Instant,
    /// how often they have been tried
    tries: u32,
    /// They are to be tried if they come again.
    again: bool,
    /// When to ask for them, because what is in force does not work.
    ask_at: Option<Instant>,
}

/// How an attempt to change an account ended, or where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Waiting,
    Trying,
    Applied,
    /// in force, although the account does not register: they cannot be why
    Kept(String),
    /// in force, although the account does not register: there is nothing to return to
    Unproved(String),
    Returned(String),
    /// not even tried
    Refused(String),
}

/// What became of a REGISTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Registered,
    Failed { status: Option<u16>, for_good: bool },
}

/// What new settings change of a registration.
#[derive(Debug, Clone, Copy, Default)]
struct Changed {
    /// user or secret
    who: bool,
    /// server, transport, ports
    way: bool,
    /// anything that REGISTER carries
    said: bool,
}

#[derive(Debug, Clone)]
struct Failure {
    text: String,
    /// The new settings can have caused it.
    ours: bool,
}

impl Changed {
    fn between(old: Option<&Settings>, new: &Settings) -> Self {
        let Some(old) = old else { return Self { who: true, way: true, said: true } };
        let who = old.username != new.username
            || old.password != new.password
            || old.auth_username != new.auth_username
            || old.host != new.host;
        // a port that is chosen by itself says nothing
        let port = |settings: &Settings| match settings.listening_port {
            ListeningPort::Fixed(port) => Some(port),
            _ => None,
        };
        let way = old.host != new.host
            || old.transport != new.transport
            || old.proxy != new.proxy
            || old.outbound_proxy != new.outbound_proxy
            || old.only_known_sources != new.only_known_sources
            || port(old) != port(new);
        let said = old.display_name != new.display_name
            || old.expires != new.expires
            || old.contact_ip != new.contact_ip
            || old.forced_contact != new.forced_contact
            || old.headers != new.headers;
        Self { who, way, said: said || who || way }
    }

    fn and(self, other: Self) -> Self {
        Self { who: self.who || other.who, way: self.way || other.way, said: self.said || other.said }
    }

    /// Whether a registration that failed so can have failed for these changes.
    fn may_cause(self, status: Option<u16>) -> bool {
        match status {
            Some(401 | 407) => self.who || self.way,
            // no answer in time, or no way to the server
            Some(408) | None => self.way,
            Some(400..=499 | 600..) => self.said,
            Some(_) => self.way,
        }
    }
}

impl Phone {
    /// New provisioned settings for one account. Answers how far they got; `Applied` if there is nothing to prove.
    pub(crate) fn try_settings(
        &mut self,
        now: Now,
        number: u32,
        layers: Layers,
        source: Source,
        document: &Document,
    ) -> Outcome {
        let Some(line) = self.line_mut(number) else { return Outcome::Refused("there is no such account".into()) };
        let new = Settings::of(&layers.merged()).0;
        let running = line.trial.take();
        let old = line.settings.as_ref();
        let differs = old.is_none_or(|old| line::differs(old, &new));
        let changed = Changed::between(old, &new);
        let before = match &running {
            Some(trial) => trial.before.clone(),
            None => line.proved.then(|| line.layers.clone()),
        };
        line.layers = layers;
        if let Some(refused) = &line.refused
            && !refused.is(source, document)
        {
            line.refused = None;
        }
        if (differs || running.is_some()) && line.registers_with(&new) {
            line.trial = match running {
                // what was to be tried is not wanted any more
                Some(trial) if !differs && trial.until.is_none() => None,
                Some(trial) if !differs => Some(Trial { source, document: document.clone(), ..trial }),
                Some(trial) => Some(Trial::new(before, source, document, trial.changed.and(changed))),
                None => Some(Trial::new(before, source, document, changed)),
            };
        }
        self.apply(now, number);
        let Some(line) = self.line_mut(number) else { return Outcome::Applied };
        let deferred = line.deferred;
        let outcome = match &mut line.trial {
            None => Outcome::Applied,
            Some(_) if deferred => Outcome::Waiting,
            Some(trial) => {
                trial.until.get_or_insert(now.instant + PROOF_TIME);
                Outcome::Trying
            }
        };
        // with a trial that can end in a return, this stores what worked
        self.persist_account(number);
        outcome
    }

    /// Whether this document was tried already, did not work, and is not to be tried again now; and why it failed.
    pub(crate) fn is_refused(&mut self, now: Now, number: u32, source: Source, document: &Document) -> bool {
        let Some(refused) = self.line_mut(number).and_then(|line| line.refused.as_mut()) else { return false };
        if !refused.is(source, document) {
            return false;
        }
        let again = std::mem::take(&mut refused.again) || now.instant >= refused.since + AGAIN_LAST;
        !again
    }

    /// The document is to come in full again: it may have to be tried again.
    pub(crate) fn ask_whole(&mut self, number: u32, source: Source) {
        let machine = match source {
            Source::Provisioning => self.holder_of(number).unwrap_or(number),
            _ => number,
        };
        if let Some(machine) = self.fetches.machines.get_mut(&machine) {
            machine.forget(source);
        }
    }

    /// Somebody asks for the settings: what was taken back gets another chance.
    pub(crate) fn pardon(&mut self) {
        for refused in self.lines.iter_mut().filter_map(|line| line.refused.as_mut()) {
            refused.again = true;
        }
    }

    /// Puts the merged account of a line to work. False: it makes no account yet.
    pub(crate) fn apply(&mut self, now: Now, number: u32) -> bool {
        let Some(line) = self.line(number) else { return false };
        let merged = line.layers.merged();
        let settings = Settings::of(&merged).0;
        if !line::usable(&settings) {
            return false;
        }
        if let Some(machine) = self.fetches.machines.get_mut(&number) {
            machine.set_account(now.instant, Some(&merged));
            self.fetches.stirred.push(number);
        }
        let busy = self.has_calls(number);
        let Some(line) = self.line_mut(number) else { return false };
        let old = line.settings.take();
        let changed = old.as_ref().is_none_or(|old| line::differs(old, &settings));
        line.deferred = changed && busy && line.identity.is_some();
        let in_force = match &old {
            Some(old) if line.deferred => line::with_identity_of(&settings, old),
            _ => settings,
        };
        let (deferred, tones) = (line.deferred, in_force.tones.clone());
        line.settings = Some(in_force);
        line.show_values();
        self.check_tones(now, old.as_ref().map(|old| &old.tones), &tones);
        if !deferred {
            self.apply_identity(now, number, old.as_ref());
        }
        self.subscribe_messages(now, number);
        self.changed();
        true
    }

    pub(crate) fn has_calls(&self, number: u32) -> bool {
        self.calls.iter().any(|call| call.account == number && call.is_live())
    }

    /// What waited for the end of a call; true if there was something.
    pub(crate) fn apply_deferred(&mut self, now: Now) -> bool {
        let due: Vec<u32> = self
            .lines
            .iter()
            .filter(|line| line.deferred && !self.has_calls(line.number))
            .map(|line| line.number)
            .collect();
        for number in &due {
            if let Some(line) = self.line_mut(*number) {
                line.deferred = false;
            }
            self.apply(now, *number);
            if let Some(trial) = self.line_mut(*number).and_then(|line| line.trial.as_mut()) {
                trial.until = Some(now.instant + PROOF_TIME);
                self.attempted(now, *number, Outcome::Trying);
            }
            self.rebuild_lamps(now);
        }
        !due.is_empty()
    }

    /// An account registered, or did not: what that says of settings on trial, and of those that were taken back.
    pub(crate) fn judge(&mut self, now: Now, number: u32, told: Told) {
        let Some(line) = self.line_mut(number) else { return };
        // while a call keeps new settings waiting, this is about the old ones
        let waits = line.deferred;
        match (told, &mut line.trial) {
            (Told::Registered, Some(trial)) if trial.until.is_some() => {
                self.end_trial(now, number, Outcome::Applied);
            }
            (Told::Registered, None) if !line.proved && !waits => {
                line.proved = true;
                self.persist_index();
            }
            (Told::Failed { status, for_good }, Some(trial)) if trial.until.is_some() => {
                let AccountState::Failed(text) = line.registration.clone() else { return };
                let ours = trial.changed.may_cause(status);
                trial.failure = Some(Failure { text, ours });
                // what the server has said of them will not change
                if ours && (for_good || matches!(status, Some(400..=407 | 410..=499 | 600..))) {
                    self.prove(now, number);
                }
            }
            (Told::Failed { .. }, None) => {
                if let Some(refused) = &mut line.refused {
                    refused.ask_at.get_or_insert(now.instant.max(refused.since + refused.patience()));
                }
            }
            _ => {}
        }
    }

    /// The trial's time is over, or nothing can change its end any more.
    fn prove(&mut self, now: Now, number: u32) {
        let Some(line) = self.line(number) else { return };
        let Some(trial) = &line.trial else { return };
        let usable = line.usable;
        let failure = trial
            .failure
            .clone()
            .unwrap_or_else(|| Failure { text: "the server does not answer".into(), ours: trial.changed.way });
        let outcome = match (&trial.before, failure.ours) {
            (_, false) => Outcome::Kept(failure.text),
            (None, true) => Outcome::Unproved(failure.text),
            (Some(_), true) => Outcome::Returned(failure.text),
        };
        self.end_trial(now, number, if usable { Outcome::Applied } else { outcome });
    }

    fn end_trial(&mut self, now: Now, number: u32, outcome: Outcome) {
        let Some(line) = self.line_mut(number) else { return };
        let Some(trial) = line.trial.take() else { return };
        match (&outcome, trial.before) {
            (Outcome::Returned(reason), Some(before)) => {
                let tries = match &line.refused {
                    Some(refused) if refused.is(trial.source, &trial.document) => refused.tries + 1,
                    _ => 1,
                };
                line.layers = before;
                let source = trial.source;
                line.refused = Some(Refused {
                    source,
                    document: trial.document,
                    since: now.instant,
                    tries,
                    again: false,
                    ask_at: None,
                });
                self.ask_whole(number, source);
                let text =
                    format!("{}: new settings do not work ({reason}): the old ones are back", self.title(number));
                self.apply(now, number);
                self.rebuild_lamps(now);
                self.notice(now, Level::Warning, text);
            }
            (Outcome::Applied, _) => {
                line.proved = true;
                line.refused = None;
            }
            _ => {}
        }
        self.persist_account(number);
        if let Some(holder) = self.holder_of(number) {
            self.persist_memory(holder);
        }
        self.persist_index();
        self.attempted(now, number, outcome);
    }

    /// Our deadlines have come, or not.
    pub(crate) fn trials_due(&mut self, now: Now) {
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        for number in self.numbers() {
            let Some(line) = self.line_mut(number) else { continue };
            if reached(line.trial.as_ref().and_then(|trial| trial.until)) {
                self.prove(now, number);
            }
            let Some(refused) = self.line_mut(number).and_then(|line| line.refused.as_mut()) else { continue };
            if reached(refused.ask_at) {
                refused.ask_at = None;
                refused.again = true;
                let asked = match refused.source {
                    Source::Provisioning => self.holder_of(number).unwrap_or(number),
                    _ => number,
                };
                self.provision(now, asked, provisioner::Input::FetchNow);
            }
        }
    }

    pub(crate) fn trial_deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let trials = self.lines.iter().filter_map(|line| line.trial.as_ref()?.until);
        trials.chain(self.lines.iter().filter_map(|line| line.refused.as_ref()?.ask_at))
    }
}

impl Trial {
    fn new(before: Option<Layers>, source: Source, document: &Document, changed: Changed) -> Self {
        Self { before, source, document: document.clone(), until: None, changed, failure: None }
    }
}

impl Refused {
    fn is(&self, source: Source, document: &Document) -> bool {
        let nodes = self.document.nodes.iter().zip(&document.nodes);
        self.source == source
            && self.document.nodes.len() == document.nodes.len()
            && nodes.into_iter().all(|(one, other)| one.same(other))
    }

    fn patience(&self) -> Duration {
        AGAIN_FIRST.saturating_mul(4_u32.saturating_pow(self.tries.saturating_sub(1).min(8))).min(AGAIN_LAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(nodes: &str) -> Settings {
        let text = format!("<account><username>1</username><password>p</password><host>h</host>{nodes}</account>");
        Settings::of(&Document::parse(text.as_bytes()).unwrap().0).0
    }

    #[test]
    fn only_what_can_have_caused_a_failure_is_blamed() {
        let old = settings("");
        let cause = |new: &Settings, status| Changed::between(Some(&old), new).may_cause(status);
        let name = settings("<userDisplayName>Anna</userDisplayName>");
        assert!(
            !cause(&name, Some(401)) && !cause(&name, Some(408)) && !cause(&name, None) && !cause(&name, Some(503))
        );
        assert!(cause(&name, Some(403)));
        let mut password = old.clone();
        password.password = offhook_account::Secret::new("other");
        assert!(cause(&password, Some(401)) && cause(&password, Some(403)));
        assert!(!cause(&password, None) && !cause(&password, Some(408)) && !cause(&password, Some(500)));
        let server = settings("<proxy>edge</proxy>");
        for status in [Some(401), Some(403), Some(404), Some(408), Some(503), None] {
            assert!(cause(&server, status), "{status:?}");
        }
        let quiet = settings("<keepAlivePeriod>20</keepAlivePeriod>");
        assert!(!cause(&quiet, Some(403)) && !cause(&quiet, None));
    }
}
