//! Toolchains that rustup has, by their paths.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::process;
use super::toolchain::{TARGET, Toolchain, has_target};
use crate::terminal;

/// For a server that does not answer. What comes is some 20 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_SECONDS_MAX: &str = "20";

/// The first toolchain with the target: the folder's own, then the others.
pub fn installed(folder: &Path) -> Option<Toolchain> {
    let names = names(folder);
    let found = names.iter().find_map(|name| toolchain(folder, name).filter(has_library))?;
    if names.first().is_some_and(|own| *own != found.description) {
        terminal::tell(&format!(
            "the folder's toolchain {} has no {TARGET}; {} has",
            names[0], found.description
        ));
    }
    Some(found)
}

/// The folder's own toolchain, after the target has been added to it.
pub fn added(folder: &Path) -> Option<Toolchain> {
    let names = names(folder);
    let own = names.first()?;
    terminal::tell(&format!("adding {TARGET} to the toolchain {own} by rustup"));
    let mut command = rustup(folder);
    command.args(["target", "add", TARGET, "--toolchain", own]);
    command.env("RUSTUP_MAX_RETRIES", "0").env("RUSTUP_DOWNLOAD_TIMEOUT", ANSWER_SECONDS_MAX);
    if !process::succeeds_within(&mut command, DOWNLOAD_LIMIT) {
        terminal::tell("rustup could not");
        return None;
    }
    toolchain(folder, own).filter(has_library)
}

fn has_library(toolchain: &Toolchain) -> bool {
    // SYSROOT/bin/rustc
    toolchain.rustc.ancestors().nth(2).is_some_and(has_target)
}

/// A linker for the target that some toolchain brings.
pub fn linker(folder: &Path) -> Option<PathBuf> {
    let inside = |rustc: PathBuf| linker_of(rustc.ancestors().nth(2)?);
    names(folder).iter().find_map(|name| inside(toolchain(folder, name)?.rustc))
}

/// `lib/rustlib/HOST/bin/rust-lld` below a compiler's folder.
pub fn linker_of(sysroot: &Path) -> Option<PathBuf> {
    let hosts = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    hosts.flatten().map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.is_file())
}

/// Installed toolchains, that of the folder first. A folder whose toolchain is not installed has no say.
fn names(folder: &Path) -> Vec<String> {
    let mut list = rustup(folder);
    let listed = process::ask(list.args(["toolchain", "list", "--quiet"]))
        .or_else(|| process::ask(rustup(folder).args(["toolchain", "list"])));
    let mut names: Vec<String> = listed.unwrap_or_default().lines().filter_map(first_word).collect();
    let own = process::ask(rustup(folder).args(["show", "active-toolchain"]));
    if let Some(own) = own.as_deref().and_then(first_word) {
        names.retain(|name| *name != own);
        names.insert(0, own);
    }
    names
}

fn first_word(line: &str) -> Option<String> {
    line.split_whitespace().next().map(str::to_owned)
}

fn toolchain(folder: &Path, name: &str) -> Option<Toolchain> {
    let which = |program: &str| process::ask(rustup(folder).args(["which", "--toolchain", name, program]));
    let (cargo, rustc) = (which("cargo")?.into(), which("rustc")?.into());
    Some(Toolchain { cargo, rustc, linker: None, sysroot: None, description: name.to_owned() })
}

/// Rustup in the project's folder, so that its `rust-toolchain.toml` counts. A cargo around us sets `RUSTUP_TOOLCHAIN`
/// to its own, which is none of the project's business; set by the author it holds.
fn rustup(folder: &Path) -> Command {
    let mut command = Command::new("rustup");
    command.current_dir(folder).env("RUSTUP_AUTO_INSTALL", "0");
    if std::env::var_os("CARGO").is_some() {
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    command
}
