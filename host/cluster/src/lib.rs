//! Who is in the cluster, and the catalog on all of them.
//!
//! Reading order: [`identity`] is what a node is called for as long as it has its data folder; [`settings`] what it is given;
//! [`cluster`] ties all together. Membership: [`record`] is what a node says of itself, [`pulse`] how its silence is judged,
//! [`roster`] all that is known of all nodes, `gossip` how it spreads. The catalog: `carrier` takes its messages over the
//! transport, `joining` makes a node a member, [`voters`] says who votes, `steward` is the leader's hand that does it,
//! `leaving` the way out. [`upgrade`] says what to restart next.

mod address_book;
mod admin;
mod carrier;
pub mod cluster;
mod gossip;
pub mod identity;
mod joining;
mod leaving;
mod probe;
pub mod pulse;
pub mod record;
pub mod roster;
pub mod settings;
mod steward;
pub mod upgrade;
pub mod voters;

pub use cluster::{Cluster, ClusterParts, ClusterStatus};
pub use identity::Identity;
pub use settings::{ClusterSettings, GossipSettings};
pub use upgrade::{UpgradeCheck, UpgradeStep};
