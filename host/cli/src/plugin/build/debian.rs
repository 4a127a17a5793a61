//! Debian's Rust, with a standard library for guests that is built once from Debian's sources.

use std::path::{Path, PathBuf};
use std::process::Command;

use nyala_node::{Error, ErrorCode};

use super::super::{cache, file_failure, process};
use super::rust::{linker_variable, plain};
use super::rustup;
use super::toolchain::{TARGET, Toolchain, has_target, sysroot};
use crate::exit::Failure;
use crate::terminal;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Debian's name of a linker for WebAssembly, and the package that has it.
const LINKER: &str = "/usr/bin/wasm-ld";
const LINKER_PACKAGE: &str = "lld";

/// For another package manager of this machine that is at work.
const LOCK_SECONDS_MAX: u32 = 300;

/// A package without code: what cargo needs to build a standard library for.
const EMPTY_PACKAGE: &str = "[package]\nname = \"nothing\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";

/// `None` where this is no Debian, or its packages are missing and we may not install them.
///
/// # Errors
/// When installing or building fails after it was begun.
pub fn toolchain() -> Result<Option<Toolchain>, Failure> {
    if !is_complete() && !install(&PACKAGES)? {
        return Ok(None);
    }
    let (cargo, rustc) = (PathBuf::from(CARGO), PathBuf::from(RUSTC));
    let Some(version) = process::ask(Command::new(&rustc).arg("--version")) else { return Ok(None) };
    let linker = linker()?;
    let sysroot = standard_library(&cargo, &rustc, &version, &linker)?;
    Ok(Some(Toolchain {
        cargo,
        rustc,
        linker: Some(linker),
        sysroot: Some(sysroot),
        description: format!("Debian's {version}"),
    }))
}

/// Whether compiler, cargo and the sources of the standard library are there.
fn is_complete() -> bool {
    let has_sources = |sysroot: PathBuf| sysroot.join("lib/rustlib/src/rust/library/std").exists();
    Path::new(CARGO).exists() && sysroot(Path::new(RUSTC)).is_some_and(has_sources)
}

/// Whether the packages are there now.
fn install(packages: &[&str]) -> Result<bool, Failure> {
    if process::ask(Command::new("id").arg("-u")).as_deref() != Some("0")
        || !Path::new("/usr/bin/apt-get").exists()
    {
        return Ok(false);
    }
    terminal::tell(&format!("installing {} by apt-get", packages.join(", ")));
    let lock = format!("DPkg::Lock::Timeout={LOCK_SECONDS_MAX}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("/usr/bin/apt-get");
        command.args(["-qq", "-o", &lock]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command)
    };
    apt(&["update"])?;
    let install: Vec<&str> =
        ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    apt(&install)?;
    Ok(true)
}

fn linker() -> Result<PathBuf, Failure> {
    let own = || sysroot(Path::new(RUSTC)).and_then(|sysroot| rustup::linker_of(&sysroot));
    if let Some(linker) = own().or_else(|| rustup::linker(Path::new("/"))) {
        return Ok(linker);
    }
    if !Path::new(LINKER).exists() && !install(&[LINKER_PACKAGE])? {
        let error = Error::new(ErrorCode::FileAccess, "there is no linker for WebAssembly");
        return Err(Failure::Usage(error.with_hint("install Debian's package lld")));
    }
    Ok(PathBuf::from(LINKER))
}

/// A folder with the standard library for the target, by compiler; built when it is not there.
fn standard_library(cargo: &Path, rustc: &Path, version: &str, linker: &Path) -> Result<PathBuf, Failure> {
    let label: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let folder = cache::folder("rust-std")?.join(label);
    if has_target(&folder) {
        return Ok(folder);
    }
    terminal::tell(&format!(
        "building Rust's standard library for {TARGET}, once: this takes a minute or more"
    ));
    // In a folder of this process, so that two that build at the same time do not meet.
    let work = folder.with_extension(std::process::id().to_string());
    let write = |name: &str, text: &str| {
        let path = work.join(name);
        std::fs::write(&path, text).map_err(|error| file_failure("write", &path, &error))
    };
    std::fs::create_dir_all(&work).map_err(|error| file_failure("make", &work, &error))?;
    write("Cargo.toml", EMPTY_PACKAGE)?;
    write("lib.rs", "")?;
    let mut command = plain(cargo);
    command.current_dir(&work).env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1").env(linker_variable(), linker);
    command.args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", TARGET, "--target-dir"]);
    let built = process::run(command.arg(work.join("target")))
        .and_then(|()| collect(&work).map_err(|error| file_failure("keep the libraries of", &work, &error)));
    let kept = built.and_then(|libraries| match std::fs::rename(&libraries, &folder) {
        Err(error) if !has_target(&folder) => Err(file_failure("make", &folder, &error)),
        // Another process was as fast.
        Err(_) | Ok(()) => Ok(()),
    });
    // What is left over only takes room.
    let _ = std::fs::remove_dir_all(&work);
    kept.map(|()| folder)
}

/// Puts the libraries that cargo built where a compiler looks for them.
fn collect(work: &Path) -> std::io::Result<PathBuf> {
    let folder = work.join("sysroot");
    let libraries = folder.join("lib/rustlib").join(TARGET).join("lib");
    std::fs::create_dir_all(&libraries)?;
    for entry in std::fs::read_dir(work.join("target").join(TARGET).join("release/deps"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libnothing-") {
            std::fs::copy(&path, libraries.join(&name))?;
        }
    }
    Ok(folder)
}
