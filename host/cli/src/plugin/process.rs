//! Running other programs: compilers, package managers.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nyala_node::{Error, ErrorCode};

use crate::exit::Failure;
use crate::terminal;

/// How often a program with a time limit is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What the program was asked to do, for people.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command, error: &io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    let message = format!("cannot run {program}: {error}");
    Failure::Usage(Error::new(ErrorCode::FileAccess, message).with_hint("is it installed and on the PATH?"))
}

/// Runs it with all that it prints on our standard error, as it is.
///
/// # Errors
/// `PluginFailed` when it fails, after saying so.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    terminal::tell(&format!("error: `{}` failed ({status})", line(command)));
    Err(Failure::PluginFailed)
}

/// As [`run`], but gives what it prints on standard output.
pub fn run_for_output(command: &mut Command) -> Result<String, Failure> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let child = child.map_err(|error| cannot_start(command, &error))?;
    let output = child.wait_with_output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    terminal::tell(&format!("error: `{}` failed ({})", line(command), output.status));
    Err(Failure::PluginFailed)
}

/// What it prints, trimmed; nothing when it is not there or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Whether it succeeds within a time; it is ended then.
pub fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command.stdin(Stdio::null()).stdout(io::stderr()).spawn() else { return false };
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if started.elapsed() < limit => std::thread::sleep(POLL),
            Ok(None) | Err(_) => {
                // One that ended just now cannot be ended again, which is as well.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_failure_are_told_apart() {
        assert_eq!(run_for_output(&mut shell("echo yes")).unwrap(), "yes\n");
        assert!(matches!(run(&mut shell("exit 3")), Err(Failure::PluginFailed)));
        assert!(matches!(run(&mut Command::new("no-such-compiler")), Err(Failure::Usage(_))));
        assert_eq!(ask(&mut shell("echo ' a '")), Some("a".to_owned()));
        assert_eq!(ask(&mut shell("echo a; exit 1")), None);
    }

    #[test]
    fn what_hangs_is_ended() {
        assert!(!succeeds_within(&mut shell("exec sleep 1000"), Duration::from_millis(1)));
        assert!(succeeds_within(&mut shell("true"), Duration::from_secs(1000)));
    }
}
