//! A process that was started before, known by a file: its number, and when it began, since numbers are used again.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks whether it has ended: nobody tells who is not its parent.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    /// Clock ticks from the start of the system to that of the process.
    started: u64,
}

impl Process {
    /// One that runs now.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)? })
    }

    /// That of the file, if it still runs.
    pub fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        let process = Self { pid: pid.parse().ok()?, started: began.parse().ok()? };
        process.runs().then_some(process)
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write(self, file: &Path) -> io::Result<()> {
        fs::write(file, format!("{} {}\n", self.pid, self.started))
    }

    pub fn pid(self) -> u32 {
        self.pid
    }

    /// Another process that has got the number since is not taken for this one.
    pub fn runs(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    pub fn tell(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let (true, Some(pid)) = (self.runs(), pid) {
            // One that has ended meanwhile is as wanted.
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it has ended within a time.
    pub fn ends_within(self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.runs() {
            if Instant::now() > until {
                return false;
            }
            sleep(LOOK_EVERY);
        }
        true
    }
}

/// The 22nd field of `/proc/PID/stat`; none for a process that has ended and waits for its parent.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, in parentheses, may hold blanks.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_same_process_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.pid");
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        process.write(&file).unwrap();
        assert_eq!(Process::read(&file), Some(process));
        let other = Process { started: process.started + 1, ..process };
        assert!(!other.runs());
        other.tell(Signal::KILL);
        assert!(process.runs());
        process.tell(Signal::KILL);
        assert!(process.ends_within(Duration::from_secs(10)));
        child.wait().unwrap();
        assert_eq!(Process::read(&file), None);
        fs::write(&file, "not a number\n").unwrap();
        assert_eq!(Process::read(&file), None);
    }
}
