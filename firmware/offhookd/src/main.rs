//! The phone's daemon: sound, sockets, keys, screen and time around `offhook_phone::Phone`. It decides nothing.

mod args;
mod bench;
mod control_server;
mod device;
mod media_thread;
mod panel;
mod run;
mod screen;
mod sound;
mod sound_files;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("offhookd: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::task::LocalSet::new().block_on(&runtime, run::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("offhookd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The log goes to standard error, or beside the state when the screen has the terminal.
fn start_log(args: &args::Args) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let log = tracing_subscriber::fmt().with_max_level(args.log).with_target(false);
    if args.screen {
        let path = args.state.join("log.txt");
        // As private as everything else of the state.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&args.state)
            .and_then(|()| std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&path))
            .map(|file| log.with_ansi(false).with_writer(std::sync::Mutex::new(file)).init())
            .map_err(|error| format!("cannot write {}: {error}; choose another --state folder", path.display()))
    } else {
        log.with_writer(std::io::stderr).init();
        Ok(())
    }
}
