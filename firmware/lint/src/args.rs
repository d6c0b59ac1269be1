//! The command line.

use crate::ask::Questions;
use offhook_account::rules::Link;
use std::ffi::OsString;
use std::path::PathBuf;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// `-` is standard input
    pub files: Vec<PathBuf>,
    pub json: bool,
    /// defaults too
    pub all: bool,
    /// mistakes only
    pub quiet: bool,
    pub strict: bool,
    pub questions: Questions,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    Check(Args),
    /// A text that was asked for.
    Print(String),
    /// The JSON schema of an account.
    Schema,
}

/// What `--help` shows.
pub const HELP: &str = "\
offhook-lint: what an Offhook phone would make of an Account XML

  offhook-lint [options] FILE...      - is standard input

  --all           also the values that are not in the file: the defaults
  --quiet         mistakes, warnings and answers only
  --strict        repairs, such as a bare &, count as mistakes
  --dial NUMBER   what a dialled number becomes; may be repeated
  --ring NUMBER   whether a call from this number would ring; may be repeated
  --at TIME       local date and time for both, such as 2026-12-24T09:00                 [now]
  --zone NAME     time zone of the phone, such as Europe/Berlin                          [this machine's]
  --network LINK  ethernet, wifi or cellular                                             [ethernet]
  --ssid NAME     name of the Wi-Fi network
  --busy          a call is up already when it rings
  --json          one JSON document for programs
  --schema        the JSON schema of an account, and nothing else
  --help, --version

Exit status: 0 everything counts as written; 1 accepted, but with mistakes; 2 the phone would refuse it;
3 wrong arguments or a file that cannot be read.
";

/// Reads the arguments; the first is the program's name.
///
/// # Errors
/// What is wrong with them, in words.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::Arg::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_iter(words);
    let mut args = Args::default();
    while let Some(word) = parser.next().map_err(|error| error.to_string())? {
        match word {
            Value(file) => args.files.push(PathBuf::from(file)),
            Long("json") => args.json = true,
            Long("all") | Short('a') => args.all = true,
            Long("quiet") | Short('q') => args.quiet = true,
            Long("strict") => args.strict = true,
            Long("dial") => args.questions.dial.push(string(&mut parser)?),
            Long("ring") => args.questions.ring.push(string(&mut parser)?),
            Long("at") => args.questions.at = Some(string(&mut parser)?),
            Long("zone") => args.questions.zone = Some(string(&mut parser)?),
            Long("ssid") => args.questions.ssid = Some(string(&mut parser)?),
            Long("busy") => args.questions.busy = true,
            Long("network") => {
                let word = string(&mut parser)?;
                let links = [Link::Ethernet, Link::Wifi, Link::Cellular];
                let link = links.into_iter().find(|link| link.name() == word);
                args.questions.link = link.ok_or_else(|| format!("--network {word}: ethernet, wifi or cellular"))?;
            }
            Long("schema") => return Ok(Parsed::Schema),
            Long("help") | Short('h') => return Ok(Parsed::Print(HELP.to_owned())),
            Long("version") => return Ok(Parsed::Print(format!("offhook-lint {}\n", env!("CARGO_PKG_VERSION")))),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if args.files.is_empty() {
        return Err("name a file with an Account XML, or - for standard input".into());
    }
    Ok(Parsed::Check(args))
}

fn string(parser: &mut lexopt::Parser) -> Result<String, String> {
    use lexopt::ValueExt;
    parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())
}
