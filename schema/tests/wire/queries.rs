//! What coordinators and nodes say to each other, drawn at random.

use bytes::Bytes;
use nyala_schema::cluster::{Attempt, InstanceId, NodeId, Peer, QueryId};
use nyala_schema::deploy::{
    AdmissionAnswer, AdmissionAsk, AdmissionMessage, AwaitedFilter, Deploy, DeployedInstance,
    InstanceFigures, InstancePlaces, InstanceProfile, InstanceReport, InstanceState, InstanceStatus, Lease,
    MadeFilter, MorselRequest, OperatorFigures, ProgramFigures, QueryAnswer, QueryMessage, QueryState,
    QueryStatus, Report, ReportAnswer,
};
use nyala_schema::error::Position;
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use nyala_schema::option::Options;
use nyala_schema::wire::{self, QUERY_MESSAGE_BYTES_MAX};
use nyala_schema::{Error, ErrorCode};
use proptest::prelude::*;

use crate::draw::Draw;

fn query(draw: &mut Draw) -> QueryId {
    QueryId(u128::from(draw.number()) << 64 | u128::from(draw.number()))
}

fn attempt(draw: &mut Draw) -> Attempt {
    Attempt { query: query(draw), number: draw.small() }
}

fn peer(draw: &mut Draw) -> Peer {
    Peer { id: NodeId(draw.number()), address: draw.text() }
}

fn instance(draw: &mut Draw) -> InstanceId {
    InstanceId { attempt: attempt(draw), fragment: FragmentId(draw.small()), index: draw.small() }
}

fn error(draw: &mut Draw) -> Error {
    let code = draw.one(&[ErrorCode::Connection, ErrorCode::DivisionByZero, ErrorCode::Internal]);
    let mut error = Error::new(code, draw.text());
    if draw.flag() {
        error = error.with_hint(draw.text());
    }
    if draw.flag() {
        error = error.at(Position { line: draw.small().max(1), column: draw.small() });
    }
    error
}

fn bytes(draw: &mut Draw) -> Bytes {
    draw.bytes().into()
}

fn lease(draw: &mut Draw) -> Lease {
    Lease {
        fragment: FragmentId(draw.small()),
        scan: OperatorId(draw.small()),
        morsels: draw.some(Draw::small),
        is_last: draw.flag(),
    }
}

fn options(draw: &mut Draw) -> Options {
    Options {
        memory_limit: draw.number(),
        threads: 1 + draw.below(1000),
        verify_backends: draw.flag(),
        time_zone: draw.one(&["UTC".to_owned(), "+02:00".to_owned()]),
        ..Options::default()
    }
}

fn deploy(draw: &mut Draw) -> Deploy {
    Deploy {
        attempt: attempt(draw),
        coordinator: peer(draw),
        incarnation: draw.number(),
        options: options(draw),
        peers: draw.some(peer),
        places: draw.some(|draw| InstancePlaces {
            fragment: FragmentId(draw.small()),
            nodes: draw.some(Draw::small),
        }),
        instances: draw.some(|draw| DeployedInstance { index: draw.small(), fragment: bytes(draw) }),
        leases: draw.some(lease),
        filters: draw.some(|draw| AwaitedFilter {
            fragment: FragmentId(draw.small()),
            scan: OperatorId(draw.small()),
            filter: RuntimeFilterId(draw.small()),
            wait_ms: draw.small(),
        }),
        wanted_filters: draw.some(|draw| RuntimeFilterId(draw.small())),
    }
}

fn state(draw: &mut Draw) -> InstanceState {
    match draw.below(3) {
        0 => InstanceState::Running,
        1 => InstanceState::Finished,
        _ => InstanceState::Failed(error(draw)),
    }
}

fn figures(draw: &mut Draw) -> InstanceFigures {
    InstanceFigures {
        rows_scanned: draw.number(),
        rows_passed: draw.number(),
        rows_total: draw.number(),
        rows_out: draw.number(),
        bytes_out: draw.number(),
        bytes_read: draw.number(),
        memory_bytes: draw.number(),
        memory_peak_bytes: draw.number(),
        elapsed_us: draw.number(),
        morsels_taken: draw.number(),
    }
}

fn profile(draw: &mut Draw) -> InstanceProfile {
    InstanceProfile {
        operators: draw.some(|draw| OperatorFigures {
            operator: draw.small(),
            name: draw.text(),
            rows_in: draw.number(),
            rows_out: draw.number(),
            rows_built: draw.number(),
            time_us: draw.number(),
            peak_memory_bytes: draw.number(),
            bytes_read: draw.number(),
            morsels: draw.number(),
            morsels_pruned: draw.number(),
            rows_filtered: draw.number(),
        }),
        programs: draw.some(|draw| ProgramFigures {
            operator: draw.small(),
            backend: draw.text(),
            statements: draw.number(),
            batches: draw.number(),
            rows: draw.number(),
            compiling_us: draw.number(),
            switched_at: draw.maybe(|draw| u64::from(draw.small())),
        }),
        compiling_us: draw.number(),
    }
}

fn request(draw: &mut Draw) -> MorselRequest {
    MorselRequest { instance: instance(draw), scan: OperatorId(draw.small()), number: draw.small() }
}

fn report(draw: &mut Draw) -> Report {
    Report {
        instances: draw.some(|draw| InstanceReport {
            instance: instance(draw),
            state: state(draw),
            figures: figures(draw),
            profile: draw.maybe(profile),
        }),
        filters: draw.some(|draw| MadeFilter {
            instance: instance(draw),
            filter: RuntimeFilterId(draw.small()),
            bytes: bytes(draw),
        }),
        requests: draw.some(request),
    }
}

fn status(draw: &mut Draw) -> QueryStatus {
    QueryStatus {
        id: query(draw),
        state: draw.one(&[QueryState::Queued, QueryState::Running, QueryState::Failed]),
        user: draw.text(),
        pool: draw.text(),
        sql: draw.text(),
        coordinator: peer(draw),
        started_ms: draw.number(),
        elapsed_ms: draw.number(),
        rows: draw.number(),
        memory_bytes: draw.number(),
        attempts: draw.small(),
        progress: f64::from(draw.small()),
        error: draw.maybe(error),
        instances: draw.some(|draw| InstanceStatus {
            fragment: FragmentId(draw.small()),
            index: draw.small(),
            node: peer(draw),
            state: state(draw),
            rows: draw.number(),
            rows_per_second: f64::from(draw.small()),
            memory_bytes: draw.number(),
            bytes_sent: draw.number(),
            morsels_done: draw.number(),
            morsels_total: draw.number(),
        }),
    }
}

fn ask(draw: &mut Draw) -> AdmissionAsk {
    AdmissionAsk {
        query: query(draw),
        pool: draw.text(),
        user: draw.text(),
        memory_bytes: draw.number(),
        waited_ms: draw.number(),
    }
}

pub fn messages(draw: &mut Draw) -> Vec<QueryMessage> {
    vec![
        QueryMessage::Deploy(Box::new(deploy(draw))),
        QueryMessage::Cancel { attempt: attempt(draw), reason: error(draw) },
        QueryMessage::Report(report(draw)),
        QueryMessage::Filter {
            attempt: attempt(draw),
            filter: RuntimeFilterId(draw.small()),
            bytes: bytes(draw),
        },
        QueryMessage::List,
        QueryMessage::Kill { query: query(draw), reason: error(draw) },
        QueryMessage::Profile { query: query(draw) },
    ]
}

pub fn answers(draw: &mut Draw) -> Vec<QueryAnswer> {
    let leases = draw.some(|draw| (request(draw), lease(draw)));
    vec![
        QueryAnswer::Done,
        QueryAnswer::Refused(error(draw)),
        QueryAnswer::Report(ReportAnswer { leases, unknown: draw.some(attempt) }),
        QueryAnswer::Queries(draw.some(status)),
        QueryAnswer::Known(draw.flag()),
        QueryAnswer::Text(draw.maybe(Draw::text)),
    ]
}

proptest! {
    #[test]
    fn queries(seed: u64) {
        let mut draw = Draw::new(seed);
        for message in messages(&mut draw) {
            let bytes = wire::encode_query_message(&message).unwrap();
            prop_assert_eq!(wire::decode_query_message(&bytes).unwrap(), message);
        }
        for answer in answers(&mut draw) {
            let bytes = wire::encode_query_answer(&answer).unwrap();
            prop_assert_eq!(wire::decode_query_answer(&bytes).unwrap(), answer);
        }
    }

    #[test]
    fn admission(seed: u64) {
        let mut draw = Draw::new(seed);
        let messages = [
            AdmissionMessage::Ask(ask(&mut draw)),
            AdmissionMessage::Renew { running: draw.some(ask) },
            AdmissionMessage::Release { query: query(&mut draw) },
        ];
        for message in messages {
            let bytes = wire::encode_admission(&message).unwrap();
            prop_assert_eq!(wire::decode_admission(&bytes).unwrap(), message);
        }
        let refused = AdmissionAnswer::Refused(error(&mut draw));
        use AdmissionAnswer::{Admitted, Done, NotController, Queued};
        for answer in [Done, Admitted, Queued, refused, NotController] {
            let bytes = wire::encode_admission_answer(&answer).unwrap();
            prop_assert_eq!(wire::decode_admission_answer(&bytes).unwrap(), answer);
        }
    }
}

#[test]
fn a_message_that_would_break_the_connection_is_not_made() {
    let mut draw = Draw::new(1);
    let mut deploy = deploy(&mut draw);
    let fragment = vec![0; QUERY_MESSAGE_BYTES_MAX].into();
    deploy.instances = vec![DeployedInstance { index: 0, fragment }];
    let error = wire::encode_query_message(&QueryMessage::Deploy(Box::new(deploy))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooComplex);
    assert!(error.hint().is_some());
}
