# Changes of the catalog as they are logged and replicated, and whole snapshots of it.
@0xd94f0a6b1c3e5872;

using Plan = import "plan.capnp";

struct Command {
  union {
    createTable :group { name @0 :Text; definition @1 :TableDefinition; onConflict @2 :OnConflict; }
    dropTable :group { name @3 :Text; ifExists @4 :Bool; kind @5 :DropKind; }
  }
}

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
}

struct NamedTable { name @0 :Text; definition @1 :TableDefinition; }
