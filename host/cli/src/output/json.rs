//! JSON: arrays of objects, and an object a line.

use std::io;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::json::writer::{JsonFormat, Writer, WriterBuilder};
use nyala_node::Result;

use super::Encoder;

/// Numbers, decimals with all their digits among them, are JSON numbers; dates and timestamps ISO 8601 text; binary
/// hexadecimal text; NaN and infinities, which JSON lacks, null.
pub struct JsonEncoder<F: JsonFormat> {
    writer: Writer<Vec<u8>, F>,
}

impl JsonEncoder<RowArray> {
    pub fn array() -> Self {
        Self::new()
    }
}

impl JsonEncoder<RowLines> {
    pub fn lines() -> Self {
        Self::new()
    }
}

impl<F: JsonFormat> JsonEncoder<F> {
    fn new() -> Self {
        Self { writer: WriterBuilder::new().with_explicit_nulls(true).build(Vec::new()) }
    }
}

impl<F: JsonFormat> Encoder for JsonEncoder<F> {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(batch)?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        self.writer.finish()?;
        out.append(self.writer.get_mut());
        Ok(vec![])
    }
}

/// One array whose objects have a line each.
#[derive(Debug, Default)]
pub struct RowArray;

impl JsonFormat for RowArray {
    fn start_stream<W: io::Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"[")?)
    }

    fn start_row<W: io::Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        Ok(writer.write_all(if is_first_row { b"\n" } else { b",\n" })?)
    }

    fn end_stream<W: io::Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"\n]\n")?)
    }
}

/// An object a line.
#[derive(Debug, Default)]
pub struct RowLines;

impl JsonFormat for RowLines {
    fn end_row<W: io::Write>(&self, writer: &mut W) -> Result<(), ArrowError> {
        Ok(writer.write_all(b"\n")?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, UInt64Array};

    use super::*;
    use crate::output::{Format, samples};

    #[test]
    fn array() {
        let people = samples::people();
        expect_test::expect![[r#"
            [
            {"name":"Ann","age":31,"member":true},
            {"name":"李雷","age":4,"member":false},
            {"name":null,"age":100,"member":null}
            ]
        "#]]
        .assert_eq(&samples::text(Format::Json, &[people.slice(0, 2), people.slice(2, 1)]));
        let none = samples::text(Format::Json, &[people.slice(0, 0)]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&none).unwrap(), serde_json::json!([]));
    }

    #[test]
    fn lines() {
        expect_test::expect![[r#"
            {"boolean":true,"int":-7,"float":1.5,"decimal":123.45,"text":"a \"b\", c","date":"2024-02-29","timestamp":"2024-02-29T12:30:45.250","zoned":"2024-02-29T12:30:45Z","interval":"1 mons 2 days","binary":"0aff","list":[1,2],"struct":{"x":1,"y":"z"},"dictionary":"red"}
        "#]]
        .assert_eq(&samples::text(Format::Ndjson, &[samples::types().slice(0, 1)]));
        assert_eq!(samples::text(Format::Ndjson, &[samples::people().slice(0, 0)]), "");
    }

    #[test]
    fn numbers_keep_all_digits() {
        let decimal = Decimal128Array::from(vec![12_345_678_901_234_567_890_123_456_789_012_345_i128])
            .with_precision_and_scale(38, 5)
            .unwrap();
        let batch = RecordBatch::try_from_iter([
            ("d", Arc::new(decimal) as _),
            ("u", Arc::new(UInt64Array::from(vec![u64::MAX])) as _),
            ("nan", Arc::new(Float64Array::from(vec![f64::NAN])) as _),
        ])
        .unwrap();
        expect_test::expect![[r#"
            {"d":123456789012345678901234567890.12345,"u":18446744073709551615,"nan":null}
        "#]]
        .assert_eq(&samples::text(Format::Ndjson, &[batch]));
    }
}
