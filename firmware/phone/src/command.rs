//! What the control API, the screen and soft keys ask of the phone. Each gets one `Output::Done`.
use crate::view::CallId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);
/// Which call: a line number of the control API (`ctl.api.proto.08`) is mapped to this by the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRef { /// the one in the ear, else the ringing one, else the newest
    Current, All, Id(CallId), /// call appearance 1..4
    Line(u8) }
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Dial { /// None: the default account
        account: Option<u32>, target: String },
    Redial, Answer(CallRef), Reject(CallRef), Hangup(CallRef), Hold(CallRef, bool), HoldToggle(CallRef),
    /// digits `0-9*#A-D`, `,` or blank = pause
    Dtmf(CallRef, String),
    Mute(Option<bool>), Speaker(Option<bool>),
    /// percent 0..=100
    Volume { device: VolumeDevice, percent: u8 }, VolumeStep(i8),
    Register(Option<u32>), Unregister(Option<u32>),
    /// a setting of an account by node name of the Account XML, at the user's rank; `None` resets
    Set { account: Option<u32>, node: String, value: Option<String> },
    /// `API_SetCredentials`: empty strings leave things unchanged; makes account 1 when there is none
    Credentials { server: String, username: String, password: offhook_account::Secret, auth_name: String, display_name: String },
    /// as a key press on the panel: down and up
    Key(offhook_hal::Key), KeyDown(offhook_hal::Key), KeyUp(offhook_hal::Key), Hook(offhook_hal::Hook),
    /// the nth soft key as the view shows it, 0-based
    SoftKey(u8),
    /// dial the voicemail number
    Voicemail(Option<u32>), Provision, ClearMissed,
    /// an account from a file given on the command line or by the API (Account XML)
    ApplyAccount(Vec<u8>),
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeDevice { Microphone, Playback, Ringer }
/// Why a command was not done: one text for a screen and for `ERROR:` of the control API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal { NoSuchCall, NoAccount, NotRegistered, NothingToRedial, BadNumber(String), BadValue(String), Locked(String), WrongState(&'static str), NotYet(&'static str), BadDocument(offhook_account::Rejection), LinesFull, NoVoicemailNumber }
impl std::fmt::Display for Refusal { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
