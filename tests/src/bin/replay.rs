//! Plays the inputs of a failed story again: `replay <file.inputs>`; prints what every phone shows after each input.

use offhook_tests::{Action, World};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("replay <file.inputs>: plays the inputs that a failed story left in target/stories");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = text.lines();
    let Some(seed) = lines.next().and_then(|line| line.strip_prefix("seed ")?.parse().ok()) else {
        eprintln!("{path}: the first line is not `seed <number>`");
        return ExitCode::FAILURE;
    };
    let mut world = World::new("replay", seed);
    for line in lines {
        let Some(action) = Action::parse(line) else {
            eprintln!("{path}: not an input: {line}");
            return ExitCode::FAILURE;
        };
        let shown = !matches!(action, Action::Run(_));
        world.act(action);
        if shown {
            println!("{line}\n{}", world.summary());
        }
    }
    println!("{}digest {:016x}", world.summary(), world.capture.digest());
    let out = std::path::Path::new(&path).with_extension("replay.pcap");
    match world.capture.write(&out) {
        Ok(()) => println!("capture: {}", out.display()),
        Err(error) => eprintln!("{}: {error}", out.display()),
    }
    ExitCode::SUCCESS
}
