//! WebAssembly as text, assembled in this process.

use std::path::Path;

use nyala_node::{Error, ErrorCode};

use super::super::project::Project;
use crate::exit::Failure;
use crate::terminal;

pub fn build(project: &Project) -> Result<Vec<u8>, Failure> {
    let sources = project.sources("wat");
    let [source] = sources.as_slice() else {
        let message = format!("{} has {} files *.wat", project.folder.display(), sources.len());
        let error = Error::new(ErrorCode::InvalidParameter, message);
        return Err(Failure::Usage(error.with_hint("a module is one file")));
    };
    assemble(source).map_err(|message| {
        terminal::tell(&message);
        Failure::PluginFailed
    })
}

/// The error names file, line and column.
fn assemble(source: &Path) -> Result<Vec<u8>, String> {
    wat::parse_file(source).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.wat");
        std::fs::write(&path, "(module\n  (fun))").unwrap();
        let error = assemble(&path).unwrap_err();
        assert!(error.contains("f.wat:2"), "{error}");
        std::fs::write(&path, "(module)").unwrap();
        assert_eq!(assemble(&path).unwrap(), b"\0asm\x01\0\0\0");
    }
}
