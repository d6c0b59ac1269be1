//! When the balance of an account is asked for, and what is known of it (`axml.bal.*`). Time and chance are arguments.
//!
//! Asked once after registration and after each call, both after the account's delay; by the clock if the account says so.
//! Never twice within [`GAP`] (or the interval, if that is shorter). A server that fails is asked again after a minute,
//! then ever later up to an hour, and no call makes that sooner.

use crate::chance::Chance;
use crate::requests::CLOCK_PATIENCE;
use offhook_account::services::BalanceCheck;
use std::time::{Duration, Instant};

/// Shortest time from one question to the next.
const GAP: Duration = Duration::from_secs(30);
/// An interval shorter than this is this: a server is not a clock.
pub(crate) const SHORTEST: Duration = Duration::from_secs(10);
const BACKOFF_FIRST: Duration = Duration::from_secs(60);
const BACKOFF_LAST: Duration = Duration::from_secs(3600);
/// A driver that has not answered so long after the request's own time never will; a request may wait for the date first.
const LOST: Duration = CLOCK_PATIENCE.saturating_add(Duration::from_secs(10));

/// One account's.
#[derive(Debug)]
pub(crate) struct Balance {
    pub(crate) check: BalanceCheck,
    /// As the service worded it last.
    pub(crate) text: Option<String>,
    next: Option<Instant>,
    /// When it was asked last.
    asked: Option<Instant>,
    /// A request is out; it is given up then.
    open: Option<Instant>,
    failures: u32,
    registered: bool,
    /// What was last told to people about a failure.
    told: Option<String>,
}

/// What an answer changes for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Nothing,
    Balance(String),
    /// Not told before.
    Failure(String),
}

impl Balance {
    pub(crate) fn new(check: BalanceCheck) -> Self {
        Self { check, text: None, next: None, asked: None, open: None, failures: 0, registered: false, told: None }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.or(self.next.filter(|_| self.registered))
    }

    /// The account can be used, or cannot any more.
    pub(crate) fn registered(&mut self, now: Instant, is: bool) {
        if is && !self.registered {
            self.soon(now);
        }
        self.registered = is;
    }

    pub(crate) fn call_ended(&mut self, now: Instant) {
        self.soon(now);
    }

    /// Whether it is to be asked now.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        if self.open.is_some_and(|until| until <= now) {
            self.failed(now);
        }
        self.open.is_none() && self.registered && self.next.is_some_and(|at| at <= now)
    }

    /// A request goes out.
    pub(crate) fn ask(&mut self, now: Instant) {
        (self.next, self.asked) = (None, Some(now));
        self.open = Some(now + self.check.service.timeout + LOST);
    }

    pub(crate) fn answered(&mut self, now: Instant, chance: &mut Chance, result: Result<String, String>) -> News {
        let after_call = self.next.take();
        self.open = None;
        match result {
            Ok(text) => {
                (self.failures, self.told) = (0, None);
                // later than asked for, never sooner, and not with all the others
                let by_clock = self.check.interval.map(|interval| {
                    let interval = interval.max(SHORTEST);
                    let spread = u64::try_from(interval.as_millis() / 20).unwrap_or(0);
                    now + interval + Duration::from_millis(chance.below(spread.max(1)))
                });
                self.next = after_call.into_iter().chain(by_clock).min();
                if self.text.as_ref() == Some(&text) {
                    return News::Nothing;
                }
                self.text = Some(text.clone());
                News::Balance(text)
            }
            Err(why) => {
                self.failed(now);
                if self.told.as_ref() == Some(&why) {
                    return News::Nothing;
                }
                self.told = Some(why.clone());
                News::Failure(why)
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let wait = (BACKOFF_FIRST * 2_u32.saturating_pow(self.failures.min(10))).min(BACKOFF_LAST);
        self.open = None;
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now + wait.max(self.check.interval.unwrap_or_default()));
    }

    /// After the account's delay, unless something keeps it from being asked so soon.
    fn soon(&mut self, now: Instant) {
        if self.failures > 0 {
            return;
        }
        let gap = self.check.interval.map_or(GAP, |interval| interval.clamp(SHORTEST, GAP));
        let at = self.asked.map_or(now, |asked| asked + gap).max(now + self.check.delay);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_account::{Document, Settings};

    fn balance(nodes: &str) -> Balance {
        let text = format!(
            "<account><username>u</username><password/><host>h</host>\
             <genericBalanceCheckUrl>https://x/</genericBalanceCheckUrl>{nodes}</account>"
        );
        let settings = Settings::of(&Document::parse(text.as_bytes()).unwrap().0).0;
        Balance::new(settings.services.balance.unwrap())
    }

    fn asks(balance: &mut Balance, now: Instant) -> bool {
        let due = balance.is_due(now);
        if due {
            balance.ask(now);
        }
        due
    }

    /// Seconds at which it asks within `seconds`, each question answered at once.
    fn asked(balance: &mut Balance, seconds: u64, mut answer: impl FnMut(usize) -> Result<String, String>) -> Vec<u64> {
        let began = Instant::now();
        let mut chance = Chance::new(5);
        let mut times = Vec::new();
        balance.registered(began, true);
        for second in 0..seconds {
            let now = began + Duration::from_secs(second);
            if asks(balance, now) {
                times.push(second);
                balance.answered(now, &mut chance, answer(times.len()));
            }
        }
        times
    }

    /// Covers: axml.bal.04, axml.bal.05
    #[test]
    fn it_asks_after_the_delay_and_then_never_more_often_than_the_interval() {
        let delay = "<balanceCheckDelayInSeconds>5</balanceCheckDelayInSeconds>";
        assert_eq!(asked(&mut balance(delay), 10_000, |_| Ok("1".into())), [5]);
        let interval = "<balanceCheckIntervalInSeconds>600</balanceCheckIntervalInSeconds>";
        let times = asked(&mut balance(&format!("{delay}{interval}")), 6000, |_| Ok("1".into()));
        assert_eq!(times.len(), 10, "{times:?}");
        assert!(times.windows(2).all(|pair| (600..=631).contains(&(pair[1] - pair[0]))), "{times:?}");
        let hasty =
            asked(&mut balance("<balanceCheckIntervalInSeconds>1</balanceCheckIntervalInSeconds>"), 100, |_| {
                Ok("1".into())
            });
        assert!(hasty.len() <= 10, "{hasty:?}");
    }

    #[test]
    fn a_server_that_fails_is_left_alone_longer_and_longer() {
        let times =
            asked(&mut balance("<balanceCheckIntervalInSeconds>20</balanceCheckIntervalInSeconds>"), 20_000, |count| {
                if count < 9 { Err("no".into()) } else { Ok("1".into()) }
            });
        let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).take(8).collect();
        assert_eq!(gaps, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert!(times.windows(2).skip(8).all(|pair| pair[1] - pair[0] <= 21), "well again: {times:?}");
    }

    #[test]
    fn calls_ask_anew_but_not_one_after_the_other_and_not_a_server_that_fails() {
        let mut chance = Chance::new(5);
        let mut balance = balance("");
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        balance.registered(began, true);
        assert!(asks(&mut balance, began));
        // a call ends while the question is out
        balance.call_ended(at(1));
        assert!(!asks(&mut balance, at(1)));
        assert_eq!(balance.answered(at(2), &mut chance, Ok("5".into())), News::Balance("5".into()));
        assert!(!asks(&mut balance, at(29)) && asks(&mut balance, at(30)), "half a minute after the last");
        assert_eq!(balance.answered(at(31), &mut chance, Ok("5".into())), News::Nothing);
        balance.call_ended(at(100));
        assert!(asks(&mut balance, at(100)));
        assert_eq!(balance.answered(at(101), &mut chance, Err("no".into())), News::Failure("no".into()));
        balance.call_ended(at(102));
        assert!(!asks(&mut balance, at(132)) && asks(&mut balance, at(161)));
        assert_eq!(balance.answered(at(162), &mut chance, Err("no".into())), News::Nothing);
        assert_eq!(balance.text.as_deref(), Some("5"), "what was known is still shown");
    }

    #[test]
    fn a_question_that_nobody_answers_is_given_up() {
        let mut balance = balance("");
        let began = Instant::now();
        balance.registered(began, true);
        assert!(asks(&mut balance, began));
        assert!(!asks(&mut balance, began + Duration::from_secs(49)));
        assert!(!asks(&mut balance, began + Duration::from_secs(50)), "given up, and now it waits");
        assert!(asks(&mut balance, began + Duration::from_secs(111)));
    }
}
