//! Compilers and standard libraries that are kept for all projects: the user's cache folder.

use std::path::{Path, PathBuf};

use super::file_failure;
use crate::exit::Failure;

/// `nyala/NAME` in the user's cache folder, made when missing.
pub fn folder(name: &str) -> Result<PathBuf, Failure> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .ok_or_else(|| Failure::usage("neither XDG_CACHE_HOME nor HOME says where to keep compilers"))?;
    let folder = base.join("nyala").join(name);
    std::fs::create_dir_all(&folder).map_err(|error| file_failure("make", &folder, &error))?;
    Ok(folder)
}
