//! Who gets a notification, and what waits for `API_Poll` (`ctl.ntf`, parameters `jsscriptevent`, `jsscriptpoll`).

use std::collections::VecDeque;

/// Notifications that wait for `API_Poll`; of more, the oldest go.
pub const MAX_QUEUED: usize = 200;

/// Something to tell: type and fields, commas between them, without the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) level: Level,
    pub(crate) text: String,
}

/// From which value of `jsscriptevent` on it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Status = 1,
    Event = 2,
    Log = 3,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    /// `jsscriptevent`, 0 to 3
    pub(crate) level: i64,
    /// `jsscriptpoll`, -1 to 3
    pub(crate) polling: i64,
    queue: VecDeque<String>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self { level: 2, polling: -1, queue: VecDeque::new() }
    }
}

impl Mailbox {
    /// The line to send now, if it is to be sent.
    pub(crate) fn post(&mut self, news: &News) -> Option<String> {
        if (news.level as i64) > self.level {
            return None;
        }
        let line = format!("WPNOTIFICATION,{},NEOL", news.text);
        if self.polling != 0 {
            if self.queue.len() >= MAX_QUEUED {
                self.queue.pop_front();
            }
            self.queue.push_back(line.clone());
        }
        (self.polling != 3).then_some(line)
    }

    /// What has come since the last time; `None`: polling is switched off.
    pub(crate) fn take(&mut self) -> Option<Vec<String>> {
        if self.polling == 0 {
            return None;
        }
        if self.polling < 0 {
            self.polling = 2;
        }
        Some(self.queue.drain(..).collect())
    }

    pub(crate) fn set_polling(&mut self, polling: i64) {
        self.polling = polling;
        if polling == 0 {
            self.queue.clear();
        }
    }
}
