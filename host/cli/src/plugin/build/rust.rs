//! Rust, by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use nyala_node::{Error, ErrorCode};
use serde_json::Value;

use super::super::process;
use super::super::project::Project;
use super::toolchain::{self, TARGET};
use crate::exit::Failure;
use crate::terminal;

/// Variables that a cargo or rustup around us has set, or that are meant for the author's own machine: flags such as
/// `target-cpu=native` are errors for another target.
const NOT_FOR_GUESTS: [&str; 10] = [
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "RUST_RECURSION_COUNT",
    "RUSTC_BOOTSTRAP",
    "LD_LIBRARY_PATH",
];

pub fn build(project: &Project, debug: bool) -> Result<Vec<u8>, Failure> {
    let toolchain = toolchain::find(&project.folder)?;
    terminal::tell(&format!("building {} with {}", project.name, toolchain.description));
    let mut command = plain(&toolchain.cargo);
    command.current_dir(&project.folder).env("RUSTC", &toolchain.rustc);
    if let Some(sysroot) = &toolchain.sysroot {
        let flag = Value::from(format!("--sysroot={}", sysroot.display()));
        command.arg("--config").arg(format!("target.{TARGET}.rustflags=[{flag}]"));
    }
    if let Some(linker) = &toolchain.linker {
        command.env(linker_variable(), linker);
    }
    // The project's own folder unless the author has chosen one: a workspace around it shall not change that.
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.arg("--config").arg(format!(
            "build.target-dir={}",
            Value::from(project.folder.join("target").display().to_string())
        ));
    }
    command.args(["build", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    if !debug {
        command.arg("--release");
    }
    let messages = process::run_for_output(&mut command)?;
    super::read_module(&module_in(&messages, &project.folder)?)
}

/// Cargo without what is not for guests.
pub fn plain(cargo: &Path) -> Command {
    let mut command = Command::new(cargo);
    NOT_FOR_GUESTS.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

pub fn linker_variable() -> String {
    format!("CARGO_TARGET_{}_LINKER", TARGET.to_uppercase().replace('-', "_"))
}

/// The one module among what cargo says that it made.
fn module_in(messages: &str, folder: &Path) -> Result<PathBuf, Failure> {
    let mut modules: Vec<PathBuf> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|name| Some(PathBuf::from(name.as_str()?)))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .collect();
    match (modules.pop(), modules.len()) {
        (Some(module), 0) => Ok(module),
        (found, others) => {
            let count = others + usize::from(found.is_some());
            let message = format!("{} makes {count} modules, not one", folder.display());
            let hint = "write crate-type = [\"cdylib\"] into [lib] of one package's Cargo.toml";
            Err(Failure::Usage(Error::new(ErrorCode::InvalidModule, message).with_hint(hint)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_one_that_cargo_names() {
        let project = Path::new("/p");
        let artefact = |name: &str| {
            format!("{{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/lib.rlib\",\"/t/{name}\"]}}\n")
        };
        let one = format!("{}{}{{\"reason\":\"build-finished\"}}\n", artefact("a.rlib"), artefact("p.wasm"));
        assert_eq!(module_in(&one, project).unwrap(), PathBuf::from("/t/p.wasm"));
        assert_eq!(module_in(&artefact("a.rlib"), project).unwrap_err().status(), 1);
        let two = format!("{}{}", artefact("p.wasm"), artefact("q.wasm"));
        assert_eq!(module_in(&two, project).unwrap_err().status(), 1);
        assert_eq!(linker_variable(), "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER");
    }
}
