//! Messages between coordinators and nodes.

use bytes::Bytes;

use super::generated::query_capnp as wire;
use super::{count, deploy, malformed, read, report, status, to_bytes};
use crate::cluster::{Attempt, InstanceId, NodeId, Peer, QueryId};
use crate::deploy::{QueryAnswer, QueryMessage};
use crate::error::{Error, ErrorCode, Position, Result};
use crate::id::{FragmentId, RuntimeFilterId};

/// No message between nodes is longer, bytes: one that was would end the connection for all others.
pub const QUERY_MESSAGE_BYTES_MAX: usize = 12 << 20;

/// # Errors
/// `TooComplex` for a message that is longer than [`QUERY_MESSAGE_BYTES_MAX`].
pub fn encode_query_message(value: &QueryMessage) -> Result<Bytes> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: wire::query_message::Builder<'_> = message.init_root();
    match value {
        QueryMessage::Deploy(value) => deploy::encode(value, builder.init_deploy())?,
        QueryMessage::Cancel { attempt, reason } => {
            let mut cancel = builder.init_cancel();
            put_attempt(*attempt, cancel.reborrow().init_attempt());
            put_error(reason, cancel.init_reason());
        }
        QueryMessage::Report(value) => report::encode(value, builder.init_report()),
        QueryMessage::Filter { attempt, filter, bytes } => {
            let mut given = builder.init_filter();
            put_attempt(*attempt, given.reborrow().init_attempt());
            given.set_filter(filter.0);
            given.set_bytes(bytes);
        }
        QueryMessage::List => builder.set_list(()),
        QueryMessage::Kill { query, reason } => {
            let mut kill = builder.init_kill();
            put_query(*query, kill.reborrow().init_query());
            put_error(reason, kill.init_reason());
        }
        QueryMessage::Profile { query } => put_query(*query, builder.init_profile()),
    }
    checked(to_bytes(&message))
}

/// # Errors
/// `Connection` when the bytes are no message of a version that we know.
pub fn decode_query_message(bytes: &[u8]) -> Result<QueryMessage> {
    use wire::query_message::Which;
    read(bytes, |message| {
        let reader: wire::query_message::Reader<'_> = message.get_root()?;
        Ok(match reader.which()? {
            Which::Deploy(value) => QueryMessage::Deploy(Box::new(deploy::decode(value?)?)),
            Which::Cancel(cancel) => QueryMessage::Cancel {
                attempt: attempt(cancel.get_attempt()?)?,
                reason: error(cancel.get_reason()?)?,
            },
            Which::Report(value) => QueryMessage::Report(report::decode(value?)?),
            Which::Filter(given) => QueryMessage::Filter {
                attempt: attempt(given.get_attempt()?)?,
                filter: RuntimeFilterId(given.get_filter()),
                bytes: Bytes::copy_from_slice(given.get_bytes()?),
            },
            Which::List(()) => QueryMessage::List,
            Which::Kill(kill) => {
                QueryMessage::Kill { query: query(kill.get_query()?), reason: error(kill.get_reason()?)? }
            }
            Which::Profile(id) => QueryMessage::Profile { query: query(id?) },
        })
    })
}

/// # Errors
/// `TooComplex` for an answer that is longer than [`QUERY_MESSAGE_BYTES_MAX`].
pub fn encode_query_answer(value: &QueryAnswer) -> Result<Bytes> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: wire::query_answer::Builder<'_> = message.init_root();
    match value {
        QueryAnswer::Done => builder.set_done(()),
        QueryAnswer::Refused(reason) => put_error(reason, builder.init_refused()),
        QueryAnswer::Report(answer) => report::encode_answer(answer, builder.init_report()),
        QueryAnswer::Queries(queries) => {
            let mut list = builder.init_queries(count(queries.len()));
            for (index, query) in queries.iter().enumerate() {
                status::encode(query, list.reborrow().get(count(index)));
            }
        }
        QueryAnswer::Known(known) => builder.set_known(*known),
        QueryAnswer::Text(Some(text)) => builder.set_text(text),
        QueryAnswer::Text(None) => builder.set_no_text(()),
    }
    checked(to_bytes(&message))
}

/// # Errors
/// `Connection` when the bytes are no answer of a version that we know.
pub fn decode_query_answer(bytes: &[u8]) -> Result<QueryAnswer> {
    use wire::query_answer::Which;
    read(bytes, |message| {
        let reader: wire::query_answer::Reader<'_> = message.get_root()?;
        Ok(match reader.which()? {
            Which::Done(()) => QueryAnswer::Done,
            Which::Refused(reason) => QueryAnswer::Refused(error(reason?)?),
            Which::Report(answer) => QueryAnswer::Report(report::decode_answer(answer?)?),
            Which::Queries(queries) => {
                QueryAnswer::Queries(queries?.iter().map(status::decode).collect::<Result<_>>()?)
            }
            Which::Known(known) => QueryAnswer::Known(known),
            Which::Text(text) => QueryAnswer::Text(Some(text?.to_string()?)),
            Which::NoText(()) => QueryAnswer::Text(None),
        })
    })
}

pub(super) fn checked(bytes: Vec<u8>) -> Result<Bytes> {
    if bytes.len() > QUERY_MESSAGE_BYTES_MAX {
        let message = format!("a message to another node would take {} bytes", bytes.len());
        return Err(Error::new(ErrorCode::TooComplex, message)
            .with_hint("shorten the query, or read tables of fewer files"));
    }
    Ok(Bytes::from(bytes))
}

pub(super) fn put_query(value: QueryId, mut builder: wire::query_id::Builder<'_>) {
    builder.set_high((value.0 >> 64) as u64);
    builder.set_low(value.0 as u64);
}

pub(super) fn query(reader: wire::query_id::Reader<'_>) -> QueryId {
    QueryId(u128::from(reader.get_high()) << 64 | u128::from(reader.get_low()))
}

pub(super) fn put_attempt(value: Attempt, mut builder: wire::attempt::Builder<'_>) {
    builder.set_number(value.number);
    put_query(value.query, builder.init_query());
}

pub(super) fn attempt(reader: wire::attempt::Reader<'_>) -> Result<Attempt> {
    Ok(Attempt { query: query(reader.get_query()?), number: reader.get_number() })
}

pub(super) fn put_peer(value: &Peer, mut builder: wire::peer::Builder<'_>) {
    builder.set_id(value.id.0);
    builder.set_address(&value.address);
}

pub(super) fn peer(reader: wire::peer::Reader<'_>) -> Result<Peer> {
    Ok(Peer { id: NodeId(reader.get_id()), address: reader.get_address()?.to_string()? })
}

pub(super) fn put_instance(value: InstanceId, mut builder: wire::instance::Builder<'_>) {
    builder.set_fragment(value.fragment.0);
    builder.set_index(value.index);
    put_attempt(value.attempt, builder.init_attempt());
}

pub(super) fn instance(reader: wire::instance::Reader<'_>) -> Result<InstanceId> {
    Ok(InstanceId {
        attempt: attempt(reader.get_attempt()?)?,
        fragment: FragmentId(reader.get_fragment()),
        index: reader.get_index(),
    })
}

pub(super) fn put_error(value: &Error, mut builder: wire::error::Builder<'_>) {
    builder.set_code(value.code().sqlstate());
    builder.set_message(value.message());
    if let Some(hint) = value.hint() {
        builder.set_hint(hint);
        builder.set_has_hint(true);
    }
    if let Some(position) = value.position() {
        builder.set_line(position.line);
        builder.set_column(position.column);
    }
}

pub(super) fn error(reader: wire::error::Reader<'_>) -> Result<Error> {
    let state = reader.get_code()?.to_str()?;
    let code = ErrorCode::from_sqlstate(state).ok_or_else(|| malformed("an error of no known code"))?;
    let mut error = Error::new(code, reader.get_message()?.to_string()?);
    if reader.get_has_hint() {
        error = error.with_hint(reader.get_hint()?.to_string()?);
    }
    if reader.get_line() > 0 {
        error = error.at(Position { line: reader.get_line(), column: reader.get_column() });
    }
    Ok(error)
}
