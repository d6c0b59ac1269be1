//! The client's side: which challenge to answer, and when to stop trying.
//!
//! A local policy decides between algorithms (RFC 8760 section 2.4 allows one): the strongest, and of
//! equals the topmost. Nonces are kept for the next request, so that one round trip is saved; a server
//! that no longer knows one is answered again without asking the user, whether it says `stale` or not.

use super::digest::{self, Fields, Inputs, Qop};
use super::{Algorithm, ChallengeOutcome, Credentials, Secret};
use crate::{Method, Request, Response};

/// Realms remembered at most: the registrar and the proxies on the way to it.
const REALMS: usize = 8;
/// Methods remembered for each.
const METHODS: usize = 16;
/// Times in a row that a nonce may be called stale at its first use: a server that expires its nonces
/// faster than a round trip would have us ask for ever.
const STALE_AT_ONCE: u8 = 2;

/// What a client remembers about the challenges of its servers: nonce, opaque and nonce count per realm.
#[derive(Debug, Default)]
pub struct ClientAuth {
    challenges: Vec<Challenge>,
}

#[derive(Debug, Clone)]
struct Challenge {
    /// Of a 407: answered in Proxy-Authorization.
    proxy: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As the server spelt it, if it did.
    algorithm_text: Option<String>,
    qop: Qop,
    /// Times that this nonce was used.
    count: u32,
    /// Of the first use: a -sess key is made once (RFC 7616 section 3.4.2).
    session_cnonce: Option<String>,
    stale_at_once: u8,
    /// Methods that met this kind of challenge in this realm.
    methods: Vec<Method>,
}

impl ClientAuth {
    /// Reads every WWW-/Proxy-Authenticate of a 401 or 407; keeps the strongest we can answer.
    ///
    /// `request` is the one that was refused, with the credentials it went out with. It never says
    /// `Retry` for ever: a nonce refused at its first use is `Refused`.
    pub fn challenged(
        &mut self,
        request: &Request,
        response: &Response,
        credentials: &Credentials,
    ) -> ChallengeOutcome {
        let mut outcome = ChallengeOutcome::Unsupported;
        for (proxy, name) in [(false, "WWW-Authenticate"), (true, "Proxy-Authenticate")] {
            let offered: Vec<Fields<'_>> = response.headers.all(name).flat_map(digest::fields).collect();
            let mut chosen: Vec<(Challenge, bool)> = Vec::new();
            for fields in &offered {
                let Some(challenge) = Challenge::read(fields, proxy, credentials) else { continue };
                let stale = fields.param("stale").is_some_and(|s| s.eq_ignore_ascii_case("true"));
                match chosen.iter_mut().find(|(c, _)| c.realm == challenge.realm) {
                    Some(best) if best.0.algorithm.strength() < challenge.algorithm.strength() => {
                        *best = (challenge, stale);
                    }
                    Some(_) => {}
                    None => chosen.push((challenge, stale)),
                }
            }
            for (challenge, stale) in chosen {
                match self.consider(challenge, stale, request, credentials) {
                    ChallengeOutcome::Refused => return ChallengeOutcome::Refused,
                    other => outcome = other,
                }
            }
        }
        outcome
    }

    /// Adds (Proxy-)Authorization for every remembered challenge; `cnonce` is the caller's chance.
    /// Credentials for those realms that the request already carries are replaced.
    pub fn authorize(&mut self, request: &mut Request, credentials: &Credentials, cnonce: &str) {
        for proxy in [false, true] {
            let name = header_name(proxy);
            let keep: Vec<String> = {
                let ours = |fields: &Fields<'_>| {
                    fields.is_digest()
                        && self
                            .challenges
                            .iter()
                            .any(|c| c.proxy == proxy && Some(c.realm.as_str()) == fields.param("realm"))
                };
                request.headers.all(name).filter(|v| !digest::fields(v).iter().any(ours)).map(str::to_owned).collect()
            };
            let mut values = keep;
            let wanted = self.wanted(&request.method);
            for challenge in self.challenges.iter_mut().filter(|c| c.proxy == proxy && wanted.contains(&c.nonce)) {
                values.extend(challenge.answer(request, credentials, cnonce));
            }
            request.headers.remove(name);
            for value in values {
                request.headers.push(name, value);
            }
        }
        // A nonce whose count is used up is not used again; the server gives another.
        self.challenges.retain(|c| c.count < u32::MAX);
    }

    /// Nonces of the challenges that this method has to answer: of a realm that asks some methods by 401 and others by 407,
    /// the kind that it met before. Both would be right, but make an INVITE too large for a datagram.
    fn wanted(&self, method: &Method) -> Vec<String> {
        // An ACK carries what its INVITE carried.
        let method = if *method == Method::Ack { &Method::Invite } else { method };
        let met = |c: &Challenge| c.methods.contains(method);
        let of_other_kind = |c: &Challenge| self.challenges.iter().any(|o| o.realm == c.realm && !met(c) && met(o));
        self.challenges.iter().filter(|c| !of_other_kind(c)).map(|c| c.nonce.clone()).collect()
    }

    fn consider(
        &mut self,
        mut challenge: Challenge,
        stale: bool,
        request: &Request,
        credentials: &Credentials,
    ) -> ChallengeOutcome {
        let name = header_name(challenge.proxy);
        let sent: Vec<Fields<'_>> = request.headers.all(name).flat_map(digest::fields).collect();
        let used = sent.iter().find(|f| {
            f.is_digest()
                && f.param("realm") == Some(challenge.realm.as_str())
                && f.param("username").is_some_and(|u| digest::unquoted(u) == credentials.username)
        });
        let known = self.challenges.iter().position(|c| c.proxy == challenge.proxy && c.realm == challenge.realm);
        let before = known.map(|n| self.challenges.remove(n));
        let before_methods = before.as_ref().map(|b| b.methods.clone()).unwrap_or_default();
        match used {
            // A new realm with each answer would never end either.
            None if sent.len() >= REALMS => return ChallengeOutcome::Refused,
            None => {}
            Some(used) => {
                let nonce = used.param("nonce").unwrap_or_default();
                let count = match (used.param("nc"), &before) {
                    (Some(nc), _) => u32::from_str_radix(nc, 16).unwrap_or(1),
                    (None, Some(before)) if before.nonce == nonce => before.count,
                    (None, _) => 1,
                };
                let first_use = count <= 1;
                challenge.stale_at_once = match (first_use, &before) {
                    (true, Some(before)) => before.stale_at_once.saturating_add(1),
                    (true, None) => 1,
                    (false, _) => 0,
                };
                let senseless = stale && (nonce == challenge.nonce || challenge.stale_at_once > STALE_AT_ONCE);
                if senseless || (!stale && first_use) {
                    // Forgotten, so that other credentials start afresh.
                    return ChallengeOutcome::Refused;
                }
            }
        }
        if let Some(before) = before.filter(|b| b.nonce == challenge.nonce && b.algorithm == challenge.algorithm) {
            challenge.count = before.count;
            challenge.session_cnonce = before.session_cnonce;
        }
        challenge.methods = before_methods;
        if !challenge.methods.contains(&request.method) && challenge.methods.len() < METHODS {
            challenge.methods.push(request.method.clone());
        }
        if self.challenges.len() >= REALMS {
            self.challenges.remove(0);
        }
        self.challenges.push(challenge);
        ChallengeOutcome::Retry
    }
}

impl Challenge {
    /// `None` if it cannot be answered with these credentials.
    fn read(fields: &Fields<'_>, proxy: bool, credentials: &Credentials) -> Option<Self> {
        if !fields.is_digest() {
            return None;
        }
        let algorithm = fields.algorithm()?;
        let realm = fields.param("realm")?.to_owned();
        let qop = if fields.param("qop").is_none_or(|q| q.trim().is_empty()) {
            Qop::Absent
        } else if fields.lists("qop", "auth") {
            Qop::Auth
        } else if fields.lists("qop", "auth-int") {
            Qop::AuthInt
        } else {
            return None;
        };
        let challenge = Self {
            proxy,
            nonce: fields.param("nonce")?.to_owned(),
            opaque: fields.param("opaque").map(str::to_owned),
            algorithm,
            algorithm_text: fields.param("algorithm").map(str::to_owned),
            qop,
            count: 0,
            session_cnonce: None,
            stale_at_once: 0,
            methods: Vec::new(),
            realm,
        };
        challenge.ha1(credentials).is_some().then_some(challenge)
    }

    fn ha1(&self, credentials: &Credentials) -> Option<String> {
        match &credentials.secret {
            Secret::Password(password) => {
                Some(digest::ha1(self.algorithm, &credentials.username, &self.realm, password.reveal()))
            }
            Secret::Ha1 { realm, ha1 } => {
                let fits =
                    *realm == digest::unquoted(&self.realm) && self.algorithm.strength() == Algorithm::Md5.strength();
                fits.then(|| ha1.to_ascii_lowercase())
            }
        }
    }

    fn answer(&mut self, request: &Request, credentials: &Credentials, cnonce: &str) -> Option<String> {
        let ha1 = self.ha1(credentials)?;
        self.count = self.count.saturating_add(1);
        let nc = format!("{:08x}", self.count);
        let cnonce = match self.algorithm.is_sess() {
            true => self.session_cnonce.get_or_insert_with(|| digest::quoted(cnonce)).clone(),
            false => digest::quoted(cnonce),
        };
        let uri = request.uri.to_string();
        let inputs = Inputs {
            algorithm: self.algorithm,
            qop: self.qop,
            nonce: &self.nonce,
            nc: &nc,
            cnonce: &cnonce,
            method: request.method.as_str(),
            uri: &uri,
            body: &request.body,
        };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", response=\"{}\"",
            digest::quoted(&credentials.username),
            self.realm,
            self.nonce,
            inputs.response(&ha1),
        );
        if let Some(algorithm) = &self.algorithm_text {
            value.push_str(&format!(", algorithm={algorithm}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if self.qop != Qop::Absent {
            value.push_str(&format!(", qop={}, cnonce=\"{cnonce}\", nc={nc}", self.qop.as_str()));
        } else if self.algorithm.is_sess() {
            value.push_str(&format!(", cnonce=\"{cnonce}\""));
        }
        Some(value)
    }
}

const fn header_name(proxy: bool) -> &'static str {
    if proxy { "Proxy-Authorization" } else { "Authorization" }
}
