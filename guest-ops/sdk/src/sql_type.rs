//! SQL types, as they are written into a manifest.

/// The name of a SQL type. Made by the types that arguments and results have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlType {
    /// Without parameters.
    pub name: &'static str,
    /// Digits and digits after the point of a DECIMAL.
    pub digits: Option<(u8, u8)>,
    /// A list of these.
    pub is_list: bool,
}

impl SqlType {
    /// A type without parameters.
    pub const fn plain(name: &'static str) -> Self {
        Self { name, digits: None, is_list: false }
    }

    /// `DECIMAL(precision, scale)`.
    pub const fn decimal(precision: u8, scale: u8) -> Self {
        Self { name: "DECIMAL", digits: Some((precision, scale)), is_list: false }
    }

    /// A list of this type.
    pub const fn list(self) -> Self {
        Self { name: self.name, digits: self.digits, is_list: true }
    }
}
