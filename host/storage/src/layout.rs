//! Where each output column of a scan comes from, and how columns get their physical types.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, UInt8Array, UInt32Array, new_null_array};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, UInt8Type};
use nyala_schema::scan::{ScanSource, TableScan, physical_type};
use nyala_schema::{Error, Result, Value};

use crate::prune::{self, Bounds};

/// One output column of a scan over files.
#[derive(Debug, Clone)]
pub struct OutputColumn {
    pub name: String,
    /// As in the table's schema.
    pub logical: DataType,
    /// As it is handed out.
    pub physical: DataType,
    pub nullable: bool,
    /// Position among the table's columns.
    pub table_index: usize,
    /// Position among the partition values, for a column that files do not hold.
    pub partition: Option<usize>,
}

/// # Errors
/// Internal when the projection does not fit the schema.
pub fn output_columns(scan: &TableScan) -> Result<Vec<OutputColumn>> {
    let partitions = match &scan.source {
        ScanSource::Files { files, .. } => files.first().map_or(0, |file| file.partition_values.len()),
        ScanSource::Managed(_) => 0,
    };
    let fields = scan.table_schema.fields();
    let first_partition = fields.len().saturating_sub(partitions);
    scan.projection
        .iter()
        .map(|&index| {
            let field = fields.get(index).ok_or_else(|| {
                Error::internal(format!("scan of {} projects column {index} of {}", scan.table, fields.len()))
            })?;
            Ok(OutputColumn {
                name: field.name().clone(),
                logical: field.data_type().clone(),
                physical: physical_type(field.data_type()),
                nullable: field.is_nullable(),
                table_index: index,
                partition: index.checked_sub(first_partition),
            })
        })
        .collect()
}

/// The columns that a scan's files hold by themselves: names and logical types, without those of partitions.
pub fn file_columns(scan: &TableScan, partitions: usize) -> Vec<(String, DataType)> {
    let fields = scan.table_schema.fields();
    fields
        .iter()
        .take(fields.len().saturating_sub(partitions))
        .map(|field| (field.name().clone(), field.data_type().clone()))
        .collect()
}

/// A value that every row of a file has.
#[derive(Debug, Clone)]
pub struct Constant {
    value: ArrayRef,
    physical: DataType,
}

impl Constant {
    /// # Errors
    /// When the value cannot be of the type.
    pub fn new(value: &Value, physical: &DataType) -> Result<Self> {
        let value = Arc::clone(value.cast(physical)?.array());
        Ok(Self { value, physical: physical.clone() })
    }

    pub fn int64(value: i64) -> Self {
        Self { value: Arc::clone(Value::int64(value).array()), physical: DataType::Int64 }
    }

    pub fn null(physical: &DataType) -> Self {
        Self { value: new_null_array(physical, 1), physical: physical.clone() }
    }

    /// The bounds of `rows` rows that have it.
    pub fn bounds(&self, rows: u64) -> Bounds {
        if self.value.is_null(0) {
            return Bounds { min: None, max: None, nulls: Some(rows), rows };
        }
        let bound = prune::bound_of(&Value::new(Arc::clone(&self.value)), &self.physical);
        Bounds { min: bound.clone(), max: bound, nulls: Some(0), rows }
    }

    /// The value `rows` times; text as a dictionary of one entry.
    ///
    /// # Errors
    /// Internal.
    pub fn repeat(&self, rows: usize) -> Result<ArrayRef> {
        if self.value.is_null(0) {
            return Ok(new_null_array(&self.physical, rows));
        }
        if self.physical == DataType::Utf8View {
            let keys = UInt8Array::from(vec![0u8; rows]);
            return Ok(Arc::new(DictionaryArray::<UInt8Type>::try_new(keys, Arc::clone(&self.value))?));
        }
        let zeros = UInt32Array::from(vec![0u32; rows]);
        Ok(arrow::compute::take(&self.value, &zeros, None)?)
    }
}

/// Brings a column into its physical type. Text may stay a dictionary of views.
///
/// # Errors
/// InvalidText, NumericOverflow when a value does not fit.
pub fn conform(column: ArrayRef, physical: &DataType) -> Result<ArrayRef> {
    if column.data_type() == physical {
        return Ok(column);
    }
    if let DataType::Dictionary(key, value) = column.data_type() {
        let small = matches!(**key, DataType::UInt8 | DataType::UInt16 | DataType::UInt32);
        if small && physical == &DataType::Utf8View && **value == DataType::Utf8View {
            return Ok(column);
        }
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(arrow::compute::cast_with_options(&column, physical, &options)?)
}

/// As [`conform`], but a dictionary is expanded: dictionaries of two arrays need not agree.
///
/// # Errors
/// As `conform`.
pub fn plain(column: ArrayRef, physical: &DataType) -> Result<ArrayRef> {
    let column = conform(column, physical)?;
    if column.data_type() == physical {
        return Ok(column);
    }
    Ok(arrow::compute::cast(&column, physical)?)
}
