//! A client: it does this and that on any replica, one thing at a time, and writes down what it was told.

use std::sync::Arc;
use std::time::Duration;

use nyala_catalog::raft::{Outcome as StatementOutcome, Replica};
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::{Error, ErrorCode};
use rand::Rng;
use tokio::time::sleep;

use super::history::{Action, Operation, Outcome};
use super::plant::Plant;
use super::world::World;
use crate::cluster::{remove, swap, value, write};

pub const REGISTERS: usize = 3;
const PAUSE_MS_MAX: u64 = 250;
/// After which what became of a statement is left open.
const TRIES: usize = 20;

pub async fn work(world: Arc<World>, client: usize, operations: usize) {
    for number in 0..operations {
        let pause = world.random(|random| random.gen_range(0..PAUSE_MS_MAX));
        sleep(Duration::from_millis(pause)).await;
        let Some(replica) = world.any_running() else { continue };
        let register = world.random(|random| random.gen_range(0..REGISTERS));
        let action = choose(&world, &replica, register, format!("{client}.{number}"));
        operate(&world, client, &replica, register, action).await;
        if world.failure().is_some() {
            return;
        }
    }
}

fn choose(world: &World, replica: &Replica, register: usize, text: String) -> Action {
    match world.random(|random| random.gen_range(0..12)) {
        0..4 => Action::Read,
        4..7 => Action::Write(Some(text)),
        7 => Action::Write(None),
        8 => Action::Create(text),
        9..11 => Action::Swap { from: value(&replica.snapshot(), &name(register)), to: text },
        _ => Action::Drop,
    }
}

fn name(register: usize) -> String {
    format!("v{register}")
}

/// Does it and writes it down.
pub async fn operate(world: &Arc<World>, client: usize, replica: &Replica, register: usize, action: Action) {
    let start = world.history(|history| history.moment());
    let name = name(register);
    let (outcome, version) = match &action {
        Action::Read => read(world, replica, &name).await,
        Action::Write(Some(text)) => change(world, replica, write(&name, text, OnConflict::Replace)).await,
        Action::Write(None) => change(world, replica, remove(&name, true)).await,
        Action::Create(text) => change(world, replica, write(&name, text, OnConflict::Fail)).await,
        Action::Drop => change(world, replica, remove(&name, false)).await,
        // Nothing has been waited for since the value was read.
        Action::Swap { to, .. } => {
            let version = replica.snapshot().read_version(&name);
            change(world, replica, swap(&name, version, to)).await
        }
    };
    world.history(|history| {
        let end = history.moment();
        history.add(client, Operation { register, action, outcome, start, end, version });
    });
}

async fn read(world: &World, replica: &Replica, name: &str) -> (Outcome, Option<u64>) {
    let snapshot = if world.plant == Some(Plant::StaleRead) {
        Ok(replica.snapshot())
    } else {
        replica.linearizable_snapshot().await
    };
    match snapshot {
        Ok(snapshot) => (Outcome::Value(value(&snapshot, name)), Some(snapshot.version)),
        Err(error) => (failed(world, &error), None),
    }
}

async fn change(world: &World, replica: &Replica, command: Command) -> (Outcome, Option<u64>) {
    let changed = match world.plant {
        Some(Plant::EarlyAnswer) if replica.status().leader == Some(replica.id()) => early(replica, command),
        Some(Plant::AppliedTwice) => until_known(replica, &command).await,
        _ if world.random(|random| random.gen_bool(0.4)) => return state(world, replica, &command).await,
        // Both ways to commit; only one of them says which version it made.
        _ if world.random(|random| random.gen_bool(0.5)) => replica.propose(&command).await.map(Some),
        _ => replica.commit(&command).await.map(|_| None),
    };
    match changed {
        Ok(version) => (Outcome::Done, version),
        Err(error) => (failed(world, &error), None),
    }
}

/// As a statement: when its answer is lost it is tried again, or asked after, on any replica, until that is known.
async fn state(world: &World, replica: &Replica, command: &Command) -> (Outcome, Option<u64>) {
    let id = world.statement_id();
    let mut replica = replica.clone();
    let mut done = replica.commit_as(id, command).await.map(|_| None);
    for _ in 0..TRIES {
        let Err(error) = &done else { return (Outcome::Done, None) };
        if !matches!(error.code(), ErrorCode::CommitUnknown | ErrorCode::Store) {
            break;
        }
        let pause = world.random(|random| random.gen_range(0..PAUSE_MS_MAX));
        sleep(Duration::from_millis(pause)).await;
        replica = world.any_running().unwrap_or(replica);
        if world.random(|random| random.gen_bool(0.5)) {
            done = replica.commit_as(id, command).await.map(|_| None);
            continue;
        }
        // The bug: the fence stands before another statement.
        let fenced = if world.plant == Some(Plant::ForgottenFence) { id ^ 1 } else { id };
        match replica.outcome(fenced).await {
            Ok(StatementOutcome::Done { version }) => {
                world.settle(true);
                return (Outcome::Done, Some(version));
            }
            Ok(StatementOutcome::Never) => {
                world.settle(false);
                return (Outcome::NotDone, None);
            }
            Ok(StatementOutcome::Refused(error)) => done = Err(error),
            // Nothing is known of the statement by that.
            Err(_) => {}
        }
    }
    match done {
        Ok(version) => (Outcome::Done, version),
        // Tries before may have been lost.
        Err(error) if error.code() == ErrorCode::Connection => (Outcome::Unknown, None),
        Err(error) => (failed(world, &error), None),
    }
}

fn early(replica: &Replica, command: Command) -> Result<Option<u64>, Error> {
    let replica = replica.clone();
    tokio::spawn(async move { replica.propose(&command).await });
    Ok(None)
}

async fn until_known(replica: &Replica, command: &Command) -> Result<Option<u64>, Error> {
    let mut done = replica.propose(command).await;
    while done.as_ref().is_err_and(|error| error.code() == ErrorCode::CommitUnknown) {
        done = replica.propose(command).await;
    }
    done.map(Some)
}

fn failed(world: &World, error: &Error) -> Outcome {
    match error.code() {
        ErrorCode::DuplicateTable | ErrorCode::UndefinedTable | ErrorCode::SerializationFailure => {
            Outcome::Refused
        }
        // `Cancelled` is a fence whose own answer was lost.
        ErrorCode::Connection | ErrorCode::Cancelled => Outcome::NotDone,
        // `Store` is what a replica says that crashed meanwhile.
        ErrorCode::CommitUnknown | ErrorCode::Store => Outcome::Unknown,
        _ => {
            world.fail(format!("an error of a kind that is not expected: {error:?}"));
            Outcome::Unknown
        }
    }
}
