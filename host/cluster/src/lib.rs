//! Who is in the cluster, and the catalog on all of them.
//!
//! Reading order: [`identity`] is what a node is called for as long as it has its data folder; [`settings`] what it is given;
//! [`cluster`] what it offers, over `core`, which all the tasks share. Membership: [`record`] is what a node says of itself,
//! [`pulse`] how its silence is judged, [`roster`] all that is known of all nodes, `gossip` how it spreads, `probe` what
//! follows when a connection breaks. The catalog: `carrier` takes its messages over the transport, `admin` are the words in
//! which nodes ask each other, `joining` makes a node a member, `admission` is the leader's answer to that, [`voters`] says
//! who votes, `steward` is the leader's hand that does it, `leaving` the way out, `told` what the log hears of all
//! this. [`upgrade`] says what to restart next.

mod admin;
mod admission;
mod carrier;
pub mod cluster;
mod core;
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
mod told;
pub mod upgrade;
pub mod voters;

pub use cluster::{Cluster, ClusterParts, ClusterStatus, Finish};
pub use identity::{ClusterId, Identity};
pub use settings::{ClusterSettings, GossipSettings};
pub use upgrade::{UpgradeCheck, UpgradeStep};
