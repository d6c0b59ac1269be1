//! Reads the files, prints the verdict. Everything else is in the library.

use offhook_account::inspect::{Inspected, inspect};
use offhook_account::rules::Zone;
use offhook_lint::{Checked, Status, args, ask, json, json_schema, status, text};
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
    let situation = match args.questions.situation(std::time::SystemTime::now(), zone()) {
        Ok(situation) => situation,
        Err(error) => {
            eprintln!("offhook-lint: {error}");
            return (String::new(), Status::Trouble);
        }
    };
    let mut worst = Status::Good;
    let mut checked = Vec::new();
    for path in &args.files {
        let name = path.display().to_string();
        match read(path) {
            Ok(bytes) => {
                let inspection = inspect(&bytes);
                let status = status(&inspection, args.strict);
                worst = worst.max(status);
                let ask = |account: &Inspected| ask::answers(&account.settings, &args.questions, &situation);
                let answers = match inspection.accepted() {
                    true => inspection.accounts.iter().map(ask).collect(),
                    false => Vec::new(),
                };
                checked.push(Checked { name, inspection, status, answers });
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

/// The machine's own: `TZ`, else `/etc/localtime`, else UTC.
fn zone() -> Zone {
    let words = std::env::var("TZ").ok().filter(|words| !words.is_empty());
    let file = || Zone::of_tzif(&std::fs::read("/etc/localtime").ok()?);
    words.and_then(|words| Zone::of_words(&words)).or_else(file).unwrap_or_default()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MOST).read_to_end(&mut bytes)?,
        false => std::fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}
