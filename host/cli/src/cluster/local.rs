//! A cluster on this machine, to try one out: its nodes are processes, each with a folder, a log and a file with its number.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nyala_node::{Error, ErrorCode};
use rustix::process::Signal;

use super::arguments::StartArguments;
use super::plan::{Plan, PlannedNode, WAREHOUSE};
use super::process::Process;
use crate::exit::Failure;
use crate::terminal;

/// Nodes that do not take work by then have failed to start.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// A node that is told to stop drains for so long.
const DRAIN: Duration = Duration::from_secs(10);
/// And then has so much longer to end.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Lines of its log that are shown of a node that does not start.
const LAST_LINES: usize = 12;
/// Between two looks whether a log has grown.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Starts the nodes that do not run, and waits until all take work.
///
/// # Errors
/// `Usage` for a folder of another cluster; `Connection` when a node does not start.
pub fn start(arguments: &StartArguments) -> Result<(), Failure> {
    let cluster = LocalCluster::make(arguments)?;
    let stopped: Vec<usize> =
        (0..cluster.plan.nodes.len()).filter(|at| cluster.process(*at).is_none()).collect();
    let starting = stopped.iter().map(|at| cluster.spawn(*at)).collect::<Result<Vec<_>, _>>()?;
    cluster.wait(starting)?;
    for at in 0..cluster.plan.nodes.len() {
        terminal::tell(&cluster.line(at));
    }
    terminal::answer(&format!("nyala sql --connect {}", cluster.plan.addresses().join(",")));
    Ok(())
}

/// # Errors
/// `Usage` when there is no cluster in the folder.
pub fn stop(folder: &Path) -> Result<(), Failure> {
    let cluster = LocalCluster::open(folder)?;
    let running: Vec<(usize, Process)> =
        (0..cluster.plan.nodes.len()).filter_map(|at| Some((at, cluster.process(at)?))).collect();
    running.iter().for_each(|(_, process)| process.tell(Signal::TERM));
    let until = Instant::now() + DRAIN + STOP_WITHIN;
    for (at, process) in &running {
        let name = &cluster.plan.nodes[*at].name;
        if process.ends_within(until.saturating_duration_since(Instant::now())) {
            terminal::tell(&format!("{name} has stopped"));
        } else {
            process.tell(Signal::KILL);
            process.ends_within(STOP_WITHIN);
            terminal::tell(&format!("{name} did not stop in time and was ended"));
        }
        cluster.forget(*at);
    }
    if running.is_empty() {
        terminal::tell("no node runs");
    }
    Ok(())
}

/// # Errors
/// `Usage` when there is no cluster in the folder; `Reported` when not all of its nodes take work.
pub fn status(folder: &Path) -> Result<(), Failure> {
    let cluster = LocalCluster::open(folder)?;
    for at in 0..cluster.plan.nodes.len() {
        terminal::answer(&cluster.line(at));
    }
    let all_ready = cluster.plan.nodes.iter().all(|node| is_ready(&node.http));
    if all_ready { Ok(()) } else { Err(Failure::Reported) }
}

/// # Errors
/// `Usage` for a node that there is not, or that does not run.
pub fn kill(folder: &Path, number: u16) -> Result<(), Failure> {
    let cluster = LocalCluster::open(folder)?;
    let at = cluster.index(number)?;
    let name = &cluster.plan.nodes[at].name;
    let process = cluster.process(at).ok_or_else(|| Failure::usage(format!("{name} does not run")))?;
    process.tell(Signal::KILL);
    process.ends_within(STOP_WITHIN);
    cluster.forget(at);
    terminal::tell(&format!("{name} (process {}) was killed", process.pid()));
    Ok(())
}

/// # Errors
/// `Usage` for a node that there is not; `Connection` when it does not start.
pub fn restart(folder: &Path, number: u16) -> Result<(), Failure> {
    let cluster = LocalCluster::open(folder)?;
    let at = cluster.index(number)?;
    if let Some(process) = cluster.process(at) {
        process.tell(Signal::TERM);
        if !process.ends_within(DRAIN + STOP_WITHIN) {
            process.tell(Signal::KILL);
            process.ends_within(STOP_WITHIN);
        }
    }
    let starting = cluster.spawn(at)?;
    cluster.wait(vec![starting])?;
    terminal::tell(&cluster.line(at));
    Ok(())
}

/// # Errors
/// `Usage` for a node that there is not, or without a log.
pub fn logs(folder: &Path, number: u16, follow: bool) -> Result<(), Failure> {
    let cluster = LocalCluster::open(folder)?;
    let path = cluster.file(cluster.index(number)?, "log");
    let refused = |error: io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut file = File::open(&path).map_err(refused)?;
    let mut stdout = io::stdout().lock();
    loop {
        let copied = io::copy(&mut file, &mut stdout).and_then(|_| stdout.flush());
        copied.map_err(|error| crate::exit::write_failure("standard output", &error))?;
        if !follow {
            return Ok(());
        }
        thread::sleep(FOLLOW_EVERY);
    }
}

struct LocalCluster {
    folder: PathBuf,
    plan: Plan,
}

/// A node that has been started, and says a line when it takes work.
struct Starting {
    at: usize,
    process: Option<Process>,
    stdout: ChildStdout,
}

impl LocalCluster {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let plan = Plan::read(folder)?;
        let folder = folder.canonicalize().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self { folder, plan })
    }

    /// The one that is there, or a new one.
    fn make(arguments: &StartArguments) -> Result<Self, Failure> {
        let folder = &arguments.place.dir;
        if Plan::is_in(folder) {
            let cluster = Self::open(folder)?;
            cluster.plan.must_have(arguments.nodes, folder)?;
            return Ok(cluster);
        }
        let plan = Plan::of(arguments)?;
        plan.write(folder)?;
        let folder = folder.canonicalize().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Self { folder, plan })
    }

    fn index(&self, number: u16) -> Result<usize, Failure> {
        let count = self.plan.nodes.len();
        match usize::from(number) {
            number if (1..=count).contains(&number) => Ok(number - 1),
            number => Err(Failure::usage(format!("there is no node {number}: the cluster has {count}"))),
        }
    }

    /// `DIR/n1.END`
    fn file(&self, at: usize, end: &str) -> PathBuf {
        self.folder.join(format!("{}.{end}", self.plan.nodes[at].name))
    }

    fn process(&self, at: usize) -> Option<Process> {
        Process::read(&self.file(at, "pid"))
    }

    fn forget(&self, at: usize) {
        // A file that stays names a process that is gone, which is known by its start.
        let _ = fs::remove_file(self.file(at, "pid"));
    }

    /// Name, whether it takes work, number of the process, addresses.
    fn line(&self, at: usize) -> String {
        let PlannedNode { name, address, http } = &self.plan.nodes[at];
        let state = match self.process(at) {
            None => "stopped".to_owned(),
            Some(process) if is_ready(http) => format!("ready    process {}", process.pid()),
            Some(process) => format!("running  process {}", process.pid()),
        };
        format!("{name}  {address}  http://{http}  {state}")
    }

    fn command(&self, at: usize) -> Result<Command, Failure> {
        let node = &self.plan.nodes[at];
        let program = std::env::current_exe()
            .map_err(|error| Failure::usage(format!("this program does not know where it is: {error}")))?;
        let mut command = Command::new(program);
        command.arg("node").arg("--data").arg(self.folder.join(&node.name));
        command.arg("--warehouse").arg(self.folder.join(WAREHOUSE));
        command.args(["--name", &node.name, "--listen", &node.address, "--http", &node.http]);
        command.args(["--join", &self.plan.addresses().join(",")]);
        command.arg("--drain-timeout").arg(format!("{}s", DRAIN.as_secs()));
        if let Some(size) = &self.plan.memory_limit {
            command.args(["--memory-limit", size]);
        }
        if let Some(threads) = self.plan.threads {
            command.arg("--threads").arg(threads.to_string());
        }
        if self.plan.allow_faults {
            command.arg("--allow-faults");
        }
        Ok(command)
    }

    fn spawn(&self, at: usize) -> Result<Starting, Failure> {
        let log = self.file(at, "log");
        let refused = |error: io::Error| {
            let error = Error::new(ErrorCode::FileAccess, format!("cannot start a node: {error}"));
            Failure::Connection(error.with_hint(format!("its log would be {}", log.display())))
        };
        let file = File::options().create(true).append(true).open(&log).map_err(refused)?;
        let mut command = self.command(at)?;
        // In a group of its own: Ctrl-C at this terminal is not for it.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).process_group(0);
        let mut child = command.spawn().map_err(refused)?;
        let process = Process::of(child.id());
        if let Some(process) = process {
            process.write(&self.file(at, "pid")).map_err(refused)?;
        }
        let stdout = child.stdout.take().ok_or_else(|| refused(io::Error::other("it has no output")))?;
        Ok(Starting { at, process, stdout })
    }

    /// Until all have said that they take work.
    fn wait(&self, starting: Vec<Starting>) -> Result<(), Failure> {
        let (sender, lines) = channel();
        let count = starting.len();
        let processes: Vec<Option<Process>> = starting.iter().map(|node| node.process).collect();
        for node in starting {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut line = String::new();
                let read = BufReader::new(node.stdout).read_line(&mut line);
                // Nobody listens any more when another node has failed.
                let _ = sender.send((node.at, read.is_ok_and(|bytes| bytes > 0)));
            });
        }
        let outcome = self.all_ready(&lines, count);
        if outcome.is_err() {
            // Half a cluster is of no use to who asked for all of it.
            processes.into_iter().flatten().for_each(|process| process.tell(Signal::TERM));
        }
        outcome
    }

    fn all_ready(&self, lines: &Receiver<(usize, bool)>, count: usize) -> Result<(), Failure> {
        let until = Instant::now() + READY_WITHIN;
        for _ in 0..count {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((_, true)) => {}
                Ok((at, false)) => return Err(self.not_started(at, "has ended before it took work")),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let seconds = READY_WITHIN.as_secs();
                    let message = format!("not all nodes take work after {seconds} s");
                    let error = Error::new(ErrorCode::Connection, message);
                    return Err(Failure::Connection(
                        error.with_hint(format!("logs are in {}", self.folder.display())),
                    ));
                }
            }
        }
        Ok(())
    }

    fn not_started(&self, at: usize, why: &str) -> Failure {
        let log = self.file(at, "log");
        let last = last_lines(&log).unwrap_or_default();
        let name = &self.plan.nodes[at].name;
        let error = Error::new(ErrorCode::Connection, format!("node {name} {why}:\n{last}"));
        Failure::Connection(error.with_hint(format!("all of its log is in {}", log.display())))
    }
}

/// Whether the node at an HTTP address takes work.
fn is_ready(http: &str) -> bool {
    const WITHIN: Duration = Duration::from_secs(2);
    let ask = || -> io::Result<bool> {
        let address = http.parse().map_err(io::Error::other)?;
        let mut stream = TcpStream::connect_timeout(&address, WITHIN)?;
        stream.set_read_timeout(Some(WITHIN))?;
        write!(stream, "GET /ready HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(line.split_whitespace().nth(1) == Some("200"))
    };
    ask().unwrap_or(false)
}

fn last_lines(log: &Path) -> io::Result<String> {
    const BYTES: u64 = 8 << 10;
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
}
