# Managed tables: what they look like, what they are made of, what became of them. As everywhere, field numbers never
# change meaning. A pointer that is not set is nothing.
@0xe41b7d0c92a65f38;

struct TableId { high @0 :UInt64; low @1 :UInt64; }

struct TableShape {
  columns @0 :List(TableColumn);
  checks @1 :List(CheckConstraint);
  partitionBy @2 :List(PartitionField);
  sortBy @3 :List(SortField);
  nextColumn @4 :UInt32;
}

# `type` is a packed Arrow type, `initial` a packed value.
struct TableColumn {
  id @0 :UInt32;
  nullable @1 :Bool;
  name @2 :Text;
  type @3 :Data;
  default @4 :Text;
  initial @5 :Data;
}

struct CheckConstraint { name @0 :Text; sql @1 :Text; }

struct PartitionField {
  column @0 :UInt32;
  transform :union {
    identity @1 :Void;
    year @2 :Void;
    month @3 :Void;
    day @4 :Void;
    hour @5 :Void;
    bucket @6 :UInt32;
    truncate @7 :UInt32;
  }
}

struct SortField { column @0 :UInt32; descending @1 :Bool; nullsFirst @2 :Bool; }

enum FileCompression { none @0; snappy @1; lz4 @2; zstd @3; }

struct TableProperties {
  retentionMs @0 :UInt64;
  retentionVersions @1 :UInt64;
  compression @2 :FileCompression;
  fileBytes @3 :UInt64;
  rowGroupRows @4 :UInt64;
}

# `partition` is packed values, one after the other; `statistics` packed columns.
struct DataFile {
  id @0 :UInt64;
  addedIn @1 :UInt64;
  rows @2 :UInt64;
  partition @3 :List(Data);
  statistics @4 :Data;
  deletions @5 :Deletions;
  content :union {
    parquet :group { path @6 :Text; size @7 :UInt64; rowGroups @8 :List(UInt32); }
    # A packed batch and the ids of its columns.
    inline :group { columns @9 :List(UInt32); batch @10 :Data; }
  }
}

struct Deletions {
  rows @0 :UInt64;
  place :union {
    # A roaring bitmap in the portable form.
    inline @1 :Data;
    file :group { path @2 :Text; size @3 :UInt64; }
  }
}

struct DataFiles { files @0 :List(DataFile); }

# `bounds` are packed: the least, then the greatest.
struct ColumnSummary {
  column @0 :UInt32;
  isBounded @1 :Bool;
  hasMin @2 :Bool;
  hasMax @3 :Bool;
  hasWidth @4 :Bool;
  nulls @5 :UInt64;
  width @6 :Float64;
  bounds @7 :Data;
  sketch @8 :Data;
  # Packed bounds.
  histogram @9 :Data;
}

struct TableSummary {
  rows @0 :UInt64;
  bytes @1 :UInt64;
  columns @2 :List(ColumnSummary);
  isAnalyzed @3 :Bool;
  analyzedMs @4 :Int64;
  analyzedRows @5 :UInt64;
}

struct ColumnSketch { column @0 :UInt32; hasWidth @1 :Bool; width @2 :Float64; sketch @3 :Data; }

# A table without its files and versions, which are kept chunk by chunk.
struct ManagedTable {
  id @0 :TableId;
  shape @1 :TableShape;
  properties @2 :TableProperties;
  version @3 :UInt64;
  nextFile @4 :UInt64;
  summary @5 :TableSummary;
}

struct TableOperation {
  union {
    create @0 :Void;
    insert @1 :Void;
    overwrite @2 :Void;
    update @3 :Void;
    delete @4 :Void;
    merge @5 :Void;
    truncate @6 :Void;
    copy @7 :Void;
    optimize @8 :Void;
    alter @9 :Void;
    rollback @10 :UInt64;
  }
}

# `shape` is an index: versions that follow each other mostly look alike.
struct TableVersion {
  number @0 :UInt64;
  catalogVersion @1 :UInt64;
  atMs @2 :Int64;
  operation @3 :TableOperation;
  shape @4 :UInt32;
  rowsAdded @5 :UInt64;
  rowsRemoved @6 :UInt64;
  rows @7 :UInt64;
  files @8 :UInt64;
  bytes @9 :UInt64;
}

struct TableVersions { shapes @0 :List(TableShape); versions @1 :List(TableVersion); }

struct FileDeletions { file @0 :UInt64; deletions @1 :Deletions; }

enum Requirement { nothing @0; files @1; version @2; }

struct TableChange {
  table @0 :Text;
  id @1 :TableId;
  base @2 :UInt64;
  operation @3 :TableOperation;
  add @4 :List(DataFile);
  remove @5 :List(UInt64);
  delete @6 :List(FileDeletions);
  requirement @7 :Requirement;
  sketches @8 :List(ColumnSketch);
}

struct TableAlteration {
  union {
    addColumn :group { column @0 :TableColumn; ifNotExists @1 :Bool; }
    dropColumn :group { name @2 :Text; ifExists @3 :Bool; }
    renameColumn :group { from @4 :Text; to @5 :Text; }
    setDefault :group { column @6 :Text; default @7 :Text; }
    setNullable :group { column @8 :Text; nullable @9 :Bool; }
    addCheck @10 :CheckConstraint;
    dropCheck :group { name @11 :Text; ifExists @12 :Bool; }
    setSortBy @13 :List(SortField);
    setProperties @14 :List(PropertySetting);
  }
}

struct PropertySetting { name @0 :Text; value @1 :Text; }

# `columns` of a scan beside the files; see `TableScan`.
struct ManagedScan {
  table @0 :TableId;
  columns @1 :List(ScanColumn);
  files @2 :List(DataFile);
  rowIdentity @3 :Bool;
}

struct ScanColumn { id @0 :UInt32; initial @1 :Data; }
