//! Changes of managed tables: of their rows and of what they look like.

use super::arrow_data::{decode_type, decode_value, encode_type, encode_value};
use super::files::{decode_deletions, encode_deletions, put_files, read_files};
use super::generated::managed_capnp::{self as wire, table_alteration, table_change, table_column};
use super::managed::{
    decode_check, decode_operation, decode_sort, decode_table_id, encode_check, encode_operation,
    encode_sort, encode_table_id,
};
use super::summary::{decode_sketch, encode_sketch};
use super::{count, enum_pairs, optional_text};
use crate::error::Result;
use crate::id::FileId;
use crate::managed::{NewColumn, Requirement, TableAlteration, TableChange};

enum_pairs!(
    requirement_to_wire,
    requirement_from_wire,
    Requirement,
    wire::Requirement,
    Nothing,
    Files,
    Version
);

pub(super) fn encode_change(value: &TableChange, mut builder: table_change::Builder<'_>) -> Result<()> {
    builder.set_table(&value.table);
    encode_table_id(value.id, builder.reborrow().init_id());
    builder.set_base(value.base);
    encode_operation(value.operation, builder.reborrow().init_operation());
    put_files(value.add.iter(), builder.reborrow().init_add(count(value.add.len())))?;
    let mut remove = builder.reborrow().init_remove(count(value.remove.len()));
    for (index, file) in value.remove.iter().enumerate() {
        remove.set(count(index), file.0);
    }
    let mut delete = builder.reborrow().init_delete(count(value.delete.len()));
    for (index, (file, deletions)) in value.delete.iter().enumerate() {
        let mut target = delete.reborrow().get(count(index));
        target.set_file(file.0);
        encode_deletions(deletions, target.init_deletions());
    }
    builder.set_requirement(requirement_to_wire(value.requirement));
    let mut sketches = builder.init_sketches(count(value.sketches.len()));
    for (index, sketch) in value.sketches.iter().enumerate() {
        encode_sketch(sketch, sketches.reborrow().get(count(index)));
    }
    Ok(())
}

pub(super) fn decode_change(reader: table_change::Reader<'_>) -> Result<TableChange> {
    let deleted = |it: wire::file_deletions::Reader<'_>| {
        Ok((FileId(it.get_file()), decode_deletions(it.get_deletions()?)?))
    };
    Ok(TableChange {
        table: reader.get_table()?.to_string()?,
        id: decode_table_id(reader.get_id()?),
        base: reader.get_base(),
        operation: decode_operation(reader.get_operation()?)?,
        add: read_files(reader.get_add()?)?,
        remove: reader.get_remove()?.iter().map(FileId).collect(),
        delete: reader.get_delete()?.iter().map(deleted).collect::<Result<_>>()?,
        requirement: requirement_from_wire(reader.get_requirement()?),
        sketches: reader.get_sketches()?.iter().map(decode_sketch).collect::<Result<_>>()?,
    })
}

pub(super) fn encode_alteration(
    value: &TableAlteration,
    builder: table_alteration::Builder<'_>,
) -> Result<()> {
    match value {
        TableAlteration::AddColumn { column, if_not_exists } => {
            let mut add = builder.init_add_column();
            add.set_if_not_exists(*if_not_exists);
            encode_new_column(column, add.init_column())?;
        }
        TableAlteration::DropColumn { name, if_exists } => {
            let mut drop = builder.init_drop_column();
            drop.set_name(name);
            drop.set_if_exists(*if_exists);
        }
        TableAlteration::RenameColumn { from, to } => {
            let mut rename = builder.init_rename_column();
            rename.set_from(from);
            rename.set_to(to);
        }
        TableAlteration::SetDefault { column, default } => {
            let mut set = builder.init_set_default();
            set.set_column(column);
            if let Some(default) = default {
                set.set_default(default);
            }
        }
        TableAlteration::SetNullable { column, nullable } => {
            let mut set = builder.init_set_nullable();
            set.set_column(column);
            set.set_nullable(*nullable);
        }
        TableAlteration::AddCheck(check) => encode_check(check, builder.init_add_check()),
        TableAlteration::DropCheck { name, if_exists } => {
            let mut drop = builder.init_drop_check();
            drop.set_name(name);
            drop.set_if_exists(*if_exists);
        }
        TableAlteration::SetSortBy(fields) => {
            encode_sort(fields, builder.init_set_sort_by(count(fields.len())));
        }
        TableAlteration::SetProperties(settings) => {
            let mut list = builder.init_set_properties(count(settings.len()));
            for (index, (name, value)) in settings.iter().enumerate() {
                let mut target = list.reborrow().get(count(index));
                target.set_name(name);
                if let Some(value) = value {
                    target.set_value(value);
                }
            }
        }
    }
    Ok(())
}

pub(super) fn decode_alteration(reader: table_alteration::Reader<'_>) -> Result<TableAlteration> {
    Ok(match reader.which()? {
        table_alteration::AddColumn(add) => TableAlteration::AddColumn {
            column: decode_new_column(add.get_column()?)?,
            if_not_exists: add.get_if_not_exists(),
        },
        table_alteration::DropColumn(drop) => TableAlteration::DropColumn {
            name: drop.get_name()?.to_string()?,
            if_exists: drop.get_if_exists(),
        },
        table_alteration::RenameColumn(rename) => TableAlteration::RenameColumn {
            from: rename.get_from()?.to_string()?,
            to: rename.get_to()?.to_string()?,
        },
        table_alteration::SetDefault(set) => TableAlteration::SetDefault {
            column: set.get_column()?.to_string()?,
            default: optional_text(set.has_default(), || set.get_default())?,
        },
        table_alteration::SetNullable(set) => TableAlteration::SetNullable {
            column: set.get_column()?.to_string()?,
            nullable: set.get_nullable(),
        },
        table_alteration::AddCheck(check) => TableAlteration::AddCheck(decode_check(check?)?),
        table_alteration::DropCheck(drop) => TableAlteration::DropCheck {
            name: drop.get_name()?.to_string()?,
            if_exists: drop.get_if_exists(),
        },
        table_alteration::SetSortBy(fields) => TableAlteration::SetSortBy(decode_sort(fields?)),
        table_alteration::SetProperties(settings) => {
            let setting = |it: wire::property_setting::Reader<'_>| {
                let value = optional_text(it.has_value(), || it.get_value())?;
                Ok((it.get_name()?.to_string()?, value))
            };
            TableAlteration::SetProperties(settings?.iter().map(setting).collect::<Result<_>>()?)
        }
    })
}

/// As a column that has no id yet.
fn encode_new_column(value: &NewColumn, mut builder: table_column::Builder<'_>) -> Result<()> {
    builder.set_nullable(value.nullable);
    builder.set_name(&value.name);
    builder.set_type(&encode_type(&value.data_type));
    if let Some(default) = &value.default {
        builder.set_default(default);
    }
    if let Some(initial) = &value.initial {
        builder.set_initial(&encode_value(initial)?);
    }
    Ok(())
}

fn decode_new_column(reader: table_column::Reader<'_>) -> Result<NewColumn> {
    Ok(NewColumn {
        name: reader.get_name()?.to_string()?,
        data_type: decode_type(reader.get_type()?)?,
        nullable: reader.get_nullable(),
        default: optional_text(reader.has_default(), || reader.get_default())?,
        initial: reader.has_initial().then(|| decode_value(reader.get_initial()?)).transpose()?,
    })
}
