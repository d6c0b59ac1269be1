//! Lines of real GPIO chips: outputs that drive relays, inputs that see lamps, with the kernel's time stamps.

use crate::contacts::Wires;
use crate::eye::Eye;
use crate::request::Outcome;
use crate::wiring::{Contact, Line, Wiring};
use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeEvent, EdgeKind, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Outputs, a request per chip.
#[derive(Debug)]
pub(crate) struct Lines {
    outputs: BTreeMap<String, Request>,
}

impl Lines {
    /// Takes the lines of the wiring: outputs begin as if nobody touched the phone; inputs are watched from now on.
    ///
    /// # Errors
    /// Which chip or line cannot be had.
    pub(crate) fn open(wiring: &Wiring, eye: &Arc<Eye>) -> Outcome<Self> {
        let mut outputs = BTreeMap::new();
        let driven = wiring.contacts().filter_map(|(_, contact)| match contact {
            Contact::Line(line) => Some(line),
            Contact::Crossing { .. } => None,
        });
        let driven: Vec<&Line> = driven.collect();
        for chip in chips(driven.iter().copied()) {
            let mut builder = Request::builder();
            builder.on_chip(path(&chip)?).with_consumer("offhook-hand");
            for line in driven.iter().filter(|line| line.chip == chip) {
                builder.with_line(line.offset).as_output(value(line.is_high(false)));
            }
            outputs.insert(chip.clone(), builder.request().map_err(|error| taken(&chip, &error))?);
        }
        for chip in chips(wiring.lamps.values()) {
            let lamps: Vec<(String, Line)> = wiring
                .lamps
                .iter()
                .filter(|(_, line)| line.chip == chip)
                .map(|(name, line)| (name.clone(), line.clone()))
                .collect();
            let mut builder = Request::builder();
            builder.on_chip(path(&chip)?).with_consumer("offhook-hand");
            for (_, line) in &lamps {
                builder
                    .with_line(line.offset)
                    .as_input()
                    .with_bias(Bias::Disabled)
                    .with_edge_detection(EdgeDetection::BothEdges);
            }
            let request = builder.request().map_err(|error| taken(&chip, &error))?;
            let eye = Arc::clone(eye);
            std::thread::spawn(move || watch(&request, &lamps, &eye));
        }
        Ok(Self { outputs })
    }
}

impl Wires for Lines {
    fn set(&self, contact: &Contact, active: bool) -> Outcome<()> {
        let Contact::Line(line) = contact else { return Err(format!("{contact:?}: only the simulation has those")) };
        let request = self.outputs.get(&line.chip).ok_or_else(|| format!("{} is not open", line.chip))?;
        let set = request.set_value(line.offset, value(line.is_high(active)));
        set.map_err(|error| format!("line {} of {}: {error}", line.offset, line.chip))
    }
}

/// Tells the eye what the lamps do, until the chip is gone.
fn watch(request: &Request, lamps: &[(String, Line)], eye: &Eye) {
    let begin = crate::clock::monotonic();
    for (name, line) in lamps {
        if let Ok(level) = request.value(line.offset) {
            eye.saw(name, begin, (level == Value::Active) == line.is_high(true));
        }
    }
    while let Ok(event) = read_edge(request) {
        let high = event.kind == EdgeKind::Rising;
        if let Some((name, line)) = lamps.iter().find(|(_, line)| line.offset == event.offset) {
            eye.saw(name, i64::try_from(event.timestamp_ns).unwrap_or(i64::MAX), high == line.is_high(true));
        }
    }
}

/// One edge. Not by `Request::read_edge_event`: without the old kernel interface that one (gpiocdev 0.8.0) has room for eight
/// edges, and forgets all but the first.
fn read_edge(request: &Request) -> Result<EdgeEvent, gpiocdev::Error> {
    let mut buffer = [0; 16];
    let words = request.edge_event_u64_size().min(buffer.len());
    let read = request.read_edge_events_into_slice(buffer.get_mut(..words).unwrap_or_default())?;
    request.edge_event_from_slice(buffer.get(..read).unwrap_or_default())
}

fn chips<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<String> {
    let mut chips: Vec<String> = lines.map(|line| line.chip.clone()).collect();
    chips.sort();
    chips.dedup();
    chips
}

/// The device of a chip that is given by path or label.
fn path(chip: &str) -> Outcome<PathBuf> {
    if chip.starts_with('/') {
        return Ok(chip.into());
    }
    let all = gpiocdev::chip::chips().map_err(|error| format!("GPIO chips: {error}"))?;
    let label =
        |path: &PathBuf| gpiocdev::chip::Chip::from_path(path).and_then(|chip| chip.info()).map(|info| info.label);
    all.into_iter()
        .find(|path| label(path).is_ok_and(|label| label == chip))
        .ok_or_else(|| format!("no GPIO chip is labelled {chip:?}; `gpiodetect` lists them"))
}

fn taken(chip: &str, error: &gpiocdev::Error) -> String {
    format!("{chip}: {error}; `gpioinfo` shows who has its lines")
}

fn value(high: bool) -> Value {
    if high { Value::Active } else { Value::Inactive }
}
