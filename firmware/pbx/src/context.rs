//! What a part of the PBX sees of the rest while it deals with one event.

use crate::chance::Chance;
use crate::journal::Journal;
use crate::location::Location;
use crate::provisioning::Site;
use crate::users::Users;
use crate::{Now, Output};
use offhook_sip::{Endpoint, Headers, IdentityConfig, IdentityId, LocalPort, NameAddr, SessionId, Transport, Uri};
use std::collections::{BTreeMap, VecDeque};

pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) outputs: &'a mut VecDeque<Output>,
    pub(crate) journal: &'a mut Journal,
    pub(crate) chance: &'a mut Chance,
    pub(crate) site: Site,
    /// [Hz]
    pub(crate) engine_rate: u32,
    pub(crate) users: &'a Users,
    pub(crate) location: &'a Location,
    pub(crate) identities: &'a mut Identities,
}

impl Context<'_> {
    pub(crate) fn log(&mut self, line: &str) {
        self.journal.say(self.now.instant, self.outputs, line);
    }

    /// `sip:<user>@<our address>`
    pub(crate) fn aor(&self, user: &str) -> Option<Uri> {
        Uri::sip(user, &self.site.sip.to_string())
    }

    pub(crate) fn reject(&mut self, session: SessionId, status: u16, headers: Headers) {
        // an INVITE that was cancelled in the same moment is answered already
        let _ = self.endpoint.reject(self.now.instant, session, status, None, headers);
    }

    pub(crate) fn end(&mut self, session: SessionId, reason: Option<&str>) {
        // a session that has just ended by itself needs no end
        let _ = self.endpoint.end(self.now.instant, session, reason);
    }
}

/// One identity of the endpoint per calling user: it writes From of the second leg.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    by_user: BTreeMap<String, (IdentityId, String)>,
}

impl Identities {
    /// The identity that calls as `user`, shown as `name`.
    pub(crate) fn of(
        &mut self,
        endpoint: &mut Endpoint,
        now: std::time::Instant,
        aor: &Uri,
        user: &str,
        name: &str,
    ) -> IdentityId {
        match self.by_user.get_mut(user) {
            Some((id, shown)) => {
                if shown != name && endpoint.change_identity(now, *id, config(aor, name)).is_ok() {
                    name.clone_into(shown);
                }
                *id
            }
            None => {
                let id = endpoint.add_identity(now, config(aor, name));
                self.by_user.insert(user.to_owned(), (id, name.to_owned()));
                id
            }
        }
    }
}

fn config(aor: &Uri, name: &str) -> IdentityConfig {
    IdentityConfig {
        aor: aor.clone(),
        display_name: Some(name.to_owned()),
        caller_id: None,
        credentials: None,
        transport: Transport::Udp,
        server: None,
        outbound_proxy: None,
        local_port: LocalPort::Any,
        forced_contact: None,
        contact_external: false,
        expires: 600,
        keep_alive: None,
        headers: Vec::new(),
        only_known_sources: false,
        announce_registration: false,
    }
}

/// `"Name" <uri>` as P-Asserted-Identity wants it (RFC 3325 section 9.1).
pub(crate) fn asserted(aor: &Uri, name: &str) -> String {
    let mut address = NameAddr::new(aor.clone());
    address.display_name = Some(name.to_owned());
    address.to_string()
}
