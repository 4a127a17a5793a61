//! Puts what `nyala plugin new` writes into the program: the SDK, the ABI and the templates of `guest-ops`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders and files of `guest-ops`; one that is not there gives nothing, and `new` says what it lacks.
const SOURCES: [&str; 4] = ["abi", "sdk", "examples/templates", "examples/nyala.h"];

/// Made by builds, or of no use to an author.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", ".git", "Cargo.lock", "package-lock.json"];

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name));
    let guest_ops = variable("CARGO_MANIFEST_DIR")?.join("../../guest-ops").canonicalize()?;
    let mut text = String::from("&[\n");
    for source in SOURCES {
        // What appears later is noticed through the one around it.
        let path = guest_ops.join(source);
        let watched = if path.exists() { path.as_path() } else { guest_ops.as_path() };
        println!("cargo:rerun-if-changed={}", watched.display());
        let mut files = Vec::new();
        collect(&path, &mut files)?;
        files.sort();
        for file in files {
            let inside = file.strip_prefix(&guest_ops).map_err(io::Error::other)?;
            writeln!(text, "    ({:?}, include_bytes!({:?})),", inside.display().to_string(), file)
                .map_err(io::Error::other)?;
        }
    }
    text.push_str("]\n");
    fs::write(variable("OUT_DIR")?.join("guest_files.rs"), text)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default();
    if LEFT_OUT.iter().any(|left_out| name == *left_out) {
        return Ok(());
    }
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else if path.is_file() {
        files.push(path.to_owned());
    }
    Ok(())
}
