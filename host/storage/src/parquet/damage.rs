//! What is wrong with the bytes of a page, before anyone has said of which file.

use std::borrow::Cow;
use std::fmt;

use nyala_schema::{Error, ErrorCode};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage(pub Cow<'static, str>);

pub type Checked<T> = Result<T, Damage>;

impl From<&'static str> for Damage {
    fn from(message: &'static str) -> Self {
        Self(Cow::Borrowed(message))
    }
}

impl From<String> for Damage {
    fn from(message: String) -> Self {
        Self(Cow::Owned(message))
    }
}

/// Where a column chunk lies, for errors.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: String,
    pub row_group: usize,
    pub column: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}', row group {}, column '{}'", self.path, self.row_group, self.column)
    }
}

impl Place {
    pub fn error(&self, damage: &Damage) -> Error {
        Error::new(ErrorCode::CorruptFile, format!("{self}: {}", damage.0))
    }
}
