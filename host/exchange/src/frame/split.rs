//! Frames of a length that suits the transport.

use arrow::array::RecordBatch;
use nyala_schema::{Error, ErrorCode, Result};

use super::{FRAME_BYTES_MAX, FRAME_ROWS_MAX, Frame};

pub(super) fn frames(batch: &RecordBatch, target: u64) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    add(batch, target.clamp(1, FRAME_BYTES_MAX), &mut frames)?;
    Ok(frames)
}

fn add(batch: &RecordBatch, target: u64, frames: &mut Vec<Frame>) -> Result<()> {
    let rows = batch.num_rows();
    let by_rows = (rows as u64).div_ceil(FRAME_ROWS_MAX);
    let frame = Frame::of(batch)?;
    let bytes = frame.wire_bytes();
    if by_rows <= 1 && (bytes <= target || (rows <= 1 && bytes <= FRAME_BYTES_MAX)) {
        frames.push(frame);
        return Ok(());
    }
    if rows <= 1 {
        let message =
            format!("a row of {bytes} bytes is too long to go between nodes: {FRAME_BYTES_MAX} are the most");
        return Err(
            Error::new(ErrorCode::TooComplex, message).with_hint("leave out or shorten its long values")
        );
    }
    drop(frame);
    let pieces = bytes.div_ceil(target).max(by_rows).clamp(2, rows as u64) as usize;
    let piece_rows = rows.div_ceil(pieces);
    for start in (0..rows).step_by(piece_rows) {
        add(&batch.slice(start, piece_rows.min(rows - start)), target, frames)?;
    }
    Ok(())
}
