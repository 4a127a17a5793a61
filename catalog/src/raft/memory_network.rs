//! Replicas of one process, and a weather between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nyala_schema::Result;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::network::{Network, Peer};
use super::replica::Replica;
use super::types::ReplicaId;

/// What becomes of messages.
pub trait Weather: Send + Sync + 'static {
    /// The times after which copies of a message arrive; none when it is lost.
    fn delays(&self, from: ReplicaId, to: ReplicaId) -> Vec<Duration>;
}

struct Calm;

impl Weather for Calm {
    fn delays(&self, _: ReplicaId, _: ReplicaId) -> Vec<Duration> {
        vec![Duration::ZERO]
    }
}

#[derive(Clone)]
pub struct MemoryNetwork {
    weather: Arc<dyn Weather>,
    replicas: Arc<Mutex<BTreeMap<ReplicaId, Replica>>>,
}

impl Default for MemoryNetwork {
    fn default() -> Self {
        Self::with_weather(Arc::new(Calm))
    }
}

impl MemoryNetwork {
    pub fn with_weather(weather: Arc<dyn Weather>) -> Self {
        Self { weather, replicas: Arc::default() }
    }

    /// The end of the network at which a replica is.
    pub fn end_of(&self, id: ReplicaId) -> Arc<dyn Network> {
        Arc::new(End { id, network: self.clone() })
    }

    pub fn plug_in(&self, replica: Replica) {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner).insert(replica.id(), replica);
    }

    /// Messages to this replica and from it are lost from now on.
    pub fn unplug(&self, id: ReplicaId) -> Option<Replica> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    fn replica(&self, id: ReplicaId) -> Option<Replica> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// One copy of a request: there, and its answer back.
    async fn deliver(
        self,
        from: ReplicaId,
        to: ReplicaId,
        request: Vec<u8>,
        answers: mpsc::Sender<Result<Vec<u8>>>,
    ) {
        let Some(replica) = self.replica(to) else { return };
        let answer = replica.handle(&request).await;
        // A replica that was unplugged meanwhile says nothing more.
        if !self.replica(to).is_some_and(|now| now.is_same(&replica)) {
            return;
        }
        if let Some(delay) = self.weather.delays(to, from).into_iter().min() {
            travel(delay).await;
            let _ = answers.send(answer).await;
        }
    }
}

/// A timer has a grain of a millisecond, also for no time at all.
async fn travel(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

struct End {
    id: ReplicaId,
    network: MemoryNetwork,
}

#[async_trait]
impl Network for End {
    async fn call(&self, to: &Peer, request: Vec<u8>) -> Result<Vec<u8>> {
        let (answers, mut answer) = mpsc::channel(1);
        let (from, to) = (self.id, to.id);
        let is_plugged_in = self.network.replica(from).is_some();
        let delays = if is_plugged_in { self.network.weather.delays(from, to) } else { Vec::new() };
        for delay in delays {
            let (network, request, answers) = (self.network.clone(), request.clone(), answers.clone());
            // A task of its own: a request that was sent goes on when nobody waits for it any more.
            tokio::spawn(async move {
                travel(delay).await;
                network.deliver(from, to, request, answers).await;
            });
        }
        drop(answers);
        match answer.recv().await {
            Some(answer) => answer,
            // Lost; nobody says so.
            None => std::future::pending().await,
        }
    }
}
