//! Whole fragments as messages.

use arrow::array::Array;
use arrow::compute::concat;

use super::arrow_data::{decode_array, encode_array};
use super::generated::plan_capnp::fragment;
use super::{count, expr, operator, read, to_bytes};
use crate::error::Result;
use crate::fragment::{Fragment, FragmentOutput, Placement};
use crate::id::FragmentId;
use crate::value::Value;

/// # Errors
/// When a value has no wire form.
pub fn encode_fragment(value: &Fragment) -> Result<Vec<u8>> {
    let mut message = capnp::message::Builder::new_default();
    let mut builder: fragment::Builder<'_> = message.init_root();
    builder.set_id(value.id.0);
    builder.set_catalog_version(value.catalog_version);
    builder.set_on_nodes(value.placement == Placement::Nodes);
    operator::encode(&value.root, builder.reborrow().init_root())?;
    let mut output = builder.init_output();
    match &value.output {
        FragmentOutput::Client => output.set_client(()),
        FragmentOutput::Gather { to } => output.set_gather(to.0),
        FragmentOutput::Broadcast { to } => output.set_broadcast(to.0),
        FragmentOutput::RoundRobin { to } => output.set_round_robin(to.0),
        FragmentOutput::Hash { to, keys } => {
            let mut hash = output.init_hash();
            hash.set_to(to.0);
            expr::encode_list(keys, hash.init_keys(count(keys.len())))?;
        }
        FragmentOutput::Range { to, key, bounds } => {
            let mut range = output.init_range();
            range.set_to(to.0);
            operator::encode_sort_key(key, range.reborrow().init_key())?;
            let bounds: Vec<_> = bounds.iter().map(|bound| bound.array().as_ref()).collect();
            range.set_bounds(&encode_array(&concat(&bounds)?)?);
        }
    }
    Ok(to_bytes(&message))
}

/// # Errors
/// `Connection` when the bytes are not a fragment of a version that we know.
pub fn decode_fragment(bytes: &[u8]) -> Result<Fragment> {
    read(bytes, |message| {
        let reader: fragment::Reader<'_> = message.get_root()?;
        let output = match reader.get_output().which()? {
            fragment::output::Client(()) => FragmentOutput::Client,
            fragment::output::Gather(to) => FragmentOutput::Gather { to: FragmentId(to) },
            fragment::output::Broadcast(to) => FragmentOutput::Broadcast { to: FragmentId(to) },
            fragment::output::RoundRobin(to) => FragmentOutput::RoundRobin { to: FragmentId(to) },
            fragment::output::Hash(hash) => FragmentOutput::Hash {
                to: FragmentId(hash.get_to()),
                keys: expr::decode_list(hash.get_keys()?)?,
            },
            fragment::output::Range(range) => {
                let key = operator::decode_sort_key(range.get_key()?)?;
                let bounds = decode_array(range.get_bounds()?)?;
                let bounds: Vec<Value> = (0..bounds.len()).map(|row| Value::from_row(&bounds, row)).collect();
                key.check_bounds(&bounds)?;
                FragmentOutput::Range { to: FragmentId(range.get_to()), key, bounds }
            }
        };
        Ok(Fragment {
            id: FragmentId(reader.get_id()),
            catalog_version: reader.get_catalog_version(),
            root: operator::decode(reader.get_root()?)?,
            output,
            placement: if reader.get_on_nodes() { Placement::Nodes } else { Placement::Coordinator },
        })
    })
}
