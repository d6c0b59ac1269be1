//! The TCP control protocol as bytes: simple lines and the encapsulated form in, answers and notifications out.
use offhook_phone::{Command, CommandId, Event, Refusal, View};
/// One client connection.
#[derive(Debug)]
pub struct Session { }
#[derive(Debug)]
pub enum Output { /// to the client
    Bytes(Vec<u8>), /// to the phone; answer with `done`
    Command { id: CommandId, command: Command }, Close }
impl Session {
    /// `first_id`: command ids of this session count from here (the daemon gives each session its own range).
    pub fn new(first_id: u64) -> Self { todo!() }
    /// Bytes from the client. `view`: the phone now, for questions answered at once.
    pub fn receive(&mut self, bytes: &[u8], view: &View) { todo!() }
    pub fn done(&mut self, id: CommandId, result: Result<(), Refusal>, view: &View) { todo!() }
    pub fn notify(&mut self, event: &Event, view: &View) { todo!() }
    pub fn poll(&mut self) -> Option<Output> { todo!() }
}
