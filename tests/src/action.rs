//! What a story does to its world, as lines: they are logged while a story runs and can be played again.

use std::fmt;
use std::time::Duration;

/// One thing that a story does. Times are not part of it; the log puts them in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// a phone of this name, for this user of the PBX, over this transport (`udp`, `tcp`)
    Phone {
        name: String,
        user: String,
        transport: String,
    },
    /// lifts (`true`) or puts down the handset
    Hook {
        phone: String,
        off: bool,
    },
    Down {
        phone: String,
        key: String,
    },
    Up {
        phone: String,
        key: String,
    },
    /// what the mouth of this phone says [Hz]; 0: silence
    Say {
        phone: String,
        hertz: u32,
    },
    /// percent of datagrams lost, sent twice, delayed past others
    Weather {
        lost: u32,
        duplicated: u32,
        reordered: u32,
    },
    /// power off and on again, records kept
    RestartPbx,
    RestartPhone {
        phone: String,
    },
    /// the PBX is off for so long
    PbxOff(Duration),
    Messages {
        user: String,
        new: u32,
        old: u32,
    },
    /// what the provisioning server says from now on, instead of the PBX; `None`: the PBX again
    Provisioning {
        user: String,
        status: u16,
        body: Option<String>,
    },
    /// fetch now
    Provision {
        phone: String,
    },
    Set {
        phone: String,
        node: String,
        value: String,
    },
    /// let time pass
    Run(Duration),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phone { name, user, transport } => write!(f, "phone {name} {user} {transport}"),
            Self::Hook { phone, off } => write!(f, "hook {phone} {}", if *off { "off" } else { "on" }),
            Self::Down { phone, key } => write!(f, "down {phone} {key}"),
            Self::Up { phone, key } => write!(f, "up {phone} {key}"),
            Self::Say { phone, hertz } => write!(f, "say {phone} {hertz}"),
            Self::Weather { lost, duplicated, reordered } => write!(f, "weather {lost} {duplicated} {reordered}"),
            Self::RestartPbx => f.write_str("restart-pbx"),
            Self::RestartPhone { phone } => write!(f, "restart-phone {phone}"),
            Self::PbxOff(time) => write!(f, "pbx-off {}", time.as_millis()),
            Self::Messages { user, new, old } => write!(f, "messages {user} {new} {old}"),
            Self::Provisioning { user, status, body } => {
                let hex = body.as_ref().map(|body| body.bytes().map(|b| format!("{b:02x}")).collect::<String>());
                write!(f, "provisioning {user} {status} {}", hex.map_or("-".into(), |hex| format!("x{hex}")))
            }
            Self::Provision { phone } => write!(f, "provision {phone}"),
            Self::Set { phone, node, value } => write!(f, "set {phone} {node} {value}"),
            Self::Run(time) => write!(f, "run {}", time.as_micros()),
        }
    }
}

impl Action {
    /// Reads a line of the log. `None`: not one of them.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        let mut next = || words.next().map(str::to_owned);
        Some(match word {
            "phone" => Self::Phone { name: next()?, user: next()?, transport: next()? },
            "hook" => Self::Hook { phone: next()?, off: next()? == "off" },
            "down" => Self::Down { phone: next()?, key: next()? },
            "up" => Self::Up { phone: next()?, key: next()? },
            "say" => Self::Say { phone: next()?, hertz: next()?.parse().ok()? },
            "weather" => Self::Weather {
                lost: next()?.parse().ok()?,
                duplicated: next()?.parse().ok()?,
                reordered: next()?.parse().ok()?,
            },
            "restart-pbx" => Self::RestartPbx,
            "restart-phone" => Self::RestartPhone { phone: next()? },
            "pbx-off" => Self::PbxOff(Duration::from_millis(next()?.parse().ok()?)),
            "messages" => Self::Messages { user: next()?, new: next()?.parse().ok()?, old: next()?.parse().ok()? },
            "provisioning" => {
                let (user, status, body) = (next()?, next()?.parse().ok()?, next()?);
                let body = body.strip_prefix('x').and_then(|hex| {
                    let bytes = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok());
                    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
                });
                Self::Provisioning { user, status, body }
            }
            "provision" => Self::Provision { phone: next()? },
            "set" => Self::Set { phone: next()?, node: next()?, value: words.collect::<Vec<_>>().join(" ") },
            "run" => Self::Run(Duration::from_micros(next()?.parse().ok()?)),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_log_is_read_back() {
        let all = [
            Action::Phone { name: "alice".into(), user: "100".into(), transport: "udp".into() },
            Action::Hook { phone: "alice".into(), off: true },
            Action::Down { phone: "alice".into(), key: "#".into() },
            Action::Weather { lost: 10, duplicated: 5, reordered: 1 },
            Action::PbxOff(Duration::from_secs(3)),
            Action::Provisioning { user: "100".into(), status: 200, body: Some("<a b=\"c\">\n".into()) },
            Action::Provisioning { user: "100".into(), status: 404, body: None },
            Action::Set { phone: "a".into(), node: "title".into(), value: "two words".into() },
            Action::Run(Duration::from_micros(1500)),
        ];
        for action in all {
            assert_eq!(Action::parse(&action.to_string()), Some(action));
        }
    }
}
