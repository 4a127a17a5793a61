//! What is known of a node.

use super::generated::client_capnp::{NodeState as WireState, node};
use super::{enum_pairs, optional_text};
use crate::cluster::{Machine, NodeId, NodeInfo, NodeState, Peer, ProtocolVersions, Roles};
use crate::error::Result;

enum_pairs!(state_to, state_from, NodeState, WireState, Joining, Active, Draining, Suspect, Down);

pub(super) fn encode(value: &NodeInfo, mut builder: node::Builder<'_>) {
    builder.set_id(value.peer.id.0);
    builder.set_address(&value.peer.address);
    builder.set_name(&value.name);
    builder.set_incarnation(value.incarnation);
    builder.set_is_coordinator(value.roles.coordinator);
    builder.set_is_executor(value.roles.executor);
    builder.set_is_catalog(value.roles.catalog);
    builder.set_state(state_to(value.state));
    builder.set_cores(value.cores);
    builder.set_memory_bytes(value.memory_bytes);
    builder.set_version(&value.version);
    builder.set_protocol_min(value.protocol.min);
    builder.set_protocol_max(value.protocol.max);
    builder.set_catalog_version(value.catalog_version);
    if let Some(http) = &value.http {
        builder.set_has_http(true);
        builder.set_http(http);
    }
    if let Some(machine) = &value.machine {
        builder.set_has_machine(true);
        builder.set_machine(&machine.id);
        builder.set_machine_cores(machine.cores);
    }
}

pub(super) fn decode(reader: node::Reader<'_>) -> Result<NodeInfo> {
    Ok(NodeInfo {
        peer: Peer { id: NodeId(reader.get_id()), address: reader.get_address()?.to_string()? },
        name: reader.get_name()?.to_string()?,
        incarnation: reader.get_incarnation(),
        roles: Roles {
            coordinator: reader.get_is_coordinator(),
            executor: reader.get_is_executor(),
            catalog: reader.get_is_catalog(),
        },
        state: state_from(reader.get_state()?),
        cores: reader.get_cores(),
        memory_bytes: reader.get_memory_bytes(),
        version: reader.get_version()?.to_string()?,
        protocol: ProtocolVersions { min: reader.get_protocol_min(), max: reader.get_protocol_max() },
        catalog_version: reader.get_catalog_version(),
        http: optional_text(reader.get_has_http(), || reader.get_http())?,
        machine: optional_text(reader.get_has_machine(), || reader.get_machine())?
            .map(|id| Machine { id, cores: reader.get_machine_cores() }),
    })
}
