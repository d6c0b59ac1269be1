//! What happens by itself, and when. Every deadline belongs to the state that made it; this module asks them all.
//! A deadline that has fired is gone or lies in the future, so that no timeout is asked for twice.

use crate::call::State;
use crate::factory_reset::Countdown;
use crate::phone::{Now, Output, Phone};
use crate::self_test::SelfTest;
use offhook_account::provisioner;
use offhook_sip as sip;
use std::time::{Duration, Instant};

/// A notice stays in the view for this long.
const NOTICE_TIME: Duration = Duration::from_secs(10);
/// An INVITE of ours that nobody answers is given up (RFC 3261 section 16.6 allows proxies to give up at 3 minutes).
const NO_ANSWER: Duration = Duration::from_secs(180);

impl Phone {
    /// `Input::Timeout`: the machines below first.
    pub(crate) fn due(&mut self, now: Now) {
        if self.sip_timeout.is_some_and(|at| at <= now.instant) {
            self.endpoint.handle(now.instant, sip::Input::Timeout);
        }
        let due: Vec<u32> =
            self.fetches.timeouts.iter().filter(|(_, at)| **at <= now.instant).map(|(number, _)| *number).collect();
        for number in due {
            self.provision(now, number, provisioner::Input::Timeout);
        }
    }

    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        let own = [
            self.sip_timeout,
            self.dialing.deadline(self.ear.is_open()),
            self.ear.quiet_deadline(),
            self.ear.recall.as_ref().map(|recall| recall.at),
            self.ear.pressed.as_ref().map(|pressed| pressed.until),
            self.notice.as_ref().map(|(at, _)| *at + NOTICE_TIME),
            self.tick,
            self.stopping,
            self.factory_reset.deadline(),
            self.self_test.as_ref().and_then(SelfTest::deadline),
            self.fetches.clock_deadline(),
            self.requests.deadline(),
            self.links.quiet_look,
            self.finding.deadline(),
            self.patient.as_ref().map(|patient| patient.until),
        ];
        let calls = self.calls.iter().flat_map(|call| {
            let by_state = match &call.state {
                State::Incoming { auto_answer, forward, answering: false, .. } => {
                    auto_answer.iter().copied().chain(forward.as_ref().map(|forward| forward.at)).min()
                }
                State::Ended { close_at, .. } => *close_at,
                State::Preparing { .. } | State::Trying | State::Ringing { .. } => Some(call.began + NO_ANSWER),
                _ => None,
            };
            [by_state, call.hold.retry_at, call.queue.next_at, self.network_deadline(call)]
        });
        let fetches = self.fetches.timeouts.values().map(|at| Some(*at));
        let contacts = self.contacts.deadlines().chain(self.services.deadlines()).map(Some);
        let transactions = self.trial_deadlines().chain(self.report_deadlines()).map(Some);
        let all = own.into_iter().chain(calls).chain(fetches).chain(contacts).chain(transactions);
        all.flatten().collect::<Vec<_>>().into_iter()
    }

    /// Our own deadlines.
    pub(crate) fn fire(&mut self, now: Now) {
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        if reached(self.dialing.deadline(self.ear.is_open())) {
            self.changed();
            if self.ear.is_open() { self.send_dialled(now) } else { self.dialing.clear() }
        }
        if reached(self.ear.quiet_deadline()) {
            self.changed();
            self.quiet_too_long(now);
        }
        if reached(self.ear.recall.as_ref().map(|recall| recall.at)) {
            self.changed();
            self.ear.recall_due(now.instant);
        }
        if reached(self.ear.pressed.as_ref().map(|pressed| pressed.until)) {
            self.digit_over(now);
        }
        if reached(self.notice.as_ref().map(|(at, _)| *at + NOTICE_TIME)) {
            self.changed();
            self.notice = None;
        }
        if reached(self.tick) {
            self.changed();
            self.tick = None;
        }
        self.patience_due(now);
        self.requests_due(now);
        self.clock_due(now);
        self.trials_due(now);
        self.send_reports(now);
        self.finding_due(now);
        match self.factory_reset.due(now.instant) {
            Countdown::Same => {}
            Countdown::Second => self.changed(),
            Countdown::Over => {
                self.notice(now, crate::Level::Warning, "factory reset: everything is forgotten".into());
                self.out(Output::FactoryReset);
            }
        }
        if self.self_test.as_mut().is_some_and(|test| test.due(now.instant)) {
            self.changed();
        }
        let ids: Vec<crate::CallId> = self.calls.iter().map(|call| call.id).collect();
        for id in ids {
            self.fire_call(now, id);
        }
        self.fire_network(now);
    }

    fn fire_call(&mut self, now: Now, id: crate::CallId) {
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now.instant);
        let Some(call) = self.call_mut(id) else { return };
        if reached(call.queue.next_at) {
            self.next_queued_digit(now, id);
        }
        let Some(call) = self.call_mut(id) else { return };
        if reached(call.hold.retry_at) {
            call.hold.retry_at = None;
            self.renegotiate(now, id);
        }
        let Some(call) = self.call_mut(id) else { return };
        match &mut call.state {
            State::Incoming { auto_answer, answering: false, .. } if reached(*auto_answer) => {
                *auto_answer = None;
                self.changed();
                // a call that cannot be answered goes on ringing
                let _ = self.answer_call(now, id);
            }
            State::Incoming { forward, answering: false, .. }
                if reached(forward.as_ref().map(|forward| forward.at)) =>
            {
                if let Some(forward) = forward.take() {
                    self.forward_unanswered(now, id, forward);
                }
            }
            State::Ended { close_at, .. } if reached(*close_at) => {
                *close_at = None;
                self.changed();
                self.close_ended(now, id);
            }
            State::Preparing { .. } | State::Trying | State::Ringing { .. }
                if now.instant >= call.began + NO_ANSWER =>
            {
                self.no_answer(now, id);
            }
            _ => {}
        }
    }
}
