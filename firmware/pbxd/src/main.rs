//! The daemon of the small-office PBX: sockets, files and time around `offhook_pbx::Pbx`. It decides nothing.

mod args;
mod media;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::parse(std::env::args_os()) {
        Ok(args::Parsed::Run(args)) => args,
        Ok(args::Parsed::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("pbxd: {error}; `pbxd --help` shows what there is");
            return ExitCode::from(2);
        }
    };
    offhook_net::log::to_stderr(args.log);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("pbxd: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::task::LocalSet::new().block_on(&runtime, run::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pbxd: {error}");
            ExitCode::FAILURE
        }
    }
}
