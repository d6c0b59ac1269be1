//! HTTP digest for SIP (RFC 3261 section 22, RFC 7616, RFC 8760): MD5, SHA-256, SHA-512-256.
//!
//! [`ClientAuth`] answers challenges, [`ServerAuth`] makes them and checks the answers. Quoted content
//! (realm, nonce, opaque) is echoed and hashed as it was written, without undoing its escapes, which is
//! what servers do. Not here: `userhash`, `nextnonce` and `Authentication-Info`, Basic.

mod client;
mod digest;
mod server;
mod web;

pub use client::ClientAuth;
pub use server::{ServerAuth, Verdict};
pub use web::{WebRequest, WebScheme, web_digest, web_scheme};

use std::fmt;

/// A password that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Password(Password),
    /// MD5(user:realm:password), for MD5 challenges of that realm only
    Ha1 {
        realm: String,
        ha1: String,
    },
}

/// An HA1 is as good as the password for its realm.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(password) => password.fmt(f),
            Self::Ha1 { realm, .. } => write!(f, "Ha1 {{ realm: {realm:?}, ha1: *** }}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub secret: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512_256,
    Sha512_256Sess,
}

impl Algorithm {
    /// In any case, as servers write it.
    pub fn parse(text: &str) -> Option<Self> {
        use Algorithm::{Md5, Md5Sess, Sha256, Sha256Sess, Sha512_256, Sha512_256Sess};
        let all = [Md5, Md5Sess, Sha256, Sha256Sess, Sha512_256, Sha512_256Sess];
        all.into_iter().find(|algorithm| text.eq_ignore_ascii_case(algorithm.as_str()))
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    const fn is_sess(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The more the stronger; a session variant is no stronger than the plain one.
    const fn strength(self) -> u8 {
        match self {
            Self::Md5 | Self::Md5Sess => 1,
            Self::Sha256 | Self::Sha256Sess => 2,
            Self::Sha512_256 | Self::Sha512_256Sess => 3,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeOutcome {
    /// Send the request again; [`ClientAuth::authorize`] adds the header.
    Retry,
    /// The same credentials were refused with a fresh nonce: the password is wrong.
    Refused,
    /// No algorithm or scheme that we know, or no credentials for it.
    Unsupported,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let password = Credentials { username: "100".into(), secret: Secret::Password(Password::new("hunter2")) };
        let ha1 = Secret::Ha1 { realm: "r".into(), ha1: "939e7578ed9e3c518a452acee763bce9".into() };
        let shown = format!("{password:?} {ha1:?} {:?}", ServerAuth::new("r", [0xab; 32], std::time::Duration::ZERO));
        assert!(!shown.contains("hunter2") && !shown.contains("939e") && !shown.contains("171"), "{shown}");
    }
}
