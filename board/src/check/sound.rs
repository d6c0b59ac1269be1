//! The sound card beside a machine.

use super::{Findings, Severity, list};
use crate::AudioWiring;
use crate::machine::{Machine, Pcm, PcmTrial, SoundCard};

pub(super) fn missing(audio: &AudioWiring, machine: &Machine, found: &mut Findings) {
    let mut names = vec![
        ("[audio] playback".to_owned(), audio.playback.as_str(), true, Severity::Error),
        ("[audio] capture".to_owned(), audio.capture.as_str(), false, Severity::Error),
    ];
    for route in &audio.routes {
        if let Some((playback, capture)) = &route.pcm {
            // Its card may come and go: calls then use the board's own.
            let entry = |what: &str| format!("[audio.routes.{}] {what}", route.route.name());
            names.push((entry("playback"), playback, true, Severity::Warning));
            names.push((entry("capture"), capture, false, Severity::Warning));
        }
    }
    for (place, name, playback, severity) in names {
        pcm(&place, name, playback, severity, audio, machine, found);
    }
    mixer(audio, machine, found);
}

fn pcm(
    place: &str,
    name: &str,
    playback: bool,
    severity: Severity,
    audio: &AudioWiring,
    machine: &Machine,
    found: &mut Findings,
) {
    if let Some(card) = card_name(name)
        && card_named(card, machine).is_none()
    {
        let known = machine.sound_cards.iter().map(|card| &card.id);
        let remedy =
            format!("plug it in or load its driver, or name another; this machine has {}", list(known, "none"));
        found.add(severity, place, format!("there is no sound card `{card}`"), remedy);
        return;
    }
    let tried = |pcm: &&Pcm| pcm.name == name && pcm.playback == playback;
    match machine.pcms.iter().find(tried).map(|pcm| &pcm.trial) {
        None => {}
        Some(PcmTrial::Busy) => {
            let remedy = "stop it (`fuser -v /dev/snd/*` names it)";
            found.add(severity, place, format!("another program has `{name}`"), remedy);
        }
        Some(PcmTrial::Fails(reason)) => {
            let remedy = "try a plughw: device, another rate or period, and `aplay -L` for names";
            found.add(severity, place, format!("`{name}` does not open ({reason})"), remedy);
        }
        Some(PcmTrial::Opens { rate, period, periods, channels })
            if (*rate, *period, *periods) != (audio.rate, audio.period, audio.periods) =>
        {
            let problem = format!(
                "`{name}` gives {rate} Hz, periods of {period}, {periods} of them, {channels} channels; the board asks for {} Hz, {}, {}",
                audio.rate, audio.period, audio.periods
            );
            found.note(place, problem, "it works; other values in board.toml may save a conversion or some delay");
        }
        Some(PcmTrial::Opens { .. }) => {}
    }
}

fn mixer(audio: &AudioWiring, machine: &Machine, found: &mut Findings) {
    if audio.mixer.is_empty() {
        return;
    }
    let Some(card) = mixer_card(audio, machine) else {
        let name = audio.mixer_card.as_deref().unwrap_or(&audio.playback);
        found.error(
            "[audio] mixer_card",
            format!("`{name}` is no card of this machine"),
            "write hw:CARD=<id> (`aplay -l`)",
        );
        return;
    };
    let mut said: Vec<&str> = Vec::new();
    for setting in &audio.mixer {
        if card.mixer.contains(&setting.control) || said.contains(&setting.control.as_str()) {
            continue;
        }
        said.push(&setting.control);
        let place = format!("[audio.mixer.{}] {}", setting.route, setting.control);
        let remedy = format!("it has {}; correct the name or remove it", list(&card.mixer, "none"));
        found.error(place, format!("card {} has no control `{}`", card.id, setting.control), remedy);
    }
}

/// The card with the board's mixer.
pub(super) fn mixer_card<'a>(audio: &AudioWiring, machine: &'a Machine) -> Option<&'a SoundCard> {
    let name = audio.mixer_card.as_deref().unwrap_or(&audio.playback);
    card_named(card_name(name)?, machine)
}

/// The card in a PCM or mixer name that says one: `plughw:CARD=Codec,DEV=0`, `hw:1,0`, `sysdefault:Codec`.
fn card_name(pcm: &str) -> Option<&str> {
    let (plugin, arguments) = pcm.split_once(':')?;
    if !matches!(plugin, "hw" | "plughw" | "sysdefault" | "front" | "dmix" | "dsnoop") {
        return None;
    }
    let named = arguments.split(',').find_map(|argument| argument.strip_prefix("CARD="));
    let card = named.or_else(|| arguments.split(',').next())?.trim();
    (!card.is_empty() && !card.contains('=')).then_some(card)
}

fn card_named<'a>(name: &str, machine: &'a Machine) -> Option<&'a SoundCard> {
    let number = name.parse::<u32>().ok();
    machine.sound_cards.iter().find(|card| card.id == name || Some(card.number) == number)
}

#[cfg(test)]
mod tests {
    use super::card_name;

    #[test]
    fn a_pcm_name_says_its_card_or_does_not() {
        for (pcm, card) in [
            ("plughw:CARD=Codec,DEV=0", Some("Codec")),
            ("hw:DEV=0,CARD=Codec", Some("Codec")),
            ("hw:1,0", Some("1")),
            ("hw:Codec", Some("Codec")),
            ("default", None),
            ("pulse", None),
            ("file:/tmp/x", None),
            ("hw:", None),
            ("hw:DEV=0", None),
        ] {
            assert_eq!(card_name(pcm), card, "{pcm}");
        }
    }
}
