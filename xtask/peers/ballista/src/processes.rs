//! The scheduler and the executors as processes, which end with this one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub const HOST: &str = "127.0.0.1";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Processes {
    /// The scheduler's port.
    pub scheduler: u16,
    /// Held for their inputs: see `end_with_parent`.
    _children: Vec<Child>,
}

impl Processes {
    /// Returns when all executors have registered.
    pub fn start(folder: &Path, executors: usize, cores: usize) -> Result<Self> {
        let mut first = start(&["scheduler", &executors.to_string()], Stdio::piped())?;
        let mut told = String::new();
        BufReader::new(first.stdout.take().context("a child has an output")?).read_line(&mut told)?;
        let scheduler: u16 = told.trim().parse().context("the scheduler tells no port")?;
        let mut children = vec![first];
        let mut ports = free_ports();
        for number in 0..executors {
            let folder = folder.join(format!("executor-{number}"));
            std::fs::create_dir_all(&folder)?;
            let folder = folder.to_str().context("the work folder's path is not text")?;
            let mut port = || ports.next().map(|port| port.to_string()).context("no port is free");
            let numbers = [scheduler.to_string(), cores.to_string(), port()?, port()?];
            let [scheduler, cores, port, grpc_port] = &numbers;
            children.push(start(&["executor", scheduler, cores, port, grpc_port, folder], Stdio::null())?);
        }
        let begin = Instant::now();
        while !is_ready(scheduler).unwrap_or(false) {
            if begin.elapsed() > PATIENCE {
                bail!("the executors do not register within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(Self { scheduler, _children: children })
    }
}

/// Below those that the system gives to outgoing connections, which could take them before they are bound again.
fn free_ports() -> impl Iterator<Item = u16> {
    (21_000..32_000).filter(|port| TcpListener::bind((HOST, *port)).is_ok())
}

fn start(arguments: &[&str], output: Stdio) -> Result<Child> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(output);
    command.spawn().with_context(|| format!("starting {}", arguments[0]))
}

/// The scheduler's probe is answered by 200 once it has its executors.
fn is_ready(scheduler: u16) -> Result<bool> {
    let mut stream = TcpStream::connect((HOST, scheduler))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// Our input ends when the process that started us does, however that ends.
pub fn end_with_parent() {
    std::thread::spawn(|| {
        let mut nothing = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut nothing);
        std::process::exit(0);
    });
}
