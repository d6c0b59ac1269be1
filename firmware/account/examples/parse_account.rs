//! Time and memory to read an Account XML: an ordinary document of 20 kB, one with 500 lamp keys, and the worst of
//! many hostile ones. `cargo run --release -p offhook-account --example parse_account`. Of ordinary documents the best of
//! several rounds counts, because everything that disturbs makes it slower; of hostile ones the slowest and the largest.

// It measures real time, and counts what is allocated.
#![allow(clippy::disallowed_methods, clippy::expect_used, unsafe_code)]

use offhook_account::{Document, Settings};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Octets in use, and the most there have been.
struct Counting;
static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn count(more: usize, less: usize) {
    let used = USED.fetch_add(more, Ordering::Relaxed) + more - less;
    USED.fetch_sub(less, Ordering::Relaxed);
    MOST.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory it gives out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as our caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as our caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as our caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEAST: &str = "<username>1001</username><password>s3cret</password><host>pbx.example.net</host>";
const ROUNDS: u32 = 20;
const HOSTILE_ROUNDS: u32 = 5;

/// Every node of the table, with a comment, headers, lamp keys and rules until it has 20 kB.
fn ordinary() -> String {
    let mut text = format!("<?xml version=\"1.0\"?>\n<account>\n  {LEAST}\n");
    let plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
    let own =
        |name: &str| !["account", "accounts", "username", "password", "host", "title", "rewriting"].contains(&name);
    for row in offhook_account::schema::rows().iter().filter(|row| plain(row.node) && own(row.node)) {
        text.push_str(&format!("  <{0}>{1}</{0}>\n", row.node, row.default));
    }
    text.push_str("  <!-- written by a script -->\n  <rewriting>\n");
    while text.len() < 20_000 - 30 {
        text.push_str(
            "    <rule><conditions><condition type=\"startsWith\" param=\"00\"/></conditions>\
             <actions><action type=\"replace\" param=\"+\"/></actions></rule>\n",
        );
    }
    text.push_str("  </rewriting>\n</account>\n");
    text
}

fn many_lamps() -> String {
    let lamps: String = (0..500)
        .map(|n| format!("    <uri label=\"Extension {n}\" key=\"{}\">sip:{n}@pbx.example.net</uri>\n", n % 255 + 1))
        .collect();
    format!("<account>\n  {LEAST}\n  <blf>\n{lamps}  </blf>\n</account>\n")
}

/// As large as a document may be, each of another shape, and each with something at its end for which it is refused.
fn hostile() -> Vec<(String, Vec<u8>)> {
    let room = offhook_account::document::MAX_DOCUMENT - 1024;
    let filled = |unit: &str| {
        let text = format!("<account>{}", unit.repeat(room / unit.len()));
        text.into_bytes()
    };
    let value = "x".repeat(60_000);
    let attributes: String = (0..32).map(|n| format!(" a{n}=\"\"")).collect();
    let few_attributes: String = (0..9).map(|n| format!(" a{n}=\"&amp;\"")).collect();
    let wide: Vec<u8> =
        "<account>".encode_utf16().chain(std::iter::repeat_n(0x4e00, room / 2)).flat_map(u16::to_le_bytes).collect();
    let mut all = vec![
        ("elements".to_owned(), filled("<a/>")),
        ("elements with room".to_owned(), filled(&format!("<a/>{}", " ".repeat(96)))),
        ("long values".to_owned(), filled(&format!("<a>{value}</a>"))),
        ("attributes".to_owned(), filled(&format!("<a{attributes}/>"))),
        (
            "bare ampersands in attributes".to_owned(),
            filled(&few_attributes.replace("&amp;", "&").replacen(" a0", "<a a0", 1).replace("a8=\"&\"", "a8=\"&\"/>")),
        ),
        ("bare ampersands".to_owned(), filled("<a>&</a>")),
        ("one text in pieces".to_owned(), filled("x<!---->")),
        ("nested".to_owned(), filled("<a>")),
        ("ampersands in one text".to_owned(), filled("& ")),
        ("references".to_owned(), filled("&#65;")),
        ("line ends".to_owned(), filled("\r\n<a/>")),
        ("end tags".to_owned(), filled("</a>")),
        ("UTF-16".to_owned(), wide),
        ("Latin-1".to_owned(), {
            let mut bytes = b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><account>".to_vec();
            bytes.resize(room, 0xe9);
            bytes
        }),
        ("no credentials".to_owned(), {
            let unit = format!("<a>{}</a>", "x".repeat(90));
            format!("<account>{}</account>", unit.repeat(9_000)).into_bytes()
        }),
        ("too large".to_owned(), vec![b' '; 6_000_000]),
    ];
    let corpora = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpora/xml"));
    for entry in std::fs::read_dir(corpora).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(bytes) = std::fs::read(entry.path()) else { continue };
        // Some of them may be accepted with a note.
        if name.starts_with('r') && Document::parse(&bytes).is_err() {
            all.push((name, bytes));
        }
    }
    all
}

/// The best time of several rounds [ms].
fn best(text: &str, check: impl Fn(&Settings)) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let (document, _) = Document::parse(black_box(text.as_bytes())).expect("it is a document");
        let (settings, _) = black_box(Settings::of(&document));
        best = best.min(started.elapsed().as_secs_f64() * 1e3);
        check(&settings);
    }
    best
}

fn main() {
    let ordinary = ordinary();
    eprintln!("{} octets", ordinary.len());
    let plain = best(&ordinary, |settings| assert_eq!(settings.username, "1001"));
    let lamps = best(&many_lamps(), |settings| assert_eq!(settings.blf.len(), 500));
    let (mut slowest, mut largest) = (0.0_f64, 0);
    for (name, bytes) in hostile() {
        let (mut time, mut memory, mut verdict) = (f64::INFINITY, 0, None);
        for _ in 0..HOSTILE_ROUNDS {
            let before = USED.load(Ordering::Relaxed);
            MOST.store(before, Ordering::Relaxed);
            let started = Instant::now();
            verdict = Document::parse(black_box(&bytes)).err();
            time = time.min(started.elapsed().as_secs_f64() * 1e3);
            memory = MOST.load(Ordering::Relaxed) - before;
        }
        let reason = verdict.map(|rejection| rejection.reason);
        eprintln!("{name}: {time:.1} ms, {} kB: {reason:?}", memory / 1000);
        assert!(reason.is_some(), "{name} is accepted");
        (slowest, largest) = (slowest.max(time), largest.max(memory));
    }
    println!("account_ms {plain:.3}");
    println!("lamps_ms {lamps:.3}");
    println!("hostile_ms {slowest:.3}");
    println!("hostile_mb {:.3}", largest as f64 / 1e6);
}
