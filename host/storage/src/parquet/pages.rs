//! Which rows of a row group a scan's filters leave, by the bounds that the page index gives of each page.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::datatypes::DataType;
use nyala_schema::Expr;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use crate::prune::{self, Bound, Bounds};

/// The pages of one column in one row group.
pub struct ColumnPages<'a> {
    index: &'a ColumnIndexMetaData,
    /// First row of each page, ascending, and the row group's rows at the end.
    starts: Vec<usize>,
}

impl<'a> ColumnPages<'a> {
    /// `None` where the file has no index of the column, or one that does not fit the row group.
    pub fn find(
        metadata: &'a ParquetMetaData,
        group: usize,
        leaf: usize,
        data_type: &DataType,
    ) -> Option<Self> {
        let index = metadata.column_index()?.get(group)?.get(leaf)?;
        if !is_stored_as_it_is(data_type)
            || !matches!(index, ColumnIndexMetaData::INT32(_) | ColumnIndexMetaData::INT64(_))
        {
            return None;
        }
        let rows = usize::try_from(metadata.row_groups().get(group)?.num_rows()).ok()?;
        let locations = metadata.offset_index()?.get(group)?.get(leaf)?.page_locations();
        let mut starts: Vec<usize> = locations
            .iter()
            .map(|page| usize::try_from(page.first_row_index))
            .collect::<Result<_, _>>()
            .ok()?;
        starts.push(rows);
        let fits =
            starts.first() == Some(&0) && starts.is_sorted() && index.num_pages() == locations.len() as u64;
        fits.then_some(Self { index, starts })
    }

    /// Bounds of the page that `row` lies in.
    fn bounds(&self, row: usize) -> Bounds {
        let page = self.starts.partition_point(|start| *start <= row).saturating_sub(1);
        let rows = match (self.starts.get(page), self.starts.get(page + 1)) {
            (Some(start), Some(end)) => (end - start) as u64,
            _ => return Bounds::default(),
        };
        let (min, max) = match self.index {
            ColumnIndexMetaData::INT32(index) => {
                (index.min_value(page).map(|v| i128::from(*v)), index.max_value(page).map(|v| i128::from(*v)))
            }
            ColumnIndexMetaData::INT64(index) => {
                (index.min_value(page).map(|v| i128::from(*v)), index.max_value(page).map(|v| i128::from(*v)))
            }
            _ => (None, None),
        };
        let nulls = self.index.null_count(page).and_then(|nulls| u64::try_from(nulls).ok());
        match (min, max) {
            (Some(min), Some(max)) if min <= max => {
                Bounds { min: Some(Bound::Int(min)), max: Some(Bound::Int(max)), nulls, rows }
            }
            _ => Bounds { nulls, rows, ..Bounds::default() },
        }
    }
}

/// Whether the stored integers are the values in the column's own unit and order.
fn is_stored_as_it_is(data_type: &DataType) -> bool {
    use arrow::datatypes::TimeUnit;
    match data_type {
        DataType::Timestamp(unit, _) => *unit != TimeUnit::Second,
        DataType::Date32 | DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
            true
        }
        other => other.is_signed_integer(),
    }
}

/// The rows of a row group that may pass `filters`, as ascending ranges. `pages` gives the index of an output column,
/// `otherwise` what is known of a column that has none.
pub fn row_ranges<'a>(
    filters: &[Expr],
    rows: usize,
    pages: &dyn Fn(usize) -> Option<ColumnPages<'a>>,
    otherwise: &dyn Fn(usize) -> Bounds,
) -> Vec<Range<usize>> {
    let mut columns = BTreeSet::new();
    filters.iter().for_each(|filter| filter.for_each_column(&mut |column| _ = columns.insert(column)));
    let indexed: Vec<(usize, ColumnPages<'a>)> =
        columns.into_iter().filter_map(|column| Some((column, pages(column)?))).collect();
    let mut cuts: Vec<usize> = indexed.iter().flat_map(|(_, pages)| pages.starts.iter().copied()).collect();
    cuts.extend([0, rows]);
    cuts.sort_unstable();
    cuts.dedup();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for pair in cuts.windows(2) {
        let (start, end) = (pair[0], pair[1]);
        let bounds = |column: usize| match indexed.iter().find(|(index, _)| *index == column) {
            Some((_, pages)) => pages.bounds(start),
            None => otherwise(column),
        };
        if !prune::may_pass(filters, &bounds) {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}
