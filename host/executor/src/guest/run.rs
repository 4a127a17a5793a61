//! One job of a user's operator: an instance that is given partition after partition.

use std::ops::Range;

use arrow::array::{ArrayRef, UInt32Array};
use nyala_pipeline::guest::OperatorGuest;
use nyala_pipeline::state::GuestSpec;
use nyala_schema::guest::OperatorOutput;
use nyala_schema::{Error, Result};

use crate::column::Indices;
use crate::column::chunk::take;
use crate::column::concat::concat;
use crate::column::dictionary::unpack;
use crate::column::size::bytes_of_all;
use crate::guest::given::checked;
use crate::guest::partition::{Partition, Sorted};
use crate::keep::Piece;
use crate::run::Query;

/// What an input hands to the operator: its columns for the rows of the job.
struct Handed {
    columns: Vec<ArrayRef>,
    /// Where these rows begin among all sorted rows.
    start: usize,
}

/// What the operator has given so far.
struct Given<'a> {
    spec: &'a GuestSpec,
    rows: usize,
    /// For operators that extend their input: rows of the first input's kept columns.
    sources: Vec<u32>,
    /// For each wanted column its parts.
    parts: Vec<Vec<ArrayRef>>,
    /// Accounts bytes that are kept.
    account: &'a dyn Fn(u64) -> Result<()>,
}

/// All rows that come of these partitions.
///
/// # Errors
/// Those of the guest; OutOfMemory, Cancelled.
pub(crate) fn run(
    spec: &GuestSpec,
    query: &Query,
    inputs: &[Sorted<'_>],
    partitions: &[Partition],
    account: &dyn Fn(u64) -> Result<()>,
) -> Result<Piece> {
    let schemas: Vec<_> = spec.inputs.iter().map(|input| input.schema.clone()).collect();
    let mut guest = query.guests(&spec.call.operator.code)?.operator(&spec.call, &schemas)?;
    let handed = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| hand_over(input, partitions, index))
        .collect::<Result<Vec<_>>>()?;
    let parts = vec![vec![]; spec.columns.len()];
    let mut given = Given { spec, rows: 0, sources: vec![], parts, account };
    for (number, partition) in partitions.iter().enumerate() {
        if number > 0 {
            guest.reset()?;
        }
        let first = inputs[0].order.slice(partition[0].start, partition[0].len());
        for (index, (input, range)) in handed.iter().zip(partition).enumerate() {
            for offset in range.clone().step_by(query.options.batch_rows.max(1)) {
                if query.is_stopped() {
                    return Err(Error::cancelled());
                }
                let rows = query.options.batch_rows.max(1).min(range.end - offset);
                let columns = input.columns.iter().map(|column| column.slice(offset - input.start, rows));
                guest.push(index, &columns.collect::<Vec<_>>(), rows)?;
                given.pull(guest.as_mut(), query, &first)?;
            }
            guest.finish(index)?;
            given.pull(guest.as_mut(), query, &first)?;
        }
    }
    given.into_piece(&inputs[0].columns)
}

fn hand_over(input: &Sorted<'_>, partitions: &[Partition], index: usize) -> Result<Handed> {
    let start = partitions.first().map_or(0, |partition| partition[index].start);
    let end = partitions.last().map_or(start, |partition| partition[index].end);
    let Range { start, end } = start..end;
    let indices = Indices::from_array(input.order.slice(start, end - start));
    let columns = input.spec.handed.iter().map(|&column| unpack(&take(&input.columns[column], &indices)?));
    Ok(Handed { columns: columns.collect::<Result<_>>()?, start })
}

impl Given<'_> {
    /// Takes all that there is. `first` are the rows of the first input's partition.
    fn pull(&mut self, guest: &mut dyn OperatorGuest, query: &Query, first: &UInt32Array) -> Result<()> {
        let operator = &self.spec.call.operator;
        let extends = matches!(operator.output, OperatorOutput::Extends(_));
        let source_rows = extends.then_some(first.values().len());
        while let Some(rows) = guest.pull()? {
            if query.is_stopped() {
                return Err(Error::cancelled());
            }
            let rows = checked(&operator.code, rows, &self.spec.types, source_rows)?;
            self.rows += rows.rows;
            if extends {
                let sources = rows.sources.unwrap_or_default();
                (self.account)(4 * sources.len() as u64)?;
                self.sources.extend(sources.into_iter().map(|row| first.value(row as usize)));
            }
            let wanted = self.spec.columns.iter().map(|&index| rows.columns[index].clone());
            let wanted: Vec<ArrayRef> = wanted.collect();
            (self.account)(bytes_of_all(&wanted))?;
            self.parts.iter_mut().zip(wanted).for_each(|(parts, column)| parts.push(column));
        }
        Ok(())
    }

    fn into_piece(self, first: &[ArrayRef]) -> Result<Piece> {
        let mut columns = vec![];
        if !self.spec.kept.is_empty() {
            let sources = Indices::any_order(self.sources);
            for &index in &self.spec.kept {
                columns.push(take(&first[index], &sources)?);
            }
            (self.account)(bytes_of_all(&columns))?;
        }
        for (parts, &index) in self.parts.iter().zip(&self.spec.columns) {
            columns.push(concat(parts, &self.spec.types[index].data_type)?);
        }
        Ok(Piece::new(self.rows, columns))
    }
}
