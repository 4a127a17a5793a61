//! Columns of JSON objects, guessed from a sample, in the order in which they first appear.

use std::fmt;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use nyala_schema::{Error, ErrorCode, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::json_array::ArrayStripper;

/// The type of a JSON value, or what several values have in common.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Null,
    Boolean,
    Int,
    Float,
    Text,
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
    /// Values that have nothing in common: kept as text.
    Mixed,
}

/// The schema of the objects in `sample`, and how many there are. A last object that is cut off does not count.
///
/// # Errors
/// InvalidText when the sample is not JSON objects.
pub fn infer(path: &str, sample: &[u8]) -> Result<(Schema, usize)> {
    let mut bytes = sample.to_vec();
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        ArrayStripper::default().strip(&mut bytes);
    }
    let mut fields = Vec::new();
    let mut found = 0;
    for value in serde_json::Deserializer::from_slice(&bytes).into_iter::<Shape>() {
        match value {
            Ok(Shape::Object(members)) => {
                merge_members(&mut fields, members);
                found += 1;
            }
            Ok(_) => {
                let message = format!("'{path}' holds JSON values that are not objects");
                return Err(Error::new(ErrorCode::InvalidText, message)
                    .with_hint("a table needs one object a line, or an array of objects"));
            }
            Err(error) if error.is_eof() && found > 0 => break,
            Err(error) => {
                return Err(Error::new(ErrorCode::InvalidText, format!("'{path}' is not JSON: {error}")));
            }
        }
    }
    let fields: Vec<Field> = fields.into_iter().map(|(name, shape)| field(name, &shape, true)).collect();
    Ok((Schema::new(fields), found))
}

fn field(name: String, shape: &Shape, top: bool) -> Field {
    Field::new(name, data_type(shape, top), true)
}

fn data_type(shape: &Shape, top: bool) -> DataType {
    match shape {
        Shape::Boolean => DataType::Boolean,
        Shape::Int => DataType::Int64,
        Shape::Float => DataType::Float64,
        Shape::Null | Shape::Text | Shape::Mixed if top => DataType::Utf8View,
        Shape::Null | Shape::Text | Shape::Mixed => DataType::Utf8,
        Shape::List(item) => DataType::List(field("item".to_owned(), item, false).into()),
        Shape::Object(members) if members.is_empty() => data_type(&Shape::Mixed, top),
        Shape::Object(members) => DataType::Struct(Fields::from_iter(
            members.iter().map(|(name, shape)| field(name.clone(), shape, false)),
        )),
    }
}

fn merge_members(known: &mut Vec<(String, Shape)>, found: Vec<(String, Shape)>) {
    for (position, (name, shape)) in found.into_iter().enumerate() {
        // Objects mostly have the same members in the same order.
        let index = match known.get(position) {
            Some((there, _)) if *there == name => Some(position),
            _ => known.iter().position(|(there, _)| *there == name),
        };
        match index {
            Some(index) => {
                let before = std::mem::replace(&mut known[index].1, Shape::Null);
                known[index].1 = merge(before, shape);
            }
            None => known.push((name, shape)),
        }
    }
}

fn merge(left: Shape, right: Shape) -> Shape {
    match (left, right) {
        (left, right) if left == right => left,
        (Shape::Null, other) | (other, Shape::Null) => other,
        (Shape::Int, Shape::Float) | (Shape::Float, Shape::Int) => Shape::Float,
        (Shape::List(left), Shape::List(right)) => Shape::List(Box::new(merge(*left, *right))),
        (Shape::Object(mut left), Shape::Object(right)) => {
            merge_members(&mut left, right);
            Shape::Object(left)
        }
        _ => Shape::Mixed,
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Int)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(if i64::try_from(number).is_ok() { Shape::Int } else { Shape::Float })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Float)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut item = Shape::Null;
        while let Some(next) = items.next_element()? {
            item = merge(item, next);
        }
        Ok(Shape::List(Box::new(item)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
        let mut members = Vec::new();
        while let Some((name, shape)) = entries.next_entry::<String, Shape>()? {
            merge_members(&mut members, vec![(name, shape)]);
        }
        Ok(Shape::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(text: &str) -> Vec<(String, DataType)> {
        let (schema, _) = infer("x", text.as_bytes()).unwrap();
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    }

    #[test]
    fn columns_keep_their_order_and_widen() {
        let found = types("{\"z\":1,\"a\":null}\n{\"z\":1.5,\"b\":[1],\"a\":true}\n{\"z\":");
        let list = DataType::List(Field::new("item", DataType::Int64, true).into());
        let expected = [("z", DataType::Float64), ("a", DataType::Boolean), ("b", list)];
        assert_eq!(found, expected.map(|(name, data_type)| (name.to_owned(), data_type)));
    }

    #[test]
    fn arrays_and_mixtures() {
        assert_eq!(types("[{\"a\":1},{\"a\":\"x\"}]")[0].1, DataType::Utf8View);
        assert!(infer("x", b"1 2").is_err());
        assert!(infer("x", b"{a}").is_err());
    }
}
