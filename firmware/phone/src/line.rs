//! An account in service: its settings, its identity at the SIP endpoint, its registration and its messages.

use crate::view::{AccountState, Messages};
use offhook_account::settings::{ContactIp, IncomingMode, ListeningPort, Transport as Wanted};
use offhook_account::{Layers, Settings};
use offhook_sip::auth::{Credentials, Password, Secret};
use offhook_sip::{IdentityConfig, IdentityId, LocalPort, SubscriptionId, Transport, Uri};
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct Line {
    /// from 1
    pub(crate) number: u32,
    /// Where the account comes from: a template, a file name, `control API`.
    pub(crate) source: String,
    pub(crate) layers: Layers,
    /// Usable settings; `None` until the first document came.
    pub(crate) settings: Option<Settings>,
    pub(crate) identity: Option<IdentityId>,
    pub(crate) registration: AccountState,
    /// Calls can be made: registered, or registered until a moment ago and refreshing.
    pub(crate) usable: bool,
    /// A person or program has switched the registration off.
    pub(crate) switched_off: bool,
    pub(crate) local: Option<SocketAddr>,
    /// The local SIP port that stays (`axml.nat.15`).
    pub(crate) port: u16,
    /// New settings of the server wait for the end of a call.
    pub(crate) deferred: bool,
    pub(crate) mwi: Option<SubscriptionId>,
    pub(crate) messages: Messages,
    /// Message-Account of the last notification: what the message key dials when the account names no number.
    pub(crate) message_account: Option<String>,
}

impl Line {
    pub(crate) fn new(number: u32, source: String, port: u16) -> Self {
        Self {
            number,
            source,
            layers: Layers::new(),
            settings: None,
            identity: None,
            registration: AccountState::Off,
            usable: false,
            switched_off: false,
            local: None,
            port,
            deferred: false,
            mwi: None,
            messages: Messages::default(),
            message_account: None,
        }
    }

    /// Whether the account wants to be registered.
    pub(crate) fn registers(&self) -> bool {
        !self.switched_off && self.settings.as_ref().is_some_and(|settings| settings.incoming != IncomingMode::Off)
    }

    pub(crate) fn domain(&self) -> &str {
        self.settings.as_ref().map_or("", |settings| settings.host.as_str())
    }
}

/// A document that names neither user nor server makes no account.
pub(crate) fn usable(settings: &Settings) -> bool {
    !settings.username.is_empty() && !settings.host.is_empty() && aor(settings).is_some()
}

/// The address-of-record.
fn aor(settings: &Settings) -> Option<Uri> {
    Uri::sip(&settings.username, &settings.host)
}

pub(crate) fn identity(settings: &Settings, port: u16) -> Option<IdentityConfig> {
    let auth_name = if settings.auth_username.is_empty() { &settings.username } else { &settings.auth_username };
    let credentials = (!settings.password.is_empty()).then(|| Credentials {
        username: auth_name.clone(),
        secret: Secret::Password(Password::new(settings.password.reveal())),
    });
    let through = settings.outbound_proxy.as_ref();
    let transport = transport(through.map_or(settings.transport, |(_, transport)| *transport));
    let outbound_proxy = through.and_then(|(host, _)| {
        let parameter = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Wss => ";transport=ws",
        };
        Uri::parse(&format!("sip:{host}{parameter};lr"))
    });
    Some(IdentityConfig {
        aor: aor(settings)?,
        display_name: Some(settings.display_name.clone()).filter(|name| !name.is_empty()),
        caller_id: settings.caller_id.clone(),
        credentials,
        transport,
        server: settings.proxy.clone(),
        outbound_proxy,
        local_port: match settings.listening_port {
            ListeningPort::Stable => LocalPort::Fixed(port),
            ListeningPort::Random => LocalPort::Any,
            ListeningPort::Fixed(port) => LocalPort::Fixed(port),
        },
        forced_contact: settings.forced_contact.clone().filter(|_| settings.contact_ip == ContactIp::Static),
        contact_external: settings.contact_ip == ContactIp::External,
        expires: settings.expires,
        keep_alive: settings.keep_alive,
        headers: settings
            .headers
            .iter()
            .map(|header| (header.method.clone(), header.name.clone(), header.value.clone()))
            .collect(),
        only_known_sources: settings.only_known_sources,
    })
}

/// Do these settings make another identity? Everything that [`identity`] reads.
pub(crate) fn differs(old: &Settings, new: &Settings) -> bool {
    old.username != new.username
        || old.password != new.password
        || old.auth_username != new.auth_username
        || old.display_name != new.display_name
        || old.host != new.host
        || old.transport != new.transport
        || old.caller_id != new.caller_id
        || old.expires != new.expires
        || old.only_known_sources != new.only_known_sources
        || old.proxy != new.proxy
        || old.outbound_proxy != new.outbound_proxy
        || old.contact_ip != new.contact_ip
        || old.forced_contact != new.forced_contact
        || old.keep_alive != new.keep_alive
        || old.listening_port != new.listening_port
        || old.headers != new.headers
        || old.incoming != new.incoming
}

fn transport(wanted: Wanted) -> Transport {
    match wanted {
        Wanted::Udp => Transport::Udp,
        Wanted::Tcp => Transport::Tcp,
        Wanted::Tls | Wanted::TlsSip => Transport::Tls,
        Wanted::Wss => Transport::Wss,
    }
}

/// As the account writes it.
pub(crate) fn transport_name(transport: Wanted) -> &'static str {
    match transport {
        Wanted::Udp => "udp",
        Wanted::Tcp => "tcp",
        Wanted::Tls => "tls",
        Wanted::TlsSip => "tls+sip:",
        Wanted::Wss => "wss",
    }
}
