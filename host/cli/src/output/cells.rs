//! Values as text: the one place that says how a date or a list looks.

use std::fmt::Write;

use arrow::array::{Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use nyala_node::Result;

const TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S%.f";
const TIMESTAMP_TZ: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

/// One batch, ready to be written cell by cell.
pub struct Cells<'a> {
    columns: Vec<(ArrayFormatter<'a>, Option<NullBuffer>)>,
}

impl<'a> Cells<'a> {
    /// # Errors
    /// `Unsupported` for a type that has no text form.
    pub fn new(batch: &'a RecordBatch) -> Result<Self> {
        let options = FormatOptions::new()
            .with_null("NULL")
            .with_timestamp_format(Some(TIMESTAMP))
            .with_datetime_format(Some(TIMESTAMP))
            .with_timestamp_tz_format(Some(TIMESTAMP_TZ));
        let columns = batch
            .columns()
            .iter()
            .map(|array| Ok((ArrayFormatter::try_new(array.as_ref(), &options)?, array.logical_nulls())))
            .collect::<Result<_>>()?;
        Ok(Self { columns })
    }

    pub fn is_null(&self, column: usize, row: usize) -> bool {
        self.columns[column].1.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the text of a value that is not NULL.
    pub fn write(&self, column: usize, row: usize, text: &mut String) {
        // Writing into a string does not fail, and the formatter puts what it cannot format into the text.
        let _ = write!(text, "{}", self.columns[column].0.value(row));
    }
}

/// Numbers stand at the right of their column.
pub fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        other => other.is_numeric(),
    }
}

/// Text that can do no harm on a terminal: tabs as blanks, control characters as their pictures, line ends kept.
pub fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && c != '\n') {
        return text.into();
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            '\r' => {}
            '\u{0}'..='\u{1f}' => clean.extend(char::from_u32(CONTROL_PICTURES + u32::from(c))),
            c if c.is_control() => clean.push(char::REPLACEMENT_CHARACTER),
            c => clean.push(c),
        }
    }
    clean.into()
}

/// Where Unicode has the pictures of the control characters.
const CONTROL_PICTURES: u32 = 0x2400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::samples;

    #[test]
    fn every_type_has_a_text() {
        let batch = samples::types();
        let cells = Cells::new(&batch).unwrap();
        let mut lines = String::new();
        for (column, field) in batch.schema().fields().iter().enumerate() {
            write!(lines, "{}: ", field.name()).unwrap();
            cells.write(column, 0, &mut lines);
            assert!(cells.is_null(column, 1), "{}", field.name());
            lines.push('\n');
        }
        expect_test::expect![[r#"
            boolean: true
            int: -7
            float: 1.5
            decimal: 123.45
            text: a "b", c
            date: 2024-02-29
            timestamp: 2024-02-29 12:30:45.250
            zoned: 2024-02-29 12:30:45+00:00
            interval: 1 mons 2 days
            binary: 0aff
            list: [1, 2]
            struct: {x: 1, y: z}
            dictionary: red
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\tc\r\nd\u{7f}"), "a␛[31mb    c\nd\u{fffd}");
        assert_eq!(printable("plain\ntext"), "plain\ntext");
    }
}
