//! What is agreed with a sound card: a pure function of what the card offers and what the board wants.
//!
//! The board's rate is taken if the card has it, else the one from which the [`Resampler`](crate::resampler::Resampler)
//! has the least to do: a whole multiple, then any higher one, then the highest there is. One or two channels are taken
//! as they are. What is left (another sample format, more channels) is for ALSA's `plug`.

use std::fmt;

use crate::AudioFormat;

/// Rates a card is asked about [Hz].
pub const RATES: [u32; 10] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000];
/// Periods of room in the playback buffer above what the board wants to lie ahead: room costs no delay, and without it
/// a beat that comes early finds no place.
pub const ROOM_PERIODS: usize = 2;
/// Periods in the capture buffer: a thread that was held up finds everything still there.
const CAPTURE_PERIODS: usize = 16;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// from the microphone
    Capture,
    /// to the ear
    Playback,
}

/// What a card can do in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// it takes native 16 bit samples
    pub s16: bool,
    /// channels: from, to
    pub channels: (u32, u32),
    /// those of [`RATES`] and of the board's rate that it can do
    pub rates: Vec<u32>,
    /// frames per period: from, to
    pub period: (usize, usize),
    /// frames in its buffer: from, to
    pub buffer: (usize, usize),
}

/// What to ask the card for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// [Hz]
    pub rate: u32,
    /// 1 or 2
    pub channels: u32,
    /// [frames]
    pub period: usize,
    /// [frames]
    pub buffer: usize,
}

/// Why a card cannot be used as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortfall {
    /// no native 16 bit samples
    Format,
    /// neither one nor two channels
    Channels,
    /// no rate that can be converted
    Rate,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "it takes no 16 bit samples",
            Self::Channels => "it has neither one nor two channels",
            Self::Rate => "it has none of the usual rates",
        })
    }
}

/// Decides.
///
/// # Errors
/// What the card lacks; ALSA's `plug` in front of it may help.
pub fn negotiate(offer: &Offer, wanted: AudioFormat, way: Way) -> Result<Terms, Shortfall> {
    if !offer.s16 {
        return Err(Shortfall::Format);
    }
    let has = |channels| (offer.channels.0..=offer.channels.1).contains(&channels);
    let channels = [1, 2].into_iter().find(|channels| has(*channels)).ok_or(Shortfall::Channels)?;
    let rate = best_rate(&offer.rates, wanted.rate).ok_or(Shortfall::Rate)?;
    let period = in_frames(wanted.period, wanted.rate, rate).clamp(offer.period.0, offer.period.1.max(offer.period.0));
    let periods = match way {
        Way::Capture => CAPTURE_PERIODS,
        Way::Playback => wanted.periods.max(2) + ROOM_PERIODS,
    };
    // Two periods at least, however large the card makes them, or it has none to fill while it plays the other.
    let buffer = in_frames(wanted.period * periods, wanted.rate, rate).max(2 * period);
    let buffer = buffer.clamp(offer.buffer.0, offer.buffer.1.max(offer.buffer.0));
    Ok(Terms { rate, channels, period, buffer })
}

/// Samples at one rate as frames at another, to the nearest.
pub fn in_frames(samples: usize, from: u32, to: u32) -> usize {
    let frames = (samples as u64 * u64::from(to) + u64::from(from) / 2).checked_div(u64::from(from)).unwrap_or(0);
    usize::try_from(frames).unwrap_or(usize::MAX)
}

fn best_rate(offered: &[u32], wanted: u32) -> Option<u32> {
    let usable = offered.iter().copied().filter(|rate| crate::resampler::Resampler::new(*rate, wanted).is_some());
    usable.min_by_key(|rate| match *rate {
        rate if rate == wanted => (0, 0),
        rate if rate.is_multiple_of(wanted) => (1, rate),
        rate if rate > wanted => (2, rate),
        rate => (3, u32::MAX - rate),
    })
}

/// What was agreed in the end, for the log and for those who look for a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// the name that was opened, with `plug` if it was needed
    pub device: String,
    /// which way
    pub way: Way,
    /// what the card does
    pub terms: Terms,
    /// what the board wants, and gets
    pub wanted: AudioFormat,
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, way, terms: Terms { rate, channels, period, buffer }, wanted } = self;
        let way = match way {
            Way::Capture => "capture",
            Way::Playback => "playback",
        };
        let channels = if *channels == 1 { "mono" } else { "stereo" };
        let ms = |frames: usize| frames as f64 * 1_000.0 / f64::from((*rate).max(1));
        write!(f, "{way} {device}: {rate} Hz {channels}, ")?;
        write!(f, "period {:.1} ms, buffer {:.1} ms", ms(*period), ms(*buffer))?;
        if *rate != wanted.rate {
            write!(f, ", converted to {} Hz", wanted.rate)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WANTED: AudioFormat = AudioFormat { rate: 16_000, period: 160, periods: 3 };

    fn offer(rates: &[u32]) -> Offer {
        Offer { s16: true, channels: (1, 2), rates: rates.to_vec(), period: (16, 8_192), buffer: (32, 65_536) }
    }

    #[test]
    fn a_card_that_can_do_it_does_it() {
        let terms = negotiate(&offer(&RATES), WANTED, Way::Playback).unwrap();
        assert_eq!(terms, Terms { rate: 16_000, channels: 1, period: 160, buffer: 800 });
        assert_eq!(negotiate(&offer(&RATES), WANTED, Way::Capture).unwrap().buffer, 2_560);
    }

    #[test]
    fn a_usb_card_with_48_khz_only_is_taken_there() {
        let mut usb = offer(&[44_100, 48_000]);
        usb.channels = (2, 2);
        let terms = negotiate(&usb, WANTED, Way::Playback).unwrap();
        assert_eq!(terms, Terms { rate: 48_000, channels: 2, period: 480, buffer: 2_400 });
    }

    #[test]
    fn the_rate_with_the_least_to_do_wins() {
        let rate = |rates: &[u32]| negotiate(&offer(rates), WANTED, Way::Capture).map(|terms| terms.rate);
        assert_eq!(rate(&[8_000, 32_000, 48_000]), Ok(32_000));
        assert_eq!(rate(&[192_000, 96_000, 44_100]), Ok(96_000));
        assert_eq!(rate(&[44_100, 22_050]), Ok(22_050));
        assert_eq!(rate(&[8_000, 11_025]), Ok(11_025));
        assert_eq!(rate(&[]), Err(Shortfall::Rate));
    }

    #[test]
    fn periods_and_buffers_bend_to_the_card() {
        let mut coarse = offer(&[16_000]);
        coarse.period = (1_024, 1_024);
        let terms = negotiate(&coarse, WANTED, Way::Playback).unwrap();
        assert_eq!((terms.period, terms.buffer), (1_024, 2_048));
        let mut small = offer(&[16_000]);
        small.buffer = (64, 512);
        assert_eq!(negotiate(&small, WANTED, Way::Capture).unwrap().buffer, 512);
    }

    #[test]
    fn what_needs_a_plug_says_why() {
        let mut card = offer(&[48_000]);
        card.channels = (8, 8);
        assert_eq!(negotiate(&card, WANTED, Way::Playback), Err(Shortfall::Channels));
        card.s16 = false;
        assert_eq!(negotiate(&card, WANTED, Way::Playback), Err(Shortfall::Format));
    }

    #[test]
    fn what_was_agreed_reads_well() {
        let terms = negotiate(&offer(&[48_000]), WANTED, Way::Playback).unwrap();
        let agreed = Agreed { device: "hw:1,0".into(), way: Way::Playback, terms, wanted: WANTED };
        assert_eq!(
            agreed.to_string(),
            "playback hw:1,0: 48000 Hz mono, period 10.0 ms, buffer 50.0 ms, converted to 16000 Hz"
        );
    }

    proptest! {
        #[test]
        fn what_is_asked_for_was_offered(
            s16 in any::<bool>(), channels in (1_u32..10, 0_u32..4), mask in 0_u32..1024,
            period in (1_usize..3_000, 0_usize..9_000), buffer in (2_usize..3_000, 0_usize..90_000), playback in any::<bool>(),
        ) {
            let rates: Vec<u32> = RATES.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, r)| *r).collect();
            let card = Offer {
                s16, channels: (channels.0, channels.0 + channels.1), rates,
                period: (period.0, period.0 + period.1), buffer: (buffer.0, buffer.0 + buffer.1),
            };
            match negotiate(&card, WANTED, if playback { Way::Playback } else { Way::Capture }) {
                Ok(terms) => {
                    prop_assert!(card.s16 && card.rates.contains(&terms.rate));
                    prop_assert!((card.channels.0..=card.channels.1).contains(&terms.channels));
                    prop_assert!((card.period.0..=card.period.1).contains(&terms.period));
                    prop_assert!((card.buffer.0..=card.buffer.1).contains(&terms.buffer));
                }
                Err(Shortfall::Format) => prop_assert!(!card.s16),
                Err(Shortfall::Channels) => prop_assert!(card.channels.0 > 2),
                Err(Shortfall::Rate) => prop_assert!(card.rates.is_empty()),
            }
        }
    }
}
