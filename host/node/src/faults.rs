//! What tests have go wrong on purpose: `SET fault = 'name[:argument]'`, where the configuration allows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nyala_pipeline::guest::Supervised;
use nyala_schema::option::Options;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::Scanner;
use nyala_storage::scanner::{Morsel, MorselReader};

use crate::engine::Engine;
use crate::session::Session;

pub const OPTION: &str = "fault";

/// The longest that a scan is slowed down by, per morsel.
const SLOW_MAX: Duration = Duration::from_secs(300);
/// How often a scan that is slowed down looks whether its query still wants it.
const SLOW_LOOK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Code of ours that runs a query panics.
    PanicInWorker,
    /// A commit is made, and the process ends before anybody is told.
    KillNodeAfterCommit,
    /// Each morsel takes so much longer.
    SlowScan(Duration),
    /// The connections with all other nodes end when a statement begins.
    DropConnection,
}

const NAMES: [&str; 4] =
    ["panic_in_worker", "kill_node_after_commit_before_answer", "slow_scan:50ms", "drop_connection"];

fn parse(text: &str) -> Result<Option<Fault>> {
    let (name, argument) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
    Ok(Some(match (name, argument) {
        ("", None) => return Ok(None),
        ("panic_in_worker", None) => Fault::PanicInWorker,
        ("kill_node_after_commit_before_answer", None) => Fault::KillNodeAfterCommit,
        ("slow_scan", Some(time)) => Fault::SlowScan(milliseconds(time).ok_or_else(|| {
            let message = format!("a scan cannot be slowed down by '{time}'");
            let hint =
                format!("write milliseconds, at most {}, such as slow_scan:50ms", SLOW_MAX.as_millis());
            Error::new(ErrorCode::InvalidParameter, message).with_hint(hint)
        })?),
        ("drop_connection", None) => Fault::DropConnection,
        _ => {
            let error = Error::new(ErrorCode::InvalidParameter, format!("there is no fault '{text}'"));
            let near = nyala_frontend::nearest(name, NAMES.iter().map(|name| bare(name)));
            return Err(match near {
                Some(near) => error.with_hint(format!("did you mean {near}?")),
                None => error.with_hint(format!("faults are {}", NAMES.join(", "))),
            });
        }
    }))
}

fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

fn milliseconds(text: &str) -> Option<Duration> {
    let number: u64 = text.strip_suffix("ms")?.trim().parse().ok()?;
    Some(Duration::from_millis(number)).filter(|time| *time <= SLOW_MAX)
}

/// Whether a session may have this go wrong.
///
/// # Errors
/// `Unsupported` where faults are not allowed; `InvalidParameter`.
pub fn check(engine: &Engine, text: &str) -> Result<()> {
    if parse(text)?.is_some() && !engine.allow_faults {
        return Err(Error::unsupported("faults are not allowed here")
            .with_hint("start the engine or node with --allow-faults, which is for tests only"));
    }
    Ok(())
}

/// Before a statement.
///
/// # Errors
/// None for options that were checked.
pub fn before(session: &Session) -> Result<()> {
    match parse(&session.options.fault)? {
        Some(Fault::DropConnection) => {
            session.engine.drop_connections();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// After a commit that nobody has been told of yet.
///
/// # Errors
/// None for options that were checked.
pub fn after_commit(session: &Session) -> Result<()> {
    match parse(&session.options.fault)? {
        Some(Fault::KillNodeAfterCommit) => std::process::abort(),
        _ => Ok(()),
    }
}

/// A scan with what is to go wrong in it; faults come only from nodes that allow them.
///
/// # Errors
/// None for options that were checked.
pub fn scanner(inner: Box<dyn Scanner>, options: &Options) -> Result<Box<dyn Scanner>> {
    Ok(match parse(&options.fault)? {
        Some(fault @ (Fault::PanicInWorker | Fault::SlowScan(_))) => {
            Box::new(FaultyScanner { inner, fault, has_panicked: AtomicBool::new(false) })
        }
        _ => inner,
    })
}

struct FaultyScanner {
    inner: Box<dyn Scanner>,
    fault: Fault,
    has_panicked: AtomicBool,
}

impl Scanner for FaultyScanner {
    fn morsels(&self) -> &[Morsel] {
        self.inner.morsels()
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        self.inner.may_contain(morsel, column, min, max)
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        match self.fault {
            Fault::SlowScan(time) => sleep(time),
            Fault::PanicInWorker if !self.has_panicked.swap(true, Ordering::Relaxed) => {
                panic!("SET fault = 'panic_in_worker'")
            }
            _ => {}
        }
        self.inner.read(morsel)
    }

    fn bytes_read(&self) -> u64 {
        self.inner.bytes_read()
    }
}

/// Until the time is over, or the query that this thread works for.
fn sleep(time: Duration) {
    let query = Supervised::current();
    let end = Instant::now() + time;
    while query.as_ref().is_none_or(|query| !query.is_cancelled()) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(SLOW_LOOK));
    }
}
