//! Comma- and tab-separated values.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_node::Result;

use super::cells::Cells;
use super::{Encoder, Layout};

/// How one field is made safe for its line.
type Quote = fn(&str, &mut Vec<u8>);

/// A header and one line for each row. Lines end with a line feed.
pub struct DelimitedEncoder {
    schema: SchemaRef,
    delimiter: u8,
    quote: Quote,
    null: String,
    header_written: bool,
}

impl DelimitedEncoder {
    /// RFC 4180. NULL is an empty field, the empty text a quoted one, so that the two stay apart.
    pub fn csv(schema: SchemaRef, layout: &Layout) -> Self {
        Self::new(schema, layout, b',', quote_csv)
    }

    /// Tabs, line ends and backslashes in values are written as `\t`, `\n`, `\r` and `\\`. NULL is an empty field.
    pub fn tsv(schema: SchemaRef, layout: &Layout) -> Self {
        Self::new(schema, layout, b'\t', escape_tsv)
    }

    fn new(schema: SchemaRef, layout: &Layout, delimiter: u8, quote: Quote) -> Self {
        let null = layout.null.clone().unwrap_or_default();
        Self { schema, delimiter, quote, null, header_written: false }
    }

    fn header(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.header_written, true) {
            return;
        }
        for (index, field) in self.schema.fields().iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            (self.quote)(field.name(), out);
        }
        out.push(b'\n');
    }
}

impl Encoder for DelimitedEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.header(out);
        let cells = Cells::new(batch)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for column in 0..batch.num_columns() {
                if column > 0 {
                    out.push(self.delimiter);
                }
                if cells.is_null(column, row) {
                    out.extend_from_slice(self.null.as_bytes());
                    continue;
                }
                text.clear();
                cells.write(column, row, &mut text);
                (self.quote)(&text, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        self.header(out);
        Ok(vec![])
    }
}

fn quote_csv(text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn escape_tsv(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;
    use crate::output::{Format, samples};

    #[test]
    fn csv() {
        let people = samples::people();
        expect_test::expect![[r#"
            name,age,member
            Ann,31,true
            李雷,4,false
            ,100,
            "two
            lines | tab	",,true
            Ann,31,true
        "#]]
        .assert_eq(&samples::text(Format::Csv, &[people.clone(), people.slice(0, 1)]));
    }

    #[test]
    fn tsv() {
        let text = samples::text(Format::Tsv, &[samples::people()]);
        assert_eq!(text.lines().last(), Some("two\\nlines | tab\\t\t\ttrue"));
    }

    #[test]
    fn quotes_are_doubled_and_empty_text_is_not_null() {
        let texts = StringArray::from(vec![Some("say \"hi\", you"), Some(""), None]);
        let batch = RecordBatch::try_from_iter([("a,b", Arc::new(texts) as _)]).unwrap();
        assert_eq!(
            samples::text(Format::Csv, std::slice::from_ref(&batch)),
            "\"a,b\"\n\"say \"\"hi\"\", you\"\n\"\"\n\n"
        );
        let layout = Layout { null: Some("\\N".into()), ..Layout::default() };
        let (out, _) = samples::encoded(Format::Csv, &layout, &[batch]);
        assert!(out.ends_with(b"\"\"\n\\N\n"));
    }

    #[test]
    fn no_rows_still_have_a_header() {
        assert_eq!(samples::text(Format::Csv, &[samples::people().slice(0, 0)]), "name,age,member\n");
    }
}
