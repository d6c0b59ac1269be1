//! What the functions that act do: questions are answered from the view, wishes become commands to the phone.

use crate::answer::Value;
use crate::desk::{
    Credentials, Desk, Outcome, Refused, Reply, Step, canonical, current, is_live, parameter_number, step,
};
use crate::mailbox::{Level, News};
use crate::notification::{self, news};
use crate::request::Arguments;
use crate::{parameter, status};
use offhook_phone::account::export;
use offhook_phone::hal::Route;
use offhook_phone::{AccountState, CallRef, CallState, CallView, Command, View, VolumeDevice};

pub(crate) fn start(desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    desk.news.push(started("api"));
    desk.news.push(started("sip"));
    yes()
}

pub(crate) fn start_stack(desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    desk.news.push(started("sip"));
    yes()
}

pub(crate) fn set_parameter(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let name = arguments.text(0);
    if name.is_empty() {
        return Err("which parameter?".into());
    }
    desk.set_all(view, &[(name, arguments.text(1))])
}

pub(crate) fn set_parameters(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let settings: Option<Vec<(&str, &str)>> =
        parameter::split(arguments.text(0)).into_iter().map(parameter::pair).collect();
    match settings {
        None => Err("name=value expected, separated by the word CRLF".into()),
        Some(settings) if settings.is_empty() => Err("no setting is given".into()),
        Some(settings) => desk.set_all(view, &settings),
    }
}

pub(crate) fn parameter(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let name = arguments.text(0);
    let meaning = parameter::find(name).ok_or("unknown parameter")?;
    if parameter::is_secret(name) {
        return Err("secrets are not given back".into());
    }
    let name = canonical(&meaning, name);
    let account = status::main_account(view);
    let of_account = account.and_then(|account| {
        Some(match name.as_str() {
            "serveraddress" => account.domain.clone(),
            "username" => account.username.clone(),
            "displayname" => account.display_name.clone(),
            _ => return None,
        })
    });
    text(of_account.or_else(|| desk.parameters.get(&name).cloned()).unwrap_or_default())
}

pub(crate) fn set_credentials(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    commands(desk.credentials(view, Credentials::of(arguments)))
}

pub(crate) fn register(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let mut steps = desk.credentials(view, Credentials::of(arguments));
    if view.accounts.is_empty() && steps.is_empty() {
        return Err("there is no account: server and user name are needed".into());
    }
    desk.news.push(notification::general(view, "Register..."));
    steps.push(step(Command::Register(None)));
    commands(steps)
}

pub(crate) fn unregister(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    // Without a call there is nothing to hang up, and nothing wrong.
    let hangup = Step { refused: Refused::Ignored, ..step(Command::Hangup(CallRef::All)) };
    commands(vec![hangup, step(Command::Unregister(None))])
}

pub(crate) fn check_voicemail(desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    let account = status::main_account(view).ok_or("there is no account")?;
    desk.news.push(notification::messages(account.number, view.messages.new, view.messages.old));
    yes()
}

pub(crate) fn set_line(desk: &mut Desk, _view: &View, arguments: &Arguments) -> Outcome {
    desk.chosen = match arguments.number(0, -1)? {
        -1 | 0 => None,
        line @ 1..=4 => u8::try_from(line).ok(),
        _ => return Err("a line to choose is 1 to 4".into()),
    };
    yes()
}

pub(crate) fn line(desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    let line = desk.chosen.or_else(|| current(view).map(|call| call.line)).unwrap_or(1);
    number(line.into())
}

pub(crate) fn line_status(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    number(status::code(line_word(desk, view, arguments)?))
}

pub(crate) fn line_status_text(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    text(line_word(desk, view, arguments)?.into())
}

pub(crate) fn call(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let line = arguments.number(0, -1)?;
    match line {
        -2..=0 => {}
        1..=4 if view.calls.iter().any(|call| i64::from(call.line) == line && is_live(call)) => {
            return Err(format!("line {line} is in use"));
        }
        1..=4 => {}
        _ => return Err("a line is -2 (all), -1 (the current one) or 1 to 4".into()),
    }
    commands(vec![step(match arguments.text(1) {
        "" => Command::Redial,
        peer => Command::Dial { account: None, target: peer.to_owned() },
    })])
}

pub(crate) fn call_ex(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    match arguments.number(2, 0)? {
        0 => {}
        1 | 2 => desk.warn("there is no video on this device, the call is made with sound only"),
        _ => return Err("calltype is 0 voice, 1 video or 2 screen".into()),
    }
    call(desk, view, arguments)
}

pub(crate) fn hangup(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let which = desk.call_ref(arguments.number(0, -1)?, view)?;
    if !arguments.text(1).is_empty() {
        desk.warn("the reason of API_Hangup is not sent in this version");
    }
    commands(vec![step(Command::Hangup(which))])
}

pub(crate) fn accept(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    commands(vec![step(Command::Answer(desk.ringing(arguments, view)?))])
}

pub(crate) fn reject(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    commands(vec![step(Command::Reject(desk.ringing(arguments, view)?))])
}

pub(crate) fn stop_video(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    yes()
}

pub(crate) fn mute(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let line = arguments.number(0, -1)?;
    let on = arguments.flag(1, true)?;
    let direction = match arguments.number(2, 4)? {
        4 => desk.default_mute.unwrap_or(2),
        direction => direction,
    };
    match direction {
        2 => {}
        0 | 3 | 4 => desk.warn("only the microphone is muted, the speaker cannot be in this version"),
        1 => return Err("muting the speaker is not part of this version".into()),
        5 => return Err("defmute is 5, so nothing is muted".into()),
        _ => return Err("direction is 0 to 4".into()),
    }
    // There is one microphone, so only the call that it speaks into can be muted.
    match desk.call(line, view)? {
        None => Err("there is no such call".into()),
        Some(call) if !call.in_focus && line > 0 => Err("only the call in the ear can be muted".into()),
        Some(_) => commands(vec![step(Command::Mute(Some(on)))]),
    }
}

pub(crate) fn is_muted(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    number(match desk.call(arguments.number(0, -1)?, view)?.filter(|call| is_live(call)) {
        None => -1,
        Some(call) if call.muted => 3,
        Some(_) => 0,
    })
}

pub(crate) fn is_on_hold(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let line = arguments.number(0, -1)?;
    let meant: Vec<&CallView> = match line {
        -2 => view.calls.iter().filter(|call| is_live(call)).collect(),
        line => desk.call(line, view)?.filter(|call| is_live(call)).into_iter().collect(),
    };
    let ours = meant.iter().any(|call| call.held_by_us || call.state == CallState::Held);
    let theirs = meant.iter().any(|call| call.held_by_them);
    number(match (meant.is_empty(), ours, theirs) {
        (true, ..) => -1,
        (_, false, false) => 0,
        (_, true, false) => 2,
        (_, false, true) => 3,
        (_, true, true) => 4,
    })
}

pub(crate) fn hold(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let which = desk.call_ref(arguments.number(0, -1)?, view)?;
    commands(vec![step(Command::Hold(which, arguments.flag(1, true)?))])
}

pub(crate) fn hold_change(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let which = desk.call_ref(arguments.number(0, -1)?, view)?;
    commands(vec![step(Command::HoldToggle(which))])
}

pub(crate) fn dtmf(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let which = desk.call_ref(arguments.number(0, -1)?, view)?;
    let digits = arguments.text(1);
    if digits.is_empty() {
        return Err("no digits are given".into());
    }
    commands(vec![step(Command::Dtmf(which, digits.to_owned()))])
}

pub(crate) fn set_volume(_desk: &mut Desk, _view: &View, arguments: &Arguments) -> Outcome {
    let device = device(arguments)?;
    let percent = parameter_number(arguments.text(1), 0, 100)?;
    let percent = u8::try_from(percent).map_err(|_| "0 to 100 expected")?;
    commands(vec![step(Command::Volume { device, percent })])
}

pub(crate) fn volume(_desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let volume = &view.volume;
    number(
        match (device(arguments)?, view.route) {
            (VolumeDevice::Microphone, _) => volume.microphone,
            (VolumeDevice::Ringer, _) => volume.ringer,
            (VolumeDevice::Playback, Some(Route::Speaker)) => volume.speaker,
            (VolumeDevice::Playback, Some(Route::Headset)) => volume.headset,
            (VolumeDevice::Playback, _) => volume.handset,
        }
        .into(),
    )
}

pub(crate) fn version(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    text(view.version.clone())
}

pub(crate) fn status(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let line = arguments.number(0, -1)?;
    let strict = arguments.number(1, 0)? == 1;
    if line == -2 {
        return text(status::general(view));
    }
    let word = |call: &CallView| text(status::line_word(call).into());
    match desk.call(line, view)? {
        Some(call) => word(call),
        None if strict => text("Unknown".into()),
        None => match current(view) {
            Some(call) => word(call),
            None => text(status::general(view)),
        },
    }
}

pub(crate) fn poll(desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    let waiting = desk.mailbox.take().ok_or("jsscriptpoll is 0")?;
    text(waiting.join("\r\n"))
}

pub(crate) fn is_online(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    let online = view.accounts.iter().any(|a| a.local.is_some() || a.state == AccountState::Registered);
    if online { yes() } else { Err("no network".into()) }
}

pub(crate) fn is_registered(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    match status::main_account(view).map(|account| &account.state) {
        Some(AccountState::Registered) => yes(),
        Some(AccountState::Failed(reason)) => Err(format!("not registered: {reason}")),
        Some(_) => Err("not registered".into()),
        None => Err("there is no account".into()),
    }
}

pub(crate) fn is_in_call(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    let any = |states: &[CallState]| view.calls.iter().any(|call| states.contains(&call.state));
    number(if any(&[CallState::Talking, CallState::Held]) {
        2
    } else {
        any(&[CallState::Trying, CallState::Ringing, CallState::Incoming]).into()
    })
}

pub(crate) fn connected_calls(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    let connected = |call: &&CallView| matches!(call.state, CallState::Talking | CallState::Held);
    number(i64::try_from(view.calls.iter().filter(connected).count()).unwrap_or(i64::MAX))
}

pub(crate) fn failure(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let account = status::main_account(view);
    let now = account.and_then(|account| match &account.state {
        AccountState::Failed(reason) => Some(reason.clone()),
        _ => None,
    });
    let reason = plain(&now.or_else(|| desk.failure.clone()).unwrap_or_default());
    text(match (account, arguments.flag(0, false)?) {
        (Some(account), true) if !reason.is_empty() => {
            format!("{}@{}: {reason}", account.username, account.domain)
        }
        _ => reason,
    })
}

pub(crate) fn caller_id(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let call = desk.call(arguments.number(0, -1)?, view)?.ok_or("there is no such call")?;
    text(plain(&call.peer))
}

pub(crate) fn incoming_display(desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
    let line = arguments.number(0, -1)?;
    let ringing = view.calls.iter().find(|call| call.state == CallState::Incoming && line < 1);
    let call = match ringing {
        Some(call) => Some(call),
        None => desk.call(line, view)?,
    };
    let call = call.filter(|call| call.incoming).ok_or("there is no incoming call")?;
    text(match &call.peer_name {
        Some(name) => format!("{}\n{}", plain(&call.peer), plain(name)),
        None => plain(&call.peer),
    })
}

pub(crate) fn last_call(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    text(view.history.first().map(notification::record).unwrap_or_default())
}

pub(crate) fn export_accounts(_desk: &mut Desk, view: &View, _arguments: &Arguments) -> Outcome {
    if view.accounts.is_empty() {
        return Err("there is no account".into());
    }
    let document = export::join(view.accounts.iter().map(|account| &*account.exported));
    text(document.trim_end().to_owned())
}

pub(crate) fn test(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    yes()
}

pub(crate) fn test_ex(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    number(42)
}

pub(crate) fn keep_alive(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    yes()
}

pub(crate) fn server_init(_desk: &mut Desk, _view: &View, _arguments: &Arguments) -> Outcome {
    yes()
}

pub(crate) fn add_log(desk: &mut Desk, _view: &View, arguments: &Arguments) -> Outcome {
    desk.news.push(news(Level::Log, &["LOG", "EVENT", arguments.text(0)]));
    yes()
}

/// What a peer or a server wrote cannot pass for an answer of its own.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn yes() -> Outcome {
    Ok(Reply::Value(Value::True))
}

fn number(number: i64) -> Outcome {
    Ok(Reply::Value(Value::Number(number)))
}

fn text(text: String) -> Outcome {
    Ok(Reply::Value(Value::Text(text)))
}

fn commands(steps: Vec<Step>) -> Outcome {
    Ok(Reply::Commands { steps, failures: Vec::new() })
}

pub(crate) fn started(what: &str) -> News {
    news(Level::Status, &["START", what])
}

fn device(arguments: &Arguments) -> Result<VolumeDevice, String> {
    match arguments.text(0) {
        "0" => Ok(VolumeDevice::Microphone),
        "1" => Ok(VolumeDevice::Playback),
        "2" => Ok(VolumeDevice::Ringer),
        _ => Err("dev is 0 microphone, 1 playback or 2 ringer".into()),
    }
}

fn line_word(desk: &Desk, view: &View, arguments: &Arguments) -> Result<&'static str, String> {
    Ok(desk.call(arguments.number(0, -1)?, view)?.map_or("Ready", status::line_word))
}
