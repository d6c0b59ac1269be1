//! Which lights of a lamp are lit in which pattern, and how a light is switched: by a pin, an LED of the kernel, or a
//! PWM channel.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use embedded_hal::pwm::SetDutyCycle;
use offhook_board::{Colour, LampWiring, LightPlace};
use offhook_hal::{PanelError, Pattern};

use crate::pwm::{self, PwmChannel};

const LEDS: &str = "/sys/class/leds";

/// The lights that a lamp lights in a pattern, one bit each.
///
/// A pattern that the board gives no colour shows the lamp's first one; so does a colour the lamp has not. Amber is red
/// and green together where there is no amber light.
pub(super) fn shown(lamp: &LampWiring, colours: &[(Pattern, Colour)], pattern: Pattern) -> u32 {
    if pattern == Pattern::Off {
        return 0;
    }
    let light = |colour: Colour| {
        let index = lamp.lights.iter().position(|(known, _)| *known == Some(colour))?;
        1_u32.checked_shl(u32::try_from(index).ok()?)
    };
    let wanted = colours.iter().find(|(known, _)| *known == pattern).map(|(_, colour)| *colour);
    let both = || Some(light(Colour::Red)? | light(Colour::Green)?);
    wanted.and_then(|colour| light(colour).or_else(|| both().filter(|_| colour == Colour::Amber))).unwrap_or(1)
}

/// One light that is no pin.
pub(super) enum Device {
    Led { brightness: File, most: u32 },
    Pwm(PwmChannel),
}

/// What a place is called in reports.
pub(super) fn name(place: &LightPlace) -> String {
    match place {
        LightPlace::Pin(pin) => format!("{pin:?}"),
        LightPlace::Led(name) => format!("{LEDS}/{name}"),
        LightPlace::Pwm { chip, channel } => format!("{}/pwmchip{chip}/pwm{channel}", pwm::CLASS),
    }
}

/// Opens the device at a place that is no pin.
pub(super) fn open(place: &LightPlace) -> Result<Option<Device>, PanelError> {
    match place {
        LightPlace::Pin(_) => Ok(None),
        LightPlace::Led(name) => led(Path::new(LEDS), name).map(Some),
        LightPlace::Pwm { chip, channel } => {
            PwmChannel::open(Path::new(pwm::CLASS), *chip, *channel).map(|channel| Some(Device::Pwm(channel))).map_err(
                |(path, error)| {
                    let remedy = format!("the PWM channel cannot be had ({error}); `ls {}` lists the chips, a udev rule gives them to the group `gpio`", pwm::CLASS);
                    PanelError::Device(path.display().to_string(), remedy)
                },
            )
        }
    }
}

impl Device {
    /// Makes it shine so bright [%].
    pub(super) fn light(&mut self, percent: u8) -> std::io::Result<()> {
        match self {
            Self::Led { brightness, most } => {
                // What is to be lit must not be rounded into darkness.
                let level = (u64::from(*most) * u64::from(percent)).div_ceil(100);
                brightness.rewind()?;
                brightness.write_all(level.to_string().as_bytes())
            }
            Self::Pwm(channel) => channel.set_duty_cycle_percent(percent.min(100)).map_err(|error| error.0),
        }
    }
}

fn led(class: &Path, name: &str) -> Result<Device, PanelError> {
    let folder = class.join(name);
    let refuse = |remedy: String| PanelError::Device(folder.display().to_string(), remedy);
    let most = std::fs::read_to_string(folder.join("max_brightness")).map_err(|error| {
        refuse(format!("there is no such LED ({error}); `ls {}` lists those there are", class.display()))
    })?;
    // A trigger (heartbeat, disk) would switch the lamp behind our back; not every LED has one.
    let _ = std::fs::write(folder.join("trigger"), "none");
    let brightness = File::options().write(true).open(folder.join("brightness")).map_err(|error| {
        refuse(format!("cannot be switched by this user ({error}); a udev rule gives it to the group `gpio`"))
    })?;
    Ok(Device::Led { brightness, most: most.trim().parse().unwrap_or(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_board::{LightWiring, Pin};
    use proptest::prelude::*;

    fn lamp(colours: &[Option<Colour>]) -> LampWiring {
        let light = LightWiring { place: LightPlace::Pin(Pin::Line(1)), brightness: 100, active_low: false };
        LampWiring { lights: colours.iter().map(|colour| (*colour, light.clone())).collect() }
    }

    #[test]
    fn a_pattern_shows_its_colour_where_the_lamp_has_it() {
        let colours = [(Pattern::Fast, Colour::Green), (Pattern::Slow, Colour::Amber), (Pattern::Wink, Colour::Blue)];
        let two = lamp(&[Some(Colour::Red), Some(Colour::Green)]);
        let shows = |lamp: &LampWiring, pattern| shown(lamp, &colours, pattern);
        assert_eq!(shows(&two, Pattern::On), 0b01, "no colour said: the first");
        assert_eq!(shows(&two, Pattern::Fast), 0b10);
        assert_eq!(shows(&two, Pattern::Slow), 0b11, "amber of red and green");
        assert_eq!(shows(&two, Pattern::Wink), 0b01, "it has no blue");
        assert_eq!(shows(&two, Pattern::Off), 0);
        let three = lamp(&[Some(Colour::Red), Some(Colour::Green), Some(Colour::Amber)]);
        assert_eq!(shows(&three, Pattern::Slow), 0b100, "an amber light of its own");
        assert_eq!(shows(&lamp(&[None]), Pattern::Slow), 0b1);
    }

    #[test]
    fn an_led_shines_as_bright_as_it_should_and_is_dark_at_nothing() {
        let class = std::env::temp_dir().join(format!("offhook-leds-{}", std::process::id()));
        let folder = class.join("offhook:line1");
        std::fs::create_dir_all(&folder).unwrap();
        let read = || std::fs::read_to_string(folder.join("brightness")).unwrap();
        for (most, percent, level) in [("255\n", 100, "255"), ("255\n", 20, "51"), ("1\n", 30, "1"), ("255\n", 0, "0")]
        {
            std::fs::write(folder.join("max_brightness"), most).unwrap();
            std::fs::write(folder.join("brightness"), "").unwrap();
            led(&class, "offhook:line1").unwrap().light(percent).unwrap();
            assert_eq!(read(), level);
        }
        let Err(PanelError::Device(path, remedy)) = led(&class, "absent") else { panic!("found") };
        assert!(path.ends_with("absent") && remedy.contains("ls "), "{path} {remedy}");
        std::fs::remove_dir_all(&class).unwrap();
    }

    proptest! {
        #[test]
        fn a_lit_pattern_lights_something_the_lamp_has(
            lights in prop::collection::vec(0_usize..5, 1..5), pattern in 0_usize..6, wanted in 0_usize..5,
        ) {
            const ALL: [Colour; 5] = [Colour::Red, Colour::Green, Colour::Amber, Colour::Blue, Colour::White];
            let lamp = lamp(&lights.iter().map(|colour| Some(ALL[*colour])).collect::<Vec<_>>());
            let pattern = Pattern::ALL[pattern];
            let lit = shown(&lamp, &[(pattern, ALL[wanted])], pattern);
            prop_assert_eq!(lit == 0, pattern == Pattern::Off);
            prop_assert_eq!(lit >> lights.len(), 0);
        }
    }
}
