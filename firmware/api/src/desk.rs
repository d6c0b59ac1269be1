//! What a connection remembers: the chosen line, its parameters, credentials that do not make an account yet; and how
//! parameters and line numbers become commands to the phone.

use crate::answer::Value;
use crate::mailbox::{Mailbox, News};
use crate::notification::warning;
use crate::parameter::{self, Effect, Field, Meaning, Setting};
use crate::request::Arguments;
use crate::status;
use offhook_phone::account::{Secret, schema};
use offhook_phone::{CallRef, CallState, CallView, Command, View};
use std::collections::BTreeMap;

/// What a connection has set and chosen.
#[derive(Default)]
pub(crate) struct Desk {
    /// `API_SetLine`
    pub(crate) chosen: Option<u8>,
    /// What was set on this connection, under the name of the table.
    pub(crate) parameters: BTreeMap<String, String>,
    draft: Draft,
    pub(crate) default_mute: Option<i64>,
    /// Why the main account last failed to register.
    pub(crate) failure: Option<String>,
    pub(crate) mailbox: Mailbox,
    /// Told before the answer.
    pub(crate) news: Vec<News>,
}

#[derive(Debug)]
pub(crate) enum Reply {
    Value(Value),
    /// The answer is true when these are done and nothing failed before.
    Commands {
        steps: Vec<Step>,
        failures: Vec<String>,
    },
}

/// A command and what its result means for the answer.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) refused: Refused,
    /// Parameter and value that hold once it is done.
    pub(crate) remember: Option<(String, String)>,
}

#[derive(Debug)]
pub(crate) enum Refused {
    /// Ends the request.
    Ends,
    /// Makes no difference.
    Ignored,
    /// Is told at the end under this name; what follows is done all the same.
    Noted(String),
}

/// Credentials and settings that were given while there is no account and not enough to make one.
#[derive(Default)]
struct Draft {
    server: String,
    username: String,
    password: Secret,
    auth_name: String,
    display_name: String,
    nodes: Vec<(String, Option<String>)>,
}

/// A value is at most this long [bytes].
const MAX_VALUE: usize = 8192;

/// What to answer, or why not.
pub(crate) type Outcome = Result<Reply, String>;

impl Desk {
    pub(crate) fn remember(&mut self, name: String, value: String) {
        self.parameters.insert(name, value);
    }

    /// Which call a line number means (`ctl.api.proto.08`).
    pub(crate) fn call_ref(&self, line: i64, view: &View) -> Result<CallRef, String> {
        match line {
            -2 => Ok(CallRef::All),
            // 0 is undefined; the current one is the harmless reading.
            -1 | 0 => Ok(match self.chosen {
                Some(line) if view.calls.iter().any(|call| call.line == line && is_live(call)) => CallRef::Line(line),
                _ => CallRef::Current,
            }),
            1..=4 => Ok(CallRef::Line(u8::try_from(line).unwrap_or(1))),
            _ => Err("a line is -2 (all), -1 (the current one) or 1 to 4".into()),
        }
    }

    /// The call a question is about.
    pub(crate) fn call<'a>(&self, line: i64, view: &'a View) -> Result<Option<&'a CallView>, String> {
        Ok(match self.call_ref(line, view)? {
            CallRef::Line(line) => {
                let on_line = || view.calls.iter().filter(|call| call.line == line);
                on_line().find(|call| is_live(call)).or_else(|| on_line().next())
            }
            CallRef::All => status::best_call(view),
            CallRef::Current | CallRef::Id(_) => current(view),
        })
    }

    pub(crate) fn warn(&mut self, text: &str) {
        self.news.push(warning(text));
    }

    /// The command that brings credentials to the main account, or to the draft if they do not make one yet.
    pub(crate) fn credentials(&mut self, view: &View, given: Credentials) -> Vec<Step> {
        if !view.accounts.is_empty() {
            self.draft = Draft::default();
            return match given.is_empty() {
                true => Vec::new(),
                false => vec![step(given.command())],
            };
        }
        let anything = !given.is_empty();
        let draft = &mut self.draft;
        let keep = |kept: &mut String, new: String| {
            if !new.is_empty() {
                *kept = new;
            }
        };
        keep(&mut draft.server, given.server);
        keep(&mut draft.username, given.username);
        keep(&mut draft.auth_name, given.auth_name);
        keep(&mut draft.display_name, given.display_name);
        if !given.password.is_empty() {
            draft.password = given.password;
        }
        if draft.server.is_empty() || draft.username.is_empty() {
            if !anything {
                return Vec::new();
            }
            self.news.push(warning("kept until serveraddress and username are both known"));
            return Vec::new();
        }
        let whole = Credentials {
            server: draft.server.clone(),
            username: draft.username.clone(),
            password: draft.password.clone(),
            auth_name: draft.auth_name.clone(),
            display_name: draft.display_name.clone(),
        };
        let mut steps = vec![step(whole.command())];
        for (node, value) in std::mem::take(&mut draft.nodes) {
            let refused = Refused::Noted(node.clone());
            steps.push(Step { command: Command::Set { account: None, node, value }, refused, remember: None });
        }
        steps
    }

    /// One setting of the main account.
    fn set_node(&mut self, view: &View, node: &str, value: Option<String>, name: &str) -> Option<Step> {
        let Some(account) = status::main_account(view) else {
            self.draft.nodes.retain(|(known, _)| known != node);
            self.draft.nodes.push((node.to_owned(), value));
            return None;
        };
        let command = Command::Set { account: Some(account.number), node: node.to_owned(), value };
        Some(Step { command, refused: Refused::Noted(name.to_owned()), remember: None })
    }

    /// One parameter; credentials are gathered, as they belong together.
    fn set(
        &mut self,
        view: &View,
        name: &str,
        value: &str,
        gathered: &mut Credentials,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        if value.len() > MAX_VALUE {
            return Err("the value is too long".into());
        }
        if is_encrypted(value) {
            return Err(ENCRYPTED.into());
        }
        let meaning =
            parameter::find(name).ok_or_else(|| match crate::suggestion::nearest(name, parameter::names()) {
                Some(known) => format!("unknown parameter, did you mean {known}?"),
                None => "unknown parameter".into(),
            })?;
        let reset = parameter::is_reset(value);
        let before = steps.len();
        match &meaning {
            Meaning::Node(row) => {
                if row.effect != schema::Effect::Acts {
                    self.warn(&format!("{} is kept and has no effect in this version", row.node));
                }
                let value = (!reset).then(|| value.to_owned());
                steps.extend(self.set_node(view, row.node, value, row.node));
            }
            Meaning::Parameter(parameter) => {
                let name = canonical(&meaning, name);
                let name = name.as_str();
                match &parameter.effect {
                    Effect::Credential(field) if reset => {
                        let node = field_node(*field);
                        steps.extend(self.set_node(view, node, None, name));
                    }
                    Effect::Credential(field) => gathered.set(*field, value),
                    Effect::Node { nodes, read } => {
                        let values = match reset {
                            true => vec![None; nodes.len()],
                            false => read(value)?,
                        };
                        for (node, value) in nodes.iter().zip(values) {
                            steps.extend(self.set_node(view, node, value, name));
                        }
                    }
                    Effect::Volume(device) => {
                        let percent = if reset { 50 } else { parameter_number(value, 0, 100)? };
                        let percent = u8::try_from(percent).unwrap_or(50);
                        let command = Command::Volume { device: *device, percent };
                        steps.push(Step { command, refused: Refused::Noted(name.to_owned()), remember: None });
                    }
                    Effect::Session(setting) => self.set_session(*setting, value, reset)?,
                    Effect::Fixed(how) => self.warn(&format!("{name} has no effect: {how}")),
                    Effect::Kept => self.warn(&format!("{name} is kept and has no effect in this version")),
                    Effect::NotApplicable => self.warn(&format!("{name} is kept and not applicable on this device")),
                }
            }
        }
        self.keep(&meaning, name, value, reset, steps.get_mut(before..).and_then(<[Step]>::last_mut));
        Ok(())
    }

    /// Remembers a value: at once, or when the phone has taken it.
    fn keep(&mut self, meaning: &Meaning, name: &str, value: &str, reset: bool, waits: Option<&mut Step>) {
        let name = canonical(meaning, name);
        if parameter::is_secret(&name) {
            return;
        }
        match (reset, waits) {
            (true, _) => drop(self.parameters.remove(&name)),
            (false, Some(step)) => step.remember = Some((name, value.to_owned())),
            (false, None) => drop(self.parameters.insert(name, value.to_owned())),
        }
    }

    fn set_session(&mut self, setting: Setting, value: &str, reset: bool) -> Result<(), String> {
        let number = |least, most| parameter_number(value, least, most);
        match setting {
            Setting::Level => self.mailbox.level = if reset { 2 } else { number(0, 3)? },
            Setting::Polling => self.mailbox.set_polling(if reset { -1 } else { number(-1, 3)? }),
            Setting::DefaultMute => self.default_mute = if reset { None } else { Some(number(0, 5)?) },
        }
        Ok(())
    }

    pub(crate) fn set_all(&mut self, view: &View, settings: &[(&str, &str)]) -> Outcome {
        let mut gathered = Credentials::default();
        let mut steps = Vec::new();
        let mut failures = Vec::new();
        for (name, value) in settings {
            if let Err(why) = self.set(view, name, value, &mut gathered, &mut steps) {
                failures.push(format!("{}: {why}", crate::request::shown(name)));
            }
        }
        // The account first: what follows may be for it.
        let mut all = match gathered.is_empty() {
            true => Vec::new(),
            false => self.credentials(view, gathered),
        };
        if let [credentials, ..] = all.as_mut_slice() {
            credentials.refused = Refused::Noted("credentials".into());
        }
        all.extend(steps);
        Ok(Reply::Commands { steps: all, failures })
    }
}

#[derive(Default)]
pub(crate) struct Credentials {
    server: String,
    username: String,
    password: Secret,
    auth_name: String,
    display_name: String,
}

impl Credentials {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let text = |index| arguments.text(index).to_owned();
        Self {
            server: text(0),
            username: text(1),
            password: Secret::new(text(2)),
            auth_name: text(3),
            display_name: text(4),
        }
    }

    fn is_empty(&self) -> bool {
        let texts = [&self.server, &self.username, &self.auth_name, &self.display_name];
        self.password.is_empty() && texts.iter().all(|text| text.is_empty())
    }

    fn set(&mut self, field: Field, value: &str) {
        let value = value.to_owned();
        match field {
            Field::Server => self.server = value,
            Field::Username => self.username = value,
            Field::Password => self.password = Secret::new(value),
            Field::AuthName => self.auth_name = value,
            Field::DisplayName => self.display_name = value,
        }
    }

    fn command(self) -> Command {
        let Self { server, username, password, auth_name, display_name } = self;
        Command::Credentials { server, username, password, auth_name, display_name }
    }
}

impl Desk {
    /// For Accept and Reject the phone looks among the ringing calls, so the chosen line counts only if it rings.
    pub(crate) fn ringing(&self, arguments: &Arguments, view: &View) -> Result<CallRef, String> {
        let line = arguments.number(0, -1)?;
        let rings = |which| match which {
            CallRef::Line(line) => view.calls.iter().any(|call| call.line == line && call.state == CallState::Incoming),
            _ => true,
        };
        match self.call_ref(line, view)? {
            which if line > 0 || rings(which) => Ok(which),
            _ => Ok(CallRef::Current),
        }
    }
}

pub(crate) const ENCRYPTED: &str = "encrypted texts need a key that this device does not have; send the text itself";

/// `encrypted__N__value` (`ctl.api.proto.09`): taking it for a password would be worse than refusing it.
pub(crate) fn is_encrypted(text: &str) -> bool {
    let text = text.trim_start();
    text.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("encrypted__"))
}

pub(crate) fn step(command: Command) -> Step {
    Step { command, refused: Refused::Ends, remember: None }
}

pub(crate) fn parameter_number(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let number: Option<i64> = text.parse().ok();
    number.filter(|number| (least..=most).contains(number)).ok_or_else(|| format!("{least} to {most} expected"))
}

/// The call in the ear, else one that rings, else the newest.
pub(crate) fn current(view: &View) -> Option<&CallView> {
    let live = || view.calls.iter().filter(|call| is_live(call));
    live()
        .find(|call| call.in_focus)
        .or_else(|| live().find(|call| call.state == CallState::Incoming))
        .or_else(|| live().next_back())
        .or_else(|| view.calls.last())
}

pub(crate) fn is_live(call: &CallView) -> bool {
    call.state != CallState::Ended
}

fn field_node(field: Field) -> &'static str {
    match field {
        Field::Server => "host",
        Field::Username => "username",
        Field::Password => "password",
        Field::AuthName => "authUsername",
        Field::DisplayName => "userDisplayName",
    }
}

/// The name under which a value is remembered.
pub(crate) fn canonical(meaning: &Meaning, name: &str) -> String {
    match meaning {
        Meaning::Node(row) => row.node.to_owned(),
        Meaning::Parameter(parameter) => match parameter.names {
            // With a number in it.
            [first, ..] if first.ends_with('N') => crate::request::plain_key(name),
            names => names.first().copied().unwrap_or_default().to_owned(),
        },
    }
}
