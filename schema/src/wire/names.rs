//! Names for completion.

use super::count;
use super::definition::{decode_texts, encode_texts};
use super::generated::client_capnp::names;
use crate::client::Names;
use crate::error::Result;

pub(super) fn encode(value: &Names, mut builder: names::Builder<'_>) {
    encode_texts(&value.tables, builder.reborrow().init_tables(count(value.tables.len())));
    encode_texts(&value.functions, builder.reborrow().init_functions(count(value.functions.len())));
    encode_texts(&value.keywords, builder.reborrow().init_keywords(count(value.keywords.len())));
    let mut columns = builder.init_columns(count(value.columns.len()));
    for (index, (table, column)) in value.columns.iter().enumerate() {
        let mut name = columns.reborrow().get(count(index));
        name.set_table(table);
        name.set_column(column);
    }
}

pub(super) fn decode(reader: names::Reader<'_>) -> Result<Names> {
    let columns = reader
        .get_columns()?
        .iter()
        .map(|name| Ok((name.get_table()?.to_string()?, name.get_column()?.to_string()?)));
    Ok(Names {
        columns: columns.collect::<Result<_>>()?,
        tables: decode_texts(reader.get_tables()?)?,
        functions: decode_texts(reader.get_functions()?)?,
        keywords: decode_texts(reader.get_keywords()?)?,
    })
}
