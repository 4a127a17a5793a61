//! What a join costs, in units of handling a row that is in the cache.

use crate::relation::Side;

const BUILD_ROW: f64 = 2.0;
const PROBE_ROW: f64 = 1.0;
const OUTPUT_ROW: f64 = 0.5;
/// Testing one pair of rows.
const PAIR: f64 = 0.2;
/// Of a row without a match: tags and runtime filters drop most of them early.
const MISS: f64 = 0.5;
/// A table of this size is still near: beyond, every doubling makes a row dearer.
const NEAR_BYTES: f64 = 1024.0 * 1024.0;
const DOUBLING: f64 = 0.3;
/// Hash, position and directory of one row in a table.
const ROW_OVERHEAD: f64 = 16.0;

/// One side of a join.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    pub rows: f64,
    /// Bytes of a row.
    pub width: f64,
}

/// How one side is joined with the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    pub build: Side,
    pub cost: f64,
}

/// The cost of building on `build` and probing with `probe`.
pub fn hash_join(probe: Input, build: Input, rows_out: f64) -> f64 {
    let bytes = build.rows * (build.width + ROW_OVERHEAD);
    let distance = 1.0 + DOUBLING * (bytes / NEAR_BYTES).log2().max(0.0);
    let found = rows_out.min(probe.rows);
    let missed = (probe.rows - found) * MISS;
    distance * (build.rows * BUILD_ROW + (found + missed) * PROBE_ROW) + rows_out * OUTPUT_ROW
}

fn nested_loop(probe: Input, build: Input, rows_out: f64) -> f64 {
    probe.rows * build.rows * PAIR + build.rows + rows_out * OUTPUT_ROW
}

/// The cheaper of both sides to build; `left` and `right` as they are when they are built.
pub fn cheaper(left: Input, right: Input, rows_out: f64, has_keys: bool) -> Choice {
    let cost = if has_keys { hash_join } else { nested_loop };
    let build_right = cost(left, right, rows_out);
    let build_left = cost(right, left, rows_out);
    if build_left < build_right {
        Choice { build: Side::Left, cost: build_left }
    } else {
        Choice { build: Side::Right, cost: build_right }
    }
}
