//! What a node answers a client.

use bytes::Bytes;

use super::arrow_data::{decode_schema, encode_schema};
use super::client::{decode_settings, encode_settings};
use super::generated::client_capnp::{Transaction, client_response, fetch_end, outcome, session_state};
use super::{count, enum_pairs, error_detail, names, node_info, progress, read, to_bytes};
use crate::client::{
    ClientResponse, ClientSession, FetchEnd, OpenQuery, ResponseBody, SessionState, StatementOutcome,
    TransactionState,
};
use crate::error::Result;

enum_pairs!(transaction_to, transaction_from, TransactionState, Transaction, None, Open, Failed);

pub fn encode_client_response(value: &ClientResponse) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: client_response::Builder<'_> = message.init_root();
    if let Some(state) = &value.state {
        encode_state(state, builder.reborrow().init_state());
    }
    match &value.body {
        ResponseBody::Failed(error) => error_detail::encode(error, builder.init_failed()),
        ResponseBody::Elsewhere(error) => error_detail::encode(error, builder.init_elsewhere()),
        ResponseBody::Fine => builder.set_fine(()),
        ResponseBody::Opened { session, node } => {
            let mut opened = builder.init_opened();
            opened.set_session(session.0);
            node_info::encode(node, opened.init_node());
        }
        ResponseBody::Done { tag } => builder.set_done(tag),
        ResponseBody::Rows { query, schema } => {
            let mut rows = builder.init_rows();
            rows.set_query(query.0);
            rows.set_schema(&encode_schema(schema));
        }
        ResponseBody::Fetched { bytes, progress, end } => {
            let mut fetched = builder.init_fetched();
            fetched.set_bytes(bytes);
            progress::encode(progress, fetched.reborrow().init_progress());
            encode_end(end, fetched.init_end());
        }
        ResponseBody::Options(options) => {
            encode_settings(options, builder.init_options(count(options.len())));
        }
        ResponseBody::Names(names) => names::encode(names, builder.init_names()),
        ResponseBody::Progress(None) => builder.set_idle(()),
        ResponseBody::Progress(Some(progress)) => progress::encode(progress, builder.init_progress()),
        ResponseBody::Outcome(outcome) => encode_outcome(outcome, builder.init_outcome()),
        ResponseBody::Nodes(nodes) => {
            let mut list = builder.init_nodes(count(nodes.len()));
            for (index, node) in nodes.iter().enumerate() {
                node_info::encode(node, list.reborrow().get(count(index)));
            }
        }
    }
    to_bytes(&message)
}

/// # Errors
/// `Connection` when the bytes are not an answer of a version that we know.
pub fn decode_client_response(bytes: &[u8]) -> Result<ClientResponse> {
    use client_response::Which;
    read(bytes, |message| {
        let reader: client_response::Reader<'_> = message.get_root()?;
        let state = if reader.has_state() { Some(decode_state(reader.get_state()?)?) } else { None };
        let body = match reader.which()? {
            Which::Failed(error) => ResponseBody::Failed(error_detail::decode(error?)?),
            Which::Elsewhere(error) => ResponseBody::Elsewhere(error_detail::decode(error?)?),
            Which::Fine(()) => ResponseBody::Fine,
            Which::Opened(opened) => ResponseBody::Opened {
                session: ClientSession(opened.get_session()),
                node: Box::new(node_info::decode(opened.get_node()?)?),
            },
            Which::Done(tag) => ResponseBody::Done { tag: tag?.to_string()? },
            Which::Rows(rows) => ResponseBody::Rows {
                query: OpenQuery(rows.get_query()),
                schema: decode_schema(rows.get_schema()?)?,
            },
            Which::Fetched(fetched) => ResponseBody::Fetched {
                bytes: Bytes::copy_from_slice(fetched.get_bytes()?),
                progress: progress::decode(fetched.get_progress()?)?,
                end: decode_end(fetched.get_end()?)?,
            },
            Which::Options(options) => ResponseBody::Options(decode_settings(options?)?),
            Which::Names(names) => ResponseBody::Names(names::decode(names?)?),
            Which::Progress(progress) => ResponseBody::Progress(Some(progress::decode(progress?)?)),
            Which::Idle(()) => ResponseBody::Progress(None),
            Which::Outcome(outcome) => ResponseBody::Outcome(decode_outcome(outcome?)?),
            Which::Nodes(nodes) => {
                ResponseBody::Nodes(nodes?.iter().map(node_info::decode).collect::<Result<_>>()?)
            }
        };
        Ok(ClientResponse { state, body })
    })
}

fn encode_state(value: &SessionState, mut builder: session_state::Builder<'_>) {
    builder.set_transaction(transaction_to(value.transaction));
    builder.set_has_changes(value.has_changes);
    builder.set_schema(&value.schema);
    builder.set_catalog_version(value.catalog_version);
    encode_settings(&value.settings, builder.init_settings(count(value.settings.len())));
}

fn decode_state(reader: session_state::Reader<'_>) -> Result<SessionState> {
    Ok(SessionState {
        transaction: transaction_from(reader.get_transaction()?),
        has_changes: reader.get_has_changes(),
        schema: reader.get_schema()?.to_string()?,
        catalog_version: reader.get_catalog_version(),
        settings: decode_settings(reader.get_settings()?)?,
    })
}

fn encode_end(value: &FetchEnd, mut builder: fetch_end::Builder<'_>) {
    match value {
        FetchEnd::More => builder.set_more(()),
        FetchEnd::Over(summary) => progress::encode_summary(summary, builder.init_over()),
        FetchEnd::Failed(error) => error_detail::encode(error, builder.init_failed()),
    }
}

fn decode_end(reader: fetch_end::Reader<'_>) -> Result<FetchEnd> {
    Ok(match reader.which()? {
        fetch_end::More(()) => FetchEnd::More,
        fetch_end::Over(summary) => FetchEnd::Over(progress::decode_summary(summary?)?),
        fetch_end::Failed(error) => FetchEnd::Failed(error_detail::decode(error?)?),
    })
}

fn encode_outcome(value: &StatementOutcome, mut builder: outcome::Builder<'_>) {
    match value {
        StatementOutcome::Done { catalog_version } => builder.set_done(*catalog_version),
        StatementOutcome::Refused(error) => error_detail::encode(error, builder.init_refused()),
        StatementOutcome::Never => builder.set_never(()),
    }
}

fn decode_outcome(reader: outcome::Reader<'_>) -> Result<StatementOutcome> {
    Ok(match reader.which()? {
        outcome::Done(catalog_version) => StatementOutcome::Done { catalog_version },
        outcome::Refused(error) => StatementOutcome::Refused(error_detail::decode(error?)?),
        outcome::Never(()) => StatementOutcome::Never,
    })
}
