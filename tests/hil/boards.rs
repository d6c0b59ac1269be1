//! A board from the first copy of its disk to the hand that answers in it.
//!
//! ```text
//! let network = Network::start()?;                                  // the thread moves into the board's network
//! let pbx = pbxd::start_on(case, network::RIG.into(), 5060)?;
//! let mut board = Board::new(case, kind, "board")?;                 // its own disk, no power yet
//! board.owner_file("provision", pbx.url("100")?)?;                  // what an owner would put on the card
//! board.power_on(case)?;
//! let hand = board.wait_for_hand()?;
//! board.cut_power();                                                // the disk stays; power_on starts it again
//! ```

use crate::case::{Case, Outcome};
use crate::disk::Disk;
use crate::env::Env;
use crate::hand::Hand;
use crate::machine::Machine;
use crate::network::BOARD;
use crate::{metal, process, qemu, uml, wait};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Where the hand listens.
pub(crate) const HAND_PORT: u16 = 7000;

/// What `image/build` made; set once from the command line.
pub(crate) static IMAGES: OnceLock<PathBuf> = OnceLock::new();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// User-Mode Linux: this machine's instructions, so its speed.
    Uml,
    /// arm64 under QEMU, from reset through U-Boot.
    QemuVirt,
    /// A phone on somebody's desk.
    Metal,
}

impl Kind {
    /// The boards that are emulated.
    pub(crate) const ALL: [Self; 2] = [Self::Uml, Self::QemuVirt];

    /// The folder under `board/` and under `target/image/`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uml => "uml",
            Self::QemuVirt => "qemu-virt",
            Self::Metal => "metal",
        }
    }

    /// The folder with its image.
    pub(crate) fn image(self) -> PathBuf {
        let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/image");
        IMAGES.get_or_init(default).join(self.name())
    }

    /// How long it takes from power to a hand that answers, at most [s].
    pub(crate) fn patience(self) -> u64 {
        match self {
            Self::Uml => 60,
            Self::QemuVirt => 180,
            Self::Metal => 120,
        }
    }
}

/// One board: emulated, with a disk of its own, or the phone of metal.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) kind: Kind,
    name: String,
    folder: PathBuf,
    /// None on metal.
    disk: Option<Disk>,
    machine: Option<Machine>,
    /// Starts before the power was cut last.
    earlier: usize,
}

impl Board {
    /// A board as it comes from the flasher, without power. `name` sets apart several boards of a case.
    pub(crate) fn new(case: &Case, kind: Kind, name: &str) -> Outcome<Self> {
        Self::with_image(case, kind, name, &kind.image().join("disk.img"))
    }

    /// As `new`, with another image on its disk.
    pub(crate) fn with_image(case: &Case, kind: Kind, name: &str, image: &Path) -> Outcome<Self> {
        let folder = case.path(format!("{name}-{}", kind.name()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let disk = match kind {
            Kind::Metal if image != kind.image().join("disk.img") => return Err(metal::cannot("it has one card")),
            Kind::Metal => None,
            _ => Some(Disk::copy(image, folder.join("disk.img"))?),
        };
        Ok(Self { kind, name: name.to_owned(), folder, disk, machine: None, earlier: 0 })
    }

    /// Writes a file into the owner's folder `offhook/` of the boot partition, as somebody with a card reader would.
    pub(crate) fn owner_file(&self, name: &str, contents: impl AsRef<[u8]>) -> Outcome {
        let path = self.folder.join("owner-file");
        std::fs::write(&path, contents).map_err(|error| format!("{}: {error}", path.display()))?;
        self.owner_copy(name, &path)
    }

    /// Copies a file there, such as `update.raucb`.
    pub(crate) fn owner_copy(&self, name: &str, from: &Path) -> Outcome {
        if let Some(phone) = metal::phone() {
            let contents = std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
            return phone.owner_file(name, &contents);
        }
        self.disk()?.put("boot", &format!("offhook/{name}"), from)
    }

    /// Switches it on; the phone of metal is restarted.
    pub(crate) fn power_on(&mut self, case: &Case) -> Outcome {
        if let Some(phone) = metal::phone() {
            return phone.restart();
        }
        let (kind, disk, folder) = (self.kind, self.disk()?.clone(), self.folder.clone());
        let start = move || match kind {
            Kind::Uml => uml::command(&folder, &disk),
            Kind::QemuVirt | Kind::Metal => qemu::command(&kind.image(), &disk),
        };
        self.machine = Some(Machine::on(case, &self.name, kind == Kind::Uml, Box::new(start)));
        Ok(())
    }

    /// Cuts the power: what was written to the disk stays, everything else is gone.
    pub(crate) fn cut_power(&mut self) {
        if self.kind == Kind::Metal {
            // It ends the case, as an error would.
            std::panic::resume_unwind(Box::new(metal::cannot("nobody is there to cut its power")));
        }
        if let Some(mut machine) = self.machine.take() {
            machine.cut();
            self.earlier += machine.starts();
        }
    }

    /// Waits until it has switched itself off.
    pub(crate) fn wait_off(&mut self, seconds: u64) -> Outcome {
        let log = self.serial_path();
        let Some(machine) = &self.machine else { return Ok(()) };
        wait::until(
            seconds,
            || Ok((!machine.is_on()?).then_some(())),
            || format!("the board did not switch itself off: {}", process::last(&process::read(&log))),
        )?;
        self.cut_power();
        Ok(())
    }

    /// Waits until the hand in the board answers.
    pub(crate) fn wait_for_hand(&self) -> Outcome<Hand> {
        if self.kind == Kind::Metal {
            return Hand::connect(self.address());
        }
        let machine = self.machine.as_ref().ok_or("the board has no power")?;
        let log = self.serial_path();
        wait::until(
            self.kind.patience(),
            || {
                if !machine.is_on()? {
                    return Err(format!("the board switched itself off: {}", process::last(&process::read(&log))));
                }
                Ok(Hand::connect(self.address()).ok())
            },
            || format!("the hand in the board does not answer: {}", process::last(&process::read(&log))),
        )
    }

    /// Waits until the hand answers in a later start of the board than `starts` counted.
    pub(crate) fn wait_for_restart(&self, starts: usize) -> Outcome<Hand> {
        let log = self.serial_path();
        wait::until(
            self.kind.patience(),
            || Ok((self.starts()? > starts).then_some(())),
            || format!("the board did not start again: {}", process::last(&process::read(&log))),
        )?;
        self.wait_for_hand()
    }

    /// Where the hand listens.
    pub(crate) fn address(&self) -> SocketAddr {
        metal::phone().map_or_else(|| SocketAddr::from((BOARD, HAND_PORT)), |phone| phone.hand)
    }

    /// How often it has come out of reset since it was made.
    pub(crate) fn starts(&self) -> Outcome<usize> {
        let now = match &self.machine {
            Some(machine) => machine.is_on().map(|_| machine.starts())?,
            None => 0,
        };
        Ok(match self.kind {
            Kind::Metal => return Err(metal::cannot("its starts are not counted")),
            Kind::Uml => self.earlier + now,
            // QEMU goes on through a reset; U-Boot says when it begins.
            Kind::QemuVirt => self.serial_log().matches("\nU-Boot 20").count(),
        })
    }

    /// Everything that it said on its serial line, since it was made.
    pub(crate) fn serial_log(&self) -> String {
        process::read(&self.serial_path())
    }

    fn serial_path(&self) -> PathBuf {
        self.folder.with_file_name(format!("{}.out", self.name))
    }

    /// The slots' state on the disk. With the power on this is what was written last.
    pub(crate) fn env(&self) -> Outcome<Env> {
        Env::read(self.any_disk()?)
    }

    /// For what is not foreseen here; only without power.
    pub(crate) fn disk(&self) -> Outcome<&Disk> {
        match &self.machine {
            Some(machine) if machine.is_on()? => Err("the board's disk is changed only while it has no power".into()),
            _ => self.any_disk(),
        }
    }

    fn any_disk(&self) -> Outcome<&Disk> {
        self.disk.as_ref().ok_or_else(|| metal::cannot("its card cannot be read from here"))
    }
}
