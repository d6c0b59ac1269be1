//! The phone's daemon: sound, sockets, keys, screen and time around `offhook_phone::Phone`. It decides nothing.

mod args;
mod bench;
mod check_board;
mod control_server;
mod device;
mod export;
mod factory_reset;
mod health;
mod heartbeat;
mod interruptions;
mod media_thread;
mod network;
mod panel;
mod run;
mod screen;
mod self_test_report;
mod sound;
mod sound_files;
mod sound_thread;
mod uplink;
mod vitals;
mod watchdog;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = match args::parse(std::env::args_os()) {
        Ok(args::Parsed::Run(args)) => *args,
        Ok(args::Parsed::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("offhookd: {error}; `offhookd --help` shows what there is");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = start_log(&args) {
        eprintln!("offhookd: {error}");
        return ExitCode::FAILURE;
    }
    if args.mode == args::Mode::Export {
        return match export::run(&args.state, args.seal_key.as_deref()) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("offhookd: --export: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if args.mode == args::Mode::CheckBoard {
        return match device::board(&args.board).map(|board| check_board::run(&board, args.json)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("offhookd: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("offhookd: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A test needs no memory of its own.
    let temporary = (args.mode != args::Mode::Phone && args.state.as_os_str().is_empty())
        .then(|| std::env::temp_dir().join(format!("offhookd-self-test-{}", std::process::id())));
    if let Some(folder) = &temporary {
        args.state.clone_from(folder);
    }
    let failure = (args.json).then_some(self_test_report::failure as fn(&str) -> String);
    let ended = tokio::task::LocalSet::new().block_on(&runtime, run::run(args));
    if let Some(folder) = temporary {
        let _ = std::fs::remove_dir_all(folder);
    }
    match ended {
        Ok(run::Ending::Stopped | run::Ending::Tested { passed: true }) => ExitCode::SUCCESS,
        Ok(run::Ending::Reset) => ExitCode::from(3),
        Ok(run::Ending::Tested { passed: false }) => ExitCode::FAILURE,
        Err(error) => {
            if let Some(failure) = failure {
                print!("{}", failure(&error));
            }
            eprintln!("offhookd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The log goes to standard error; where that is the terminal that the screen is drawn on, to a file beside the state.
fn start_log(args: &args::Args) -> Result<(), String> {
    use std::io::IsTerminal;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if args.mode != args::Mode::Phone || !args.screen || !std::io::stderr().is_terminal() {
        offhook_net::log::to_stderr(args.log);
        return Ok(());
    }
    let path = args.state.join("log.txt");
    // As private as everything else of the state.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.state)
        .and_then(|()| std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&path))
        .map(|file| offhook_net::log::to_writer(args.log, std::sync::Mutex::new(file)))
        .map_err(|error| format!("cannot write {}: {error}; choose another --state folder", path.display()))
}
