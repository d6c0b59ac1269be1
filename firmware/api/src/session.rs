//! One client connection: requests are answered in their order, one at a time. A request that the phone has to do
//! waits for it, and what came after it waits too.

use crate::answer::{self, Value};
use crate::desk::{Desk, Refused, Reply, Step};
use crate::frame::{Frame, Frames};
use crate::mailbox::News;
use crate::notification::Told;
use crate::perform::started;
use crate::request::{self, Form, Request, Unreadable};
use crate::status;
use offhook_phone::{AccountState, Command, CommandId, Event, Refusal, View};
use std::collections::VecDeque;

/// One client connection.
pub struct Session {
    frames: Frames,
    /// Requests that stood in one line without a line end between them.
    split: VecDeque<Result<Request, Unreadable>>,
    pending: Option<Pending>,
    desk: Desk,
    told: Told,
    next_id: u64,
    outputs: VecDeque<Output>,
    closed: bool,
}

pub enum Output {
    /// To the client.
    Bytes(Vec<u8>),
    /// To the phone; answer with [`Session::done`].
    Command { id: CommandId, command: Command },
    /// The connection is over; nothing comes after this.
    Close,
}

/// The request that the phone is busy with.
struct Pending {
    request: Request,
    id: CommandId,
    /// The one that is under way.
    refused: Refused,
    remember: Option<(String, String)>,
    rest: VecDeque<Step>,
    failures: Vec<String>,
}

/// Bytes that are put together into one output, as far as they come at once.
const PIECE: usize = 16_384;

impl Session {
    /// `first_id`: command ids are counted from here (the daemon gives each connection its own range).
    pub fn new(first_id: u64) -> Self {
        let mut session = Self {
            frames: Frames::default(),
            split: VecDeque::new(),
            pending: None,
            desk: Desk::default(),
            told: Told::default(),
            next_id: first_id,
            outputs: VecDeque::new(),
            closed: false,
        };
        session.tell(&[started("api")]);
        session
    }

    /// Bytes from the client. `view`: the phone now, for questions answered at once.
    pub fn receive(&mut self, bytes: &[u8], view: &View) {
        if self.closed {
            return;
        }
        self.told.learn(view);
        // Piece by piece, so that how much came at once makes no difference.
        for piece in bytes.chunks(crate::MAX_REQUEST) {
            if !self.frames.push(piece) {
                return self.close("too many requests are waiting");
            }
            self.work(view);
        }
    }

    /// The phone has done, or refused, a command.
    pub fn done(&mut self, id: CommandId, result: Result<(), Refusal>, view: &View) {
        let Some(mut pending) = self.pending.take_if(|pending| pending.id == id) else { return };
        match (result, std::mem::replace(&mut pending.refused, Refused::Ends)) {
            (Ok(()), _) => {
                if let Some((name, value)) = pending.remember.take() {
                    self.desk.remember(name, value);
                }
            }
            (Err(_), Refused::Ignored) => {}
            (Err(refusal), Refused::Noted(name)) => pending.failures.push(format!("{name}: {refusal}")),
            (Err(refusal), Refused::Ends) => {
                pending.failures.push(refusal.to_string());
                pending.rest.clear();
            }
        }
        self.go_on(pending);
        self.work(view);
    }

    /// Something has happened to the phone.
    pub fn notify(&mut self, event: &Event, view: &View) {
        if self.closed {
            return;
        }
        if let Event::Registration { account, state: AccountState::Failed(reason) } = event
            && status::main_account(view).is_none_or(|main| main.number == *account)
        {
            self.desk.failure = Some(reason.clone());
        }
        let news = self.told.of(event, view);
        self.tell(&news);
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Requests, until one has to wait or there are no more.
    fn work(&mut self, view: &View) {
        while self.pending.is_none() && !self.closed {
            let read = match self.split.pop_front() {
                Some(read) => read,
                None => match self.frames.next() {
                    None => return,
                    Some(Frame::Line(line)) => {
                        self.split.extend(request::read_line(&line));
                        continue;
                    }
                    Some(Frame::Block(block)) => request::read_block(&block),
                    Some(Frame::Broken) => Err(Unreadable {
                        form: Form::Block,
                        name: String::new(),
                        reason: "EOFCOMMAND is missing".into(),
                    }),
                    Some(Frame::TooLong) => return self.close("a request is at most 64 KiB long"),
                },
            };
            match read {
                Ok(request) => self.begin(request, view),
                Err(wrong) => self.send(&answer::unreadable(&wrong)),
            }
        }
    }

    fn begin(&mut self, request: Request, view: &View) {
        let reply = request.function.perform(&mut self.desk, view, &request.arguments);
        let news = std::mem::take(&mut self.desk.news);
        self.tell(&news);
        match reply {
            Ok(Reply::Value(value)) => self.send(&answer::success(&request, &value)),
            Err(reason) => self.send(&answer::failure(&request, &reason)),
            Ok(Reply::Commands { steps, failures }) => self.go_on(Pending {
                request,
                id: CommandId(0),
                refused: Refused::Ends,
                remember: None,
                rest: steps.into(),
                failures,
            }),
        }
    }

    /// The next command of a request, or its answer.
    fn go_on(&mut self, mut pending: Pending) {
        if let Some(Step { command, refused, remember }) = pending.rest.pop_front() {
            let id = CommandId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            pending.id = id;
            pending.refused = refused;
            pending.remember = remember;
            self.pending = Some(pending);
            self.outputs.push_back(Output::Command { id, command });
            return;
        }
        let answer = match pending.failures.is_empty() {
            true => answer::success(&pending.request, &Value::True),
            false => answer::failure(&pending.request, &pending.failures.join("; ")),
        };
        self.send(&answer);
    }

    fn tell(&mut self, news: &[News]) {
        for one in news {
            if let Some(mut line) = self.desk.mailbox.post(one) {
                line.push_str("\r\n");
                self.send(&line);
            }
        }
    }

    fn send(&mut self, text: &str) {
        if self.closed {
            return;
        }
        match self.outputs.back_mut() {
            Some(Output::Bytes(last)) if last.len() < PIECE => last.extend_from_slice(text.as_bytes()),
            _ => self.outputs.push_back(Output::Bytes(text.as_bytes().to_vec())),
        }
    }

    fn close(&mut self, why: &str) {
        self.send(&format!("ERROR: {why}\r\n"));
        self.outputs.push_back(Output::Close);
        self.closed = true;
        self.pending = None;
    }
}

// Passwords pass through here.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("waiting", &self.pending.is_some()).field("closed", &self.closed).finish()
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&String::from_utf8_lossy(bytes)).finish(),
            Self::Command { id, command: Command::Set { account, node, value } }
                if crate::parameter::is_secret(node) =>
            {
                let value = value.as_ref().map(|_| "***");
                write!(f, "Command {{ id: {id:?}, command: Set {{ {account:?}, {node:?}, {value:?} }} }}")
            }
            Self::Command { id, command } => {
                f.debug_struct("Command").field("id", id).field("command", command).finish()
            }
            Self::Close => f.write_str("Close"),
        }
    }
}
