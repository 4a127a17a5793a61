//! C, by the compiler that the Python package `ziglang` brings: an ordinary registry has it for every system.

use std::path::{Path, PathBuf};
use std::process::Command;

use nyala_node::{Error, ErrorCode};

use super::super::project::Project;
use super::super::{cache, file_failure, process};
use crate::exit::Failure;
use crate::terminal;

/// Pinned, so that a project builds tomorrow as it does today.
const PACKAGE: &str = "ziglang==0.15.2";

/// Folders of a project whose headers are found.
const HEADERS: [&str; 3] = ["", "include", "nyala"];

/// In a folder of examples all share one header.
const SHARED_HEADER: &str = "../nyala.h";

pub fn build(project: &Project, debug: bool) -> Result<Vec<u8>, Failure> {
    let python = compiler()?;
    let folder = project.folder.join("target");
    std::fs::create_dir_all(&folder).map_err(|error| file_failure("make", &folder, &error))?;
    let out = folder.join(format!("{}.c.wasm", project.name));
    let mut command = Command::new(python);
    command.args(["-m", "ziglang", "cc", "--target=wasm32-freestanding", "-std=c11", "-Wall"]);
    command.args(if debug { ["-O0", "-g"] } else { ["-O2", "-gline-tables-only"] });
    command.args(["-nostdlib", "-Wl,--no-entry"]);
    for headers in HEADERS.map(|inside| project.folder.join(inside)).iter().filter(|path| path.is_dir()) {
        command.arg("-I").arg(headers);
    }
    if project.folder.join(SHARED_HEADER).is_file() {
        command.arg("-I").arg(project.folder.join(".."));
    }
    command.arg("-o").arg(&out).args(project.sources("c")).current_dir(&project.folder);
    process::run(&mut command)?;
    super::read_module(&out)
}

/// The Python that has the compiler, in an environment of its own that is made when missing.
fn compiler() -> Result<PathBuf, Failure> {
    let folder = cache::folder("ziglang")?;
    let python = folder.join("bin/python");
    let stamp = folder.join("packages.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == PACKAGE) && python.exists() {
        return Ok(python);
    }
    terminal::tell(&format!("installing {PACKAGE} for Python into {}", folder.display()));
    make_environment(&folder)?;
    process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
    std::fs::write(&stamp, PACKAGE).map_err(|error| file_failure("write", &stamp, &error))?;
    Ok(python)
}

fn make_environment(folder: &Path) -> Result<(), Failure> {
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder)).map_err(|_| {
        let message = "C needs python3 with venv, for the package ziglang";
        let error = Error::new(ErrorCode::FileAccess, message);
        Failure::Usage(error.with_hint("install it: on Debian by `apt-get install python3-venv`"))
    })
}
