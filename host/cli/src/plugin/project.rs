//! An author's project: a folder, what it is called, what it is written in.

use std::path::{Path, PathBuf};

use nyala_node::{Error, ErrorCode};

use super::arguments::Language;
use super::file_failure;
use crate::exit::Failure;

#[derive(Debug)]
pub struct Project {
    /// Absolute.
    pub folder: PathBuf,
    /// As SQL names the module without quotes.
    pub name: String,
    pub language: Language,
    /// The one file that it is made of, where that was named.
    file: Option<PathBuf>,
}

impl Project {
    /// A folder, or a file of WebAssembly text, which is a project by itself.
    ///
    /// # Errors
    /// `Usage` for a folder that is not there or holds nothing that can be built.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let folder = absolute(path)?;
        if is_wat(&folder) {
            let name = identifier(&folder.file_stem().unwrap_or_default().to_string_lossy());
            let parent = folder.parent().map(Path::to_path_buf).unwrap_or_default();
            return Ok(Self { folder: parent, name, language: Language::Wat, file: Some(folder) });
        }
        if !folder.is_dir() {
            return Err(Failure::usage(format!("{} is no folder of a project", folder.display())));
        }
        let language = language(&folder)?;
        let own_name = match language {
            Language::Rust => package_name(&read(&folder.join("Cargo.toml"))?),
            Language::AssemblyScript => json_name(&read(&folder.join("package.json"))?),
            Language::C | Language::Wat => None,
        };
        let folder_name = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = identifier(&own_name.unwrap_or_else(folder_name));
        Ok(Self { folder, name, language, file: None })
    }

    /// Where its module goes when nothing else is said.
    pub fn module(&self) -> PathBuf {
        self.folder.join("target").join(format!("{}.wasm", self.name))
    }

    /// Its files with an ending, in the folder itself and in `src`.
    pub fn sources(&self, extension: &str) -> Vec<PathBuf> {
        self.file.clone().map_or_else(|| sources(&self.folder, extension), |file| vec![file])
    }
}

pub fn is_wat(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "wat")
}

fn language(folder: &Path) -> Result<Language, Failure> {
    if folder.join("Cargo.toml").is_file() {
        Ok(Language::Rust)
    } else if folder.join("package.json").is_file() {
        Ok(Language::AssemblyScript)
    } else if !sources(folder, "c").is_empty() {
        Ok(Language::C)
    } else if !sources(folder, "wat").is_empty() {
        Ok(Language::Wat)
    } else {
        let message = format!("{} holds no project", folder.display());
        let hint = "it has none of Cargo.toml, package.json, *.c, *.wat; `nyala plugin new NAME` writes one";
        Err(Failure::Usage(Error::new(ErrorCode::InvalidParameter, message).with_hint(hint)))
    }
}

fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = [folder.to_owned(), folder.join("src")].map(std::fs::read_dir).into_iter().flatten();
    let paths = entries.flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    found
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| file_failure("read", path, &error))
}

/// # Errors
/// `Usage` when there is nothing at that path.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| file_failure("open", path, &error))
}

/// The name in the section `[package]`; cargo reads the rest.
fn package_name(manifest: &str) -> Option<String> {
    let package = manifest.lines().skip_while(|line| line.trim() != "[package]").skip(1);
    let mut lines = package.take_while(|line| !line.trim_start().starts_with('['));
    let value = lines.find_map(|line| line.trim().strip_prefix("name")?.trim_start().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn json_name(package: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(package).ok()?;
    Some(value.get("name")?.as_str()?.to_owned())
}

/// `text` with an underscore for all that no plain name may have.
pub fn identifier(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = text.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("m_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_manifests() {
        let manifest =
            "[workspace]\nname = \"x\"\n[package]\nversion = \"1\"\nname = \"text-tools\"\n[lib]\n";
        assert_eq!(package_name(manifest).as_deref(), Some("text-tools"));
        assert_eq!(package_name("[package]\n[lib]\nname = \"x\""), None);
        assert_eq!(json_name("{\"name\": \"a\"}").as_deref(), Some("a"));
        assert_eq!(identifier("text-Tools"), "text_tools");
        assert_eq!(identifier("2d"), "m_2d");
    }

    #[test]
    fn languages_are_told_by_files() {
        let folder = tempfile::tempdir().unwrap();
        let error = Project::open(folder.path()).unwrap_err();
        assert_eq!(error.status(), 1);
        let language_with = |file: &str| {
            std::fs::create_dir_all(folder.path().join("src")).unwrap();
            std::fs::write(folder.path().join(file), "").unwrap();
            Project::open(folder.path()).unwrap().language
        };
        assert_eq!(language_with("f.wat"), Language::Wat);
        let alone = Project::open(&folder.path().join("f.wat")).unwrap();
        assert_eq!((alone.name.as_str(), alone.sources("wat").len()), ("f", 1));
        assert_eq!(language_with("src/f.c"), Language::C);
        assert_eq!(language_with("package.json"), Language::AssemblyScript);
        assert_eq!(language_with("Cargo.toml"), Language::Rust);
        assert_eq!(Project::open(Path::new("no/such/folder")).unwrap_err().status(), 1);
    }
}
