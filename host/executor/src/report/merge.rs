//! Profiles of several instances as one: of the same fragment, or of all fragments of a query.

use std::collections::HashMap;

use nyala_pipeline::guest::GuestUsage;
use nyala_schema::id::OperatorId;

use crate::report::profile::{OperatorProfile, Profile, ProgramProfile};

impl Profile {
    /// Adds what another instance did. Rows, bytes, memory and the time of workers are added up; of the time that passed the
    /// longest counts, of compiling too, since instances compile at the same time.
    pub fn merge(&mut self, other: &Self) {
        for (id, operator) in &other.operators {
            match self.operators.get_mut(id) {
                Some(known) => known.merge(operator),
                None => _ = self.operators.insert(*id, operator.clone()),
            }
        }
        self.merge_programs(&other.programs);
        self.merge_guests(other);
        self.rows += other.rows;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.compiling = self.programs.iter().map(|program| program.compiling).sum();
        self.peak_memory_bytes += other.peak_memory_bytes;
        self.bytes_read += other.bytes_read;
    }

    /// The programs of an operator are in the same order in all instances.
    fn merge_programs(&mut self, others: &[ProgramProfile]) {
        let mut seen: HashMap<OperatorId, usize> = HashMap::new();
        for other in others {
            let number = seen.entry(other.operator).or_default();
            let mut known = self.programs.iter_mut().filter(|program| program.operator == other.operator);
            match known.nth(*number) {
                Some(program) => program.merge(other),
                None => self.programs.push(other.clone()),
            }
            *number += 1;
        }
    }

    fn merge_guests(&mut self, other: &Self) {
        for (code, usage) in &other.guests {
            match self.guests.iter_mut().find(|(known, _)| known == code) {
                Some((_, known)) => add_usage(known, usage),
                None => self.guests.push((code.clone(), *usage)),
            }
        }
        self.guests.sort_by(|(left, _), (right, _)| {
            (&left.name, left.version, left.module).cmp(&(&right.name, right.version, right.module))
        });
    }
}

fn add_usage(known: &mut GuestUsage, other: &GuestUsage) {
    known.calls += other.calls;
    known.rows += other.rows;
    known.time += other.time;
    known.traps += other.traps;
    known.memory_bytes = known.memory_bytes.max(other.memory_bytes);
}

impl OperatorProfile {
    fn merge(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.rows_built += other.rows_built;
        self.time += other.time;
        self.peak_memory_bytes += other.peak_memory_bytes;
        self.bytes_read += other.bytes_read;
        self.morsels += other.morsels;
        self.morsels_pruned += other.morsels_pruned;
        self.rows_filtered += other.rows_filtered;
    }
}

impl ProgramProfile {
    fn merge(&mut self, other: &Self) {
        if self.batches == 0 {
            self.backend = other.backend.clone();
        }
        self.batches += other.batches;
        self.rows += other.rows;
        self.compiling = self.compiling.max(other.compiling);
        self.switched_at = self.switched_at.max(other.switched_at);
    }
}
