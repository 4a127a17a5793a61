//! What the parts of a node are given, by its configuration.

use std::ops::Range;
use std::time::Duration;

use nyala_catalog::raft::Settings as ReplicaSettings;
use nyala_cluster::{ClusterSettings, GossipSettings};
use nyala_coordinator::{AdmissionSettings, CoordinatorSettings, Pool};
use nyala_exchange::ExchangeConfig;
use nyala_schema::cluster::ProtocolVersions;
use nyala_schema::option::DEFAULT_POOL;
use nyala_schema::{Error, ErrorCode, Result};

use crate::config::{NodeConfig, PoolConfig};
use crate::engine::Config;
use crate::machine;

/// Queries that a node coordinates at once, for each of its worker threads: more would crowd each other's caches.
const RUNNING_PER_THREAD: usize = 1;

pub fn stretch<const N: usize>(config: &NodeConfig, times: [&mut Duration; N]) {
    times.into_iter().for_each(|time| *time *= config.slack.max(1));
}

/// What the node says that it speaks.
///
/// # Errors
/// `InvalidParameter` for a claim where none is allowed.
pub fn protocol(config: &NodeConfig) -> Result<ProtocolVersions> {
    match config.claim_protocol {
        None => Ok(nyala_rpc::PROTOCOL),
        Some(max) if config.allow_faults && max > 0 => {
            Ok(ProtocolVersions { min: max.saturating_sub(1).max(1), max })
        }
        Some(max) => {
            let message = format!("the node cannot claim to speak version {max} of the protocol");
            Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint("that is for tests: a version from 1, together with --allow-faults"))
        }
    }
}

/// For people.
pub fn node_name<'a>(config: &'a NodeConfig, address: &'a str) -> &'a str {
    config.name.as_deref().unwrap_or(address)
}

/// A simulated node has a machine of its own.
///
/// # Errors
/// Those of [`protocol`].
pub fn cluster_settings(
    config: &NodeConfig,
    address: &str,
    warehouse: &str,
    is_simulated: bool,
) -> Result<ClusterSettings> {
    let (mut gossip, mut replica) = (GossipSettings::default(), ReplicaSettings::default());
    stretch(
        config,
        [&mut gossip.interval, &mut gossip.suspect_after, &mut gossip.down_after, &mut gossip.limit],
    );
    let Range { start, end } = &mut replica.election;
    stretch(config, [&mut replica.heartbeat, start, end, &mut replica.attempt, &mut replica.patience]);
    Ok(ClusterSettings {
        name: node_name(config, address).to_owned(),
        cluster_name: config.cluster.clone(),
        join: config.join.clone(),
        roles: config.roles,
        cores: u32::try_from(config.threads).unwrap_or(u32::MAX),
        memory_bytes: config.memory_bytes,
        http: config.http.map(|http| http.to_string()),
        machine: if is_simulated { None } else { machine::own() },
        protocol: protocol(config)?,
        warehouse: Some(warehouse.to_owned()),
        gossip,
        replica,
        ..ClusterSettings::default()
    })
}

pub fn engine_config(config: &NodeConfig) -> Config {
    let mut options = config.options.clone();
    options.threads = config.threads;
    Config {
        data: Some(config.data.clone()),
        compiler: config.compiler.clone(),
        options,
        memory_bytes: Some(config.memory_bytes),
        allow_faults: config.allow_faults,
        ..Config::default()
    }
}

pub fn exchange_config(config: &NodeConfig) -> ExchangeConfig {
    let mut exchange = ExchangeConfig::default();
    stretch(config, [&mut exchange.early_wait]);
    exchange
}

/// `seed`: of a simulated node.
pub fn coordinator_settings(config: &NodeConfig, seed: Option<u64>) -> CoordinatorSettings {
    let mut pools: Vec<Pool> = config.pools.iter().map(|(name, pool)| pool_of(name, pool)).collect();
    // The first is for those who name none.
    pools.sort_by_key(|pool| pool.name != DEFAULT_POOL);
    if pools.first().is_none_or(|pool| pool.name != DEFAULT_POOL) {
        pools.insert(0, pool_of(DEFAULT_POOL, &PoolConfig::default()));
    }
    let defaults = CoordinatorSettings::default();
    let mut settings = CoordinatorSettings {
        admission: AdmissionSettings { pools, ..AdmissionSettings::default() },
        starting_threads: if seed.is_some() { 0 } else { defaults.starting_threads },
        seed: seed.unwrap_or_else(rand::random),
        running_at_once: RUNNING_PER_THREAD * config.threads.max(1),
        ..defaults
    };
    let admission = &mut settings.admission;
    stretch(config, [&mut admission.lease, &mut admission.settle, &mut admission.patience]);
    stretch(
        config,
        [
            &mut settings.call_deadline,
            &mut settings.report_interval,
            &mut settings.report_silence_max,
            &mut settings.coordinator_grace,
        ],
    );
    settings
}

fn pool_of(name: &str, pool: &PoolConfig) -> Pool {
    Pool {
        name: name.to_owned(),
        slots: pool.slots,
        memory_bytes: pool.memory_bytes,
        queue_length: pool.queue,
        queue_timeout: pool.queue_timeout,
        per_user: pool.slots_per_user,
        priority: pool.priority,
    }
}
