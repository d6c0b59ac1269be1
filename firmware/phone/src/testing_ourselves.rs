//! The self-test inside the phone: who feeds it, and what it may take. A call always comes first.

use crate::call::Call;
use crate::command::SelfTestOrder;
use crate::phone::{Now, Output, Phone};
use crate::self_test::{Probed, SelfTest, Wish};
use crate::{AccountState, Refusal};
use offhook_hal::PanelEvent;
use std::net::IpAddr;

impl Phone {
    pub(crate) fn self_test_order(&mut self, now: Now, order: SelfTestOrder) -> Result<(), Refusal> {
        match order {
            SelfTestOrder::Start { interactive } => {
                if self.calls.iter().any(Call::is_live) {
                    return Err(Refusal::WrongState("end the call before the self-test"));
                }
                if self.ear.is_open() {
                    self.close_ear(now);
                }
                let fetching = self.fetched_accounts();
                let (keys, names) = (self.config.keys.clone(), self.host_names());
                self.self_test = Some(SelfTest::new(now.instant, interactive, keys, fetching, names));
                Ok(())
            }
            SelfTestOrder::Next => {
                let test = self.self_test.as_mut().ok_or(Refusal::WrongState("no self-test is running"))?;
                test.next(now.instant);
                Ok(())
            }
            SelfTestOrder::Stop => {
                self.self_test = None;
                Ok(())
            }
        }
    }

    /// Hands and keys belong to a test that runs; `true`: it took the event.
    pub(crate) fn is_tested(&mut self, now: Now, event: PanelEvent) -> bool {
        let Some(test) = self.self_test.as_mut().filter(|test| !test.is_finished()) else { return false };
        match event {
            PanelEvent::Down(key) => test.key_down(now.instant, key),
            PanelEvent::Up(key) => test.key_up(key),
            PanelEvent::Hook(hook) => {
                test.hook(now.instant, hook);
                // where the handset lies is true after the test, too
                self.ear.hook = hook;
            }
            // a plug is no part of it
            PanelEvent::HeadsetJack(_) => return false,
        }
        self.changed();
        true
    }

    pub(crate) fn probed(&mut self, now: Now, answer: Probed) {
        if let Some(test) = &mut self.self_test {
            test.probed(now.instant, answer);
            self.changed();
        }
    }

    /// After each input: what the test wants, what it waits for, and whether it has to give way.
    pub(crate) fn go_on_testing(&mut self, now: Now) {
        let Some(test) = &mut self.self_test else { return };
        if test.is_finished() {
            return;
        }
        if self.calls.iter().any(Call::is_live) {
            test.abandon("a call came first");
            return self.changed();
        }
        let before = test.view();
        let states: Vec<(String, AccountState)> = self
            .lines
            .iter()
            .filter_map(|line| Some((line.settings.as_ref()?.username.clone(), line.registration.clone())))
            .collect();
        test.registered(now.instant, &states);
        let wish = test.take_wish();
        if test.view() != before {
            self.changed();
        }
        match wish {
            Some(Wish::Probe(probe)) => self.out(Output::Probe(probe)),
            Some(Wish::Fetch) => {
                self.fetch_all(now);
                self.pump(now);
            }
            None => {}
        }
    }

    /// Names whose addresses somebody has to know: servers of accounts, and where settings come from.
    fn host_names(&self) -> Vec<String> {
        let servers = self.lines.iter().map(|line| line.domain().to_owned());
        let urls =
            self.config.provision.iter().filter_map(|url| url.split_once("://").map(|(_, rest)| rest.to_owned()));
        let mut names: Vec<String> = servers.chain(urls).filter_map(|text| host_name(&text)).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// The host of `user@host:port/path`, unless it is an address or a placeholder.
fn host_name(text: &str) -> Option<String> {
    let authority = text.split(['/', '?', '#', ';']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let host = host.split(':').next()?;
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    (plain && host.parse::<IpAddr>().is_err()).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_have_to_be_resolved() {
        for (text, name) in [
            ("pbx.example:5060", Some("pbx.example")),
            ("user:secret@files.example/a/{mac}.xml?x", Some("files.example")),
            ("localhost", Some("localhost")),
            ("192.0.2.1:5060", None),
            ("[2001:db8::1]:5060", None),
            ("2001:db8::1", None),
            ("{model}.example/x", None),
            ("", None),
        ] {
            assert_eq!(host_name(text).as_deref(), name, "{text}");
        }
    }
}
