//! Types and names as SQL writes them, for messages and listings.

use arrow::datatypes::{DataType, TimeUnit};

/// A type in SQL's words, upper case: `BIGINT`, `DECIMAL(10,2)`, `TEXT[]`. What has no SQL name keeps Arrow's.
pub fn sql_type_name(data_type: &DataType) -> String {
    let word = match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INTEGER UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        DataType::Float32 => "REAL",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA",
        DataType::Date32 | DataType::Date64 => "DATE",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S",
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP",
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS",
        DataType::Interval(_) => "INTERVAL",
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => return format!("DECIMAL({p},{s})"),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            return format!("{}[]", sql_type_name(item.data_type()));
        }
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                format!("{} {}", sql_identifier(field.name()), sql_type_name(field.data_type()))
            });
            return format!("STRUCT({})", fields.collect::<Vec<_>>().join(", "));
        }
        DataType::Dictionary(_, value) => return sql_type_name(value),
        other => return other.to_string(),
    };
    word.to_owned()
}

/// A call's shape: `f(BIGINT, TEXT)`.
pub fn sql_signature<'a>(name: &str, arguments: impl IntoIterator<Item = &'a DataType>) -> String {
    let types: Vec<String> = arguments.into_iter().map(sql_type_name).collect();
    format!("{}({})", sql_identifier(name), types.join(", "))
}

/// A name as it must be written in SQL: in quotes where it would not be read as it is.
pub fn sql_identifier(name: &str) -> String {
    let starts_as_word = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let word = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if starts_as_word && word { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Whether two types are the same to overloads: names of time zones and of list items do not count.
pub fn same_sql_type(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::Timestamp(left_unit, left_zone), DataType::Timestamp(right_unit, right_zone)) => {
            left_unit == right_unit && left_zone.is_some() == right_zone.is_some()
        }
        _ => left.equals_datatype(right),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, TimeUnit};

    use super::{same_sql_type, sql_signature};

    #[test]
    fn signatures_read_as_sql() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Decimal128(10, 2), true)));
        let record = DataType::Struct(vec![Field::new("My a", DataType::Date32, true)].into());
        assert_eq!(sql_signature("f", []), "f()");
        assert_eq!(sql_signature("f", [&DataType::Int64, &DataType::Utf8View]), "f(BIGINT, TEXT)");
        assert_eq!(sql_signature("F x", [&list, &record]), "\"F x\"(DECIMAL(10,2)[], STRUCT(\"My a\" DATE))");
    }

    #[test]
    fn the_zone_of_a_session_makes_no_other_type() {
        let zoned = |zone: &str| DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into()));
        assert!(same_sql_type(&zoned("UTC"), &zoned("Europe/Paris")));
        assert!(!same_sql_type(&zoned("UTC"), &DataType::Timestamp(TimeUnit::Microsecond, None)));
        assert!(!same_sql_type(&DataType::Int32, &DataType::Int64));
    }
}
