//! The table of all functions of the control API: how a name is dispatched, what it takes and answers, and what the
//! documentation says. A function that does nothing here says why.

use crate::contacts;
use crate::desk::{Desk, ENCRYPTED, Outcome, is_encrypted};
use crate::perform;
use crate::request::{Arguments, key};
use offhook_phone::View;

#[derive(Debug)]
pub(crate) struct Function {
    /// Row of the specification; empty: this phone's own.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) returns: Returns,
    pub(crate) does: Does,
    pub(crate) meaning: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// -2 all, -1 and 0 the current one, 1 to 4 (`ctl.api.proto.08`)
    Line,
    Number,
    Flag,
    Text,
    /// Text that is never echoed.
    Secret,
    /// `name=value`, one or several: the values of secret ones are never echoed.
    Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    Bool,
    Number,
    Text,
}

type Action = fn(&mut Desk, &View, &Arguments) -> Outcome;

pub(crate) enum Does {
    Act(Action),
    /// A later version does it.
    NotYet,
    /// A desk phone has no such thing.
    NotApplicable(&'static str),
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Act(_) => "Act",
            Self::NotYet => "NotYet",
            Self::NotApplicable(_) => "NotApplicable",
        })
    }
}

pub(crate) fn all() -> &'static [Function] {
    FUNCTIONS
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|function| function.name)
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let wanted = key(name);
    FUNCTIONS.iter().find(|function| key(function.name) == wanted)
}

impl Function {
    pub(crate) fn perform(&self, desk: &mut Desk, view: &View, arguments: &Arguments) -> Outcome {
        if arguments.0.iter().flatten().any(|text| is_encrypted(text)) {
            return Err(ENCRYPTED.into());
        }
        match self.does {
            Does::Act(act) => act(desk, view, arguments),
            Does::NotYet => Err("not part of this version".into()),
            Does::NotApplicable(why) => Err(format!("not applicable on this device: {why}")),
        }
    }
}

const fn p(name: &'static str, kind: Kind) -> Parameter {
    Parameter { name, kind }
}

const NONE: &[Parameter] = &[];
const LINE: &[Parameter] = &[p("line", Kind::Line)];
const PEER: &[Parameter] = &[p("peer", Kind::Text)];
const LINE_PEER: &[Parameter] = &[p("line", Kind::Line), p("peer", Kind::Text)];
const DEVICE: &[Parameter] = &[p("dev", Kind::Number)];
const NAME: &[Parameter] = &[p("name", Kind::Text)];
const NAME_PARAM: &[Parameter] = &[p("name", Kind::Text), p("param", Kind::Text)];
const URL: &[Parameter] = &[p("url", Kind::Text)];
const URL_DATA: &[Parameter] = &[p("url", Kind::Text), p("data", Kind::Secret)];
const FILE: &[Parameter] = &[p("filename", Kind::Text)];
const FILE_CONTENT: &[Parameter] = &[p("filename", Kind::Text), p("content", Kind::Secret)];
const ACCOUNT: &[Parameter] = &[
    p("server", Kind::Text),
    p("username", Kind::Text),
    p("password", Kind::Secret),
    p("authname", Kind::Text),
    p("displayname", Kind::Text),
];

macro_rules! table {
    ($($id:literal $name:literal $parameters:expr, $returns:ident $does:ident $(($what:expr))?, $meaning:literal;)*) => {
        static FUNCTIONS: &[Function] = &[$(Function {
            id: $id,
            name: $name,
            parameters: $parameters,
            returns: Returns::$returns,
            does: Does::$does $(($what))?,
            meaning: $meaning,
        }),*];
    };
}

const VIDEO: &str = "there is no camera and no picture";
const WINDOW: &str = "there is no window to open; the phone's own screen is its face";

table! {
// Setup
"ctl.api.conf.05" "API_Start" NONE, Bool Act(perform::start), "The engine always runs; answers with START,api and START,sip.";
"ctl.api.conf.06" "API_StartStack" NONE, Bool Act(perform::start_stack), "The SIP stack always runs; answers with START,sip.";
"ctl.api.conf.01" "API_SetParameter" &[p("param", Kind::Text), p("value", Kind::Settings)], Bool Act(perform::set_parameter), "Sets one parameter; see the table of parameters.";
"ctl.api.conf.02" "API_SetParameters" &[p("parameters", Kind::Settings)], Bool Act(perform::set_parameters), "Sets several, written name=value and separated by the word CRLF (or, encapsulated, one in each BOFLINE). Those that can be set are; the answer names the others.";
"" "API_GetParameter" NAME, Text Act(perform::parameter), "What this connection has set, or what the account says for serveraddress, username, displayname and transport. Secrets are not given. (This phone's own.)";
"" "API_ExportAccounts" NONE, Text Act(perform::export_accounts), "The accounts in force as one Account XML without secrets, several lines; the last one is </account> or </accounts>. (This phone's own.)";
"ctl.api.conf.03" "API_SetCredentials" ACCOUNT, Bool Act(perform::set_credentials), "The main account, made if there is none. Empty: unchanged.";
"ctl.api.conf.04" "API_SetCredentialsMD5" &[p("server", Kind::Text), p("username", Kind::Text), p("md5", Kind::Secret), p("realm", Kind::Text)], Bool NotYet, "Credentials with a digest hash in place of the password.";
"ctl.api.conf.07" "API_Register" ACCOUNT, Bool Act(perform::register), "Registers all accounts; with arguments sets the main account's credentials first. Refreshing goes by itself.";
"ctl.api.conf.08" "API_RegisterEx" &[p("accounts", Kind::Secret)], Bool NotYet, "Further accounts.";
"ctl.api.conf.09" "API_Unregister" NONE, Bool Act(perform::unregister), "Hangs up all calls and unregisters all accounts.";
"ctl.api.conf.10" "API_CheckVoicemail" LINE, Bool Act(perform::check_voicemail), "Answers with an MWI notification of what the server last said. The subscription is the phone's own business and renewed by itself.";
"ctl.api.conf.11" "API_SetLine" LINE, Bool Act(perform::set_line), "Which line -1 means, as long as there is a call on it. -1 or 0: the phone chooses again.";
"ctl.api.conf.12" "API_GetLine" NONE, Number Act(perform::line), "The line that -1 means now.";
"ctl.api.conf.13" "API_GetLineStatus" LINE, Number Act(perform::line_status), "Status of a line as a number; see the table of line states.";
"ctl.api.conf.14" "API_GetLineStatusText" LINE, Text Act(perform::line_status_text), "Status of a line as a word.";
// Calls
"ctl.api.call.01" "API_Call" LINE_PEER, Bool Act(perform::call), "Calls a number, a user or a SIP URI from the main account. Empty: the last one again. A line of 1 to 4 must be free; the phone takes the first free one.";
"ctl.api.call.02" "API_CallEx" &[p("line", Kind::Line), p("peer", Kind::Text), p("calltype", Kind::Number)], Bool Act(perform::call_ex), "As API_Call. A video or screen call is made as an audio call, with a warning.";
"ctl.api.call.03" "API_Hangup" &[p("line", Kind::Line), p("reasontext", Kind::Text)], Bool Act(perform::hangup), "Ends the current call, that of a line, or all (-2). The reason text is not sent in this version.";
"ctl.api.call.04" "API_Accept" LINE, Bool Act(perform::accept), "Answers the ringing call.";
"ctl.api.call.05" "API_Reject" LINE, Bool Act(perform::reject), "Rejects the ringing call.";
"ctl.api.call.06" "API_Forward" LINE_PEER, Bool NotYet, "Sends a ringing call elsewhere. Parameter callforwardalways forwards every call.";
"ctl.api.call.07" "API_Transfer" LINE_PEER, Bool NotYet, "Transfers a call.";
"ctl.api.call.08" "API_TransferDialog" NONE, Bool NotYet, "Asks for the target of a transfer.";
"ctl.api.call.09" "API_AddVideo" &[p("line", Kind::Line), p("calltype", Kind::Number)], Bool NotApplicable(VIDEO), "Adds video to a call.";
"ctl.api.call.10" "API_StopVideo" LINE, Bool Act(perform::stop_video), "There is no video to stop: always done.";
"ctl.api.call.11" "API_MuteEx" &[p("line", Kind::Line), p("mute", Kind::Flag), p("direction", Kind::Number)], Bool Act(perform::mute), "Mutes the microphone in the call. Direction 0 and 3 (both) mute only the microphone, with a warning; 1 (speaker) is refused; 2 is the microphone; 4 is parameter defmute, the microphone unless changed.";
"ctl.api.call.12" "API_IsMuted" LINE, Number Act(perform::is_muted), "-1 no such call, 0 no, 3 the microphone. (1 and 4 both, 2 the speaker: not in this version.)";
"ctl.api.call.13" "API_IsOnHold" LINE, Number Act(perform::is_on_hold), "-1 no such call, 0 no, 2 held here, 3 held by the other side, 4 both. Line -2: over all calls.";
"ctl.api.call.14" "API_Hold" &[p("line", Kind::Line), p("hold", Kind::Flag)], Bool Act(perform::hold), "true holds, false or reload takes back.";
"ctl.api.call.15" "API_HoldChange" LINE, Bool Act(perform::hold_change), "Holds, or takes back.";
"ctl.api.call.16" "API_Conf" PEER, Bool NotYet, "A conference.";
"ctl.api.call.17" "API_Dtmf" &[p("line", Kind::Line), p("dtmf", Kind::Text)], Bool Act(perform::dtmf), "Sends digits 0-9 * # A-D; a blank or comma is a pause of 2 s.";
// Messages
"ctl.api.msg.01" "API_SendChat" &[p("line", Kind::Line), p("peer", Kind::Text), p("message", Kind::Text)], Bool NotYet, "Sends an instant message.";
"ctl.api.msg.02" "API_Chat" PEER, Bool NotYet, "Opens the message screen.";
// Sound
"ctl.api.audio.01" "API_VoiceRecord" &[p("startstop", Kind::Number), p("now", Kind::Number), p("filename", Kind::Text)], Bool NotYet, "Records a call.";
"ctl.api.audio.02" "API_PlaySound" &[p("start", Kind::Number), p("file", Kind::Text), p("looping", Kind::Number), p("async", Kind::Flag), p("islocal", Kind::Flag), p("toremotepeer", Kind::Flag), p("line", Kind::Line), p("audiodevice", Kind::Text), p("isring", Kind::Flag)], Bool NotYet, "Plays a file.";
"ctl.api.audio.03" "API_StreamSoundBuff" &[p("start", Kind::Number), p("line", Kind::Line), p("buff", Kind::Secret), p("len", Kind::Number)], Bool NotYet, "Streams sound into a call.";
"ctl.api.audio.04" "API_StreamSoundStream" NONE, Bool NotApplicable("the manual names it without saying what it takes; API_StreamSoundBuff is the one for streams"), "Named in the manual only.";
"ctl.api.audio.05" "API_GetMedia" &[p("timeout", Kind::Number)], Text NotYet, "Takes sound out of a call.";
"ctl.api.audio.06" "API_GetMediaEnd" NONE, Bool NotYet, "Ends API_GetMedia.";
"ctl.api.audio.07" "API_GetAudioDeviceList" DEVICE, Text NotYet, "Names of sound devices.";
"ctl.api.audio.08" "API_GetAudioDevice" DEVICE, Text NotYet, "The sound device in use.";
"ctl.api.audio.09" "API_SetAudioDevice" &[p("dev", Kind::Number), p("devicename", Kind::Text), p("immediate", Kind::Number)], Bool NotYet, "Chooses a sound device. The board names it; --audio overrides.";
"ctl.api.audio.10" "API_AudioDevice" NONE, Bool NotYet, "Opens the sound settings.";
"ctl.api.audio.11" "API_SetVolume" &[p("dev", Kind::Number), p("volume", Kind::Number)], Bool Act(perform::set_volume), "Loudness in percent. dev 0 microphone, 1 what is heard (the handset, speaker or headset in use, else all three), 2 ringer.";
"ctl.api.audio.12" "API_GetVolume" DEVICE, Number Act(perform::volume), "Loudness in percent.";
"ctl.api.audio.13" "API_VAD" NONE, Text NotYet, "Voice activity.";
// State
"ctl.api.state.01" "API_GetVersion" NONE, Text Act(perform::version), "Version of the firmware.";
"ctl.api.state.02" "API_GetStatus" &[p("line", Kind::Line), p("strict", Kind::Number)], Text Act(perform::status), "Status word of a line, or the general one (-2). A line without a call: Unknown if strict is 1, else that of the current line, or the general one if there is no call at all.";
"ctl.api.state.03" "API_Poll" NONE, Text Act(perform::poll), "Notifications since the last API_Poll, at most the newest 200. Separated by line ends; encapsulated by the word CRLF.";
"ctl.api.state.04" "API_IsOnline" NONE, Bool Act(perform::is_online), "An account has a network address to speak from.";
"ctl.api.state.05" "API_IsRegistered" NONE, Bool Act(perform::is_registered), "The main account is registered.";
"ctl.api.state.06" "API_IsInCall" NONE, Number Act(perform::is_in_call), "0 no, 1 ringing or calling, 2 speaking (or on hold).";
"ctl.api.state.07" "API_GetCurrentConnectedCallCount" NONE, Number Act(perform::connected_calls), "Calls that were answered and are not over.";
"ctl.api.state.08" "API_GetRegFailReason" &[p("extended", Kind::Flag)], Text Act(perform::failure), "Why the main account last failed to register; true: with its address in front. Empty if it never did.";
"ctl.api.state.09" "API_GetCallerID" LINE, Text Act(perform::caller_id), "Number or user of the other side.";
"ctl.api.state.10" "API_GetIncomingDisplay" LINE, Text Act(perform::incoming_display), "Number or user of the caller, and in a second line the name if there is one.";
"ctl.api.state.11" "API_GetLastCallDetails" NONE, Text Act(perform::last_call), "The fields of CDR for the newest call of the history.";
// Contacts
"ctl.api.contact.01" "API_SetContacts" &[p("contacts", Kind::Text)], Bool Act(contacts::set_all), "Replaces the phone's own book: records of API_GetContact, separated by the word CRLF. All of them or, if one is no contact, nothing.";
"ctl.api.contact.02" "API_GetContacts" NONE, Text Act(contacts::all), "The phone's own book, a line for each contact. What comes from servers is not in it.";
"ctl.api.contact.03" "API_DelContact" NAME, Bool Act(contacts::delete), "Deletes a contact of the phone's own book, found by its name, whatever its case.";
"ctl.api.contact.04" "API_AddContact" &[p("params", Kind::Text)], Bool Act(contacts::add), "Adds a contact: a record of API_GetContact; fields at its end may be left out.";
"ctl.api.contact.05" "API_SetContact" NAME_PARAM, Bool Act(contacts::set), "Changes a contact: the record takes the place of what was there; an empty name changes no name.";
"ctl.api.contact.06" "API_GetContact" NAME, Text Act(contacts::one), "One contact as imstatus,name,sip,phone,phone2,phone3,othernumbers,sipcontacturi,email,web,address,speeddial,extra,internalextra; othernumbers has semicolons between them, what comes after it is not kept in this version.";
"ctl.api.contact.07" "API_SetContactName" NAME_PARAM, Bool Act(contacts::set_name), "Renames a contact.";
"ctl.api.contact.08" "API_SetContactSIP" NAME_PARAM, Bool Act(contacts::set_sip), "Sets a contact's SIP address or user; empty: none.";
"ctl.api.contact.09" "API_SetContactPhone" NAME_PARAM, Bool Act(contacts::set_phone), "Sets a contact's first number; empty: takes it out.";
"ctl.api.contact.10" "API_SetContactSpeedDial" NAME_PARAM, Bool NotYet, "Sets a contact's speed dial.";
"ctl.api.contact.11" "API_GetContactName" NAME, Text Act(contacts::name), "A contact's name as it is written in the book.";
"ctl.api.contact.12" "API_GetContactSIP" NAME, Text Act(contacts::sip), "A contact's SIP address; empty: none.";
"ctl.api.contact.13" "API_GetContactPhone" NAME, Text Act(contacts::phone), "A contact's first number; empty: none.";
"ctl.api.contact.14" "API_GetContactSpeedDial" NAME, Text NotYet, "A contact's speed dial.";
// Presence
"ctl.api.pres.01" "API_PushContactlist" &[p("list", Kind::Text)], Bool NotYet, "Names who may watch without asking.";
"ctl.api.pres.02" "API_NumExists" &[p("list", Kind::Text)], Bool NotApplicable("no SIP server answers this question"), "Asks which users exist.";
"ctl.api.pres.03" "API_CheckPresence" &[p("userlist", Kind::Text)], Bool NotYet, "Watches users.";
"ctl.api.pres.04" "API_SetPresenceStatus" &[p("status", Kind::Text)], Bool NotYet, "Publishes the own state.";
"ctl.api.pres.05" "API_NewUser" &[p("username", Kind::Text)], Bool NotYet, "Accepts a watcher.";
// Others
"ctl.api.misc.01" "API_Test" NONE, Bool Act(perform::test), "Always true.";
"ctl.api.misc.02" "API_TestEx" NONE, Number Act(perform::test_ex), "Always 42.";
"ctl.api.misc.03" "API_HTTPKeepAlive" NONE, Bool Act(perform::keep_alive), "Always true: the phone does not stop when its clients are silent.";
"ctl.api.misc.04" "API_ServerInit" &[p("address", Kind::Text)], Bool Act(perform::server_init), "Deprecated in the manual; nothing to do, always true.";
"ctl.api.misc.05" "API_Stop" NONE, Bool NotYet, "Stops the engine. A desk phone is not switched off by any local program; API_Unregister signs it off.";
"ctl.api.misc.06" "API_Exit" NONE, Bool NotYet, "Ends the program; see API_Stop.";
"ctl.api.misc.07" "API_CapabilityRequest" &[p("server", Kind::Text), p("username", Kind::Text)], Bool NotYet, "Sends OPTIONS.";
"ctl.api.misc.08" "API_SetSIPHeader" &[p("line", Kind::Line), p("hdr", Kind::Secret)], Bool NotYet, "Adds a SIP header; the Account XML has headers.";
"ctl.api.misc.09" "API_GetSIPHeader" &[p("line", Kind::Line), p("hdr", Kind::Text)], Text NotYet, "A received SIP header.";
"ctl.api.misc.10" "API_SendSIP" &[p("msg", Kind::Secret)], Bool NotYet, "Sends a raw SIP message.";
"ctl.api.misc.11" "API_GetLastRecSIPMessage" &[p("line", Kind::Text)], Text NotYet, "The last SIP message received.";
"ctl.api.misc.12" "API_ShowLog" NONE, Bool NotApplicable(WINDOW), "Shows the log.";
"ctl.api.misc.13" "API_AddLog" &[p("msg", Kind::Text)], Bool Act(perform::add_log), "Comes back as a LOG notification of this connection if jsscriptevent is 3; the daemon's own log is not written.";
"ctl.api.misc.14" "API_HTTPGet" URL, Text NotYet, "HTTP GET by the phone.";
"ctl.api.misc.15" "API_HTTPPost" URL_DATA, Bool NotYet, "HTTP POST by the phone.";
"ctl.api.misc.16" "API_HTTPReq" URL_DATA, Text NotYet, "HTTP by the phone.";
"ctl.api.misc.17" "API_HTTPReqAsync" URL_DATA, Bool NotYet, "HTTP by the phone, answered with ANSWER.";
"ctl.api.misc.18" "API_SaveFile" FILE_CONTENT, Bool NotYet, "Saves a file, encrypted.";
"ctl.api.misc.19" "API_SaveFileRaw" FILE_CONTENT, Bool NotYet, "Saves a file.";
"ctl.api.misc.20" "API_LoadFile" FILE, Text NotYet, "Loads a file.";
"ctl.api.misc.21" "API_SaveFileRemote" FILE_CONTENT, Bool NotYet, "Saves a file on a server.";
"ctl.api.misc.22" "API_LoadFileRemote" FILE, Bool NotYet, "Loads a file from a server.";
"ctl.api.misc.23" "API_LoadFileRemoteSync" FILE, Text NotYet, "Loads a file from a server and waits for it.";
"ctl.api.misc.24" "API_GetBlacklist" NONE, Text NotYet, "The blocked callers.";
"ctl.api.misc.25" "API_SetBlacklist" &[p("str", Kind::Text)], Bool NotYet, "Sets the blocked callers.";
"ctl.api.misc.26" "API_AddToBlacklist" &[p("str", Kind::Text)], Bool NotYet, "Blocks one more caller.";
"ctl.api.misc.27" "API_SendVideoRTP" NONE, Bool NotApplicable(VIDEO), "Sends video.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_ids_and_keys_are_there_once() {
        let mut ids = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for function in all() {
            assert!(function.id.is_empty() || ids.insert(function.id), "{}", function.id);
            assert!(keys.insert(key(function.name)), "{}", function.name);
            assert!(function.name.starts_with("API_"), "{}", function.name);
            assert_eq!(find(function.name).unwrap().name, function.name);
        }
        assert_eq!(ids.len(), 103);
    }
}
