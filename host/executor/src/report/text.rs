//! A profile as text: the operator tree with what each operator did.

use std::fmt::{self, Write};
use std::time::Duration;

use nyala_schema::Operator;
use nyala_schema::option::format_bytes;

use crate::report::profile::{OperatorProfile, Profile, ProgramProfile};

impl Profile {
    /// The operator tree of EXPLAIN ANALYZE: under each operator what it did, then its code, then the totals.
    pub fn to_text(&self, root: &Operator) -> String {
        let mut text = String::new();
        self.write_operator(&mut text, root, 0);
        let _ = write!(text, "{}{}", Guests(self), Totals(self));
        text
    }

    fn write_operator(&self, text: &mut String, operator: &Operator, depth: usize) {
        let indent = depth * 2;
        let _ = writeln!(text, "{:indent$}{} {}", "", operator.id, operator.kind);
        let below = indent + 4;
        match self.operators.get(&operator.id) {
            Some(profile) => {
                let _ = writeln!(text, "{:below$}{profile}, expected {:.0}", "", operator.rows_estimated);
            }
            None => {
                let _ = writeln!(text, "{:below$}part of another operator's code", "");
            }
        }
        for program in self.programs.iter().filter(|program| program.operator == operator.id) {
            let _ = writeln!(text, "{:below$}{program}", "");
        }
        operator.inputs.iter().for_each(|input| self.write_operator(text, input, depth + 1));
    }
}

/// A table of operators without their tree.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, operator) in &self.operators {
            writeln!(f, "{id} {} {operator}", operator.name)?;
        }
        for program in &self.programs {
            writeln!(f, "{} {program}", program.operator)?;
        }
        write!(f, "{}{}", Guests(self), Totals(self))
    }
}

impl fmt::Display for OperatorProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {}", self.rows_out)?;
        if self.rows_in > 0 {
            write!(f, " of {}", self.rows_in)?;
        }
        write!(f, ", time {}", duration(self.time))?;
        if self.rows_built > 0 {
            write!(f, ", built {}", self.rows_built)?;
        }
        if self.peak_memory_bytes > 0 {
            write!(f, ", memory {}", format_bytes(self.peak_memory_bytes))?;
        }
        if self.bytes_read > 0 {
            write!(f, ", read {}", format_bytes(self.bytes_read))?;
        }
        if self.morsels + self.morsels_pruned > 0 {
            write!(f, ", parts {}", self.morsels)?;
        }
        if self.morsels_pruned > 0 {
            write!(f, ", parts ruled out {}", self.morsels_pruned)?;
        }
        if self.rows_filtered > 0 {
            write!(f, ", dropped by runtime filters {}", self.rows_filtered)?;
        }
        Ok(())
    }
}

impl fmt::Display for ProgramProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "code: {}, {} statements, {} batches of {} rows",
            if self.batches == 0 { "not run" } else { &self.backend },
            self.statements,
            self.batches,
            self.rows
        )?;
        if !self.compiling.is_zero() {
            write!(f, ", compiled in {}", duration(self.compiling))?;
        }
        match self.switched_at {
            Some(batch) if batch > 0 => write!(f, ", from batch {batch} on"),
            _ => Ok(()),
        }
    }
}

/// A line for each function and operator of users that was called.
struct Guests<'a>(&'a Profile);

impl fmt::Display for Guests<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.guests.iter().try_for_each(|(code, usage)| {
            writeln!(
                f,
                "guest {code}: {} calls, {} rows, time {}, traps {}, memory {}",
                usage.calls,
                usage.rows,
                duration(usage.time),
                usage.traps,
                format_bytes(usage.memory_bytes),
            )
        })
    }
}

struct Totals<'a>(&'a Profile);

impl fmt::Display for Totals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let profile = self.0;
        writeln!(
            f,
            "total: {} rows, elapsed {}, compiling {}, peak memory {}, read {}",
            profile.rows,
            duration(profile.elapsed),
            duration(profile.compiling),
            format_bytes(profile.peak_memory_bytes),
            format_bytes(profile.bytes_read),
        )
    }
}

fn duration(time: Duration) -> String {
    match time.as_micros() {
        micros if micros < 1_000 => format!("{micros} µs"),
        micros if micros < 1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        micros => format!("{:.2} s", micros as f64 / 1e6),
    }
}
