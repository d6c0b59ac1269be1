//! `[panel.lamps]` and `[panel.colours]`: where the lights are, how bright, in which colour.

use std::ops::Range;

use offhook_hal::{Lamp, Pattern};
use toml::Spanned;

use super::panel::weak_high;
use super::pins::Used;
use super::shape::{ColourFile, LampFile, LightFile, Named};
use super::{Checked, Reading};
use crate::{Colour, LampWiring, LightPlace, LightWiring};

impl Reading<'_> {
    pub(super) fn lamp(
        &self,
        name: &Spanned<String>,
        wiring: Spanned<LampFile>,
        lamp_keys: u8,
        used: &mut Used<'_>,
    ) -> Checked<(Lamp, LampWiring)> {
        let Some(lamp) = Lamp::from_name(name.get_ref()) else {
            let reason = format!(
                "no lamp is called `{}`: use line1 to line4, key1 and up, message, mute, speaker or headset",
                name.get_ref()
            );
            return Err(self.refuse(name.span(), reason));
        };
        if let Lamp::Key(number) = lamp
            && number > lamp_keys
        {
            return Err(self.beyond(name.span(), name.get_ref(), lamp_keys));
        }
        let span = wiring.span();
        let LampFile { pin, led, pwm, brightness, active_low, red, green, amber, blue, white } = wiring.into_inner();
        let plain = pin.is_some() || led.is_some() || pwm.is_some() || brightness.is_some() || active_low.is_some();
        let coloured = [
            (Colour::Red, red),
            (Colour::Green, green),
            (Colour::Amber, amber),
            (Colour::Blue, blue),
            (Colour::White, white),
        ];
        let coloured: Vec<_> =
            coloured.into_iter().filter_map(|(colour, light)| light.map(|light| (colour, light))).collect();
        if plain && !coloured.is_empty() {
            let reason = "a lamp has one light, or a light per colour: write place, brightness and active_low inside each colour";
            return Err(self.refuse(span, reason));
        }
        let mut lights = Vec::new();
        if coloured.is_empty() {
            let light = LightFile { pin, led, pwm, brightness, active_low };
            lights.push((None, self.light(light, span, lamp, used)?));
        }
        for (colour, light) in coloured {
            let span = light.span();
            lights.push((Some(colour), self.light(light.into_inner(), span, lamp, used)?));
        }
        Ok((lamp, LampWiring { lights }))
    }

    fn light(&self, file: LightFile, span: Range<usize>, lamp: Lamp, used: &mut Used<'_>) -> Checked<LightWiring> {
        let active_low = file.active_low.as_ref().is_some_and(|active_low| *active_low.get_ref());
        let place = match (file.pin, file.led, file.pwm) {
            (Some(pin), None, None) => {
                let place = used.pin(&pin, &format!("lamp {}", lamp.name()))?;
                if !active_low && weak_high(used, place) {
                    let reason = "a PCF857x gives only 0.1 mA from a high pin: wire the LED from the supply into the pin and write active_low = true";
                    return Err(self.refuse(pin.span(), reason));
                }
                LightPlace::Pin(place)
            }
            (None, Some(led), None) => {
                let proper = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
                if !proper(led.get_ref()) || led.get_ref().contains(char::is_control) {
                    let reason = format!("`{}` is no LED: name one as `ls /sys/class/leds` prints it", led.get_ref());
                    return Err(self.refuse(led.span(), reason));
                }
                LightPlace::Led(led.into_inner())
            }
            (None, None, Some(pwm)) => {
                let pwm = pwm.into_inner();
                LightPlace::Pwm { chip: pwm.chip, channel: pwm.channel }
            }
            _ => {
                return Err(self.refuse(
                    span,
                    "a light is in one place: write { pin = 21 }, { led = \"name\" } or { pwm = { chip = 0, channel = 1 } }",
                ));
            }
        };
        used.light(&place, span, lamp)?;
        if let (Some(given), LightPlace::Led(_)) = (&file.active_low, &place) {
            let reason =
                "the driver of an LED device knows its polarity: remove active_low, or set it in the device tree";
            return Err(self.refuse(given.span(), reason));
        }
        let brightness = match file.brightness {
            None => 100,
            Some(given) => {
                let percent = *given.get_ref();
                let proper = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
                let Some(proper) = proper else {
                    return Err(self.refuse(given.span(), "a light is 1 to 100 percent bright: write that"));
                };
                if proper < 100 && matches!(place, LightPlace::Pin(_)) {
                    let reason = "a pin can only be on or off: remove brightness and choose another resistor, or use a pwm channel";
                    return Err(self.refuse(given.span(), reason));
                }
                proper
            }
        };
        Ok(LightWiring { place, brightness, active_low })
    }

    /// Which colour in which pattern.
    pub(super) fn colours(
        &self,
        file: Named<Spanned<ColourFile>>,
        lamps: &[(Lamp, LampWiring)],
    ) -> Checked<Vec<(Pattern, Colour)>> {
        let mut colours = Vec::new();
        for (name, colour) in file {
            let pattern = Pattern::from_name(name.get_ref()).filter(|pattern| *pattern != Pattern::Off);
            let Some(pattern) = pattern else {
                let reason =
                    format!("no lamp shines in the pattern `{}`: use on, slow, fast, flutter or wink", name.get_ref());
                return Err(self.refuse(name.span(), reason));
            };
            let wanted = Colour::from(*colour.get_ref());
            if !lamps.iter().any(|(_, lamp)| can_show(lamp, wanted)) {
                let reason = format!(
                    "no lamp can shine {}: give one a light of that colour under [panel.lamps], or use a colour it has",
                    wanted.name()
                );
                return Err(self.refuse(colour.span(), reason));
            }
            colours.push((pattern, wanted));
        }
        Ok(colours)
    }
}

fn can_show(lamp: &LampWiring, colour: Colour) -> bool {
    let has = |colour| lamp.lights.iter().any(|(of, _)| *of == Some(colour));
    has(colour) || (colour == Colour::Amber && has(Colour::Red) && has(Colour::Green))
}

impl From<ColourFile> for Colour {
    fn from(file: ColourFile) -> Self {
        match file {
            ColourFile::Red => Self::Red,
            ColourFile::Green => Self::Green,
            ColourFile::Amber => Self::Amber,
            ColourFile::Blue => Self::Blue,
            ColourFile::White => Self::White,
        }
    }
}
