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

interface Peer {
  call @0 (service :UInt16, request :Data) -> (answer :Answer);
  open @1 (stream :StreamKey) -> (sink :Sink);
  heartbeat @2 () -> ();
}

struct Progress {
  # How far the receiver of a stream has got.
  taken @0 :UInt64;
  # Parts taken out of its queue, from the stream's beginning.
  union {
    open @1 :Void;
    closed @2 :Void;
    # Nothing more is wanted.
    failed @3 :Failure;
  }
}

interface Sink {
  # Parts are numbered from 0. All but `drained` answer when the part has arrived.
  push @0 (payload :Data, head :Data, index :UInt64, rows :UInt64, isCompressed :Bool, bytes :UInt64) -> (progress :Progress);
  # `bytes`: of the payload without compression.
  drained @1 (known :UInt64) -> (progress :Progress);
  # Answers when more than `known` parts have been taken.
  end @2 (index :UInt64) -> (progress :Progress);
  fail @3 (index :UInt64, failure :Failure) -> (progress :Progress);
}
