//! Opens the user's editor on a statement.

use std::io::Write;
use std::process::Command;

use nyala_node::{Error, ErrorCode};

const EDITOR_DEFAULT: &str = "vi";

/// What `text` is after the person has edited it; nothing when the editor was left without saving a change.
///
/// # Errors
/// `FileAccess` when the editor cannot be started or fails.
pub fn edit(text: &str) -> Result<Option<String>, Error> {
    let failed = |error: std::io::Error| Error::new(ErrorCode::FileAccess, format!("cannot edit: {error}"));
    let mut file = tempfile::Builder::new().prefix("nyala-").suffix(".sql").tempfile().map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
    let chosen = ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok());
    let editor =
        chosen.filter(|editor| !editor.trim().is_empty()).unwrap_or_else(|| EDITOR_DEFAULT.to_owned());
    // By a shell, since it may have arguments of its own.
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(file.path())
        .status()
        .map_err(failed)?;
    if !status.success() {
        let error = Error::new(ErrorCode::FileAccess, format!("the editor '{editor}' ended with {status}"));
        return Err(error.with_hint("set EDITOR to the editor of your choice"));
    }
    let edited = std::fs::read_to_string(file.path()).map_err(failed)?;
    Ok((edited.trim() != text.trim() && !edited.trim().is_empty()).then_some(edited))
}
