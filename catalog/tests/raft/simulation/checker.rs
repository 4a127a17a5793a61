//! Whether a history is linearizable.
//!
//! Each register is judged alone, which is enough (Herlihy and Wing, 1990, theorem 1), by the search of Wing and Gong
//! (1993) with the memory of Lowe (2017): operations are put in an order one by one, and a set of operations that has
//! been put in order before with the same value is not tried again. An operation whose outcome is unknown may take its
//! place at any time after its start, or never.

use std::collections::HashSet;

use super::history::{Action, Moment, Operation, Outcome};

/// Operations of one register: the set of those in order is a word.
const OPERATIONS_MAX: usize = 128;

/// # Errors
/// With what does not fit.
pub fn check(operations: &[Operation]) -> Result<(), String> {
    versions_follow_time(operations)?;
    let registers: HashSet<usize> = operations.iter().map(|operation| operation.register).collect();
    let mut registers: Vec<usize> = registers.into_iter().collect();
    registers.sort_unstable();
    for register in registers {
        let mut of_register: Vec<&Operation> = operations
            .iter()
            .filter(|operation| operation.register == register && matters(operation))
            .collect();
        of_register.sort_by_key(|operation| operation.start);
        if !Search::new(&of_register).is_linearizable() {
            let lines: Vec<_> = of_register.iter().map(|operation| format!("  {operation:?}")).collect();
            return Err(format!("register {register} is not linearizable:\n{}", lines.join("\n")));
        }
    }
    Ok(())
}

/// A read that failed saw nothing, and what was not done did nothing.
fn matters(operation: &Operation) -> bool {
    operation.outcome != Outcome::NotDone && !(operation.is_read() && operation.outcome == Outcome::Unknown)
}

/// The catalog counts its changes: what began after something had ended has a greater count, or for a read as great a one.
fn versions_follow_time(operations: &[Operation]) -> Result<(), String> {
    let mut ended: Vec<(Moment, u64)> = Vec::new();
    for operation in operations {
        ended.extend(operation.version.map(|version| (operation.end, version)));
    }
    ended.sort_unstable();
    let mut greatest = Vec::new();
    for (end, version) in ended {
        let before = greatest.last().map_or(0, |(_, version)| *version);
        greatest.push((end, version.max(before)));
    }
    let mut made = HashSet::new();
    for operation in operations {
        let Some(version) = operation.version else { continue };
        let earlier = greatest.partition_point(|(end, _)| *end < operation.start);
        let seen = earlier.checked_sub(1).map_or(0, |last| greatest[last].1);
        if version < seen || (version == seen && !operation.is_read()) {
            return Err(format!("version {seen} had been seen before this began: {operation:?}"));
        }
        if !operation.is_read() && !made.insert(version) {
            return Err(format!("version {version} was made twice: {operation:?}"));
        }
    }
    Ok(())
}

struct Search<'a> {
    operations: &'a [&'a Operation],
    tried: HashSet<(u128, Option<String>)>,
}

impl<'a> Search<'a> {
    fn new(operations: &'a [&'a Operation]) -> Self {
        assert!(operations.len() <= OPERATIONS_MAX, "too long a history to judge");
        Self { operations, tried: HashSet::new() }
    }

    fn is_linearizable(&mut self) -> bool {
        let certain = |operation: &&Operation| operation.outcome != Outcome::Unknown;
        let goal = self.operations.iter().enumerate().filter(|(_, operation)| certain(operation));
        let goal = goal.fold(0, |set, (at, _)| set | 1 << at);
        self.can_reach(goal, 0, None)
    }

    /// Whether the operations of `goal` can all be put in order after those of `done`, which left `value`.
    fn can_reach(&mut self, goal: u128, done: u128, value: Option<String>) -> bool {
        if done & goal == goal {
            return true;
        }
        if !self.tried.insert((done, value.clone())) {
            return false;
        }
        let open = |at: &usize| done & (1 << at) == 0;
        // Whatever ended first must come before all that began after it.
        let certain = (0..self.operations.len()).filter(open).filter(|at| goal & (1 << at) != 0);
        let first_end = certain.map(|at| self.operations[at].end).min().unwrap_or(Moment::MAX);
        for at in (0..self.operations.len()).filter(open) {
            let operation = self.operations[at];
            if operation.start > first_end {
                break;
            }
            if let Some(next) = step(operation, &value)
                && self.can_reach(goal, done | 1 << at, next)
            {
                return true;
            }
        }
        false
    }
}

/// The value after an operation, if it could have had its outcome at this value.
fn step(operation: &Operation, value: &Option<String>) -> Option<Option<String>> {
    match (&operation.action, &operation.outcome) {
        (_, Outcome::NotDone) => Some(value.clone()),
        (Action::Read, Outcome::Value(seen)) => (seen == value).then(|| value.clone()),
        (Action::Read, _) => None,
        (Action::Write(written), Outcome::Done | Outcome::Unknown) => Some(written.clone()),
        (Action::Write(_), _) => None,
        (Action::Create(written), Outcome::Done | Outcome::Unknown) => {
            value.is_none().then(|| Some(written.clone()))
        }
        (Action::Create(_), Outcome::Refused) => value.is_some().then(|| value.clone()),
        (Action::Create(_), Outcome::Value(_)) => None,
        (Action::Drop, Outcome::Done | Outcome::Unknown) => value.is_some().then_some(None),
        (Action::Drop, Outcome::Refused) => value.is_none().then_some(None),
        (Action::Drop, Outcome::Value(_)) => None,
        (Action::Swap { from, to }, Outcome::Done | Outcome::Unknown) => {
            (from == value).then(|| Some(to.clone()))
        }
        // Every value is written once: an equal one is an unchanged one.
        (Action::Swap { from, .. }, Outcome::Refused) => (from != value).then(|| value.clone()),
        (Action::Swap { .. }, Outcome::Value(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(action: Action, outcome: Outcome, start: Moment, end: Moment) -> Operation {
        Operation { register: 0, action, outcome, start, end, version: None }
    }

    fn write(text: &str, outcome: Outcome, start: Moment, end: Moment) -> Operation {
        operation(Action::Write(Some(text.into())), outcome, start, end)
    }

    fn read(text: Option<&str>, start: Moment, end: Moment) -> Operation {
        operation(Action::Read, Outcome::Value(text.map(str::to_owned)), start, end)
    }

    #[test]
    fn judges_short_histories() {
        let done = Outcome::Done;
        check(&[write("a", done.clone(), 1, 2), read(Some("a"), 3, 4)]).unwrap();
        check(&[write("a", done.clone(), 1, 2), read(None, 3, 4)]).unwrap_err();
        check(&[write("a", done.clone(), 1, 4), read(None, 2, 3)]).unwrap();
        check(&[write("a", done.clone(), 1, 6), read(Some("a"), 2, 3), read(None, 4, 5)]).unwrap_err();
        let unknown = write("b", Outcome::Unknown, 1, 2);
        check(&[unknown.clone(), read(None, 3, 4), read(Some("b"), 5, 6)]).unwrap();
        check(&[unknown, read(Some("b"), 3, 4), read(None, 5, 6)]).unwrap_err();
        let not_done = write("c", Outcome::NotDone, 1, 2);
        check(&[not_done, read(Some("c"), 3, 4)]).unwrap_err();
        let (create, refused) = (Action::Create("d".into()), Outcome::Refused);
        check(&[operation(create.clone(), refused.clone(), 1, 2)]).unwrap_err();
        check(&[operation(create.clone(), done.clone(), 1, 2), operation(create, refused, 3, 4)]).unwrap();
        let swap = |from: &str, outcome, start, end| {
            operation(Action::Swap { from: Some(from.into()), to: "z".into() }, outcome, start, end)
        };
        check(&[write("a", done.clone(), 1, 2), swap("a", done.clone(), 3, 4), read(Some("z"), 5, 6)])
            .unwrap();
        check(&[write("a", done.clone(), 1, 2), swap("b", done.clone(), 3, 4)]).unwrap_err();
        check(&[write("a", done.clone(), 1, 2), swap("a", Outcome::Refused, 3, 4)]).unwrap_err();
        let a = write("a", done.clone(), 1, 2);
        let twice = [a, write("b", done, 3, 4), read(Some("b"), 5, 6), read(Some("a"), 7, 8)];
        check(&twice).unwrap_err();
    }

    #[test]
    fn judges_versions() {
        let with = |version, start, end| Operation {
            version: Some(version),
            ..write("a", Outcome::Done, start, end)
        };
        check(&[with(1, 1, 2), with(2, 3, 4)]).unwrap();
        check(&[with(2, 1, 4), with(1, 2, 3)]).unwrap();
        check(&[with(2, 1, 2), with(1, 3, 4)]).unwrap_err();
        check(&[with(1, 1, 3), with(1, 2, 4)]).unwrap_err();
    }
}
