//! Where the chunks of a pipeline come from.

mod build_rows;
mod merge;
mod receive;
mod rows;
mod scan;
mod series;

use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use nyala_pipeline::Source;
use nyala_schema::Result;
use nyala_schema::scan::physical_type;

use crate::column::Chunk;
use crate::keep::{Piece, ResultRows};
use crate::run::Query;
use build_rows::BuildRowsSource;
use merge::MergeSource;
use receive::ReceiveSource;
use rows::RowsSource;
use scan::ScanSource;
use series::SeriesSource;

/// One worker's view of a source.
pub(crate) trait SourceWorker: Send {
    /// The next chunk, which may be empty; `None` at the end. The waker is called when it is worth asking again.
    ///
    /// # Errors
    /// FileAccess, CorruptFile, and those of filters; of an input those of its senders.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>>>;
}

/// A source as all workers of its pipeline share it: each chunk goes to one of them.
pub(crate) enum SharedSource {
    Scan(Arc<ScanSource>),
    Rows(Arc<RowsSource>),
    Series(Arc<SeriesSource>),
    BuildRows(Arc<BuildRowsSource>),
    Receive(Arc<ReceiveSource>),
    Merge(Arc<MergeSource>),
}

impl SharedSource {
    /// # Errors
    /// Internal when a state that it reads is not complete, or an input is missing.
    pub(crate) fn new(query: &Arc<Query>, pipeline: usize) -> Result<Self> {
        let rows_max = query.options.batch_rows;
        Ok(match &query.plan.pipelines[pipeline].source {
            Source::Scan { operator, scan, .. } => {
                Self::Scan(Arc::new(ScanSource::new(query, pipeline, *operator, scan)?))
            }
            Source::Values { batch, .. } => Self::Rows(Arc::new(RowsSource::new(values(batch)?, rows_max))),
            Source::State { state, .. } => {
                Self::Rows(Arc::new(RowsSource::new(query.states[state.0].rows()?, rows_max)))
            }
            Source::Series { start, stop, step, inclusive, .. } => {
                Self::Series(Arc::new(SeriesSource::new(start, stop, step, *inclusive, rows_max)?))
            }
            Source::BuildRows { state, probe_types, .. } => {
                let state = &query.states[state.0];
                Self::BuildRows(Arc::new(BuildRowsSource::new(state, probe_types, rows_max)?))
            }
            Source::Receive { operator, from, types, order } if order.is_empty() => {
                Self::Receive(Arc::new(ReceiveSource::new(query, *operator, *from, types)?))
            }
            Source::Receive { operator, from, types, order } => {
                Self::Merge(Arc::new(MergeSource::new(query, *operator, *from, types, order)?))
            }
        })
    }

    /// Into how many parts it can be split at most.
    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Scan(source) => source.parts(),
            Self::Rows(source) => source.parts(),
            Self::Series(source) => source.parts(),
            Self::BuildRows(source) => source.parts(),
            Self::Receive(_) => usize::MAX,
            Self::Merge(_) => 1,
        }
    }

    /// Rows, as far as they are known.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Scan(source) => source.rows(),
            Self::Rows(source) => source.rows(),
            Self::Series(source) => source.rows(),
            Self::BuildRows(source) => source.rows(),
            Self::Receive(_) | Self::Merge(_) => 0,
        }
    }

    /// Whether a worker may have to wait for something from outside.
    pub(crate) fn may_wait(&self) -> bool {
        match self {
            Self::Scan(source) => source.may_wait(),
            Self::Receive(_) | Self::Merge(_) => true,
            Self::Rows(_) | Self::Series(_) | Self::BuildRows(_) => false,
        }
    }

    /// Nothing more is wanted.
    pub(crate) fn close(&self) {
        match self {
            Self::Receive(source) => source.close(),
            Self::Merge(source) => source.close(),
            Self::Scan(_) | Self::Rows(_) | Self::Series(_) | Self::BuildRows(_) => {}
        }
    }

    pub(crate) fn worker(&self, query: &Arc<Query>) -> Result<Box<dyn SourceWorker>> {
        Ok(match self {
            Self::Scan(source) => Box::new(scan::ScanWorker::new(source.clone(), query.clone())),
            Self::Rows(source) => Box::new(rows::RowsWorker(source.clone())),
            Self::Series(source) => Box::new(series::SeriesWorker(source.clone())),
            Self::BuildRows(source) => Box::new(build_rows::BuildRowsWorker(source.clone())),
            Self::Receive(source) => Box::new(receive::ReceiveWorker::new(source.clone(), query)),
            Self::Merge(source) => Box::new(merge::MergeWorker::new(source.clone(), query)),
        })
    }
}

fn values(batch: &RecordBatch) -> Result<Arc<ResultRows>> {
    let columns = batch.columns().iter().map(|column| {
        let wanted = physical_type(column.data_type());
        if *column.data_type() == wanted {
            return Ok(column.clone());
        }
        Ok(arrow::compute::cast(column, &wanted)?)
    });
    let piece = Piece::new(batch.num_rows(), columns.collect::<Result<_>>()?);
    Ok(Arc::new(ResultRows { pieces: vec![piece] }))
}
