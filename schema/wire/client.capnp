# What clients and nodes say to each other. Field numbers never change meaning; new fields are added at the end.
@0xd9c3f5a1b7e28460;

struct ClientRequest {
  # 0 where there is none.
  session @0 :UInt64;
  union {
    open :group { user @1 :Text; settings @2 :List(Setting); schema @3 :Text; catalogVersionMin @4 :UInt64; }
    execute :group { statement @5 :StatementId; sql @6 :Text; }
    fetch :group { query @7 :UInt64; waitMs @8 :UInt32; bytesMax @9 :UInt32; }
    forget @10 :UInt64;
    cancel @11 :Void;
    setOption @12 :Setting;
    names @13 :Void;
    progress @14 :Void;
    state @15 :Void;
    outcome @16 :StatementId;
    nodes @17 :Void;
    drain :group { node @18 :Text; withinMs @19 :UInt64; }
    remove @20 :Text;
    close @21 :Void;
    options @22 :Void;
  }
}

struct ClientResponse {
  # Missing where nothing may have changed.
  state @0 :SessionState;
  union {
    failed @1 :ErrorDetail;
    elsewhere @2 :ErrorDetail;
    fine @3 :Void;
    opened :group { session @4 :UInt64; node @5 :Node; }
    done @6 :Text;
    # The schema is packed: see `wire/types.rs`.
    rows :group { query @7 :UInt64; schema @8 :Data; }
    fetched :group { bytes @9 :Data; progress @10 :Progress; end @11 :FetchEnd; }
    names @12 :Names;
    progress @13 :Progress;
    outcome @14 :Outcome;
    nodes @15 :List(Node);
    # Nothing runs of which progress could be told.
    idle @16 :Void;
    options @17 :List(Setting);
  }
}

struct StatementId { high @0 :UInt64; low @1 :UInt64; }

struct Setting { name @0 :Text; value @1 :Text; }

struct ErrorDetail {
  sqlstate @0 :Text;
  message @1 :Text;
  # Counted from 1; 0 where it is not known.
  line @2 :UInt32;
  column @3 :UInt32;
  hasHint @4 :Bool;
  hint @5 :Text;
}

struct FetchEnd {
  union {
    more @0 :Void;
    over @1 :Summary;
    failed @2 :ErrorDetail;
  }
}

struct SessionState {
  transaction @0 :Transaction;
  hasChanges @1 :Bool;
  schema @2 :Text;
  catalogVersion @3 :UInt64;
  settings @4 :List(Setting);
}

enum Transaction { none @0; open @1; failed @2; }

struct Outcome {
  union {
    done @0 :UInt64;
    refused @1 :ErrorDetail;
    never @2 :Void;
  }
}

struct Names {
  tables @0 :List(Text);
  columns @1 :List(ColumnName);
  functions @2 :List(Text);
  keywords @3 :List(Text);
}

struct ColumnName { table @0 :Text; column @1 :Text; }

struct Progress {
  fraction @0 :Float64;
  rowsScanned @1 :UInt64;
  bytesRead @2 :UInt64;
  memoryBytes @3 :UInt64;
  fragments @4 :List(Fragment);
}

struct Fragment {
  fragment @0 :UInt32;
  instances @1 :UInt32;
  instancesDone @2 :UInt32;
  rows @3 :UInt64;
  memoryBytes @4 :UInt64;
  spilledBytes @5 :UInt64;
  sentBytes @6 :UInt64;
  rowsPerSecond @7 :Float64;
}

struct Summary {
  rows @0 :UInt64;
  elapsedNs @1 :UInt64;
  planningNs @2 :UInt64;
  compilingNs @3 :UInt64;
  bytesRead @4 :UInt64;
  peakMemoryBytes @5 :UInt64;
  backend @6 :Text;
}

struct Node {
  id @0 :UInt64;
  address @1 :Text;
  name @2 :Text;
  incarnation @3 :UInt64;
  isCoordinator @4 :Bool;
  isExecutor @5 :Bool;
  isCatalog @6 :Bool;
  state @7 :NodeState;
  cores @8 :UInt32;
  memoryBytes @9 :UInt64;
  version @10 :Text;
  protocolMin @11 :UInt32;
  protocolMax @12 :UInt32;
  catalogVersion @13 :UInt64;
  hasHttp @14 :Bool;
  http @15 :Text;
  hasMachine @16 :Bool;
  machine @17 :Text;
  machineCores @18 :UInt32;
}

enum NodeState { joining @0; active @1; draining @2; suspect @3; down @4; }
