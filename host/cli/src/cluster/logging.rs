//! What a node tells of itself, on standard error.

use std::io::IsTerminal;

use nyala_node::{Error, ErrorCode};
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use crate::exit::Failure;
use crate::terminal;

/// What is logged.
const VARIABLE: &str = "NYALA_LOG";
const LEVEL: &str = "info";
/// Before what is said, which may take it back. openraft tells of each try to reach a node that is down, twice a second;
/// what matters of that, we tell.
const QUIET: &str = "openraft=off";

/// From here on lines have a time, a level, and fields such as `query`.
///
/// # Errors
/// `Usage` for a filter that cannot be read.
pub fn start(format: LogFormat) -> Result<(), Failure> {
    let said = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
    let said = said.as_deref().unwrap_or(LEVEL);
    let filter = EnvFilter::try_new(format!("{QUIET},{said}")).map_err(|error| {
        let error = Error::new(ErrorCode::InvalidParameter, format!("{VARIABLE} is '{said}': {error}"));
        Failure::Usage(error.with_hint("it takes levels such as info, or info,nyala_cluster=debug"))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whoever has set up logging before, in tests, keeps it.
    let _ = match format {
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal() && terminal::colours_wanted();
            lines.with_ansi(colours).with_target(false).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).try_init(),
    };
    Ok(())
}
