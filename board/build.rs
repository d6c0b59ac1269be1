//! Collects the board folders beside this crate, so that a new board is a new folder and no Rust.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    // Of a folder, Cargo watches what is in it too.
    println!("cargo::rerun-if-changed={}", here.display());
    let mut boards = Vec::new();
    for entry in std::fs::read_dir(&here)? {
        let folder = entry?.path();
        let file = folder.join("board.toml");
        if let Some(name) = folder.file_name().and_then(|name| name.to_str())
            && file.is_file()
        {
            boards.push((name.to_owned(), format!("{name}/board.toml")));
        }
    }
    boards.sort();
    let mut table = format!("const BUILT_IN: [(&str, &str); {}] = [\n", boards.len());
    for (name, file) in boards {
        // Relative to the crate, because absolute paths would make two builds differ.
        writeln!(
            table,
            "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))),",
            format!("/{file}")
        )?;
    }
    table.push_str("];\n");
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("boards.rs"), table)?;
    Ok(())
}
