//! The media thread: one poll over RTP sockets, sound device and wake-up; everything it meets goes into `Engine`.
//!
//! It runs with real-time priority where the system allows, and after it has started it neither allocates nor locks nor
//! waits for anybody: commands come in and events go out by rings of fixed size, and whatever has to be freed goes back
//! to the main thread. When the sound device is lost, a silent one of the same pace takes its place until the sound
//! thread has opened another, so that a call goes on.

use crate::heartbeat;
use crate::interruptions::{self, Count};
use crate::sound_thread::Device;
use offhook_hal::sim::NoneAudio;
use offhook_hal::{Audio, AudioError, PollFd, Route};
use offhook_media::{Command, Engine, EngineConfig, Event, StreamId};
use offhook_net::rtp_sockets::{MAX_PAIRS, Pair, RtpSockets};
use rtrb::{Consumer, Producer, RingBuffer};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Streams at most: four calls and what is being replaced.
const STREAMS: usize = 8;
/// Messages in each ring.
const RING: usize = 512;
/// Datagrams taken from one socket between two looks at the sound device.
const BURST: usize = 16;
/// Real-time priority: above ordinary work, below the kernel's interrupt threads (50).
const PRIORITY: i32 = 30;
/// A device that is silent for so long is lost, whatever it says.
const STALLED: Duration = Duration::from_secs(1);
/// Periods made up for in one go after a late wake-up.
const CATCH_UP: usize = 4;

/// What the main thread sends.
pub(crate) enum ToMedia {
    Engine(Command),
    Insert(u32, Pair),
    Release(u32),
    /// The levels of a route.
    Route(Route),
    /// Takes the place of the device in use.
    Audio(Device),
    /// The device in use goes back, and silence takes its place.
    Silence,
    Stop,
}

/// What comes back.
pub(crate) enum FromMedia {
    Engine(Event),
    /// To be dropped here.
    Pair(#[allow(dead_code)] Pair),
    /// A device that is no longer in use.
    Audio(Box<dyn Audio>),
    /// After [`ToMedia::Silence`]: no device is in use.
    Silent,
    /// The device of this number is gone, or could not be started; silence runs in its place.
    Lost(u32, &'static str),
}

/// The main thread's end.
pub(crate) struct MediaThread {
    commands: Producer<ToMedia>,
    /// What did not fit the ring yet, in order.
    waiting: std::collections::VecDeque<ToMedia>,
    events: Consumer<FromMedia>,
    wake: Arc<OwnedFd>,
    /// Readable when events wait.
    pub(crate) notify: UnixDatagram,
    thread: Option<std::thread::JoinHandle<()>>,
    pub(crate) rate: u32,
}

impl MediaThread {
    /// Starts the thread with an opened device.
    pub(crate) fn start(audio: Box<dyn Audio>) -> io::Result<Self> {
        let format = audio.format();
        let (commands, commands_in) = RingBuffer::new(RING);
        let (events_out, events) = RingBuffer::new(RING);
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = Arc::new(eventfd(0, flags)?);
        let (notify, notifier) = UnixDatagram::pair()?;
        notify.set_nonblocking(true)?;
        notifier.set_nonblocking(true)?;
        let config = EngineConfig { rate: format.rate, period: format.period, streams: STREAMS };
        let mut media = Media {
            engine: Engine::new(config),
            stand_in: Some(Box::new(NoneAudio::new(format))),
            audio,
            number: 0,
            silent: false,
            count: Count::default(),
            last_period: Instant::now(),
            sockets: RtpSockets::default(),
            buffer: vec![0; 2048],
            captured: vec![0; format.period],
            playback: vec![0; format.period],
            commands: commands_in,
            events: events_out,
            wake: Arc::clone(&wake),
            notifier,
        };
        let thread = std::thread::Builder::new().name("media".into()).spawn(move || {
            go_real_time();
            media.run();
        })?;
        Ok(Self {
            commands,
            waiting: Default::default(),
            events,
            wake,
            notify,
            thread: Some(thread),
            rate: format.rate,
        })
    }

    pub(crate) fn send(&mut self, message: ToMedia) {
        self.waiting.push_back(message);
        self.flush();
    }

    /// Moves on what did not fit before.
    pub(crate) fn flush(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(rtrb::PushError::Full(message)) = self.commands.push(message) {
                self.waiting.push_front(message);
                break;
            }
        }
        signal(&self.wake);
    }

    pub(crate) fn poll(&mut self) -> Option<FromMedia> {
        self.events.pop().ok()
    }
}

impl Drop for MediaThread {
    fn drop(&mut self) {
        self.send(ToMedia::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn signal(fd: &OwnedFd) {
    // The counter can only be full of signals already, so a failure means the other side is awake.
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

fn clear(fd: &OwnedFd) {
    let _ = rustix::io::read(fd, &mut [0; 8]);
}

/// Asks for SCHED_FIFO; without the right to it, sound works as long as the machine is not busy.
#[allow(unsafe_code)]
fn go_real_time() {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: plain system call on this thread with a valid, initialised argument.
    let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } != 0;
    if refused {
        tracing::info!("no real-time priority for sound; allow it with `ulimit -r {PRIORITY}` or CAP_SYS_NICE");
    }
}

/// Keeps pages of the process in memory once they have been used, so that sound never waits for a memory card.
#[allow(unsafe_code)]
pub(crate) fn lock_memory() {
    // SAFETY: no pointers are passed; the flags are the documented ones.
    let refused = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) } != 0;
    if refused {
        tracing::debug!("memory is not locked: {}", io::Error::last_os_error());
    }
}

struct Media {
    engine: Engine,
    audio: Box<dyn Audio>,
    /// of the device in use
    number: u32,
    /// Silence of the same pace, ready for the moment the device goes away. `None` while it is in use.
    stand_in: Option<Box<dyn Audio>>,
    silent: bool,
    count: Count,
    last_period: Instant,
    sockets: RtpSockets,
    buffer: Vec<u8>,
    captured: Vec<i16>,
    playback: Vec<i16>,
    commands: Consumer<ToMedia>,
    events: Producer<FromMedia>,
    wake: Arc<OwnedFd>,
    notifier: UnixDatagram,
}

/// Wake-up, sound device, sockets.
const DESCRIPTORS: usize = 1 + 8 + 2 * MAX_PAIRS;

impl Media {
    fn run(&mut self) {
        if self.audio.start().is_err() {
            self.lose("the sound device cannot be started");
        }
        self.last_period = Instant::now();
        let mut descriptors = [PollFd::default(); DESCRIPTORS];
        while self.obey() {
            heartbeat::MEDIA.beat();
            let (of_audio, packets) = self.wait(&mut descriptors);
            let now = Instant::now();
            if packets {
                self.receive(now);
            }
            self.beat(now, &mut descriptors[1..=of_audio]);
            self.count.look(self.audio.interruptions(), &interruptions::ALL);
            self.transmit();
            self.report();
        }
    }

    /// Commands from the main thread; `false`: stop.
    fn obey(&mut self) -> bool {
        let now = Instant::now();
        while let Ok(message) = self.commands.pop() {
            match message {
                ToMedia::Engine(command) => self.engine.command(now, command),
                ToMedia::Insert(id, pair) => {
                    if let Err(pair) = self.sockets.insert(id, pair) {
                        self.give_back(FromMedia::Pair(pair));
                    }
                }
                ToMedia::Release(id) => {
                    // The stream's RTCP BYE still has to leave.
                    self.transmit();
                    if let Some(pair) = self.sockets.remove(id) {
                        self.give_back(FromMedia::Pair(pair));
                    }
                }
                ToMedia::Route(route) => {
                    if self.audio.route(route).is_err() {
                        self.lose("the sound device does not take its levels");
                    }
                }
                ToMedia::Audio(device) => self.take(device),
                ToMedia::Silence => {
                    self.fall_silent();
                    self.give_back(FromMedia::Silent);
                }
                ToMedia::Stop => return false,
            }
        }
        true
    }

    /// Sleeps until something is due; answers how many descriptors are the sound device's, and whether a socket has
    /// something.
    #[allow(unsafe_code)]
    fn wait(&mut self, descriptors: &mut [PollFd; DESCRIPTORS]) -> (usize, bool) {
        const IN: i16 = libc::POLLIN;
        descriptors[0] = PollFd { fd: self.wake.as_raw_fd(), events: IN, revents: 0 };
        let of_audio = self.audio.descriptors(&mut descriptors[1..=8]).min(8);
        let mut n = 1 + of_audio;
        for fd in self.sockets.descriptors() {
            descriptors[n] = PollFd { fd, events: IN, revents: 0 };
            n += 1;
        }
        let timeout = if of_audio == 0 { self.audio.due(Instant::now()) } else { STALLED };
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(1),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: `PollFd` has the layout of `struct pollfd`, the first `n` entries are initialised, the others unused.
        unsafe {
            libc::ppoll(
                descriptors.as_mut_ptr().cast::<libc::pollfd>(),
                n as libc::nfds_t,
                &raw const timeout,
                std::ptr::null(),
            );
        }
        if descriptors[0].revents != 0 {
            clear(&self.wake);
        }
        let sockets = descriptors.get(1 + of_audio..n).unwrap_or_default();
        (of_audio, sockets.iter().any(|descriptor| descriptor.revents != 0))
    }

    fn receive(&mut self, now: Instant) {
        let Self { engine, sockets, buffer, .. } = self;
        sockets.receive(buffer, BURST, |id, rtcp, from, bytes| {
            // STUN and DTLS have no taker yet: nothing we offer invites them.
            let _ = engine.receive(now, StreamId(id), rtcp, from, bytes);
        });
    }

    fn beat(&mut self, now: Instant, descriptors: &mut [PollFd]) {
        for _ in 0..CATCH_UP {
            match self.audio.ready(descriptors) {
                Ok(true) => {}
                Ok(false) => {
                    if !self.silent && now.duration_since(self.last_period) > STALLED {
                        self.lose("the sound device stands still");
                    }
                    return;
                }
                Err(AudioError::Xrun) => continue,
                Err(_) => return self.lose("the sound device went away"),
            }
            self.last_period = now;
            if matches!(self.audio.read(&mut self.captured), Err(AudioError::Lost(_))) {
                return self.lose("the microphone went away");
            }
            self.engine.period(now, &self.captured, &mut self.playback, None);
            if matches!(self.audio.write(&self.playback), Err(AudioError::Lost(_))) {
                return self.lose("the loudspeaker went away");
            }
            // Packets leave with their period, not after the periods made up for.
            self.transmit();
        }
    }

    fn transmit(&mut self) {
        while let Some(packet) = self.engine.poll_transmit() {
            self.sockets.send(packet.stream.0, packet.rtcp, packet.to, packet.bytes);
        }
    }

    fn report(&mut self) {
        let mut any = false;
        // What does not fit stays in the engine's own queue.
        while !self.events.is_full() {
            let Some(event) = self.engine.poll_event() else { break };
            any |= self.events.push(FromMedia::Engine(event)).is_ok();
        }
        if any {
            self.tell();
        }
    }

    fn tell(&self) {
        // A full buffer holds signals enough.
        let _ = self.notifier.send(&[1]);
    }

    /// Hands something to the main thread to be freed. If the ring is full it is freed here: late sound, not a leak.
    fn give_back(&mut self, what: FromMedia) {
        let _ = self.events.push(what);
        self.tell();
    }

    fn lose(&mut self, why: &'static str) {
        if self.fall_silent() {
            self.give_back(FromMedia::Lost(self.number, why));
        }
    }

    /// Puts silence in the place of the device; false if it was there already.
    fn fall_silent(&mut self) -> bool {
        let Some(stand_in) = self.stand_in.take() else { return false };
        let before = std::mem::replace(&mut self.audio, stand_in);
        self.count.begin(self.audio.interruptions());
        let _ = self.audio.start();
        self.silent = true;
        self.give_back(FromMedia::Audio(before));
        true
    }

    /// A device that the sound thread has opened. One of another pace does not fit this engine. If it does not start there
    /// is none, because its predecessor may not be kept either: the sound thread opens whatever is there.
    fn take(&mut self, device: Device) {
        let Device { mut audio, number } = device;
        let format = audio.format();
        let config = self.engine.config();
        let fits = (format.rate, format.period) == (config.rate, config.period);
        if !fits || audio.start().is_err() {
            self.fall_silent();
            self.number = number;
            self.give_back(FromMedia::Audio(audio));
            let why = if fits { "the sound device cannot be started" } else { "the sound device came back different" };
            self.give_back(FromMedia::Lost(number, why));
            return;
        }
        let before = std::mem::replace(&mut self.audio, audio);
        self.count.begin(self.audio.interruptions());
        self.number = number;
        self.last_period = Instant::now();
        if std::mem::take(&mut self.silent) {
            self.stand_in = Some(before);
        } else {
            self.give_back(FromMedia::Audio(before));
        }
    }
}
