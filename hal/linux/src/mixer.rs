//! Mixer settings per route: which controls of the card go where when the handset, the headset or the loudspeaker is in
//! use. Everything is looked up when the card is opened, so that changing the route neither searches nor allocates.

use alsa::mixer::{Mixer, Selem, SelemId};
use offhook_board::AudioWiring;
use offhook_hal::{AudioError, Route};

pub(crate) struct RouteMixer {
    mixer: Mixer,
    settings: Vec<(Route, SelemId, u8)>,
}

impl RouteMixer {
    /// `None` if the board sets nothing.
    pub(crate) fn open(wiring: &AudioWiring) -> Result<Option<Self>, AudioError> {
        if wiring.mixer.is_empty() {
            return Ok(None);
        }
        let card = match &wiring.mixer_card {
            Some(card) => card.clone(),
            None => card_of(&wiring.playback),
        };
        let mixer = Mixer::new(&card, false).map_err(|error| {
            AudioError::Open(
                card.clone(),
                format!("its mixer cannot be opened ({error}); set mixer_card in board.toml"),
            )
        })?;
        let mut settings = Vec::new();
        for setting in &wiring.mixer {
            let Some(route) = Route::from_name(&setting.route) else {
                return Err(AudioError::Open(card, format!("no route is called `{}`", setting.route)));
            };
            let id = SelemId::new(&setting.control, 0);
            if mixer.find_selem(&id).is_none() {
                return Err(AudioError::Open(
                    card.clone(),
                    format!("its mixer has no `{}`; `amixer -D {card} scontrols` lists what it has", setting.control),
                ));
            }
            settings.push((route, id, setting.percent));
        }
        Ok(Some(Self { mixer, settings }))
    }

    /// Sets every control of `route`.
    pub(crate) fn set(&self, route: Route) -> Result<(), alsa::Error> {
        for (_, id, percent) in self.settings.iter().filter(|(of, ..)| *of == route) {
            if let Some(control) = self.mixer.find_selem(id) {
                set(&control, *percent)?;
            }
        }
        Ok(())
    }
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

/// The card of a PCM name: `plughw:CARD=Codec,DEV=0` has its mixer at `hw:CARD=Codec`.
fn card_of(pcm: &str) -> String {
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
