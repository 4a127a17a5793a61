# Fragments as they travel between nodes. Field numbers never change meaning; new fields are added at the end.
@0xb3d1a7c2e4f59680;

using Managed = import "managed.capnp";

struct Fragment {
  id @0 :UInt32;
  catalogVersion @1 :UInt64;
  root @2 :Operator;
  output :union {
    client @3 :Void;
    gather @4 :UInt32;
    broadcast @5 :UInt32;
    hash :group { to @6 :UInt32; keys @7 :List(Expr); }
    roundRobin @8 :UInt32;
    range :group { to @10 :UInt32; key @11 :SortKey; bounds @12 :Data; }
  }
  onNodes @9 :Bool;
}

# Arrow types, schemas, values and batches are packed: see `wire/types.rs` and `wire/arrays.rs`.
struct Operator {
  id @0 :UInt32;
  inputs @1 :List(Operator);
  schema @2 :Data;
  rowsEstimated @3 :Float64;
  kind :union {
    scan @4 :TableScan;
    values @5 :Data;
    series :group { bounds @6 :Data; inclusive @7 :Bool; }
    receive @8 :UInt32;
    filter @9 :Expr;
    project @10 :List(Expr);
    expand @11 :List(ExprList);
    aggregate @12 :Aggregate;
    sort :group { keys @13 :List(SortKey); fetch @14 :OptionalCount; }
    limit :group { skip @15 :UInt64; fetch @16 :OptionalCount; }
    window @17 :Window;
    unnest :group { columns @18 :List(UnnestColumn); preserveNulls @19 :Bool; }
    atMostOneRow @20 :Void;
    hashJoin @21 :HashJoin;
    nestedLoopJoin :group { kind @22 :JoinKind; condition @23 :OptionalExpr; }
    union @24 :Void;
    recursion :group { distinct @25 :Bool; id @26 :UInt32; }
    recursionInput @27 :UInt32;
    tableFunction :group { function @28 :GuestFunction; arguments @29 :List(Expr); }
    guest @30 :GuestCall;
    # In the order in which each sender has its rows.
    merge :group { from @31 :UInt32; keys @32 :List(SortKey); }
  }
}

struct OptionalCount { union { none @0 :Void; some @1 :UInt64; } }
struct OptionalExpr { union { none @0 :Void; some @1 :Expr; } }
struct OptionalData { union { none @0 :Void; some @1 :Data; } }
struct OptionalFloat { union { none @0 :Void; some @1 :Float64; } }
struct OptionalText { union { none @0 :Void; some @1 :Text; } }
struct ExprList { items @0 :List(Expr); }

enum ArithmeticOp { add @0; subtract @1; multiply @2; divide @3; remainder @4; }
enum CompareOp { equal @0; notEqual @1; less @2; lessOrEqual @3; greater @4; greaterOrEqual @5; distinct @6; notDistinct @7; }
enum Volatility { immutable @0; stable @1; volatile @2; }

struct Expr {
  type @0 :Data;
  nullable @1 :Bool;
  arguments @2 :List(Expr);
  union {
    column @3 :UInt32;
    literal @4 :Data;
    arithmetic @5 :ArithmeticOp;
    compare @6 :CompareOp;
    and @7 :Void;
    or @8 :Void;
    not @9 :Void;
    negate @10 :Void;
    isNull @11 :Void;
    # Conditions and values in turn; an odd count ends with ELSE.
    case @12 :Void;
    cast :group { safe @13 :Bool; }
    like :group { escape @14 :UInt32; negated @15 :Bool; caseInsensitive @16 :Bool; }
    # One array with all values.
    inList :group { values @17 :Data; listNegated @18 :Bool; }
    # `guest` is set for a user's function, and `function` is empty then; so everywhere.
    call :group { function @19 :Text; volatility @20 :Volatility; guest @21 :GuestFunction; }
  }
}

struct SortKey { expr @0 :Expr; descending @1 :Bool; nullsFirst @2 :Bool; }

struct Aggregate {
  keys @0 :List(Expr);
  calls @1 :List(AggregateCall);
  mode @2 :AggregateMode;
}
enum AggregateMode { single @0; partial @1; final @2; }

struct AggregateCall {
  function @0 :Text;
  arguments @1 :List(Expr);
  distinct @2 :Bool;
  filter @3 :OptionalExpr;
  orderBy @4 :List(SortKey);
  ignoreNulls @5 :Bool;
  type @6 :Data;
  nullable @7 :Bool;
  guest @8 :GuestFunction;
}

struct Window {
  partitionBy @0 :List(Expr);
  orderBy @1 :List(SortKey);
  calls @2 :List(WindowCall);
}

struct WindowCall {
  function @0 :Text;
  isAggregate @1 :Bool;
  arguments @2 :List(Expr);
  units @3 :FrameUnits;
  start @4 :FrameBound;
  end @5 :FrameBound;
  filter @6 :OptionalExpr;
  distinct @7 :Bool;
  ignoreNulls @8 :Bool;
  type @9 :Data;
  nullable @10 :Bool;
  guest @11 :GuestFunction;
}
enum FrameUnits { rows @0; range @1; groups @2; }
struct FrameBound {
  union {
    preceding @0 :OptionalData;
    currentRow @1 :Void;
    following @2 :OptionalData;
  }
}

struct UnnestColumn { index @0 :UInt32; depth @1 :UInt32; }

enum JoinKind {
  inner @0; probeOuter @1; buildOuter @2; fullOuter @3; probeSemi @4; probeAnti @5; probeMark @6;
  buildSemi @7; buildAnti @8; buildMark @9;
}

struct HashJoin {
  kind @0 :JoinKind;
  probeKeys @1 :List(Expr);
  buildKeys @2 :List(Expr);
  nullEqualsNull @3 :Bool;
  residual @4 :OptionalExpr;
  nullAware @5 :Bool;
  runtimeFilters @6 :List(RuntimeFilter);
}

# Made from key `index` of a join; used on output column `index` of a scan.
struct RuntimeFilter { id @0 :UInt32; index @1 :UInt32; }

struct TableScan {
  table @0 :Text;
  tableSchema @1 :Data;
  projection @2 :List(UInt32);
  filters @3 :List(Expr);
  runtimeFilters @4 :List(RuntimeFilter);
  limit @5 :OptionalCount;
  statistics @6 :List(ColumnStatistics);
  source :union {
    files :group { format @7 :FileFormat; files @8 :List(FileEntry); }
    managed @9 :Managed.ManagedScan;
  }
}

struct ColumnStatistics {
  min @0 :OptionalData;
  max @1 :OptionalData;
  nulls @2 :OptionalFloat;
  distinct @3 :OptionalFloat;
  width @4 :OptionalFloat;
}

enum Compression { none @0; gzip @1; zstd @2; }

struct FileFormat {
  union {
    parquet @0 :Void;
    csv :group { header @1 :Bool; delimiter @2 :UInt8; quote @3 :UInt8; nullText @4 :OptionalText; compression @5 :Compression; }
    json @6 :Compression;
    arrow @7 :Void;
  }
}

struct FileEntry {
  path @0 :Text;
  size @1 :UInt64;
  modifiedNs @2 :Int64;
  # A packed value for each partition column.
  partitionValues @3 :List(Data);
}

# Code that a user uploaded: an export of the module whose bytes have this SHA-256.
struct GuestCode {
  name @0 :Text;
  version @1 :UInt32;
  module @2 :Data;
  export @3 :Text;
  limits @4 :GuestLimits;
}
struct GuestLimits { memoryBytes @0 :UInt64; timePerBatchMs @1 :UInt32; onError @2 :OnError; }
enum OnError { fail @0; null @1; }
enum Tier { row @0; batch @1; }

# `signature` is a schema: the arguments, then the result.
struct GuestFunction {
  code @0 :GuestCode;
  tier @1 :Tier;
  signature @2 :Data;
  strict @3 :Bool;
  volatility @4 :Volatility;
  cost @5 :UInt32;
  rowsPerRow @6 :UInt32;
}

# `columns` and `parameterTypes` are schemas.
struct GuestOperator {
  code @0 :GuestCode;
  inputs @1 :List(OperatorInput);
  parameterTypes @2 :Data;
  output @3 :OperatorOutput;
  columns @4 :Data;
  rowsPerRow @5 :UInt32;
  cost @6 :UInt32;
  keepsOrder @7 :Bool;
}
struct OperatorInput { name @0 :Text; needsPartition @1 :Bool; needsOrder @2 :Bool; readsAll @3 :Bool; }
enum OperatorOutput { extends @0; columns @1; likeInput @2; }

struct GuestCall {
  operator @0 :GuestOperator;
  parameters @1 :List(Data);
  inputs @2 :List(GuestInput);
}
struct GuestInput { partitionBy @0 :List(Expr); orderBy @1 :List(SortKey); }
