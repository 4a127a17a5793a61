//! Rows are spread by value, evenly, and none is lost.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray, make_comparator,
};
use arrow::compute::{SortOptions, cast, concat, concat_batches, sort_to_indices};
use arrow::datatypes::DataType;
use nyala_exchange::partition::{COALESCED_ROWS, Coalescer, Partitioner, RangeKey, Ranges, Route, Router};
use nyala_schema::{ErrorCode, Value};

use crate::arrays;
use crate::draw::Draw;

fn receivers(array: ArrayRef) -> Vec<u32> {
    let batch = RecordBatch::try_from_iter([("key", array)]).unwrap();
    Partitioner::new(vec![0], 1000).receivers(&batch).unwrap()
}

#[test]
fn equal_values_go_to_one_receiver_however_they_are_encoded() {
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a"), None, Some("longer than twelve"), Some("")]));
    let expected = receivers(Arc::clone(&texts));
    let key_type = || Box::new(DataType::Int16);
    for data_type in [
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Binary,
        DataType::BinaryView,
        DataType::Dictionary(key_type(), Box::new(DataType::Utf8View)),
        DataType::Dictionary(key_type(), Box::new(DataType::Utf8)),
    ] {
        assert_eq!(receivers(cast(&texts, &data_type).unwrap()), expected, "{data_type}");
    }

    let numbers: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(0), None, Some(-7), Some(99), Some(1 << 20)]));
    let expected = receivers(Arc::clone(&numbers));
    for data_type in [
        DataType::Int32,
        DataType::Decimal64(18, 0),
        DataType::Decimal128(38, 0),
        DataType::Decimal256(76, 0),
        DataType::Dictionary(key_type(), Box::new(DataType::Int64)),
    ] {
        assert_eq!(receivers(cast(&numbers, &data_type).unwrap()), expected, "{data_type}");
    }

    let floats = receivers(Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN])));
    assert_eq!((floats[0], floats[2]), (floats[1], floats[3]));
}

/// Nodes of different versions must agree.
#[test]
fn the_hash_never_changes() {
    assert_eq!(
        receivers(Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(-1), None]))),
        [281, 893, 628, 473]
    );
    assert_eq!(
        receivers(Arc::new(StringArray::from(vec!["", "a", "a text of some length"]))),
        [281, 148, 717]
    );
    assert_eq!(receivers(Arc::new(Float64Array::from(vec![0.5, 1e300]))), [144, 337]);
    let wide = cast(&StringArray::from(vec!["12345678901234567890123456789"]), &DataType::Decimal128(38, 2));
    assert_eq!(receivers(wide.unwrap()), [470]);
}

#[test]
fn keys_in_a_row_are_spread_evenly() {
    for receivers in [2, 3, 7, 100] {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let days: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100_000).map(|row| row * 86_400_000)));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..100_000).map(|row| format!("key {row:09}"))));
        for column in [keys, days, texts] {
            let batch = RecordBatch::try_from_iter([("key", column)]).unwrap();
            let pieces = Partitioner::new(vec![0], receivers).split(&batch).unwrap();
            let rows: Vec<usize> =
                pieces.iter().map(|piece| piece.as_ref().map_or(0, RecordBatch::num_rows)).collect();
            let mean = 100_000 / receivers;
            assert!(rows.iter().all(|rows| rows.abs_diff(mean) < mean / 5), "{rows:?}");
        }
    }
}

#[test]
fn any_rows_are_all_there_after_the_split() {
    for seed in 0..500 {
        let mut draw = Draw::new(seed);
        let columns = 1 + draw.below(3);
        let batch = arrays::batch(&mut draw, columns);
        // Arrow's kernels lose count of values without width.
        if batch.schema().fields().iter().any(|field| format!("{field:?}").contains("FixedSizeBinary(0)")) {
            continue;
        }
        let pieces = match Partitioner::new((0..columns).collect(), 3).split(&batch) {
            Ok(pieces) => pieces,
            Err(error) => {
                assert_eq!(
                    error.code(),
                    ErrorCode::Unsupported,
                    "seed {seed}: {error:?} {:?}",
                    batch.schema()
                );
                continue;
            }
        };
        let receivers = Partitioner::new((0..columns).collect(), 3).receivers(&batch).unwrap();
        for (receiver, piece) in pieces.iter().enumerate() {
            let rows: Vec<RecordBatch> = (0..batch.num_rows())
                .filter(|row| receivers[*row] as usize == receiver)
                .map(|row| batch.slice(row, 1))
                .collect();
            let expected = (!rows.is_empty()).then(|| concat_batches(&batch.schema(), &rows).unwrap());
            assert_eq!(piece.as_ref(), expected.as_ref(), "seed {seed}");
        }
    }
}

fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
    let array: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
    RecordBatch::try_from_iter([("number", array)]).unwrap()
}

#[test]
fn small_batches_are_gathered_in_order() {
    let mut coalescer = Coalescer::new(2);
    let mut whole = Vec::new();
    for start in (0..50_000).step_by(100) {
        assert!(coalescer.push(0, numbers(0..0)).unwrap().is_none());
        whole.extend(coalescer.push(1, numbers(start..start + 100)).unwrap());
    }
    assert!(whole.iter().all(|batch| batch.num_rows() >= COALESCED_ROWS));
    whole.extend(coalescer.flush(1).unwrap());
    assert!(coalescer.flush(0).unwrap().is_none() && coalescer.memory_bytes() == 0);
    assert_eq!(concat_batches(&whole[0].schema(), &whole).unwrap(), numbers(0..50_000));
}

#[test]
fn batches_of_other_encodings_are_not_mixed() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let keys = arrow::array::Int8Array::from(vec![0, 1]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::clone(&text)));
    let [plain, encoded] =
        [text, dictionary].map(|array| RecordBatch::try_from_iter([("text", array)]).unwrap());
    let mut coalescer = Coalescer::new(1);
    assert_eq!(coalescer.push(0, plain.clone()).unwrap(), None);
    assert_eq!(coalescer.push(0, encoded.clone()).unwrap(), Some(plain));
    assert_eq!(coalescer.flush(0).unwrap(), Some(encoded));
}

#[test]
fn dictionaries_are_gathered_while_they_pay() {
    let piece = |number: usize, values: usize| {
        let texts: StringArray = (0..values).map(|value| Some(format!("{number} {value}"))).collect();
        let keys: arrow::array::UInt8Array = (0..200).map(|row| Some((row % values) as u8)).collect();
        let array: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(texts)));
        RecordBatch::try_from_iter([("text", array)]).unwrap()
    };
    let gathered = |pieces: &[RecordBatch]| {
        let mut coalescer = Coalescer::new(1);
        for piece in pieces {
            assert_eq!(coalescer.push(0, piece.clone()).unwrap(), None);
        }
        let batch = coalescer.flush(0).unwrap().unwrap();
        let plain: Vec<ArrayRef> =
            pieces.iter().map(|piece| cast(piece.column(0), &DataType::Utf8).unwrap()).collect();
        let expected = concat(&plain.iter().map(AsRef::as_ref).collect::<Vec<_>>()).unwrap();
        assert_eq!(&cast(batch.column(0), &DataType::Utf8).unwrap(), &expected);
        batch.column(0).data_type().clone()
    };
    let is_dictionary = |data_type: DataType| matches!(data_type, DataType::Dictionary(..));
    assert!(is_dictionary(gathered(&vec![piece(0, 150); 5])));
    assert!(is_dictionary(gathered(&[piece(0, 3), piece(1, 4)])));
    // More values than keys can name.
    let many: Vec<RecordBatch> = (0..30).map(|number| piece(number, 20)).collect();
    assert_eq!(gathered(&many), DataType::Utf8);
    assert_eq!(gathered(&[piece(0, 200), piece(1, 250)]), DataType::Utf8);
}

#[test]
fn each_route_brings_all_rows_where_they_belong() {
    let routed = |route: Route, receivers: usize| {
        let mut router = Router::new(route, receivers).unwrap();
        let mut rows = vec![0; receivers];
        for start in 0..1000 {
            for (receiver, batch) in router.route(&numbers(start * 50..start * 50 + 50)).unwrap() {
                rows[receiver] += batch.num_rows();
            }
        }
        router.flush().unwrap().into_iter().for_each(|(receiver, batch)| rows[receiver] += batch.num_rows());
        rows
    };
    assert_eq!(routed(Route::Gather, 1), [50_000]);
    assert_eq!(routed(Route::Broadcast, 3), [50_000; 3]);
    assert_eq!(routed(Route::RoundRobin { first: 5 }, 4), [12_500; 4]);
    assert_eq!(routed(Route::Hash { keys: vec![0] }, 4).iter().sum::<usize>(), 50_000);
    let bounds = [1000, 1001, 40_000].map(Value::int64).to_vec();
    let key = RangeKey { index: 0, descending: false, nulls_first: false, bounds };
    assert_eq!(routed(Route::Range(key), 4), [1000, 1, 38_999, 10_000]);
}

const DIRECTIONS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// Of a column, cut at some of its values.
fn ranges_of(column: &ArrayRef, cuts: usize, (descending, nulls_first): (bool, bool)) -> RangeKey {
    let options = SortOptions { descending, nulls_first };
    let order = sort_to_indices(column, Some(options), None).unwrap();
    let valid: Vec<usize> =
        order.values().iter().map(|row| *row as usize).filter(|row| column.is_valid(*row)).collect();
    let mut bounds: Vec<Value> =
        (1..=cuts).map(|cut| Value::from_row(column, valid[cut * (valid.len() - 1) / (cuts + 1)])).collect();
    bounds.dedup();
    RangeKey { index: 0, descending, nulls_first, bounds }
}

#[test]
fn ranges_follow_each_other_and_ties_are_together() {
    let numbers: Vec<Option<i64>> =
        (0..300).map(|row| (row % 11 > 0).then_some(row * 7919 % 60 - 20)).collect();
    let integers: ArrayRef = Arc::new(Int64Array::from(numbers.clone()));
    let texts: ArrayRef = Arc::new(
        numbers.iter().map(|number| number.map(|n| format!("{n} of many"))).collect::<StringArray>(),
    );
    let columns = [
        cast(&integers, &DataType::Int32).unwrap(),
        cast(&integers, &DataType::Decimal128(20, 4)).unwrap(),
        cast(&integers, &DataType::Decimal64(12, 2)).unwrap(),
        cast(&integers, &DataType::Float64).unwrap(),
        cast(&integers, &DataType::Date32).unwrap_or_else(|_| Arc::clone(&integers)),
        cast(&texts, &DataType::Utf8View).unwrap(),
        texts,
        integers,
    ];
    for (column, direction, cuts, receivers) in columns
        .iter()
        .flat_map(|c| DIRECTIONS.map(|d| [(c, d, 3, 4), (c, d, 1, 4), (c, d, 9, 4), (c, d, 2, 1)]))
        .flatten()
    {
        let key = ranges_of(column, cuts, direction);
        let ranges = Ranges::new(&key, receivers).unwrap();
        let batch = RecordBatch::try_from_iter([("key", Arc::clone(column))]).unwrap();
        let places = ranges.receivers(&batch).unwrap();
        let options = SortOptions { descending: direction.0, nulls_first: direction.1 };
        let order = make_comparator(column, column, options).unwrap();
        for one in 0..column.len() {
            for other in 0..column.len() {
                match order(one, other) {
                    Ordering::Less => assert!(places[one] <= places[other], "{key:?}"),
                    Ordering::Equal => assert_eq!(places[one], places[other], "{key:?}"),
                    Ordering::Greater => {}
                }
            }
        }
        assert!(places.iter().all(|place| (*place as usize) < receivers));
        assert!(receivers == 1 || places.iter().min() < places.iter().max(), "{key:?}");
        let pieces = ranges.split(&batch).unwrap();
        let rows: usize = pieces.iter().flatten().map(RecordBatch::num_rows).sum();
        assert_eq!((pieces.len(), rows), (receivers, column.len()));
    }
}

#[test]
fn floats_and_dictionaries_lie_in_ranges_by_their_values() {
    let floats: ArrayRef =
        Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::NEG_INFINITY]));
    let key = |descending: bool| RangeKey {
        index: 0,
        descending,
        nulls_first: false,
        bounds: [if descending { 1e9 } else { -0.0 }, if descending { 0.0 } else { 1e9 }]
            .map(Value::float64)
            .to_vec(),
    };
    let places = |key: &RangeKey, column: &ArrayRef| {
        let batch = RecordBatch::try_from_iter([("key", Arc::clone(column))]).unwrap();
        Ranges::new(key, 3).unwrap().receivers(&batch).unwrap()
    };
    assert_eq!(places(&key(false), &floats), [1, 1, 2, 2, 0]);
    assert_eq!(places(&key(true), &floats), [2, 2, 0, 0, 2]);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a"), None, Some("c")]));
    let codes =
        cast(&texts, &DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))).unwrap();
    let bounds = ["b", "c"].map(Value::utf8).to_vec();
    let key = RangeKey { index: 0, descending: false, nulls_first: true, bounds };
    assert_eq!(places(&key, &texts), [1, 0, 0, 2]);
    assert_eq!(places(&key, &codes), [1, 0, 0, 2]);
}

/// They come from another node.
#[test]
fn bounds_that_are_none_are_refused() {
    let with = |bounds: Vec<Value>, descending: bool| {
        Ranges::new(&RangeKey { index: 0, descending, nulls_first: false, bounds }, 3)
    };
    let code = |bounds: Vec<Value>| with(bounds, false).unwrap_err().code();
    assert_eq!(code(vec![]), ErrorCode::Internal);
    assert_eq!(code(vec![Value::int64(1), Value::utf8("a")]), ErrorCode::Internal);
    assert_eq!(code(vec![Value::null(&DataType::Int64)]), ErrorCode::Internal);
    assert_eq!(code(vec![Value::int64(2), Value::int64(1)]), ErrorCode::Internal);
    assert!(with(vec![Value::int64(2), Value::int64(1)], true).is_ok());
    let ranges = with(vec![Value::int64(1)], false).unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let error = ranges.receivers(&RecordBatch::try_from_iter([("key", texts)]).unwrap()).unwrap_err();
    assert!(error.message().contains("Utf8"), "{error}");
}
