//! A client: it does this and that on any replica, one thing at a time, and writes down what it was told.

use std::sync::Arc;
use std::time::Duration;

use nyala_catalog::raft::Replica;
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
        // Both ways to commit; only one of them says which version it made.
        _ if world.random(|random| random.gen_bool(0.5)) => replica.propose(&command).await.map(Some),
        _ => replica.commit(&command).await.map(|_| None),
    };
    match changed {
        Ok(version) => (Outcome::Done, version),
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
        ErrorCode::Connection => Outcome::NotDone,
        // `Store` is what a replica says that crashed meanwhile.
        ErrorCode::CommitUnknown | ErrorCode::Store => Outcome::Unknown,
        _ => {
            world.fail(format!("an error of a kind that is not expected: {error:?}"));
            Outcome::Unknown
        }
    }
}
