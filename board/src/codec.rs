//! Simple mixer controls of codecs that boards name, so that a misspelt control is refused where it is written and not
//! first on the board. Only those that percent can set: enumerations are left out.

/// A codec whose controls are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Wolfson/Cirrus WM8960
    Wm8960,
}

/// `sound/soc/codecs/wm8960.c` of Linux 6.12, with the endings that alsa-lib takes off.
const WM8960: [&str; 44] = [
    "3D",
    "ADC High Pass Filter",
    "ADC PCM",
    "ALC Attack",
    "ALC Decay",
    "ALC Hold Time",
    "ALC Max Gain",
    "ALC Min Gain",
    "ALC Target",
    "Capture",
    "Capture Volume ZC",
    "DAC Deemphasis",
    "Headphone",
    "Headphone Playback ZC",
    "Left Boost Mixer LINPUT1",
    "Left Boost Mixer LINPUT2",
    "Left Boost Mixer LINPUT3",
    "Left Input Boost Mixer LINPUT1",
    "Left Input Boost Mixer LINPUT2",
    "Left Input Boost Mixer LINPUT3",
    "Left Input Mixer Boost",
    "Left Output Mixer Boost Bypass",
    "Left Output Mixer LINPUT3",
    "Left Output Mixer PCM",
    "Mono Output Mixer Left",
    "Mono Output Mixer Right",
    "Noise Gate",
    "Noise Gate Threshold",
    "PCM Playback -6dB",
    "Playback",
    "Right Boost Mixer RINPUT1",
    "Right Boost Mixer RINPUT2",
    "Right Boost Mixer RINPUT3",
    "Right Input Boost Mixer RINPUT1",
    "Right Input Boost Mixer RINPUT2",
    "Right Input Boost Mixer RINPUT3",
    "Right Input Mixer Boost",
    "Right Output Mixer Boost Bypass",
    "Right Output Mixer PCM",
    "Right Output Mixer RINPUT3",
    "Speaker",
    "Speaker AC",
    "Speaker DC",
    "Speaker Playback ZC",
];

impl Codec {
    /// Names a board may give, for error texts.
    pub(crate) const NAMES: &'static str = "wm8960";

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        (name == Self::Wm8960.name()).then_some(Self::Wm8960)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wm8960 => "wm8960",
        }
    }

    pub(crate) fn has(self, control: &str) -> bool {
        self.controls().contains(&control)
    }

    /// The three controls whose names are nearest, for error texts.
    pub(crate) fn nearest(self, control: &str) -> String {
        let mut known: Vec<&str> = self.controls().to_vec();
        known.sort_by_key(|name| distance(name, control));
        known.truncate(3);
        known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    fn controls(self) -> &'static [&'static str] {
        match self {
            Self::Wm8960 => &WM8960,
        }
    }
}

/// Insertions, deletions and replacements from one name to the other (Levenshtein), case aside.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().take(64).collect();
    let mut costs: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in (1..).zip(one.to_lowercase().chars()) {
        let mut corner = costs[0];
        costs[0] = row;
        for (column, wanted) in (1..).zip(&other) {
            let replaced = corner + usize::from(letter != *wanted);
            corner = costs[column];
            costs[column] = replaced.min(costs[column] + 1).min(costs[column - 1] + 1);
        }
    }
    costs[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_control_finds_the_one_that_was_meant() {
        let codec = Codec::from_name("wm8960").unwrap();
        assert!(codec.has("Left Output Mixer PCM") && !codec.has("left output mixer pcm"));
        assert!(codec.nearest("Headphne").starts_with("`Headphone`"));
        assert!(codec.nearest("left output PCM").contains("`Left Output Mixer PCM`"));
        assert_eq!(Codec::from_name("wm9999"), None);
    }

    #[test]
    fn distance_counts_single_changes() {
        for (one, other, changes) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("PCM", "pcm", 0)]
        {
            assert_eq!(distance(one, other), changes, "{one} {other}");
        }
    }
}
