//! The project's own rules, checked over its text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nyala_tests::project_root;

const FILE_LINES_MAX: usize = 800;
const FUNCTION_LINES_MAX: usize = 70;
const BANNED_MODULES: [&str; 5] = ["utils", "common", "helpers", "misc", "manager"];

/// Files with an ending, without what is built or generated.
fn files(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![project_root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != "generated" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(project_root()).unwrap().display().to_string()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = files("rs")
        .iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//! "))
        .map(|path| relative(path))
        .collect();
    assert_none("files whose first line is no `//!`", &silent);
}

#[test]
fn modules_have_telling_names() {
    let vague: Vec<String> = files("rs")
        .iter()
        .filter(|path| {
            let parent =
                path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            BANNED_MODULES.contains(&stem.as_str()) || BANNED_MODULES.contains(&parent.as_str())
        })
        .map(|path| relative(path))
        .collect();
    assert_none("modules with vague names", &vague);
}

/// Lines of a file before its unit tests.
fn lines_without_tests(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
}

/// Name, first line and length of functions longer than the limit, by indentation, as rustfmt lays code out.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let is_function = trimmed.starts_with("fn ")
            || (trimmed.starts_with("pub")
                || trimmed.starts_with("async ")
                || trimmed.starts_with("unsafe "))
                && trimmed.contains("fn ")
                && trimmed.contains('(');
        if !is_function || trimmed.ends_with(';') || trimmed.ends_with('}') {
            continue;
        }
        let closing = format!("{}}}", " ".repeat(line.len() - trimmed.len()));
        if let Some(length) = lines[start..].iter().position(|l| *l == closing)
            && length + 1 > FUNCTION_LINES_MAX
        {
            let name = trimmed.split("fn ").nth(1).unwrap_or(trimmed);
            found.push((name.split(['(', '<']).next().unwrap_or(name).to_owned(), length + 1));
        }
    }
    found
}

/// What exceeds the limits is listed by name, and the list may only shrink.
#[test]
fn files_and_functions_stay_small() {
    let list = std::fs::read_to_string(project_root().join("tests/tidy/oversize.txt")).unwrap();
    let allowed: Vec<&str> = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let mut found = Vec::new();
    for path in files("rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        if lines_without_tests(&text) > FILE_LINES_MAX {
            found.push(relative(&path));
        }
        found
            .extend(long_functions(&text).into_iter().map(|(name, _)| format!("{} {name}", relative(&path))));
    }
    let new: Vec<String> = found.iter().filter(|item| !allowed.contains(&item.as_str())).cloned().collect();
    assert_none("too long (split them)", &new);
    let gone: Vec<String> = allowed
        .iter()
        .filter(|item| !found.iter().any(|f| f == *item))
        .map(|item| (*item).to_owned())
        .collect();
    assert_none("no longer too long: take them off tests/tidy/oversize.txt", &gone);
}

/// Our crates' folders by name, with the names of their direct dependencies (not those of their tests).
fn manifests() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for path in files("toml").into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = std::fs::read_to_string(&path).unwrap();
        // Fuzz targets are a workspace of their own.
        if path.starts_with(project_root().join("tests/fuzz")) {
            continue;
        }
        let Some(name) = text.lines().find_map(|line| line.strip_prefix("name = ")) else { continue };
        let mut section = "";
        let mut dependencies = Vec::new();
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section == "[dependencies]"
                && let Some(dependency) = line.split(['.', ' ', '=']).next().filter(|d| !d.is_empty())
            {
                dependencies.push(dependency.to_owned());
            }
        }
        found.insert(name.trim_matches('"').to_owned(), dependencies);
    }
    found
}

#[test]
fn dependencies_point_one_way() {
    let rules = std::fs::read_to_string(project_root().join("tests/tidy/dependencies.txt")).unwrap();
    let manifests = manifests();
    let mut wrong = Vec::new();
    let mut ruled = Vec::new();
    for line in rules.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some((external, owners)) = line.split_once('<') {
            let owners: Vec<&str> = owners.split_whitespace().collect();
            for (name, dependencies) in &manifests {
                let names_it = dependencies.iter().any(|d| d == external.trim());
                if names_it && !owners.contains(&name.as_str()) && name != "nyala-features" {
                    wrong.push(format!("{name} names {external}"));
                }
            }
        } else if let Some((name, allowed)) = line.split_once(':') {
            ruled.push(name.to_owned());
            let allowed: Vec<&str> = allowed.split_whitespace().collect();
            let ours = manifests.get(name).into_iter().flatten().filter(|d| d.starts_with("nyala-"));
            wrong.extend(
                ours.filter(|d| !allowed.contains(&d.as_str())).map(|d| format!("{name} depends on {d}")),
            );
        }
    }
    wrong.extend(
        manifests.keys().filter(|name| !ruled.contains(name)).map(|name| format!("{name} has no rule")),
    );
    assert_none("dependencies that tests/tidy/dependencies.txt does not allow", &wrong);
}

/// `unsafe` only where generated code is made, handed buffers and entered, in the executor's state records, where a guest reads
/// what its host has put into its memory, and where a simulation stands in for the operating system.
#[test]
fn unsafe_stays_where_it_belongs() {
    const ALLOWED: [&str; 7] = [
        "codegen/loops/src/",
        "codegen/native/src/",
        "guest-ops/sdk/src/",
        "guest-ops/sdk/tests/",
        "host/executor/src/aggregate/records.rs",
        "host/sandbox/src/",
        "tests/simulation/chance.rs",
    ];
    let found: Vec<String> = files("rs")
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let uses = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.contains("unsafe {") || code.contains("unsafe fn") || code.contains("unsafe impl")
            });
            uses && !relative(path).starts_with("tests/suite/tidy.rs")
        })
        .map(|path| relative(path))
        .filter(|path| !ALLOWED.iter().any(|allowed| path.starts_with(allowed)))
        .collect();
    assert_none("unsafe code outside of its places", &found);
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files("md") {
        let text = std::fs::read_to_string(&path).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !path.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", relative(&path)));
            }
        }
    }
    assert_none("broken links", &broken);
}

#[test]
fn nothing_is_left_unfinished() {
    let words = [["to", "do!("].concat(), ["unimpl", "emented!("].concat(), ["FIX", "ME"].concat()];
    let found: Vec<String> = files("rs")
        .iter()
        .filter(|path| {
            words.iter().any(|word| std::fs::read_to_string(path).unwrap().contains(word.as_str()))
        })
        .map(|path| relative(path))
        .collect();
    assert_none("unfinished code", &found);
}

/// The platform of this machine, as Rust calls it.
fn host_platform() -> String {
    let output = std::process::Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// Every dependency may be used under at least one licence that deny.toml allows. Of other platforms nothing need be here:
/// a build fetches what it needs itself.
#[test]
fn licences_are_allowed() {
    let deny = std::fs::read_to_string(project_root().join("deny.toml")).unwrap();
    let allowed: Vec<&str> =
        deny.lines().filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\",")).collect();
    let output = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(project_root())
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", &host_platform()])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let accepted = |licence: &str| {
        let choices = licence.replace(" / ", " OR ").replace('/', " OR ").replace(['(', ')'], "");
        choices.split(" AND ").all(|part| part.split(" OR ").any(|choice| allowed.contains(&choice.trim())))
    };
    let refused: Vec<String> = packages
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or("none")))
        .filter(|(_, licence)| !accepted(licence))
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    assert_none("licences that deny.toml does not allow", &refused);
}
