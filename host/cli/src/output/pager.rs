//! Shows what is taller than the screen in the user's pager.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use crate::terminal;

const PAGER_DEFAULT: &str = "less -SRFX";
/// Lines of the screen that are left for the prompt and the line that tells of rows and time.
const ROWS_RESERVED: usize = 3;

/// Holds output back until it is known whether it fits the screen.
pub struct Pager {
    held: Vec<u8>,
    lines: usize,
    lines_max: usize,
    child: Option<Child>,
}

impl Pager {
    pub fn new() -> Self {
        Self { held: vec![], lines: 0, lines_max: Self::paged_from(), child: None }
    }

    /// Output of this many lines is paged.
    pub fn paged_from() -> usize {
        terminal::size().rows.saturating_sub(ROWS_RESERVED).max(1)
    }

    /// # Errors
    /// `BrokenPipe` when the person has left the pager.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(input) = self.child.as_mut().and_then(|child| child.stdin.as_mut()) {
            return input.write_all(bytes);
        }
        self.held.extend_from_slice(bytes);
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        if self.lines < self.lines_max {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        match start() {
            Ok(mut child) => {
                let written = child.stdin.as_mut().map_or(Ok(()), |input| input.write_all(&held));
                self.child = Some(child);
                written
            }
            // Without a pager all goes straight to the screen.
            Err(_) => {
                self.lines_max = usize::MAX;
                io::stdout().lock().write_all(&held)
            }
        }
    }

    /// Prints what was held back, or waits until the person has left the pager.
    pub fn finish(mut self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&self.held)?;
        stdout.flush()?;
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            child.wait()?;
        }
        Ok(())
    }
}

/// The user's pager, by a shell since it may have arguments. A variable that is set to nothing means none.
fn start() -> io::Result<Child> {
    let chosen = ["NYALA_PAGER", "PAGER"].into_iter().find_map(|name| std::env::var(name).ok());
    let command = chosen.unwrap_or_else(|| PAGER_DEFAULT.to_owned());
    let program = command.split_whitespace().next().unwrap_or_default();
    if !is_installed(program) {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    Command::new("sh").arg("-c").arg(&command).stdin(Stdio::piped()).spawn()
}

fn is_installed(program: &str) -> bool {
    if program.is_empty() {
        return false;
    }
    if program.contains('/') {
        return std::path::Path::new(program).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
