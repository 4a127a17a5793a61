//! What a client asks of a node.

use std::time::Duration;

use super::generated::client_capnp::{client_request, setting, statement_id};
use super::{count, read, to_bytes};
use crate::client::{ClientRequest, ClientSession, OpenQuery, Setting};
use crate::cluster::QueryId;
use crate::error::Result;

pub fn encode_client_request(value: &ClientRequest) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: client_request::Builder<'_> = message.init_root();
    if let Some(session) = session(value) {
        builder.set_session(session.0);
    }
    match value {
        ClientRequest::Open { user, settings, schema, catalog_version_min } => {
            let mut open = builder.init_open();
            open.set_user(user);
            open.set_schema(schema);
            open.set_catalog_version_min(*catalog_version_min);
            encode_settings(settings, open.init_settings(count(settings.len())));
        }
        ClientRequest::Execute { statement, sql, .. } => {
            let mut execute = builder.init_execute();
            execute.set_sql(sql);
            encode_id(*statement, execute.init_statement());
        }
        ClientRequest::Fetch { query, wait, bytes_max, .. } => {
            let mut fetch = builder.init_fetch();
            fetch.set_query(query.0);
            fetch.set_wait_ms(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
            fetch.set_bytes_max(*bytes_max);
        }
        ClientRequest::Forget { query, .. } => builder.set_forget(query.0),
        ClientRequest::Cancel { .. } => builder.set_cancel(()),
        ClientRequest::SetOption { setting, .. } => encode_setting(setting, builder.init_set_option()),
        ClientRequest::Options { .. } => builder.set_options(()),
        ClientRequest::Names { .. } => builder.set_names(()),
        ClientRequest::Progress { .. } => builder.set_progress(()),
        ClientRequest::State { .. } => builder.set_state(()),
        ClientRequest::Outcome { statement } => encode_id(*statement, builder.init_outcome()),
        ClientRequest::Nodes => builder.set_nodes(()),
        ClientRequest::Drain { node, within } => {
            let mut drain = builder.init_drain();
            drain.set_node(node);
            drain.set_within_ms(u64::try_from(within.as_millis()).unwrap_or(u64::MAX));
        }
        ClientRequest::Remove { node } => builder.set_remove(node),
        ClientRequest::Close { .. } => builder.set_close(()),
    }
    to_bytes(&message)
}

/// # Errors
/// `Connection` when the bytes are not a request of a version that we know.
pub fn decode_client_request(bytes: &[u8]) -> Result<ClientRequest> {
    use client_request::Which;
    read(bytes, |message| {
        let reader: client_request::Reader<'_> = message.get_root()?;
        let session = ClientSession(reader.get_session());
        Ok(match reader.which()? {
            Which::Open(open) => ClientRequest::Open {
                user: open.get_user()?.to_string()?,
                settings: decode_settings(open.get_settings()?)?,
                schema: open.get_schema()?.to_string()?,
                catalog_version_min: open.get_catalog_version_min(),
            },
            Which::Execute(execute) => ClientRequest::Execute {
                session,
                statement: decode_id(execute.get_statement()?),
                sql: execute.get_sql()?.to_string()?,
            },
            Which::Fetch(fetch) => ClientRequest::Fetch {
                session,
                query: OpenQuery(fetch.get_query()),
                wait: Duration::from_millis(fetch.get_wait_ms().into()),
                bytes_max: fetch.get_bytes_max(),
            },
            Which::Forget(query) => ClientRequest::Forget { session, query: OpenQuery(query) },
            Which::Cancel(()) => ClientRequest::Cancel { session },
            Which::SetOption(setting) => {
                ClientRequest::SetOption { session, setting: decode_setting(setting?)? }
            }
            Which::Options(()) => ClientRequest::Options { session },
            Which::Names(()) => ClientRequest::Names { session },
            Which::Progress(()) => ClientRequest::Progress { session },
            Which::State(()) => ClientRequest::State { session },
            Which::Outcome(statement) => ClientRequest::Outcome { statement: decode_id(statement?) },
            Which::Nodes(()) => ClientRequest::Nodes,
            Which::Drain(drain) => ClientRequest::Drain {
                node: drain.get_node()?.to_string()?,
                within: Duration::from_millis(drain.get_within_ms()),
            },
            Which::Remove(node) => ClientRequest::Remove { node: node?.to_string()? },
            Which::Close(()) => ClientRequest::Close { session },
        })
    })
}

fn session(request: &ClientRequest) -> Option<ClientSession> {
    match request {
        ClientRequest::Open { .. }
        | ClientRequest::Outcome { .. }
        | ClientRequest::Nodes
        | ClientRequest::Drain { .. }
        | ClientRequest::Remove { .. } => None,
        ClientRequest::Execute { session, .. }
        | ClientRequest::Fetch { session, .. }
        | ClientRequest::Forget { session, .. }
        | ClientRequest::Cancel { session }
        | ClientRequest::SetOption { session, .. }
        | ClientRequest::Options { session }
        | ClientRequest::Names { session }
        | ClientRequest::Progress { session }
        | ClientRequest::State { session }
        | ClientRequest::Close { session } => Some(*session),
    }
}

fn encode_id(value: QueryId, mut builder: statement_id::Builder<'_>) {
    builder.set_high((value.0 >> 64) as u64);
    builder.set_low(value.0 as u64);
}

fn decode_id(reader: statement_id::Reader<'_>) -> QueryId {
    QueryId(u128::from(reader.get_high()) << 64 | u128::from(reader.get_low()))
}

pub(super) fn encode_settings(values: &[Setting], mut list: capnp::struct_list::Builder<'_, setting::Owned>) {
    for (index, value) in values.iter().enumerate() {
        encode_setting(value, list.reborrow().get(count(index)));
    }
}

pub(super) fn decode_settings(list: capnp::struct_list::Reader<'_, setting::Owned>) -> Result<Vec<Setting>> {
    list.iter().map(decode_setting).collect()
}

fn encode_setting(value: &Setting, mut builder: setting::Builder<'_>) {
    builder.set_name(&value.name);
    builder.set_value(&value.value);
}

fn decode_setting(reader: setting::Reader<'_>) -> Result<Setting> {
    Ok(Setting { name: reader.get_name()?.to_string()?, value: reader.get_value()?.to_string()? })
}
