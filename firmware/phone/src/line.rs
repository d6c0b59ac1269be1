//! An account in service: its settings, its identity at the SIP endpoint, its registration and its messages.

use crate::apply::{Refused, Trial};
use crate::on_demand::OnDemand;
use crate::view::{AccountState, Messages, ValueView};
use offhook_account::layers::Source;
use offhook_account::settings::{ContactIp, IncomingMode, ListeningPort, Transport as Wanted};
use offhook_account::{Layers, Settings};
use offhook_sip::auth::{Credentials, Password, Secret};
use offhook_sip::{IdentityConfig, IdentityId, LocalPort, SubscriptionId, Transport, Uri};
use std::net::SocketAddr;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Line {
    /// from 1
    pub(crate) number: u32,
    /// Where the account comes from: a template, a file name, `control API`.
    pub(crate) source: String,
    pub(crate) layers: Layers,
    /// As the view shows them.
    pub(crate) values: Arc<[ValueView]>,
    /// The same as Account XML, without secrets.
    pub(crate) exported: Arc<str>,
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
    /// Attribute `id` of the account in its source's document.
    pub(crate) id: Option<String>,
    /// What is stored has registered at least once.
    pub(crate) proved: bool,
    /// Goes when its calls are over.
    pub(crate) leaving: bool,
    /// Registered for the time of a call.
    pub(crate) on_demand: OnDemand,
    /// New settings that have yet to show that they work.
    pub(crate) trial: Option<Trial>,
    /// Provisioned settings that were taken back.
    pub(crate) refused: Option<Refused>,
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
            values: Arc::new([]),
            exported: Arc::from(""),
            settings: None,
            identity: None,
            registration: AccountState::Off,
            usable: false,
            switched_off: false,
            local: None,
            port,
            deferred: false,
            id: None,
            proved: false,
            leaving: false,
            on_demand: OnDemand::No,
            trial: None,
            refused: None,
            mwi: None,
            messages: Messages::default(),
            message_account: None,
        }
    }

    /// Whether the account wants to be registered.
    pub(crate) fn registers(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| self.registers_with(settings))
    }

    /// Whether it would with these settings.
    pub(crate) fn registers_with(&self, settings: &Settings) -> bool {
        let for_calls = self.on_demand != OnDemand::No;
        !self.switched_off && (settings.incoming != IncomingMode::Off || settings.force_registration || for_calls)
    }

    /// The layers are others now.
    pub(crate) fn show_values(&mut self) {
        let origins = self.layers.origins().into_iter();
        let shown = origins.map(|origin| ValueView {
            origin: origin.source.phrase(),
            locked: origin.is_locked(),
            node: origin.node,
            value: origin.value,
        });
        self.values = shown.collect();
        self.exported = offhook_account::export::account(&self.layers.merged()).into();
    }

    /// The account as its source's document names it, whatever the user has made of it.
    pub(crate) fn given(&self) -> Option<Settings> {
        let document = self.layers.of(Source::Provisioning);
        let document = if document.nodes.is_empty() { self.layers.merged() } else { document };
        Some(Settings::of(&document).0).filter(usable)
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
        announce_registration: true,
    })
}

macro_rules! identity_settings {
    ($($field:ident)*) => {
        /// Do these settings make another identity?
        pub(crate) fn differs(old: &Settings, new: &Settings) -> bool {
            $(old.$field != new.$field)||*
        }

        /// `new`, but still the identity that `old` made.
        pub(crate) fn with_identity_of(new: &Settings, old: &Settings) -> Settings {
            Settings { $($field: old.$field.clone(),)* ..new.clone() }
        }
    };
}

// everything that `identity` reads
identity_settings! {
    username password auth_username display_name host transport caller_id expires only_known_sources proxy outbound_proxy
    contact_ip forced_contact keep_alive listening_port headers incoming force_registration
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
