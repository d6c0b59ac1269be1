//! `vpnStartupUrl` (`axml.misc.01`): asked before each attempt of an account to register, so that a gateway can open the way.
//! Whatever it answers, the account registers then: only the registration shows whether the way is open.

use super::Purpose;
use crate::phone::{Now, Phone};
use crate::{Event, Level};
use offhook_sip::IdentityId;

impl Phone {
    pub(crate) fn before_registration(&mut self, now: Now, identity: IdentityId) {
        let line = self.lines.iter().find(|line| line.identity == Some(identity));
        let asked = line.and_then(|line| {
            let service = line.settings.as_ref()?.services.vpn_startup.clone()?;
            line.registers().then_some((line.number, service))
        });
        let Some((account, service)) = asked else {
            let _ = self.endpoint.proceed(now.instant, identity);
            return;
        };
        if let Err(unfit) = self.ask(now, account, &service, &[], Purpose::VpnStartup) {
            self.vpn_startup_asked(now, account, Err(unfit.to_string()));
        }
    }

    pub(super) fn vpn_startup_asked(&mut self, now: Now, account: u32, result: Result<(), String>) {
        let Some(line) = self.line(account) else { return };
        let (identity, usable) = (line.identity, line.usable);
        if let Err(why) = result {
            let text = format!("vpnStartupUrl: {why}; registering all the same");
            // a refresh that goes well is nobody's business, however it came about
            if usable { self.notify(Event::Protest(text)) } else { self.notice(now, Level::Warning, text) }
        }
        if let Some(identity) = identity {
            let _ = self.endpoint.proceed(now.instant, identity);
        }
    }
}
