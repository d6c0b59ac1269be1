//! A machine with a power switch: keeps an emulator running as a board's power supply would, through reboots, until the
//! power is cut or the machine switches itself off.

use crate::case::{Case, Outcome};
use crate::process::{self, Process};
use crate::processor::Processor;
use rustix::process::{Pid, setpriority_process};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks at an emulator.
const LOOK: Duration = Duration::from_millis(5);
/// What Linux says last when it switches the machine off.
const POWER_DOWN: &str = "reboot: Power down";

/// Makes the command for the next start, playing whatever comes before Linux.
pub(crate) type Start = dyn FnMut() -> Outcome<Command> + Send;

#[derive(Debug)]
pub(crate) struct Machine {
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    powered: bool,
    /// How often the emulator was started.
    starts: usize,
    trouble: Option<String>,
}

impl Machine {
    /// Switches it on. Standard output is the serial line and goes to `<name>.out`. `on_one` gives it a processor of its own.
    pub(crate) fn on(case: &Case, name: &str, on_one: bool, mut start: Box<Start>) -> Self {
        let state = Arc::new(Mutex::new(State { powered: true, ..State::default() }));
        let (case, name, shared) = (case.clone(), name.to_owned(), Arc::clone(&state));
        let thread = std::thread::spawn(move || {
            // Where that is not to be had the board is slower, and no less a board.
            let _processor = on_one.then(Processor::take);
            while lock(&shared).powered {
                if let Err(trouble) = run(&case, &name, &mut *start, &shared) {
                    let mut state = lock(&shared);
                    (state.powered, state.trouble) = (false, Some(trouble));
                }
            }
        });
        Self { state, thread: Some(thread) }
    }

    /// Cuts the power; returns when the machine is dead.
    pub(crate) fn cut(&mut self) {
        lock(&self.state).powered = false;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Is it on? An error if it could not be started.
    pub(crate) fn is_on(&self) -> Outcome<bool> {
        let state = lock(&self.state);
        state.trouble.clone().map_or(Ok(state.powered), Err)
    }

    pub(crate) fn starts(&self) -> usize {
        lock(&self.state).starts
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.cut();
    }
}

/// From one start of the emulator to its end.
fn run(case: &Case, name: &str, start: &mut Start, state: &Mutex<State>) -> Outcome {
    let mut command = start()?;
    let before = process::read(&case.path(format!("{name}.out"))).len();
    let mut emulator = Process::start(case, name, &mut command)?;
    lock(state).starts += 1;
    // A board has its processor to itself: whatever else this machine does must not look like a slow board.
    let _ = setpriority_process(Pid::from_raw(emulator.id() as i32), -10);
    let begin = std::time::Instant::now();
    while emulator.is_alive() {
        if !lock(state).powered {
            emulator.kill();
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    let output = emulator.output();
    let said = output.get(before..).unwrap_or_default();
    if said.contains(POWER_DOWN) {
        lock(state).powered = false;
    } else if begin.elapsed() < Duration::from_millis(300) {
        // It would be started for ever.
        return Err(format!("{name} ended at once: {} {}", process::last(said), process::last(&emulator.log())));
    }
    Ok(())
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
