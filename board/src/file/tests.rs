use offhook_hal::{Key, Lamp, Pattern, Route};
use proptest::prelude::*;

use super::DEBOUNCE_MS;
use crate::{
    Board, Colour, ExpanderKind, HookWiring, JackWiring, LightPlace, LightWiring, LinesWiring, PanelWiring, Pin,
    RotaryWiring, UsbHandsetWiring, WatchdogWiring,
};

/// Every kind of entry once.
const WIRED: &str = r#"name = "bench-3"
model = "Bench"
lamp_keys = 2
[panel]
kind = "lines"
chip = "gpio-sim.0"
bell = 9
input_devices = ["pad", "/dev/input/event3"]
[panel.expanders.front]
kind = "mcp23017"
bus = "/dev/i2c-1"
address = 0x20
interrupt = 10
[panel.expanders.lights]
kind = "pcf8574"
bus = "/dev/i2c-1"
address = 0x38
[panel.hook]
pin = 17
lifted = "high"
debounce_ms = 20
[panel.matrix]
rows = [1, 2]
columns = [3, "front.4"]
scan_ms = 10
keys = [
  ["1", "2"],
  ["*", ""],
]
[panel.keys]
hold = 5
"volume+" = 6
key2 = "front.14"
[panel.rotary]
pulse = "front.0"
off_normal = 11
digits = "0123456789"
[panel.lamps]
line1 = { pin = 20 }
key1 = { red = { pin = "lights.0", active_low = true }, green = { led = "g", brightness = 40 } }
key2 = { led = "offhook:key2" }
message = { pwm = { chip = 0, channel = 1 }, brightness = 30, active_low = true }
[panel.colours]
fast = "amber"
slow = "red"
[panel.usb_handset]
usb = "0d8c:0105"
headset = true
[panel.jack]
pin = "front.6"
plugged = "low"
[audio]
playback = "plughw:CARD=Codec"
capture = "plughw:CARD=Codec"
rate = 16000
period = 160
periods = 3
codec = "wm8960"
[audio.mixer.every]
Speaker = 0
Headphone = 10
[audio.mixer.handset]
Headphone = 80
[audio.routes.headset]
playback = "plughw:CARD=Usb"
capture = "plughw:CARD=Usb"
output_db = -6
[watchdog]
device = "/dev/watchdog0"
timeout_s = 15
"#;

fn refused(text: &str) -> (usize, String) {
    let error = Board::parse(text).unwrap_err();
    (error.line, error.reason)
}

/// The file with one text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(WIRED.contains(from), "{from}");
    WIRED.replacen(from, to, 1)
}

/// The line of the first difference, the line of the refusal, and its reason.
#[track_caller]
fn changed(from: &str, to: &str) -> (usize, usize, String) {
    let text = with(from, to);
    let at = 1 + WIRED.split_once(from).unwrap().0.matches('\n').count();
    let (line, reason) = refused(&text);
    (at, line, reason)
}

fn lines(text: &str) -> LinesWiring {
    match Board::parse(text).unwrap().panel {
        PanelWiring::Lines(lines) => lines,
        PanelWiring::Keyboard => panic!("not lines"),
    }
}

#[test]
fn a_wired_board_is_read_whole() {
    let board = Board::parse(WIRED).unwrap();
    assert_eq!((board.name.as_str(), board.lamp_keys), ("bench-3", 2));
    assert_eq!(board.watchdog, Some(WatchdogWiring { device: "/dev/watchdog0".into(), timeout_s: 15 }));
    let wired = lines(WIRED);
    assert_eq!(wired.chip, "gpio-sim.0");
    assert_eq!(wired.hook, Some(HookWiring { pin: Pin::Line(17), lifted_high: true, debounce_ms: 20 }));
    assert_eq!(wired.input_devices, ["pad", "/dev/input/event3"]);
    assert_eq!(wired.bell, Some(Pin::Line(9)));
    assert_eq!(wired.usb_handset, Some(UsbHandsetWiring { usb: Some((0x0d8c, 0x0105)), headset: true }));
    assert_eq!(wired.key_debounce_ms, DEBOUNCE_MS);
    assert!(wired.keys.contains(&(Key::VolumeUp, Pin::Line(6))));
    assert!(wired.keys.contains(&(Key::Lamp(2), Pin::Expander { expander: 0, pin: 14 })));
    let jack = JackWiring::Pin { pin: Pin::Expander { expander: 0, pin: 6 }, plugged_high: false };
    assert_eq!(wired.jack, Some(jack));
}

#[test]
fn expanders_are_numbered_as_pins_count_them() {
    let wired = lines(WIRED);
    let [front, lights] = wired.expanders.as_slice() else { panic!("{:?}", wired.expanders) };
    assert_eq!((front.name.as_str(), front.kind, front.address), ("front", ExpanderKind::Mcp23017, 0x20));
    assert_eq!((front.bus.as_str(), front.interrupt), ("/dev/i2c-1", Some(10)));
    assert_eq!((lights.name.as_str(), lights.kind, lights.interrupt), ("lights", ExpanderKind::Pcf8574, None));
    let matrix = wired.matrix.unwrap();
    assert_eq!(matrix.rows, [Pin::Line(1), Pin::Line(2)]);
    assert_eq!(matrix.columns, [Pin::Line(3), Pin::Expander { expander: 0, pin: 4 }]);
    assert_eq!(matrix.keys[1], [Some(Key::Digit('*')), None]);
}

#[test]
fn a_matrix_may_have_a_chip_of_its_own_with_the_same_numbers() {
    let text = WIRED.replace("rows = [1, 2]", "chip = \"pad\"\nrows = [17, 2]");
    let matrix = lines(&text).matrix.unwrap();
    assert_eq!(matrix.chip.as_deref(), Some("pad"));
    assert_eq!(matrix.rows, [Pin::MatrixLine(17), Pin::MatrixLine(2)]);
    assert_eq!(matrix.columns, [Pin::MatrixLine(3), Pin::Expander { expander: 0, pin: 4 }]);
    assert_eq!(lines(WIRED).matrix.unwrap().chip, None);
    let reason = |text: &str| refused(text).1;
    assert!(
        reason(&text.replace("[3, \"front.4\"]", "[17, 4]")).contains("line 17 of the matrix' chip already is row 1")
    );
    assert!(reason(&text.replace("[17, 2]", "[17, 5000]")).contains("no chip has a line 5000"));
    let only_expander =
        text.replace("[17, 2]", "[\"front.1\", \"front.2\"]").replace("[3, \"front.4\"]", "[\"front.3\", \"front.4\"]");
    assert!(reason(&only_expander).contains("no row or column is a line of this chip"));
    let panel_chip = lines(WIRED).chip;
    assert!(reason(&text.replace("\"pad\"", &format!("{panel_chip:?}"))).contains("remove it here"));
}

#[test]
fn a_rotary_dial_has_the_usual_times_unless_it_says_otherwise() {
    let expected = RotaryWiring {
        pulse: Pin::Expander { expander: 0, pin: 0 },
        off_normal: Some(Pin::Line(11)),
        debounce_ms: 5,
        pause_ms: 200,
        digits: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    };
    assert_eq!(lines(WIRED).rotary, Some(expected));
    let usual = lines(&with("digits = \"0123456789\"\n", "debounce_ms = 8\npause_ms = 300\n")).rotary.unwrap();
    assert_eq!((usual.debounce_ms, usual.pause_ms), (8, 300));
    assert_eq!(usual.digits.iter().collect::<String>(), "1234567890");
}

#[test]
fn lamps_have_places_colours_and_brightness() {
    let wired = lines(WIRED);
    let lamp = |lamp: Lamp| wired.lamps.iter().find(|(of, _)| *of == lamp).unwrap().1.lights.clone();
    let light = |place, brightness, active_low| LightWiring { place, brightness, active_low };
    let red = light(LightPlace::Pin(Pin::Expander { expander: 1, pin: 0 }), 100, true);
    let green = light(LightPlace::Led("g".into()), 40, false);
    assert_eq!(lamp(Lamp::Key(1)), [(Some(Colour::Red), red), (Some(Colour::Green), green)]);
    assert_eq!(lamp(Lamp::Line(1)), [(None, light(LightPlace::Pin(Pin::Line(20)), 100, false))]);
    assert_eq!(lamp(Lamp::Message), [(None, light(LightPlace::Pwm { chip: 0, channel: 1 }, 30, true))]);
    assert_eq!(wired.colours, [(Pattern::Fast, Colour::Amber), (Pattern::Slow, Colour::Red)]);
}

#[test]
fn controls_of_every_route_are_set_on_those_that_do_not_say_otherwise() {
    let audio = Board::parse(WIRED).unwrap().audio;
    for route in Route::ALL {
        let on = |control: &str| {
            let mut found = audio.mixer.iter().filter(|set| set.route == route.name() && set.control == control);
            let percent = found.next().map(|set| set.percent);
            assert!(found.next().is_none(), "{} twice on {}", control, route.name());
            percent
        };
        assert_eq!(on("Speaker"), Some(0));
        assert_eq!(on("Headphone"), Some(if route == Route::Handset { 80 } else { 10 }));
    }
    let headset = audio.route(Route::Headset).unwrap();
    assert_eq!(headset.pcm, Some(("plughw:CARD=Usb".into(), "plughw:CARD=Usb".into())));
    assert_eq!((headset.output_db, headset.input_db), (-6, 0));
    assert_eq!(audio.route(Route::Handset), None);
}

#[test]
fn a_pin_used_twice_is_refused_where_it_is_used_again() {
    for (from, to, owner) in [
        ("rows = [1, 2]", "rows = [1, 17]", "already is the hook"),
        ("bell = 9", "bell = 1", "already is row 1"),
        ("bell = 9", "bell = \"front.0\"", "already is the pulse contact"),
        ("pin = 17", "pin = 10", "already is interrupt of expander front"),
        ("line1 = { pin = 20 }", "line1 = { pin = 5 }", "already is key hold"),
        ("line1 = { pin = 20 }", "line1 = { pin = \"front.4\" }", "already is column 2"),
        ("off_normal = 11", "off_normal = 1", "already is row 1"),
        ("pulse = \"front.0\"", "pulse = 3", "already is column 1"),
        ("pin = \"front.6\"", "pin = 20", "already is lamp line1"),
    ] {
        let (at, line, reason) = changed(from, to);
        assert_eq!(line, at, "{to}: {reason}");
        assert!(reason.contains(owner) && reason.contains("a pin of its own"), "{to}: {reason}");
    }
    let (_, line, reason) = changed("address = 0x38\n", "address = 0x38\ninterrupt = 10\n");
    assert_eq!(line, 18);
    assert!(reason.contains("interrupt of expander front"), "{reason}");
}

#[test]
fn what_can_be_given_away_once_is_refused_the_second_time() {
    for (from, to, owner) in [
        ("hold = 5", "1 = 5", "line 27"),
        ("[\"*\", \"\"]", "[\"*\", \"1\"]", "line 27"),
        ("address = 0x38", "address = 0x20", "already is expander `front`"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"g\" }", "already is lamp key1"),
        (
            "key2 = { led = \"offhook:key2\" }",
            "line2 = { pwm = { chip = 0, channel = 1 } }\nkey2 = { led = \"x\" }",
            "",
        ),
        ("\"/dev/input/event3\"]", "\"pad\"]", "named twice"),
    ] {
        let (at, line, reason) = changed(from, to);
        // Lamps are read in the order of their names, so of two the later name is refused.
        let at = if owner.is_empty() { at + 1 } else { at };
        assert!((at..=at + 1).contains(&line), "{to}: {line}: {reason}");
        assert!(reason.contains(owner), "{to}: {reason}");
    }
}

#[test]
fn nonsense_is_refused_with_its_line_and_a_remedy() {
    for (from, to, remedy) in [
        ("name = \"bench-3\"", "name = \"../etc\"", "lower-case letters"),
        ("model = \"Bench\"", "model = \" \"", "write one"),
        ("kind = \"lines\"", "kind = \"buttons\"", "expected"),
        ("[panel]\nkind = \"lines\"", "[panel]\nkind = \"keyboard\"", "write kind = \"lines\""),
        ("lifted = \"high\"", "lifted = \"up\"", "expected"),
        ("debounce_ms = 20", "debounce_ms = 2000", "use 0 to 500"),
        ("debounce_ms = 20", "debounce = 20", "debounce_ms"),
        ("pin = 17", "pin = 4000", "gpioinfo"),
        ("pin = 17", "pin = -1", "such as 17"),
        ("pin = 17", "pin = 1.5", "such as 17"),
        ("pin = 17", "pin = \"17\"", "without quotes"),
        ("pin = 17", "pin = \"back.1\"", "add [panel.expanders.back]"),
        ("pin = 17", "pin = \"front.16\"", "use 0 to 15"),
        ("pin = 17", "pin = \"lights.8\"", "use 0 to 7"),
        ("pin = 17", "pin = \"front.01\"", "use 0 to 15"),
        ("pin = 17", "pin = \"front.+1\"", "use 0 to 15"),
        ("pin = 17", "pin = \"front.\"", "use 0 to 15"),
        ("[panel.expanders.front]", "[panel.expanders.\"a.b\"]", "cannot name an expander"),
        ("kind = \"mcp23017\"", "kind = \"mcp23018\"", "mcp23017"),
        ("bus = \"/dev/i2c-1\"", "bus = \"i2c1\"", "/dev/i2c-1"),
        ("address = 0x20", "address = 0x40", "0x20 to 0x27"),
        ("address = 0x20", "address = 0x38", "0x20 to 0x27"),
        ("address = 0x20", "address = 288", "0x20 to 0x27"),
        ("pin = 17", "pin = \"front.7\"", "only be an output"),
        ("key2 = \"front.14\"", "key2 = \"front.15\"", "only be an output"),
        ("rows = [1, 2]", "rows = [1, \"front.15\"]", "only be an output"),
        ("pulse = \"front.0\"", "pulse = \"front.7\"", "only be an output"),
        ("off_normal = 11", "off_normal = \"front.7\"", "only be an output"),
        ("pin = \"front.6\"", "pin = \"front.7\"", "only be an output"),
        ("rows = [1, 2]", "rows = []", "list their pins"),
        ("scan_ms = 10", "scan_ms = 5", "10 on an expander"),
        ("scan_ms = 10", "scan_ms = 60", "10 to 50"),
        ("[\"1\", \"2\"]", "[\"1\"]", "write \"\""),
        ("[\"1\", \"2\"]", "[\"1\", \"A\"]", "use 0 to 9"),
        ("hold = 5", "halt = 5", "hold"),
        ("key2 = \"front.14\"", "key3 = 7", "raise lamp_keys"),
        ("digits = \"0123456789\"", "digits = \"012345678\"", "1234567890"),
        ("digits = \"0123456789\"", "digits = \"0123456788\"", "1234567890"),
        ("digits = \"0123456789\"", "pause_ms = 50", "200 is usual"),
        ("digits = \"0123456789\"", "debounce_ms = 30", "5 is usual"),
        ("key2 = { led = \"offhook:key2\" }", "ring = { pin = 30 }", "use line1 to line4"),
        ("key2 = { led = \"offhook:key2\" }", "key3 = { pin = 30 }", "raise lamp_keys"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"../x\" }", "/sys/class/leds"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"a\", pin = 30 }", "one place"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = {}", "one place"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { red = {} }", "one place"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { pin = 30, red = { pin = 31 } }", "inside each colour"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { pin = 30, brightness = 50 }", "pwm channel"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"a\", brightness = 0 }", "1 to 100"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"a\", brightness = 101 }", "1 to 100"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { led = \"a\", active_low = true }", "device tree"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { pin = \"lights.1\" }", "active_low = true"),
        ("key2 = { led = \"offhook:key2\" }", "key2 = { pwm = { chip = 0 } }", "channel"),
        ("bell = 9", "bell = \"lights.1\"", "MCP230xx"),
        ("fast = \"amber\"", "off = \"red\"", "use on, slow"),
        ("fast = \"amber\"", "blink = \"red\"", "use on, slow"),
        ("fast = \"amber\"", "fast = \"blue\"", "no lamp can shine blue"),
        ("fast = \"amber\"", "fast = \"pink\"", "expected"),
        ("usb = \"0d8c:0105\"", "usb = \"d8c:105\"", "lsusb"),
        ("usb = \"0d8c:0105\"", "usb = \"0d8c\"", "lsusb"),
        ("[panel.usb_handset]\nusb = \"0d8c:0105\"\nheadset = true", "[panel.usb_handset]", "two hooks"),
        ("[panel.jack]\npin = \"front.6\"\nplugged = \"low\"", "[panel.jack]\nplugged = \"low\"", "in one way"),
        ("[panel.jack]\npin", "[panel.jack]\ncontrol = \"Headphone Jack\"\npin", "in one way"),
        ("[panel.jack]\npin = \"front.6\"\nplugged = \"low\"", "[panel.jack]\npin = 7", "in one way"),
        ("playback = \"plughw:CARD=Codec\"", "playback = \"\"", "write one"),
        ("rate = 16000", "rate = 0", "write 16000"),
        ("rate = 16000", "rate = 44100", "plughw"),
        ("period = 160", "period = 0", "160 is 10 ms"),
        ("periods = 3", "periods = 1", "use 2 to 16"),
        ("codec = \"wm8960\"", "codec = \"wm8961\"", "use wm8960"),
        ("[audio.mixer.handset]", "[audio.mixer.ear]", "use handset"),
        ("Headphone = 80", "Headphne = 80", "`Headphone`"),
        ("Headphone = 80", "\" \" = 80", "write one"),
        ("Headphone = 80", "Headphone = 300", "0 to 100"),
        ("output_db = -6", "output_db = -41", "use -40 to 20"),
        ("output_db = -6", "input_db = 21", "use -40 to 20"),
        ("[audio.routes.headset]", "[audio.routes.off]", "remove it"),
        ("[audio.routes.headset]", "[audio.routes.ear]", "use handset"),
        ("device = \"/dev/watchdog0\"", "device = \"/dev/null\"", "/dev/watchdog0"),
        ("timeout_s = 15", "timeout_s = 1", "5 to 300"),
    ] {
        let (at, line, reason) = changed(from, to);
        assert!(reason.contains(remedy), "{to}: {reason}");
        assert!((at..=at + to.matches('\n').count() + 1).contains(&line), "{to}: line {line}, not {at}: {reason}");
    }
}

#[test]
fn what_is_missing_is_refused_where_it_should_be() {
    let without = |text: &str| refused(&with(text, ""));
    let (line, reason) = without("chip = \"gpio-sim.0\"\n");
    assert_eq!((line, reason.contains("gpiodetect")), (4, true), "{reason}");
    let (_, reason) = without("key2 = \"front.14\"\n[panel.rotary]\npulse = \"front.0\"\n");
    assert!(reason.contains("unknown field") || reason.contains("no key is called"), "{reason}");
    let (line, reason) = without(
        "key1 = { red = { pin = \"lights.0\", active_low = true }, green = { led = \"g\", brightness = 40 } }\n",
    );
    assert!(reason.contains("no lamp can shine amber"), "{line}: {reason}");
    let idle = with(
        "[panel.hook]",
        "[panel.expanders.spare]\nkind = \"mcp23008\"\nbus = \"/dev/i2c-1\"\naddress = 0x21\n[panel.hook]",
    );
    let (line, reason) = refused(&idle);
    assert_eq!((line, reason.contains("nothing is wired to expander `spare`")), (18, true), "{reason}");
    let (at, line, reason) = changed("playback = \"plughw:CARD=Usb\"\n", "");
    assert_eq!((line, reason.contains("both ways")), (at - 1, true), "{reason}");
    let bare = "[audio.routes.headset]\nplayback = \"plughw:CARD=Usb\"\ncapture = \"plughw:CARD=Usb\"\noutput_db = -6";
    let (at, line, reason) = changed(bare, "[audio.routes.headset]");
    assert_eq!((line, reason.contains("says nothing")), (at, true), "{reason}");
}

#[test]
fn a_panel_that_cannot_be_lifted_is_refused() {
    let bare = "name = \"a\"\nmodel = \"A\"\n[panel]\nkind = \"lines\"\n@[audio]\nplayback = \"default\"\ncapture = \"default\"\nrate = 16000\nperiod = 160\nperiods = 3\n";
    let (line, reason) = refused(&bare.replace('@', ""));
    assert_eq!((line, reason.contains("[panel.hook]")), (3, true), "{reason}");
    assert!(refused(&bare.replace('@', "[panel.usb_handset]\nheadset = true\n")).1.contains("[panel.hook]"));
    for lifted in [
        "input_devices = [\"pad\"]\n",
        "[panel.usb_handset]\n",
        "chip = \"x\"\n[panel.hook]\npin = 1\nlifted = \"low\"\n",
    ] {
        let board = Board::parse(&bare.replace('@', lifted));
        assert!(board.is_ok(), "{lifted}: {board:?}");
    }
    let (line, reason) = refused(&bare.replace('@', "chip = \"x\"\n[panel.usb_handset]\n"));
    assert_eq!((line, reason.contains("no line of the chip is used")), (5, true), "{reason}");
}

#[test]
fn the_output_pins_of_an_mcp23017_take_lamps_and_bell() {
    let text = with("bell = 9", "bell = \"front.7\"").replace("line1 = { pin = 20 }", "line1 = { pin = \"front.15\" }");
    assert_eq!(lines(&text).bell, Some(Pin::Expander { expander: 0, pin: 7 }));
}

#[test]
fn a_dial_on_an_expander_that_is_polled_is_refused() {
    let (_, line, reason) = changed("interrupt = 10\n", "");
    assert_eq!((line, reason.contains("interrupt line")), (34, true), "{line}: {reason}");
    let polled = with("interrupt = 10\n", "").replace("pulse = \"front.0\"", "pulse = 12");
    assert!(Board::parse(&polled).is_ok());
}

#[test]
fn a_keyboard_panel_takes_no_wiring_at_all() {
    let bare = "name = \"a\"\nmodel = \"A\"\n[panel]\nkind = \"keyboard\"\n@[audio]\nplayback = \"default\"\ncapture = \"default\"\nrate = 16000\nperiod = 160\nperiods = 3\n";
    assert!(Board::parse(&bare.replace('@', "")).is_ok());
    for wiring in [
        "bell = 3\n",
        "chip = \"x\"\n",
        "input_devices = [\"pad\"]\n",
        "key_debounce_ms = 3\n",
        "[panel.usb_handset]\n",
        "[panel.rotary]\npulse = 3\n",
        "[panel.jack]\ncontrol = \"Headphone Jack\"\n",
        "[panel.keys]\n1 = 2\n",
        "[panel.lamps]\nmute = { pin = 3 }\n",
        "[panel.colours]\non = \"red\"\n",
        "[panel.expanders.a]\nkind = \"mcp23008\"\nbus = \"/dev/i2c-1\"\naddress = 0x20\n",
    ] {
        let (line, reason) = refused(&bare.replace('@', wiring));
        assert_eq!((line, reason.contains("no wiring")), (3, true), "{wiring}: {reason}");
    }
}

proptest! {
    #[test]
    fn a_damaged_file_is_read_or_refused_within_its_lines(
        at in 0_usize..WIRED.len(), length in 0_usize..40, with in "[ -~\n]{0,6}",
    ) {
        let end = (at + length).min(WIRED.len());
        let text = format!("{}{with}{}", &WIRED[..at], &WIRED[end..]);
        if let Err(error) = Board::parse(&text) {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count() + 1);
            prop_assert!(!error.reason.is_empty() && !error.reason.contains('\n'));
        }
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = Board::parse(&text);
    }

    #[test]
    fn two_pins_are_accepted_exactly_if_they_differ(one in 0_u32..40, other in 0_u32..40) {
        let bare = format!(
            "name = \"a\"\nmodel = \"A\"\n[panel]\nkind = \"lines\"\nchip = \"x\"\nbell = {one}\n[panel.hook]\npin = {other}\nlifted = \"low\"\n[audio]\nplayback = \"default\"\ncapture = \"default\"\nrate = 16000\nperiod = 160\nperiods = 3\n"
        );
        prop_assert_eq!(Board::parse(&bare).is_ok(), one != other);
    }
}
