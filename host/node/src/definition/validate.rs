//! Defaults and checks of a table before it is there: they must be SQL over its columns, of their types.

use nyala_schema::Result;
use nyala_schema::managed::TableShape;

use crate::session::Session;

/// # Errors
/// What is wrong with one of them.
pub fn validate(session: &Session, table: &str, shape: &TableShape) -> Result<()> {
    let (frontend, world) = (session.engine.frontend(), session.tables());
    for column in &shape.columns {
        if let Some(default) = &column.default {
            frontend.check_default(&column.name, &column.data_type, default, &world)?;
        }
    }
    let schema = shape.schema();
    shape
        .checks
        .iter()
        .try_for_each(|check| frontend.check_condition(table, &schema, None, &check.sql, &world))
}
