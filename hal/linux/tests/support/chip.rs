//! A chip of `gpio-sim`, one per test, made through configfs.

use std::path::{Path, PathBuf};

const CONFIG: &str = "/sys/kernel/config/gpio-sim";
const LINES: u32 = 16;

pub(crate) struct Chip {
    pub(crate) label: String,
    config: PathBuf,
}

impl Chip {
    /// `None`, and said so, where the kernel cannot simulate chips.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if !Path::new(CONFIG).exists() {
            eprintln!("skipped: no {CONFIG} (gpio-sim and configfs)");
            return None;
        }
        let label = format!("offhook-test-{name}-{}", std::process::id());
        let this = Self { config: Path::new(CONFIG).join(&label), label };
        std::fs::create_dir_all(this.config.join("bank0")).expect("root may make a chip");
        this.configure("bank0/num_lines", &LINES.to_string());
        this.configure("bank0/label", &this.label);
        this.live(true);
        Some(this)
    }

    /// Makes the chip, or takes it away from whoever uses it.
    pub(crate) fn live(&self, live: bool) {
        self.configure("live", if live { "1" } else { "0" });
        if live {
            // Nothing is pulled as it is made: at rest is high.
            (0..LINES).for_each(|line| self.pull(line, true));
        }
    }

    pub(crate) fn pull(&self, line: u32, high: bool) {
        std::fs::write(self.line(line, "pull"), if high { "pull-up" } else { "pull-down" }).expect("a line");
    }

    pub(crate) fn value(&self, line: u32) -> bool {
        std::fs::read_to_string(self.line(line, "value")).expect("a line").trim() == "1"
    }

    fn line(&self, line: u32, attribute: &str) -> PathBuf {
        let name = |file: &str| std::fs::read_to_string(self.config.join(file)).expect("a chip").trim().to_owned();
        let chip = Path::new("/sys/devices/platform").join(name("dev_name")).join(name("bank0/chip_name"));
        chip.join(format!("sim_gpio{line}")).join(attribute)
    }

    fn configure(&self, attribute: &str, value: &str) {
        std::fs::write(self.config.join(attribute), value).expect("configfs takes it");
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let _ = std::fs::write(self.config.join("live"), "0");
        let _ = std::fs::remove_dir(self.config.join("bank0"));
        let _ = std::fs::remove_dir(&self.config);
    }
}
