//! A node's part in all queries: those that arrived at it, and instances of others'.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{Caller, Exchange, Members, Service, Transport};
use nyala_executor::Executor;
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, QueryId};
use nyala_schema::deploy::QueryStatus;

use crate::admission::Leader;
use crate::handle::QueryHandle;
use crate::request::QueryRequest;
use crate::settings::CoordinatorSettings;

/// What a coordinator is made of.
pub struct CoordinatorParts {
    pub transport: Arc<dyn Transport>,
    pub members: Arc<dyn Members>,
    pub exchange: Arc<Exchange>,
    pub executor: Arc<Executor>,
    /// Where everything that waits runs.
    pub runtime: tokio::runtime::Handle,
    /// Of this node, as [`Caller::Node`] shows it to others.
    pub incarnation: u64,
    /// Who decides over admission.
    pub leader: Arc<dyn Leader>,
    pub settings: CoordinatorSettings,
}

/// One per node. Ends with its last reference.
pub struct Coordinator {}

impl Coordinator {
    pub fn start(parts: CoordinatorParts) -> Arc<Self> {
        let _ = parts;
        todo!()
    }

    /// Starts a query. Waits for its admission and for its instances to be started, on the calling thread; [`kill`](Self::kill)
    /// ends that too. Not to be called on a thread of the runtime: see [`start_async`](Self::start_async).
    ///
    /// # Errors
    /// `OutOfMemory` when its pool has no room in its queue or did not admit it in time; `UndefinedObject` for a pool that
    /// is not there; `Connection` while the node drains; those of opening scans.
    pub fn start_query(self: &Arc<Self>, request: QueryRequest) -> Result<QueryHandle> {
        let _ = request;
        todo!()
    }

    /// # Errors
    /// Those of [`start_query`](Self::start_query).
    pub async fn start_async(self: &Arc<Self>, request: QueryRequest) -> Result<QueryHandle> {
        let _ = request;
        todo!()
    }

    /// A request of another node to `Service::QUERY` or `Service::ADMISSION`.
    ///
    /// # Errors
    /// `Connection` for bytes that are no request.
    pub async fn handle(self: &Arc<Self>, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        let _ = (from, service, request);
        todo!()
    }

    /// The connection with a node is gone.
    pub fn disconnected(self: &Arc<Self>, node: NodeId) {
        let _ = node;
        todo!()
    }

    /// The queries of this coordinator: those that run, and the last that ended.
    pub fn queries(&self) -> Vec<QueryStatus> {
        todo!()
    }

    /// The queries of all coordinators. Those of nodes that do not answer in time are missing.
    pub async fn all_queries(self: &Arc<Self>) -> Vec<QueryStatus> {
        todo!()
    }

    /// Ends a query, whichever coordinator it has.
    ///
    /// # Errors
    /// `UndefinedObject` when no coordinator that answers runs it.
    pub async fn kill(self: &Arc<Self>, query: QueryId) -> Result<()> {
        let _ = query;
        todo!()
    }

    /// What a query took, over all nodes, fragment by fragment, as text.
    ///
    /// # Errors
    /// `UndefinedObject` when no coordinator that answers knows it.
    pub async fn profile_of(self: &Arc<Self>, query: QueryId) -> Result<String> {
        let _ = query;
        todo!()
    }

    /// Starts no query any more and waits for those of this node, and for instances of others', to end. Says whether they
    /// did before the deadline.
    pub async fn drain(self: &Arc<Self>, deadline: Duration) -> bool {
        let _ = deadline;
        todo!()
    }
}
