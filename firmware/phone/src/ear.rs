//! The ear: handset, headset or hands-free, whichever is open, and the call in it. Hook, speaker key and headset key all
//! open and close it with the same meaning: opening answers a ringing call, sends a number dialled before, takes back a
//! held call that rang again, or gives dial tone; closing ends the call in the ear. Held calls stay: they ring again,
//! at once if a call was ended, after a minute if they were left on hold.

use crate::call::{Call, State};
use crate::phone::{Now, Phone};
use crate::{CallId, Level, Refusal};
use offhook_hal::{Hook, Route};
use offhook_media::StreamId;
use offhook_media::telephone_event::Digit;
use std::time::{Duration, Instant};

/// Handset off the hook with nothing going on: then it howls. Hands-free closes instead.
const QUIET_TIME: Duration = Duration::from_secs(60);
/// A held call rings again for so long …
const RECALL_RING: Duration = Duration::from_secs(30);
/// … and after so long once more.
const RECALL_PAUSE: Duration = Duration::from_secs(60);
/// Hands-free: the tone of an ended call is heard for so long, then the ear closes.
pub(crate) const ENDED_TIME: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Ear {
    pub(crate) hook: Hook,
    /// `Off`: closed
    pub(crate) route: Route,
    pub(crate) jack: bool,
    /// The headset was used last: hands-free means the headset while it is plugged.
    prefers_headset: bool,
    /// The call in the ear; it may be held.
    pub(crate) focus: Option<CallId>,
    pub(crate) muted: bool,
    /// The dialled number could not be called: congestion tone until something else happens.
    pub(crate) refused: bool,
    /// Open without a live call since then.
    pub(crate) quiet_since: Option<Instant>,
    pub(crate) howling: bool,
    pub(crate) recall: Option<Recall>,
    /// The digit key that is down, or was so until a moment ago.
    pub(crate) pressed: Option<Pressed>,
}

/// A held call that wants to be taken back.
#[derive(Debug)]
pub(crate) struct Recall {
    pub(crate) ringing: bool,
    /// it changes then
    pub(crate) at: Instant,
}

#[derive(Debug)]
pub(crate) struct Pressed {
    pub(crate) digit: Digit,
    /// Sent into this stream, if it is.
    pub(crate) stream: Option<StreamId>,
    /// The key is up.
    pub(crate) released: bool,
    pub(crate) began: Instant,
    pub(crate) until: Instant,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            hook: Hook::On,
            route: Route::Off,
            jack: false,
            prefers_headset: false,
            focus: None,
            muted: false,
            refused: false,
            quiet_since: None,
            howling: false,
            recall: None,
            pressed: None,
        }
    }
}

impl Ear {
    pub(crate) fn is_open(&self) -> bool {
        self.route != Route::Off
    }

    pub(crate) fn quiet_deadline(&self) -> Option<Instant> {
        if self.howling { None } else { self.quiet_since.map(|since| since + QUIET_TIME) }
    }

    pub(crate) fn recall_due(&mut self, now: Instant) {
        if let Some(recall) = &mut self.recall {
            recall.ringing = !recall.ringing;
            recall.at = now + if recall.ringing { RECALL_RING } else { RECALL_PAUSE };
        }
    }

    pub(crate) fn is_recalling(&self) -> bool {
        self.recall.as_ref().is_some_and(|recall| recall.ringing)
    }

    /// Where sound goes when nobody lifts the handset.
    fn hands_free(&self) -> Route {
        if self.jack && self.prefers_headset { Route::Headset } else { Route::Speaker }
    }
}

impl Phone {
    pub(crate) fn hook_moved(&mut self, now: Now, hook: Hook) {
        if self.ear.hook == hook {
            return;
        }
        self.ear.hook = hook;
        match hook {
            Hook::Off if self.ear.is_open() => self.ear.route = Route::Handset,
            Hook::Off => self.open_ear(now, Route::Handset),
            Hook::On if self.ear.route == Route::Handset => self.close_ear(now),
            Hook::On => {}
        }
    }

    /// Speaker and headset keys: there and back.
    pub(crate) fn toggle_route(&mut self, now: Now, route: Route) {
        self.set_route(now, route, self.ear.route != route);
    }

    pub(crate) fn set_route(&mut self, now: Now, route: Route, on: bool) {
        match (on, self.ear.route) {
            (true, current) if current == route => {}
            (true, Route::Off) => {
                self.ear.prefers_headset = route == Route::Headset;
                self.open_ear(now, route);
            }
            (true, _) => {
                self.ear.prefers_headset = route == Route::Headset;
                self.ear.route = route;
            }
            (false, current) if current != route => {}
            (false, _) if self.ear.hook == Hook::Off => self.ear.route = Route::Handset,
            (false, _) => self.close_ear(now),
        }
    }

    pub(crate) fn headset_jack(&mut self, now: Now, plugged: bool) {
        self.ear.jack = plugged;
        if plugged || self.ear.route != Route::Headset {
            return;
        }
        // the call goes on where it can be heard
        match self.ear.hook {
            Hook::Off => self.ear.route = Route::Handset,
            Hook::On if self.ear.focus.is_some() => self.ear.route = Route::Speaker,
            Hook::On => self.close_ear(now),
        }
    }

    /// Opens and does what opening means.
    fn open_ear(&mut self, now: Now, route: Route) {
        self.ear.route = route;
        if let Some(id) = self.oldest_ringing() {
            if let Err(refusal) = self.answer_call(now, id) {
                self.notice(now, Level::Warning, refusal.to_string());
            }
        } else if !self.dialing.is_empty() {
            self.send_dialled(now);
        } else if self.ear.is_recalling() {
            if let Some(id) = self.newest_held() {
                self.resume(now, id);
            }
        } else if let Some(reason) = self.no_line_reason() {
            self.notice(now, Level::Warning, reason);
        }
        self.ear.recall = None;
    }

    /// Opens without any meaning, for a call that a key or a program makes or answers.
    pub(crate) fn ear_for_call(&mut self) {
        if !self.ear.is_open() {
            self.ear.route = if self.ear.hook == Hook::Off { Route::Handset } else { self.ear.hands_free() };
        }
        self.ear.recall = None;
        self.ear.refused = false;
        self.ear.howling = false;
        self.ear.quiet_since = None;
    }

    /// Ends the call in the ear and what was being dialled.
    pub(crate) fn close_ear(&mut self, now: Now) {
        let mut ended = false;
        if let Some(id) = self.ear.focus.take() {
            let held = self.call(id).is_some_and(Call::is_held);
            if !held {
                ended = true;
                self.hang_up(now, id);
            }
        }
        self.drop_ended();
        self.drop_waiting();
        self.patient = None;
        self.digit_over(now);
        self.dialing.clear();
        self.ear.route = Route::Off;
        self.ear.muted = false;
        self.ear.refused = false;
        self.ear.quiet_since = None;
        self.ear.howling = false;
        if self.newest_held().is_some() {
            let pause = if ended { RECALL_RING } else { RECALL_PAUSE };
            self.ear.recall = Some(Recall { ringing: ended, at: now.instant + pause });
        }
    }

    /// After a call was ended by hand: hands-free closes, a lifted handset has dial tone.
    pub(crate) fn ear_after_end(&mut self, now: Now) {
        let hands_free = matches!(self.ear.route, Route::Speaker | Route::Headset);
        if hands_free && self.ear.hook == Hook::On && self.ear.focus.is_none() {
            self.close_ear(now);
        }
    }

    pub(crate) fn quiet_too_long(&mut self, now: Now) {
        if self.ear.route == Route::Handset {
            self.drop_ended();
            self.dialing.clear();
            self.ear.howling = true;
        } else {
            self.close_ear(now);
        }
    }

    /// The tone of an ended hands-free call is over.
    pub(crate) fn close_ended(&mut self, now: Now, id: CallId) {
        if self.ear.focus == Some(id) && self.ear.route != Route::Handset {
            self.close_ear(now);
        } else {
            self.drop_ended();
        }
    }

    /// Forgets calls whose tone is all that is left of them.
    pub(crate) fn drop_ended(&mut self) {
        let focus = self.ear.focus;
        if focus.is_some_and(|id| self.call(id).is_none_or(|call| !call.is_live())) {
            self.ear.focus = None;
        }
        self.calls.retain(|call| !matches!(call.state, State::Ended { .. }));
    }

    /// Frees the ear for another call: a talk is held, a call that is not answered yet is ended.
    pub(crate) fn put_aside(&mut self, now: Now) -> Result<(), Refusal> {
        self.digit_over(now);
        self.drop_ended();
        if let Some(id) = self.ear.focus {
            if self.call(id).is_some_and(Call::is_talking) {
                self.hold(now, id)?;
            } else {
                self.hang_up(now, id);
            }
        }
        self.ear.focus = None;
        Ok(())
    }

    /// Keeps the clock of an ear that is open for nothing.
    pub(crate) fn watch_quiet(&mut self, now: Instant) {
        let live = self.ear.focus.and_then(|id| self.call(id)).is_some_and(Call::is_live);
        if !self.ear.is_open() || live || self.services.is_waiting() || self.patient.is_some() {
            self.ear.quiet_since = None;
            self.ear.howling = false;
        } else if self.ear.quiet_since.is_none() {
            self.ear.quiet_since = Some(now);
        }
        if self.newest_held().is_none() || self.ear.is_open() {
            self.ear.recall = None;
        }
    }
}
