//! Profiles of instances as they travel, and of all together.

use std::time::Duration;

use nyala_executor::Profile;
use nyala_executor::report::{OperatorProfile, ProgramProfile};
use nyala_schema::deploy::{InstanceFigures, InstanceProfile, OperatorFigures, ProgramFigures};
use nyala_schema::id::OperatorId;

pub(crate) fn figures(profile: &Profile) -> InstanceProfile {
    let operators = profile.operators.iter().map(|(id, operator)| OperatorFigures {
        operator: id.0,
        name: operator.name.clone(),
        rows_in: operator.rows_in,
        rows_out: operator.rows_out,
        rows_built: operator.rows_built,
        time_us: operator.time.as_micros() as u64,
        peak_memory_bytes: operator.peak_memory_bytes,
        bytes_read: operator.bytes_read,
        morsels: operator.morsels,
        morsels_pruned: operator.morsels_pruned,
        rows_filtered: operator.rows_filtered,
    });
    let programs = profile.programs.iter().map(|program| ProgramFigures {
        operator: program.operator.0,
        backend: program.backend.clone().into_owned(),
        statements: program.statements as u64,
        batches: program.batches,
        rows: program.rows,
        compiling_us: program.compiling.as_micros() as u64,
        switched_at: program.switched_at,
    });
    InstanceProfile {
        operators: operators.collect(),
        programs: programs.collect(),
        compiling_us: profile.compiling.as_micros() as u64,
    }
}

/// The profile that these were of; without what users' functions took.
pub(crate) fn profile(figures: &InstanceFigures, profile: &InstanceProfile) -> Profile {
    let operators = profile.operators.iter().map(|operator| {
        let known = OperatorProfile {
            name: operator.name.clone(),
            rows_in: operator.rows_in,
            rows_out: operator.rows_out,
            rows_built: operator.rows_built,
            time: Duration::from_micros(operator.time_us),
            peak_memory_bytes: operator.peak_memory_bytes,
            bytes_read: operator.bytes_read,
            morsels: operator.morsels,
            morsels_pruned: operator.morsels_pruned,
            rows_filtered: operator.rows_filtered,
        };
        (OperatorId(operator.operator), known)
    });
    let programs = profile.programs.iter().map(|program| ProgramProfile {
        operator: OperatorId(program.operator),
        backend: program.backend.clone().into(),
        statements: program.statements as usize,
        batches: program.batches,
        rows: program.rows,
        compiling: Duration::from_micros(program.compiling_us),
        switched_at: program.switched_at,
    });
    Profile {
        operators: operators.collect(),
        programs: programs.collect(),
        guests: vec![],
        rows: figures.rows_out,
        elapsed: Duration::from_micros(figures.elapsed_us),
        compiling: Duration::from_micros(profile.compiling_us),
        peak_memory_bytes: figures.memory_peak_bytes,
        bytes_read: figures.bytes_read,
    }
}
