//! The records that survive a restart, as JSON with a version each: `users.json`, `bindings.json`, `messages.json`.
//! The driver writes and reads whole records; this module knows what is in them. A record that cannot be read is
//! reported and treated as absent; values inside one are checked like anything else that comes from outside.

use serde::{Deserialize, Serialize};

pub(crate) const USERS: &str = "users.json";
pub(crate) const BINDINGS: &str = "bindings.json";
pub(crate) const MESSAGES: &str = "messages.json";

/// Largest record that is read [octets].
const MAX_RECORD: usize = 4 * 1_048_576;
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Record<T> {
    version: u32,
    rows: Vec<T>,
}

/// Passwords and tokens are in clear: the Account XML needs them. The driver keeps the folder private.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct UserRow {
    pub(crate) number: String,
    pub(crate) password: String,
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) display_name: String,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct BindingRow {
    pub(crate) user: String,
    /// name-addr with the contact parameters that we keep
    pub(crate) contact: String,
    /// q-value x 1000
    pub(crate) q: u16,
    /// [s since 1970] when the clock was set
    pub(crate) expires_unix: Option<u64>,
    /// [s] left when this was written
    pub(crate) remaining: u64,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
    /// address that the REGISTER came from, and the address of ours that it came to
    pub(crate) source: std::net::SocketAddr,
    pub(crate) local: Option<std::net::SocketAddr>,
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct MessagesRow {
    pub(crate) user: String,
    pub(crate) new: u32,
    pub(crate) old: u32,
}

/// The rows of record `name` among `records`; `Ok(None)` if there is no such record, `Err` if it cannot be used.
pub(crate) fn read<T: for<'d> Deserialize<'d>>(
    records: &[(String, Vec<u8>)],
    name: &str,
) -> Result<Option<Vec<T>>, String> {
    let Some((_, bytes)) = records.iter().find(|(n, _)| n == name) else {
        return Ok(None);
    };
    if bytes.len() > MAX_RECORD {
        return Err(format!("{name} is larger than {MAX_RECORD} octets"));
    }
    // serde_json names line and column but may quote the value: only the place goes into the log
    let record: Record<T> = serde_json::from_slice(bytes)
        .map_err(|e| format!("{name} is unreadable at line {} column {}", e.line(), e.column()))?;
    if record.version != VERSION {
        return Err(format!("{name} has version {}, only {VERSION} is known", record.version));
    }
    Ok(Some(record.rows))
}

pub(crate) fn write<T: Serialize>(rows: Vec<T>) -> Vec<u8> {
    // rows are strings and numbers: printing them cannot fail
    serde_json::to_vec_pretty(&Record { version: VERSION, rows }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let bytes = write(vec![MessagesRow { user: "100".into(), new: 3, old: 1 }]);
        let records = vec![(MESSAGES.to_owned(), bytes)];
        let rows: Vec<MessagesRow> = read(&records, MESSAGES).unwrap().unwrap();
        assert_eq!((rows[0].user.as_str(), rows[0].new, rows[0].old), ("100", 3, 1));
        assert!(read::<MessagesRow>(&records, USERS).unwrap().is_none());
    }

    #[test]
    fn torn_or_foreign_records_are_refused_without_quoting_them() {
        for bytes in [
            &b"{\"version\":1,\"rows\":[{\"number\":\"100\",\"passw"[..],
            b"",
            b"[]",
            b"{\"version\":9,\"rows\":[]}",
            b"\xff\xfe",
        ] {
            let refused = read::<UserRow>(&[(USERS.to_owned(), bytes.to_vec())], USERS).err().expect("refused");
            assert!(!refused.contains("100"), "{refused}");
        }
    }
}
