//! Random programs and batches from a list of numbers, so that proptest can shrink them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal64Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, StringViewArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow::datatypes::DataType;
use nyala_pipeline::program::StateOp;
use nyala_pipeline::{Op, Statement, Type, ValueId};
use nyala_schema::Value;
use nyala_schema::expr::{ArithmeticOp, CompareOp, Volatility};

use crate::builder::{Batch, Builder};

/// Decisions, taken one after the other; 0 when there are none left.
pub struct Choices {
    numbers: std::vec::IntoIter<u32>,
}

impl Choices {
    pub fn new(numbers: Vec<u32>) -> Self {
        Self { numbers: numbers.into_iter() }
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.numbers.next().unwrap_or(0) as usize % bound.max(1)
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

const ARITHMETIC: [ArithmeticOp; 5] = [
    ArithmeticOp::Add,
    ArithmeticOp::Subtract,
    ArithmeticOp::Multiply,
    ArithmeticOp::Divide,
    ArithmeticOp::Remainder,
];

const COMPARISONS: [CompareOp; 8] = [
    CompareOp::Equal,
    CompareOp::NotEqual,
    CompareOp::Less,
    CompareOp::LessOrEqual,
    CompareOp::Greater,
    CompareOp::GreaterOrEqual,
    CompareOp::Distinct,
    CompareOp::NotDistinct,
];

pub fn types() -> Vec<DataType> {
    vec![
        DataType::Int64,
        DataType::Decimal64(10, 2),
        DataType::Boolean,
        DataType::Float64,
        DataType::Int32,
        DataType::Int8,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Date32,
        DataType::Decimal64(18, 2),
        DataType::Decimal128(20, 2),
        DataType::Decimal128(38, 4),
        DataType::Utf8View,
    ]
}

/// Mostly small, now and then at the limits.
fn number(kind: usize, limit: i128) -> i128 {
    match kind {
        0..48 => (kind as i128) - 20,
        48..52 => limit,
        52..56 => -limit,
        _ => (limit / 3).min(1_000_000_007) * (kind as i128 - 59),
    }
}

fn float(kind: usize) -> f64 {
    match kind {
        0..40 => (kind as f64 - 20.0) / 4.0,
        40..46 => -0.0,
        46..52 => f64::NAN,
        52..56 => f64::INFINITY,
        56..58 => f64::NEG_INFINITY,
        58..60 => 1e300,
        60..62 => 9.3e18,
        _ => -2_147_483_648.5,
    }
}

/// Rows of a random column, behind some that are cut off so that offsets are not zero.
pub fn column(choices: &mut Choices, data_type: &DataType, rows: usize, nulls: bool) -> ArrayRef {
    const CUT: usize = 3;
    let kinds: Vec<usize> = (0..rows + CUT).map(|_| choices.below(64)).collect();
    let valid: Vec<bool> = (0..rows + CUT).map(|_| !nulls || choices.below(4) > 0).collect();
    macro_rules! integers {
        ($array:ty, $native:ty) => {{
            let values = kinds.iter().zip(&valid).map(|(kind, valid)| {
                let value = number(*kind, <$native>::MAX as i128);
                let value =
                    if *kind == 52 { <$native>::MIN } else { <$native>::try_from(value).unwrap_or(7) };
                valid.then_some(value)
            });
            <$array>::from(values.collect::<Vec<_>>())
        }};
    }
    let power = |digits: u8| 10i128.pow(u32::from(digits)) - 1;
    let floats = || kinds.iter().zip(&valid).map(|(kind, valid)| valid.then_some(float(*kind)));
    let array: ArrayRef = match data_type {
        DataType::Int8 => Arc::new(integers!(Int8Array, i8)),
        DataType::Int32 => Arc::new(integers!(Int32Array, i32)),
        DataType::Int64 => Arc::new(integers!(Int64Array, i64)),
        DataType::UInt32 => Arc::new(integers!(UInt32Array, u32)),
        DataType::UInt64 => Arc::new(integers!(UInt64Array, u64)),
        DataType::Date32 => Arc::new(integers!(Date32Array, i32)),
        DataType::Boolean => {
            Arc::new(kinds.iter().zip(&valid).map(|(k, v)| v.then_some(k % 2 == 0)).collect::<BooleanArray>())
        }
        DataType::Float64 => Arc::new(floats().collect::<Float64Array>()),
        DataType::Float32 => Arc::new(floats().map(|v| v.map(|v| v as f32)).collect::<Float32Array>()),
        DataType::Decimal64(p, s) => {
            let values = kinds.iter().zip(&valid).map(|(k, v)| v.then_some(number(*k, power(*p)) as i64));
            let array: Decimal64Array = values.collect();
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        DataType::Decimal128(p, s) => {
            let values = kinds.iter().zip(&valid).map(|(k, v)| v.then_some(number(*k, power(*p))));
            let array: Decimal128Array = values.collect();
            Arc::new(array.with_precision_and_scale(*p, *s).unwrap())
        }
        DataType::Utf8View => {
            const WORDS: [&str; 6] = ["", "a", "ab", "b", "a text longer than twelve bytes", "ä"];
            let values = kinds.iter().zip(&valid).map(|(k, v)| v.then_some(WORDS[k % WORDS.len()]));
            Arc::new(values.collect::<StringViewArray>())
        }
        other => unreachable!("no generator for {other}"),
    };
    array.slice(CUT, rows)
}

pub struct Generator {
    pub choices: Choices,
    pub builder: Builder,
    /// Values that may be read where statements are added now.
    scope: Vec<ValueId>,
}

impl Generator {
    pub fn new(numbers: Vec<u32>) -> Self {
        Self { choices: Choices::new(numbers), builder: Builder::default(), scope: vec![] }
    }

    /// A whole program and a batch for it.
    pub fn generate(mut self) -> (Builder, Batch, Vec<u8>) {
        let types = types();
        for _ in 0..2 + self.choices.below(5) {
            let (data_type, nullable) = (self.choices.pick(&types), self.choices.chance(50));
            let id = self.builder.input(data_type, nullable);
            self.scope.push(id);
        }
        let updates = self.choices.chance(40);
        let filters = self.choices.chance(60);
        for _ in 0..self.choices.below(14) {
            self.statement(2);
            if filters && self.choices.chance(25) {
                self.filter();
            }
        }
        if filters {
            self.filter();
        }
        let initial = self.finish(updates);
        let batch = self.batch(updates && !has_filter(&self.builder));
        (self.builder, batch, initial)
    }

    fn filter(&mut self) {
        if let Some(id) = self.of_type(&DataType::Boolean) {
            self.builder.filter(id);
        }
    }

    /// Makes every value count, so that no backend may leave a failing one out.
    fn finish(&mut self, updates: bool) -> Vec<u8> {
        let mut used = Vec::new();
        read(&self.builder.statements, &mut used);
        let unused: Vec<ValueId> = self.scope.iter().copied().filter(|id| !used.contains(id)).collect();
        if !updates {
            self.builder.outputs = unused;
            if self.choices.chance(50) {
                let again = self.choices.pick(&self.scope);
                self.builder.outputs.push(again);
            }
            return vec![];
        }
        for id in unused {
            self.builder.update(StateOp::Count, Some(id), None);
        }
        self.builder.update(StateOp::Count, None, None);
        let mut initial = vec![0u8; self.builder.updates.len() * 16];
        for _ in 0..1 + self.choices.below(4) {
            let value = self.choices.pick(&self.scope);
            let mask = if self.choices.chance(30) { self.of_type(&DataType::Boolean) } else { None };
            let data_type = self.builder.data_type(value);
            let field = initial.len();
            let op = match data_type {
                DataType::Utf8View => StateOp::Count,
                DataType::Float32 | DataType::Float64 if self.choices.chance(50) => StateOp::SumFloat,
                DataType::Float32 | DataType::Float64 | DataType::Boolean | DataType::Date32 => {
                    StateOp::Min(data_type.clone())
                }
                _ if self.choices.chance(50) => StateOp::SumInteger,
                _ => StateOp::Max(data_type.clone()),
            };
            initial.extend([0u8; 16]);
            match &op {
                StateOp::Min(DataType::Float64) => {
                    initial[field..field + 8].copy_from_slice(&f64::NAN.to_ne_bytes());
                }
                StateOp::Min(DataType::Float32) => {
                    initial[field..field + 4].copy_from_slice(&f32::NAN.to_ne_bytes());
                }
                StateOp::Min(DataType::Date32) => {
                    initial[field..field + 4].copy_from_slice(&i32::MAX.to_ne_bytes());
                }
                StateOp::Min(_) => initial[field] = 1,
                StateOp::Count | StateOp::SumInteger | StateOp::SumFloat | StateOp::Max(_) => {}
            }
            self.builder.update(op, Some(value), mask);
        }
        initial
    }

    fn batch(&mut self, grouped: bool) -> Batch {
        let choices = &mut self.choices;
        let rows = choices.pick(&[20, 0, 1, 7, 8, 9, 33, 64, 65]);
        let with_nulls = choices.chance(70);
        let inputs = self.builder.inputs.clone();
        let inputs = inputs.iter().map(|ty| column(choices, &ty.data_type, rows, ty.nullable && with_nulls));
        let inputs = inputs.collect();
        let selection: Option<Vec<u32>> =
            choices.chance(40).then(|| (0..rows as u32).filter(|_| choices.chance(60)).collect());
        let (mut groups, mut group_count) = (None, 1);
        if grouped && choices.chance(60) {
            group_count = 1 + choices.below(4);
            let count = selection.as_ref().map_or(rows, Vec::len);
            groups = Some((0..count).map(|_| choices.below(group_count) as u32).collect());
        }
        Batch { rows, inputs, selection, groups, group_count }
    }

    fn of_type(&mut self, data_type: &DataType) -> Option<ValueId> {
        let fitting: Vec<ValueId> =
            self.scope.iter().copied().filter(|id| self.builder.data_type(*id) == *data_type).collect();
        if fitting.is_empty() {
            return None;
        }
        Some(self.choices.pick(&fitting))
    }

    fn any(&mut self) -> ValueId {
        self.choices.pick(&self.scope)
    }

    /// Adds one statement, nested blocks no deeper than `depth`.
    fn statement(&mut self, depth: usize) {
        let made = match self.choices.below(13) {
            0..3 => self.arithmetic(),
            3..6 => self.compare(),
            6 => self.logic(),
            7 => self.cast(),
            8 => self.constant(),
            9 => self.in_set(),
            10 => self.text(),
            11 => self.small(),
            _ if depth > 0 => self.branches(depth),
            _ => None,
        };
        self.scope.extend(made);
    }

    fn arithmetic(&mut self) -> Option<ValueId> {
        let left = self.any();
        let (op, data_type) = (self.choices.pick(&ARITHMETIC), self.builder.data_type(left));
        let right = self.of_type(&data_type)?;
        let to = match data_type {
            DataType::Boolean | DataType::Date32 | DataType::Utf8View => return None,
            DataType::Decimal64(p, s)
                if op == ArithmeticOp::Multiply && p < 18 && self.choices.chance(50) =>
            {
                DataType::Decimal64(18, 2 * s)
            }
            DataType::Decimal64(_, s) if op == ArithmeticOp::Multiply => DataType::Decimal128(36, 2 * s),
            DataType::Decimal128(_, s) if op == ArithmeticOp::Multiply => DataType::Decimal128(38, 2 * s),
            DataType::Decimal64(..) if op == ArithmeticOp::Divide => DataType::Decimal128(38, 6),
            other => other,
        };
        let bits = to.primitive_width().unwrap_or(0) * 8;
        let checked = bits < 64 || self.choices.chance(80);
        let ty = Type::new(to, self.builder.nullable(&[left, right]));
        Some(self.builder.let_(Op::Arithmetic { op, left, right, checked }, ty))
    }

    fn compare(&mut self) -> Option<ValueId> {
        let left = self.any();
        let right = self.of_type(&self.builder.data_type(left))?;
        let op = self.choices.pick(&COMPARISONS);
        Some(self.builder.compare(op, left, right))
    }

    fn logic(&mut self) -> Option<ValueId> {
        let (left, right) = (self.of_type(&DataType::Boolean)?, self.of_type(&DataType::Boolean)?);
        let op = if self.choices.chance(50) { Op::And(left, right) } else { Op::Or(left, right) };
        let ty = Type::new(DataType::Boolean, self.builder.nullable(&[left, right]));
        Some(self.builder.let_(op, ty))
    }

    fn small(&mut self) -> Option<ValueId> {
        let input = self.any();
        let ty = self.builder.types[input.0 as usize].clone();
        let null = Type::new(DataType::Boolean, false);
        Some(match &ty.data_type {
            DataType::Boolean if self.choices.chance(50) => self.builder.let_(Op::Not(input), ty),
            data_type
                if data_type.is_signed_integer() || data_type.is_floating() || data_type.is_decimal() =>
            {
                self.builder.let_(Op::Negate { input, checked: true }, ty)
            }
            _ => self.builder.let_(Op::IsNull(input), null),
        })
    }

    fn cast(&mut self) -> Option<ValueId> {
        let input = self.any();
        let from = self.builder.data_type(input);
        let to = self.choices.pick(&types());
        let plain = |ty: &DataType| ty.is_integer() || ty.is_decimal();
        let fits = plain(&from) && plain(&to)
            || from.is_integer() && matches!(to, DataType::Float64 | DataType::Float32 | DataType::Boolean)
            || from.is_floating() && (to.is_integer() || to.is_floating())
            || from.is_decimal() && to == DataType::Float64
            || from == DataType::Boolean && to.is_integer()
            || from == DataType::Date32 && to == DataType::Int32;
        let safe = self.choices.chance(40);
        fits.then(|| self.builder.cast(input, to, safe))
    }

    fn constant(&mut self) -> Option<ValueId> {
        let data_type = self.choices.pick(&types());
        let value = match self.choices.chance(20) {
            true => new_null_array(&data_type, 1),
            false => column(&mut self.choices, &data_type, 1, false),
        };
        Some(self.builder.constant(Value::new(value)))
    }

    fn in_set(&mut self) -> Option<ValueId> {
        let input = self.any();
        let data_type = self.builder.data_type(input);
        if data_type == DataType::Boolean {
            return None;
        }
        let len = self.choices.pick(&[3, 1, 16, 17]);
        let values = column(&mut self.choices, &data_type, len, false);
        let set = self.builder.set(values);
        let negated = self.choices.chance(30);
        let ty = Type::new(DataType::Boolean, self.builder.nullable(&[input]));
        Some(self.builder.let_(Op::InSet { input, set, negated }, ty))
    }

    fn text(&mut self) -> Option<ValueId> {
        let input = self.of_type(&DataType::Utf8View)?;
        if self.choices.chance(50) {
            return Some(self.builder.like(input, "a%"));
        }
        let op = Op::Call {
            function: "character_length".into(),
            arguments: vec![input],
            volatility: Volatility::Immutable,
        };
        Some(self.builder.let_(op, Type::new(DataType::Int32, self.builder.nullable(&[input]))))
    }

    fn branches(&mut self, depth: usize) -> Option<ValueId> {
        let condition = self.of_type(&DataType::Boolean)?;
        let model = self.any();
        let data_type = self.builder.data_type(model);
        let outer = self.scope.len();
        let mut branches = Vec::new();
        for _ in 0..2 {
            let before = std::mem::take(&mut self.builder.statements);
            for _ in 0..self.choices.below(3) {
                self.statement(depth - 1);
            }
            let result = self.of_type(&data_type).unwrap_or(model);
            let statements = std::mem::replace(&mut self.builder.statements, before);
            self.scope.truncate(outer);
            let block = nyala_pipeline::Block { statements };
            branches.push(nyala_pipeline::program::Branch { block, result });
        }
        let (otherwise, then) = (branches.pop()?, branches.pop()?);
        Some(self.builder.if_(condition, then, otherwise))
    }
}

pub fn has_filter(builder: &Builder) -> bool {
    builder.statements.iter().any(|statement| matches!(statement, Statement::Filter(_)))
}

/// Adds the values that statements read, those inside branches too.
fn read(statements: &[Statement], used: &mut Vec<ValueId>) {
    for statement in statements {
        match statement {
            Statement::Filter(id) => used.push(*id),
            Statement::Let { op, .. } => {
                used.extend(op.operands());
                if let Op::If { then, otherwise, .. } = op {
                    for branch in [then, otherwise] {
                        used.push(branch.result);
                        read(&branch.block.statements, used);
                    }
                }
            }
        }
    }
}
