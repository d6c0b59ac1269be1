use super::*;
use std::sync::{Arc, Mutex};

/// Contacts between the pins of two chips, and what the chips drive: the matrix as current sees it.
#[derive(Default)]
struct World {
    /// rows and outputs that are low
    low: Vec<Place>,
    /// row, column
    pressed: Vec<(Place, Place)>,
    /// other inputs pulled down
    pulled: Vec<Place>,
    broken: Vec<usize>,
    edges: VecDeque<(usize, Moved)>,
    looks: usize,
    written: Vec<(Place, bool)>,
}

struct Fake {
    world: Arc<Mutex<World>>,
    index: usize,
    stamped: bool,
}

impl Fake {
    fn world(&self) -> Result<std::sync::MutexGuard<'_, World>, Lost> {
        let world = self.world.lock().unwrap();
        if world.broken.contains(&self.index) { Err(Lost("broken".into())) } else { Ok(world) }
    }
}

impl Bank for Fake {
    fn name(&self) -> String {
        format!("bank {}", self.index)
    }
    fn open(&mut self) -> Result<(), PanelError> {
        self.world().map(|_| ()).map_err(|Lost(reason)| PanelError::Device(self.name(), reason))
    }
    fn close(&mut self) {}
    fn is_stamped(&self) -> bool {
        self.stamped
    }
    fn descriptors(&self, _: bool, _: &mut Vec<RawFd>) {}
    fn next(&mut self, resting: bool) -> Result<Option<Moved>, Lost> {
        let mut world = self.world()?;
        let next = world.edges.front().copied();
        let ours = next.filter(|(bank, moved)| *bank == self.index && (resting || *moved != Moved::Column));
        Ok(ours.map(|(_, moved)| {
            world.edges.pop_front();
            moved
        }))
    }
    fn look(&mut self) -> Result<(), Lost> {
        self.world()?.looks += 1;
        Ok(())
    }
    fn level(&mut self, pin: u32) -> Result<bool, Lost> {
        let world = self.world()?;
        let at = Place { bank: self.index, pin };
        let by_key = world.pressed.iter().any(|(row, column)| *column == at && world.low.contains(row));
        Ok(!by_key && !world.pulled.contains(&at))
    }
    fn write(&mut self, pin: u32, high: bool) -> Result<(), Lost> {
        let at = Place { bank: self.index, pin };
        let mut world = self.world()?;
        world.low.retain(|low| *low != at);
        if !high {
            world.low.push(at);
        }
        world.written.push((at, high));
        Ok(())
    }
    fn forget_columns(&mut self) -> Result<(), Lost> {
        self.world()?.edges.retain(|(bank, moved)| *bank != self.index || *moved != Moved::Column);
        Ok(())
    }
}

const HOOK: Place = Place { bank: EXPANDERS, pin: 9 };
const LAMP: Place = Place { bank: EXPANDERS, pin: 10 };
const INTERRUPT: u32 = 27;
const ROWS: [Place; 2] = [Place { bank: CHIP, pin: 5 }, Place { bank: EXPANDERS, pin: 0 }];
const COLUMNS: [Place; 2] = [Place { bank: EXPANDERS, pin: 3 }, Place { bank: CHIP, pin: 6 }];

/// A panel on a chip and an expander: a row and a column of the matrix on each, hook and lamp on the expander.
fn wires(interrupt: Option<u32>) -> (LinuxWires, Arc<Mutex<World>>) {
    let mut wires = LinuxWires::open(&LinesWiring::default(), &[]).unwrap();
    let world = Arc::new(Mutex::new(World::default()));
    wires.contacts = vec![HOOK];
    (wires.rows, wires.columns) = (ROWS.to_vec(), COLUMNS.to_vec());
    let place = LightPlace::Pin(Pin::Expander { expander: 0, pin: 10 });
    wires.lamps = vec![vec![Light { place, active_low: true, device: None, percent: 0 }]];
    wires.banks.clear();
    for (index, interrupt) in [None, None, interrupt].into_iter().enumerate() {
        let bank = Box::new(Fake { world: Arc::clone(&world), index, stamped: index != EXPANDERS });
        let plan = wires.plan(index);
        wires.banks.push(Slot { bank, plan, interrupt, open: true });
    }
    (wires, world)
}

fn raws(wires: &mut LinuxWires) -> Vec<Raw> {
    wires.readable = true;
    std::iter::from_fn(|| wires.next()).collect()
}

#[test]
fn a_matrix_over_two_chips_is_scanned_like_any_other() {
    let (mut wires, world) = wires(None);
    for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        world.lock().unwrap().pressed = vec![(ROWS[row], COLUMNS[column])];
        let closed = wires.scan().unwrap();
        for (other_row, other_column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert_eq!(closed.is_closed(other_row, other_column), (row, column) == (other_row, other_column));
        }
        assert_eq!(world.lock().unwrap().low, [], "every row was let go");
        assert!(!wires.rest(), "a key is down");
    }
    world.lock().unwrap().pressed.clear();
    assert!(wires.rest());
    assert_eq!(world.lock().unwrap().low.len(), 2, "at rest every row is driven");
}

#[test]
fn a_matrix_on_a_chip_of_its_own_is_scanned_rests_and_is_lost_without_the_rest() {
    let (mut wires, world) = wires(None);
    let line = |pin| Place::of(Pin::MatrixLine(pin));
    (wires.rows, wires.columns) = (vec![line(0), line(1)], vec![line(4), line(5)]);
    world.lock().unwrap().pressed = vec![(line(1), line(4))];
    let closed = wires.scan().unwrap();
    assert!(closed.is_closed(1, 0) && !closed.is_closed(0, 0) && !closed.is_closed(1, 1));
    world.lock().unwrap().pressed.clear();
    assert!(wires.rest());
    world.lock().unwrap().edges.push_back((MATRIX_CHIP, Moved::Column));
    assert_eq!(raws(&mut wires), [Raw::Stirred]);
    world.lock().unwrap().broken = vec![MATRIX_CHIP];
    assert_eq!(wires.scan(), None);
    assert!(matches!(wires.report(), Some(PanelReport::Lost(name, _)) if name == "bank 1"));
    assert_eq!(raws(&mut wires), [Raw::MatrixAway], "hook and lamps are elsewhere");
    assert_eq!(wires.level(0), Some(true));
    world.lock().unwrap().broken.clear();
    let due = wires.retry_at().unwrap();
    wires.retry(due);
    assert_eq!(raws(&mut wires), [Raw::Stirred]);
}

#[test]
fn a_chip_of_the_matrix_that_is_missing_is_looked_for() {
    let row = vec![Pin::MatrixLine(0)];
    let matrix = offhook_board::MatrixWiring {
        chip: Some("no-such-chip".into()),
        rows: row,
        columns: vec![Pin::MatrixLine(1)],
        keys: vec![vec![None]],
        scan_ms: 5,
        debounce_ms: 10,
    };
    let wiring = LinesWiring { matrix: Some(matrix), ..LinesWiring::default() };
    let mut wires = LinuxWires::open(&wiring, &[]).unwrap();
    assert!(matches!(wires.report(), Some(PanelReport::Lost(name, _)) if name == "no-such-chip"));
    assert_eq!((wires.scan(), wires.rest()), (None, false));
    assert!(wires.retry_at().is_some());
}

#[test]
fn a_key_stirs_the_resting_matrix_by_an_edge_or_by_a_look() {
    let (mut wires, world) = wires(None);
    assert!(wires.rest());
    world.lock().unwrap().edges.push_back((0, Moved::Column));
    assert_eq!(raws(&mut wires), [Raw::Stirred]);
    world.lock().unwrap().edges.push_back((0, Moved::Column));
    assert_eq!(raws(&mut wires), [], "scanning moves the columns itself");
    assert!(wires.rest(), "and these edges are forgotten");
    world.lock().unwrap().pressed = vec![(ROWS[0], COLUMNS[0])];
    assert!(!wires.look());
    assert_eq!(raws(&mut wires), [Raw::Seen { contact: 0, high: true }, Raw::Stirred]);
}

#[test]
fn an_interrupt_line_saves_the_polling_and_one_that_stays_low_is_heeded() {
    let (mut wires, world) = wires(Some(INTERRUPT));
    assert!(!wires.must_poll());
    let at = Duration::from_millis(7);
    world.lock().unwrap().edges.push_back((0, Moved::Contact { at, pin: INTERRUPT, high: false }));
    assert_eq!(raws(&mut wires), [Raw::Look]);
    world.lock().unwrap().pulled = vec![HOOK, Place { bank: 0, pin: INTERRUPT }];
    assert!(wires.look(), "it is still low: look again");
    assert_eq!(raws(&mut wires), [Raw::Seen { contact: 0, high: false }]);
    world.lock().unwrap().pulled = vec![HOOK];
    assert!(!wires.look());
    wires.lose(0, &Lost("gone".into()));
    assert!(wires.must_poll(), "nobody hears the interrupt");
}

#[test]
fn an_expander_without_an_interrupt_line_is_polled() {
    let (wires, _) = wires(None);
    assert!(wires.must_poll());
}

#[test]
fn an_expander_that_is_lost_is_reported_once_and_comes_back_as_it_was() {
    let (mut wires, world) = wires(None);
    wires.light(0, 0, 100);
    assert_eq!(world.lock().unwrap().written.last(), Some(&(LAMP, false)), "lit means low");
    world.lock().unwrap().broken = vec![EXPANDERS];
    assert_eq!(wires.scan(), None);
    assert!(matches!(wires.report(), Some(PanelReport::Lost(name, _)) if name == "bank 2"));
    assert_eq!(wires.report(), None);
    assert_eq!(raws(&mut wires), [Raw::Away { contact: 0 }, Raw::MatrixAway]);
    wires.light(0, 0, 0);
    wires.light(0, 0, 100);
    assert_eq!((wires.scan(), wires.level(0), wires.report()), (None, None, None));
    let due = wires.retry_at().unwrap();
    wires.retry(due);
    assert_eq!(wires.report(), None, "still broken");
    let later = wires.retry_at().unwrap();
    assert!(later > due);
    *world.lock().unwrap() = World { pulled: vec![HOOK], ..World::default() };
    wires.retry(later);
    assert_eq!(wires.report(), Some(PanelReport::Found("bank 2".into())));
    assert_eq!(raws(&mut wires), [Raw::Back { contact: 0, high: false }, Raw::Stirred]);
    assert_eq!(world.lock().unwrap().written, [(LAMP, false)]);
    assert_eq!(wires.retry_at(), None);
}

#[test]
fn the_pause_before_a_retry_grows_to_half_a_minute() {
    let (mut wires, world) = wires(None);
    world.lock().unwrap().broken = vec![EXPANDERS];
    wires.light(0, 0, 100);
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let due = wires.retry_at().unwrap();
        wires.retry(due);
        pauses.push(wires.retry_at().unwrap() - due);
    }
    assert_eq!((pauses[0], pauses[1], pauses[9]), (RETRY.0, RETRY.0 * 2, RETRY.1));
}

#[test]
fn edges_name_their_contact_and_unknown_pins_nothing() {
    let (mut wires, world) = wires(None);
    let at = Duration::from_millis(3);
    wires.contacts.push(Place { bank: 0, pin: 17 });
    for (pin, high) in [(17, false), (18, true)] {
        world.lock().unwrap().edges.push_back((0, Moved::Contact { at, pin, high }));
    }
    assert_eq!(raws(&mut wires), [Raw::Edge { at, contact: 1, high: false }]);
}

#[test]
fn the_clock_is_the_one_that_stamps_edges() {
    let (wires, _) = wires(None);
    let before = wires.now();
    assert!(before > Duration::ZERO && wires.now() >= before);
}
