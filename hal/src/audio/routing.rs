//! Which sound card a route uses, and when to open which. A machine: tell it what happened, then [`Routing::poll`] until
//! it waits.
//!
//! The board's card serves every route. A route may have a card of its own, such as a USB handset, which may be absent:
//! then the board's card serves it too, and the own one takes over as soon as it is there, in the middle of a call if
//! need be. A card that is lost is tried again at once, soon, and then at growing distances; that cards came or went makes
//! it soon again. A card that opens and dies at once is left alone for a while if there is another.
//!
//! Opening happens while the card before still sounds. Only if both are the same hardware it is released first.

use std::time::{Duration, Instant};

use crate::Route;

/// The board's card in the list of cards.
pub const BOARD: usize = 0;
/// Distances between tries: udev needs a moment to give a new device its group.
const TRIES: [Duration; 6] = [
    Duration::from_millis(30),
    Duration::from_millis(70),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(2_000),
];
/// A card that lived less than this has died at once,
const LIVED: Duration = Duration::from_secs(2);
/// and is left alone for so long.
const LEFT_ALONE: Duration = Duration::from_secs(5);

/// PCM names of a card: playback, capture.
pub type Pcms = (String, String);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Open this card, give it the levels of the route, put it to use, and say [`Routing::opened`].
    Open(usize, Route),
    /// Take the card in use out of use, close it, and say [`Routing::released`].
    Release,
    /// The card in use gets the levels of this route.
    Level(Route),
    /// Nothing before this time, unless something happens.
    Wait(Option<Instant>),
}

/// The machine.
#[derive(Debug)]
pub struct Routing {
    cards: Vec<Pcms>,
    own: Vec<(Route, usize)>,
    route: Route,
    levelled: bool,
    in_use: Option<usize>,
    since: Option<Instant>,
    /// the next try, while the best card is not in use
    again: Option<Instant>,
    tries: usize,
    work: Work,
    left_alone: Option<(usize, Instant)>,
}

/// Where a round of tries is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    None,
    /// look at this choice of the route
    Choose(usize),
    Opening(usize),
    Releasing(usize),
}

impl Routing {
    /// `board`: PCM names of the board's card; `own`: those of routes that have their own. Nothing is in use, the route
    /// is `Off`; the first step opens the board's card.
    pub fn new(now: Instant, board: Pcms, own: Vec<(Route, Pcms)>) -> Self {
        let mut cards = vec![board];
        let mut routes = Vec::new();
        for (route, pcms) in own {
            let known = cards.iter().position(|card| *card == pcms);
            let card = known.unwrap_or(cards.len());
            if known.is_none() {
                cards.push(pcms);
            }
            routes.push((route, card));
        }
        Self {
            cards,
            own: routes,
            route: Route::Off,
            levelled: true,
            in_use: None,
            since: None,
            again: Some(now),
            tries: 0,
            work: Work::None,
            left_alone: None,
        }
    }

    /// The board's card was opened before and is in use.
    pub fn begin_opened(&mut self, now: Instant) {
        (self.in_use, self.since, self.again) = (Some(BOARD), Some(now), None);
    }

    /// PCM names of a card.
    pub fn pcms(&self, card: usize) -> Option<&Pcms> {
        self.cards.get(card)
    }

    /// The card in use.
    pub fn in_use(&self) -> Option<usize> {
        self.in_use
    }

    /// Does the route use the best card it has?
    pub fn is_settled(&self) -> bool {
        self.in_use.is_some() && self.in_use == self.choice(0)
    }

    /// Sound shall go this way from now on.
    pub fn route(&mut self, now: Instant, route: Route) {
        if route == self.route {
            return;
        }
        self.route = route;
        self.levelled = false;
        self.soon(now);
    }

    /// What became of [`Step::Open`].
    pub fn opened(&mut self, now: Instant, success: bool) {
        let Work::Opening(choice) = self.work else { return };
        // The route may have changed meanwhile; then the card is in use all the same and the next round corrects it.
        if success {
            (self.in_use, self.since, self.levelled) = (self.choice(choice), Some(now), true);
            self.finish(now);
        } else {
            self.work = Work::Choose(choice + 1);
        }
    }

    /// The card in use went away, or the media thread has given it up.
    pub fn lost(&mut self, now: Instant) {
        if let Some(card) = self.in_use.take()
            && self.since.is_none_or(|since| now.saturating_duration_since(since) < LIVED)
        {
            self.left_alone = Some((card, now + LEFT_ALONE));
        } else {
            self.tries = 0;
        }
        self.plan(now);
    }

    /// The card in use is closed.
    pub fn released(&mut self, _: Instant) {
        if let Work::Releasing(choice) = self.work {
            self.in_use = None;
            self.work = Work::Choose(choice);
        }
    }

    /// Sound cards came or went.
    pub fn cards_changed(&mut self, now: Instant) {
        self.left_alone = None;
        if !self.is_settled() {
            self.tries = 0;
            self.plan(now);
        }
    }

    /// The next step.
    pub fn poll(&mut self, now: Instant) -> Step {
        if self.work == Work::None && self.again.is_some_and(|again| again <= now) {
            self.again = None;
            self.work = Work::Choose(0);
        }
        while let Work::Choose(choice) = self.work {
            let Some(card) = self.choice(choice) else {
                self.finish(now);
                break;
            };
            if Some(card) == self.in_use {
                self.finish(now);
                break;
            }
            let alone = self.left_alone.is_some_and(|(alone, until)| alone == card && now < until);
            if alone && card != BOARD {
                self.work = Work::Choose(choice + 1);
                continue;
            }
            if let Some(before) = self.in_use
                && self.share(before, card)
            {
                self.work = Work::Releasing(choice);
                return Step::Release;
            }
            self.work = Work::Opening(choice);
            return Step::Open(card, self.route);
        }
        if self.work == Work::None && !self.levelled && self.in_use.is_some() {
            self.levelled = true;
            return Step::Level(self.route);
        }
        Step::Wait(self.again.filter(|_| self.work == Work::None))
    }

    /// Cards for the route, best first.
    fn choice(&self, number: usize) -> Option<usize> {
        let own = self.own.iter().find(|(route, _)| *route == self.route).map(|(_, card)| *card);
        own.into_iter().chain([BOARD]).nth(number)
    }

    fn soon(&mut self, now: Instant) {
        self.tries = 0;
        self.again = Some(now);
    }

    /// The next try at its distance.
    fn plan(&mut self, now: Instant) {
        let distance = TRIES.get(self.tries.min(TRIES.len() - 1)).copied().unwrap_or(LIVED);
        self.tries += 1;
        self.again = Some(now + distance);
    }

    fn finish(&mut self, now: Instant) {
        self.work = Work::None;
        if self.is_settled() {
            // A route that changed while this one was opened has asked for another round.
            return;
        }
        if self.again.is_none() {
            self.plan(now);
        }
    }

    fn share(&self, one: usize, other: usize) -> bool {
        match (self.cards.get(one), self.cards.get(other)) {
            (Some(one), Some(other)) => same_device(&one.0, &other.0) || same_device(&one.1, &other.1),
            _ => false,
        }
    }
}

/// Do two PCM names mean one device that only one can have? `hw:` and `plughw:` of the same card and device do.
fn same_device(one: &str, other: &str) -> bool {
    let device = |name: &str| {
        let place = name.strip_prefix("plughw:").or_else(|| name.strip_prefix("hw:"))?;
        let mut parts = place.split(',').map(|part| part.rsplit('=').next().unwrap_or(part).to_owned());
        Some((parts.next()?, parts.next().unwrap_or_else(|| "0".to_owned())))
    };
    match (device(one), device(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pcms(name: &str) -> Pcms {
        (name.to_owned(), name.to_owned())
    }

    const USB: usize = 1;

    /// A codec, and a USB handset for the route `Handset`, in virtual time.
    struct Desk {
        routing: Routing,
        now: Instant,
        present: [bool; 2],
        steps: Vec<(u64, Step)>,
        start: Instant,
    }

    impl Desk {
        fn new(usb: &str) -> Self {
            let now = Instant::now();
            let mut routing = Routing::new(now, pcms("hw:CARD=Codec"), vec![(Route::Handset, pcms(usb))]);
            routing.begin_opened(now);
            Self { routing, now, present: [true, true], steps: Vec::new(), start: now }
        }

        /// Performs everything for `time`.
        fn run(&mut self, time: Duration) -> &mut Self {
            let end = self.now + time;
            for _ in 0..1_000 {
                let step = self.routing.poll(self.now);
                if let Step::Wait(until) = step {
                    let Some(until) = until.filter(|until| *until <= end) else {
                        self.now = end;
                        return self;
                    };
                    assert!(until > self.now, "it spins");
                    self.now = until;
                    continue;
                }
                self.steps.push((self.now.duration_since(self.start).as_millis() as u64, step));
                match step {
                    Step::Open(card, _) => self.routing.opened(self.now, self.present[card]),
                    Step::Release => self.routing.released(self.now),
                    _ => {}
                }
            }
            panic!("it never waits: {:?}", self.steps);
        }

        fn told(&mut self) -> Vec<Step> {
            std::mem::take(&mut self.steps).into_iter().map(|(_, step)| step).collect()
        }
    }

    #[test]
    fn the_boards_card_is_opened_first_and_again_until_it_is_there() {
        let now = Instant::now();
        let mut routing = Routing::new(now, pcms("hw:0"), Vec::new());
        assert_eq!(routing.poll(now), Step::Open(BOARD, Route::Off));
        routing.opened(now, false);
        assert_eq!(routing.poll(now), Step::Wait(Some(now + TRIES[0])));
        assert_eq!(routing.poll(now + TRIES[0]), Step::Open(BOARD, Route::Off));
        routing.opened(now + TRIES[0], true);
        assert_eq!(routing.poll(now + TRIES[0]), Step::Wait(None));
    }

    #[test]
    fn a_route_with_its_own_card_opens_it_and_the_others_go_back() {
        let mut desk = Desk::new("hw:CARD=Usb");
        desk.routing.route(desk.now, Route::Handset);
        assert_eq!(desk.run(ms(10)).told(), [Step::Open(USB, Route::Handset)]);
        desk.routing.route(desk.now, Route::Speaker);
        assert_eq!(desk.run(ms(10)).told(), [Step::Open(BOARD, Route::Speaker)]);
        desk.routing.route(desk.now, Route::Headset);
        assert_eq!(desk.run(ms(10)).told(), [Step::Level(Route::Headset)]);
        assert_eq!(desk.run(Duration::from_secs(100)).told(), []);
    }

    #[test]
    fn an_absent_handset_is_replaced_by_the_board_and_taken_when_it_comes() {
        let mut desk = Desk::new("hw:CARD=Usb");
        desk.present[USB] = false;
        desk.routing.route(desk.now, Route::Handset);
        assert_eq!(desk.run(ms(1)).told(), [Step::Open(USB, Route::Handset), Step::Level(Route::Handset)]);
        let tries = desk.run(Duration::from_secs(60)).told();
        assert!(tries.iter().all(|step| *step == Step::Open(USB, Route::Handset)), "{tries:?}");
        assert!((25..40).contains(&tries.len()), "{} in a minute", tries.len());
        desk.present[USB] = true;
        desk.routing.cards_changed(desk.now);
        assert_eq!(desk.run(ms(40)).told(), [Step::Open(USB, Route::Handset)]);
        assert!(desk.routing.is_settled());
        assert_eq!(desk.run(Duration::from_secs(60)).told(), []);
    }

    #[test]
    fn a_handset_pulled_out_in_a_call_leaves_it_to_the_board_within_50_ms() {
        let mut desk = Desk::new("hw:CARD=Usb");
        desk.routing.route(desk.now, Route::Handset);
        desk.run(Duration::from_secs(60)).told();
        desk.present[USB] = false;
        desk.routing.lost(desk.now);
        assert_eq!(desk.run(ms(50)).told(), [Step::Open(USB, Route::Handset), Step::Open(BOARD, Route::Handset)]);
        assert_eq!(desk.routing.in_use(), Some(BOARD));
    }

    #[test]
    fn a_card_that_dies_whenever_it_is_opened_is_left_alone_for_a_while() {
        let mut desk = Desk::new("hw:CARD=Usb");
        desk.routing.route(desk.now, Route::Handset);
        desk.run(ms(1)).told();
        desk.routing.lost(desk.now);
        let steps = desk.run(ms(4_900)).told();
        assert_eq!(steps, [Step::Open(BOARD, Route::Handset)], "the handset is not tried");
        let steps = desk.run(ms(3_000)).told();
        assert_eq!(steps, [Step::Open(USB, Route::Handset)]);
    }

    #[test]
    fn a_board_without_another_card_is_tried_again_however_often_it_dies() {
        let now = Instant::now();
        let mut routing = Routing::new(now, pcms("hw:0"), Vec::new());
        let mut opens = 0;
        let (mut at, end) = (now, now + Duration::from_secs(60));
        while at < end {
            match routing.poll(at) {
                Step::Open(..) => {
                    opens += 1;
                    routing.opened(at, true);
                    routing.lost(at + ms(5));
                }
                Step::Wait(until) => at = until.unwrap(),
                step => panic!("{step:?}"),
            }
        }
        assert!((25..50).contains(&opens), "{opens} in a minute");
    }

    #[test]
    fn the_same_hardware_is_released_before_it_is_opened_under_another_name() {
        let mut desk = Desk::new("plughw:Codec,0");
        desk.routing.route(desk.now, Route::Handset);
        assert_eq!(desk.run(ms(1)).told(), [Step::Release, Step::Open(USB, Route::Handset)]);
    }

    #[test]
    fn names_of_one_device_are_known() {
        for (one, other, same) in [
            ("hw:CARD=Codec,DEV=0", "plughw:Codec", true),
            ("hw:1,0", "hw:1", true),
            ("hw:1,1", "hw:1,0", false),
            ("default", "default", true),
            ("default", "hw:0", false),
            ("hw:CARD=A", "hw:CARD=B", false),
        ] {
            assert_eq!(same_device(one, other), same, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_it_never_spins_and_ends_on_the_best_card_there_is(
            events in proptest::collection::vec((0_u8..6, 0_usize..4, 0_u64..3_000), 0..40), shared in any::<bool>(),
        ) {
            let mut desk = Desk::new(if shared { "plughw:Codec" } else { "hw:CARD=Usb" });
            for (what, which, wait) in events {
                match what {
                    0 | 1 => desk.routing.route(desk.now, Route::ALL[which]),
                    2 => {
                        desk.present[which % 2] ^= true;
                        if desk.routing.in_use() == Some(which % 2) && !desk.present[which % 2] {
                            desk.routing.lost(desk.now);
                        }
                        desk.routing.cards_changed(desk.now);
                    }
                    3 => desk.routing.lost(desk.now),
                    _ => {}
                }
                desk.run(ms(wait));
            }
            desk.present = [true, true];
            desk.run(Duration::from_secs(10)).told();
            prop_assert!(desk.routing.is_settled());
            prop_assert_eq!(desk.run(Duration::from_secs(10)).told(), []);
        }
    }
}
