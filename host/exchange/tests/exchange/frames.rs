//! Batches survive the way whatever they are, and frames that are damaged do no harm.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions, StringArray,
    StringViewArray,
};
use arrow::buffer::Buffer;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use nyala_exchange::Frame;
use nyala_exchange::frame::{Body, FRAME_BYTES_MAX};
use nyala_exchange::partition::Partitioner;
use nyala_schema::ErrorCode;

use crate::arrays;
use crate::draw::Draw;

/// As it arrives at another node.
fn sent(frame: &Frame) -> Frame {
    let body = match &frame.body {
        Body::Compressed { buffer, bytes } => Body::Compressed { buffer: buffer.clone(), bytes: *bytes },
        parts => Body::Whole(parts.to_buffer()),
    };
    assert_eq!(body.wire_bytes(), frame.body.wire_bytes());
    Frame { rows: frame.rows, head: frame.head.clone(), body }
}

fn one_column(array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter([("column", array)]).unwrap()
}

#[test]
fn any_batch_comes_as_it_went() {
    let mut tried = 0;
    for seed in 0..3000 {
        let mut draw = Draw::new(seed);
        let columns = draw.below(5);
        let batch = arrays::batch(&mut draw, columns);
        let frame = match Frame::of(&batch) {
            Ok(frame) => frame,
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Unsupported);
                continue;
            }
        };
        tried += 1;
        for frame in [sent(&frame), sent(&frame.clone().compressed()), frame] {
            assert_eq!(frame.batch(&batch.schema()).unwrap(), batch, "seed {seed}");
        }
    }
    assert!(tried > 2000, "{tried} of the batches had a wire form");
}

#[test]
fn damaged_frames_are_refused_or_give_sound_batches() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..6000 {
        let mut draw = Draw::new(seed);
        let columns = 1 + draw.below(3);
        let batch = arrays::batch(&mut draw, columns);
        let Ok(frame) = Frame::of(&batch) else { continue };
        let frame = if draw.flag() { frame.compressed() } else { frame };
        let damaged = damage(&mut draw, sent(&frame));
        match damaged.batch(&batch.schema()) {
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::Connection, "seed {seed}: {error:?}");
                refused += 1;
            }
            Ok(batch) => {
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap();
                    assert!(!format!("{column:?}").is_empty());
                }
                taken += 1;
            }
        }
    }
    assert!(refused > 1000 && taken > 100, "{refused} refused, {taken} taken");
}

fn damage(draw: &mut Draw, frame: Frame) -> Frame {
    let mut head = frame.head.to_vec();
    let (mut body, compressed) = match &frame.body {
        Body::Compressed { buffer, bytes } => (buffer.to_vec(), Some(*bytes)),
        body => (body.to_buffer().to_vec(), None),
    };
    let mut rows = frame.rows;
    let mut bytes = compressed;
    for _ in 0..=draw.below(3) {
        match draw.below(7) {
            0 | 1 if !head.is_empty() => {
                let place = draw.below(head.len());
                head[place] = draw.number() as u8;
            }
            2 => head.truncate(draw.below(head.len() + 1)),
            3 | 4 if !body.is_empty() => {
                let place = draw.below(body.len());
                body[place] = draw.number() as u8;
            }
            5 => body.truncate(draw.below(body.len() + 1)),
            _ if draw.flag() => rows = draw.number(),
            _ => bytes = bytes.map(|_| draw.number()),
        }
    }
    let buffer = Buffer::from_vec(body);
    // Not every transport aligns.
    let buffer = match draw.below(4) {
        0 => Buffer::from_vec([&[0], buffer.as_slice()].concat()).slice(1),
        _ => buffer,
    };
    let body = match bytes {
        Some(bytes) => Body::Compressed { buffer, bytes },
        None => Body::Whole(buffer),
    };
    Frame { rows, head: head.into(), body }
}

#[test]
fn what_announces_much_takes_little() {
    let batch = one_column(Arc::new(arrow::array::NullArray::new(3)));
    let mut frame = sent(&Frame::of(&batch).unwrap());
    frame.rows = u64::MAX;
    assert_eq!(frame.batch(&batch.schema()).unwrap_err().code(), ErrorCode::Connection);
    frame.body = Body::Compressed { buffer: Buffer::from_vec(vec![0u8; 100]), bytes: 1 << 40 };
    assert_eq!(frame.batch(&batch.schema()).unwrap_err().code(), ErrorCode::Connection);
}

#[test]
fn dictionaries_go_where_the_schema_has_text() {
    let keys: Int32Array = (0..1000).map(|row| (row % 7 != 0).then_some(row % 3)).collect();
    let values =
        cast(&StringArray::from(vec!["one", "two and some more text", "three"]), &DataType::Utf8View);
    let dictionary = DictionaryArray::<Int32Type>::new(keys, values.unwrap());
    let batch = one_column(Arc::new(dictionary.clone()));
    let schema = Arc::new(Schema::new(vec![Field::new("column", DataType::Utf8View, true)]));

    let arrived = sent(&Frame::of(&batch).unwrap()).batch(&schema).unwrap();
    assert_eq!(arrived.column(0).as_dictionary::<Int32Type>(), &dictionary);

    // With fewer rows than the dictionary has values they come as text.
    let few = sent(&Frame::of(&batch.slice(1, 2)).unwrap()).batch(&schema).unwrap();
    let expected: StringViewArray = [Some("two and some more text"), Some("three")].into_iter().collect();
    assert_eq!(few.column(0).as_string_view(), &expected);
    assert_eq!(few.schema(), schema);
}

#[test]
fn a_slice_takes_as_many_bytes_as_it_needs() {
    let texts: StringViewArray =
        (0..10_000).map(|row| Some(format!("{row} is longer than twelve bytes"))).collect();
    let lists = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..10_000).map(|row| Some(vec![Some(row); 5])),
    );
    let batch =
        RecordBatch::try_from_iter([("texts", Arc::new(texts) as ArrayRef), ("lists", Arc::new(lists))])
            .unwrap();
    let whole = Frame::of(&batch).unwrap().wire_bytes();
    let slice = Frame::of(&batch.slice(5000, 100)).unwrap();
    assert!(slice.wire_bytes() < whole / 80, "{} of {whole}", slice.wire_bytes());
    assert_eq!(sent(&slice).batch(&batch.schema()).unwrap(), batch.slice(5000, 100));
}

#[test]
fn what_is_picked_out_of_texts_takes_no_others_along() {
    let texts: ArrayRef =
        Arc::new((0..9000).map(|row| Some(format!("{row:030}"))).collect::<StringViewArray>());
    let batch = one_column(texts);
    let pieces = Partitioner::new(vec![0], 2).split(&batch).unwrap();
    let bytes: u64 = pieces.iter().flatten().map(|piece| Frame::of(piece).unwrap().wire_bytes()).sum();
    let whole = Frame::of(&batch).unwrap().wire_bytes();
    assert!(bytes < whole + whole / 50, "{bytes} of {whole}");
}

#[test]
fn long_buffers_are_not_copied() {
    let numbers: Int32Array = (0..100_000).collect();
    let address = numbers.values().as_ptr().cast::<u8>();
    let Body::Parts { parts, .. } = Frame::of(&one_column(Arc::new(numbers))).unwrap().body else {
        panic!("a body that is not in parts");
    };
    assert_eq!(parts[0].as_ptr(), address);
    let frame = sent(&Frame::of(&one_column(Arc::new(Int32Array::from_iter(0..100_000)))).unwrap());
    let Body::Whole(body) = &frame.body else { panic!() };
    let schema = Arc::new(Schema::new(vec![Field::new("column", DataType::Int32, true)]));
    let batch = frame.batch(&schema).unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int32Type>().values().inner().as_ptr(), body.as_ptr());
}

#[test]
fn long_batches_are_split_by_rows() {
    let texts: StringArray = (0..5000usize).map(|row| Some("x".repeat(row))).collect();
    let batch = one_column(Arc::new(texts));
    let target = 1 << 20;
    let frames = Frame::split(&batch, target).unwrap();
    assert!(frames.len() > 10);
    assert!(frames.iter().all(|frame| frame.wire_bytes() <= target));
    let parts: Vec<RecordBatch> =
        frames.iter().map(|frame| sent(frame).batch(&batch.schema()).unwrap()).collect();
    assert_eq!(concat_batches(&batch.schema(), &parts).unwrap(), batch);
}

#[test]
fn a_row_that_fits_into_no_message_is_refused() {
    let long = StringArray::from(vec!["short".to_owned(), "x".repeat(FRAME_BYTES_MAX as usize)]);
    let error = Frame::split(&one_column(Arc::new(long)), 4 << 20).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooComplex);
    let fits = StringArray::from(vec!["x".repeat(FRAME_BYTES_MAX as usize - 1000)]);
    assert_eq!(Frame::split(&one_column(Arc::new(fits)), 4 << 20).unwrap().len(), 1);
}

#[test]
fn rows_without_columns_are_counted() {
    let options = RecordBatchOptions::new().with_row_count(Some(42));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(sent(&Frame::of(&batch).unwrap()).batch(&batch.schema()).unwrap().num_rows(), 42);
}

#[test]
fn another_schema_is_refused() {
    let batch = one_column(Arc::new(Int32Array::from(vec![1, 2, 3])));
    let frame = sent(&Frame::of(&batch).unwrap());
    for other in [DataType::Float32, DataType::Date32, DataType::Utf8View, DataType::Decimal32(9, 2)] {
        let schema = Arc::new(Schema::new(vec![Field::new("column", other, true)]));
        assert_eq!(frame.batch(&schema).unwrap_err().code(), ErrorCode::Connection);
    }
    let schema = Arc::new(Schema::new(vec![Field::new("column", DataType::Int32, false)]));
    assert!(frame.batch(&schema).is_ok());
    let with_null = one_column(Arc::new(Int32Array::from(vec![None, Some(1)])));
    assert!(sent(&Frame::of(&with_null).unwrap()).batch(&schema).is_err());
}
