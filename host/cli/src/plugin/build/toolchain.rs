//! Rust's compiler with a standard library for the target of guests: found, added, or made.

use std::path::{Path, PathBuf};
use std::process::Command;

use nyala_node::{Error, ErrorCode};

use super::super::process;
use super::{debian, rustup};
use crate::exit::Failure;

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Names the one way that may be taken, where several work.
const CHOICE: &str = "NYALA_GUEST_TOOLCHAIN";

/// Programs by absolute path: what a rustup proxy would choose by folder and environment has been chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    /// Where the compiler brings none that it finds itself.
    pub linker: Option<PathBuf>,
    /// A folder with the standard library for the target, where the compiler's own has none.
    pub sysroot: Option<PathBuf>,
    /// For people.
    pub description: String,
}

/// How to come by one, in the order of trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Installed,
    Rustup,
    Debian,
}

const WAYS: [(&str, Way); 3] =
    [("installed", Way::Installed), ("rustup", Way::Rustup), ("debian", Way::Debian)];

/// The toolchain for a project in `folder`.
///
/// # Errors
/// `Usage` when there is none and none can be had.
pub fn find(folder: &Path) -> Result<Toolchain, Failure> {
    let choice = std::env::var(CHOICE).ok().filter(|choice| !choice.is_empty());
    for way in ways(choice.as_deref())? {
        let found = match way {
            Way::Installed => rustup::installed(folder).or_else(on_path),
            Way::Rustup => rustup::added(folder),
            Way::Debian => debian::toolchain()?,
        };
        if let Some(toolchain) = found {
            return Ok(toolchain);
        }
    }
    let error = Error::new(ErrorCode::FileAccess, format!("there is no Rust compiler for {TARGET}"));
    Err(Failure::Usage(error.with_hint(format!("install one, as by `rustup target add {TARGET}`"))))
}

fn ways(choice: Option<&str>) -> Result<Vec<Way>, Failure> {
    let Some(choice) = choice else { return Ok(WAYS.map(|(_, way)| way).to_vec()) };
    match WAYS.iter().find(|(name, _)| *name == choice) {
        Some((_, way)) => Ok(vec![*way]),
        None => Err(Failure::usage(format!("{CHOICE} is '{choice}', not installed, rustup or debian"))),
    }
}

/// The compiler of the system, as distributions install it.
fn on_path() -> Option<Toolchain> {
    let programs = ["rustc", "/usr/bin/rustc"].map(PathBuf::from);
    let rustc =
        programs.into_iter().find(|rustc| sysroot(rustc).is_some_and(|sysroot| has_target(&sysroot)))?;
    let cargo = rustc.with_file_name("cargo");
    let description = process::ask(Command::new(&rustc).arg("--version"))?;
    Some(Toolchain { cargo, rustc, linker: None, sysroot: None, description })
}

/// Where a compiler has its libraries.
pub fn sysroot(rustc: &Path) -> Option<PathBuf> {
    process::ask(Command::new(rustc).args(["--print", "sysroot"])).map(PathBuf::from)
}

/// Whether a compiler's folder has the standard library for the target.
pub fn has_target(sysroot: &Path) -> bool {
    let libraries = std::fs::read_dir(sysroot.join("lib/rustlib").join(TARGET).join("lib"));
    libraries
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_can_be_chosen() {
        assert_eq!(ways(None).unwrap(), [Way::Installed, Way::Rustup, Way::Debian]);
        assert_eq!(ways(Some("debian")).unwrap(), [Way::Debian]);
        assert_eq!(ways(Some("nix")).unwrap_err().status(), 1);
    }

    #[test]
    fn a_target_is_there_when_its_std_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_target(folder.path()));
        let libraries = folder.path().join("lib/rustlib").join(TARGET).join("lib");
        std::fs::create_dir_all(&libraries).unwrap();
        assert!(!has_target(folder.path()));
        std::fs::write(libraries.join("libstd-0a1b.rlib"), "").unwrap();
        assert!(has_target(folder.path()));
    }
}
