//! What nodes report of their instances, as messages.

use bytes::Bytes;

use super::count;
use super::deploy::{lease, put_lease};
use super::generated::query_capnp as wire;
use super::query::{attempt, error, instance, put_attempt, put_error, put_instance};
use crate::deploy::{
    InstanceFigures, InstanceProfile, InstanceReport, InstanceState, MadeFilter, MorselRequest,
    OperatorFigures, ProgramFigures, Report, ReportAnswer,
};
use crate::error::Result;
use crate::id::{OperatorId, RuntimeFilterId};

pub(super) fn encode(value: &Report, mut builder: wire::report::Builder<'_>) {
    let mut instances = builder.reborrow().init_instances(count(value.instances.len()));
    for (index, value) in value.instances.iter().enumerate() {
        encode_instance(value, instances.reborrow().get(count(index)));
    }
    let mut filters = builder.reborrow().init_filters(count(value.filters.len()));
    for (index, value) in value.filters.iter().enumerate() {
        let mut filter = filters.reborrow().get(count(index));
        filter.set_filter(value.filter.0);
        filter.set_bytes(&value.bytes);
        put_instance(value.instance, filter.init_instance());
    }
    let mut requests = builder.init_requests(count(value.requests.len()));
    for (index, value) in value.requests.iter().enumerate() {
        put_request(*value, requests.reborrow().get(count(index)));
    }
}

pub(super) fn decode(reader: wire::report::Reader<'_>) -> Result<Report> {
    let filters = reader.get_filters()?.iter().map(|filter| {
        Ok(MadeFilter {
            instance: instance(filter.get_instance()?)?,
            filter: RuntimeFilterId(filter.get_filter()),
            bytes: Bytes::copy_from_slice(filter.get_bytes()?),
        })
    });
    Ok(Report {
        instances: reader.get_instances()?.iter().map(decode_instance).collect::<Result<_>>()?,
        filters: filters.collect::<Result<_>>()?,
        requests: reader.get_requests()?.iter().map(request).collect::<Result<_>>()?,
    })
}

pub(super) fn encode_answer(value: &ReportAnswer, mut builder: wire::report_answer::Builder<'_>) {
    let mut leases = builder.reborrow().init_leases(count(value.leases.len()));
    for (index, (request, lease)) in value.leases.iter().enumerate() {
        let mut given = leases.reborrow().get(count(index));
        put_request(*request, given.reborrow().init_request());
        put_lease(lease, given.init_lease());
    }
    let mut unknown = builder.init_unknown(count(value.unknown.len()));
    for (index, attempt) in value.unknown.iter().enumerate() {
        put_attempt(*attempt, unknown.reborrow().get(count(index)));
    }
}

pub(super) fn decode_answer(reader: wire::report_answer::Reader<'_>) -> Result<ReportAnswer> {
    let leases = reader
        .get_leases()?
        .iter()
        .map(|given| Ok((request(given.get_request()?)?, lease(given.get_lease()?)?)));
    Ok(ReportAnswer {
        leases: leases.collect::<Result<_>>()?,
        unknown: reader.get_unknown()?.iter().map(attempt).collect::<Result<_>>()?,
    })
}

fn put_request(value: MorselRequest, mut builder: wire::morsel_request::Builder<'_>) {
    builder.set_scan(value.scan.0);
    builder.set_number(value.number);
    put_instance(value.instance, builder.init_instance());
}

fn request(reader: wire::morsel_request::Reader<'_>) -> Result<MorselRequest> {
    Ok(MorselRequest {
        instance: instance(reader.get_instance()?)?,
        scan: OperatorId(reader.get_scan()),
        number: reader.get_number(),
    })
}

pub(super) fn put_state(value: &InstanceState, mut builder: wire::instance_state::Builder<'_>) {
    match value {
        InstanceState::Running => builder.set_running(()),
        InstanceState::Finished => builder.set_finished(()),
        InstanceState::Failed(reason) => put_error(reason, builder.init_failed()),
    }
}

pub(super) fn state(reader: wire::instance_state::Reader<'_>) -> Result<InstanceState> {
    use wire::instance_state::Which;
    Ok(match reader.which()? {
        Which::Running(()) => InstanceState::Running,
        Which::Finished(()) => InstanceState::Finished,
        Which::Failed(reason) => InstanceState::Failed(error(reason?)?),
    })
}

fn encode_instance(value: &InstanceReport, mut builder: wire::instance_report::Builder<'_>) {
    put_instance(value.instance, builder.reborrow().init_instance());
    put_state(&value.state, builder.reborrow().init_state());
    let figures = &value.figures;
    builder.set_rows_scanned(figures.rows_scanned);
    builder.set_rows_passed(figures.rows_passed);
    builder.set_rows_total(figures.rows_total);
    builder.set_rows_out(figures.rows_out);
    builder.set_bytes_out(figures.bytes_out);
    builder.set_bytes_read(figures.bytes_read);
    builder.set_memory_bytes(figures.memory_bytes);
    builder.set_memory_peak_bytes(figures.memory_peak_bytes);
    builder.set_elapsed_us(figures.elapsed_us);
    builder.set_morsels_taken(figures.morsels_taken);
    if let Some(profile) = &value.profile {
        encode_profile(profile, builder.init_profile());
    }
}

fn decode_instance(reader: wire::instance_report::Reader<'_>) -> Result<InstanceReport> {
    let profile = if reader.has_profile() { Some(decode_profile(reader.get_profile()?)?) } else { None };
    Ok(InstanceReport {
        instance: instance(reader.get_instance()?)?,
        state: state(reader.get_state()?)?,
        figures: InstanceFigures {
            rows_scanned: reader.get_rows_scanned(),
            rows_passed: reader.get_rows_passed(),
            rows_total: reader.get_rows_total(),
            rows_out: reader.get_rows_out(),
            bytes_out: reader.get_bytes_out(),
            bytes_read: reader.get_bytes_read(),
            memory_bytes: reader.get_memory_bytes(),
            memory_peak_bytes: reader.get_memory_peak_bytes(),
            elapsed_us: reader.get_elapsed_us(),
            morsels_taken: reader.get_morsels_taken(),
        },
        profile,
    })
}

fn encode_profile(value: &InstanceProfile, mut builder: wire::instance_profile::Builder<'_>) {
    builder.set_compiling_us(value.compiling_us);
    let mut operators = builder.reborrow().init_operators(count(value.operators.len()));
    for (index, value) in value.operators.iter().enumerate() {
        let mut operator = operators.reborrow().get(count(index));
        operator.set_operator(value.operator);
        operator.set_name(&value.name);
        operator.set_rows_in(value.rows_in);
        operator.set_rows_out(value.rows_out);
        operator.set_rows_built(value.rows_built);
        operator.set_time_us(value.time_us);
        operator.set_peak_memory_bytes(value.peak_memory_bytes);
        operator.set_bytes_read(value.bytes_read);
        operator.set_morsels(value.morsels);
        operator.set_morsels_pruned(value.morsels_pruned);
        operator.set_rows_filtered(value.rows_filtered);
    }
    let mut programs = builder.init_programs(count(value.programs.len()));
    for (index, value) in value.programs.iter().enumerate() {
        let mut program = programs.reborrow().get(count(index));
        program.set_operator(value.operator);
        program.set_backend(&value.backend);
        program.set_statements(value.statements);
        program.set_batches(value.batches);
        program.set_rows(value.rows);
        program.set_compiling_us(value.compiling_us);
        program.set_switched_at(value.switched_at.map_or(0, |batch| batch.saturating_add(1)));
    }
}

fn decode_profile(reader: wire::instance_profile::Reader<'_>) -> Result<InstanceProfile> {
    let operators = reader.get_operators()?.iter().map(|operator| {
        Ok(OperatorFigures {
            operator: operator.get_operator(),
            name: operator.get_name()?.to_string()?,
            rows_in: operator.get_rows_in(),
            rows_out: operator.get_rows_out(),
            rows_built: operator.get_rows_built(),
            time_us: operator.get_time_us(),
            peak_memory_bytes: operator.get_peak_memory_bytes(),
            bytes_read: operator.get_bytes_read(),
            morsels: operator.get_morsels(),
            morsels_pruned: operator.get_morsels_pruned(),
            rows_filtered: operator.get_rows_filtered(),
        })
    });
    let programs = reader.get_programs()?.iter().map(|program| {
        Ok(ProgramFigures {
            operator: program.get_operator(),
            backend: program.get_backend()?.to_string()?,
            statements: program.get_statements(),
            batches: program.get_batches(),
            rows: program.get_rows(),
            compiling_us: program.get_compiling_us(),
            switched_at: program.get_switched_at().checked_sub(1),
        })
    });
    Ok(InstanceProfile {
        operators: operators.collect::<Result<_>>()?,
        programs: programs.collect::<Result<_>>()?,
        compiling_us: reader.get_compiling_us(),
    })
}
