//! Compiling in a process of its own, whose time and memory are limited.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nyala_schema::{Error, ErrorCode, Result};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::{ArtefactKind, Key};
use crate::engine::EngineKind;

/// The hidden subcommand.
const SUBCOMMAND: &str = "compile-module";
const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Over all threads.
const CPU_SECONDS_MAX: u64 = 60;
/// Longer, since the machine may be busy.
const WALL_TIME_MAX: Duration = Duration::from_secs(180);
const THREADS_MAX: &str = "4";

/// First byte of an answer.
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;

/// Compiles by `PROGRAM compile-module`.
pub(super) fn compile(program: &Path, key: &Key, bytes: &[u8]) -> Result<Vec<u8>> {
    let unusable = |error: std::io::Error| {
        Error::internal(format!("the compiler \"{}\" cannot be run: {error}", program.display()))
    };
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .env("RAYON_NUM_THREADS", THREADS_MAX)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(unusable)?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Error::internal("the compiler has no input or output"));
    };
    // A child that died early does not read: what it says or how it ended is reported below.
    let _ = stdin.write_all(&request(key)).and_then(|()| stdin.write_all(bytes));
    drop(stdin);
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = stdout.read_to_end(&mut answer).map(|_| answer);
        let _ = sender.send(read);
    });
    let answer = receiver.recv_timeout(WALL_TIME_MAX);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(unusable)?;
    let _ = reader.join();
    let answer = answer.ok().and_then(|read| read.ok()).unwrap_or_default();
    match answer.split_first() {
        Some((&COMPILED, code)) if status.success() => Ok(code.to_vec()),
        Some((&REFUSED, message)) => {
            Err(Error::new(ErrorCode::InvalidModule, String::from_utf8_lossy(message).into_owned()))
        }
        _ => Err(Error::new(
            ErrorCode::InvalidModule,
            format!(
                "the module could not be compiled within {CPU_SECONDS_MAX} s and {} MiB ({status})",
                MEMORY_BYTES_MAX >> 20
            ),
        )
        .with_hint("make it smaller: leave out what is not used, and split large functions")),
    }
}

/// Everything that comes before the bytes: engine, length of the import's name plus one or 0, name, whether a component.
fn request(key: &Key) -> Vec<u8> {
    let mut request = vec![key.engine.to_byte()];
    match &key.kind {
        ArtefactKind::Module => request.push(0),
        ArtefactKind::Component { unsafe_intrinsics: None } => request.push(1),
        ArtefactKind::Component { unsafe_intrinsics: Some(name) } => {
            request.push(2);
            request.extend_from_slice(&(name.len() as u32).to_le_bytes());
            request.extend_from_slice(name.as_bytes());
        }
    }
    request
}

fn parse(request: &[u8]) -> Option<(EngineKind, ArtefactKind, &[u8])> {
    let (&engine, rest) = request.split_first()?;
    let (&kind, rest) = rest.split_first()?;
    let engine = EngineKind::from_byte(engine)?;
    match kind {
        0 => Some((engine, ArtefactKind::Module, rest)),
        1 => Some((engine, ArtefactKind::Component { unsafe_intrinsics: None }, rest)),
        2 => {
            let (length, rest) = rest.split_first_chunk()?;
            let (name, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let name = std::str::from_utf8(name).ok()?.to_owned();
            Some((engine, ArtefactKind::Component { unsafe_intrinsics: Some(name) }, rest))
        }
        _ => None,
    }
}

/// The body of the hidden subcommand `compile-module`: a request on standard input, the answer on standard output.
pub fn compile_child() -> ExitCode {
    let (status, body) = match answer() {
        Ok(code) => (COMPILED, code),
        Err(error) => (REFUSED, error.message().as_bytes().to_vec()),
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&[status]).and_then(|()| stdout.write_all(&body)).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer() -> Result<Vec<u8>> {
    // Data, not address space: threads reserve much of the latter that they never use.
    for (resource, limit) in
        [(Resource::Data, MEMORY_BYTES_MAX), (Resource::Cpu, CPU_SECONDS_MAX), (Resource::Core, 0)]
    {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })
            .map_err(|error| Error::internal(format!("the compiler cannot limit itself: {error}")))?;
    }
    let mut request = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut request)
        .map_err(|error| Error::internal(format!("no request to compile: {error}")))?;
    let (engine, kind, bytes) =
        parse(&request).ok_or_else(|| Error::internal("what was asked of the compiler is no request"))?;
    super::compile(engine, &kind, bytes)
}
