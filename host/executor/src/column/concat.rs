//! Putting kept batches together to one long column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, PrimitiveArray, new_empty_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowDictionaryKeyType, DataType, UInt8Type, UInt16Type, UInt32Type};
use nyala_schema::Result;

use crate::column::dictionary::{Dictionary, is_same_array, unpack};
use crate::column::integers::{Integer, with_integers};

/// A view array that keeps more buffers than this is copied to one: every gather clones the list of buffers.
const VIEW_BUFFERS_MAX: usize = 8;

/// All rows of `parts` in order. `data_type` is the plain type, for when there are no parts; text stays
/// dictionary-encoded when all parts are and their dictionaries are small.
pub(crate) fn concat(parts: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef> {
    let parts: Vec<&ArrayRef> = parts.iter().filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => return Ok(new_empty_array(data_type)),
        [one] => return Ok((*one).clone()),
        _ => {}
    }
    if let Some(dictionaries) = parts.iter().map(|part| Dictionary::of(part)).collect::<Option<Vec<_>>>()
        && let Some(column) = concat_dictionaries(&dictionaries)?
    {
        return Ok(column);
    }
    let plain = parts.into_iter().map(unpack).collect::<Result<Vec<_>>>()?;
    let references: Vec<&dyn Array> = plain.iter().map(AsRef::as_ref).collect();
    compact(arrow::compute::concat(&references)?, true)
}

/// Frees what a column of views only keeps alive: buffers mostly of other rows, or (`merge`) many buffers.
pub(crate) fn compact(array: ArrayRef, merge: bool) -> Result<ArrayRef> {
    macro_rules! compact_views {
        ($views:expr) => {{
            let views = $views;
            let held: usize = views.data_buffers().iter().map(|buffer| buffer.len()).sum();
            let too_many = merge && views.data_buffers().len() > VIEW_BUFFERS_MAX;
            if held > 0 && (too_many || views.total_buffer_bytes_used() < held / 2) {
                return Ok(Arc::new(views.gc()));
            }
        }};
    }
    match array.data_type() {
        DataType::Utf8View => compact_views!(array.as_string_view()),
        DataType::BinaryView => compact_views!(array.as_binary_view()),
        _ => {}
    }
    Ok(array)
}

/// `None` when one dictionary for all parts would not be small beside the rows.
fn concat_dictionaries(parts: &[Dictionary<'_>]) -> Result<Option<ArrayRef>> {
    let Some(unified) = Unified::of(parts) else { return Ok(None) };
    let rows: usize = parts.iter().map(|part| with_integers!(part.codes, codes => codes.len())).sum();
    let mut codes: Vec<u32> = Vec::with_capacity(rows);
    let mut valid: Option<Vec<bool>> = parts.iter().any(|part| part.nulls.is_some()).then(Vec::new);
    for (part, map) in parts.iter().zip(&unified.maps) {
        with_integers!(part.codes, old => translate(old, part.nulls, map, &mut codes));
        if let Some(valid) = &mut valid {
            let start = valid.len();
            let rows = codes.len() - start;
            match part.nulls {
                None => valid.resize(start + rows, true),
                Some(nulls) => valid.extend(nulls.iter()),
            }
        }
    }
    let nulls = valid.map(NullBuffer::from);
    let array = match unified.values.len() {
        0..=0x100 => narrow::<UInt8Type>(codes.iter().map(|&code| code as u8), nulls, unified.values)?,
        0x101..=0x1_0000 => {
            narrow::<UInt16Type>(codes.iter().map(|&code| code as u16), nulls, unified.values)?
        }
        _ => narrow::<UInt32Type>(codes.into_iter(), nulls, unified.values)?,
    };
    Ok(Some(array))
}

fn narrow<K: ArrowDictionaryKeyType>(
    codes: impl Iterator<Item = K::Native>,
    nulls: Option<NullBuffer>,
    values: ArrayRef,
) -> Result<ArrayRef> {
    let codes: Vec<K::Native> = codes.collect();
    let codes = PrimitiveArray::<K>::new(codes.into(), nulls);
    Ok(Arc::new(DictionaryArray::try_new(codes, values)?))
}

fn translate<T: Integer>(old: &[T], nulls: Option<&NullBuffer>, map: &[u32], codes: &mut Vec<u32>) {
    match nulls {
        None => codes.extend(old.iter().map(|code| map[code.bits() as usize])),
        Some(nulls) => codes.extend(
            old.iter()
                .zip(nulls.iter())
                .map(|(code, valid)| if valid { map[code.bits() as usize] } else { 0 }),
        ),
    }
}

/// One dictionary for many, and for each of the many where its codes went.
struct Unified {
    values: ArrayRef,
    maps: Vec<Arc<Vec<u32>>>,
}

impl Unified {
    fn of(parts: &[Dictionary<'_>]) -> Option<Self> {
        let rows: usize = parts.iter().map(|part| with_integers!(part.codes, codes => codes.len())).sum();
        let mut distinct: Vec<&ArrayRef> = Vec::new();
        let mut which = Vec::with_capacity(parts.len());
        for part in parts {
            let found = distinct.iter().position(|values| is_same_array(values, part.values));
            which.push(found.unwrap_or_else(|| {
                distinct.push(part.values);
                distinct.len() - 1
            }));
        }
        if let [one] = distinct.as_slice() {
            let map = Arc::new((0..one.len() as u32).collect::<Vec<_>>());
            return Some(Self { values: (*one).clone(), maps: vec![map; parts.len()] });
        }
        let entries: usize = distinct.iter().map(|values| values.len()).sum();
        let all_text = distinct.iter().all(|v| *v.data_type() == DataType::Utf8View && v.null_count() == 0);
        if !all_text || entries > rows {
            return None;
        }
        let (values, maps) = merge_text(&distinct);
        Some(Self { values, maps: which.into_iter().map(|index| maps[index].clone()).collect() })
    }
}

fn merge_text(dictionaries: &[&ArrayRef]) -> (ArrayRef, Vec<Arc<Vec<u32>>>) {
    let mut codes: HashMap<&str, u32> = HashMap::new();
    let mut values: Vec<&str> = Vec::new();
    let mut maps = Vec::with_capacity(dictionaries.len());
    for dictionary in dictionaries {
        let views = dictionary.as_string_view();
        let map = (0..views.len()).map(|row| {
            let text = views.value(row);
            *codes.entry(text).or_insert_with(|| {
                values.push(text);
                (values.len() - 1) as u32
            })
        });
        maps.push(Arc::new(map.collect::<Vec<_>>()));
    }
    (Arc::new(arrow::array::StringViewArray::from_iter_values(values)), maps)
}
