//! Finished rows, ready to be a source of further pipelines.

use arrow::array::{Array, ArrayRef, UInt32Array};

use crate::column::{Chunk, Column, Indices};

#[derive(Default)]
pub(crate) struct ResultRows {
    /// In order, where there is one.
    pub(crate) pieces: Vec<Piece>,
}

pub(crate) struct Piece {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<ArrayRef>,
    /// Which rows of the columns these are, and in which order; `None`: all as they are.
    pub(crate) order: Option<UInt32Array>,
}

impl ResultRows {
    pub(crate) fn rows(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows).sum()
    }

    /// Piece, offset and rows of batches of at most `rows_max`.
    pub(crate) fn batches(&self, rows_max: usize) -> Vec<(usize, usize, usize)> {
        let mut batches = Vec::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            for offset in (0..piece.rows).step_by(rows_max.max(1)) {
                batches.push((index, offset, rows_max.min(piece.rows - offset)));
            }
        }
        batches
    }
}

impl Piece {
    pub(crate) fn new(rows: usize, columns: Vec<ArrayRef>) -> Self {
        debug_assert!(columns.iter().all(|column| column.len() == rows));
        Self { rows, columns, order: None }
    }

    pub(crate) fn chunk(&self, offset: usize, rows: usize) -> Chunk {
        let columns = match &self.order {
            None => self.columns.iter().map(|column| Column::new(column.slice(offset, rows))).collect(),
            Some(order) => {
                let indices = Indices::from_array(order.slice(offset, rows));
                self.columns.iter().map(|column| Column::selected(column.clone(), &indices)).collect()
            }
        };
        Chunk::new(rows, columns)
    }
}
