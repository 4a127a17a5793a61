//! Files of `guest-ops` that the program carries, by their path there.

use super::arguments::{Kind, Language};

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guest_files.rs"));

const TEMPLATES: &str = "examples/templates";
const HEADER: &str = "nyala.h";

/// A file with its path below some folder.
pub type File = (&'static str, &'static [u8]);

/// The folder of a template.
pub fn template_name(kind: Kind, language: Language) -> String {
    format!("{}-{}", kind.name(), language.name())
}

/// The files of a template; none when there is no such template.
pub fn template(kind: Kind, language: Language) -> Vec<File> {
    below(&format!("{TEMPLATES}/{}", template_name(kind, language)))
}

/// What Rust projects are built with: the ABI (`abi`) or the SDK (`sdk`).
pub fn library(name: &str) -> Vec<File> {
    below(name)
}

/// What C projects are built with.
pub fn header() -> Vec<File> {
    FILES
        .iter()
        .filter_map(|(path, bytes)| {
            Some((path.strip_prefix("examples/").filter(|path| *path == HEADER)?, *bytes))
        })
        .collect()
}

/// Pairs of kind and language that have a template.
pub fn offered() -> Vec<String> {
    let names =
        FILES.iter().filter_map(|(path, _)| path.strip_prefix(TEMPLATES)?.get(1..)?.split('/').next());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.dedup();
    names
}

fn below(folder: &str) -> Vec<File> {
    let inside = |path: &'static str| path.strip_prefix(folder)?.strip_prefix('/');
    FILES.iter().filter_map(|(path, bytes)| Some((inside(path)?, *bytes))).collect()
}
