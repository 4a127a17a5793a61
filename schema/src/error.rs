//! The one error type that travels from where a thing goes wrong to the person who asked.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $state:literal;)*) => {
        /// What went wrong, by SQLSTATE class.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// The five-character SQLSTATE that clients know.
            pub fn sqlstate(self) -> &'static str {
                match self { $(Self::$name => $state,)* }
            }

            /// The code of a SQLSTATE, if it is one of ours.
            pub fn from_sqlstate(state: &str) -> Option<Self> {
                match state { $($state => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The text is not SQL that we know.
    Syntax = "42601";
    UndefinedTable = "42P01";
    UndefinedColumn = "42703";
    UndefinedFunction = "42883";
    UndefinedObject = "42704";
    DuplicateFunction = "42723";
    DuplicateObject = "42710";
    AmbiguousFunction = "42725";
    /// A module that is no module, lacks what was said of it, or asks for what no guest gets.
    InvalidModule = "42P13";
    /// User code that trapped, failed, or gave what is no result.
    GuestFailed = "38000";
    /// User code that used more time or memory than it may.
    GuestLimit = "38001";
    /// User code that failed so often that it is not called any more.
    Quarantined = "55000";
    DuplicateTable = "42P07";
    DuplicateColumn = "42701";
    AmbiguousColumn = "42702";
    /// Operands or arguments of types that do not go together.
    DatatypeMismatch = "42804";
    /// GROUP BY and aggregate misuse.
    Grouping = "42803";
    /// A value or option that is not allowed here.
    InvalidParameter = "22023";
    NumericOverflow = "22003";
    DivisionByZero = "22012";
    /// Text that cannot be read as the wanted type.
    InvalidText = "22P02";
    InvalidDatetime = "22007";
    /// A scalar subquery that gave more than one row.
    Cardinality = "21000";
    /// Correct SQL that Nyala does not run yet.
    Unsupported = "0A000";
    /// A file that is missing or cannot be read.
    FileAccess = "58030";
    /// A file whose contents are damaged or not of the format.
    CorruptFile = "XX001";
    OutOfMemory = "53200";
    TooComplex = "54001";
    Cancelled = "57014";
    Dependency = "2BP01";
    /// A damaged or locked data directory.
    Store = "58000";
    Connection = "08006";
    /// The answer to a commit was lost: it may or may not have been done.
    CommitUnknown = "08007";
    /// A commit in between changed what this one builds on: run the statement, or the transaction, again.
    SerializationFailure = "40001";
    NotNullViolation = "23502";
    CheckViolation = "23514";
    DuplicateSchema = "42P06";
    UndefinedSchema = "3F000";
    /// A version or time that is not kept any more, or not there yet.
    UndefinedVersion = "72000";
    ActiveTransaction = "25001";
    NoActiveTransaction = "25P01";
    /// A statement of the transaction failed; only ROLLBACK goes on.
    FailedTransaction = "25P02";
    /// A warehouse or folder that cannot be written.
    ReadOnly = "25006";
    DiskFull = "53100";
    /// Our own mistake.
    Internal = "XX000";
}

/// A place in the SQL text, counted from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// An error with all that is known of it. Boxed so that `Result` stays small.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Details {
    code: ErrorCode,
    message: String,
    position: Option<Position>,
    hint: Option<String>,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details { code, message: message.into(), position: None, hint: None }))
    }

    /// A mistake of ours: the user can do nothing but report it.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unsupported, message)
    }

    pub fn cancelled() -> Self {
        Self::new(ErrorCode::Cancelled, "the query was cancelled")
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.0.position = Some(position);
        self
    }

    /// Puts `context` and a colon before the message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same statement may succeed when it is simply run again.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.code, ErrorCode::Connection | ErrorCode::SerializationFailure)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({}): {}", self.0.code, self.0.code.sqlstate(), self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<arrow::error::ArrowError> for Error {
    /// Arrow's kernels report overflow, division by zero and bad text by variant: kept apart here.
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as A;
        match error {
            A::DivideByZero => Error::new(ErrorCode::DivisionByZero, "division by zero"),
            A::ArithmeticOverflow(message) => Error::new(ErrorCode::NumericOverflow, message),
            A::CastError(message) | A::ParseError(message) => {
                let does_not_fit = ["overflow", "too large", "an't cast value"];
                let code = if does_not_fit.iter().any(|words| message.contains(words)) {
                    ErrorCode::NumericOverflow
                } else {
                    ErrorCode::InvalidText
                };
                Error::new(code, message)
            }
            A::InvalidArgumentError(message)
                if message.contains("verflow") || message.contains("too large to store") =>
            {
                Error::new(ErrorCode::NumericOverflow, message)
            }
            A::NotYetImplemented(message) => Error::unsupported(message),
            A::ExternalError(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(other) => Error::internal(other.to_string()),
            },
            other => Error::internal(other.to_string()),
        }
    }
}
