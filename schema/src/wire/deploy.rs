//! Deployed attempts as messages.

use bytes::Bytes;

use super::count;
use super::generated::query_capnp as wire;
use super::query::{attempt, peer, put_attempt, put_peer};
use crate::deploy::{AwaitedFilter, Deploy, DeployedInstance, InstancePlaces, Lease};
use crate::error::Result;
use crate::id::{FragmentId, OperatorId, RuntimeFilterId};
use crate::option::{OPTIONS, Options};

/// An option that is exact in bytes only beside its text.
const MEMORY_LIMIT: &str = "memory_limit";

pub(super) fn encode(value: &Deploy, mut builder: wire::deploy::Builder<'_>) -> Result<()> {
    put_attempt(value.attempt, builder.reborrow().init_attempt());
    put_peer(&value.coordinator, builder.reborrow().init_coordinator());
    builder.set_incarnation(value.incarnation);
    encode_options(&value.options, builder.reborrow())?;
    let mut peers = builder.reborrow().init_peers(count(value.peers.len()));
    for (index, value) in value.peers.iter().enumerate() {
        put_peer(value, peers.reborrow().get(count(index)));
    }
    let mut places = builder.reborrow().init_places(count(value.places.len()));
    for (index, value) in value.places.iter().enumerate() {
        let mut place = places.reborrow().get(count(index));
        place.set_fragment(value.fragment.0);
        place.set_nodes(&value.nodes[..])?;
    }
    let mut instances = builder.reborrow().init_instances(count(value.instances.len()));
    for (index, value) in value.instances.iter().enumerate() {
        let mut instance = instances.reborrow().get(count(index));
        instance.set_index(value.index);
        instance.set_fragment(&value.fragment);
    }
    let mut leases = builder.reborrow().init_leases(count(value.leases.len()));
    for (index, value) in value.leases.iter().enumerate() {
        put_lease(value, leases.reborrow().get(count(index)));
    }
    let mut filters = builder.reborrow().init_filters(count(value.filters.len()));
    for (index, value) in value.filters.iter().enumerate() {
        let mut filter = filters.reborrow().get(count(index));
        filter.set_fragment(value.fragment.0);
        filter.set_scan(value.scan.0);
        filter.set_filter(value.filter.0);
        filter.set_wait_ms(value.wait_ms);
    }
    let wanted: Vec<u32> = value.wanted_filters.iter().map(|filter| filter.0).collect();
    builder.set_wanted_filters(&wanted[..])?;
    Ok(())
}

fn encode_options(options: &Options, mut builder: wire::deploy::Builder<'_>) -> Result<()> {
    builder.set_memory_limit(options.memory_limit);
    let mut list = builder.init_options(count(OPTIONS.len()));
    for (index, option) in OPTIONS.iter().enumerate() {
        let mut setting = list.reborrow().get(count(index));
        setting.set_name(option.name);
        setting.set_value(&options.get(option.name)?);
    }
    Ok(())
}

/// What this version does not know, or does not allow, stays as it is by default.
fn decode_options(reader: wire::deploy::Reader<'_>) -> Result<Options> {
    let mut options = Options::default();
    for setting in reader.get_options()?.iter() {
        let name = setting.get_name()?.to_str()?;
        if name != MEMORY_LIMIT {
            _ = options.set(name, setting.get_value()?.to_str()?);
        }
    }
    options.memory_limit = reader.get_memory_limit();
    Ok(options)
}

pub(super) fn decode(reader: wire::deploy::Reader<'_>) -> Result<Deploy> {
    let places = reader.get_places()?.iter().map(|place| {
        let nodes = place.get_nodes()?.iter().collect();
        Ok(InstancePlaces { fragment: FragmentId(place.get_fragment()), nodes })
    });
    let instances = reader.get_instances()?.iter().map(|instance| {
        let fragment = Bytes::copy_from_slice(instance.get_fragment()?);
        Ok(DeployedInstance { index: instance.get_index(), fragment })
    });
    let filters = reader.get_filters()?.iter().map(|filter| AwaitedFilter {
        fragment: FragmentId(filter.get_fragment()),
        scan: OperatorId(filter.get_scan()),
        filter: RuntimeFilterId(filter.get_filter()),
        wait_ms: filter.get_wait_ms(),
    });
    Ok(Deploy {
        attempt: attempt(reader.get_attempt()?)?,
        coordinator: peer(reader.get_coordinator()?)?,
        incarnation: reader.get_incarnation(),
        options: decode_options(reader)?,
        peers: reader.get_peers()?.iter().map(peer).collect::<Result<_>>()?,
        places: places.collect::<Result<_>>()?,
        instances: instances.collect::<Result<_>>()?,
        leases: reader.get_leases()?.iter().map(lease).collect::<Result<_>>()?,
        filters: filters.collect(),
        wanted_filters: reader.get_wanted_filters()?.iter().map(RuntimeFilterId).collect(),
    })
}

pub(super) fn put_lease(value: &Lease, mut builder: wire::lease::Builder<'_>) {
    builder.set_fragment(value.fragment.0);
    builder.set_scan(value.scan.0);
    builder.set_is_last(value.is_last);
    let mut morsels = builder.init_morsels(count(value.morsels.len()));
    for (index, morsel) in value.morsels.iter().enumerate() {
        morsels.set(count(index), *morsel);
    }
}

pub(super) fn lease(reader: wire::lease::Reader<'_>) -> Result<Lease> {
    Ok(Lease {
        fragment: FragmentId(reader.get_fragment()),
        scan: OperatorId(reader.get_scan()),
        morsels: reader.get_morsels()?.iter().collect(),
        is_last: reader.get_is_last(),
    })
}
