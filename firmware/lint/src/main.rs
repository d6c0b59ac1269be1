//! Reads the files, prints the verdict. Everything else is in the library.

use offhook_account::inspect;
use offhook_lint::{Checked, Status, args, json, json_schema, status, text};
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// More than any document may have, so that one that is too large is told so and not read whole.
const MOST: u64 = 4 << 20;

fn main() -> ExitCode {
    let (output, status) = match args::parse(std::env::args_os()) {
        Ok(args::Parsed::Check(args)) => check(&args),
        Ok(args::Parsed::Print(text)) => (text, Status::Good),
        Ok(args::Parsed::Schema) => (format!("{:#}\n", json_schema::account()), Status::Good),
        Err(error) => {
            eprintln!("offhook-lint: {error}; `offhook-lint --help` shows what there is");
            return ExitCode::from(Status::Trouble as u8);
        }
    };
    // A reader that has seen enough, such as `head`, is no failure.
    let _ = std::io::stdout().lock().write_all(output.as_bytes());
    ExitCode::from(status as u8)
}

fn check(args: &args::Args) -> (String, Status) {
    let mut worst = Status::Good;
    let mut checked = Vec::new();
    for path in &args.files {
        let name = path.display().to_string();
        match read(path) {
            Ok(bytes) => {
                let inspection = inspect(&bytes);
                let status = status(&inspection, args.strict);
                worst = worst.max(status);
                checked.push(Checked { name, inspection, status });
            }
            Err(error) => {
                eprintln!("offhook-lint: {name}: {error}");
                worst = Status::Trouble;
            }
        }
    }
    let output = match args.json {
        true => format!("{:#}\n", json::report(&checked, args.all)),
        false => checked.iter().map(|checked| text::report(checked, args.all, args.quiet)).collect(),
    };
    (output, worst)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)?,
        false => std::fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}
