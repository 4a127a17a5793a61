//! Messages of the catalog's replicas over the transport. What they say is not looked at.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use nyala_catalog::raft::{Network, Peer as ReplicaPeer};
use nyala_exchange::{Service, Transport};
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, Peer};

use crate::roster::Roster;

pub struct Carrier {
    pub transport: Arc<dyn Transport>,
    pub roster: Arc<Mutex<Roster>>,
}

#[async_trait]
impl Network for Carrier {
    async fn call(&self, to: &ReplicaPeer, request: Vec<u8>) -> Result<Vec<u8>> {
        let id = NodeId(to.id);
        // Where it says that it is; it may have moved since it became a member.
        let said = {
            let roster = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
            roster.record(id).map(|record| record.address.clone())
        };
        let peer = Peer { id, address: said.unwrap_or_else(|| to.address.clone()) };
        self.transport.call(&peer, Service::CATALOG, Bytes::from(request)).await.map(Vec::from)
    }
}
