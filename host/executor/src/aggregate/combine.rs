//! Adding one state record to another: what two workers know of one group.

use arrow::datatypes::DataType;
use nyala_pipeline::program::StateOp;
use nyala_pipeline::state::StateField;
use nyala_schema::{Error, ErrorCode, Result};

use crate::aggregate::records::field;

/// One field, by how it is combined.
#[derive(Clone, Copy)]
pub(crate) struct Combiner {
    offset: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Count,
    SumInteger,
    SumFloat,
    Extreme { native: Native, is_max: bool },
}

#[derive(Clone, Copy)]
enum Native {
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Combiner {
    /// # Errors
    /// Unsupported for an extreme of a type that has no native order.
    pub(crate) fn new(state: &StateField) -> Result<Self> {
        let kind = match &state.op {
            StateOp::Count => Kind::Count,
            StateOp::SumInteger => Kind::SumInteger,
            StateOp::SumFloat => Kind::SumFloat,
            StateOp::Min(data_type) => Kind::Extreme { native: native(data_type)?, is_max: false },
            StateOp::Max(data_type) => Kind::Extreme { native: native(data_type)?, is_max: true },
        };
        Ok(Self { offset: state.offset as usize, kind })
    }

    /// # Errors
    /// NumericOverflow of a sum.
    #[inline]
    pub(crate) fn combine(self, into: &mut [u8], from: &[u8]) -> Result<()> {
        let offset = self.offset;
        macro_rules! combine {
            ($type:ty, $combine:expr) => {{
                const WIDTH: usize = size_of::<$type>();
                let left = <$type>::from_ne_bytes(field::<WIDTH>(into, offset));
                let right = <$type>::from_ne_bytes(field::<WIDTH>(from, offset));
                let combine: fn($type, $type) -> $type = $combine;
                into[offset..offset + WIDTH].copy_from_slice(&combine(left, right).to_ne_bytes());
            }};
        }
        macro_rules! extreme {
            ($type:ty, $is_max:expr) => {
                if $is_max { combine!($type, |l, r| l.max(r)) } else { combine!($type, |l, r| l.min(r)) }
            };
        }
        macro_rules! float_extreme {
            ($type:ty, $is_max:expr) => {
                if $is_max {
                    combine!($type, |l, r| if l.is_nan() || l >= r { l } else { r })
                } else {
                    combine!($type, |l, r| if r.is_nan() || l <= r { l } else { r })
                }
            };
        }
        match self.kind {
            Kind::Count => combine!(i64, |l, r| l + r),
            Kind::SumInteger => {
                let left = i128::from_ne_bytes(field(into, offset));
                let right = i128::from_ne_bytes(field(from, offset));
                let sum = left.checked_add(right).ok_or_else(|| {
                    Error::new(ErrorCode::NumericOverflow, "a sum is too large for 128 bits")
                })?;
                into[offset..offset + 16].copy_from_slice(&sum.to_ne_bytes());
            }
            Kind::SumFloat => combine!(f64, |l, r| l + r),
            Kind::Extreme { native, is_max } => match native {
                Native::I8 => extreme!(i8, is_max),
                Native::I16 => extreme!(i16, is_max),
                Native::I32 => extreme!(i32, is_max),
                Native::I64 => extreme!(i64, is_max),
                Native::I128 => extreme!(i128, is_max),
                Native::U8 => extreme!(u8, is_max),
                Native::U16 => extreme!(u16, is_max),
                Native::U32 => extreme!(u32, is_max),
                Native::U64 => extreme!(u64, is_max),
                Native::F32 => float_extreme!(f32, is_max),
                Native::F64 => float_extreme!(f64, is_max),
            },
        }
        Ok(())
    }
}

fn native(data_type: &DataType) -> Result<Native> {
    Ok(match data_type {
        DataType::Boolean | DataType::UInt8 => Native::U8,
        DataType::UInt16 => Native::U16,
        DataType::UInt32 => Native::U32,
        DataType::UInt64 => Native::U64,
        DataType::Float32 => Native::F32,
        DataType::Float64 => Native::F64,
        other => match crate::column::integers::integer_width(other) {
            Some(1) => Native::I8,
            Some(2) => Native::I16,
            Some(4) => Native::I32,
            Some(8) => Native::I64,
            Some(16) => Native::I128,
            _ => return Err(Error::internal(format!("least or greatest {other} kept in a record"))),
        },
    })
}
