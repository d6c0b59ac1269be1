//! After each input: what should be heard, lit, rung and told, against what was told before. Only differences go out.

use crate::blf;
use crate::call::Call;
use crate::phone::{Now, Output, Phone};
use crate::tones::{CALL_WAITING, Overlay};
use crate::{CallId, CallState, Event};
use offhook_hal::{Lamp, Pattern, Route};
use offhook_media::engine::ToneSlot;
use offhook_media::tone::Tone;
use offhook_media::{Command, Direction};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the world was told last.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) route: Route,
    progress: Option<&'static str>,
    overlay: Overlay,
    /// as in `Event::Tone`
    tone: Option<&'static str>,
    pub(crate) ringing: bool,
    muted: bool,
    mic: bool,
    gains: Option<(u16, u16, u16)>,
    pub(crate) lamps: BTreeMap<Lamp, Pattern>,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            route: Route::Off,
            progress: None,
            overlay: Overlay::None,
            tone: None,
            ringing: false,
            muted: false,
            mic: false,
            gains: None,
            lamps: BTreeMap::new(),
        }
    }
}

impl Phone {
    pub(crate) fn settle(&mut self, now: Now) {
        self.watch_quiet(now.instant);
        self.settle_route();
        self.settle_tones();
        self.settle_streams();
        self.settle_ring();
        self.settle_lamps();
        self.tell_calls(now);
        self.settle_quiet(now);
        self.tick = self.next_tick(now);
    }

    fn settle_route(&mut self) {
        if self.shown.route != self.ear.route {
            self.shown.route = self.ear.route;
            self.out(Output::Route(self.ear.route));
            self.notify(Event::Route(self.ear.route));
        }
        let gains = self.gains();
        if self.shown.gains != Some(gains) {
            self.shown.gains = Some(gains);
            self.out(Output::Media(Self::gain_command(gains)));
            self.changed();
        }
    }

    fn settle_tones(&mut self) {
        let progress = self.progress_tone();
        if self.shown.progress != progress {
            self.shown.progress = progress;
            let tone = progress.and_then(|name| self.tone(name)).map(Box::new);
            self.out(Output::Media(Command::Tone(ToneSlot::Progress, tone)));
        }
        let overlay = self.overlay();
        if self.shown.overlay != overlay {
            self.shown.overlay = overlay;
            let tone = match overlay {
                Overlay::None => None,
                Overlay::Digit(digit) => Some(Tone::digit(digit)),
                Overlay::CallWaiting => self.tone(CALL_WAITING),
            };
            self.out(Output::Media(Command::Tone(ToneSlot::Overlay, tone.map(Box::new))));
        }
        let waiting = self.is_call_waiting().then_some(CALL_WAITING);
        let tone = progress.or(waiting);
        if self.shown.tone != tone {
            self.shown.tone = tone;
            self.notify(Event::Tone(tone));
        }
    }

    /// Who hears whom: the call in the ear as agreed, early sound without our microphone, all others nothing.
    fn settle_streams(&mut self) {
        let open = self.ear.is_open();
        let focus = self.ear.focus;
        let mut commands = Vec::new();
        let mut mic = false;
        for call in self.calls.iter_mut().filter(|call| call.is_live()) {
            let in_ear = open && focus == Some(call.id) && !call.is_held();
            let agreed = call.media.agreed().map_or(Direction::Inactive, |agreed| agreed.direction);
            let wanted = match (in_ear, call.is_talking()) {
                (true, true) => agreed,
                (true, false) => Direction::RecvOnly,
                (false, _) => Direction::Inactive,
            };
            commands.extend(call.media.direct(wanted));
            mic |= call.media.sends();
        }
        for command in commands {
            self.out(Output::Media(command));
        }
        if self.shown.muted != self.ear.muted {
            self.shown.muted = self.ear.muted;
            self.changed();
            self.out(Output::Media(Command::Mute(self.ear.muted)));
        }
        let mic = mic && !self.ear.muted;
        if self.shown.mic != mic {
            self.shown.mic = mic;
            self.notify(Event::Mic(mic));
        }
    }

    fn settle_ring(&mut self) {
        let ringing = !self.ear.is_open() && (self.is_rung() || self.ear.is_recalling());
        if self.shown.ringing == ringing {
            return;
        }
        self.shown.ringing = ringing;
        if !self.config.bell {
            let tone = ringing.then(|| Box::new(Tone::ringer(1)));
            self.out(Output::Media(Command::Tone(ToneSlot::Ringer, tone)));
        }
        self.out(Output::Ring(ringing));
        self.notify(Event::Ring(ringing));
    }

    fn settle_lamps(&mut self) {
        let lamps: Vec<(Lamp, Pattern)> = self.config.lamps.iter().map(|lamp| (*lamp, self.pattern(*lamp))).collect();
        for (lamp, pattern) in lamps {
            let before = self.shown.lamps.insert(lamp, pattern);
            // dark is how a lamp is before it was told anything
            if before.unwrap_or(Pattern::Off) != pattern {
                self.out(Output::Indicate(lamp, pattern));
                self.notify(Event::Lamp { lamp, pattern });
            }
        }
    }

    fn pattern(&self, lamp: Lamp) -> Pattern {
        let lit = |on: bool| if on { Pattern::On } else { Pattern::Off };
        if self.factory_reset.is_asked_for() {
            return Pattern::Fast;
        }
        if let Some(pattern) = self.self_test.as_ref().and_then(|test| test.pattern(lamp)) {
            return pattern;
        }
        match lamp {
            Lamp::Line(number) => {
                let call = self.calls.iter().find(|call| call.appearance == number && call.is_live());
                match call.map(Call::view_state) {
                    None | Some(CallState::Ended) => Pattern::Off,
                    Some(CallState::Incoming) if self.ear.is_open() => Pattern::Flutter,
                    Some(CallState::Incoming) => Pattern::Fast,
                    Some(CallState::Held) => Pattern::Slow,
                    Some(CallState::Trying | CallState::Ringing | CallState::Talking) => Pattern::On,
                }
            }
            Lamp::Key(number) => self
                .watches
                .iter()
                .find(|watch| watch.key == number)
                .map_or(Pattern::Off, |watch| blf::pattern(watch.state())),
            Lamp::Message => lit(self.messages().waiting),
            Lamp::Mute => lit(self.ear.muted),
            Lamp::Speaker => lit(self.ear.route == Route::Speaker),
            Lamp::Headset => lit(self.ear.route == Route::Headset),
        }
    }

    fn tell_calls(&mut self, now: Now) {
        let (muted, focus) = (self.ear.muted, self.ear.focus);
        let mut news = Vec::new();
        for call in &mut self.calls {
            let view = call.view(now, muted, focus == Some(call.id));
            let told = Call::told_of(&view);
            if call.told.as_ref() != Some(&told) {
                call.told = Some(told);
                news.push(view);
            }
        }
        for call in news {
            self.notify(Event::Call { call });
        }
    }

    /// The next full second of the longest talk: `seconds` of the view changes then.
    fn next_tick(&self, now: Now) -> Option<std::time::Instant> {
        let next = |call: &Call| {
            if !call.is_talking() {
                return None;
            }
            let since = call.since()?;
            let talked = now.instant.saturating_duration_since(since).as_secs();
            Some(since + Duration::from_secs(talked + 1))
        };
        self.calls.iter().filter_map(next).min()
    }

    /// For the picture.
    pub(crate) fn shown_tone(&self) -> Option<&'static str> {
        self.shown.tone
    }

    pub(crate) fn is_in_focus(&self, id: CallId) -> bool {
        self.ear.focus == Some(id)
    }
}
