//! The command line of offhookd.

use offhook_phone::account::fetch::Trust;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) const HELP: &str = "\
offhookd: a SIP desk phone

Usage: offhookd --board <name|folder> --state <folder> [options]
       offhookd --board <name|folder> --check-board [--json]
       offhookd --board <name|folder> --self-test [--interactive] [--json] [--state <folder>] [options]
       offhookd --state <folder> --export

  --board <name|folder>       what the hardware is: one of
                              {boards}
                              or a folder with a board.toml
  --state <folder>            settings, history and cached provisioning; private to you
  --provision <url>           fetch an Account XML from here at start, and again as it says; may be repeated,
                              one account each. Placeholders: {mac} {model} {serial} {version} %account[node]%
  --insecure-provisioning     allow %account[password]% in plain http URLs to other machines (laboratories only)
  --find on|off               without --provision and --account: look for a server by DHCP (options 160, 66, 43) and
                              SIP PnP, and let somebody log in at the screen          [on]
  --fallback <url>            as --provision while nobody else is known to provision this phone; --find goes on looking
  --authorities <file.pem>    believe these authorities too, beside the system's, for https; may be repeated
  --certificate <file.pem>    what the phone shows to a provisioning server that asks for a certificate
  --key <file.pem>            the key of --certificate
  --pin <sha256>              the provisioning server's public key must be this, or another --pin (base64 or hex)
  --leases <folder>           where the DHCP client writes what it was told           [as systems do]
  --account <file.xml>        an Account XML from a file; may be repeated
  --metered <interface>       traffic over this interface costs: the account's 3G set of codecs counts there, as over
                              every modem; may be repeated
  --site <file.xml>           values for every account of this place, as an Account XML without credentials
  --control <ip:port>|off     TCP control API                                      [127.0.0.1:18620]
  --bench <unix socket>       the hand and the eye of a test: press keys, lift, watch lamps
  --audio <alsa pcm>          sound device for both directions                     [the board's]
  --audio <in.wav>,<out.wav>  speak from one file and listen into the other, at the pace of a sound card
                              (the first hour is kept)
  --audio none                no sound at all
  --screen on|off             draw the phone's screen in this terminal             [on in a terminal, else off]
  --log <level>               error, warn, info, debug or trace                    [info]
  --args-file <file>          more options from a file: one per line, `--option value`; # begins a comment line
  --seal-key <file>           seal stored secrets with what is in this file, at least 16 octets that only this board
                              has and that are not on the same medium; without it they are unsealed, mode 0600
  --export                    print the accounts in force as Account XML, without their secrets; the phone may run
  --check-board               explain the board and say what of it this machine does not have; 1 if something is missing
  --self-test                 test the phone: keys, lamps, hook, sound, network, provisioning, registration; then end,
                              with 1 if something failed. The phone itself must not run meanwhile
  --interactive               with --self-test: also what needs a person in front of the phone
  --json                      with --check-board and --self-test: the result as one line of JSON
  --help, --version

Prints `ready` when its sockets answer. Ends with 0 after SIGTERM or SIGINT, 2 for unusable arguments, 1 when it
cannot start, 3 after a factory reset that it had to do itself. A phone without hardware and without a server, in two
terminals:
    pbxd --state pbx
    offhookd --board laptop --state phone --provision <the url that pbxd printed>
On the laptop board: Space lifts and puts down the handset, 0-9 * # are the keypad, F1-F4 the soft keys, ? helps.

Under a service manager it speaks sd_notify(3): READY, STATUS and, while every thread lives, WATCHDOG. With
RUNTIME_DIRECTORY in the environment it keeps health.json there, and asks for a factory reset by a file factory-reset.
";

#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) board: String,
    pub(crate) state: PathBuf,
    pub(crate) provision: Vec<String>,
    pub(crate) insecure_provisioning: bool,
    pub(crate) find: bool,
    pub(crate) fallback: Option<String>,
    pub(crate) authorities: Vec<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// SHA-256 of public keys.
    pub(crate) pins: Vec<[u8; 32]>,
    /// Empty: the usual places.
    pub(crate) leases: Option<PathBuf>,
    pub(crate) accounts: Vec<PathBuf>,
    /// Interfaces whose traffic costs.
    pub(crate) metered: Vec<String>,
    pub(crate) site: Option<PathBuf>,
    pub(crate) control: Option<SocketAddr>,
    pub(crate) bench: Option<PathBuf>,
    /// Empty: the board's own device.
    pub(crate) audio: String,
    pub(crate) screen: bool,
    pub(crate) log: tracing::Level,
    pub(crate) mode: Mode,
    /// Results as JSON.
    pub(crate) json: bool,
    /// Key to seal stored secrets with.
    pub(crate) seal_key: Option<PathBuf>,
}

/// What the daemon is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Phone,
    CheckBoard,
    SelfTest { interactive: bool },
    Export,
}

#[derive(Debug)]
pub(crate) enum Parsed {
    Run(Box<Args>),
    Print(String),
}

pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, String> {
    use std::io::IsTerminal;
    let mut reader = Reader {
        board: None,
        state: None,
        interactive: false,
        print: None,
        args: Args {
            board: String::new(),
            state: PathBuf::new(),
            provision: Vec::new(),
            insecure_provisioning: false,
            find: true,
            fallback: None,
            authorities: Vec::new(),
            certificate: None,
            key: None,
            pins: Vec::new(),
            leases: None,
            accounts: Vec::new(),
            metered: Vec::new(),
            site: None,
            control: Some(SocketAddr::from(([127, 0, 0, 1], 18620))),
            bench: None,
            audio: String::new(),
            screen: std::io::stdout().is_terminal() && std::io::stdin().is_terminal(),
            log: tracing::Level::INFO,
            mode: Mode::Phone,
            json: false,
            seal_key: None,
        },
    };
    reader.read(lexopt::Parser::from_iter(args), true)?;
    match reader.print.take() {
        Some(text) => Ok(Parsed::Print(text)),
        None => reader.finish().map(|args| Parsed::Run(Box::new(args))),
    }
}

/// The command line so far.
struct Reader {
    board: Option<String>,
    state: Option<PathBuf>,
    interactive: bool,
    print: Option<String>,
    args: Args,
}

impl Reader {
    /// `files`: `--args-file` may be used here.
    fn read(&mut self, mut parser: lexopt::Parser, files: bool) -> Result<(), String> {
        use lexopt::prelude::*;
        let text = |error: lexopt::Error| error.to_string();
        let args = &mut self.args;
        while let Some(arg) = parser.next().map_err(text)? {
            match arg {
                Long("board") => self.board = Some(string(&mut parser)?),
                Long("state") => self.state = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("provision") => args.provision.push(provision("--provision", string(&mut parser)?)?),
                Long("insecure-provisioning") => args.insecure_provisioning = true,
                Long("site") => args.site = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("fallback") => args.fallback = Some(provision("--fallback", string(&mut parser)?)?),
                Long("find") => args.find = on_off("--find", &string(&mut parser)?)?,
                Long("authorities") => args.authorities.push(PathBuf::from(parser.value().map_err(text)?)),
                Long("certificate") => args.certificate = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("key") => args.key = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("pin") => {
                    let pins = Trust::read_pins(&string(&mut parser)?).map_err(|why| format!("--pin {why}"))?;
                    args.pins.extend(pins);
                }
                Long("leases") => args.leases = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("account") => args.accounts.push(PathBuf::from(parser.value().map_err(text)?)),
                Long("metered") => args.metered.push(interface(string(&mut parser)?)?),
                Long("control") => args.control = control(&string(&mut parser)?)?,
                Long("bench") => args.bench = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("audio") => args.audio = audio(string(&mut parser)?)?,
                Long("screen") => args.screen = on_off("--screen", &string(&mut parser)?)?,
                Long("log") => {
                    let level = string(&mut parser)?;
                    let wrong = || format!("--log {level}: it takes error, warn, info, debug or trace");
                    args.log = level.parse().map_err(|_| wrong())?;
                }
                Long("args-file") if files => {
                    let path = PathBuf::from(parser.value().map_err(text)?);
                    let lines = std::fs::read_to_string(&path).map_err(|error| {
                        format!("--args-file {}: {error}; name a text file with one option per line", path.display())
                    })?;
                    return self.read_lines(&path.display().to_string(), &lines).and_then(|()| self.read(parser, true));
                }
                Long("args-file") => return Err("--args-file: not inside such a file".into()),
                Long("seal-key") => args.seal_key = Some(PathBuf::from(parser.value().map_err(text)?)),
                Long("export") => args.mode = Mode::Export,
                Long("check-board") => args.mode = Mode::CheckBoard,
                Long("self-test") => args.mode = Mode::SelfTest { interactive: false },
                Long("interactive") => self.interactive = true,
                Long("json") => args.json = true,
                Long("help") | Short('h') => {
                    let boards = offhook_board::Board::built_in_names().collect::<Vec<_>>().join(", ");
                    self.print = Some(HELP.replacen("{boards}", &boards, 1));
                    return Ok(());
                }
                Long("version") => {
                    let version = offhook_net::build_info::version("offhookd", env!("CARGO_PKG_VERSION"));
                    self.print = Some(format!("{version}\n"));
                    return Ok(());
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        Ok(())
    }

    /// Nobody quotes in such a file: what follows the option's name is its value, blanks included.
    fn read_lines(&mut self, place: &str, lines: &str) -> Result<(), String> {
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |error: String| format!("{place}, line {number}: {error}");
            if !line.starts_with("--") {
                return Err(at(format!("{line}: one option per line, such as --log debug")));
            }
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let words = ["offhookd", name, value.trim()].into_iter().filter(|word| !word.is_empty());
            self.read(lexopt::Parser::from_iter(words), false).map_err(at)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Args, String> {
        self.args.board = match (self.board, self.args.mode) {
            (Some(board), _) => board,
            (None, Mode::Export) => String::new(),
            (None, _) => return Err("--board is missing: `laptop` needs no hardware".into()),
        };
        match (&mut self.args.mode, self.interactive) {
            (Mode::SelfTest { interactive }, wanted) => *interactive = wanted,
            (_, true) => return Err("--interactive belongs to --self-test".into()),
            _ => {}
        }
        if self.args.json && matches!(self.args.mode, Mode::Phone | Mode::Export) {
            return Err("--json belongs to --check-board or --self-test".into());
        }
        self.args.state = match (self.state, self.args.mode) {
            (Some(state), _) => state,
            (None, Mode::Phone | Mode::Export) => {
                return Err("--state <folder> is missing: name a folder for settings and history".into());
            }
            (None, _) => PathBuf::new(),
        };
        Ok(self.args)
    }
}

fn string(parser: &mut lexopt::Parser) -> Result<String, String> {
    use lexopt::ValueExt;
    parser.value().and_then(ValueExt::string).map_err(|error| error.to_string())
}

fn on_off(option: &str, value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{option} {other}: it is on or off")),
    }
}

fn provision(option: &str, url: String) -> Result<String, String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(url)
    } else {
        Err(format!("{option} {url}: it must begin with http:// or https://"))
    }
}

fn control(value: &str) -> Result<Option<SocketAddr>, String> {
    if value == "off" {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| format!("--control {value}: an address like 127.0.0.1:18620, or off"))
}

/// Says at once what can never be opened; the rest is seen when it is.
fn interface(name: String) -> Result<String, String> {
    // IFNAMSIZ with its zero
    let fits = !name.is_empty() && name.len() < 16 && !name.contains(['/', ' ']);
    if fits { Ok(name) } else { Err(format!("--metered {name}: name a network interface such as eth0")) }
}

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
    fn a_file_of_arguments_stands_where_it_is_named_and_is_not_split_at_blanks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("args");
        let text =
            "# made at boot\n--board uml\n\n  --provision http://10.0.2.2/a b\n--state /data/offhook\n--log debug\n";
        std::fs::write(&path, text).unwrap();
        let name = path.to_str().unwrap();
        let Ok(Parsed::Run(args)) = of(&["--log", "warn", "--args-file", name, "--board", "laptop"]) else { panic!() };
        assert_eq!((args.board.as_str(), args.log), ("laptop", tracing::Level::DEBUG));
        assert_eq!(args.provision, ["http://10.0.2.2/a b"]);
        assert_eq!(args.state, PathBuf::from("/data/offhook"));
        for (text, words) in [
            ("--board uml\nstate x\n", "line 2"),
            ("--screen maybe", "line 1"),
            ("--args-file other", "inside"),
            ("--nonsense", "--nonsense"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = of(&["--args-file", name]).unwrap_err();
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
        assert!(of(&["--args-file", "/nowhere/args"]).unwrap_err().contains("/nowhere/args"));
    }

    #[test]
    fn a_check_and_a_self_test_need_no_state_folder() {
        for (option, mode) in
            [("--check-board", Mode::CheckBoard), ("--self-test", Mode::SelfTest { interactive: false })]
        {
            let Ok(Parsed::Run(args)) = of(&["--board", "laptop", option, "--json"]) else { panic!() };
            assert!(args.mode == mode && args.json);
        }
        let Ok(Parsed::Run(args)) = of(&["--board", "laptop", "--interactive", "--self-test"]) else { panic!() };
        assert_eq!(args.mode, Mode::SelfTest { interactive: true });
    }

    #[test]
    fn an_export_needs_the_state_folder_alone() {
        let Ok(Parsed::Run(args)) = of(&["--state", "s", "--export", "--seal-key", "/run/key"]) else { panic!() };
        assert_eq!((args.mode, args.seal_key), (Mode::Export, Some(PathBuf::from("/run/key"))));
        assert!(of(&["--export"]).unwrap_err().contains("--state"));
    }

    #[test]
    fn help_names_every_board_that_is_built_in() {
        let Ok(Parsed::Print(text)) = of(&["--help"]) else { panic!() };
        assert!(offhook_board::Board::built_in_names().all(|name| text.contains(name)) && !text.contains("{boards}"));
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
            (&["--board", "laptop", "--state", "s", "--json"], "--check-board"),
            (&["--board", "laptop", "--check-board", "--interactive"], "--self-test"),
        ] {
            assert!(of(args).unwrap_err().contains(word), "{args:?}");
        }
    }
}
