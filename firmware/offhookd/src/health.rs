//! Is this phone a telephone? Decided from a few facts, written to `$RUNTIME_DIRECTORY/health.json` when it changes, for
//! whoever has to decide about an update.

use offhook_hal::Interruptions;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What is known at one moment. What a phone does not have counts as present: it is not missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// accounts that have settings
    pub(crate) accounts: usize,
    /// of them, registered ones
    pub(crate) registered: usize,
    /// an interface other than loopback has a carrier and an address
    pub(crate) network: bool,
    /// the sound device that was asked for is open
    pub(crate) audio: bool,
    /// the screen draws, if one is wanted
    pub(crate) screen: bool,
    /// hook and keys are read, if the board has wiring
    pub(crate) panel: bool,
    /// a thread that stands still
    pub(crate) stuck: Option<&'static str>,
    /// of sound, since the start
    pub(crate) interruptions: Interruptions,
}

impl Facts {
    /// What is wrong, in words; nothing: healthy. Without a network nobody can register, and that is not our fault.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.registered == 0 && self.network {
            problems.push(match self.accounts {
                0 => "no account: nothing was provisioned".to_owned(),
                _ => "not registered".to_owned(),
            });
        }
        let parts = [
            (self.audio, "the sound device does not open"),
            (self.screen, "the screen does not draw"),
            (self.panel, "hook and keys are not read"),
        ];
        problems.extend(parts.iter().filter(|(fine, _)| !fine).map(|(_, text)| (*text).to_owned()));
        problems.extend(self.stuck.map(|thread| format!("thread {thread} stands still")));
        problems
    }

    /// One line for `systemctl status`.
    pub(crate) fn status(&self) -> String {
        let problems = self.problems();
        match (problems.is_empty(), self.registered) {
            (false, _) => problems.join("; "),
            (true, 0) => "no network".to_owned(),
            (true, 1) => "registered".to_owned(),
            (true, n) => format!("{n} accounts registered"),
        }
    }
}

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct Health {
    path: Option<PathBuf>,
    version: String,
    board: String,
    told: Option<Facts>,
    since: f64,
}

impl Health {
    /// `folder`: none, nothing is written.
    pub(crate) fn new(folder: Option<&Path>, version: &str, board: &str) -> Self {
        let path = folder.map(|folder| folder.join("health.json"));
        Self { path, version: version.to_owned(), board: board.to_owned(), told: None, since: 0.0 }
    }

    /// Writes the facts if they are news; `true`: they were. `uptime` [s] on the machine's monotonic clock.
    pub(crate) fn tell(&mut self, uptime: f64, facts: &Facts) -> bool {
        if self.told.as_ref() == Some(facts) {
            return false;
        }
        let healthy = facts.problems().is_empty();
        if self.told.as_ref().is_none_or(|told| told.problems().is_empty() != healthy) {
            self.since = uptime;
        }
        self.told = Some(facts.clone());
        if let Some(path) = &self.path {
            let text = self.text(facts);
            if let Err(error) = replace(path, &text) {
                tracing::warn!("cannot write {}: {error}; RUNTIME_DIRECTORY must be a folder of ours", path.display());
            }
        }
        true
    }

    fn text(&self, facts: &Facts) -> String {
        let problems = facts.problems();
        let text = json!({
            "healthy": problems.is_empty(), "registered": facts.registered > 0, "network": facts.network,
            "audio": facts.audio, "screen": facts.screen, "panel": facts.panel, "accounts": facts.accounts,
            "problems": problems, "xruns": facts.interruptions.xruns, "left_out": facts.interruptions.left_out, "since": (self.since * 1000.0).round() / 1000.0, "version": self.version,
            "board": self.board,
        });
        format!("{text}\n")
    }
}

/// A reader sees the old text or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            accounts: 1,
            registered: 1,
            network: true,
            audio: true,
            screen: true,
            panel: true,
            stuck: None,
            interruptions: Interruptions::default(),
        }
    }

    #[test]
    fn a_phone_is_healthy_if_it_is_registered_or_has_no_network() {
        assert!(good().problems().is_empty());
        assert_eq!(Facts { registered: 0, ..good() }.problems(), ["not registered"]);
        assert!(Facts { registered: 0, accounts: 0, ..good() }.problems()[0].contains("provisioned"));
        assert!(Facts { registered: 0, network: false, ..good() }.problems().is_empty());
    }

    #[test]
    fn each_missing_part_makes_it_unhealthy_network_or_not() {
        for network in [true, false] {
            let good = Facts { network, ..good() };
            for bad in [
                Facts { audio: false, ..good.clone() },
                Facts { screen: false, ..good.clone() },
                Facts { panel: false, ..good.clone() },
                Facts { stuck: Some("media"), ..good.clone() },
            ] {
                assert_eq!(bad.problems().len(), 1, "{bad:?}");
                assert_eq!(bad.status(), bad.problems()[0]);
            }
        }
    }

    #[test]
    fn file_is_written_on_change_only_and_says_since_when_the_phone_is_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut health = Health::new(Some(folder.path()), "1.2.3", "uml");
        let read = || -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(folder.path().join("health.json")).unwrap()).unwrap()
        };
        assert!(health.tell(10.0, &Facts { registered: 0, ..good() }));
        assert_eq!((read()["healthy"].as_bool(), read()["since"].as_f64()), (Some(false), Some(10.0)));
        assert!(health.tell(12.5, &good()));
        let text = read();
        assert_eq!((text["healthy"].as_bool(), text["since"].as_f64()), (Some(true), Some(12.5)));
        assert_eq!((text["board"].as_str(), text["version"].as_str()), (Some("uml"), Some("1.2.3")));
        std::fs::remove_file(folder.path().join("health.json")).unwrap();
        assert!(!health.tell(13.0, &good()));
        assert!(!folder.path().join("health.json").exists());
        // Another fact, the same verdict: the time stands.
        assert!(health.tell(14.0, &Facts { registered: 2, accounts: 2, ..good() }));
        assert_eq!(read()["since"].as_f64(), Some(12.5));
    }
}
