//! Mixer settings per route: which controls of a card go where when the handset, the headset or the loudspeaker is in
//! use. Setting them talks to the card, over USB for some milliseconds each, so it is nothing for the media thread.

use alsa::mixer::{Mixer, Selem, SelemId};
use offhook_board::AudioWiring;
use offhook_hal::{AudioError, Route};

/// The mixer of one card, with what the board sets there.
pub struct RouteMixer {
    card: String,
    /// `None` after the card went away
    mixer: Option<Mixer>,
    settings: Vec<(Route, SelemId, u8)>,
}

impl std::fmt::Debug for RouteMixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RouteMixer").field("card", &self.card).finish_non_exhaustive()
    }
}

impl RouteMixer {
    /// The board's card. `None` if the board sets nothing there.
    ///
    /// # Errors
    /// [`AudioError::Open`] if it has no mixer, or not a control that the board names. A control of a route that has a
    /// card of its own may be on that one instead.
    pub fn open(wiring: &AudioWiring) -> Result<Option<Self>, AudioError> {
        Self::open_card(mixer_card(wiring), wiring, |route| wiring.route(route).is_some_and(|own| own.pcm.is_some()))
    }

    /// The card of a route that has its own. `None` if the board sets nothing there, or the card has none of it.
    ///
    /// # Errors
    /// [`AudioError::Open`] if it has no mixer.
    pub fn open_own(wiring: &AudioWiring, playback: &str) -> Result<Option<Self>, AudioError> {
        Self::open_card(card_of(playback), wiring, |_| true)
    }

    /// `elsewhere`: may a control of this route be missing?
    fn open_card(
        card: String,
        wiring: &AudioWiring,
        elsewhere: impl Fn(Route) -> bool,
    ) -> Result<Option<Self>, AudioError> {
        if wiring.mixer.is_empty() {
            return Ok(None);
        }
        let mixer = open(&card).map_err(|error| {
            let remedy = format!("its mixer cannot be opened ({error}); set mixer_card in board.toml");
            AudioError::Open(card.clone(), remedy)
        })?;
        let mut settings = Vec::new();
        for setting in &wiring.mixer {
            let Some(route) = Route::from_name(&setting.route) else {
                return Err(AudioError::Open(card, format!("no route is called `{}`", setting.route)));
            };
            let id = SelemId::new(&setting.control, 0);
            if mixer.find_selem(&id).is_some() {
                settings.push((route, id, setting.percent));
            } else if !elsewhere(route) {
                return Err(AudioError::Open(
                    card.clone(),
                    format!("its mixer has no `{}`; `amixer -D {card} scontrols` lists what it has", setting.control),
                ));
            }
        }
        Ok((!settings.is_empty()).then_some(Self { card, mixer: Some(mixer), settings }))
    }

    /// Sets every control of `route`. A mixer that went away with its card is opened again.
    ///
    /// # Errors
    /// [`AudioError::Lost`] with the card and what ALSA said.
    pub fn set(&mut self, route: Route) -> Result<(), AudioError> {
        if let Some(mixer) = &self.mixer
            && self.set_on(mixer, route).is_ok()
        {
            return Ok(());
        }
        self.mixer = None;
        let done = open(&self.card).and_then(|mixer| {
            self.set_on(&mixer, route)?;
            self.mixer = Some(mixer);
            Ok(())
        });
        done.map_err(|error| AudioError::Lost(format!("the mixer of {}: {error}", self.card)))
    }

    fn set_on(&self, mixer: &Mixer, route: Route) -> Result<(), alsa::Error> {
        for (_, id, percent) in self.settings.iter().filter(|(of, ..)| *of == route) {
            if let Some(control) = mixer.find_selem(id) {
                set(&control, *percent)?;
            }
        }
        Ok(())
    }
}

fn open(card: &str) -> Result<Mixer, alsa::Error> {
    crate::alsa_audio::quieten();
    Mixer::new(card, false)
}

/// A control that can do both directions is a microphone's: its playback side would be side tone past the telephone.
fn set(control: &Selem<'_>, percent: u8) -> Result<(), alsa::Error> {
    let on = i32::from(percent > 0);
    if control.has_capture_volume() || control.has_capture_switch() {
        if control.has_capture_volume() {
            control.set_capture_volume_all(part(control.get_capture_volume_range(), percent))?;
        }
        if control.has_capture_switch() {
            control.set_capture_switch_all(on)?;
        }
        return Ok(());
    }
    if control.has_playback_volume() {
        control.set_playback_volume_all(part(control.get_playback_volume_range(), percent))?;
    }
    if control.has_playback_switch() {
        control.set_playback_switch_all(on)?;
    }
    Ok(())
}

fn part((least, most): (i64, i64), percent: u8) -> i64 {
    let span = most.saturating_sub(least);
    let share = span.saturating_mul(i64::from(percent.min(100)));
    least.saturating_add(share.saturating_add(50) / 100)
}

/// The card with the controls of the board.
pub fn mixer_card(wiring: &AudioWiring) -> String {
    wiring.mixer_card.clone().unwrap_or_else(|| card_of(&wiring.playback))
}

/// The card of a PCM name: `plughw:CARD=Codec,DEV=0` has its mixer at `hw:CARD=Codec`.
pub fn card_of(pcm: &str) -> String {
    match pcm.strip_prefix("plughw:").or_else(|| pcm.strip_prefix("hw:")) {
        Some(device) => format!("hw:{}", device.split(',').next().unwrap_or(device)),
        None => pcm.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixer_of_a_pcm_is_that_of_its_card() {
        assert_eq!(card_of("plughw:CARD=Codec,DEV=0"), "hw:CARD=Codec");
        assert_eq!(card_of("hw:1,0"), "hw:1");
        assert_eq!(card_of("default"), "default");
    }

    #[test]
    fn percent_spans_the_range_of_the_control() {
        assert_eq!(part((0, 127), 0), 0);
        assert_eq!(part((0, 127), 100), 127);
        assert_eq!(part((-100, 100), 50), 0);
        assert_eq!(part((0, 65_536), 60), 39_322);
        assert_eq!(part((5, 5), 70), 5);
    }
}
