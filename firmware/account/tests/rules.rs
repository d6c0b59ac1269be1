//! Rules and schedules as an administrator writes them: what a number becomes, and whether a call rings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods)]

use offhook_account::document::FindingKind;
use offhook_account::rules::{Caller, DialAction, Dialled, Link, Moment, Rings, Uplink, Why, Zone, dialled, rings};
use offhook_account::{ContactFact, ContactFacts, ContactSource, Document, Settings};
use std::time::Duration;

fn document(more: &str) -> Document {
    let text = format!("<account><username>100</username><password>x</password><host>pbx</host>{more}</account>");
    Document::parse(text.as_bytes()).unwrap().0
}

fn settings(more: &str) -> Settings {
    Settings::of(&document(more)).0
}

/// What is said about the account, without the lines that only say that something acts later.
fn findings(more: &str) -> Vec<(FindingKind, String)> {
    let (_, findings) = Settings::of(&document(more));
    findings
        .into_iter()
        .filter(|finding| finding.node.contains('/') || finding.kind == FindingKind::BadValue)
        .map(|finding| (finding.kind, format!("{}: {}", finding.node, finding.message)))
        .collect()
}

struct Desk {
    zone: Zone,
    uplink: Uplink,
    contacts: ContactFacts,
    at: Option<&'static str>,
}

impl Default for Desk {
    fn default() -> Self {
        let zone = Zone::named("Europe/Berlin").unwrap();
        // a Wednesday
        Self { zone, uplink: Uplink::default(), contacts: ContactFacts::default(), at: Some("2026-07-01T12:00") }
    }
}

impl Desk {
    fn moment(&self) -> Moment<'_> {
        Moment {
            wall: self.at.map(|at| self.zone.moment(at).unwrap()),
            zone: &self.zone,
            uplink: &self.uplink,
            contacts: &self.contacts,
        }
    }

    fn dial(&self, rules: &str, number: &str) -> Dialled {
        dialled(&settings(&format!("<rewriting>{rules}</rewriting>")), number, &self.moment())
    }

    fn ring(&self, more: &str, number: &str) -> (Rings, Why) {
        let caller = Caller { number, urgent: false, busy: false, engaged: false, full: false };
        let (_, rings, why) = rings(&settings(more), &caller, &self.moment());
        (rings, why)
    }
}

fn rule(conditions: &[(&str, &str)], actions: &[(&str, &str)]) -> String {
    let nodes = |name: &str, list: &[(&str, &str)]| {
        list.iter().map(|(kind, param)| format!("<{name} type=\"{kind}\" param=\"{param}\"/>")).collect::<String>()
    };
    format!(
        "<rule><conditions>{}</conditions><actions>{}</actions></rule>",
        nodes("condition", conditions),
        nodes("action", actions)
    )
}

fn becomes(rules: &str, number: &str) -> String {
    Desk::default().dial(rules, number).number
}

/// Covers: axml.rew.01, axml.rew.02, axml.rew.04, axml.rew.08, axml.rew.17
#[test]
fn the_example_of_the_reference_adds_the_country_code_to_long_numbers() {
    let rules = rule(&[("doesntStartWith", "+"), ("longerThan", "8")], &[("prepend", "+420")]);
    assert_eq!(becomes(&rules, "123456789"), "+420123456789");
    assert_eq!(becomes(&rules, "12345678"), "12345678");
    assert_eq!(becomes(&rules, "+123456789"), "+123456789");
    assert_eq!(becomes(&rules, "123 456 789"), "+420123456789", "people's separators are no part of the number");
    assert_eq!(becomes(&rule(&[], &[("prepend", "9")]), "102"), "9102", "no condition is always");
}

/// Covers: axml.rew.03, axml.rew.05, axml.rew.06, axml.rew.07, axml.rew.15
#[test]
fn every_condition_on_the_number_holds_where_it_says_and_nowhere_else() {
    for (kind, param, holds, does_not) in [
        ("startsWith", "00", "0049", "049"),
        ("doesntStartWith", "00", "049", "0049"),
        ("equals", "112", "112", "1120"),
        ("lengthEquals", "3", "102", "1020"),
        ("lengthEquals", "4", "+102", "102"),
        ("shorterThan", "4", "102", "1020"),
        ("longerThan", "3", "1020", "102"),
        ("contains", "55", "4556", "4565"),
        ("isNumeric", "", "102", "+102"),
        ("isNumeric", "0", "*97", "97"),
    ] {
        let rules = rule(&[(kind, param)], &[("append", "x")]);
        assert_eq!(becomes(&rules, holds), format!("{holds}x"), "{kind} {param}");
        assert_eq!(becomes(&rules, does_not), does_not, "{kind} {param}");
    }
}

/// Covers: axml.rew.09, axml.rew.10
#[test]
fn the_link_in_use_decides_with_ethernet_counting_as_wifi() {
    let on = |link, ssid: Option<&str>, kind: &str, param: &str| {
        let uplink = Uplink { link, ssid: ssid.map(str::to_owned), metered: false };
        let desk = Desk { uplink, ..Desk::default() };
        desk.dial(&rule(&[(kind, param)], &[("append", "x")]), "1").number == "1x"
    };
    for (link, words) in [
        (Link::Ethernet, "wifi any ethernet"),
        (Link::Wifi, "wifi any"),
        (Link::Cellular, "cellular any"),
        (Link::None, "none"),
    ] {
        for word in ["wifi", "cellular", "any", "none", "ethernet"] {
            assert_eq!(
                on(link, None, "networkType", word),
                words.split(' ').any(|known| known == word),
                "{link:?} {word}"
            );
        }
    }
    assert!(on(Link::Wifi, Some("Office"), "ssid", "Office"));
    assert!(!on(Link::Wifi, Some("office"), "ssid", "Office"));
    assert!(!on(Link::Ethernet, None, "ssid", "Office"));
}

/// Covers: axml.rew.11, axml.rew.12, axml.rew.13, axml.rew.14
#[test]
fn books_and_labels_decide() {
    let contact = ContactFact {
        name: String::new(),
        source: ContactSource::Dav,
        identifier: "uid-1".into(),
        labels: vec!["work".into(), "voice".into()],
    };
    let on = |contacts: &ContactFacts, kind: &str, param: &str| {
        let desk = Desk { contacts: contacts.clone(), ..Desk::default() };
        desk.dial(&rule(&[(kind, param)], &[("append", "x")]), "1").number == "1x"
    };
    let known = ContactFacts(vec![contact]);
    for (kind, param, with, without) in [
        ("contactIsFromSource", "dav", true, false),
        ("contactIsFromSource", "ab", false, false),
        ("contactIsNotFromSource", "dav", false, true),
        ("contactIsNotFromSource", "google", true, true),
        ("contactLabelMatches", "Work", true, false),
        ("contactLabelMatches", "home", false, false),
        ("contactLabelDoesNotMatch", "work", false, true),
        ("contactLabelDoesNotMatch", "home", true, true),
    ] {
        assert_eq!(on(&known, kind, param), with, "{kind} {param}");
        assert_eq!(on(&ContactFacts::default(), kind, param), without, "{kind} {param}, unknown number");
    }
}

/// Covers: axml.rew.16, axml.rew.18, axml.rew.19
#[test]
fn rules_chain_by_continue_and_see_the_number_as_it_is_by_then() {
    let rules = [
        rule(&[("startsWith", "00")], &[("replace", "+"), ("continue", "")]),
        rule(&[("startsWith", "0"), ("longerThan", "5")], &[("replace", "+49"), ("continue", "")]),
        rule(&[("startsWith", "+49")], &[("replace", "9"), ("append", "#")]),
        rule(&[("startsWith", "9")], &[("prepend", "never")]),
    ]
    .concat();
    let desk = Desk::default();
    let dial = |number: &str| {
        let dialled = desk.dial(&rules, number);
        (dialled.number, dialled.rules)
    };
    assert_eq!(dial("0049445566"), ("9445566#".into(), vec![1, 3]));
    assert_eq!(dial("0445566"), ("9445566#".into(), vec![2, 3]));
    assert_eq!(dial("001555"), ("+1555".into(), vec![1]));
    assert_eq!(dial("445566"), ("445566".into(), vec![]));
    assert_eq!(dial("95"), ("never95".into(), vec![4]));
}

#[test]
fn replace_takes_the_longest_match_whatever_stands_before_it() {
    assert_eq!(becomes(&rule(&[("equals", "112")], &[("replace", "0112")]), "112"), "0112");
    let both = rule(&[("startsWith", "0"), ("startsWith", "0044")], &[("prepend", "9"), ("replace", "+44")]);
    assert_eq!(becomes(&both, "0044123"), "9+44123");
    let twice = rule(&[], &[("prepend", "a"), ("prepend", "b"), ("append", "c"), ("append", "d")]);
    assert_eq!(becomes(&twice, "1"), "ba1cd");
    assert_eq!(becomes(&rule(&[("longerThan", "1")], &[("replace", "5")]), "123"), "123");
    assert!(
        findings(&format!("<rewriting>{}</rewriting>", rule(&[], &[("replace", "5")])))[0].1.contains("startsWith")
    );
}

/// Covers: axml.rew.21, axml.rew.26
#[test]
fn a_rule_chooses_the_account_the_action_and_headers_of_its_call() {
    let rules = rule(
        &[("equals", "5")],
        &[
            ("dialOut", "Mobile"),
            ("overrideDialAction", "webCallback"),
            ("recordCall", ""),
            ("setHeader", "X-Rule: %account[username]%"),
            ("setHeader", "x-rule: two"),
            ("setHeader", "X-Other:1"),
        ],
    );
    let dialled = Desk::default().dial(&rules, "5");
    assert_eq!(dialled.account.as_deref(), Some("Mobile"));
    assert_eq!(dialled.action, Some(DialAction::WebCallback));
    assert!(dialled.record);
    assert_eq!(dialled.headers, [("x-rule".into(), "two".into()), ("X-Other".into(), "1".into())]);
    let other = Desk::default().dial(&rules, "6");
    assert_eq!((other.account, other.action, other.headers.len()), (None, None, 0));
    let through = rule(&[], &[("callThrough", "")]);
    assert_eq!(Desk::default().dial(&through, "5").action, Some(DialAction::CallThrough));
}

/// Accepts: axml.rew.20
#[test]
fn a_wish_to_record_is_kept_and_told_as_not_yet_in_effect() {
    let rules = rule(&[("equals", "5")], &[("recordCall", "")]);
    assert!(Desk::default().dial(&rules, "5").record && !Desk::default().dial(&rules, "6").record);
    let found = findings(&format!("<rewriting>{rules}</rewriting>"));
    assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [FindingKind::NotYet], "{found:?}");
}

#[test]
fn an_address_is_dialled_as_it_is() {
    let rules = rule(&[], &[("prepend", "9")]);
    for address in ["sip:102@pbx", "SIPS:102@pbx", "bob@example.org"] {
        assert_eq!(becomes(&rules, address), address);
    }
    assert_eq!(becomes(&rules, "tel:+1-555"), "9+1555");
}

/// Covers: axml.rew.22, axml.rew.23
#[test]
fn what_is_not_understood_is_named_and_its_rule_does_not_act() {
    let all = |rules: &str| findings(&format!("<rewriting>{rules}</rewriting>"));
    let unknown = rule(&[("phaseOfTheMoon", "full")], &[("prepend", "9")]);
    assert_eq!(becomes(&unknown, "1"), "1", "a rule without one of its conditions would act too often");
    assert_eq!(all(&unknown)[0].0, FindingKind::Unknown);
    assert!(all(&unknown)[0].1.contains("phaseOfTheMoon"), "{:?}", all(&unknown));
    let action = rule(&[], &[("teleport", ""), ("prepend", "9")]);
    assert_eq!((becomes(&action, "1"), all(&action)[0].0), ("91".into(), FindingKind::Unknown));
    let idle = rule(&[], &[("confirm", ""), ("drop", "")]);
    assert_eq!(all(&idle).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [FindingKind::NotApplicable; 2]);
    for (conditions, actions, word) in [
        (("longerThan", "many"), ("prepend", "9"), "0 to 255"),
        (("longerThan", "-1"), ("prepend", "9"), "0 to 255"),
        (("networkType", "token ring"), ("prepend", "9"), "cellular"),
        (("contactIsFromSource", "memory"), ("prepend", "9"), "office365"),
        (("", "1"), ("prepend", "9"), "type"),
        (("startsWith", "1"), ("prepend", ""), "param"),
        (("startsWith", "1"), ("overrideDialAction", "shout"), "voiceCall"),
        (("startsWith", "1"), ("setHeader", "Via: x"), "phone itself"),
        (("startsWith", "1"), ("setHeader", "no header"), "Name: value"),
        (("startsWith", "1"), ("rejectCall", ""), "incomingRewriting"),
    ] {
        let rules = rule(&[conditions], &[actions]);
        let said = all(&rules);
        assert!(
            said.iter().any(|(kind, text)| *kind == FindingKind::BadValue && text.contains(word)),
            "{word}: {said:?}"
        );
        assert_eq!(becomes(&rules, "12345"), "12345", "{rules}");
    }
    let header = rule(&[], &[("setHeader", "X-A: a&#13;&#10;Via: evil")]);
    assert!(Desk::default().dial(&header, "1").headers.is_empty());
    let stray = "<rule><actions><action type=\"prepend\" param=\"9\"/></actions><vendor/></rule><more/>";
    assert_eq!(all(stray).iter().filter(|(kind, _)| *kind == FindingKind::Unknown).count(), 2);
    assert_eq!(becomes(stray, "1"), "91");
}

/// Covers: axml.rew.27, axml.rew.28, axml.rew.29
#[test]
fn incoming_rules_reject_forward_and_answer_in_both_places_that_may_hold_them() {
    let rules = [
        rule(&[("startsWith", "+1900")], &[("rejectCall", "")]),
        rule(&[("equals", "200")], &[("forwardCall", "+49 89 5")]),
        rule(&[("equals", "300")], &[("answerImmediately", "")]),
    ]
    .concat();
    let own = format!("<incomingRewriting>{rules}</incomingRewriting>");
    let shared = format!("<rewriting>{}</rewriting>", rules.replace("<rule>", "<rule direction=\"in\">"));
    let desk = Desk::default();
    for more in [own, shared] {
        assert_eq!(desk.ring(&more, "+19005551").0, Rings::Rejected(486));
        assert_eq!(desk.ring(&more, "200"), (Rings::Forwarded("+49895".into()), Why::Rule(2)));
        assert_eq!(desk.ring(&more, "300"), (Rings::Answers(Duration::ZERO), Why::Rule(3)));
        assert_eq!(desk.ring(&more, "400"), (Rings::Rings, Why::Nothing));
        assert_eq!(dialled(&settings(&more), "200", &desk.moment()).rules, [0; 0], "no rule for calls made here");
    }
    assert!(findings("<rewriting><rule direction=\"up\"/></rewriting>")[0].1.contains("neither in nor out"));
}

#[test]
fn incoming_rules_rewrite_who_is_calling() {
    let rules = rule(&[("startsWith", "0")], &[("replace", "+49")]);
    let settings = settings(&format!("<incomingRewriting>{rules}</incomingRewriting>"));
    let desk = Desk::default();
    let caller = |number| Caller { number, urgent: false, busy: false, engaged: false, full: false };
    assert_eq!(rings(&settings, &caller("0445566"), &desk.moment()).0, "+49445566");
    assert_eq!(rings(&settings, &caller("bob@example.org"), &desk.moment()).0, "bob@example.org");
}

const WORK: &str = "<doNotDisturb gmtOffsetInMinutes=\"60\"><dndEntry><from>08:00</from><to>10:00</to>\
    <weekdays>31</weekdays><contacts><contactInfo name=\"+1 (222) 333-4455\" phone=\"+12223334455\" identifier=\"\" \
    source=\"\"/></contacts></dndEntry><dndEntry><from>00:00</from><to>23:59</to><weekdays>96</weekdays><contacts/>\
    <enabled>1</enabled><comment>Do not disturb on weekends</comment></dndEntry></doNotDisturb>";

fn at(moment: &'static str) -> Desk {
    Desk { at: Some(moment), ..Desk::default() }
}

/// Covers: axml.dnd.01, axml.dnd.02, axml.dnd.03, axml.dnd.13
#[test]
fn the_schedule_of_the_reference_keeps_one_caller_away_in_the_morning_and_all_on_weekends() {
    // Berlin has UTC+2 in July, the schedule UTC+1 all year: 08:00 there is 09:00 here
    let away = (Rings::Rejected(486), Why::DoNotDisturb(1, String::new()));
    for (moment, number, expected) in [
        ("2026-07-01T08:59", "+12223334455", (Rings::Rings, Why::Nothing)),
        ("2026-07-01T09:00", "+12223334455", away.clone()),
        ("2026-07-01T11:00", "2223334455", away.clone()),
        ("2026-07-01T11:01", "+12223334455", (Rings::Rings, Why::Nothing)),
        ("2026-07-01T09:30", "+12223334456", (Rings::Rings, Why::Nothing)),
        ("2026-01-07T08:30", "+12223334455", away),
    ] {
        assert_eq!(at(moment).ring(WORK, number), expected, "{moment} {number}");
    }
    let (rings, why) = at("2026-07-04T15:00").ring(WORK, "102");
    assert_eq!(rings, Rings::Rejected(486));
    assert_eq!(why.to_string(), "do not disturb, entry 2 (Do not disturb on weekends)");
    let undated = Desk { at: None, ..Desk::default() };
    assert_eq!(undated.ring(WORK, "102").0, Rings::Rings, "a clock of 1970 says nothing");
}

fn nights(attribute: &str) -> String {
    format!(
        "<doNotDisturb {attribute}><dndEntry><from>22:00</from><to>02:30</to><weekdays>127</weekdays></dndEntry></doNotDisturb>"
    )
}

#[test]
fn the_clock_on_the_wall_counts_on_the_nights_that_summer_time_changes() {
    let utc = Zone::utc();
    let quiet = |more: &str, moment: &str| {
        let desk = Desk::default();
        let moment = Moment { wall: Some(utc.moment(moment).unwrap()), ..desk.moment() };
        let caller = Caller { number: "1", urgent: false, busy: false, engaged: false, full: false };
        rings(&settings(more), &caller, &moment).1 == Rings::Rejected(486)
    };
    // 29 March 2026: 02:00 is followed by 03:00 at 01:00Z
    assert!(quiet(&nights(""), "2026-03-29T00:59"));
    assert!(!quiet(&nights(""), "2026-03-29T01:00"), "it is 03:00 already");
    // 25 October 2026: 02:00 to 02:59 comes twice, from 00:00Z and from 01:00Z
    for (moment, expected) in [("00:30", true), ("00:31", false), ("01:30", true), ("01:31", false)] {
        assert_eq!(quiet(&nights(""), &format!("2026-10-25T{moment}")), expected, "{moment}");
    }
    // a fixed offset knows no summer time; a zone of its own does
    assert!(quiet(&nights("gmtOffsetInMinutes=\"60\""), "2026-03-29T01:30"));
    assert!(quiet(&nights("tz=\"America/New_York\""), "2026-03-29T06:30"));
    assert!(!quiet(&nights("tz=\"America/New_York\""), "2026-03-29T06:31"));
}

/// Covers: axml.dnd.12
#[test]
fn entries_that_are_off_or_cannot_be_read_do_nothing_and_the_rest_acts() {
    let entry = |inner: &str| format!("<doNotDisturb><dndEntry>{inner}</dndEntry></doNotDisturb>");
    let all_day = "<from>00:00</from><to>23:59</to><weekdays>127</weekdays>";
    let desk = Desk::default();
    let rejects = |inner: &str| desk.ring(&entry(inner), "1").0 == Rings::Rejected(486);
    assert!(rejects(all_day));
    assert!(!rejects(&format!("{all_day}<enabled>0</enabled>")));
    assert!(rejects(&format!("{all_day}<enabled>1</enabled>")));
    for (inner, word) in [
        ("<to>23:59</to><weekdays>127</weekdays>", "HH:MM"),
        ("<from>25:00</from><to>23:59</to><weekdays>127</weekdays>", "HH:MM"),
        ("<from>00:00</from><to>late</to><weekdays>127</weekdays>", "HH:MM"),
        ("<from>00:00</from><to>23:59</to>", "0 to 127"),
        ("<from>00:00</from><to>23:59</to><weekdays>128</weekdays>", "0 to 127"),
    ] {
        assert!(!rejects(inner), "{inner}");
        let said = findings(&entry(inner));
        assert!(said[0].1.contains(word) && said[0].1.contains("not used"), "{said:?}");
    }
    assert!(!rejects(&format!("{all_day}<enabled>maybe</enabled>")));
    assert!(findings(&entry(&format!("{all_day}<enabled>maybe</enabled>")))[0].1.contains("neither 0 nor 1"));
    let nobody = format!("{all_day}<contacts><contactInfo name=\"x\"/></contacts>");
    assert!(!rejects(&nobody), "an entry about a contact that is nobody is not about everybody");
    assert!(findings(&entry(&nobody))[0].1.contains("matches nobody"));
    let zone =
        format!("<doNotDisturb gmtOffsetInMinutes=\"soon\" tz=\"Mars\"><dndEntry>{all_day}</dndEntry></doNotDisturb>");
    assert_eq!(findings(&zone).len(), 2);
    assert_eq!(desk.ring(&zone, "1").0, Rings::Rejected(486), "in the phone's own zone");
}

const ALWAYS: &str =
    "<doNotDisturb><dndEntry><from>00:00</from><to>23:59</to><weekdays>127</weekdays></dndEntry></doNotDisturb>";

/// Covers: axml.dnd.14
#[test]
fn an_emergency_rings_whatever_stands_against_it() {
    let reject = rule(&[], &[("rejectCall", "")]);
    let more = format!(
        "{ALWAYS}<incomingRewriting>{reject}</incomingRewriting><callWaiting>0</callWaiting>\
         <forwardingEnabled>1</forwardingEnabled><forwardingNumber>500</forwardingNumber>"
    );
    let desk = Desk::default();
    let caller = Caller { number: "1", urgent: true, busy: true, engaged: true, full: false };
    assert_eq!(rings(&settings(&more), &caller, &desk.moment()).1, Rings::Rings);
    assert_eq!(rings(&settings(&more), &Caller { full: true, ..caller }, &desk.moment()).1, Rings::Rejected(486));
    assert_eq!(rings(&settings(&more), &Caller { urgent: false, ..caller }, &desk.moment()).1, Rings::Rejected(486));
}

#[test]
fn emergency_numbers_are_known_before_and_after_the_rules() {
    let desk = Desk::default();
    let dial = |more: &str, number: &str| dialled(&settings(more), number, &desk.moment()).emergency;
    assert!(dial("", "112") && dial("", "1-1-2") && dial("", "sip:911@pbx") && !dial("", "110"));
    let trunk = format!("<rewriting>{}</rewriting>", rule(&[("startsWith", "0")], &[("replace", "")]));
    assert!(dial(&trunk, "0112"));
    assert!(dial("<emergencyNumbers>110, 1 1 2</emergencyNumbers>", "110"));
    assert!(!dial("<emergencyNumbers>110</emergencyNumbers>", "911"));
}

#[test]
fn each_reason_has_its_place_and_the_first_that_speaks_counts() {
    let forward = "<forwardingEnabled>1</forwardingEnabled><forwardingNumber>500</forwardingNumber>";
    let busy = "<callWaiting>0</callWaiting><forwardingBusyNumber>600</forwardingBusyNumber>";
    let auto = "<appInitiatedAutoAnswerEnabled>1</appInitiatedAutoAnswerEnabled>\
                <autoAnswerTimeoutInSeconds>3</autoAnswerTimeoutInSeconds>";
    let desk = Desk::default();
    let outcome = |more: &str, busy, full| {
        let caller = Caller { number: "1", urgent: false, busy, engaged: busy, full };
        rings(&settings(more), &caller, &desk.moment()).1
    };
    let to = |number: &str| Rings::Forwarded(number.to_owned());
    assert_eq!(outcome(&format!("{forward}{ALWAYS}"), false, false), to("500"), "forwarded before do not disturb");
    assert_eq!(outcome(&format!("{busy}{ALWAYS}"), true, false), Rings::Rejected(486), "do not disturb before busy");
    assert_eq!(outcome(busy, true, false), to("600"));
    assert_eq!(outcome(busy, false, false), Rings::Rings);
    assert_eq!(outcome("<forwardingBusyNumber>600</forwardingBusyNumber>", true, false), Rings::Rings, "call waiting");
    assert_eq!(outcome("<forwardingBusyNumber>600</forwardingBusyNumber>", true, true), to("600"));
    assert_eq!(outcome("", false, true), Rings::Rejected(486));
    assert_eq!(outcome(auto, false, false), Rings::Answers(Duration::from_secs(3)));
    assert_eq!(outcome(auto, true, false), Rings::Rings, "nobody's talk is interrupted");
    assert_eq!(outcome(&format!("{ALWAYS}<dndRejectCode>480</dndRejectCode>"), false, false), Rings::Rejected(480));
    assert_eq!(outcome("<doNotDisturbNow>1</doNotDisturbNow>", false, false), Rings::Rejected(486), "by hand");
    assert_eq!(outcome(&format!("{ALWAYS}<dndSilent>1</dndSilent>{auto}"), false, false), Rings::Silently);
}

/// Covers: axml.codec.02, axml.codec.04, axml.codec.06, axml.codec.08, axml.opus.09, axml.opus.10, axml.opus.11,
/// axml.opus.12, axml.opus.13, axml.opus.14, axml.opus.15, axml.opus.16, axml.nat.16
#[test]
fn a_metered_link_has_nodes_of_its_own_with_the_same_rules() {
    use offhook_account::settings::Codec;
    let given = settings(
        "<codecOrder3G>18,0,8</codecOrder3G><honorTheirCodecList3G>1</honorTheirCodecList3G><ptime3G>60</ptime3G>\
         <forcePtime3G>1</forcePtime3G><opusOptions3G.class>nb</opusOptions3G.class>\
         <maxTimeToWaitForWorkingNetworkInMilliseconds>500</maxTimeToWaitForWorkingNetworkInMilliseconds>",
    );
    let (main, metered) = (given.codecs(false), given.codecs(true));
    assert_eq!(metered.order, [Codec::Pcmu, Codec::Pcma]);
    assert_eq!((metered.honor_their_list, metered.ptime, metered.force_ptime), (true, 60, true));
    assert_eq!((metered.opus.bandwidth, metered.opus.bitrate), (8000, Some(15_500)));
    assert_eq!(main, settings("").codecs(false), "the main set stays as it is");
    assert_eq!(given.network_patience, Duration::from_millis(500));
    let least = settings("");
    let defaults = least.codecs(true);
    assert_eq!(defaults.order, [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma]);
    assert_eq!((defaults.honor_their_list, defaults.ptime, defaults.force_ptime), (false, 30, false));
    assert_eq!(defaults.opus, main.opus, "wb is the preset of both");
    assert_eq!(settings("<ptime3G>25</ptime3G>").metered.ptime, 30);
    let single = settings(
        "<opusOptions3G.class></opusOptions3G.class><opusOptions3G.bandwidth>fb</opusOptions3G.bandwidth>\
         <opusOptions3G.complexity>3</opusOptions3G.complexity><opusOptions3G.bitrate>9000</opusOptions3G.bitrate>\
         <opusOptions3G.fec>1</opusOptions3G.fec><opusOptions3G.dtx>1</opusOptions3G.dtx>\
         <opusOptions3G.vbr>0</opusOptions3G.vbr><opusOptions3G.expectedPacketLoss>7</opusOptions3G.expectedPacketLoss>",
    );
    let opus = single.metered.opus;
    assert_eq!((opus.bandwidth, opus.complexity, opus.bitrate), (48_000, Some(3), Some(9000)));
    assert_eq!((opus.fec, opus.dtx, opus.vbr, opus.expected_packet_loss), (true, true, false, 7));
    assert_eq!(single.opus, main.opus);
}
