//! How far a statement is, and what it took.

use std::time::Duration;

use super::count;
use super::generated::client_capnp::{fragment, progress, summary};
use crate::client::{FragmentProgress, StatementProgress, StatementSummary};
use crate::error::Result;

pub(super) fn encode(value: &StatementProgress, mut builder: progress::Builder<'_>) {
    builder.set_fraction(value.fraction);
    builder.set_rows_scanned(value.rows_scanned);
    builder.set_bytes_read(value.bytes_read);
    builder.set_memory_bytes(value.memory_bytes);
    let mut fragments = builder.init_fragments(count(value.fragments.len()));
    for (index, fragment) in value.fragments.iter().enumerate() {
        encode_fragment(fragment, fragments.reborrow().get(count(index)));
    }
}

pub(super) fn decode(reader: progress::Reader<'_>) -> Result<StatementProgress> {
    Ok(StatementProgress {
        fraction: reader.get_fraction(),
        rows_scanned: reader.get_rows_scanned(),
        bytes_read: reader.get_bytes_read(),
        memory_bytes: reader.get_memory_bytes(),
        fragments: reader.get_fragments()?.iter().map(decode_fragment).collect(),
    })
}

fn encode_fragment(value: &FragmentProgress, mut builder: fragment::Builder<'_>) {
    builder.set_fragment(value.fragment);
    builder.set_instances(value.instances);
    builder.set_instances_done(value.instances_done);
    builder.set_rows(value.rows);
    builder.set_rows_per_second(value.rows_per_second);
    builder.set_memory_bytes(value.memory_bytes);
    builder.set_spilled_bytes(value.spilled_bytes);
    builder.set_sent_bytes(value.sent_bytes);
}

fn decode_fragment(reader: fragment::Reader<'_>) -> FragmentProgress {
    FragmentProgress {
        fragment: reader.get_fragment(),
        instances: reader.get_instances(),
        instances_done: reader.get_instances_done(),
        rows: reader.get_rows(),
        rows_per_second: reader.get_rows_per_second(),
        memory_bytes: reader.get_memory_bytes(),
        spilled_bytes: reader.get_spilled_bytes(),
        sent_bytes: reader.get_sent_bytes(),
    }
}

pub(super) fn encode_summary(value: &StatementSummary, mut builder: summary::Builder<'_>) {
    builder.set_rows(value.rows);
    builder.set_elapsed_ns(nanoseconds(value.elapsed));
    builder.set_planning_ns(nanoseconds(value.planning));
    builder.set_compiling_ns(nanoseconds(value.compiling));
    builder.set_bytes_read(value.bytes_read);
    builder.set_peak_memory_bytes(value.peak_memory_bytes);
    builder.set_backend(&value.backend);
}

pub(super) fn decode_summary(reader: summary::Reader<'_>) -> Result<StatementSummary> {
    Ok(StatementSummary {
        rows: reader.get_rows(),
        elapsed: Duration::from_nanos(reader.get_elapsed_ns()),
        planning: Duration::from_nanos(reader.get_planning_ns()),
        compiling: Duration::from_nanos(reader.get_compiling_ns()),
        bytes_read: reader.get_bytes_read(),
        peak_memory_bytes: reader.get_peak_memory_bytes(),
        backend: reader.get_backend()?.to_string()?,
    })
}

/// As many as 64 bits hold: 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
