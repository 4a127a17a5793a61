//! Which operations drivers leave to the interpreter.

use nyala_loops::{Facts, Lane};
use nyala_pipeline::{Op, Type};
use nyala_schema::expr::ArithmeticOp;

/// Whether a driver does an operation that a loop could: all but multiplications in 128 bits that are checked.
pub fn does(facts: &Facts<'_>, op: &Op, _: &Type) -> bool {
    let Op::Arithmetic { op: ArithmeticOp::Multiply, left, right, checked: true } = op else { return true };
    [left, right].into_iter().all(|id| {
        let lane = facts.get(*id).ok().and_then(|fact| Lane::of(&fact.ty.data_type));
        lane.is_some_and(|lane| lane != Lane::Wide)
    })
}
