//! `cargo xtask guests`: the modules that come with the project, built by its own `nyala plugin`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::build::{cache_folder, nyala, succeed};

/// What tests and benchmarks find in their environment.
pub struct Guests {
    /// The module of `guest-ops/operators`, where that is there.
    pub operators: Option<PathBuf>,
    /// A folder with `NAME.wasm` for each template and example whose toolchain can be had.
    pub examples: PathBuf,
}

const OPERATORS: &str = "guest-ops/operators";
const EXAMPLES: &str = "guest-ops/examples";
const TEMPLATES: &str = "guest-ops/examples/templates";

/// What a module is made of beside its own folder: a change there makes all of them stale.
const LIBRARIES: [&str; 4] = ["guest-ops/abi", "guest-ops/sdk", HEADER, "host/cli/src/plugin/build"];

/// What examples in C include.
const HEADER: &str = "guest-ops/examples/nyala.h";

/// Examples named so, or whose names end so, more than Rust: tools that not every machine can have.
const NEED_MORE: [&str; 2] = ["c", "assemblyscript"];

/// Folders and files that builds make.
const MADE: [&str; 4] = ["target", "node_modules", "Cargo.lock", "package-lock.json"];

pub fn run(root: &Path, _arguments: &[String]) -> Result<()> {
    let guests = build(root, &nyala(root)?)?;
    if let Some(operators) = &guests.operators {
        println!("{}", operators.display());
    }
    println!("{}", guests.examples.display());
    Ok(())
}

/// Builds what has changed since it was built last.
pub fn build(root: &Path, program: &Path) -> Result<Guests> {
    let folder = cache_folder()?.join("guests");
    let examples = folder.join("examples");
    std::fs::create_dir_all(&examples).with_context(|| format!("making {}", examples.display()))?;
    let builder = Builder { root, program, folder: &folder };
    let source = root.join(OPERATORS);
    let module = folder.join("operators.wasm");
    let operators =
        source.is_dir().then(|| builder.project(&source, &module).map(|()| module)).transpose()?;
    for path in subfolders(&root.join(EXAMPLES))?.into_iter().filter(|path| *path != root.join(TEMPLATES)) {
        let texts = files_ending(&path, "wat")?;
        for text in &texts {
            builder.if_it_can(&examples, &stem_of(text), |out| builder.project(text, out))?;
        }
        if texts.is_empty() {
            builder.if_it_can(&examples, &name_of(&path), |out| builder.example(&path, out))?;
        }
    }
    for path in subfolders(&root.join(TEMPLATES))? {
        let name = name_of(&path);
        builder.if_it_can(&examples, &name, |out| builder.template(&path, &name, out))?;
    }
    Ok(Guests { operators, examples })
}

struct Builder<'a> {
    root: &'a Path,
    program: &'a Path,
    folder: &'a Path,
}

impl Builder<'_> {
    /// Languages whose tools are not there leave their example out; without Rust nothing is tested.
    fn if_it_can(&self, examples: &Path, name: &str, build: impl Fn(&Path) -> Result<()>) -> Result<()> {
        let out = examples.join(format!("{name}.wasm"));
        match build(&out) {
            Ok(()) => Ok(()),
            Err(error) if !name.rsplit('-').next().is_some_and(|language| NEED_MORE.contains(&language)) => {
                Err(error)
            }
            Err(error) => {
                eprintln!("the example {name} is left out: {error:#}");
                if out.exists() {
                    std::fs::remove_file(&out).with_context(|| format!("removing {}", out.display()))?;
                }
                Ok(())
            }
        }
    }

    fn project(&self, source: &Path, out: &Path) -> Result<()> {
        self.unless_built(source, out, || succeed(self.plugin("build").arg(source).arg("--out").arg(out)))
    }

    /// Tools of other languages than Rust write beside the sources, so they get a copy, with the header that all share.
    fn example(&self, source: &Path, out: &Path) -> Result<()> {
        if source.join("Cargo.toml").exists() {
            return self.project(source, out);
        }
        self.unless_built(source, out, || {
            let project = self.folder.join("projects").join(name_of(source));
            copy(source, &project)?;
            let header = self.root.join(HEADER);
            if header.exists() {
                std::fs::copy(&header, project.join(name_of(&header)))?;
            }
            succeed(self.plugin("build").arg(&project).arg("--out").arg(out))
        })
    }

    /// A project made from the template, as an author makes it. The function has the template's name.
    fn template(&self, source: &Path, name: &str, out: &Path) -> Result<()> {
        let Some((kind, language)) = name.split_once('-') else {
            bail!("{} is not named KIND-LANGUAGE", source.display());
        };
        self.unless_built(source, out, || {
            let project = self.folder.join("projects").join(name);
            if project.exists() {
                std::fs::remove_dir_all(&project)
                    .with_context(|| format!("removing {}", project.display()))?;
            }
            std::fs::create_dir_all(self.folder.join("projects"))?;
            let words =
                [name.replace('-', "_"), "--kind".into(), kind.into(), "--language".into(), language.into()];
            succeed(self.plugin("new").args(words).arg("--out").arg(&project))?;
            succeed(self.plugin("build").arg(&project).arg("--out").arg(out))
        })
    }

    /// One folder for all that cargo builds of guests, outside of the checkout.
    fn plugin(&self, command: &str) -> Command {
        let mut program = Command::new(self.program);
        program.args(["plugin", command]).env("CARGO_TARGET_DIR", self.folder.join("target"));
        program
    }

    fn unless_built(&self, source: &Path, out: &Path, build: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = out.with_extension("sha256");
        let mut folders = vec![source.to_owned()];
        folders.extend(LIBRARIES.map(|library| self.root.join(library)));
        let wanted = fingerprint(&folders)?;
        if out.exists() && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            return Ok(());
        }
        build()?;
        std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
    }
}

/// Over names and contents of all files below folders.
fn fingerprint(folders: &[PathBuf]) -> Result<String> {
    let mut files = BTreeMap::new();
    for folder in folders {
        collect(folder, &mut files)?;
    }
    let mut hash = Sha256::new();
    for (path, bytes) in files {
        for part in [path.as_os_str().as_encoded_bytes(), &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    if path.file_name().is_some_and(|name| MADE.iter().any(|made| name == *made)) || !path.exists() {
        return Ok(());
    }
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("reading {}", path.display()))?;
        return entries.into_iter().try_for_each(|entry| collect(&entry?.path(), files));
    }
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    files.insert(path.to_owned(), bytes);
    Ok(())
}

/// In the order of their names; none of a folder that is not there.
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(vec![]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !MADE.contains(&name_of(&path).as_str()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn files_ending(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|have| have == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn copy(source: &Path, target: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    collect(source, &mut files)?;
    for (path, bytes) in files {
        let copied = target.join(path.strip_prefix(source)?);
        std::fs::create_dir_all(copied.parent().unwrap_or(target))?;
        std::fs::write(&copied, bytes).with_context(|| format!("writing {}", copied.display()))?;
    }
    Ok(())
}

fn stem_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_changes_with_contents_and_not_with_what_is_built() {
        let folder = std::env::temp_dir().join(format!("nyala-fingerprint-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("target")).unwrap();
        let of = || fingerprint(std::slice::from_ref(&folder)).unwrap();
        std::fs::write(folder.join("a"), "1").unwrap();
        let first = of();
        std::fs::write(folder.join("target/x"), "made").unwrap();
        assert_eq!(of(), first);
        std::fs::write(folder.join("a"), "2").unwrap();
        assert_ne!(of(), first);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
