//! The view, made from the state when somebody asks.

use crate::line;
use crate::phone::{Now, Phone};
use crate::self_test::SelfTest;
use crate::{AccountView, View};
use offhook_account::template::without_secrets;

impl Phone {
    pub(crate) fn picture(&self, now: Now) -> View {
        let accounts = self
            .lines
            .iter()
            .filter_map(|line| {
                let settings = line.settings.as_ref()?;
                Some(AccountView {
                    number: line.number,
                    title: settings.title.clone(),
                    username: settings.username.clone(),
                    domain: line.domain().to_owned(),
                    display_name: settings.display_name.clone(),
                    transport: line::transport_name(settings.transport),
                    state: line.registration.clone(),
                    local: line.identity.and_then(|identity| self.endpoint.local_address(identity)).or(line.local),
                    source: if line.source.contains("://") {
                        without_secrets(&line.source)
                    } else {
                        line.source.clone()
                    },
                    values: line.values.clone(),
                    exported: line.exported.clone(),
                })
            })
            .collect();
        let history = self.history.newest_first().cloned().map(|mut record| {
            // names of today: the call may be older than the contact
            record.peer_name = self.contacts.name_of(&record.peer).or(record.peer_name);
            record
        });
        let blf = self.watches.iter().map(|watch| {
            let mut view = watch.view();
            if watch.entry.label.is_none()
                && let Some(name) = self.contacts.name_of(&watch.extension)
            {
                view.label = name;
            }
            view
        });
        let dialled = self.dialing.digits();
        View {
            accounts,
            calls: self.calls.iter().map(|call| call.view(now, self.ear.muted, self.is_in_focus(call.id))).collect(),
            lamps: self.shown.lamps.iter().map(|(lamp, pattern)| (*lamp, *pattern)).collect(),
            blf: blf.collect(),
            hook: Some(self.ear.hook),
            route: Some(self.ear.route),
            muted: self.ear.muted,
            ringing: self.shown.ringing,
            tone: self.shown_tone(),
            volume: self.volume,
            dialling: (!self.dialing.is_empty()).then(|| self.dialing.digits().to_owned()),
            messages: self.messages(),
            history: history.collect(),
            missed: self.history.missed(),
            soft_keys: self.soft_key_views(),
            notice: self.notice.as_ref().map(|(_, text)| text.clone()),
            provisioning: self.provisioning_views(),
            version: self.config.version.clone(),
            hostname: self.config.hostname.clone(),
            do_not_disturb: self.links.quiet,
            forwarded: self.lines.iter().find_map(|line| line.settings.as_ref()?.forwarding.clone()),
            unsaved: self.unsaved.clone(),
            factory_reset: self.factory_reset.seconds_left(),
            self_test: self.self_test.as_ref().map(SelfTest::view),
            contacts: self.contacts.books().clone(),
            directories: self.contacts.views(),
            suggestions: self.contacts.suggestions(dialled),
            suggestion: self.dialing.choice(),
        }
    }
}
