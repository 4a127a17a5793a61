# Changes of the catalog as they are logged and replicated, and whole snapshots of it.
@0xd94f0a6b1c3e5872;

using Plan = import "plan.capnp";
using Managed = import "managed.capnp";

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
    createSchema :group { name @24 :Text; ifNotExists @25 :Bool; }
    dropSchema :group { name @26 :Text; ifExists @27 :Bool; cascade @28 :Bool; }
    renameTable :group { from @29 :Text; to @30 :Text; }
    alterTable :group { name @31 :Text; alteration @32 :Managed.TableAlteration; hasRequires @33 :Bool; requires @34 :UInt64; }
    changeTable @35 :Managed.TableChange;
    comment :group { target @36 :CommentTarget; text @37 :Text; }
    rollbackTable :group { name @38 :Text; to @39 :UInt64; }
    rollbackCatalog @40 :UInt64;
    undrop :group { kind @41 :ObjectKind; name @42 :Text; renamed @43 :Text; }
    setSummary :group { name @44 :Text; id @45 :Managed.TableId; columns @46 :List(Managed.ColumnSummary); rows @47 :UInt64; }
    expire :group { table @48 :Text; beforeMs @49 :Int64; }
    transaction :group { reads @50 :List(TableRead); commands @51 :List(Command); }
    # A whole snapshot as the catalog writes it.
    install @52 :Data;
  }
}

struct Entry { atMs @0 :Int64; command @1 :Command; }

struct TableRead { name @0 :Text; version @1 :UInt64; }

enum ObjectKind { schema @0; table @1; function @2; operator @3; module @4; }

struct CommentTarget {
  union {
    object :group { kind @0 :ObjectKind; name @1 :Text; }
    column :group { table @2 :Text; name @3 :Text; }
  }
}

enum OnConflict { fail @0; keep @1; replace @2; }
enum DropKind { table @0; view @1; }

struct TableDefinition {
  # Packed; none for a managed table, whose shape says it.
  schema @0 :Data;
  union {
    external :group { format @1 :Plan.FileFormat; location @2 :Text; partitionColumns @3 :UInt32; }
    view :group { sql @4 :Text; columns @5 :List(Text); hasColumns @6 :Bool; uses @7 :List(Text); }
    managed @8 :Managed.ManagedTable;
  }
}

struct Functions { overloads @0 :List(FunctionDefinition); }

# A definition that is no more.
struct Retired {
  since @0 :UInt64;
  atMs @1 :Int64;
  isDropped @2 :Bool;
  object :union {
    schema @3 :Void;
    table @4 :TableDefinition;
    functions @5 :List(FunctionDefinition);
    operator @6 :OperatorDefinition;
    module @7 :ModuleDefinition;
  }
}

enum FunctionKind { scalar @0; aggregate @1; table @2; }

# `signature` is a packed schema: the arguments, then the result.
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

# `arguments` is a packed schema.
struct Overload { name @0 :Text; hasArguments @1 :Bool; arguments @2 :Data; }

struct ModuleDefinition { name @0 :Text; hash @1 :Data; sizeBytes @2 :UInt64; }

struct OperatorDefinition { name @0 :Text; operator @1 :Plan.GuestOperator; module @2 :Plan.OptionalText; }
