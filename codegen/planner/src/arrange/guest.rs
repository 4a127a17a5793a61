//! Table functions and operators of users.

use nyala_schema::Result;

use super::Arranger;
use crate::relation::{Guest, Relation, RelationKind, TableFunction};

/// Rows out per row in are counted in these.
const HUNDREDTHS: f64 = 100.0;

/// Stands where a relation has been taken out.
const NOTHING: Relation =
    Relation { kind: RelationKind::Union { columns: vec![], branches: vec![] }, rows: 0.0 };

impl Arranger<'_> {
    pub(super) fn table_function(&mut self, mut call: TableFunction) -> Result<Relation> {
        call.input = self.arrange(call.input)?;
        let rows = call.input.rows * f64::from(call.function.rows_per_row) / HUNDREDTHS;
        Ok(Relation { kind: RelationKind::TableFunction(Box::new(call)), rows: rows.max(1.0) })
    }

    pub(super) fn guest(&mut self, mut guest: Guest) -> Result<Relation> {
        let mut rows_in = 0.0;
        for table in &mut guest.inputs {
            let relation = std::mem::replace(&mut table.relation, NOTHING);
            table.relation = self.arrange(relation)?;
            rows_in += table.relation.rows;
        }
        let rows = rows_in * f64::from(guest.operator.rows_per_row) / HUNDREDTHS;
        Ok(Relation { kind: RelationKind::Guest(Box::new(guest)), rows: rows.max(1.0) })
    }
}
