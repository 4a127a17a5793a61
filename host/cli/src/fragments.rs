//! The table of a running query's fragments, under its bar.

use std::time::Duration;

use nyala_schema::client::{FragmentProgress, StatementProgress};
use nyala_schema::option::format_bytes;

use crate::progress::grouped;
use crate::terminal::Size;

/// Queries that are over sooner have no table.
pub const DELAY: Duration = Duration::from_secs(1);
/// Rates are over about so long.
const RATE_OVER: Duration = Duration::from_secs(2);
/// Lines of the screen that the table leaves free.
const LINES_LEFT: usize = 4;

const HEADINGS: [&str; 7] = ["fragment", "instances", "rows", "rows/s", "memory", "spilled", "sent"];

/// Remembers how many rows each fragment had given, for rates.
#[derive(Default)]
pub struct FragmentTable {
    seen: Vec<Rate>,
}

#[derive(Default, Clone)]
struct Rate {
    rows: u64,
    at: Duration,
    per_second: f64,
}

impl FragmentTable {
    /// Lines to show `elapsed` after the start; none where they do not fit on the screen.
    pub fn lines(&mut self, progress: &StatementProgress, elapsed: Duration, screen: Size) -> Vec<String> {
        let fragments = &progress.fragments;
        self.seen.resize(fragments.len(), Rate::default());
        for (rate, fragment) in self.seen.iter_mut().zip(fragments) {
            rate.note(fragment.rows, elapsed);
        }
        if elapsed < DELAY || fragments.len() < 2 || fragments.len() + 1 + LINES_LEFT > screen.rows {
            return Vec::new();
        }
        let cells: Vec<[String; 7]> =
            fragments.iter().zip(&self.seen).map(|(fragment, rate)| row(fragment, rate)).collect();
        let widths: Vec<usize> = (0..HEADINGS.len())
            .map(|at| {
                cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0).max(HEADINGS[at].len())
            })
            .collect();
        if widths.iter().sum::<usize>() + 2 * (widths.len() - 1) > screen.columns {
            return Vec::new();
        }
        let heading = HEADINGS.map(str::to_owned);
        std::iter::once(&heading).chain(&cells).map(|row| line(row, &widths)).collect()
    }
}

impl Rate {
    /// Old rates fade, so that the number can be read.
    fn note(&mut self, rows: u64, at: Duration) {
        let past = at.saturating_sub(self.at).as_secs_f64();
        if past <= 0.0 {
            return;
        }
        let now = rows.saturating_sub(self.rows) as f64 / past;
        let weight = (past / RATE_OVER.as_secs_f64()).min(1.0);
        self.per_second =
            if self.at.is_zero() { now } else { self.per_second + (now - self.per_second) * weight };
        (self.rows, self.at) = (rows, at);
    }
}

fn row(fragment: &FragmentProgress, rate: &Rate) -> [String; 7] {
    [
        fragment.fragment.to_string(),
        format!("{}/{}", fragment.instances_done, fragment.instances),
        grouped(fragment.rows),
        grouped(rate.per_second as u64),
        format_bytes(fragment.memory_bytes),
        format_bytes(fragment.spilled_bytes),
        format_bytes(fragment.sent_bytes),
    ]
}

/// The first column to the left, numbers to the right.
fn line(cells: &[String; 7], widths: &[usize]) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(
            |(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") },
        )
        .collect();
    padded.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(rows: u64) -> StatementProgress {
        let fragment = |number: u32| FragmentProgress {
            fragment: number,
            instances: 3,
            instances_done: number,
            rows: rows * u64::from(number + 1),
            memory_bytes: 3 << 20,
            sent_bytes: 1 << 30,
            ..FragmentProgress::default()
        };
        StatementProgress { fragments: vec![fragment(0), fragment(1)], ..StatementProgress::default() }
    }

    #[test]
    fn a_table_with_rates() {
        let screen = Size { columns: 80, rows: 24 };
        let mut table = FragmentTable::default();
        let seconds = Duration::from_secs;
        assert!(table.lines(&progress(10), Duration::from_millis(500), screen).is_empty(), "too early");
        table.lines(&progress(1000), seconds(1), screen);
        let lines = table.lines(&progress(5_000), seconds(5), screen);
        assert_eq!(
            lines,
            [
                "fragment  instances    rows  rows/s   memory  spilled     sent",
                "0               0/3   5,000   1,000  3.0 MiB      0 B  1.0 GiB",
                "1               1/3  10,000   2,000  3.0 MiB      0 B  1.0 GiB",
            ]
        );
    }

    #[test]
    fn small_screens_and_whole_queries_have_none() {
        let mut table = FragmentTable::default();
        let late = Duration::from_secs(9);
        assert!(table.lines(&progress(1), late, Size { columns: 40, rows: 24 }).is_empty());
        assert!(table.lines(&progress(1), late, Size { columns: 80, rows: 6 }).is_empty());
        let mut whole = progress(1);
        whole.fragments.truncate(1);
        assert!(table.lines(&whole, late, Size { columns: 80, rows: 24 }).is_empty());
    }
}
