@0x8ff2aeb7267ed9f6;
# What nodes say to each other, and clients to nodes. Field numbers never change their meaning.

struct Greeting {
  # Who someone is. The first thing that both sides of a connection say.
  cluster @0 :Text;
  # Empty: any (only clients).
  clusterIdHigh @1 :UInt64;
  clusterIdLow @2 :UInt64;
  # Both 0: not known yet.
  protocolMin @3 :UInt32;
  protocolMax @4 :UInt32;
  connection @5 :UInt64;
  # Number of this connection, drawn by the side that dialled.
  lastConnection @6 :UInt64;
  # Number of the last connection with the other side that the dialling side knew of; 0: none.
  union {
    node :group {
      id @7 :UInt64;
      incarnation @8 :UInt64;
      address @9 :Text;
    }
    user @10 :Text;
    # A client.
  }
}

struct Failure {
  state @0 :Text;
  # SQLSTATE.
  message @1 :Text;
  hint @2 :Text;
  line @3 :UInt32;
  # 0: no position.
  column @4 :UInt32;
}

struct Welcome {
  greeting @0 :Greeting;
  union {
    peer @1 :Peer;
    refused @2 :Failure;
    superseded @3 :Void;
    # There is a connection already, or one on its way: use that.
  }
}

interface Door {
  hello @0 (greeting :Greeting, peer :Peer) -> (welcome :Welcome);
}

struct Answer {
  union {
    response @0 :Data;
    failure @1 :Failure;
  }
}

struct StreamKey {
  queryHigh @0 :UInt64;
  queryLow @1 :UInt64;
  attempt @2 :UInt32;
  fragment @3 :UInt32;
  sender @4 :UInt32;
  receiver @5 :UInt32;
}

struct Place {
  # Of a part.
  number @0 :UInt64;
  # Of its stream, drawn by its sender; a stream keeps to one connection.
  index @1 :UInt64;
  # In the stream, from 0.
  stream @2 :StreamKey;
  # Told with the first part only.
}

struct Small {
  # A part that is no longer than what tells of it.
  place @0 :Place;
  union {
    end @1 :Void;
    failed @2 :Failure;
    batch :group {
      payload @3 :Data;
      head @4 :Data;
      rows @5 :UInt64;
      bytes @6 :UInt64;
      # Of the payload without compression; 0: it has none.
    }
  }
}

struct Progress {
  # How far the receiver of a stream has got.
  number @0 :UInt64;
  taken @1 :UInt64;
  # Parts taken out of its queue, from the stream's beginning.
  union {
    open @2 :Void;
    whole @3 :Void;
    # The end is there, and all that came before.
    closed @4 :Void;
    # Nothing more is wanted.
    failed @5 :Failure;
  }
}

interface Peer {
  call @0 (service :UInt16, request :Data) -> (answer :Answer);
  heartbeat @1 () -> ();
  push @2 (payload :Data, head :Data, place :Place, rows :UInt64, bytes :UInt64) -> (progress :List(Progress));
  # A batch. Answers when it has arrived, with what there is to tell of any stream.
  parts @3 (parts :List(Small)) -> (progress :List(Progress));
  # The same for small parts of many streams.
  taken @4 (progress :List(Progress)) -> ();
  # What there is to tell later.
}
