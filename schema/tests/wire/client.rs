//! What clients and nodes say to each other.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use nyala_schema::client::{
    ClientRequest, ClientResponse, ClientSession, FetchEnd, FragmentProgress, Names, OpenQuery, ResponseBody,
    SessionState, Setting, StatementOutcome, StatementProgress, StatementSummary, TransactionState,
};
use nyala_schema::cluster::{Machine, NodeId, NodeInfo, NodeState, Peer, ProtocolVersions, QueryId, Roles};
use nyala_schema::error::Position;
use nyala_schema::{Error, ErrorCode, wire};
use proptest::prelude::*;

use crate::arrays;
use crate::draw::Draw;

pub fn request(draw: &mut Draw) -> ClientRequest {
    let session = ClientSession(draw.number());
    let statement = QueryId(u128::from(draw.number()) << 64 | u128::from(draw.number()));
    match draw.below(15) {
        0 => ClientRequest::Open {
            user: draw.text(),
            settings: draw.some(setting),
            schema: draw.text(),
            catalog_version_min: draw.number(),
        },
        1 => ClientRequest::Execute { session, statement, sql: draw.text() },
        2 => ClientRequest::Fetch {
            session,
            query: OpenQuery(draw.number()),
            wait: Duration::from_millis(draw.small().into()),
            bytes_max: draw.small(),
        },
        3 => ClientRequest::Forget { session, query: OpenQuery(draw.number()) },
        4 => ClientRequest::Cancel { session },
        5 => ClientRequest::SetOption { session, setting: setting(draw) },
        6 => ClientRequest::Options { session },
        7 => ClientRequest::Names { session },
        8 => ClientRequest::Progress { session },
        9 => ClientRequest::State { session },
        10 => ClientRequest::Outcome { statement },
        11 => ClientRequest::Nodes,
        12 => ClientRequest::Drain { node: draw.text(), within: Duration::from_millis(draw.number()) },
        13 => ClientRequest::Remove { node: draw.text() },
        _ => ClientRequest::Close { session },
    }
}

pub fn response(draw: &mut Draw) -> ClientResponse {
    ClientResponse { state: draw.maybe(state), body: body(draw) }
}

fn body(draw: &mut Draw) -> ResponseBody {
    match draw.below(12) {
        0 => ResponseBody::Failed(error(draw)),
        1 => ResponseBody::Elsewhere(error(draw)),
        2 => ResponseBody::Fine,
        3 => ResponseBody::Opened { session: ClientSession(draw.number()), node: Box::new(node(draw)) },
        4 => ResponseBody::Done { tag: draw.text() },
        5 => ResponseBody::Rows {
            query: OpenQuery(draw.number()),
            schema: Arc::new(Schema::new(draw.some(|draw| {
                let name = draw.text();
                Field::new(name, arrays::any_type(draw, 2), draw.flag())
            }))),
        },
        6 => ResponseBody::Fetched {
            bytes: Bytes::from(draw.bytes()),
            progress: progress(draw),
            end: match draw.below(3) {
                0 => FetchEnd::More,
                1 => FetchEnd::Over(summary(draw)),
                _ => FetchEnd::Failed(error(draw)),
            },
        },
        7 => ResponseBody::Options(draw.some(setting)),
        8 => ResponseBody::Names(Names {
            tables: draw.some(Draw::text),
            columns: draw.some(|draw| (draw.text(), draw.text())),
            functions: draw.some(Draw::text),
            keywords: draw.some(Draw::text),
        }),
        9 => ResponseBody::Progress(draw.maybe(progress)),
        10 => ResponseBody::Outcome(match draw.below(3) {
            0 => StatementOutcome::Done { catalog_version: draw.number() },
            1 => StatementOutcome::Refused(error(draw)),
            _ => StatementOutcome::Never,
        }),
        _ => ResponseBody::Nodes(draw.some(node)),
    }
}

fn setting(draw: &mut Draw) -> Setting {
    Setting { name: draw.text(), value: draw.text() }
}

fn error(draw: &mut Draw) -> Error {
    let code =
        draw.one(&[ErrorCode::Syntax, ErrorCode::Cancelled, ErrorCode::Internal, ErrorCode::CommitUnknown]);
    let mut error = Error::new(code, draw.text());
    if draw.flag() {
        error = error.at(Position { line: 1 + draw.below(9) as u32, column: draw.small() });
    }
    match draw.maybe(Draw::text) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn state(draw: &mut Draw) -> SessionState {
    SessionState {
        transaction: draw.one(&[TransactionState::None, TransactionState::Open, TransactionState::Failed]),
        has_changes: draw.flag(),
        schema: draw.text(),
        catalog_version: draw.number(),
        settings: draw.some(setting),
    }
}

fn progress(draw: &mut Draw) -> StatementProgress {
    StatementProgress {
        fraction: draw.float(),
        rows_scanned: draw.number(),
        bytes_read: draw.number(),
        memory_bytes: draw.number(),
        fragments: draw.some(|draw| FragmentProgress {
            fragment: draw.small(),
            instances: draw.small(),
            instances_done: draw.small(),
            rows: draw.number(),
            rows_per_second: draw.float(),
            memory_bytes: draw.number(),
            spilled_bytes: draw.number(),
            sent_bytes: draw.number(),
        }),
    }
}

fn summary(draw: &mut Draw) -> StatementSummary {
    StatementSummary {
        rows: draw.number(),
        elapsed: Duration::from_nanos(draw.number()),
        planning: Duration::from_nanos(draw.number()),
        compiling: Duration::from_nanos(draw.number()),
        bytes_read: draw.number(),
        peak_memory_bytes: draw.number(),
        backend: draw.text(),
    }
}

fn node(draw: &mut Draw) -> NodeInfo {
    NodeInfo {
        peer: Peer { id: NodeId(draw.number()), address: draw.text() },
        name: draw.text(),
        incarnation: draw.number(),
        roles: Roles { coordinator: draw.flag(), executor: draw.flag(), catalog: draw.flag() },
        state: draw.one(&[
            NodeState::Joining,
            NodeState::Active,
            NodeState::Draining,
            NodeState::Suspect,
            NodeState::Down,
        ]),
        cores: draw.small(),
        memory_bytes: draw.number(),
        version: draw.text(),
        protocol: ProtocolVersions { min: draw.small(), max: draw.small() },
        catalog_version: draw.number(),
        http: draw.maybe(Draw::text),
        machine: draw.maybe(|draw| Machine { id: draw.text(), cores: draw.small() }),
    }
}

proptest! {
    #[test]
    fn requests(seed: u64) {
        let request = request(&mut Draw::new(seed));
        let bytes = wire::encode_client_request(&request);
        prop_assert_eq!(wire::decode_client_request(&bytes).unwrap(), request);
    }

    #[test]
    fn responses(seed: u64) {
        let response = response(&mut Draw::new(seed));
        let bytes = wire::encode_client_response(&response);
        prop_assert_eq!(wire::decode_client_response(&bytes).unwrap(), response);
    }
}
