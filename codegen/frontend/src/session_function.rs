//! Functions without arguments that tell of the session or of the program. In a statement they are constants.

use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use nyala_schema::lookup::World;
use nyala_schema::table::CATALOG;
use sqlparser::ast::{Expr as SqlExpr, Function, FunctionArguments, ObjectName};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

const PROGRAM: &str = concat!("Nyala ", env!("CARGO_PKG_VERSION"));

/// Name, syntax, description.
pub(crate) const SESSION_FUNCTIONS: &[(&str, &str, &str)] = &[
    ("current_catalog", "current_catalog", "The name of the catalog; there is one."),
    ("current_database", "current_database()", "The name of the catalog; there is one."),
    ("current_schema", "current_schema", "Where names without a schema are looked up first."),
    ("current_user", "current_user", "Who the session is for."),
    ("session_user", "session_user", "Who the session is for."),
    ("version", "version()", "The program and its version."),
];

/// A function with its value.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SessionFunction {
    name: &'static str,
    value: String,
    signature: Signature,
}

impl SessionFunction {
    /// `None` when it is another function.
    pub(crate) fn named(name: &str, world: &dyn World) -> Option<ScalarUDF> {
        let (name, ..) = SESSION_FUNCTIONS.iter().find(|(known, ..)| *known == name)?;
        let value = match *name {
            "current_user" | "session_user" => world.current_user(),
            "current_schema" => world.current_schema(),
            "version" => PROGRAM,
            _ => CATALOG,
        };
        let signature = Signature::nullary(Volatility::Stable);
        Some(ScalarUDF::from(Self { name, value: value.to_owned(), signature }))
    }

    fn constant(&self) -> ScalarValue {
        ScalarValue::Utf8(Some(self.value.clone()))
    }
}

impl ScalarUDFImpl for SessionFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(self.constant(), None)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.constant()))
    }
}

/// Reads `current_schema` without parentheses, as sqlparser does the others that the standard has.
pub(crate) fn parse_current_schema(parser: &mut Parser) -> Option<Result<SqlExpr, ParserError>> {
    let token = parser.peek_token();
    let Token::Word(word) = &token.token else { return None };
    let goes_on = matches!(parser.peek_nth_token_ref(1).token, Token::LParen | Token::Period);
    if word.keyword != Keyword::CURRENT_SCHEMA || goes_on {
        return None;
    }
    parser.advance_token();
    Some(Ok(SqlExpr::Function(Function {
        name: ObjectName::from(vec![word.to_ident(token.span)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::None,
        null_treatment: None,
        filter: None,
        over: None,
        within_group: vec![],
    })))
}
