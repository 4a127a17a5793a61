//! How far a running query is, on standard error, when it takes long enough to wonder.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nyala_schema::client::StatementProgress;
use nyala_schema::option::format_bytes;

use crate::fragments::FragmentTable;
use crate::running::Running;
use crate::terminal;

/// Shorter queries show nothing.
const DELAY: Duration = Duration::from_millis(300);
/// How often to look.
pub const INTERVAL: Duration = Duration::from_millis(100);

const STEPS: u64 = 1000;

const BAR: &str = "{percent:>3}% {bar:20} {elapsed}  {wide_msg}";
const BAR_AND_TABLE: &str = "{percent:>3}% {bar:20} {elapsed}  {wide_msg}\n{prefix}";

/// A bar, and under it a table of fragments. Drawn after a while, removed by [`clear`](Self::clear) or when dropped. Standard error that is no terminal gets
/// nothing.
pub struct ProgressLine {
    started: Instant,
    wanted: bool,
    bar: Option<ProgressBar>,
    table: FragmentTable,
    has_table: bool,
}

impl ProgressLine {
    pub fn new() -> Self {
        let wanted = terminal::stderr_is_terminal();
        Self { started: Instant::now(), wanted, bar: None, table: FragmentTable::default(), has_table: false }
    }

    pub fn update(&mut self, progress: &StatementProgress) {
        if !self.wanted || self.started.elapsed() < DELAY {
            return;
        }
        let bar = self.bar.get_or_insert_with(query_bar);
        bar.set_position((progress.fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
        bar.set_message(format!(
            "{} rows, {} read, {} of memory",
            grouped(progress.rows_scanned),
            format_bytes(progress.bytes_read),
            format_bytes(progress.memory_bytes),
        ));
        let lines = self.table.lines(progress, self.started.elapsed(), terminal::size());
        if lines.is_empty() == self.has_table {
            self.has_table = !lines.is_empty();
            bar.set_style(style(if self.has_table { BAR_AND_TABLE } else { BAR }));
        }
        bar.set_prefix(lines.join("\n"));
    }

    /// Takes the line away and shows none again: output follows.
    pub fn clear(&mut self) {
        self.wanted = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Does what blocks, and shows meanwhile how far the query is that runs for it.
pub fn shown<T>(running: &Running, work: impl FnOnce() -> T) -> T {
    if !terminal::stderr_is_terminal() {
        return work();
    }
    let (working, done) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut line = ProgressLine::new();
            while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(INTERVAL) {
                if let Some(progress) = running.progress() {
                    line.update(&progress);
                }
            }
        });
        let result = work();
        drop(working);
        result
    })
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn query_bar() -> ProgressBar {
    bar(STEPS, BAR)
}

/// A bar on standard error; nothing when that is no terminal.
pub fn bar(steps: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    bar.set_style(style(template));
    bar
}

/// The templates are literals of this program; a bad one still shows a bar, in the default style.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts: Vec<String> = [0, 999, 1000, 1_234_567].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
    }
}
