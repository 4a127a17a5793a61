//! Ctrl-C while a query spins inside a function that never returns.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Bench;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;

const ROUNDS: usize = 5;

/// Long enough to be within the function, and less than the time that a batch may take.
const UNTIL_IT_SPINS: Duration = Duration::from_secs(2);

const SPIN: &str = "CREATE FUNCTION spin (a BIGINT) RETURNS BIGINT LANGUAGE wat VOLATILE STRICT AS $$
(module (func (export \"spin\") (param i64) (result i64) (loop $again (br $again)) (unreachable)))
$$";

/// The exit status of an interrupted program.
const INTERRUPTED: i32 = 130;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let times = (0..ROUNDS).map(|_| once(bench)).collect::<Result<Vec<f64>>>()?;
    let longest = times.iter().copied().fold(0.0, f64::max);
    Ok(vec![Figure {
        what: "from Ctrl-C to the end of a process that spins in a guest".into(),
        measured: median(&times),
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(50.0),
        of: format!("{longest:.1} ms the longest of {ROUNDS}"),
    }])
}

/// Milliseconds from the signal to the end of the process, which is later than the message.
fn once(bench: &Bench) -> Result<f64> {
    let mut command = Command::new(&bench.program);
    command.args([
        "--quiet",
        "-c",
        SPIN,
        "-c",
        "SELECT sum(spin(value)) FROM generate_series(1, 100000) AS g(value)",
    ]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    std::thread::sleep(UNTIL_IT_SPINS);
    if child.try_wait()?.is_some() {
        let output = child.wait_with_output()?;
        bail!("the query ended by itself: {}", String::from_utf8_lossy(&output.stderr));
    }
    let started = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT)?;
    let output = child.wait_with_output()?;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    if output.status.code() != Some(INTERRUPTED) {
        bail!("interrupted, it ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(ms)
}
