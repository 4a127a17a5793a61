//! The same over the exchange itself, on a network in memory: with threads, and with everything in one thread and time that does
//! not pass by itself.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::memory::{MemoryNetwork, Weather};
use nyala_exchange::{
    Caller, Exchange, ExchangeConfig, Handler, Input, InputSpec, OutputSpec, Receipt, Service, StreamPart,
};
use nyala_executor::{Ends, Execution};
use nyala_schema::cluster::{Attempt, NodeId, Peer, QueryId, StreamId};
use nyala_schema::fragment::Placement;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, ErrorCode, Fragment, Result};
use tokio::runtime::Builder;

use super::aggregate;
use super::join;
use super::sort;
use crate::harness::Harness;
use crate::table::batch_text;

const NODES: usize = 3;
const ATTEMPT: Attempt = Attempt { query: QueryId(7), number: 0 };

struct Node {
    peer: Peer,
    exchange: Arc<Exchange>,
    harness: Arc<Harness>,
}

#[derive(Default)]
struct Inbox(OnceLock<Arc<Exchange>>);

#[async_trait]
impl Handler for Inbox {
    async fn call(&self, _: &Caller, _: Service, _: Bytes) -> Result<Bytes> {
        Err(Error::unsupported("calls"))
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        self.0.get().unwrap().receive(from, stream, part, receipt);
    }

    fn disconnected(&self, node: NodeId) {
        self.0.get().unwrap().disconnected(node);
    }

    fn client_gone(&self, _: u64) {}
}

/// Starts the nodes; each shares all tables of the first harness.
fn nodes(network: &Arc<MemoryNetwork>, harness: &dyn Fn() -> Harness, first: Harness) -> Vec<Node> {
    let tables = first.tables();
    let mut first = Some(first);
    (0..NODES)
        .map(|index| {
            let peer = Peer { id: NodeId(index as u64 + 1), address: format!("node{index}:1") };
            let inbox = Arc::new(Inbox::default());
            let transport = network.add(peer.clone(), 1, inbox.clone());
            let exchange = Exchange::new(transport, ExchangeConfig::default());
            assert!(inbox.0.set(exchange.clone()).is_ok());
            let harness = first.take().unwrap_or_else(harness);
            harness.share(&tables);
            Node { peer, exchange, harness: Arc::new(harness) }
        })
        .collect()
}

/// All instances, the coordinator's first; each with the number of its node. Part i of a scan goes to instance i, counted
/// round.
fn start(nodes: &[Node], fragments: &[Fragment]) -> Vec<(usize, Execution)> {
    let peers = |fragment: &Fragment| match fragment.placement {
        Placement::Coordinator => vec![nodes[0].peer.clone()],
        Placement::Nodes => nodes.iter().map(|node| node.peer.clone()).collect(),
    };
    let mut executions = vec![];
    for fragment in fragments {
        let plan = Arc::new(nyala_pipeline::build(fragment).unwrap());
        for (index, node) in nodes.iter().enumerate().take(peers(fragment).len()) {
            let mut inputs = HashMap::new();
            for sender in fragments.iter().filter(|other| other.output.to() == Some(fragment.id)) {
                let input = node.exchange.input(InputSpec {
                    attempt: ATTEMPT,
                    fragment: sender.id,
                    receiver: index as u32,
                    senders: peers(sender).into(),
                    schema: nyala_pipeline::stream_schema(&sender.root.schema),
                });
                inputs.insert(sender.id, input as Arc<dyn Input>);
            }
            let output = fragment.output.to().map(|to| {
                let to = fragments.iter().find(|other| other.id == to).unwrap();
                node.exchange.output(OutputSpec {
                    attempt: ATTEMPT,
                    fragment: fragment.id,
                    sender: index as u32,
                    receivers: peers(to).into(),
                    schema: plan.output_schema.clone(),
                    compression: None,
                })
            });
            let morsels = super::cluster::by_number(&node.harness, fragment, index, NODES);
            let ends = Ends { inputs, output, morsels, ..Ends::default() };
            let options = &node.harness.options;
            let execution = node.harness.executor.start_instance(plan.clone(), options, ends).unwrap();
            executions.push((index, execution));
        }
    }
    executions
}

/// All of what there is to run: the tables, and queries both in one piece and cut up.
fn queries(harness: &Harness) -> Vec<(nyala_schema::Operator, Vec<Fragment>)> {
    let mut queries = aggregate::samples(harness);
    for kind in [JoinKind::FullOuter, JoinKind::BuildAnti, JoinKind::Inner] {
        queries.push(join::sample(harness, kind));
    }
    queries.push(sort::sample(harness));
    queries
}

async fn rows_of(execution: &mut Execution) -> Result<Vec<RecordBatch>> {
    let mut batches = vec![];
    while let Some(batch) = poll_fn(|context| execution.poll_next(context)).await? {
        batches.push(batch);
    }
    Ok(batches)
}

async fn ended(executions: &[(usize, Execution)]) -> Vec<Result<()>> {
    let mut results = vec![];
    for (_, execution) in executions {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        execution.when_over(Box::new(move |result| _ = sender.send(result)));
        results.push(receiver.await.unwrap());
    }
    results
}

#[test]
fn queries_over_the_exchange_with_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        let count = queries(&Harness::new()).len();
        for number in 0..count {
            let first = Harness::new();
            let (single, fragments) = queries(&first).swap_remove(number);
            let expected = first.sorted(&single).unwrap();
            let network = MemoryNetwork::new(1, Weather::default());
            let nodes = nodes(&network, &Harness::new, first);
            let mut executions = start(&nodes, &fragments);
            let mut rows = batch_text(&rows_of(&mut executions[0].1).await.unwrap());
            rows.sort();
            assert_eq!(rows, expected);
            assert!(ended(&executions).await.iter().all(Result::is_ok));
            let sent: u64 = executions.iter().map(|(_, execution)| execution.statistics().bytes_out).sum();
            assert!(sent > 0);
            nodes.iter().for_each(|node| network.crash(node.peer.id));
        }
    });
}

/// Runs jobs as they come, one at a time with all else that the thread does.
fn drive(nodes: &[Node]) {
    for node in nodes {
        let harness = node.harness.clone();
        tokio::spawn(async move {
            loop {
                poll_fn(|context| harness.executor.poll_work(context)).await;
                harness.executor.run_one();
                tokio::task::yield_now().await;
            }
        });
    }
}

fn in_one_thread<F: Future>(run: F) -> F::Output {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(run)
}

#[test]
fn one_thread_gives_the_same_for_the_same_seed() {
    let run = |seed: u64, number: usize| {
        let first = super::driven::driven();
        let (single, fragments) = queries(&first).swap_remove(number);
        let threads = Harness::new();
        threads.share(&first.tables());
        let mut expected = threads.sorted(&single).unwrap();
        expected.sort();
        let rows = in_one_thread(async {
            let network = MemoryNetwork::new(seed, Weather::default());
            let nodes = nodes(&network, &super::driven::driven, first);
            drive(&nodes);
            let mut executions = start(&nodes, &fragments);
            let rows = batch_text(&rows_of(&mut executions[0].1).await.unwrap());
            assert!(ended(&executions).await.iter().all(Result::is_ok));
            nodes.iter().for_each(|node| node.exchange.release(ATTEMPT));
            let left: u64 = nodes.iter().map(|node| node.exchange.statistics().streams_in).sum();
            assert_eq!(left, 0);
            nodes.iter().for_each(|node| network.crash(node.peer.id));
            rows
        });
        let mut sorted = rows.clone();
        sorted.sort();
        assert_eq!(sorted, expected);
        rows
    };
    for number in 0..queries(&Harness::new()).len() {
        for seed in 0..3 {
            assert_eq!(run(seed, number), run(seed, number), "seed {seed}");
        }
    }
}

/// A node is gone while rows are on their way: all others end with that error, and what they held is free.
#[test]
fn a_node_that_is_gone_ends_the_query_everywhere() {
    for micros in [0, 100, 400, 900, 2_000] {
        in_one_thread(async {
            let first = super::driven::driven();
            let (_, fragments) = queries(&first).swap_remove(0);
            let network = MemoryNetwork::new(5, Weather::default());
            let nodes = nodes(&network, &super::driven::driven, first);
            drive(&nodes);
            let mut executions = start(&nodes, &fragments);
            tokio::time::sleep(Duration::from_micros(micros)).await;
            network.crash(nodes[2].peer.id);
            nodes[2].exchange.release(ATTEMPT);
            // Whoever had no connection is told by those who watch the nodes.
            nodes.iter().for_each(|node| node.exchange.disconnected(nodes[2].peer.id));
            let patience = super::cluster::PATIENCE;
            let result = tokio::time::timeout(patience, rows_of(&mut executions[0].1)).await;
            let result = result.unwrap_or_else(|_| panic!("rows, {micros} µs"));
            let results = tokio::time::timeout(patience, ended(&executions)).await;
            let results = results.unwrap_or_else(|_| panic!("the end, {micros} µs"));
            if let Err(error) = result {
                assert_eq!(error.code(), ErrorCode::Connection, "{error:?}");
                assert!(results[0].is_err());
            }
            assert!(executions.iter().all(|(_, execution)| execution.statistics().memory_bytes == 0));
            nodes.iter().for_each(|node| network.crash(node.peer.id));
        });
    }
}
