# Changes of the catalog as they are logged and replicated, and whole snapshots of it.
@0xd94f0a6b1c3e5872;

using Plan = import "plan.capnp";

struct Command {
  union {
    createTable :group { name @0 :Text; definition @1 :TableDefinition; onConflict @2 :OnConflict; }
    dropTable :group { name @3 :Text; ifExists @4 :Bool; kind @5 :DropKind; }
    createFunction :group { definition @6 :FunctionDefinition; onConflict @7 :OnConflict; }
    addFunctionVersion :group { overload @8 :Overload; version @9 :FunctionVersion; }
    setFunctionVersion :group { overload @10 :Overload; number @11 :UInt32; }
    dropFunction :group { overload @12 :Overload; ifExists @13 :Bool; }
    createModule :group {
      definition @14 :ModuleDefinition; functions @15 :List(FunctionDefinition);
      operators @16 :List(OperatorDefinition); onConflict @17 :OnConflict;
    }
    dropModule :group { name @18 :Text; ifExists @19 :Bool; }
    createOperator :group { definition @20 :OperatorDefinition; onConflict @21 :OnConflict; }
    dropOperator :group { name @22 :Text; ifExists @23 :Bool; }
  }
}

struct Entry { atMs @0 :Int64; command @1 :Command; }

enum OnConflict { fail @0; keep @1; replace @2; }
enum DropKind { table @0; view @1; }

struct TableDefinition {
  # An Arrow IPC stream without batches.
  schema @0 :Data;
  union {
    external :group { format @1 :Plan.FileFormat; location @2 :Text; partitionColumns @3 :UInt32; }
    memory @4 :UInt64;
    view :group { sql @5 :Text; columns @6 :List(Text); hasColumns @7 :Bool; uses @8 :List(Text); }
  }
}

struct Snapshot {

  version @0 :UInt64;
  tables @1 :List(NamedTable);
  functions @2 :List(FunctionDefinition);
  operators @3 :List(OperatorDefinition);
  modules @4 :List(ModuleDefinition);
}

struct NamedTable { name @0 :Text; definition @1 :TableDefinition; }

enum FunctionKind { scalar @0; aggregate @1; table @2; }

# `signature` is a schema: the arguments, then the result.
struct FunctionDefinition {
  name @0 :Text;
  kind @1 :FunctionKind;
  signature @2 :Data;
  versions @3 :List(FunctionVersion);
  current @4 :UInt32;
  module @5 :Plan.OptionalText;
}

struct FunctionVersion {
  number @0 :UInt32;
  volatility @1 :Plan.Volatility;
  strict @2 :Bool;
  cost @3 :UInt32;
  rowsPerRow @4 :UInt32;
  limits @5 :Plan.GuestLimits;
  body :union {
    guest :group { module @6 :Data; export @7 :Text; tier @8 :Plan.Tier; source @9 :Plan.OptionalText; }
    sql :group { text @10 :Text; uses @11 :List(Text); }
  }
}

# `arguments` is a schema.
struct Overload { name @0 :Text; hasArguments @1 :Bool; arguments @2 :Data; }

struct ModuleDefinition { name @0 :Text; hash @1 :Data; sizeBytes @2 :UInt64; }

struct OperatorDefinition { name @0 :Text; operator @1 :Plan.GuestOperator; module @2 :Plan.OptionalText; }
