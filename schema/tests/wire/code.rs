//! Random functions, operators and modules.

use std::sync::Arc;

use arrow::datatypes::Field;
use nyala_schema::expr::Volatility;
use nyala_schema::function::{
    Argument, FunctionBody, FunctionDefinition, FunctionKind, FunctionVersion, ModuleDefinition,
    OperatorDefinition,
};
use nyala_schema::guest::{
    GuestCode, GuestOperator, Limits, ModuleHash, OnError, OperatorInput, OperatorOutput, OperatorParameter,
    Tier,
};

use crate::arrays;
use crate::draw::Draw;

fn hash(draw: &mut Draw) -> ModuleHash {
    ModuleHash([draw.small() as u8; ModuleHash::BYTES])
}

fn limits(draw: &mut Draw) -> Limits {
    Limits {
        memory_bytes: draw.number(),
        time_per_batch_ms: draw.small(),
        on_error: draw.one(&[OnError::Fail, OnError::Null]),
    }
}

pub fn version(draw: &mut Draw) -> FunctionVersion {
    let body = match draw.flag() {
        true => FunctionBody::Guest {
            module: hash(draw),
            export: draw.text(),
            tier: draw.one(&[Tier::Row, Tier::Batch]),
            source: draw.maybe(Draw::text),
        },
        false => FunctionBody::Sql { text: draw.text(), uses: draw.some(Draw::text) },
    };
    FunctionVersion {
        number: draw.small(),
        body,
        volatility: draw.one(&[Volatility::Immutable, Volatility::Stable, Volatility::Volatile]),
        strict: draw.flag(),
        cost: draw.small(),
        rows_per_row: draw.small(),
        limits: limits(draw),
    }
}

pub fn function(draw: &mut Draw) -> FunctionDefinition {
    let mut versions = draw.some(version);
    versions.push(version(draw));
    FunctionDefinition {
        name: draw.text(),
        kind: draw.one(&[FunctionKind::Scalar, FunctionKind::Aggregate, FunctionKind::Table]),
        arguments: draw.some(|draw| Argument { name: draw.text(), data_type: arrays::any_type(draw, 2) }),
        returns: arrays::any_type(draw, 2),
        versions,
        current: draw.small(),
        module: draw.maybe(Draw::text),
    }
}

pub fn module(draw: &mut Draw) -> ModuleDefinition {
    ModuleDefinition { name: draw.text(), hash: hash(draw), size_bytes: draw.number() }
}

pub fn operator(draw: &mut Draw) -> OperatorDefinition {
    let columns: Vec<_> =
        draw.some(|draw| Arc::new(Field::new(draw.text(), arrays::any_type(draw, 1), draw.flag())));
    let operator = GuestOperator {
        code: GuestCode {
            name: draw.text(),
            version: draw.small(),
            module: hash(draw),
            export: draw.text(),
            limits: limits(draw),
        },
        inputs: draw.some(|draw| OperatorInput {
            name: draw.text(),
            needs_partition: draw.flag(),
            needs_order: draw.flag(),
            reads_all: draw.flag(),
        }),
        parameters: draw.some(|draw| OperatorParameter {
            name: draw.text(),
            data_type: arrays::any_type(draw, 1),
            required: draw.flag(),
        }),
        output: match draw.below(3) {
            0 => OperatorOutput::Extends(columns),
            1 => OperatorOutput::Columns(columns),
            _ => OperatorOutput::LikeInput(columns),
        },
        rows_per_row: draw.small(),
        cost: draw.small(),
        keeps_order: draw.flag(),
    };
    OperatorDefinition { name: draw.text(), operator: Arc::new(operator), module: draw.maybe(Draw::text) }
}
