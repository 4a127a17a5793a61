//! AssemblyScript, by npm in the project.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::super::project::Project;
use super::super::{file_failure, process};
use crate::exit::Failure;
use crate::terminal;

const ENTRY_DEFAULT: &str = "assembly/index.ts";
const COMPILER: &str = "node_modules/assemblyscript/bin/asc.js";

pub fn build(project: &Project, debug: bool) -> Result<Vec<u8>, Failure> {
    let compiler = project.folder.join(COMPILER);
    if !compiler.exists() {
        terminal::tell(&format!("installing the packages of {}", project.folder.display()));
        let install = ["install", "--no-audit", "--no-fund", "--loglevel=error"];
        process::run(Command::new("npm").args(install).current_dir(&project.folder))?;
    }
    let folder = project.folder.join("target");
    std::fs::create_dir_all(&folder).map_err(|error| file_failure("make", &folder, &error))?;
    let out: PathBuf = folder.join(format!("{}.as.wasm", project.name));
    let configuration = project.folder.join("asconfig.json");
    let text = std::fs::read_to_string(&configuration).unwrap_or_default();
    let mut command = Command::new("node");
    command.arg(&compiler).current_dir(&project.folder);
    // Entries of the configuration would be compiled beside those of the command line.
    if !has_entries(&text) {
        command.arg(ENTRY_DEFAULT);
    }
    if configuration.exists() {
        command.args(["--config", "asconfig.json", "--target", if debug { "debug" } else { "release" }]);
    } else {
        command.args(["--runtime", "stub"]).args(if debug { ["--debug"] } else { ["--optimize"] });
    }
    process::run(command.arg("--outFile").arg(&out))?;
    super::read_module(&out)
}

fn has_entries(configuration: &str) -> bool {
    let value: Option<Value> = serde_json::from_str(configuration).ok();
    value.and_then(|value| Some(!value.get("entries")?.as_array()?.is_empty())).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::has_entries;

    #[test]
    fn entries_are_seen() {
        assert!(has_entries("{\"entries\": [\"assembly/f.ts\"]}"));
        assert!(!has_entries("{\"entries\": []}"));
        assert!(!has_entries(""));
    }
}
