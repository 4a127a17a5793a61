//! Links that are connections of our own protocol.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::Service;
use nyala_rpc::client::{ClientConnection, connect};
use nyala_rpc::config::ClientConfig;
use nyala_schema::Result;

use crate::link::{Dial, Link};

/// Connects by `host/rpc`.
pub struct RpcDial {
    pub config: ClientConfig,
}

struct RpcLink(Arc<ClientConnection>);

#[async_trait]
impl Dial for RpcDial {
    async fn dial(&self, address: &str) -> Result<Arc<dyn Link>> {
        let connection = connect(address, self.config.clone()).await?;
        Ok(Arc::new(RpcLink(connection)))
    }
}

#[async_trait]
impl Link for RpcLink {
    async fn call(&self, request: Bytes) -> Result<Bytes> {
        self.0.call(Service::CLIENT, request).await
    }
}
