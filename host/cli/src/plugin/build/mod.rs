//! `nyala plugin build`: a project in, one module out. One file a language.

mod assemblyscript;
mod c;
mod debian;
mod manifest;
mod rust;
mod rustup;
mod toolchain;
mod wat;

use std::path::Path;

use nyala_schema::option::format_bytes;

use super::arguments::Language;
use super::file_failure;
use super::project::Project;
use crate::exit::Failure;
use crate::terminal;

/// A file of `CREATE` statements, for languages that cannot put them into the module themselves.
const MANIFEST: &str = "manifest.sql";

/// Builds `project` and writes its module to `out`, which appears only when all went well.
///
/// # Errors
/// `PluginFailed` when a compiler has said what is wrong; `Usage` when there is no compiler or no place to write.
pub fn run(project: &Project, debug: bool, out: &Path) -> Result<(), Failure> {
    let built = match project.language {
        Language::Rust => rust::build(project, debug)?,
        Language::C => c::build(project, debug)?,
        Language::AssemblyScript => assemblyscript::build(project, debug)?,
        Language::Wat => wat::build(project)?,
    };
    let module = with_manifest(project, built)?;
    let folder = out.parent().unwrap_or(Path::new("."));
    if !folder.as_os_str().is_empty() {
        std::fs::create_dir_all(folder).map_err(|error| file_failure("make", folder, &error))?;
    }
    let unfinished = out.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&unfinished, &module)
        .and_then(|()| std::fs::rename(&unfinished, out))
        .map_err(|error| file_failure("write", out, &error))?;
    terminal::tell(&format!("built {} ({})", out.display(), format_bytes(module.len() as u64)));
    Ok(())
}

fn with_manifest(project: &Project, module: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let path = project.folder.join(MANIFEST);
    if !path.is_file() || manifest::is_in(&module) {
        return Ok(module);
    }
    let text = std::fs::read_to_string(&path).map_err(|error| file_failure("read", &path, &error))?;
    Ok(manifest::added(module, &text))
}

/// What a compiler wrote.
fn read_module(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| file_failure("read", path, &error))
}
