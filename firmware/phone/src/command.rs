//! What the control API, the screen and soft keys ask of the phone. Each gets one `Output::Done`.
use crate::view::CallId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandId(pub u64);

/// Which call: a line number of the control API (`ctl.api.proto.08`) is mapped to this by the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRef {
    /// the one in the ear, else the ringing one, else the newest
    Current,
    All,
    Id(CallId),
    /// call appearance 1..4
    Line(u8),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Dial {
        /// None: the default account
        account: Option<u32>,
        target: String,
    },
    Redial,
    Answer(CallRef),
    Reject(CallRef),
    Hangup(CallRef),
    Hold(CallRef, bool),
    HoldToggle(CallRef),
    /// digits `0-9*#A-D`, `,` or blank = pause of 2 s
    Dtmf(CallRef, String),
    Mute(Option<bool>),
    Speaker(Option<bool>),
    /// percent 0..=100. Playback: the route in use, else all three.
    Volume {
        device: VolumeDevice,
        percent: u8,
    },
    /// Steps of 5 percent on the route in use, or on the ringer when there is none.
    VolumeStep(i8),
    Register(Option<u32>),
    Unregister(Option<u32>),
    /// a setting of an account by node name of the Account XML, at the user's rank; `None` resets
    Set {
        account: Option<u32>,
        node: String,
        value: Option<String>,
    },
    /// `API_SetCredentials`: empty strings leave things unchanged; makes account 1 when there is none
    Credentials {
        server: String,
        username: String,
        password: offhook_account::Secret,
        auth_name: String,
        display_name: String,
    },
    /// as a key press on the panel: down and up
    Key(offhook_hal::Key),
    KeyDown(offhook_hal::Key),
    KeyUp(offhook_hal::Key),
    Hook(offhook_hal::Hook),
    /// the nth soft key as the view shows it, 0-based
    SoftKey(u8),
    /// dial the voicemail number
    Voicemail(Option<u32>),
    /// nobody rings, on all accounts, until it is switched off again; `None` toggles
    DoNotDisturb(Option<bool>),
    Provision,
    ClearMissed,
    /// an account from a file given on the command line or by the API (Account XML)
    ApplyAccount(Vec<u8>),
    SelfTest(SelfTestOrder),
    /// into the phone's own book; an empty `uid` is a new contact
    SaveContact(offhook_contacts::Contact),
    /// out of it, by `uid`
    RemoveContact(String),
    /// vCards into it
    ImportContacts(String),
    /// fetch the address books of all accounts now
    RefreshContacts,
}

/// What may be asked of the self-test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfTestOrder {
    /// Anew. `interactive`: a person is there to press keys and look at lamps.
    Start { interactive: bool },
    /// On to the next step.
    Next,
    /// End it, or put its result away.
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumeDevice {
    Microphone,
    Playback,
    Ringer,
}

/// Why a command was not done: one text for a screen and for `ERROR:` of the control API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NoSuchCall,
    NoAccount,
    NotRegistered,
    NothingToRedial,
    BadNumber(String),
    BadValue(String),
    Locked(String),
    WrongState(&'static str),
    NotYet(&'static str),
    BadDocument(offhook_account::Rejection),
    LinesFull,
    NoVoicemailNumber,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchCall => f.write_str("there is no such call"),
            Self::NoAccount => f.write_str("there is no such account"),
            Self::NotRegistered => f.write_str("not registered"),
            Self::NothingToRedial => f.write_str("nothing was dialled yet"),
            Self::BadNumber(number) => write!(f, "cannot be dialled: {number}"),
            Self::BadValue(what) => write!(f, "unusable value: {what}"),
            Self::Locked(node) => write!(f, "{node} is locked by the administrator"),
            Self::WrongState(why) => f.write_str(why),
            Self::NotYet(what) => write!(f, "not there yet: {what}"),
            Self::BadDocument(rejection) if rejection.line == 0 => {
                write!(f, "account refused: {}", rejection.reason)
            }
            Self::BadDocument(rejection) => write!(
                f,
                "account refused at line {}, column {}: {}",
                rejection.line, rejection.column, rejection.reason
            ),
            Self::LinesFull => f.write_str("all four lines are in use"),
            Self::NoVoicemailNumber => f.write_str("the number of the voicemail is not known"),
        }
    }
}
