# What travels between coordinators and nodes. Field numbers never change meaning; new fields are added at the end.
@0xe1c7d3b5a9f80246;

struct QueryId { high @0 :UInt64; low @1 :UInt64; }
struct Attempt { query @0 :QueryId; number @1 :UInt32; }
struct Peer { id @0 :UInt64; address @1 :Text; }
struct Instance { attempt @0 :Attempt; fragment @1 :UInt32; index @2 :UInt32; }
# `code` is an SQLSTATE. No position when `line` is 0.
struct Error { code @0 :Text; message @1 :Text; hint @2 :Text; line @3 :UInt32; column @4 :UInt32; hasHint @5 :Bool; }

struct QueryMessage {
  union {
    deploy @0 :Deploy;
    cancel :group { attempt @1 :Attempt; reason @2 :Error; }
    report @3 :Report;
    filter :group { attempt @4 :Attempt; filter @5 :UInt32; bytes @6 :Data; }
    list @7 :Void;
    kill :group { query @8 :QueryId; reason @9 :Error; }
    profile @10 :QueryId;
  }
}

struct QueryAnswer {
  union {
    done @0 :Void;
    refused @1 :Error;
    report @2 :ReportAnswer;
    queries @3 :List(QueryStatus);
    known @4 :Bool;
    text @5 :Text;
    noText @6 :Void;
  }
}

struct Setting { name @0 :Text; value @1 :Text; }

struct Deploy {
  attempt @0 :Attempt;
  coordinator @1 :Peer;
  incarnation @2 :UInt64;
  # By name, so that a node may have fewer or more than the other. Bytes are also given exactly.
  options @3 :List(Setting);
  memoryLimit @4 :UInt64;
  peers @5 :List(Peer);
  places @6 :List(Places);
  instances @7 :List(DeployedInstance);
  leases @8 :List(Lease);
  filters @9 :List(AwaitedFilter);
  wantedFilters @10 :List(UInt32);
}
struct Places { fragment @0 :UInt32; nodes @1 :List(UInt32); }
# `fragment` is a message of plan.capnp.
struct DeployedInstance { index @0 :UInt32; fragment @1 :Data; }
struct Lease { fragment @0 :UInt32; scan @1 :UInt32; morsels @2 :List(UInt32); isLast @3 :Bool; }
struct AwaitedFilter { fragment @0 :UInt32; scan @1 :UInt32; filter @2 :UInt32; waitMs @3 :UInt32; }

struct Report {
  instances @0 :List(InstanceReport);
  filters @1 :List(MadeFilter);
  requests @2 :List(MorselRequest);
}
struct InstanceState { union { running @0 :Void; finished @1 :Void; failed @2 :Error; } }
struct InstanceReport {
  instance @0 :Instance;
  state @1 :InstanceState;
  rowsScanned @2 :UInt64;
  rowsPassed @3 :UInt64;
  rowsOut @4 :UInt64;
  bytesOut @5 :UInt64;
  bytesRead @6 :UInt64;
  memoryBytes @7 :UInt64;
  memoryPeakBytes @8 :UInt64;
  elapsedUs @9 :UInt64;
  morselsTaken @10 :UInt64;
  # Null while it runs.
  profile @11 :InstanceProfile;
  rowsTotal @12 :UInt64;
}
struct InstanceProfile {
  operators @0 :List(OperatorFigures);
  programs @1 :List(ProgramFigures);
  compilingUs @2 :UInt64;
}
struct OperatorFigures {
  operator @0 :UInt32;
  name @1 :Text;
  rowsIn @2 :UInt64;
  rowsOut @3 :UInt64;
  rowsBuilt @4 :UInt64;
  timeUs @5 :UInt64;
  peakMemoryBytes @6 :UInt64;
  bytesRead @7 :UInt64;
  morsels @8 :UInt64;
  morselsPruned @9 :UInt64;
  rowsFiltered @10 :UInt64;
}
struct ProgramFigures {
  operator @0 :UInt32;
  backend @1 :Text;
  statements @2 :UInt64;
  batches @3 :UInt64;
  rows @4 :UInt64;
  compilingUs @5 :UInt64;
  # Batches before the switch, plus one; 0 when it never switched.
  switchedAt @6 :UInt64;
}
struct MadeFilter { instance @0 :Instance; filter @1 :UInt32; bytes @2 :Data; }
struct MorselRequest { instance @0 :Instance; scan @1 :UInt32; number @2 :UInt32; }

struct ReportAnswer { leases @0 :List(GivenLease); unknown @1 :List(Attempt); }
struct GivenLease { request @0 :MorselRequest; lease @1 :Lease; }

enum QueryState { queued @0; running @1; finished @2; failed @3; cancelled @4; }
struct QueryStatus {
  id @0 :QueryId;
  state @1 :QueryState;
  user @2 :Text;
  pool @3 :Text;
  sql @4 :Text;
  coordinator @5 :Peer;
  startedMs @6 :UInt64;
  elapsedMs @7 :UInt64;
  rows @8 :UInt64;
  memoryBytes @9 :UInt64;
  attempts @10 :UInt32;
  progress @11 :Float64;
  # Null when there is none.
  error @12 :Error;
  instances @13 :List(InstanceStatus);
}
struct InstanceStatus {
  fragment @0 :UInt32;
  index @1 :UInt32;
  node @2 :Peer;
  state @3 :InstanceState;
  rows @4 :UInt64;
  rowsPerSecond @5 :Float64;
  memoryBytes @6 :UInt64;
  bytesSent @7 :UInt64;
  morselsDone @8 :UInt64;
  morselsTotal @9 :UInt64;
}

struct AdmissionAsk {
  query @0 :QueryId;
  pool @1 :Text;
  user @2 :Text;
  memoryBytes @3 :UInt64;
  waitedMs @4 :UInt64;
}
struct AdmissionMessage {
  union {
    ask @0 :AdmissionAsk;
    renew @1 :List(AdmissionAsk);
    release @2 :QueryId;
  }
}
struct AdmissionAnswer {
  union {
    done @0 :Void;
    admitted @1 :Void;
    queued @2 :Void;
    refused @3 :Error;
    notController @4 :Void;
  }
}
