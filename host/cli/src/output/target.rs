//! Where results go: standard output, a pager before it, or a file that appears when it is whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nyala_node::{Error, ErrorCode};
use tempfile::NamedTempFile;

use super::Pager;
use crate::exit::{Failure, write_failure};
use crate::terminal;

pub struct Output {
    target: Target,
    /// Present while a result is shown that may be paged.
    pager: Option<Pager>,
    results: u64,
}

enum Target {
    Stdout,
    File(OutputFile),
}

/// Written beside its place, under another name, and renamed at the end.
struct OutputFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    pub fn stdout() -> Self {
        Self { target: Target::Stdout, pager: None, results: 0 }
    }

    /// # Errors
    /// `Usage` when no file can be made there.
    pub fn file(path: &Path) -> Result<Self, Failure> {
        let refused = |error: &dyn std::fmt::Display| {
            Failure::Usage(Error::new(
                ErrorCode::FileAccess,
                format!("cannot write {}: {error}", path.display()),
            ))
        };
        if path.is_dir() {
            return Err(refused(&"it is a directory"));
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = new_file(directory).map_err(|error| refused(&error))?;
        let target = Target::File(OutputFile { path: path.to_owned(), file });
        Ok(Self { target, pager: None, results: 0 })
    }

    pub fn is_terminal(&self) -> bool {
        match self.target {
            Target::Stdout => terminal::stdout_is_terminal(),
            Target::File(_) => false,
        }
    }

    /// A result begins. One that is `binary` cannot go to a terminal or follow another.
    ///
    /// # Errors
    /// `InvalidParameter` with what to do instead.
    pub fn begin(&mut self, binary: bool, paged: bool) -> Result<(), Failure> {
        let refuse = |message: &str, hint: &str| {
            Err(Failure::Sql(Error::new(ErrorCode::InvalidParameter, message).with_hint(hint)))
        };
        if binary && self.is_terminal() {
            return refuse(
                "this format is not for a terminal",
                "give --output FILE (in the shell: \\o FILE)",
            );
        }
        if binary && self.results > 0 {
            return refuse("a file of this format holds one result", "run one query for each file");
        }
        self.results += 1;
        self.pager = (paged && self.is_terminal()).then(Pager::new);
        Ok(())
    }

    /// # Errors
    /// `PipeClosed` when the reader, or the person at the pager, has left.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match (&mut self.pager, &mut self.target) {
            (Some(pager), _) => pager.write(bytes),
            (None, Target::Stdout) => io::stdout().lock().write_all(bytes),
            (None, Target::File(output)) => output.file.write_all(bytes),
        };
        written.map_err(|error| write_failure(&self.name(), &error))
    }

    /// The result has ended, well or not: shows what is held back and waits for the pager.
    pub fn end(&mut self) -> Result<(), Failure> {
        let ended = match (self.pager.take(), &self.target) {
            (Some(pager), _) => pager.finish(),
            (None, Target::Stdout) => io::stdout().lock().flush(),
            (None, Target::File(_)) => Ok(()),
        };
        ended.map_err(|error| write_failure(&self.name(), &error))
    }

    /// Whether the result at hand is being shown in a pager, which may be left before its end.
    pub fn is_paged(&self) -> bool {
        self.pager.is_some()
    }

    /// Gives the file its name; without this nothing of it is left.
    ///
    /// # Errors
    /// When the file cannot be completed or renamed.
    pub fn commit(self) -> Result<(), Failure> {
        let Target::File(OutputFile { path, mut file }) = self.target else { return Ok(()) };
        let name = path.display().to_string();
        file.flush().map_err(|error| write_failure(&name, &error))?;
        file.persist(&path).map_err(|error| write_failure(&name, &error.error))?;
        Ok(())
    }

    fn name(&self) -> String {
        match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(output) => output.path.display().to_string(),
        }
    }
}

/// A new file with the permissions that the user's files have.
fn new_file(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".nyala-").suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let mut output = Output::file(&path).unwrap();
        output.begin(false, true).unwrap();
        output.write(b"a\n").unwrap();
        output.end().unwrap();
        assert!(!path.exists());
        output.commit().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a\n");
        assert_eq!(files(directory.path()), ["out.csv"]);
    }

    #[test]
    fn nothing_is_left_without_commit() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = Output::file(&directory.path().join("out.csv")).unwrap();
        output.write(b"a\n").unwrap();
        drop(output);
        assert!(files(directory.path()).is_empty());
    }

    #[test]
    fn places_that_cannot_be_written_are_usage_errors() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing/out.csv");
        assert_eq!(Output::file(&missing).err().unwrap().status(), 1);
        assert_eq!(Output::file(directory.path()).err().unwrap().status(), 1);
    }

    #[test]
    fn a_binary_file_holds_one_result() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = Output::file(&directory.path().join("out.arrow")).unwrap();
        output.begin(true, false).unwrap();
        assert_eq!(output.begin(true, false).unwrap_err().status(), 3);
    }
}
