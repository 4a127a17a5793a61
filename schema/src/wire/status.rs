//! Queries as other nodes show them, as messages.

use super::generated::query_capnp as wire;
use super::query::{error, peer, put_error, put_peer, put_query, query};
use super::report::{put_state, state};
use super::{count, enum_pairs};
use crate::deploy::{InstanceStatus, QueryState, QueryStatus};
use crate::error::Result;
use crate::id::FragmentId;

enum_pairs!(to_state, from_state, QueryState, wire::QueryState, Queued, Running, Finished, Failed, Cancelled);

pub(super) fn encode(value: &QueryStatus, mut builder: wire::query_status::Builder<'_>) {
    put_query(value.id, builder.reborrow().init_id());
    builder.set_state(to_state(value.state));
    builder.set_user(&value.user);
    builder.set_pool(&value.pool);
    builder.set_sql(&value.sql);
    put_peer(&value.coordinator, builder.reborrow().init_coordinator());
    builder.set_started_ms(value.started_ms);
    builder.set_elapsed_ms(value.elapsed_ms);
    builder.set_rows(value.rows);
    builder.set_memory_bytes(value.memory_bytes);
    builder.set_attempts(value.attempts);
    builder.set_progress(value.progress);
    if let Some(reason) = &value.error {
        put_error(reason, builder.reborrow().init_error());
    }
    let mut instances = builder.init_instances(count(value.instances.len()));
    for (index, value) in value.instances.iter().enumerate() {
        let mut instance = instances.reborrow().get(count(index));
        instance.set_fragment(value.fragment.0);
        instance.set_index(value.index);
        put_peer(&value.node, instance.reborrow().init_node());
        put_state(&value.state, instance.reborrow().init_state());
        instance.set_rows(value.rows);
        instance.set_rows_per_second(value.rows_per_second);
        instance.set_memory_bytes(value.memory_bytes);
        instance.set_bytes_sent(value.bytes_sent);
        instance.set_morsels_done(value.morsels_done);
        instance.set_morsels_total(value.morsels_total);
    }
}

pub(super) fn decode(reader: wire::query_status::Reader<'_>) -> Result<QueryStatus> {
    let instances = reader.get_instances()?.iter().map(|instance| {
        Ok(InstanceStatus {
            fragment: FragmentId(instance.get_fragment()),
            index: instance.get_index(),
            node: peer(instance.get_node()?)?,
            state: state(instance.get_state()?)?,
            rows: instance.get_rows(),
            rows_per_second: instance.get_rows_per_second(),
            memory_bytes: instance.get_memory_bytes(),
            bytes_sent: instance.get_bytes_sent(),
            morsels_done: instance.get_morsels_done(),
            morsels_total: instance.get_morsels_total(),
        })
    });
    let reason = if reader.has_error() { Some(error(reader.get_error()?)?) } else { None };
    Ok(QueryStatus {
        id: query(reader.get_id()?),
        state: from_state(reader.get_state()?),
        user: reader.get_user()?.to_string()?,
        pool: reader.get_pool()?.to_string()?,
        sql: reader.get_sql()?.to_string()?,
        coordinator: peer(reader.get_coordinator()?)?,
        started_ms: reader.get_started_ms(),
        elapsed_ms: reader.get_elapsed_ms(),
        rows: reader.get_rows(),
        memory_bytes: reader.get_memory_bytes(),
        attempts: reader.get_attempts(),
        progress: reader.get_progress(),
        error: reason,
        instances: instances.collect::<Result<_>>()?,
    })
}
