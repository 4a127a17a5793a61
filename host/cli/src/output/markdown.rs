//! Markdown tables.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_node::Result;

use super::cells::{Cells, is_number};
use super::{Encoder, Layout};

/// A header, the line that aligns columns, one line for each row.
pub struct MarkdownEncoder {
    schema: SchemaRef,
    null: String,
    header_written: bool,
}

impl MarkdownEncoder {
    pub fn new(schema: SchemaRef, layout: &Layout) -> Self {
        let null = layout.null.clone().unwrap_or_else(|| "NULL".to_owned());
        Self { schema, null, header_written: false }
    }

    fn header(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.header_written, true) {
            return;
        }
        let fields = self.schema.fields();
        for field in fields {
            out.extend_from_slice(format!("| {} ", escaped(field.name())).as_bytes());
        }
        out.extend_from_slice(b"|\n");
        for field in fields {
            let rule: &[u8] = if is_number(field.data_type()) { b"|---:" } else { b"|---" };
            out.extend_from_slice(rule);
        }
        out.extend_from_slice(b"|\n");
    }
}

impl Encoder for MarkdownEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.header(out);
        let cells = Cells::new(batch)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for column in 0..batch.num_columns() {
                text.clear();
                if cells.is_null(column, row) {
                    text.push_str(&self.null);
                } else {
                    cells.write(column, row, &mut text);
                }
                out.extend_from_slice(format!("| {} ", escaped(&text)).as_bytes());
            }
            out.extend_from_slice(b"|\n");
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        self.header(out);
        Ok(vec![])
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('\r', "").replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use crate::output::{Format, samples};

    #[test]
    fn markdown() {
        expect_test::expect![[r#"
            | name | age | member |
            |---|---:|---|
            | Ann | 31 | true |
            | 李雷 | 4 | false |
            | NULL | 100 | NULL |
            | two<br>lines \| tab	 | NULL | true |
        "#]]
        .assert_eq(&samples::text(Format::Markdown, &[samples::people()]));
    }
}
