//! What a session wants to be run.

use nyala_schema::Fragment;
use nyala_schema::cluster::QueryId;
use nyala_schema::option::Options;

/// A planned query.
#[derive(Debug, Clone)]
pub struct QueryRequest {
    pub id: QueryId,
    /// For people.
    pub sql: String,
    pub user: String,
    /// By name; empty for the first of the settings.
    pub pool: String,
    /// In an order in which each but the first sends to an earlier one; the first gives the result.
    pub fragments: Vec<Fragment>,
    pub options: Options,
    pub catalog_version: u64,
}
