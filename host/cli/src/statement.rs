//! One statement: run it, show its rows, tell what it took.

use std::time::{Duration, Instant};

use nyala_node::Result as EngineResult;
use nyala_schema::client::StatementSummary;
use nyala_schema::option::format_bytes;

use crate::answer::{Answer, Rows};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Layout, Output, Pager};
use crate::progress::{self, ProgressLine, grouped};
use crate::settings::Settings;
use crate::terminal;

/// Runs statements one after the other into one output.
pub struct Runner {
    pub client: Client,
    pub settings: Settings,
    pub output: Output,
    /// A person waits at the keyboard: results may be paged.
    pub interactive: bool,
    /// The statement that `\e` edits.
    pub last: String,
    /// How deep `\i` files are in each other.
    pub includes: usize,
}

impl Runner {
    pub fn new(client: Client, settings: Settings, output: Output, interactive: bool) -> Self {
        Self { client, settings, output, interactive, last: String::new(), includes: 0 }
    }

    /// # Errors
    /// Those of the statement and of writing its result; nothing has been printed about them.
    pub fn run(&mut self, sql: &str) -> Result<(), Failure> {
        let started = Instant::now();
        sql.clone_into(&mut self.last);
        match self.client.execute(sql)? {
            Answer::Rows(stream) => self.show(stream, started),
            Answer::Done(tag) => {
                if !self.settings.quiet {
                    terminal::tell(&tag);
                }
                if self.settings.timing {
                    terminal::tell(&format!("Time: {}", duration(started.elapsed())));
                }
                Ok(())
            }
        }
    }

    fn show(&mut self, mut stream: Rows, started: Instant) -> Result<(), Failure> {
        let format = self.settings.format;
        let mut encoder = format.encoder(stream.schema(), &self.layout())?;
        self.output.begin(format.is_binary(), self.may_page())?;
        let shown = self.rows(&mut stream, encoder.as_mut());
        // Before the person reads in the pager.
        let elapsed = started.elapsed();
        let paged = self.output.is_paged();
        let ended = self.output.end();
        let (rows, remarks) = match shown.and_then(|rows| ended.map(|()| rows)) {
            Ok(shown) => shown,
            // Leaving the pager before the last row is how one reads the first ones.
            Err(Failure::PipeClosed) if paged => return Ok(()),
            Err(failure) => return Err(failure),
        };
        for remark in remarks {
            terminal::tell_faintly(&format!("({remark})"));
        }
        self.tell_end(rows, elapsed, &stream.summary());
        Ok(())
    }

    /// Writes all rows. Returns their number and the format's remarks.
    fn rows(
        &mut self,
        stream: &mut Rows,
        encoder: &mut dyn crate::output::Encoder,
    ) -> Result<(u64, Vec<String>), Failure> {
        let shares_screen = self.output.is_terminal();
        let mut progress = ProgressLine::new();
        let mut rows = 0;
        let mut bytes = Vec::new();
        loop {
            match stream.next_within(progress::INTERVAL) {
                None => progress.update(&stream.progress()),
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(None)) => break,
                Some(Ok(Some(batch))) => {
                    rows += batch.num_rows() as u64;
                    encoder.batch(&batch, &mut bytes)?;
                    if !bytes.is_empty() {
                        if shares_screen {
                            progress.clear();
                        }
                        self.output.write(&bytes)?;
                        bytes.clear();
                    }
                }
            }
        }
        progress.clear();
        let remarks = encoder.finish(&mut bytes)?;
        self.output.write(&bytes)?;
        Ok((rows, remarks))
    }

    fn may_page(&self) -> bool {
        self.interactive && self.settings.pager && !self.settings.format.is_binary()
    }

    fn layout(&self) -> Layout {
        let screen = self.output.is_terminal();
        Layout {
            null: self.settings.null.clone(),
            width: screen.then(|| terminal::size().columns),
            paged_from: (screen && self.may_page()).then(Pager::paged_from),
            colours: screen && terminal::colours_wanted(),
        }
    }

    fn tell_end(&self, rows: u64, elapsed: Duration, summary: &StatementSummary) {
        if self.settings.timing {
            terminal::tell(&detailed_end(rows, elapsed, summary));
        } else if !self.settings.quiet && terminal::stderr_is_terminal() {
            terminal::tell_faintly(&short_end(rows, elapsed, summary));
        }
    }
}

/// Runs a statement whose rows matter to nobody. Returns their number and what it took.
pub fn drain(client: &Client, sql: &str) -> EngineResult<StatementSummary> {
    match client.execute(sql)? {
        Answer::Done(_) => Ok(StatementSummary::default()),
        Answer::Rows(mut stream) => {
            let mut rows = 0;
            while let Some(batch) = stream.next_batch()? {
                rows += batch.num_rows() as u64;
            }
            Ok(StatementSummary { rows, ..stream.summary() })
        }
    }
}

fn row_count(rows: u64) -> String {
    format!("{} row{}", grouped(rows), if rows == 1 { "" } else { "s" })
}

/// `(3 rows, 12.3 ms, 1.2 MiB read)`
fn short_end(rows: u64, elapsed: Duration, summary: &StatementSummary) -> String {
    let mut parts = vec![row_count(rows), duration(elapsed)];
    if summary.bytes_read > 0 {
        parts.push(format!("{} read", format_bytes(summary.bytes_read)));
    }
    format!("({})", parts.join(", "))
}

fn detailed_end(rows: u64, elapsed: Duration, summary: &StatementSummary) -> String {
    let mut text = format!(
        "{}. Time: {} (planning {}, compiling {}). Read {}, peak memory {}.",
        row_count(rows),
        duration(elapsed),
        duration(summary.planning),
        duration(summary.compiling),
        format_bytes(summary.bytes_read),
        format_bytes(summary.peak_memory_bytes),
    );
    if !summary.backend.is_empty() {
        text.push_str(&format!(" Backend: {}.", summary.backend));
    }
    text
}

/// `12.3 ms`, `4.56 s`, `3 min 2 s`
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        let summary = StatementSummary {
            bytes_read: 1_258_291,
            peak_memory_bytes: 4096,
            planning: Duration::from_micros(1500),
            compiling: Duration::from_millis(2),
            backend: "native".to_owned(),
            ..StatementSummary::default()
        };
        let time = Duration::from_micros(12_340);
        assert_eq!(short_end(3, time, &summary), "(3 rows, 12.3 ms, 1.2 MiB read)");
        assert_eq!(short_end(1, time, &StatementSummary::default()), "(1 row, 12.3 ms)");
        assert_eq!(
            detailed_end(1234, time, &summary),
            "1,234 rows. Time: 12.3 ms (planning 1.5 ms, compiling 2.0 ms). Read 1.2 MiB, peak memory 4.0 KiB. \
             Backend: native."
        );
        assert_eq!(duration(Duration::from_secs_f64(4.56)), "4.56 s");
        assert_eq!(duration(Duration::from_secs(182)), "3 min 2 s");
    }
}
