//! HTTP digest for SIP (RFC 3261 section 22, RFC 7616, RFC 8760): MD5, SHA-256, SHA-512-256.

use crate::{Request, Response};

/// A password that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);
impl Password { pub fn new(secret: impl Into<String>) -> Self { Self(secret.into()) } pub fn reveal(&self) -> &str { &self.0 } }
impl std::fmt::Debug for Password { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("Password(***)") } }

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret { Password(Password), /// MD5(user:realm:password), for MD5 challenges of that realm only
    Ha1 { realm: String, ha1: String } }

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials { pub username: String, pub secret: Secret }

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm { Md5, Md5Sess, Sha256, Sha256Sess, Sha512_256, Sha512_256Sess }

/// What a client remembers about the challenges of its servers: nonce, opaque and nonce count per realm.
#[derive(Debug, Default)]
pub struct ClientAuth { /* private */ }

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeOutcome {
    /// Send the request again; [`ClientAuth::authorize`] adds the header.
    Retry,
    /// The same credentials were refused with a fresh nonce: the password is wrong.
    Refused,
    /// No algorithm or scheme that we know, or no credentials for it.
    Unsupported,
}
impl ClientAuth {
    /// Reads every WWW-/Proxy-Authenticate of a 401 or 407; keeps the strongest we can answer.
    pub fn challenged(&mut self, request: &Request, response: &Response, credentials: &Credentials) -> ChallengeOutcome { todo!() }
    /// Adds (Proxy-)Authorization for every remembered challenge; `cnonce` is the caller's chance.
    pub fn authorize(&mut self, request: &mut Request, credentials: &Credentials, cnonce: &str) { todo!() }
}

/// The server's side: makes challenges, checks answers. Nonces carry their time, so that no list grows.
#[derive(Debug)]
pub struct ServerAuth { /* private */ }
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Credentials of this user are right.
    Accepted { username: String },
    /// Right credentials, old nonce: challenge again with stale=true.
    Stale,
    /// No credentials for our realm (also an unknown scheme).
    Missing,
    /// Wrong password, unknown user, replayed nonce count.
    Wrong,
}
impl ServerAuth {
    /// `key`: 32 random octets that sign nonces. `lifetime`: after it a nonce is stale.
    pub fn new(realm: &str, key: [u8; 32], lifetime: std::time::Duration) -> Self { todo!() }
    /// The challenge header values to put into a 401 (`WWW-Authenticate`), strongest first: SHA-256 then MD5.
    pub fn challenges(&mut self, now: std::time::Instant, stale: bool) -> Vec<String> { todo!() }
    /// `password` answers the password of a user name, `None` if there is no such user.
    pub fn verify(&mut self, now: std::time::Instant, request: &Request, password: impl FnMut(&str) -> Option<Password>) -> Verdict { todo!() }
}
