//! Every command that a document shows is run, and gives what the document says.
//!
//! In a block marked `console`, a line `$ command` is run by a shell in a folder of the document's own, with `nyala` on
//! the path; the lines after it are its standard output. `…` stands for any text within a line, a line of only `…` for
//! any number of lines. A command goes on in the next line behind `\`, and up to `END` when it says `<<'END'`.

use std::path::{Path, PathBuf};
use std::process::Command;

use nyala_tests::{program, project_root};

struct Shown {
    command: String,
    output: Vec<String>,
}

impl Shown {
    /// Whether the next line belongs to what the command reads.
    fn is_in_here_document(&self) -> bool {
        let end = self.command.split_once("<<'").and_then(|(_, rest)| rest.split_once('\''));
        end.is_some_and(|(end, _)| !self.command.lines().any(|line| line == end))
    }
}

fn console_blocks(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside && let Some(last) = found.last_mut().filter(|last| last.is_in_here_document()) {
            last.command.push('\n');
            last.command.push_str(line);
        } else if inside && let Some(command) = line.strip_prefix("$ ") {
            found.push(Shown { command: command.to_owned(), output: Vec::new() });
        } else if inside && let Some(last) = found.last_mut() {
            match last.command.strip_suffix('\\') {
                Some(begun) if last.output.is_empty() => last.command = format!("{begun}\n{line}"),
                _ => last.output.push(line.to_owned()),
            }
        }
    }
    found
}

fn documents() -> Vec<PathBuf> {
    let root = project_root();
    let mut found = vec![root.join("README.md")];
    for folder in ["docs", "docs/how-to"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn line_matches(shown: &str, actual: &str) -> bool {
    let mut rest = actual.trim_end();
    let parts: Vec<&str> = shown.trim_end().split('…').collect();
    for (index, part) in parts.iter().enumerate() {
        let place = if index == 0 {
            rest.starts_with(part).then_some(0)
        } else if index + 1 == parts.len() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(place) = place else { return false };
        rest = &rest[place + part.len()..];
    }
    parts.len() > 1 || rest.is_empty()
}

fn lines_match(shown: &[String], actual: &[&str]) -> bool {
    match (shown.split_first(), actual.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "…" => {
            lines_match(rest, actual) || (!actual.is_empty() && lines_match(shown, &actual[1..]))
        }
        (Some((first, rest)), Some((line, others))) => line_matches(first, line) && lines_match(rest, others),
        _ => false,
    }
}

fn run(document: &Path, failures: &mut Vec<String>) -> usize {
    let text = std::fs::read_to_string(document).unwrap();
    let shown = console_blocks(&text);
    // Only `cargo xtask test` builds what ships.
    if text.contains("$NYALA_OPERATORS") && std::env::var_os("NYALA_OPERATORS").is_none() {
        eprintln!("left out: {}, NYALA_OPERATORS is not set", document.display());
        return shown.len();
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = program().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    for item in &shown {
        let output = Command::new("sh")
            .args(["-c", &item.command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("COLUMNS", "110")
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        let actual: Vec<&str> = found.lines().collect();
        if !lines_match(&item.output, &actual) {
            failures.push(format!(
                "{}: $ {}\n--- shown\n{}\n--- found\n{found}{}",
                document.display(),
                item.command,
                item.output.join("\n"),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    shown.len()
}

#[test]
fn commands_in_documents_do_what_they_show() {
    let mut failures = Vec::new();
    let commands: usize = documents().iter().map(|document| run(document, &mut failures)).sum();
    assert!(commands >= 10, "only {commands} commands were found");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn a_here_document_belongs_to_its_command() {
    let shown = console_blocks("```console\n$ cat > t <<'END'\na $$\n$ b\nEND\n$ cat t\na\n```\n");
    let commands: Vec<&str> = shown.iter().map(|item| item.command.as_str()).collect();
    assert_eq!(commands, ["cat > t <<'END'\na $$\n$ b\nEND", "cat t"]);
    assert_eq!(shown[1].output, ["a"]);
}

#[test]
fn the_matcher_can_fail() {
    let shown: Vec<String> = ["a … c", "…", "z"].map(str::to_owned).into();
    assert!(lines_match(&shown, &["a b c", "anything", "z"]));
    assert!(lines_match(&shown, &["a  c", "z"]));
    assert!(!lines_match(&shown, &["a b d", "z"]));
    assert!(!lines_match(&shown, &["a b c", "y"]));
}
