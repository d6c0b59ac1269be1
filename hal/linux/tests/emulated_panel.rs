//! The panel on the interfaces of a real kernel: simulated GPIO lines (`gpio-sim`), input devices that come and go
//! (`uinput`), a USB handset (`uhid`), LEDs (`uleds`). For root, on a kernel that has them, such as the board `uml`'s;
//! elsewhere each test says that it was skipped.

#![allow(clippy::expect_used, clippy::panic)]

#[path = "support/chip.rs"]
mod chip;
#[path = "support/handset.rs"]
mod handset;

use chip::Chip;
use evdev::{AttributeSet, EventType, InputEvent, KeyCode, uinput::VirtualDevice};
use handset::Handset;
use offhook_board::{
    Board, HookWiring, LampWiring, LightPlace, LightWiring, LinesWiring, PanelWiring, Pin, RotaryWiring,
    UsbHandsetWiring,
};
use offhook_hal::{Hook, Key, Lamp, Panel, PanelEvent, PanelReport, Pattern};
use offhook_hal_linux::LinuxPanel;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const DEBOUNCE: u32 = 20;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn open(wiring: LinesWiring) -> LinuxPanel {
    let mut board = Board::parse(Board::built_in("laptop").expect("a board")).expect("a board that parses");
    board.panel = PanelWiring::Lines(wiring);
    LinuxPanel::open(&board).expect("a panel")
}

fn hook_and_key(chip: &Chip) -> LinesWiring {
    LinesWiring {
        chip: chip.label.clone(),
        hook: Some(HookWiring { pin: Pin::Line(1), lifted_high: false, debounce_ms: DEBOUNCE }),
        keys: vec![(Key::Hold, Pin::Line(2))],
        key_debounce_ms: 10,
        ..LinesWiring::default()
    }
}

/// The next event, whatever is reported meanwhile.
fn event(panel: &mut LinuxPanel, patience: Duration) -> Option<PanelEvent> {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let event = panel.wait(left).expect("a panel that lives");
        if event.is_some() || left.is_zero() {
            return event;
        }
        while let Some(report) = panel.report() {
            println!("reported: {report}");
        }
    }
}

/// The next report, whatever happens meanwhile.
fn report(panel: &mut LinuxPanel) -> PanelReport {
    let until = Instant::now() + ms(5000);
    while Instant::now() < until {
        if let Some(report) = panel.report() {
            return report;
        }
        panel.wait(ms(100)).expect("a panel that lives");
    }
    panic!("nothing is reported");
}

#[test]
fn the_hook_is_heard_once_and_soon_after_it_rests() {
    let Some(chip) = Chip::new("hook") else { return };
    let mut panel = open(hook_and_key(&chip));
    assert_eq!(event(&mut panel, ms(0)), Some(PanelEvent::Hook(Hook::On)));
    let mut late = Vec::new();
    for round in 0..20 {
        let lift = round % 2 == 0;
        for bounce in [true, false, true] {
            chip.pull(1, lift != bounce);
        }
        let rested = Instant::now();
        let hook = if lift { Hook::Off } else { Hook::On };
        assert_eq!(event(&mut panel, ms(1000)), Some(PanelEvent::Hook(hook)));
        late.push(rested.elapsed().saturating_sub(ms(u64::from(DEBOUNCE))));
        assert_eq!(event(&mut panel, ms(50)), None);
    }
    late.sort();
    println!("hook edge to event, beyond the {DEBOUNCE} ms of settling: median {:?}, worst {:?}", late[10], late[19]);
    assert!(late[10] < ms(20), "{late:?}");
}

#[test]
fn keys_and_lamps_are_lines() {
    let Some(chip) = Chip::new("lamps") else { return };
    let light = |line, active_low| LightWiring { place: LightPlace::Pin(Pin::Line(line)), brightness: 100, active_low };
    let lamp = |line, low| LampWiring { lights: vec![(None, light(line, low))] };
    let lamps = vec![(Lamp::Line(1), lamp(10, false)), (Lamp::Message, lamp(11, true))];
    let wiring = LinesWiring { lamps, bell: Some(Pin::Line(12)), ..hook_and_key(&chip) };
    let mut panel = open(wiring);
    assert_eq!((chip.value(10), chip.value(11), chip.value(12)), (false, true, false), "dark and silent");
    assert_eq!(event(&mut panel, ms(0)), Some(PanelEvent::Hook(Hook::On)));
    chip.pull(2, false);
    assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Down(Key::Hold)));
    chip.pull(2, true);
    assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Up(Key::Hold)));
    panel.indicate(Lamp::Line(1), Pattern::Fast).expect("lit");
    panel.indicate(Lamp::Message, Pattern::On).expect("lit");
    panel.bell(true).expect("rings");
    assert_eq!((chip.value(10), chip.value(11), chip.value(12)), (true, false, true));
    assert_eq!(event(&mut panel, ms(375)), None);
    assert!(!chip.value(10), "it blinks");
    assert_eq!(event(&mut panel, ms(250)), None);
    assert!(chip.value(10));
}

#[test]
fn a_dial_dials_over_real_edges() {
    let Some(chip) = Chip::new("dial") else { return };
    let digits = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'];
    let (pulse, off_normal) = (Pin::Line(5), Some(Pin::Line(6)));
    let rotary = Some(RotaryWiring { pulse, off_normal, debounce_ms: 6, pause_ms: 300, digits });
    chip.pull(5, false);
    let mut panel = open(LinesWiring { chip: chip.label.clone(), rotary, ..LinesWiring::default() });
    // A pulled line becomes an input with a pull-up when it is asked for, so it is pulled down again.
    chip.pull(5, false);
    event(&mut panel, ms(1000));
    for (count, digit) in [(1, '1'), (7, '7'), (10, '0')] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                chip.pull(6, false);
                std::thread::sleep(ms(200));
                for _ in 0..count {
                    chip.pull(5, true);
                    std::thread::sleep(ms(60));
                    chip.pull(5, false);
                    std::thread::sleep(ms(40));
                }
                chip.pull(6, true);
            });
            assert_eq!(event(&mut panel, ms(5000)), Some(PanelEvent::Down(Key::Digit(digit))));
            assert_eq!(event(&mut panel, ms(100)), Some(PanelEvent::Up(Key::Digit(digit))));
        });
    }
}

#[test]
fn a_chip_that_goes_and_comes_back_is_reported_and_works_again() {
    let Some(chip) = Chip::new("lost") else { return };
    let mut panel = open(hook_and_key(&chip));
    assert_eq!(event(&mut panel, ms(0)), Some(PanelEvent::Hook(Hook::On)));
    chip.live(false);
    assert!(matches!(report(&mut panel), PanelReport::Lost(..)));
    chip.live(true);
    let began = Instant::now();
    assert_eq!(report(&mut panel), PanelReport::Found(chip.label.clone()));
    println!("found {:?} after it came", began.elapsed());
    chip.pull(1, false);
    assert_eq!(event(&mut panel, ms(1000)), Some(PanelEvent::Hook(Hook::Off)));
}

#[test]
fn a_panel_at_rest_sleeps() {
    let Some(chip) = Chip::new("rest") else { return };
    let mut panel = open(LinesWiring {
        input_devices: vec!["no such keypad".into()],
        usb_handset: Some(UsbHandsetWiring { usb: Some((1, 2)), headset: false }),
        ..hook_and_key(&chip)
    });
    // The looks for what is missing become seldom.
    while panel.wait(ms(1)).expect("a panel").is_some() || panel.report().is_some() {}
    panel.wait(Duration::from_secs(9)).expect("a panel");
    let before = switches();
    assert_eq!(panel.wait(Duration::from_secs(7)), Ok(None));
    let woken = switches() - before;
    println!("woken {woken} times in 7 s at rest");
    assert!(woken <= 3, "{woken}");
}

/// How often this thread has gone to sleep.
fn switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.expect("a count").trim().parse().expect("a number")
}

#[test]
fn an_input_device_comes_goes_and_comes_again() {
    if !std::path::Path::new("/dev/uinput").exists() {
        eprintln!("skipped: no /dev/uinput");
        return;
    }
    let name = format!("offhook-test-keypad-{}", std::process::id());
    let mut panel = open(LinesWiring { input_devices: vec![name.clone()], ..LinesWiring::default() });
    assert!(matches!(report(&mut panel), PanelReport::Unplugged(..)));
    for _ in 0..2 {
        let keys: AttributeSet<KeyCode> = [KeyCode::KEY_KP5, KeyCode::KEY_PHONE].into_iter().collect();
        let device = VirtualDevice::builder().and_then(|builder| builder.name(&name).with_keys(&keys)?.build());
        let mut device = device.expect("a virtual device");
        let began = Instant::now();
        assert!(matches!(report(&mut panel), PanelReport::Plugged(_)));
        println!("noticed after {:?}", began.elapsed());
        event(&mut panel, ms(10));
        let mut send = |code: KeyCode, down: bool| {
            device.emit(&[InputEvent::new(EventType::KEY.0, code.0, i32::from(down))]).expect("sent");
        };
        send(KeyCode::KEY_PHONE, true);
        assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Hook(Hook::Off)));
        send(KeyCode::KEY_PHONE, false);
        assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Hook(Hook::On)));
        send(KeyCode::KEY_KP5, true);
        assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Down(Key::Digit('5'))));
        drop(device);
        assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Up(Key::Digit('5'))), "pulled out with the key down");
        assert!(matches!(report(&mut panel), PanelReport::Unplugged(..)));
    }
}

#[test]
fn a_usb_handset_is_lifted_shows_ringing_and_may_be_pulled_out_in_a_call() {
    let usb = (0x1234, 0x5678);
    let Some(mut handset) = Handset::plug_in(usb, false) else { return };
    let usb_handset = Some(UsbHandsetWiring { usb: Some(usb), headset: false });
    let mut panel = open(LinesWiring { usb_handset, ..LinesWiring::default() });
    while panel.report().is_some() {}
    assert_eq!(event(&mut panel, ms(100)), Some(PanelEvent::Hook(Hook::On)));
    handset.send(&[0b01, 0]);
    assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Hook(Hook::Off)));
    handset.send(&[0b01, 6]);
    assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Down(Key::Digit('5'))));
    handset.send(&[0b01, 0]);
    assert_eq!(event(&mut panel, ms(500)), Some(PanelEvent::Up(Key::Digit('5'))));
    panel.bell(true).expect("rings");
    assert_eq!(handset.received(), Some(vec![0, 0b1]), "report 0, the ring lamp");
    drop(handset);
    assert!(matches!(report(&mut panel), PanelReport::Unplugged(..)));
    assert_eq!(event(&mut panel, ms(1000)), None, "the call goes on");
    let handset = Handset::plug_in(usb, true).expect("again");
    assert!(matches!(report(&mut panel), PanelReport::Plugged(_)));
    assert_eq!(event(&mut panel, ms(500)), None, "it is still lifted");
    assert_eq!(handset.received(), Some(vec![0, 0b1]), "the ring lamp again");
}

#[test]
fn an_led_of_the_kernel_shines_as_bright_as_the_board_says() {
    let Ok(mut leds) = std::fs::File::options().read(true).write(true).open("/dev/uleds") else {
        eprintln!("skipped: no /dev/uleds");
        return;
    };
    let name = format!("offhook:test-{}", std::process::id());
    let mut device = [0_u8; 68];
    device[..name.len()].copy_from_slice(name.as_bytes());
    device[64..].copy_from_slice(&200_i32.to_ne_bytes());
    leds.write_all(&device).expect("an LED");
    let place = LightPlace::Led(name.clone());
    let lights = vec![(None, LightWiring { place, brightness: 30, active_low: false })];
    let mut panel = open(LinesWiring { lamps: vec![(Lamp::Mute, LampWiring { lights })], ..LinesWiring::default() });
    assert_eq!(panel.report(), None);
    panel.indicate(Lamp::Mute, Pattern::On).expect("lit");
    let shown = std::fs::read_to_string(format!("/sys/class/leds/{name}/brightness")).expect("an LED");
    assert_eq!(shown.trim(), "60");
    let mut brightness = [0_u8; 4];
    leds.read_exact(&mut brightness).expect("a level");
    assert!([0, 60].contains(&i32::from_ne_bytes(brightness)));
}
