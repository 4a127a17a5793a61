//! Stand-ins for the frontend's handles.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::TableSource;
use nyala_schema::Value;
use nyala_schema::lookup::ResolvedTable;

pub struct TableHandle(pub Arc<ResolvedTable>);

impl TableSource for TableHandle {
    fn schema(&self) -> SchemaRef {
        self.0.schema.clone()
    }
}

pub struct SeriesHandle {
    pub start: Value,
    pub stop: Value,
    pub step: Value,
    pub inclusive: bool,
}

impl TableSource for SeriesHandle {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]))
    }
}
