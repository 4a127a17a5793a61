//! Who gets what: an attempt's instances and shares of scans, one deployment for each node.

use nyala_schema::Result;
use nyala_schema::cluster::{Attempt, NodeId, NodeInfo, Peer};
use nyala_schema::deploy::{Deploy, DeployedInstance, InstancePlaces, Lease};
use nyala_schema::fragment::Placement;
use tokio::time::Instant;

use crate::instance::start::Decoded;
use crate::query::attempt::{InstanceRecord, RunningAttempt};
use crate::query::running::RunningQuery;
use crate::schedule::leases::ScanLeases;
use crate::schedule::preference::{assign, table_key};
use crate::services::Services;

/// An attempt that is ready to be deployed.
pub(crate) struct Placed {
    pub(crate) attempt: RunningAttempt,
    /// What this node runs itself.
    pub(crate) local: (Deploy, Decoded),
    pub(crate) remote: Vec<(Peer, Deploy)>,
}

/// Opens scans: call it where blocking is allowed.
///
/// # Errors
/// Those of opening scans; when a value has no wire form.
pub(crate) fn place(
    services: &Services,
    query: &RunningQuery,
    number: u32,
    executing: &[NodeInfo],
) -> Result<Placed> {
    let attempt = Attempt { query: query.id, number };
    let local = services.transport.local().id;
    let nodes = with_local(services, executing);
    let executes: Vec<u32> = executing.iter().map(|node| position(&nodes, node.peer.id)).collect();
    let mut places = Vec::new();
    let mut instances = Vec::new();
    for fragment in &query.request.fragments {
        let on = match fragment.placement {
            Placement::Coordinator => vec![0],
            Placement::Nodes => executes.clone(),
        };
        let records =
            on.iter().zip(0..).map(|(node, index)| InstanceRecord::new(fragment.id, index, *node as usize));
        instances.extend(records);
        places.push(InstancePlaces { fragment: fragment.id, nodes: on });
    }
    let mut running = RunningAttempt::new(attempt, nodes.clone(), instances, Instant::now());
    let leases = share_out(services, query, executing, &mut running)?;
    for (filter, maker) in &query.shape.makers {
        let made_by =
            places.iter().find(|place| place.fragment == *maker).map_or(0, |place| place.nodes.len());
        running.filters.expect(*filter, *maker, made_by);
    }
    let deploys = (0..).zip(&nodes).map(|(node, info)| {
        let deploy = deployment(services, query, attempt, &nodes, &places, node, &leases);
        (info.peer.clone(), deploy)
    });
    let mut deploys: Vec<(Peer, Deploy)> = deploys.collect();
    let mut own = Vec::new();
    for (node, (peer, deploy)) in (0..).zip(&mut deploys) {
        for (fragment, place) in query.request.fragments.iter().zip(&places) {
            let Some(index) = place.nodes.iter().position(|on| *on == node) else { continue };
            if peer.id == local {
                own.push((index as u32, fragment.clone()));
            } else {
                let which =
                    query.request.fragments.iter().position(|other| other.id == fragment.id).unwrap_or(0);
                let fragment = query.encoded()?[which].clone();
                deploy.instances.push(DeployedInstance { index: index as u32, fragment });
            }
        }
    }
    let first = deploys.remove(0).1;
    deploys.retain(|(_, deploy)| !deploy.instances.is_empty());
    Ok(Placed { attempt: running, local: (first, own), remote: deploys })
}

/// This node first.
fn with_local(services: &Services, executing: &[NodeInfo]) -> Vec<NodeInfo> {
    let local = services.transport.local().id;
    let mut nodes: Vec<NodeInfo> = vec![services.local_info()];
    nodes.extend(executing.iter().filter(|node| node.peer.id != local).cloned());
    nodes
}

fn position(nodes: &[NodeInfo], id: NodeId) -> u32 {
    nodes.iter().position(|node| node.peer.id == id).unwrap_or(0) as u32
}

/// What the instances of each executing node, in their order, begin with.
fn share_out(
    services: &Services,
    query: &RunningQuery,
    executing: &[NodeInfo],
    running: &mut RunningAttempt,
) -> Result<Vec<Vec<Lease>>> {
    let mut begin = vec![Vec::new(); executing.len()];
    if executing.len() < 2 {
        return Ok(begin);
    }
    let ids: Vec<NodeId> = executing.iter().map(|node| node.peer.id).collect();
    for (shared, morsels) in query.shape.scans.iter().zip(query.scan_morsels(services)?) {
        let (fragment, scan) = (shared.fragment, shared.operator);
        running.rows_shared += morsels.iter().map(|morsel| morsel.rows).sum::<u64>();
        let mut leases = ScanLeases::new(assign(table_key(&shared.scan), morsels, &ids));
        for (own, share) in begin.iter_mut().zip(leases.begin(services.settings.morsels_at_once)) {
            own.push(Lease { fragment, scan, morsels: share.morsels, is_last: share.is_last });
        }
        running.leases.insert((fragment, scan), leases);
    }
    Ok(begin)
}

/// Without instances.
fn deployment(
    services: &Services,
    query: &RunningQuery,
    attempt: Attempt,
    nodes: &[NodeInfo],
    places: &[InstancePlaces],
    node: u32,
    leases: &[Vec<Lease>],
) -> Deploy {
    let is_here =
        |fragment| places.iter().any(|place| place.fragment == fragment && place.nodes.contains(&node));
    // Every fragment on several nodes has its instances in the same order.
    let shared = query.request.fragments.iter().zip(places);
    let mut shared = shared.filter(|(fragment, _)| fragment.placement == Placement::Nodes);
    let index = shared.find_map(|(_, place)| place.nodes.iter().position(|on| *on == node));
    let wanted = query.shape.makers.iter().filter(|(_, maker)| is_here(**maker)).map(|(filter, _)| *filter);
    Deploy {
        attempt,
        coordinator: services.transport.local().clone(),
        incarnation: services.incarnation,
        options: services.options_for(query),
        peers: nodes.iter().map(|node| node.peer.clone()).collect(),
        places: places.to_vec(),
        instances: vec![],
        leases: index.and_then(|index| leases.get(index).cloned()).unwrap_or_default(),
        filters: query.shape.filters.iter().filter(|awaited| is_here(awaited.fragment)).copied().collect(),
        wanted_filters: wanted.collect(),
    }
}

impl RunningQuery {
    /// Of each scan that is shared out; opened once.
    fn scan_morsels(&self, services: &Services) -> Result<&Vec<Vec<nyala_storage::Morsel>>> {
        use nyala_storage::Scanner;
        if let Some(morsels) = self.morsels.get() {
            return Ok(morsels);
        }
        let scans = services.executor.scans();
        let open = |shared: &crate::schedule::shape::SharedScan| {
            let scanner: Box<dyn Scanner> = scans.open(&shared.scan, &self.request.options)?;
            Ok(scanner.morsels().to_vec())
        };
        let morsels = self.shape.scans.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(self.morsels.get_or_init(|| morsels))
    }
}
