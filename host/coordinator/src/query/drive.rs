//! From admission to the end: attempts, until one gives all rows or none will.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nyala_schema::cluster::{Attempt, NodeId, NodeInfo, NodeState, Peer};
use nyala_schema::deploy::{AdmissionAsk, Deploy, InstanceState, QueryAnswer, QueryMessage};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, timeout};

use crate::query::place::{Placed, place};
use crate::query::running::{Failure, RunningQuery, Turn};
use crate::schedule::blacklist::{PENALTY_LOST, PENALTY_WITNESS};
use crate::schedule::nodes::choose;
use crate::services::Services;

/// For the nodes to say that they have ended an attempt: who does not is taken for lost.
const CANCEL_DEADLINE: Duration = Duration::from_secs(1);
/// Between two tries to tell those, and how many there are.
const CANCEL_AGAIN: Duration = Duration::from_secs(1);
const CANCEL_TRIES_MAX: u32 = 30;
/// For the last reports of a query that has given all rows.
const LAST_REPORTS_WAIT: Duration = Duration::from_millis(500);
/// For the report that says where an error comes from, when the error itself was faster.
const ORIGIN_WAIT: Duration = Duration::from_millis(50);

/// Runs a query until it is over.
pub(crate) async fn drive(services: Arc<Services>, query: Arc<RunningQuery>) {
    let result = match admit(&services, &query).await {
        Ok(()) => in_turn(&services, &query).await,
        Err(error) => Err(error),
    };
    query.end(result);
    services.over(&query).await;
}

async fn admit(services: &Services, query: &RunningQuery) -> Result<()> {
    let request = &query.request;
    let ask = AdmissionAsk {
        query: query.id,
        pool: request.pool.clone(),
        user: request.user.clone(),
        memory_bytes: request.options.memory_limit,
        waited_ms: 0,
    };
    tokio::select! {
        admitted = services.admission.admit(ask) => admitted,
        reason = query.until(RunningQuery::cancelled) => Err(reason),
    }
}

async fn in_turn(services: &Arc<Services>, query: &Arc<RunningQuery>) -> Result<()> {
    let turn = tokio::select! {
        turn = services.turn() => turn,
        reason = query.until(RunningQuery::cancelled) => return Err(reason),
    };
    let kept = async {
        tokio::time::sleep(services.settings.turn_max).await;
        drop(turn);
        std::future::pending().await
    };
    tokio::select! {
        result = run(services, query) => result,
        never = kept => never,
    }
}

async fn run(services: &Arc<Services>, query: &Arc<RunningQuery>) -> Result<()> {
    let attempts_max = services.settings.attempts_max.max(1);
    for number in 0.. {
        let is_last = number + 1 >= attempts_max;
        let executing = participants(services, query, number > 0 && is_last);
        let attempt = Attempt { query: query.id, number };
        let others: Vec<Peer> = executing.iter().map(|node| node.peer.clone()).collect();
        let failure = match try_once(services, query, number, executing).await {
            Turn::Ended => {
                query.end(Ok(()));
                last_reports(query).await;
                end_everywhere(services, attempt, &others, &finished()).await;
                return Ok(());
            }
            Turn::Cancelled(reason) => {
                services.spawn_end(attempt, others, reason.clone());
                return Err(reason);
            }
            Turn::Failed(failure) => failure,
        };
        let may_retry = failure.error.code() == ErrorCode::Connection && !is_last;
        let is_fresh = query.start_over();
        if !may_retry || !is_fresh {
            let error = final_error(query, &failure, number, is_fresh).await;
            blame(services, &failure, &[]);
            services.spawn_end(attempt, others, error.clone());
            return Err(error);
        }
        tracing::info!(query = %query.id, attempt = number, error = %failure.error, "a query is run again");
        let reachable: Vec<Peer> =
            others.iter().filter(|peer| !failure.lost.contains(&peer.id)).cloned().collect();
        let lost: Vec<Peer> = others.iter().filter(|peer| failure.lost.contains(&peer.id)).cloned().collect();
        services.spawn_end(attempt, lost, failure.error.clone());
        let silent = end_everywhere(services, attempt, &reachable, &failure.error).await;
        blame(services, &failure, &silent);
        tokio::select! {
            () = tokio::time::sleep(services.backoff(number)) => {}
            reason = query.until(RunningQuery::cancelled) => return Err(reason),
        }
    }
    Err(Error::internal("a query had no attempt"))
}

/// The nodes that run the fragments that are on nodes; this one alone for plans that have none, and as the last resort.
fn participants(services: &Services, query: &RunningQuery, only_local: bool) -> Vec<NodeInfo> {
    if only_local || query.request.fragments.len() == 1 {
        return vec![services.local_info()];
    }
    let (now, local) = (Instant::now(), services.transport.local().id);
    let nodes = services.members.nodes();
    choose(&nodes, local, |node| services.is_listed(node, now))
}

async fn try_once(
    services: &Arc<Services>,
    query: &Arc<RunningQuery>,
    number: u32,
    executing: Vec<NodeInfo>,
) -> Turn {
    let (with, of) = (services.clone(), query.clone());
    let placed = services.blocking(move || place(&with, &of, number, &executing)).await;
    let Placed { attempt, local, remote } = match placed {
        Ok(placed) => placed,
        Err(error) => return Turn::Failed(Failure { error, lost: vec![], witness: None }),
    };
    let id = attempt.attempt;
    query.begin(attempt);
    let is_local = remote.is_empty();
    let here = {
        let instances = services.instances.clone();
        services.blocking(move || instances.deploy(&local.0, local.1))
    };
    let there = join_all(remote.into_iter().map(|(peer, deploy)| deploy_to(services, peer, deploy)));
    let (here, there) = tokio::select! {
        deployed = async { tokio::join!(here, there) } => deployed,
        turn = query.until(RunningQuery::turn) => return turn,
    };
    if let Some(failure) = there.into_iter().flatten().next() {
        query.fail(id, failure);
    }
    match here {
        Ok(local) => {
            let root = local.instances().into_iter().find(|instance| {
                query.request.fragments.first().is_some_and(|fragment| fragment.id == instance.id.fragment)
            });
            if let (Some(root), None) = (root, query.turn()) {
                let filters = query.with(|core| core.attempt.as_mut().map(|attempt| attempt.deployed()));
                query.runs(root, is_local);
                services.send_filters(query, id, filters.unwrap_or_default());
            }
        }
        Err(error) => query.fail(id, Failure { error, lost: vec![], witness: None }),
    }
    query.until(RunningQuery::turn).await
}

/// What went wrong.
async fn deploy_to(services: &Services, peer: Peer, deploy: Deploy) -> Option<Failure> {
    let node = peer.id;
    match services.ask(&peer, &QueryMessage::Deploy(Box::new(deploy))).await {
        Ok(QueryAnswer::Done) => None,
        Ok(QueryAnswer::Refused(error)) => Some(Failure { error, lost: vec![], witness: Some(node) }),
        Ok(other) => {
            let error = Error::internal(format!("{peer} answered a deployment with {other:?}"));
            Some(Failure { error, lost: vec![], witness: None })
        }
        Err(error) if error.code() == ErrorCode::Connection => {
            Some(Failure { error, lost: vec![node], witness: None })
        }
        Err(error) => Some(Failure { error, lost: vec![], witness: None }),
    }
}

/// Ends an attempt on this node and the others; gives those that did not answer.
pub(crate) async fn end_everywhere(
    services: &Services,
    attempt: Attempt,
    peers: &[Peer],
    reason: &Error,
) -> Vec<NodeId> {
    services.instances.cancel(attempt, reason);
    let local = services.transport.local().id;
    let message = QueryMessage::Cancel { attempt, reason: reason.clone() };
    let others = peers.iter().filter(|peer| peer.id != local);
    let ends = others.map(|peer| {
        let message = &message;
        async move {
            let answer = timeout(CANCEL_DEADLINE, services.ask(peer, message)).await;
            if matches!(answer, Ok(Ok(_))) { None } else { Some(peer.clone()) }
        }
    });
    let silent: Vec<Peer> = join_all(ends).await.into_iter().flatten().collect();
    for peer in &silent {
        let (peer, message) = (peer.clone(), message.clone());
        services.spawn(move |services| async move { end_later(&services, &peer, &message).await });
    }
    silent.into_iter().map(|peer| peer.id).collect()
}

/// Tells a node that did not answer again, while it may still be there: what others sent it waits there otherwise.
async fn end_later(services: &Services, peer: &Peer, message: &QueryMessage) {
    for _ in 0..CANCEL_TRIES_MAX {
        tokio::time::sleep(CANCEL_AGAIN).await;
        let is_there = services.members.node(peer.id).is_some_and(|node| node.state != NodeState::Down);
        if !is_there || services.ask(peer, message).await.is_ok() {
            return;
        }
    }
}

fn blame(services: &Services, failure: &Failure, silent: &[NodeId]) {
    let now = Instant::now();
    let lost: Vec<NodeId> = failure.lost.iter().chain(silent).copied().collect();
    lost.iter().for_each(|node| services.penalize(*node, PENALTY_LOST, now));
    if let (true, Some(witness), ErrorCode::Connection) =
        (lost.is_empty(), failure.witness, failure.error.code())
    {
        services.penalize(witness, PENALTY_WITNESS, now);
    }
}

/// Waits, for a moment, until every instance has said how it ended.
async fn last_reports(query: &RunningQuery) {
    _ = timeout(LAST_REPORTS_WAIT, query.all_reported()).await;
}

/// The error for the client, with where it comes from.
async fn final_error(query: &RunningQuery, failure: &Failure, number: u32, is_fresh: bool) -> Error {
    let error = &failure.error;
    if error.code() == ErrorCode::Connection {
        let hint = if is_fresh {
            format!("it was tried {} times; run it again later", number + 1)
        } else {
            "a part of the result had been given out already: run the query again".to_owned()
        };
        return error.clone().with_hint(hint);
    }
    match timeout(ORIGIN_WAIT, query.until(|query| origin(query, error))).await {
        Ok(Some(origin)) => error.clone().context(origin),
        Ok(None) | Err(_) => error.clone(),
    }
}

/// The fragment and node where an error arose: of those that failed with it the one farthest from the client. `None` until
/// somebody has reported it; without a name when everything is on this node.
fn origin(query: &RunningQuery, error: &Error) -> Option<Option<String>> {
    query.with(|core| {
        let Some(attempt) = &core.attempt else { return Some(None) };
        if attempt.nodes.len() < 2 {
            return Some(None);
        }
        let failed = attempt.instances.iter().rev().find(|record| match &record.state {
            InstanceState::Failed(own) => own.code() == error.code() && own.message() == error.message(),
            InstanceState::Running | InstanceState::Finished => false,
        })?;
        let node = attempt.nodes.get(failed.node).map_or("", |node| node.peer.address.as_str());
        Some(Some(format!("fragment {} on {node}", failed.fragment)))
    })
}

fn finished() -> Error {
    Error::new(ErrorCode::Cancelled, "the query has ended")
}
