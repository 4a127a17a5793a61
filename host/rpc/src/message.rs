//! Between what is on the wire and the nouns of Nyala.

use nyala_schema::cluster::NodeId;
use nyala_schema::cluster::{Attempt, Peer, ProtocolVersions, QueryId, StreamId};
use nyala_schema::error::Position;
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode};

use crate::generated::peer_capnp::{failure, greeting, place, stream_key};
use crate::outgoing::Core;

/// Bytes of a text of an error; what is longer is cut.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Who someone says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) cluster: String,
    pub(crate) cluster_id: Option<u128>,
    pub(crate) protocol: ProtocolVersions,
    /// Of this connection, drawn by the side that dialled.
    pub(crate) connection: u64,
    /// Of the last connection with the other side that the dialling side knew of; 0: none.
    pub(crate) last_connection: u64,
    pub(crate) who: Who,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Node { peer: Peer, incarnation: u64 },
    User(String),
}

impl Greeting {
    pub(crate) fn write(&self, mut to: greeting::Builder<'_>) {
        to.set_cluster(&self.cluster);
        let id = self.cluster_id.unwrap_or(0);
        to.set_cluster_id_high((id >> 64) as u64);
        to.set_cluster_id_low(id as u64);
        to.set_protocol_min(self.protocol.min);
        to.set_protocol_max(self.protocol.max);
        to.set_connection(self.connection);
        to.set_last_connection(self.last_connection);
        match &self.who {
            Who::Node { peer, incarnation } => {
                let mut node = to.init_node();
                node.set_id(peer.id.0);
                node.set_incarnation(*incarnation);
                node.set_address(&peer.address);
            }
            Who::User(user) => to.set_user(user),
        }
    }

    pub(crate) fn read(from: greeting::Reader<'_>) -> capnp::Result<Self> {
        let id = u128::from(from.get_cluster_id_high()) << 64 | u128::from(from.get_cluster_id_low());
        let who = match from.which()? {
            greeting::Node(node) => Who::Node {
                peer: Peer { id: NodeId(node.get_id()), address: node.get_address()?.to_string()? },
                incarnation: node.get_incarnation(),
            },
            greeting::User(user) => Who::User(user?.to_string()?),
        };
        Ok(Self {
            cluster: from.get_cluster()?.to_string()?,
            cluster_id: (id != 0).then_some(id),
            protocol: ProtocolVersions { min: from.get_protocol_min(), max: from.get_protocol_max() },
            connection: from.get_connection(),
            last_connection: from.get_last_connection(),
            who,
        })
    }
}

/// A prefix that ends between two characters.
fn cut(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

pub(crate) fn write_failure(error: &Error, mut to: failure::Builder<'_>) {
    to.set_state(error.code().sqlstate());
    to.set_message(cut(error.message()));
    if let Some(hint) = error.hint() {
        to.set_hint(cut(hint));
    }
    if let Some(position) = error.position() {
        to.set_line(position.line);
        to.set_column(position.column);
    }
}

/// A state that this program does not know (the other one is newer) is told as it is.
pub(crate) fn read_failure(from: failure::Reader<'_>) -> capnp::Result<Error> {
    let state = from.get_state()?.to_str()?;
    let message = from.get_message()?.to_str()?;
    let mut error = match ErrorCode::from_sqlstate(state) {
        Some(code) => Error::new(code, message),
        None => Error::internal(format!("{message} (SQLSTATE {state})")),
    };
    if from.has_hint() {
        error = error.with_hint(from.get_hint()?.to_str()?);
    }
    if from.get_line() > 0 {
        error = error.at(Position { line: from.get_line(), column: from.get_column() });
    }
    Ok(error)
}

/// Where a part belongs; whose stream it is goes with the first.
pub(crate) fn write_place(core: &Core, index: u64, mut to: place::Builder<'_>) {
    to.set_number(core.number);
    to.set_index(index);
    if index == 0 {
        write_stream(&core.stream, to.init_stream());
    }
}

fn write_stream(stream: &StreamId, mut to: stream_key::Builder<'_>) {
    to.set_query_high((stream.attempt.query.0 >> 64) as u64);
    to.set_query_low(stream.attempt.query.0 as u64);
    to.set_attempt(stream.attempt.number);
    to.set_fragment(stream.fragment.0);
    to.set_sender(stream.sender);
    to.set_receiver(stream.receiver);
}

pub(crate) fn read_stream(from: stream_key::Reader<'_>) -> StreamId {
    let query = u128::from(from.get_query_high()) << 64 | u128::from(from.get_query_low());
    StreamId {
        attempt: Attempt { query: QueryId(query), number: from.get_attempt() },
        fragment: FragmentId(from.get_fragment()),
        sender: from.get_sender(),
        receiver: from.get_receiver(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_travel_whole() {
        let plain = Error::new(ErrorCode::DivisionByZero, "division by zero");
        let full = plain.clone().with_hint("use NULLIF").at(Position { line: 3, column: 14 });
        for error in [plain, full, Error::cancelled()] {
            let mut message = capnp::message::Builder::new_default();
            write_failure(&error, message.init_root());
            let reader = message.get_root_as_reader::<failure::Reader<'_>>().unwrap();
            assert_eq!(read_failure(reader).unwrap(), error);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let error = Error::internal("ä".repeat(TEXT_BYTES_MAX) + "b");
        let mut message = capnp::message::Builder::new_default();
        write_failure(&error, message.init_root());
        let reader = message.get_root_as_reader::<failure::Reader<'_>>().unwrap();
        assert_eq!(read_failure(reader).unwrap().message(), "ä".repeat(TEXT_BYTES_MAX / 2));
    }

    #[test]
    fn greetings_and_streams_travel_whole() {
        let greeting = Greeting {
            cluster: "test".into(),
            cluster_id: Some(u128::MAX - 5),
            protocol: ProtocolVersions { min: 3, max: 4 },
            connection: 77,
            last_connection: 76,
            who: Who::Node { peer: Peer { id: NodeId(9), address: "h:1".into() }, incarnation: 2 },
        };
        let client = Greeting { cluster_id: None, who: Who::User("me".into()), ..greeting.clone() };
        for greeting in [greeting, client] {
            let mut message = capnp::message::Builder::new_default();
            greeting.write(message.init_root());
            assert_eq!(Greeting::read(message.get_root_as_reader().unwrap()).unwrap(), greeting);
        }
        let stream = StreamId {
            attempt: Attempt { query: QueryId(u128::MAX / 3), number: 1 },
            fragment: FragmentId(2),
            sender: 3,
            receiver: 4,
        };
        let mut message = capnp::message::Builder::new_default();
        write_stream(&stream, message.init_root());
        assert_eq!(read_stream(message.get_root_as_reader().unwrap()), stream);
    }
}
