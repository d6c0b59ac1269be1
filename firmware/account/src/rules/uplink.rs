//! The link that calls go over (`axml.rew.09`, `.10`, and which codec set counts: C-06).

/// What sort of link it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    #[default]
    Ethernet,
    Wifi,
    Cellular,
    /// no network
    None,
}

/// The link in use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uplink {
    pub link: Link,
    /// Name of the Wi-Fi network, if the link is one and it is known.
    pub ssid: Option<String>,
    /// Traffic costs: the account's `3G` set of codecs counts. A modem is metered unless somebody says otherwise, and
    /// any link can be marked so.
    pub metered: bool,
}

impl Link {
    /// Whether `networkType` with this word matches. C-06: Ethernet counts as `wifi`, the set that costs nothing.
    pub fn is(self, word: &str) -> bool {
        match word {
            "any" => self != Self::None,
            "wifi" => matches!(self, Self::Wifi | Self::Ethernet),
            "ethernet" => self == Self::Ethernet,
            "cellular" => self == Self::Cellular,
            "none" => self == Self::None,
            _ => false,
        }
    }

    /// `ethernet`, `wifi`, `cellular`, `none`
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Wifi => "wifi",
            Self::Cellular => "cellular",
            Self::None => "none",
        }
    }
}
