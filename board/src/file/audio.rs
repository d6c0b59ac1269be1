//! `[audio]`: the sound card, its mixer, what is special on a route.

use offhook_hal::Route;
use toml::Spanned;

use super::shape::{AudioFile, Named, RouteFile};
use super::{Checked, Reading};
use crate::codec::Codec;
use crate::{AudioWiring, MixerSetting, RouteWiring};

/// Rates the codecs can be resampled to cheaply [Hz].
const RATES: [u32; 5] = [8_000, 16_000, 24_000, 32_000, 48_000];
/// Software levels [dB]: beyond, a wire or a mixer control is wrong.
const LEVELS_DB: std::ops::RangeInclusive<i32> = -40..=20;
/// Controls under this name are set on every route, unless the route says otherwise.
const EVERY: &str = "every";

impl Reading<'_> {
    pub(super) fn audio(&self, file: AudioFile) -> Checked<AudioWiring> {
        let rate = *file.rate.get_ref();
        if !RATES.contains(&rate) {
            let reason = format!(
                "a rate of {rate} Hz is not used here: write 16000 or 48000 (8000, 24000 and 32000 work too), and a plughw: device if the card cannot"
            );
            return Err(self.refuse(file.rate.span(), reason));
        }
        let period = *file.period.get_ref();
        let (shortest, longest) = (rate as usize / 400, rate as usize * 6 / 100);
        if period < shortest || period > longest {
            let reason = format!(
                "a period of {period} samples cannot be at {rate} Hz: use {shortest} to {longest}, {} is 10 ms",
                rate / 100
            );
            return Err(self.refuse(file.period.span(), reason));
        }
        let periods = *file.periods.get_ref();
        if !(2..=16).contains(&periods) {
            let reason = format!("a playback buffer of {periods} periods cannot be: use 2 to 16, 3 is usual");
            return Err(self.refuse(file.periods.span(), reason));
        }
        let mixer_card = match file.mixer_card {
            Some(card) => Some(self.filled(card, "mixer_card")?.into_inner()),
            None => None,
        };
        let codec = match &file.codec {
            Some(name) => Some(Codec::from_name(name.get_ref()).ok_or_else(|| {
                let reason = format!(
                    "the controls of a `{}` are not known here: use {}, or remove codec and look at `amixer scontrols`",
                    name.get_ref(),
                    Codec::NAMES
                );
                self.refuse(name.span(), reason)
            })?),
            None => None,
        };
        let mut routes = Vec::new();
        for (name, route) in file.routes {
            routes.push(self.route(&name, route)?);
        }
        Ok(AudioWiring {
            playback: self.filled(file.playback, "playback")?.into_inner(),
            capture: self.filled(file.capture, "capture")?.into_inner(),
            rate,
            period,
            periods,
            mixer_card,
            mixer: self.mixer(file.mixer, codec)?,
            routes,
        })
    }

    /// The settings of every route in the order of the routes.
    fn mixer(&self, file: Named<Named<Spanned<u32>>>, codec: Option<Codec>) -> Checked<Vec<MixerSetting>> {
        let mut every: Vec<(String, u8)> = Vec::new();
        let mut special: Vec<(Route, String, u8)> = Vec::new();
        for (name, controls) in file {
            let route = match name.get_ref().as_str() {
                EVERY => None,
                _ => Some(self.route_named(&name)?),
            };
            for (control, percent) in controls {
                let control = self.control(control, codec)?;
                let proper = u8::try_from(*percent.get_ref()).ok().filter(|percent| *percent <= 100);
                let Some(proper) = proper else {
                    return Err(self.refuse(percent.span(), "a control goes from 0 to 100 percent: write that"));
                };
                match route {
                    None => every.push((control, proper)),
                    Some(route) => special.push((route, control, proper)),
                }
            }
        }
        let mut settings = Vec::new();
        for route in Route::ALL {
            let own = special.iter().filter(|(of, ..)| *of == route);
            let own: Vec<(&String, u8)> = own.map(|(_, control, percent)| (control, *percent)).collect();
            let common = every.iter().map(|(control, percent)| (control, *percent));
            let common = common.filter(|(control, _)| !own.iter().any(|(other, _)| other == control));
            for (control, percent) in common.chain(own.iter().copied()) {
                settings.push(MixerSetting { route: route.name().to_owned(), control: control.clone(), percent });
            }
        }
        Ok(settings)
    }

    fn control(&self, control: Spanned<String>, codec: Option<Codec>) -> Checked<String> {
        let control = self.filled(control, "the name of a control")?;
        if let Some(codec) = codec
            && !codec.has(control.get_ref())
        {
            let reason = format!(
                "a {} has no control `{}`: use {}",
                codec.name(),
                control.get_ref(),
                codec.nearest(control.get_ref())
            );
            return Err(self.refuse(control.span(), reason));
        }
        Ok(control.into_inner())
    }

    fn route(&self, name: &Spanned<String>, file: Spanned<RouteFile>) -> Checked<RouteWiring> {
        let span = file.span();
        let file = file.into_inner();
        let route = self.route_named(name)?;
        if route == Route::Off {
            return Err(self.refuse(span, "nothing sounds on route off: remove it"));
        }
        if file.playback.is_none() && file.capture.is_none() && file.output_db.is_none() && file.input_db.is_none() {
            let reason = "this route says nothing: write playback and capture, output_db or input_db, or remove it";
            return Err(self.refuse(span, reason));
        }
        let pcm = match (file.playback, file.capture) {
            (None, None) => None,
            (Some(playback), Some(capture)) => {
                Some((self.filled(playback, "playback")?.into_inner(), self.filled(capture, "capture")?.into_inner()))
            }
            _ => {
                let reason = "a route with a card of its own uses it both ways: write playback and capture";
                return Err(self.refuse(span, reason));
            }
        };
        Ok(RouteWiring { route, pcm, output_db: self.level(file.output_db)?, input_db: self.level(file.input_db)? })
    }

    fn route_named(&self, name: &Spanned<String>) -> Checked<Route> {
        Route::from_name(name.get_ref()).ok_or_else(|| {
            let reason = format!("no route is called `{}`: use handset, headset, speaker or off", name.get_ref());
            self.refuse(name.span(), reason)
        })
    }

    fn level(&self, given: Option<Spanned<i32>>) -> Checked<i8> {
        let Some(given) = given else { return Ok(0) };
        let proper = Some(*given.get_ref()).filter(|level| LEVELS_DB.contains(level));
        proper.and_then(|level| i8::try_from(level).ok()).ok_or_else(|| {
            let (least, most) = LEVELS_DB.into_inner();
            let reason = format!(
                "a level of {} dB cannot be set: use {least} to {most}, and the mixer or the wiring for the rest",
                given.get_ref()
            );
            self.refuse(given.span(), reason)
        })
    }
}
