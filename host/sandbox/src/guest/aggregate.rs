//! Aggregate functions: the guest keeps the state of all groups.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute;
use arrow::datatypes::{DataType, UInt32Type};
use nyala_guest_abi as abi;
use nyala_pipeline::GroupAccumulator;
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};
use wasmtime::TypedFunc;

use super::{Single, Source, exact, without_nulls};
use crate::instance::{Instance, RowOrigin};

type WithGroups = TypedFunc<(u32, u32, u32), u32>;
type OfGroups = TypedFunc<u32, u32>;

#[derive(Clone)]
struct Functions {
    update: WithGroups,
    states: OfGroups,
    merge: WithGroups,
    finish: OfGroups,
}

struct Names {
    update: String,
    states: String,
    merge: String,
    finish: String,
}

pub(crate) struct Aggregate {
    function: Arc<GuestFunction>,
    returns: DataType,
    names: Names,
    single: Single<Functions>,
    group_count: usize,
}

impl Aggregate {
    pub(crate) fn new(function: Arc<GuestFunction>, source: Source) -> Self {
        let name = |suffix: &str| format!("{}{}_{suffix}", abi::AGGREGATE_PREFIX, function.code.export);
        let names = Names {
            update: name("update"),
            states: name("states"),
            merge: name("merge"),
            finish: name("finish"),
        };
        let returns = nyala_pipeline::exact_type(&function.returns);
        Self { names, returns, function, single: Single::new(source), group_count: 0 }
    }

    fn call<T>(
        &mut self,
        rows: usize,
        act: impl FnOnce(&mut Instance, &Functions, &Names) -> Result<T>,
    ) -> Result<T> {
        let names = &self.names;
        let open = |instance: &mut Instance| {
            Ok(Functions {
                update: instance.export(&names.update)?,
                states: instance.export(&names.states)?,
                merge: instance.export(&names.merge)?,
                finish: instance.export(&names.finish)?,
            })
        };
        self.single.call(rows, open, |instance, functions| act(instance, functions, names))
    }

    /// Hands rows with their groups to `update` or `merge`, in pieces that fit.
    fn add(
        &mut self,
        columns: &[ArrayRef],
        groups: &[u32],
        origin: &RowOrigin,
        is_merge: bool,
    ) -> Result<()> {
        let rows = groups.len();
        if rows == 0 {
            return Ok(());
        }
        let Some(room) = self.single.source.room(columns, rows)? else {
            let half = rows / 2;
            for (start, length) in [(0, half), (half, rows - half)] {
                let piece: Vec<ArrayRef> = columns.iter().map(|column| column.slice(start, length)).collect();
                let origin = match &origin.kept {
                    Some(kept) => RowOrigin { kept: Some(kept.slice(start, length)), first: origin.first },
                    None => RowOrigin { kept: None, first: origin.first + start as u64 },
                };
                self.add(&piece, &groups[start..start + length], &origin, is_merge)?;
            }
            return Ok(());
        };
        let group_count = self.group_count as u32;
        let origin = origin.clone();
        self.call(rows, |instance, functions, names| {
            instance.begin(origin);
            instance.reset()?;
            let placed = instance.place(columns, rows, groups, room)?;
            let (name, function) =
                if is_merge { (&names.merge, &functions.merge) } else { (&names.update, &functions.update) };
            instance.call_status(name, function, (placed.batch, placed.words, group_count))
        })
    }

    fn grow(&mut self, groups: &[u32], group_count: usize) -> Result<()> {
        if u32::try_from(group_count).is_err() || groups.iter().any(|group| *group as usize >= group_count) {
            return Err(Error::internal(format!(
                "{}: groups beyond their number {group_count}",
                self.function
            )));
        }
        self.group_count = self.group_count.max(group_count);
        Ok(())
    }
}

/// The rows that the filter holds true, with their groups.
fn filtered(
    columns: Vec<ArrayRef>,
    groups: &[u32],
    filter: Option<&BooleanArray>,
    strict: bool,
) -> Result<(Vec<ArrayRef>, Vec<u32>, RowOrigin)> {
    let mut origin = RowOrigin::default();
    let mut groups = groups.to_vec();
    let mut columns = columns;
    if let Some(filter) = filter {
        let filter = compute::prep_null_mask_filter(filter);
        let all = arrow::array::UInt32Array::from_iter_values(0..groups.len() as u32);
        let rows = compute::filter(&all, &filter)?.as_primitive::<UInt32Type>().clone();
        columns = columns.iter().map(|column| compute::filter(column, &filter)).collect::<Result<_, _>>()?;
        groups = rows.values().iter().map(|row| groups[*row as usize]).collect();
        origin.kept = Some(rows);
    }
    if strict && let Some(kept) = without_nulls(&columns)? {
        groups = kept.rows.values().iter().map(|row| groups[*row as usize]).collect();
        columns = kept.columns;
        origin.kept = Some(match &origin.kept {
            Some(before) => compute::take(before, &kept.rows, None)?.as_primitive::<UInt32Type>().clone(),
            None => kept.rows,
        });
    }
    Ok((columns, groups, origin))
}

impl GroupAccumulator for Aggregate {
    fn update(
        &mut self,
        arguments: &[ArrayRef],
        order_by: &[ArrayRef],
        groups: &[u32],
        group_count: usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        if !order_by.is_empty() {
            return Err(Error::unsupported(format!("{} sees its rows in no order", self.function.code.name))
                .with_hint("leave out ORDER BY among its arguments"));
        }
        self.grow(groups, group_count)?;
        let columns = exact(arguments, &self.function.arguments)?;
        let (columns, groups, origin) = filtered(columns, groups, filter, self.function.strict)?;
        self.add(&columns, &groups, &origin, false)
    }

    fn take_states(&mut self) -> Result<Vec<ArrayRef>> {
        let group_count = self.group_count;
        let states = self.call(0, |instance, functions, names| {
            instance.begin(RowOrigin::default());
            let pointer = instance.call_pointer(&names.states, &functions.states, group_count as u32)?;
            instance.read(&names.states, |reader| {
                let batch = reader.batch(pointer)?;
                if batch.rows as usize != group_count {
                    return Err(format!("the states have {} rows instead of {group_count}", batch.rows));
                }
                reader.states(&batch)
            })
        })?;
        self.group_count = 0;
        Ok(states)
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.grow(groups, group_count)?;
        self.add(states, groups, &RowOrigin::default(), true)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let (group_count, returns) = (self.group_count, self.returns.clone());
        let results = self.call(0, |instance, functions, names| {
            instance.begin(RowOrigin::default());
            let pointer = instance.call_pointer(&names.finish, &functions.finish, group_count as u32)?;
            instance.read_column(&names.finish, pointer, &returns, group_count)
        })?;
        self.group_count = 0;
        Ok(results)
    }

    /// The guest's memory is accounted to the query as it grows; counting it here would count it twice.
    fn size(&self) -> usize {
        0
    }
}
