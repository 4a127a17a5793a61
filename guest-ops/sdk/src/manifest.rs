//! The `CREATE` statements of a module, put together while it is compiled.

use crate::sql_type::SqlType;

/// An argument or column as a statement declares it.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// As the author wrote it.
    pub name: &'static str,
    /// In SQL.
    pub sql_type: SqlType,
    /// It may be NULL without making the result NULL.
    pub nullable: bool,
    /// It may be left out: the function is declared with and without it.
    pub extra: bool,
}

/// Bytes that one macro can write.
const CAPACITY: usize = 4096;

/// Text that grows at compile time.
#[derive(Clone, Copy)]
pub struct Statement {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Statement {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { bytes: [0; CAPACITY], length: 0 }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// All bytes; `N` is their number.
    pub const fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        let mut place = 0;
        while place < N {
            out[place] = self.bytes[place];
            place += 1;
        }
        out
    }

    /// Adds text.
    pub const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut place = 0;
        while place < bytes.len() {
            self.bytes[self.length] = bytes[place];
            self.length += 1;
            place += 1;
        }
        self
    }

    const fn number(self, number: u8) -> Self {
        let mut out = self;
        if number >= 10 {
            out = out.number(number / 10);
        }
        out.bytes[out.length] = b'0' + number % 10;
        out.length += 1;
        out
    }

    const fn sql_type(self, sql_type: SqlType) -> Self {
        let mut out = self.text(sql_type.name);
        if let Some((precision, scale)) = sql_type.digits {
            out = out.text("(").number(precision).text(", ").number(scale).text(")");
        }
        if sql_type.is_list {
            out = out.text("[]");
        }
        out
    }

    const fn declared(self, declared: &[Declared], count: usize) -> Self {
        let mut out = self.text(" (");
        let mut place = 0;
        while place < count {
            if place > 0 {
                out = out.text(", ");
            }
            out = out.text(declared[place].name).text(" ").sql_type(declared[place].sql_type);
            place += 1;
        }
        out.text(")")
    }

    const fn strictness(self, arguments: &[Declared], count: usize) -> Self {
        let mut place = 0;
        while place < count {
            if arguments[place].nullable {
                return self.text(" CALLED ON NULL INPUT");
            }
            place += 1;
        }
        self.text(" STRICT")
    }

    /// Functions are IMMUTABLE unless they say something else.
    const fn volatility(self, options: &str) -> Self {
        if contains(options, "STABLE") || contains(options, "VOLATILE") || contains(options, "IMMUTABLE") {
            self
        } else {
            self.text(" IMMUTABLE")
        }
    }

    const fn options(self, options: &str) -> Self {
        if options.is_empty() {
            self.text(";\n")
        } else {
            self.text(" ").text(options).text(";\n")
        }
    }

    /// `CREATE kind name (arguments) RETURNS type …;` for each number of arguments that a call may have. `kind` is
    /// `FUNCTION` or `AGGREGATE FUNCTION`.
    pub const fn function(
        self,
        kind: &str,
        name: &str,
        arguments: &[Declared],
        returns: SqlType,
        options: &str,
    ) -> Self {
        let mut out = self;
        let mut count = required(arguments);
        while count <= arguments.len() {
            out = out.text("CREATE ").text(kind).text(" ").text(name).declared(arguments, count);
            out = out.text(" RETURNS ").sql_type(returns).volatility(options);
            out = out.strictness(arguments, count).options(options);
            count += 1;
        }
        out
    }

    /// `CREATE TABLE FUNCTION name (arguments) RETURNS TABLE (columns) …;` for each number of arguments.
    pub const fn table_function(
        self,
        name: &str,
        arguments: &[Declared],
        columns: &[Declared],
        options: &str,
    ) -> Self {
        let mut out = self;
        let mut count = required(arguments);
        while count <= arguments.len() {
            out = out.text("CREATE TABLE FUNCTION ").text(name).declared(arguments, count);
            out = out.text(" RETURNS TABLE").declared(columns, columns.len());
            out = out.volatility(options).strictness(arguments, count).options(options);
            count += 1;
        }
        out
    }

    /// `CREATE OPERATOR name …;`
    pub const fn operator(self, name: &str, declaration: &str) -> Self {
        self.text("CREATE OPERATOR ").text(name).text(" ").text(declaration).text(";\n")
    }
}

impl Default for Statement {
    fn default() -> Self {
        Self::new()
    }
}

const fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let mut begin = 0;
    while begin + word.len() <= text.len() {
        let mut same = 0;
        while same < word.len() && text[begin + same] == word[same] {
            same += 1;
        }
        if same == word.len() {
            return true;
        }
        begin += 1;
    }
    false
}

/// How many arguments every call has: those before the first that may be left out.
const fn required(arguments: &[Declared]) -> usize {
    let mut count = 0;
    while count < arguments.len() && !arguments[count].extra {
        count += 1;
    }
    count
}

/// Writes a statement into the section `nyala.manifest`.
#[doc(hidden)]
#[macro_export]
macro_rules! manifest {
    ($statement:expr) => {
        const STATEMENT: $crate::manifest::Statement = $statement;
        const LENGTH: usize = STATEMENT.len();
        #[used]
        #[cfg_attr(target_arch = "wasm32", link_section = "nyala.manifest")]
        static MANIFEST: [u8; LENGTH] = STATEMENT.bytes::<LENGTH>();
    };
}

#[cfg(test)]
mod tests {
    use super::{Declared, Statement};
    use crate::sql_type::SqlType;

    fn text(statement: &Statement) -> &str {
        std::str::from_utf8(&statement.bytes[..statement.length]).unwrap()
    }

    const fn declared(name: &'static str, sql_type: SqlType) -> Declared {
        Declared { name, sql_type, nullable: false, extra: false }
    }

    #[test]
    fn a_function_is_declared_with_and_without_what_may_be_left_out() {
        const VALUE: Declared = declared("value", SqlType::decimal(18, 2));
        const DIGITS: Declared =
            Declared { extra: true, ..declared("digits", SqlType::plain("BIGINT").list()) };
        const MADE: Statement =
            Statement::new().function("FUNCTION", "f", &[VALUE, DIGITS], SqlType::plain("TEXT"), "COST 50");
        assert_eq!(
            text(&MADE),
            "CREATE FUNCTION f (value DECIMAL(18, 2)) RETURNS TEXT IMMUTABLE STRICT COST 50;\n\
             CREATE FUNCTION f (value DECIMAL(18, 2), digits BIGINT[]) RETURNS TEXT IMMUTABLE STRICT COST 50;\n"
        );
    }

    #[test]
    fn an_argument_that_may_be_null_makes_it_called_on_null() {
        let value = Declared { nullable: true, ..declared("value", SqlType::plain("TEXT")) };
        let columns = [declared("word", SqlType::plain("TEXT"))];
        let made = Statement::new().table_function("words", &[value], &columns, "ROWS 8");
        assert_eq!(
            text(&made),
            "CREATE TABLE FUNCTION words (value TEXT) RETURNS TABLE (word TEXT) IMMUTABLE CALLED ON NULL INPUT ROWS 8;\n"
        );
    }
}
