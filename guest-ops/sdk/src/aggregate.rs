//! Aggregates: a state for each group.

use std::cell::RefCell;
use std::thread::LocalKey;

use nyala_guest_abi as abi;

use crate::builder::{Builder, Bytes};
use crate::column::Batch;
use crate::host::{begin_row, end_rows, fail, report_panics, Failure};
use crate::memory::{address, pointer};
use crate::returned::Returned;
use crate::scalar::Results;
use crate::state::State;

/// The state of one group. Its `Default` is that of a group without rows.
///
/// Beside this trait it has a method `update(&mut self, …)` with the arguments that [`aggregate!`](crate::aggregate!) names,
/// which returns nothing or a `Result`; and `retract`, if that is asked for.
///
/// The rows of a group may be split in any way, on any number of nodes, and the states merged: the result must be the same, or
/// for floating point nearly.
pub trait Aggregate: Default + State + 'static {
    /// What [`finish`](Self::finish) gives.
    type Output: Returned;

    /// Adds the rows of another state of the same group.
    fn merge(&mut self, other: Self);

    /// The result.
    fn finish(self) -> Self::Output;
}

type Output<A> = <<A as Aggregate>::Output as Returned>::Builder;

/// All groups of an instance, and what it last gave the host.
pub struct Groups<A: Aggregate> {
    states: Vec<A>,
    results: Results<Output<A>>,
    encoded: Bytes<false>,
    bytes: Vec<u8>,
    column: Box<abi::Column>,
    batch: Box<abi::Batch>,
}

impl<A: Aggregate> Default for Groups<A> {
    fn default() -> Self {
        Self {
            states: Vec::new(),
            results: Results::default(),
            encoded: Bytes::default(),
            bytes: Vec::new(),
            column: Box::default(),
            batch: Box::default(),
        }
    }
}

/// Where the states of an instance are kept.
pub type Kept<A> = LocalKey<RefCell<Groups<A>>>;

impl<A: Aggregate> Groups<A> {
    fn grow(&mut self, count: usize) {
        if self.states.len() < count {
            self.states.resize_with(count, A::default);
        }
    }

    fn states(&mut self, count: usize) -> u32 {
        self.grow(count);
        self.encoded.clear();
        for state in self.states.drain(..) {
            self.bytes.clear();
            state.encode(&mut self.bytes);
            self.encoded.push(&self.bytes);
        }
        let rows = self.encoded.rows();
        *self.column = self.encoded.describe(0, rows);
        let columns: *const abi::Column = &*self.column;
        *self.batch = abi::Batch { columns: address(columns), column_count: 1, rows: rows as u32 };
        let batch: *const abi::Batch = &*self.batch;
        address(batch)
    }

    fn finish(&mut self, count: usize) -> Result<u32, Failure> {
        self.grow(count);
        let states = &mut self.states;
        self.results.fill(count, |out| {
            for state in states.drain(..) {
                state.finish().give(out).map_err(Failure::of_call)?;
            }
            Ok(())
        })
    }
}

/// Does something for each row and the state of its group: the exports `update`, `merge` and `retract`.
///
/// # Safety
/// `batch` must be the address of a batch as the ABI describes it, `groups` that of a `u32` for each row.
pub unsafe fn change<A: Aggregate>(
    kept: &'static Kept<A>,
    batch: u32,
    groups: u32,
    group_count: u32,
    change: impl FnOnce(Batch<'_>, GroupRows<'_, A>) -> Result<(), Failure>,
) -> u32 {
    report_panics();
    // SAFETY: promised by the caller; the host keeps both until the call ends.
    let (batch, groups) = unsafe {
        let batch = Batch::at(batch);
        let groups: &[u32] = match batch.rows() {
            0 => &[],
            rows => std::slice::from_raw_parts(pointer::<u32>(groups), rows),
        };
        (batch, groups)
    };
    let done = kept.with(|kept| {
        let mut kept = kept.borrow_mut();
        kept.grow(group_count as usize);
        change(batch, GroupRows { states: &mut kept.states, groups })
    });
    end_rows();
    match done {
        Ok(()) => 0,
        Err(failure) => {
            fail(&failure);
            1
        }
    }
}

/// The groups of the rows of a batch.
pub struct GroupRows<'a, A> {
    states: &'a mut [A],
    groups: &'a [u32],
}

impl<A> GroupRows<'_, A> {
    /// Calls `change` with each row and its state but for those that are missing.
    #[inline(always)]
    pub fn each(
        self,
        is_missing: impl Fn(usize) -> bool,
        mut change: impl FnMut(usize, &mut A) -> Result<(), String>,
    ) -> Result<(), Failure> {
        for (row, &group) in self.groups.iter().enumerate() {
            if !is_missing(row) {
                begin_row(row);
                let state = &mut self.states[group as usize];
                change(row, state).map_err(|message| Failure::at(row, message))?;
            }
        }
        Ok(())
    }
}

/// The export `merge`.
///
/// # Safety
/// As [`change`].
pub unsafe fn merge<A: Aggregate>(kept: &'static Kept<A>, batch: u32, groups: u32, group_count: u32) -> u32 {
    let merge = |batch: Batch<'_>, rows: GroupRows<'_, A>| {
        let encoded = batch.values::<&[u8]>(0)?;
        rows.each(
            |_| false,
            |row, state| {
                let mut bytes = encoded.get(row);
                let other = A::decode(&mut bytes).filter(|_| bytes.is_empty());
                state.merge(other.ok_or("a state is damaged or of another version of this function")?);
                Ok(())
            },
        )
    };
    // SAFETY: promised by the caller.
    unsafe { change(kept, batch, groups, group_count, merge) }
}

/// The export `states`.
pub fn states<A: Aggregate>(kept: &'static Kept<A>, group_count: u32) -> u32 {
    report_panics();
    kept.with(|kept| kept.borrow_mut().states(group_count as usize))
}

/// The export `finish`.
pub fn finish<A: Aggregate>(kept: &'static Kept<A>, group_count: u32) -> u32 {
    report_panics();
    kept.with(|kept| kept.borrow_mut().finish(group_count as usize)).unwrap_or_else(|failure| {
        fail(&failure);
        0
    })
}

/// An aggregate function: one value for all rows of a group.
///
/// ```
/// nyala_sdk::state! {
///     #[derive(Default)]
///     struct Mean {
///         sum: f64,
///         count: i64,
///     }
/// }
///
/// impl Mean {
///     fn update(&mut self, value: f64) {
///         self.sum += value;
///         self.count += 1;
///     }
///
///     fn retract(&mut self, value: f64) {
///         self.sum -= value;
///         self.count -= 1;
///     }
/// }
///
/// impl nyala_sdk::Aggregate for Mean {
///     type Output = Option<f64>;
///
///     fn merge(&mut self, other: Self) {
///         self.sum += other.sum;
///         self.count += other.count;
///     }
///
///     fn finish(self) -> Option<f64> {
///         (self.count > 0).then(|| self.sum / self.count as f64)
///     }
/// }
///
/// nyala_sdk::aggregate! {
///     /// `retract` may be left out; window frames that move are slower then.
///     fn mean(value: f64) for Mean, retract;
/// }
/// ```
///
/// Options, NULLs and arguments are as those of [`scalar!`](crate::scalar!): a row with a NULL argument is left out unless an
/// argument is an `Option`.
#[macro_export]
macro_rules! aggregate {
    ($(#[$meta:meta])* ($($option:tt)*) fn $name:ident ($($arg:ident : $type:ty),* $(,)?) for $state:ty $(, $retract:ident)? $(;)?) => {
        const _: () = {
            ::std::thread_local! {
                static GROUPS: ::std::cell::RefCell<$crate::aggregate::Groups<$state>> =
                    ::std::cell::RefCell::new(::std::default::Default::default());
            }

            $crate::aggregate! { @change update "_update" $name ($($arg : $type),*) $state }
            $crate::aggregate! { @retract [$($retract)?] $name ($($arg : $type),*) $state }

            #[export_name = concat!("nyala_aggregate_", stringify!($name), "_merge")]
            unsafe extern "C" fn merge(batch: u32, groups: u32, group_count: u32) -> u32 {
                // SAFETY: the host promises it.
                unsafe { $crate::aggregate::merge(&GROUPS, batch, groups, group_count) }
            }

            #[export_name = concat!("nyala_aggregate_", stringify!($name), "_states")]
            extern "C" fn states(group_count: u32) -> u32 {
                $crate::aggregate::states(&GROUPS, group_count)
            }

            #[export_name = concat!("nyala_aggregate_", stringify!($name), "_finish")]
            extern "C" fn finish(group_count: u32) -> u32 {
                $crate::aggregate::finish(&GROUPS, group_count)
            }

            $crate::manifest! {
                $crate::manifest::Statement::new().function(
                    "AGGREGATE FUNCTION",
                    stringify!($name),
                    &$crate::declared!($($arg : $type),*),
                    <<$state as $crate::Aggregate>::Output as $crate::returned::Returned>::TYPE,
                    stringify!($($option)*),
                )
            }
        };
    };
    (@retract [] $name:ident ($($arg:ident : $type:ty),*) $state:ty) => {};
    (@retract [retract] $name:ident ($($arg:ident : $type:ty),*) $state:ty) => {
        $crate::aggregate! { @change retract "_retract" $name ($($arg : $type),*) $state }
    };
    (@change $method:ident $suffix:literal $name:ident ($($arg:ident : $type:ty),*) $state:ty) => {
        #[export_name = concat!("nyala_aggregate_", stringify!($name), $suffix)]
        #[allow(unused_assignments, unused_mut, unused_variables)]
        unsafe extern "C" fn $method(batch: u32, groups: u32, group_count: u32) -> u32 {
            let change = |batch: $crate::column::Batch<'_>, rows: $crate::aggregate::GroupRows<'_, $state>| {
                let mut place = 0;
                $(
                    let $arg = batch.values::<$type>(place)?;
                    place += 1;
                )*
                rows.each(
                    // SAFETY: there are as many groups as rows.
                    |row| false $(|| unsafe { $arg.is_missing_unchecked(row) })*,
                    |row, state: &mut $state| {
                        // SAFETY: there are as many groups as rows.
                        let outcome = state.$method($(unsafe { $arg.get_unchecked(row) }),*);
                        $crate::returned::Outcome::outcome(outcome).map(|_| ())
                    },
                )
            };
            // SAFETY: the host promises it.
            unsafe { $crate::aggregate::change(&GROUPS, batch, groups, group_count, change) }
        }
    };
    ($(#[$meta:meta])* fn $($rest:tt)*) => {
        $crate::aggregate! { $(#[$meta])* () fn $($rest)* }
    };
}
