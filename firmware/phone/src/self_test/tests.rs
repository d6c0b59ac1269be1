use super::*;
use offhook_hal::audio::loop_test::LoopHeard;

const KEYS: [Key; 3] = [Key::Digit('1'), Key::Digit('#'), Key::Line(1)];

fn test(interactive: bool) -> (SelfTest, Instant) {
    let now = Instant::now();
    (SelfTest::new(now, interactive, KEYS.to_vec(), vec![1], vec!["pbx.example".into()]), now)
}

/// The test at this step, with the steps before it passed over.
fn at(step: Step) -> (SelfTest, Instant) {
    let (mut test, now) = test(true);
    while test.step() != Some(step) {
        test.next(now);
    }
    (test, now)
}

fn last(test: &SelfTest, step: Step) -> (Verdict, String) {
    let view = test.view();
    let step = view.steps.iter().find(|view| view.step == step).unwrap();
    (step.verdict, step.text.clone())
}

fn heard(delay_ms: u64) -> LoopResult {
    let heard = LoopHeard { delay: Duration::from_millis(delay_ms), level_db: -20.0, correlation: 0.4 };
    LoopResult { noise_dbov: -62.0, heard: Some(heard) }
}

fn facts() -> NetworkFacts {
    NetworkFacts {
        interfaces: vec!["eth0".into()],
        addresses: vec![IpAddr::from([10, 0, 2, 15])],
        gateway: Some((IpAddr::from([10, 0, 2, 2]), Some(true))),
        name_servers: vec![],
        names: vec![("pbx.example".into(), Ok(vec![IpAddr::from([10, 0, 2, 2])]))],
    }
}

#[test]
fn without_a_person_hands_and_eyes_are_skipped_and_the_rest_is_tested() {
    let (mut test, now) = test(false);
    assert_eq!(test.take_wish(), Some(Wish::Probe(Probe::Audio)));
    test.probed(now, Probed::Audio(Ok(heard(42))));
    assert_eq!(test.take_wish(), Some(Wish::Probe(Probe::Network { names: vec!["pbx.example".into()] })));
    test.probed(now, Probed::Network(facts()));
    assert_eq!(test.take_wish(), Some(Wish::Fetch));
    test.fetched(now, 1, true, "unchanged");
    test.registered(now, &[("100".into(), AccountState::Registering)]);
    assert!(!test.is_finished());
    test.registered(now, &[("100".into(), AccountState::Registered)]);
    let view = test.view();
    let verdicts: Vec<_> = view.steps.iter().map(|step| step.verdict).collect();
    use Verdict::{Passed, Skipped};
    assert_eq!(verdicts, [Skipped, Skipped, Skipped, Passed, Passed, Passed, Passed]);
    assert!(view.finished && view.passed());
    assert_eq!(view.to_json()["steps"][3]["figures"]["delay_ms"], 42.0);
}

#[test]
fn every_key_has_to_be_pressed_and_the_missing_ones_are_named() {
    let (mut test, now) = test(true);
    test.key_down(now, KEYS[0]);
    assert!(last(&test, Step::Keys).1.contains("# line1"), "{:?}", last(&test, Step::Keys));
    // A key that nobody asked for is no harm, and is reported.
    test.key_down(now, Key::Mute);
    assert!(!test.due(now + PATIENCE - Duration::from_secs(1)));
    assert!(test.due(now + PATIENCE));
    assert_eq!(last(&test, Step::Keys), (Verdict::Failed, "not seen: # line1".into()));

    let (mut test, now) = self::test(true);
    for key in KEYS {
        test.key_down(now, key);
        test.key_up(key);
    }
    assert_eq!(last(&test, Step::Keys).0, Verdict::Passed);
    assert_eq!(test.step(), Some(Step::Lamps));
}

#[test]
fn a_phone_that_nobody_touches_fails_nothing_that_needs_hands() {
    let (mut test, mut now) = test(true);
    for step in [Step::Keys, Step::Lamps, Step::Hook] {
        now += PATIENCE;
        assert!(test.due(now));
        assert_eq!(last(&test, step).0, Verdict::Skipped, "{step:?}");
    }
}

#[test]
fn each_key_lights_its_lamp_while_it_is_down_and_all_lamps_shine_in_their_step() {
    let (mut test, now) = test(true);
    assert_eq!(test.pattern(Lamp::Line(1)), Some(Pattern::Off));
    test.key_down(now, Key::Line(1));
    assert_eq!(test.pattern(Lamp::Line(1)), Some(Pattern::On));
    assert_eq!(test.pattern(Lamp::Line(2)), Some(Pattern::Off));
    test.key_up(Key::Line(1));
    assert_eq!(test.pattern(Lamp::Line(1)), Some(Pattern::Off));
    let (mut test, now) = at(Step::Lamps);
    assert_eq!(test.pattern(Lamp::Key(3)), Some(Pattern::On));
    test.key_down(now, Key::Digit('*'));
    assert_eq!(last(&test, Step::Lamps).0, Verdict::Failed);
    assert_eq!(test.pattern(Lamp::Key(3)), None);
}

#[test]
fn hook_passes_when_lifted_and_put_back_and_fails_when_it_stays_up() {
    let (mut test, now) = at(Step::Hook);
    test.hook(now, Hook::On);
    assert_eq!(last(&test, Step::Hook).0, Verdict::Running);
    test.hook(now, Hook::Off);
    test.hook(now, Hook::On);
    assert_eq!(last(&test, Step::Hook).0, Verdict::Passed);
    let (mut test, now) = at(Step::Hook);
    test.hook(now, Hook::Off);
    assert!(test.due(now + PATIENCE));
    assert_eq!(last(&test, Step::Hook).0, Verdict::Failed);
}

#[test]
fn sound_fails_with_the_reason_a_person_can_act_on() {
    let silent = LoopResult { noise_dbov: -96.0, heard: None };
    let deaf = LoopResult { noise_dbov: -50.0, heard: None };
    for (answer, word) in [
        (Err("hw:Codec: no such card".to_owned()), "no such card"),
        (Ok(silent), "wiring"),
        (Ok(deaf), "table"),
        (Ok(heard(400)), "periods"),
    ] {
        let (mut test, now) = at(Step::Audio);
        test.probed(now, Probed::Audio(answer));
        let (verdict, text) = last(&test, Step::Audio);
        assert!(verdict == Verdict::Failed && text.contains(word), "{text}");
    }
    let (mut test, now) = at(Step::Audio);
    test.probed(now, Probed::Nothing("no sound was asked for".into()));
    assert_eq!(last(&test, Step::Audio).0, Verdict::Skipped);
}

#[test]
fn network_fails_with_cable_address_gateway_or_name() {
    for (bad, word) in [
        (NetworkFacts::default(), "cable"),
        (NetworkFacts { addresses: vec![], ..facts() }, "DHCP"),
        (NetworkFacts { gateway: Some((IpAddr::from([10, 0, 2, 2]), Some(false))), ..facts() }, "gateway"),
        (NetworkFacts { names: vec![("pbx.example".into(), Err("no such name".into()))], ..facts() }, "no such name"),
    ] {
        let (mut test, now) = at(Step::Network);
        test.probed(now, Probed::Network(bad));
        let (verdict, text) = last(&test, Step::Network);
        assert!(verdict == Verdict::Failed && text.contains(word), "{text}");
    }
    let (mut test, now) = at(Step::Network);
    test.probed(now, Probed::Network(NetworkFacts { gateway: None, names: vec![], ..facts() }));
    assert_eq!(last(&test, Step::Network).0, Verdict::Passed);
}

#[test]
fn an_answer_that_comes_after_its_step_changes_nothing() {
    let (mut test, now) = at(Step::Network);
    let before = test.view();
    test.probed(now, Probed::Audio(Ok(heard(10))));
    test.fetched(now, 1, true, "unchanged");
    test.registered(now, &[]);
    test.key_down(now, KEYS[0]);
    test.hook(now, Hook::Off);
    assert_eq!(test.view(), before);
}

#[test]
fn registration_fails_without_accounts_and_with_a_refused_one() {
    let (mut test, now) = at(Step::Registration);
    test.registered(now, &[]);
    assert_eq!(last(&test, Step::Registration).0, Verdict::Failed);
    let (mut test, now) = at(Step::Registration);
    let accounts =
        [("100".into(), AccountState::Registered), ("200".into(), AccountState::Failed("wrong password".into()))];
    test.registered(now, &accounts);
    assert!(last(&test, Step::Registration).1.contains("wrong password"));
    assert!(!test.view().passed());
}

#[test]
fn a_step_that_nobody_answers_ends_and_so_does_the_test() {
    let (mut test, _) = test(true);
    let mut rounds = 0;
    while let Some(at) = test.deadline() {
        assert!(test.due(at));
        rounds += 1;
        assert!(rounds < 20);
    }
    assert!(test.is_finished() && !test.view().passed());
    let (mut test, _) = self::test(true);
    test.abandon("a call");
    assert!(test.is_finished() && test.deadline().is_none());
}
