//! One line for each value, for rows that are too wide for a table.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nu_ansi_term::Style;
use nyala_node::Result;
use unicode_width::UnicodeWidthStr;

use super::cells::{Cells, printable};
use super::{Encoder, Layout};

const RULE_WIDTH: usize = 40;

/// A rule with the row's number, then `column │ value` lines.
pub struct VerticalEncoder {
    names: Vec<String>,
    width: usize,
    null: String,
    rows: u64,
}

impl VerticalEncoder {
    pub fn new(schema: SchemaRef, layout: &Layout) -> Self {
        let names: Vec<String> =
            schema.fields().iter().map(|field| printable(field.name()).into_owned()).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let null = layout.null.clone().unwrap_or_else(|| "NULL".to_owned());
        let null = if layout.colours { Style::new().dimmed().paint(null).to_string() } else { null };
        Self { names, width, null, rows: 0 }
    }

    fn value(&self, column: usize, text: &str, out: &mut Vec<u8>) {
        let name = &self.names[column];
        let blanks = " ".repeat(self.width - name.width());
        for (index, line) in text.split('\n').enumerate() {
            let start = if index == 0 { format!("{name}{blanks}") } else { " ".repeat(self.width) };
            out.extend_from_slice(format!("{start} │ {line}").trim_end().as_bytes());
            out.push(b'\n');
        }
    }
}

impl Encoder for VerticalEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = Cells::new(batch)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            self.rows += 1;
            let title = format!("─[ row {} ]", self.rows);
            let rule = "─".repeat(RULE_WIDTH.saturating_sub(title.width()).max(1));
            out.extend_from_slice(format!("{title}{rule}\n").as_bytes());
            for column in 0..batch.num_columns() {
                if cells.is_null(column, row) {
                    self.value(column, &self.null, out);
                    continue;
                }
                text.clear();
                cells.write(column, row, &mut text);
                self.value(column, &printable(&text), out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<Vec<String>> {
        Ok(vec![])
    }
}

#[cfg(test)]
mod tests {
    use crate::output::{Format, samples};

    #[test]
    fn vertical() {
        let people = samples::people();
        expect_test::expect![[r#"
            ─[ row 1 ]──────────────────────────────
            name   │ Ann
            age    │ 31
            member │ true
            ─[ row 2 ]──────────────────────────────
            name   │ two
                   │ lines | tab
            age    │ NULL
            member │ true
        "#]]
        .assert_eq(&samples::text(Format::Vertical, &[people.slice(0, 1), people.slice(3, 1)]));
    }
}
