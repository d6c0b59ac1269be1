//! The command line of offhookd.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
offhookd: a SIP desk phone

Usage: offhookd --board <name|folder> --state <folder> [options]

  --board <name|folder>       what the hardware is: `laptop` (keyboard as keypad) or a folder with a board.toml
  --state <folder>            settings, history and cached provisioning; private to you
  --provision <url>           fetch an Account XML from here at start, and again as it says; may be repeated,
                              one account each. Placeholders: {mac} {model} {serial} {version} %account[node]%
  --insecure-provisioning     allow %account[password]% in plain http URLs to other machines (laboratories only)
  --account <file.xml>        an Account XML from a file; may be repeated
  --control <ip:port>|off     TCP control API                                      [127.0.0.1:18620]
  --bench <unix socket>       the hand and the eye of a test: press keys, lift, watch lamps
  --audio <alsa pcm>          sound device for both directions                     [the board's]
  --audio <in.wav>,<out.wav>  speak from one file and listen into the other, at the pace of a sound card
                              (the first hour is kept)
  --audio none                no sound at all
  --screen on|off             draw the phone's screen in this terminal             [on in a terminal, else off]
  --log <level>               error, warn, info, debug or trace                    [info]
  --help, --version

Prints `ready` when its sockets answer. Ends with 0 after SIGTERM or SIGINT, 2 for unusable arguments, 1 when it
cannot start. A phone without hardware and without a server, in two terminals:
    pbxd --state pbx
    offhookd --board laptop --state phone --provision <the url that pbxd printed>
On the laptop board: Space lifts and puts down the handset, 0-9 * # are the keypad, F1-F4 the soft keys, ? helps.
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) board: String,
    pub(crate) state: PathBuf,
    pub(crate) provision: Vec<String>,
    pub(crate) insecure_provisioning: bool,
    pub(crate) accounts: Vec<PathBuf>,
    pub(crate) control: Option<SocketAddr>,
    pub(crate) bench: Option<PathBuf>,
    /// Empty: the board's own device.
    pub(crate) audio: String,
    pub(crate) screen: bool,
    pub(crate) log: tracing::Level,
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Box<Args>),
    Print(String),
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    use lexopt::prelude::*;
    use std::io::IsTerminal;
    let text = |error: lexopt::Error| error.to_string();
    let mut parser = lexopt::Parser::from_iter(args);
    let (mut board, mut state) = (None, None);
    let mut args = Args {
        board: String::new(),
        state: PathBuf::new(),
        provision: Vec::new(),
        insecure_provisioning: false,
        accounts: Vec::new(),
        control: Some(SocketAddr::from(([127, 0, 0, 1], 18620))),
        bench: None,
        audio: String::new(),
        screen: std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
        log: tracing::Level::INFO,
    };
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("board") => board = Some(string(&mut parser)?),
            Long("state") => state = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("provision") => args.provision.push(provision(string(&mut parser)?)?),
            Long("insecure-provisioning") => args.insecure_provisioning = true,
            Long("account") => args.accounts.push(PathBuf::from(parser.value().map_err(text)?)),
            Long("control") => args.control = control(&string(&mut parser)?)?,
            Long("bench") => args.bench = Some(PathBuf::from(parser.value().map_err(text)?)),
            Long("audio") => args.audio = audio(string(&mut parser)?)?,
            Long("screen") => {
                args.screen = match string(&mut parser)?.as_str() {
                    "on" => true,
                    "off" => false,
                    other => return Err(format!("--screen {other}: it is on or off")),
                }
            }
            Long("log") => {
                let level = string(&mut parser)?;
                let wrong = || format!("--log {level}: it takes error, warn, info, debug or trace");
                args.log = level.parse().map_err(|_| wrong())?;
            }
            Long("help") | Short('h') => return Ok(Parsed::Print(HELP.into())),
            Long("version") => return Ok(Parsed::Print(format!("offhookd {}\n", env!("CARGO_PKG_VERSION")))),
            other => return Err(other.unexpected().to_string()),
        }
    }
    args.board = board.ok_or("--board is missing: `laptop` needs no hardware")?;
    args.state = state.ok_or("--state <folder> is missing: name a folder for settings and history")?;
    Ok(Parsed::Run(Box::new(args)))
}

fn string(parser: &mut lexopt::Parser) -> Result<String, String> {
    use lexopt::ValueExt;
    parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())
}

fn provision(url: String) -> Result<String, String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(url)
    } else {
        Err(format!("--provision {url}: it must begin with http:// or https://"))
    }
}

fn control(value: &str) -> Result<Option<SocketAddr>, String> {
    if value == "off" {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| format!("--control {value}: an address like 127.0.0.1:18620, or off"))
}

/// Says at once what can never be opened; the rest is seen when it is.
fn audio(value: String) -> Result<String, String> {
    let half = |part: &str| part.ends_with(".wav");
    match value.split_once(',') {
        _ if value.is_empty() => Err("--audio: name a PCM, two WAV files or none".into()),
        // ALSA names have commas too (`hw:1,0`), so only a file on one side makes it a pair of files.
        Some((input, output)) if half(input) != half(output) && !input.is_empty() && !output.is_empty() => {
            Err(format!("--audio {value}: both files must end in .wav"))
        }
        _ => Ok(value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> Result<Parsed, String> {
        parse(std::iter::once("offhookd").chain(args.iter().copied()).map(OsString::from))
    }

    #[test]
    fn audio_takes_alsa_names_with_commas_and_pairs_of_files() {
        for good in ["hw:1,0", "a.wav,b.wav", "a.wav,", "none", "default"] {
            assert_eq!(audio(good.into()), Ok(good.into()));
        }
        assert!(audio("a.wav,b.mp3".into()).is_err() && audio(String::new()).is_err());
    }

    #[test]
    fn several_accounts_and_urls_are_kept_in_order() {
        let Ok(Parsed::Run(args)) = of(&[
            "--board",
            "laptop",
            "--state",
            "s",
            "--provision",
            "http://a/{mac}",
            "--provision",
            "https://b",
            "--account",
            "x.xml",
            "--control",
            "off",
            "--screen",
            "off",
        ]) else {
            panic!()
        };
        assert_eq!(args.provision, ["http://a/{mac}", "https://b"]);
        assert_eq!((args.accounts.len(), args.control, args.screen), (1, None, false));
    }

    #[test]
    fn wrong_arguments_say_what_is_wrong() {
        for (args, word) in [
            (&["--state", "s"][..], "--board"),
            (&["--board", "laptop"], "--state"),
            (&["--board", "laptop", "--state", "s", "--screen", "maybe"], "maybe"),
            (&["--board", "laptop", "--state", "s", "--control", "18620"], "--control"),
            (&["--board", "laptop", "--state", "s", "--provision", "ftp://x"], "http"),
            (&["--board", "laptop", "--state", "s", "--log", "loud"], "loud"),
        ] {
            assert!(of(args).unwrap_err().contains(word), "{args:?}");
        }
    }
}
