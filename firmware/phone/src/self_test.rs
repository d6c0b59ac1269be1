//! The self-test for factory and support: keys, lamps, hook, sound loop, network, provisioning, registration, one after
//! the other. Steps that need a person say what to do and wait; without one they are skipped.
//!
//! The machine knows the steps and their verdicts; [`crate::Phone`] feeds it, asks the world its questions and shows it.

use crate::AccountState;
use offhook_hal::audio::loop_test::LoopResult;
use offhook_hal::{Hook, Key, Lamp, Pattern};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A person who does nothing for so long is not there.
const PATIENCE: Duration = Duration::from_secs(30);
/// A driver that does not answer a probe. The sound loop takes 2 s, names that do not resolve take longest.
const PROBE: Duration = Duration::from_secs(20);
/// A fetch with its redirects.
const FETCH: Duration = Duration::from_secs(45);
/// Registering, with one challenge and a lost packet or two.
const REGISTER: Duration = Duration::from_secs(15);
/// More delay than this cannot be talked over.
const MOST_DELAY: Duration = Duration::from_millis(250);
/// Below this a microphone gives nothing at all [dBov].
const DEAD: f64 = -90.0;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Keys,
    Lamps,
    Hook,
    Audio,
    Network,
    Provisioning,
    Registration,
}

impl Step {
    pub const ALL: [Self; 7] =
        [Self::Keys, Self::Lamps, Self::Hook, Self::Audio, Self::Network, Self::Provisioning, Self::Registration];

    /// `keys`, `lamps`, `hook`, `audio`, `network`, `provisioning`, `registration`
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Lamps => "lamps",
            Self::Hook => "hook",
            Self::Audio => "audio",
            Self::Network => "network",
            Self::Provisioning => "provisioning",
            Self::Registration => "registration",
        }
    }

    fn needs_a_person(self) -> bool {
        matches!(self, Self::Keys | Self::Lamps | Self::Hook)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Waiting,
    Running,
    Passed,
    Failed,
    Skipped,
}

impl Verdict {
    /// `waiting`, `running`, `passed`, `failed`, `skipped`
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    pub step: Step,
    pub verdict: Verdict,
    /// what is to be done now, or why it ended so
    pub text: String,
    /// what was measured, as JSON; null if nothing
    pub figures: Value,
}

/// The whole test as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfTestView {
    pub steps: Vec<StepView>,
    pub finished: bool,
}

impl SelfTestView {
    /// Nothing failed; what was skipped was not tested.
    pub fn passed(&self) -> bool {
        self.finished && self.steps.iter().all(|step| step.verdict != Verdict::Failed)
    }

    /// `{"finished":…,"passed":…,"steps":[{"name":…,"verdict":…,"text":…,"figures":…},…]}`
    pub fn to_json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "name": step.step.name(), "verdict": step.verdict.name(), "text": step.text, "figures": step.figures,
                })
            })
            .collect();
        json!({ "finished": self.finished, "passed": self.passed(), "steps": steps })
    }
}

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// Play and listen with the handset (`hal::audio::loop_test`); the phone's own sound stands still meanwhile.
    Audio,
    /// Look at the network, and resolve these host names.
    Network { names: Vec<String> },
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Probed {
    Audio(Result<LoopResult, String>),
    Network(NetworkFacts),
    /// There is nothing to ask, for this reason.
    Nothing(String),
}

/// What the network looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkFacts {
    /// interfaces with a carrier
    pub interfaces: Vec<String>,
    /// addresses that others can reach
    pub addresses: Vec<IpAddr>,
    /// of the default route, and whether it answered; `None` there: it cannot be asked
    pub gateway: Option<(IpAddr, Option<bool>)>,
    pub name_servers: Vec<IpAddr>,
    /// each name with its addresses, or why there are none
    pub names: Vec<(String, Result<Vec<IpAddr>, String>)>,
}

/// What the test wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Probe(Probe),
    Fetch,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct SelfTest {
    interactive: bool,
    steps: Vec<StepView>,
    at: usize,
    deadline: Option<Instant>,
    wish: Option<Wish>,
    names: Vec<String>,
    // ---- of the step
    /// keys not seen yet
    missing: Vec<Key>,
    /// keys seen
    seen: Vec<Key>,
    held: Vec<Key>,
    /// lifted in this step
    lifted: bool,
    /// accounts whose fetch has not been answered
    fetching: Vec<u32>,
    failed_fetches: Vec<String>,
}

impl SelfTest {
    /// `keys`: those of the phone. `fetching`: accounts that are provisioned from somewhere. `names`: host names that
    /// the accounts depend on.
    pub(crate) fn new(now: Instant, interactive: bool, keys: Vec<Key>, fetching: Vec<u32>, names: Vec<String>) -> Self {
        let step = |step| StepView { step, verdict: Verdict::Waiting, text: String::new(), figures: Value::Null };
        let mut test = Self {
            interactive,
            steps: Step::ALL.map(step).to_vec(),
            at: 0,
            deadline: None,
            wish: None,
            names,
            missing: keys,
            seen: Vec::new(),
            held: Vec::new(),
            lifted: false,
            fetching,
            failed_fetches: Vec::new(),
        };
        test.begin(now);
        test
    }

    pub(crate) fn view(&self) -> SelfTestView {
        SelfTestView { steps: self.steps.clone(), finished: self.is_finished() }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.at >= self.steps.len()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn take_wish(&mut self) -> Option<Wish> {
        self.wish.take()
    }

    fn step(&self) -> Option<Step> {
        self.steps.get(self.at).map(|step| step.step)
    }

    /// Works on the step at hand, beginning with those that end at once.
    fn begin(&mut self, now: Instant) {
        while let Some(step) = self.step() {
            if step.needs_a_person() && !self.interactive {
                self.set(Verdict::Skipped, "needs a person");
            } else if step == Step::Keys && self.missing.is_empty() {
                self.set(Verdict::Skipped, "this board has no keys");
            } else if step == Step::Provisioning && self.fetching.is_empty() {
                self.set(Verdict::Skipped, "no account is provisioned from anywhere");
            } else {
                self.start(now, step);
                return;
            }
            self.at += 1;
        }
        self.deadline = None;
    }

    fn start(&mut self, now: Instant, step: Step) {
        let (text, time) = match step {
            Step::Keys => (self.keys_wanted(), PATIENCE),
            Step::Lamps => ("do all lamps shine? # yes, * no".to_owned(), PATIENCE),
            Step::Hook => ("lift the handset".to_owned(), PATIENCE),
            Step::Audio => ("listening to ourselves".to_owned(), PROBE),
            Step::Network => ("looking at the network".to_owned(), PROBE),
            Step::Provisioning => ("fetching the settings".to_owned(), FETCH),
            Step::Registration => ("waiting for the registrar".to_owned(), REGISTER),
        };
        self.set(Verdict::Running, text);
        self.deadline = Some(now + time);
        self.wish = match step {
            Step::Audio => Some(Wish::Probe(Probe::Audio)),
            Step::Network => Some(Wish::Probe(Probe::Network { names: self.names.clone() })),
            Step::Provisioning => Some(Wish::Fetch),
            _ => None,
        };
    }

    fn set(&mut self, verdict: Verdict, text: impl Into<String>) {
        if let Some(step) = self.steps.get_mut(self.at) {
            step.verdict = verdict;
            step.text = text.into();
        }
    }

    fn figures(&mut self, figures: Value) {
        if let Some(step) = self.steps.get_mut(self.at) {
            step.figures = figures;
        }
    }

    fn end(&mut self, now: Instant, verdict: Verdict, text: impl Into<String>) {
        self.set(verdict, text);
        self.held.clear();
        self.at += 1;
        self.begin(now);
    }

    /// Ends all that is left.
    pub(crate) fn abandon(&mut self, why: &str) {
        while !self.is_finished() {
            self.set(Verdict::Skipped, why);
            self.at += 1;
        }
        self.deadline = None;
        self.wish = None;
    }

    /// On to the next step; this one ends as if its time were over.
    pub(crate) fn next(&mut self, now: Instant) {
        match self.step() {
            Some(Step::Keys) if !self.seen.is_empty() => {
                let names = names(&self.missing);
                self.end(now, Verdict::Failed, format!("not seen: {names}"));
            }
            Some(Step::Hook) if self.lifted => {
                self.end(now, Verdict::Failed, "lifted, but never put back");
            }
            Some(step) if step.needs_a_person() => self.end(now, Verdict::Skipped, "nobody answered"),
            Some(Step::Provisioning) => self.end(now, Verdict::Failed, "no answer; check the URL and the server"),
            Some(Step::Registration) => self.end(now, Verdict::Failed, "no answer of the registrar"),
            Some(_) => self.end(now, Verdict::Failed, "no result; see the log"),
            None => {}
        }
    }

    /// The time of the step is over.
    pub(crate) fn due(&mut self, now: Instant) -> bool {
        let due = self.deadline.is_some_and(|at| at <= now);
        if due {
            self.next(now);
        }
        due
    }

    pub(crate) fn key_down(&mut self, now: Instant, key: Key) {
        self.held.push(key);
        match self.step() {
            Some(Step::Keys) => {
                self.missing.retain(|missing| *missing != key);
                if !self.seen.contains(&key) {
                    self.seen.push(key);
                }
                self.figures(json!({ "seen": self.seen.iter().map(|key| key.name()).collect::<Vec<_>>() }));
                if self.missing.is_empty() {
                    let count = self.seen.len();
                    self.end(now, Verdict::Passed, format!("{count} keys"));
                } else {
                    let text = self.keys_wanted();
                    self.set(Verdict::Running, text);
                    self.deadline = Some(now + PATIENCE);
                }
            }
            Some(Step::Lamps) if key == Key::Digit('#') => {
                self.end(now, Verdict::Passed, "all of them were seen to shine");
            }
            Some(Step::Lamps) if key == Key::Digit('*') => self.end(now, Verdict::Failed, "not all of them shine"),
            _ => {}
        }
    }

    pub(crate) fn key_up(&mut self, key: Key) {
        self.held.retain(|held| *held != key);
    }

    pub(crate) fn hook(&mut self, now: Instant, hook: Hook) {
        if self.step() != Some(Step::Hook) {
            return;
        }
        match (hook, self.lifted) {
            (Hook::Off, _) => {
                self.lifted = true;
                self.set(Verdict::Running, "put the handset back");
                self.deadline = Some(now + PATIENCE);
            }
            (Hook::On, true) => self.end(now, Verdict::Passed, "lifted and put back"),
            (Hook::On, false) => {}
        }
    }

    fn keys_wanted(&self) -> String {
        format!("press each key: {}", names(&self.missing))
    }

    pub(crate) fn probed(&mut self, now: Instant, probed: Probed) {
        match (self.step(), probed) {
            (Some(Step::Audio), Probed::Audio(result)) => {
                let (verdict, text, figures) = judge_audio(&result);
                self.figures(figures);
                self.end(now, verdict, text);
            }
            (Some(Step::Network), Probed::Network(facts)) => {
                let (verdict, text) = judge_network(&facts);
                self.figures(network_figures(&facts));
                self.end(now, verdict, text);
            }
            (Some(Step::Audio | Step::Network), Probed::Nothing(why)) => self.end(now, Verdict::Skipped, why),
            // late
            _ => {}
        }
    }

    /// A fetch of this account was answered.
    pub(crate) fn fetched(&mut self, now: Instant, account: u32, ok: bool, text: &str) {
        if self.step() != Some(Step::Provisioning) || !self.fetching.contains(&account) {
            return;
        }
        self.fetching.retain(|number| *number != account);
        if !ok {
            self.failed_fetches.push(text.to_owned());
        }
        match (self.fetching.is_empty(), self.failed_fetches.is_empty()) {
            (false, _) => {}
            (true, true) => self.end(now, Verdict::Passed, text),
            (true, false) => {
                let reasons = self.failed_fetches.join("; ");
                self.end(now, Verdict::Failed, reasons);
            }
        }
    }

    /// How the accounts stand.
    pub(crate) fn registered(&mut self, now: Instant, accounts: &[(String, AccountState)]) {
        if self.step() != Some(Step::Registration) {
            return;
        }
        if accounts.is_empty() {
            return self.end(now, Verdict::Failed, "there is no account");
        }
        let bad = accounts.iter().find_map(|(name, state)| match state {
            AccountState::Failed(reason) => Some(format!("{name}: {reason}")),
            AccountState::Off => Some(format!("{name} is switched off")),
            _ => None,
        });
        if let Some(bad) = bad {
            return self.end(now, Verdict::Failed, bad);
        }
        if accounts.iter().all(|(_, state)| *state == AccountState::Registered) {
            let names: Vec<&str> = accounts.iter().map(|(name, _)| name.as_str()).collect();
            self.end(now, Verdict::Passed, names.join(", "));
        }
    }

    /// What the test wants a lamp to do.
    pub(crate) fn pattern(&self, lamp: Lamp) -> Option<Pattern> {
        let lit = match self.step()? {
            Step::Lamps => true,
            // A key answers with the lamp beside it; a digit has none of its own.
            Step::Keys => self.held.iter().any(|key| match (lamp, key) {
                (Lamp::Line(lamp), Key::Line(key)) | (Lamp::Key(lamp), Key::Lamp(key)) => lamp == *key,
                (Lamp::Mute, Key::Mute) | (Lamp::Speaker, Key::Speaker) | (Lamp::Headset, Key::Headset) => true,
                (Lamp::Message, _) => true,
                _ => false,
            }),
            _ => return None,
        };
        Some(if lit { Pattern::On } else { Pattern::Off })
    }
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name()).collect::<Vec<_>>().join(" ")
}

fn judge_audio(result: &Result<LoopResult, String>) -> (Verdict, String, Value) {
    let result = match result {
        Ok(result) => result,
        Err(error) => return (Verdict::Failed, error.clone(), Value::Null),
    };
    let noise = result.noise_dbov;
    let Some(heard) = &result.heard else {
        let text = if noise < DEAD {
            format!("the microphone gives nothing ({noise:.0} dBov): check its wiring and the capture controls")
        } else {
            format!(
                "the microphone does not hear the receiver (noise {noise:.0} dBov): lay the handset on a hard table"
            )
        };
        return (Verdict::Failed, text, json!({ "noise_dbov": round(noise) }));
    };
    let delay_ms = heard.delay.as_secs_f64() * 1000.0;
    let figures = json!({
        "noise_dbov": round(noise), "delay_ms": round(delay_ms), "level_db": round(heard.level_db),
        "correlation": (heard.correlation * 1000.0).round() / 1000.0,
    });
    let text = format!("delay {delay_ms:.1} ms, level {:.0} dB, noise {noise:.0} dBov", heard.level_db);
    if heard.delay > MOST_DELAY {
        return (Verdict::Failed, format!("{text}: too late to talk; make `periods` smaller"), figures);
    }
    (Verdict::Passed, text, figures)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn judge_network(facts: &NetworkFacts) -> (Verdict, String) {
    let Some(address) = facts.addresses.first() else {
        let text = match facts.interfaces.first() {
            None => "no carrier: plug the cable in".to_owned(),
            Some(interface) => format!("{interface} has a carrier but no address: check DHCP"),
        };
        return (Verdict::Failed, text);
    };
    if let Some((gateway, Some(false))) = facts.gateway {
        return (Verdict::Failed, format!("{address}; the gateway {gateway} does not answer"));
    }
    if let Some((name, error)) = facts.names.iter().find_map(|(name, found)| Some((name, found.as_ref().err()?))) {
        return (Verdict::Failed, format!("{address}; {name}: {error}"));
    }
    let gateway = facts.gateway.map_or_else(|| "no gateway".to_owned(), |(gateway, _)| format!("gateway {gateway}"));
    (Verdict::Passed, format!("{address}, {gateway}"))
}

fn network_figures(facts: &NetworkFacts) -> Value {
    let names: Vec<Value> = facts
        .names
        .iter()
        .map(|(name, found)| json!({ "name": name, "addresses": found.as_ref().ok(), "error": found.as_ref().err() }))
        .collect();
    json!({
        "interfaces": facts.interfaces, "addresses": facts.addresses, "name_servers": facts.name_servers,
        "gateway": facts.gateway.map(|(gateway, _)| gateway),
        "gateway_answers": facts.gateway.and_then(|(_, answers)| answers), "names": names,
    })
}

#[cfg(test)]
mod tests;
