//! Where the shell remembers what was typed.

use std::path::PathBuf;

use reedline::FileBackedHistory;

const ENTRIES_MAX: usize = 10_000;

/// Opens the history file, and makes it and its directory if need be.
///
/// # Errors
/// Why none can be kept, for people.
pub fn open() -> Result<FileBackedHistory, String> {
    let path = path().ok_or("neither XDG_DATA_HOME nor HOME is set")?;
    FileBackedHistory::with_file(ENTRIES_MAX, path.clone())
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// `$XDG_DATA_HOME/nyala/history`, with the default that the XDG base directory specification gives.
fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(data.join("nyala").join("history"))
}
