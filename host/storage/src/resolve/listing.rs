//! Which files a path, a pattern or a directory names.

use std::fs;
use std::path::{Path, PathBuf};

use glob::MatchOptions;
use nyala_schema::{Error, ErrorCode, Result};

use crate::file::{Stamp, access_error};

/// Deeper directories are not searched: they hint at a link that leads back.
const DEPTH_MAX: usize = 32;
/// More files than this are refused, for their list is part of every plan.
const FILES_MAX: usize = 100_000;

#[derive(Debug, Clone)]
pub struct FoundFile {
    pub path: String,
    pub stamp: Stamp,
    /// The part of the path below what was asked for: where `name=value` directories are looked for.
    pub below: String,
}

/// Files sorted by path; never empty.
///
/// # Errors
/// FileAccess: nothing matches (with a near miss), a directory without files, unreadable.
pub fn list(location: &str) -> Result<Vec<FoundFile>> {
    let location = location.strip_prefix("file://").unwrap_or(location);
    let path = Path::new(location);
    let mut found = Vec::new();
    if path.is_file() {
        found.push(found_file(path, "")?);
    } else if path.is_dir() {
        search(path, path, 0, &mut found)?;
        if found.is_empty() {
            return Err(Error::new(
                ErrorCode::FileAccess,
                format!("the directory '{location}' has no files"),
            ));
        }
    } else if location.contains(['*', '?', '[']) {
        search_pattern(location, &mut found)?;
    }
    if found.is_empty() {
        return Err(nothing_matches(location));
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found.dedup_by(|left, right| left.path == right.path);
    Ok(found)
}

fn search_pattern(pattern: &str, found: &mut Vec<FoundFile>) -> Result<()> {
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(pattern, options).map_err(|error| {
        Error::new(ErrorCode::InvalidParameter, format!("'{pattern}' is not a file pattern: {error}"))
    })?;
    let root = literal_root(pattern);
    for path in matches {
        let path = path.map_err(|error| access_error(&error.path().display().to_string(), error.error()))?;
        let below = path.strip_prefix(&root).unwrap_or(&path).to_path_buf();
        if is_hidden(&below) {
            continue;
        }
        if path.is_dir() {
            // `data/*` names the partitions of a table as well as files; `**` finds files by itself.
            if !pattern.contains("**") {
                search(&path, &root, 0, found)?;
            }
        } else {
            found.push(found_file(&path, &below.to_string_lossy())?);
        }
        check_count(found)?;
    }
    Ok(())
}

/// The directories of a pattern before its first wildcard.
fn literal_root(pattern: &str) -> PathBuf {
    let literal: Vec<&str> = pattern.split('/').take_while(|part| !part.contains(['*', '?', '['])).collect();
    let joined = literal.join("/");
    PathBuf::from(if joined.is_empty() && pattern.starts_with('/') { "/".to_owned() } else { joined })
}

fn search(directory: &Path, root: &Path, depth: usize, found: &mut Vec<FoundFile>) -> Result<()> {
    let shown = directory.display().to_string();
    if depth > DEPTH_MAX {
        let message = format!("'{shown}' lies more than {DEPTH_MAX} directories deep");
        return Err(Error::new(ErrorCode::FileAccess, message));
    }
    let entries = fs::read_dir(directory).map_err(|error| access_error(&shown, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| access_error(&shown, &error))?.path();
        let below = path.strip_prefix(root).unwrap_or(&path);
        if is_hidden(Path::new(path.file_name().unwrap_or_default())) {
            continue;
        }
        if path.is_dir() {
            search(&path, root, depth + 1, found)?;
        } else {
            found.push(found_file(&path, &below.to_string_lossy())?);
        }
        check_count(found)?;
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.len() > 1
            && name != ".."
            && (name.starts_with('.') || name.starts_with('_'))
            && !name.contains('=')
    })
}

fn check_count(found: &[FoundFile]) -> Result<()> {
    if found.len() > FILES_MAX {
        return Err(Error::new(ErrorCode::TooComplex, format!("more than {FILES_MAX} files match"))
            .with_hint("name fewer of them by a pattern"));
    }
    Ok(())
}

fn found_file(path: &Path, below: &str) -> Result<FoundFile> {
    let shown = path
        .to_str()
        .ok_or_else(|| {
            Error::new(ErrorCode::FileAccess, format!("the name '{}' is not UTF-8", path.display()))
        })?
        .to_owned();
    let metadata = fs::metadata(path).map_err(|error| access_error(&shown, &error))?;
    Ok(FoundFile { stamp: Stamp::of(&metadata), path: shown, below: below.to_owned() })
}

fn nothing_matches(location: &str) -> Error {
    let path = Path::new(location);
    // Who asks a node may be in another folder than it is.
    let here = std::env::current_dir().ok().filter(|_| path.is_relative());
    let place = here.map_or_else(String::new, |folder| format!(" in {}", folder.display()));
    let error = Error::new(ErrorCode::FileAccess, format!("no file matches '{location}'{place}"));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let wanted = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if !location.contains('*') && !directory.is_dir() {
        return error.with_hint(format!("there is no directory '{}'", directory.display()));
    }
    match near_miss(directory, &wanted) {
        Some(name) => error.with_hint(format!("did you mean '{}'?", path.with_file_name(name).display())),
        None => error,
    }
}

fn near_miss(directory: &Path, wanted: &str) -> Option<String> {
    /// Names as unlike as this are no help.
    const SIMILARITY_MIN: f64 = 0.75;
    let names = fs::read_dir(directory).ok()?.take(10_000);
    names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), wanted), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}
