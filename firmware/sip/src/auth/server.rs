//! The server's side.
//!
//! A nonce is `time, number, signature`: whether it is ours and how old it is can be told from itself,
//! so handing out challenges costs no memory. What has to be remembered is which counts of a nonce were
//! used. Only a request with the right password adds to that, an entry leaves with the lifetime of its
//! nonce, and there are at most `NONCES` of them: the oldest is dropped for a new one, and every nonce
//! with a number up to its own counts as stale from then on, so that forgetting never lets a replay in.
//!
//! The `uri` of the credentials takes part in the digest but is not compared with the Request-URI,
//! which proxies on the way may have changed (RFC 3261 section 22.4).

use super::digest::{self, Fields, Inputs, Qop};
use super::{Algorithm, Password};
use crate::Request;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Nonces whose counts are remembered at the same time.
const NONCES: usize = 4096;

/// The server's side: makes challenges, checks answers. Nonces carry their time, so that no list grows.
pub struct ServerAuth {
    realm: String,
    key: [u8; 32],
    lifetime: Duration,
    /// What the times in nonces count from.
    epoch: Option<Instant>,
    /// Number of the last nonce.
    issued: u64,
    used: BTreeMap<u64, Used>,
    /// Nonces with a number up to this are forgotten.
    forgotten: u64,
}

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

/// The counts of one nonce that were used: the highest, and the 64 up to it as bits.
#[derive(Debug)]
struct Used {
    issued_at: Duration,
    highest: u32,
    window: u64,
}

impl Used {
    /// False if `count` was used or is too far back to tell.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let ahead = count - self.highest;
            self.window = self.window.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let bit = 1_u64.checked_shl(self.highest - count).unwrap_or(0);
        let fresh = bit != 0 && self.window & bit == 0;
        self.window |= bit;
        fresh
    }
}

impl fmt::Debug for ServerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAuth")
            .field("realm", &self.realm)
            .field("lifetime", &self.lifetime)
            .field("used", &self.used.len())
            .finish_non_exhaustive()
    }
}

/// Credentials for our realm that are looked at in one request.
const MAX_CREDENTIALS: usize = 4;

impl ServerAuth {
    /// `key`: 32 random octets that sign nonces. `lifetime`: after it a nonce is stale.
    pub fn new(realm: &str, key: [u8; 32], lifetime: Duration) -> Self {
        let realm = realm.to_owned();
        Self { realm, key, lifetime, epoch: None, issued: 0, used: BTreeMap::new(), forgotten: 0 }
    }

    /// The challenge header values to put into a 401 (`WWW-Authenticate`), strongest first: SHA-256 then MD5.
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        self.issued += 1;
        let nonce = self.nonce(self.since_epoch(now), self.issued);
        self.epoch.get_or_insert(now);
        let realm = digest::quoted(&self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        [Algorithm::Sha256, Algorithm::Md5]
            .map(|algorithm| {
                let algorithm = algorithm.as_str();
                format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
            })
            .into()
    }

    /// `password` answers the password of a user name, `None` if there is no such user.
    ///
    /// Authorization and Proxy-Authorization are both looked at, so that a 407 may carry the challenges too.
    pub fn verify(
        &mut self,
        now: Instant,
        request: &Request,
        mut password: impl FnMut(&str) -> Option<Password>,
    ) -> Verdict {
        let realm = digest::quoted(&self.realm);
        let ours = |f: &Fields<'_>| f.is_digest() && f.param("realm") == Some(realm.as_str());
        let names = ["Authorization", "Proxy-Authorization"];
        let all: Vec<Fields<'_>> =
            names.iter().flat_map(|name| request.headers.all(name)).flat_map(digest::fields).collect();
        // A client that was challenged by 401 and by 407 for one realm sends both headers; one of them may be old.
        let mut best = Verdict::Missing;
        for fields in all.iter().filter(|f| ours(f)).take(MAX_CREDENTIALS) {
            match self.verify_fields(now, request, fields, &mut password) {
                Some(accepted @ Verdict::Accepted { .. }) => return accepted,
                Some(Verdict::Stale) => best = Verdict::Stale,
                Some(Verdict::Wrong) if best == Verdict::Missing => best = Verdict::Wrong,
                _ => {}
            }
        }
        best
    }

    /// `None`: a parameter is missing or makes no sense, so these are no credentials.
    fn verify_fields(
        &mut self,
        now: Instant,
        request: &Request,
        fields: &Fields<'_>,
        password: &mut impl FnMut(&str) -> Option<Password>,
    ) -> Option<Verdict> {
        let algorithm = fields.algorithm()?;
        let username = digest::unquoted(fields.param("username")?);
        let realm = fields.param("realm")?;
        let nonce = fields.param("nonce")?;
        let response = fields.param("response")?.to_ascii_lowercase();
        let (nc, qop) = match fields.param("qop") {
            None => ("", Qop::Absent),
            Some(qop) if qop.eq_ignore_ascii_case("auth") => (fields.param("nc")?, Qop::Auth),
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") => (fields.param("nc")?, Qop::AuthInt),
            Some(_) => return None,
        };
        // A client of RFC 2069 counts nothing: it uses each nonce once.
        let count = if qop == Qop::Absent { 1 } else { u32::from_str_radix(nc, 16).ok()? };
        let cnonce = match fields.param("cnonce") {
            Some(cnonce) => cnonce,
            None if qop == Qop::Absent && !algorithm.is_sess() => "",
            None => return None,
        };
        let inputs = Inputs {
            algorithm,
            qop,
            nonce,
            nc,
            cnonce,
            method: request.method.as_str(),
            uri: fields.param("uri")?,
            body: &request.body,
        };
        let known = password(&username);
        // The same work for an unknown user: how long we think shall not tell who exists.
        let secret = known.as_ref().map_or("", Password::reveal);
        let expected = inputs.response(&digest::ha1(algorithm, &username, realm, secret));
        if !same(expected.as_bytes(), response.as_bytes()) || known.is_none() || count == 0 {
            return Some(Verdict::Wrong);
        }
        Some(match self.take(now, nonce, count) {
            Ok(true) => Verdict::Accepted { username },
            Ok(false) if qop == Qop::Absent => Verdict::Stale,
            Ok(false) => Verdict::Wrong,
            Err(Expired) => Verdict::Stale,
        })
    }

    /// Marks one count of a nonce as used; false: it was before.
    fn take(&mut self, now: Instant, nonce: &str, count: u32) -> Result<bool, Expired> {
        let (issued_at, number) = read_nonce(nonce).ok_or(Expired)?;
        if !same(self.nonce(issued_at, number).as_bytes(), nonce.as_bytes()) {
            return Err(Expired);
        }
        let now = self.since_epoch(now);
        let lifetime = self.lifetime;
        let expired = |issued_at: Duration| now.saturating_sub(issued_at) > lifetime;
        if expired(issued_at) {
            return Err(Expired);
        }
        while self.used.first_entry().is_some_and(|first| expired(first.get().issued_at)) {
            self.used.pop_first();
        }
        if let Some(used) = self.used.get_mut(&number) {
            return Ok(used.take(count));
        }
        if number <= self.forgotten {
            return Err(Expired);
        }
        self.used.insert(number, Used { issued_at, highest: count, window: 1 });
        if self.used.len() > NONCES
            && let Some((oldest, _)) = self.used.pop_first()
        {
            self.forgotten = oldest;
        }
        Ok(true)
    }

    fn since_epoch(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.epoch.unwrap_or(now));
        Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn nonce(&self, at: Duration, number: u64) -> String {
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let signed = format!("{at:016x}{number:016x}");
        let signature = digest::hex(&hmac_sha256(&self.key, signed.as_bytes()));
        // 128 bits of signature are plenty, and some phones have small nonce buffers.
        format!("{signed}{}", signature.get(..32).unwrap_or_default())
    }
}

struct Expired;

/// Time and number as they stand in a nonce, signature not looked at.
fn read_nonce(nonce: &str) -> Option<(Duration, u64)> {
    let number = |range| u64::from_str_radix(nonce.get(range)?, 16).ok();
    Some((Duration::from_millis(number(0..16)?), number(16..32)?))
}

/// RFC 2104 with SHA-256; the key is shorter than a block.
fn hmac_sha256(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let keyed = |pad: u8| {
        let mut block = [pad; 64];
        for (octet, key) in block.iter_mut().zip(key) {
            *octet ^= key;
        }
        Sha256::new().chain_update(block)
    };
    let inner = keyed(0x36).chain_update(text).finalize();
    keyed(0x5c).chain_update(inner).finalize().into()
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231() {
        // Test case 1 has a key of 20 octets; zeros behind it change nothing.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(digest::hex(&hmac_sha256(&key, b"Hi There")), expected);
    }

    #[test]
    fn counts_may_overtake_each_other_but_not_repeat() {
        let mut used = Used { issued_at: Duration::ZERO, highest: 1, window: 1 };
        assert!(!used.take(1));
        assert!(used.take(3) && used.take(2) && !used.take(2) && !used.take(3));
        assert!(used.take(100) && !used.take(3), "too far back to tell");
        assert!(used.take(37) && !used.take(36), "64 counts are remembered");
        assert!(used.take(u32::MAX) && !used.take(u32::MAX) && used.take(u32::MAX - 63));
    }

    #[test]
    fn memory_of_used_nonces_is_bounded_and_forgetting_lets_no_replay_in() {
        let now = Instant::now();
        let mut auth = ServerAuth::new("r", [7; 32], Duration::from_secs(60));
        auth.epoch = Some(now);
        let first = auth.nonce(Duration::ZERO, 1);
        assert!(matches!(auth.take(now, &first, 1), Ok(true)));
        for number in 2..=u64::try_from(NONCES).unwrap() + 1 {
            let nonce = auth.nonce(Duration::ZERO, number);
            assert!(matches!(auth.take(now, &nonce, 1), Ok(true)));
        }
        assert_eq!(auth.used.len(), NONCES);
        assert!(auth.take(now, &first, 1).is_err(), "the forgotten nonce is stale, not fresh");
        let later = now + Duration::from_secs(61);
        auth.issued = 9999;
        let nonce = auth.nonce(Duration::from_secs(61), 9999);
        assert!(matches!(auth.take(later, &nonce, 1), Ok(true)));
        assert_eq!(auth.used.len(), 1, "the expired ones are gone");
    }
}
