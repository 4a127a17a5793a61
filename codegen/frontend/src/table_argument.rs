//! `TABLE t PARTITION BY a ORDER BY b` among the arguments of an operator, which sqlparser does not know.
//!
//! It is read into a call of a function that has no name that could be written: the rows are its arguments as a query, the
//! partitioning its parameters, the order its WITHIN GROUP. So it passes through all that walks syntax trees.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    OrderByExpr, Query,
};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// What stands for TABLE; a blank in front cannot be guessed by accident.
pub(crate) const TABLE_ARGUMENT: &str = " table argument";

/// The parts of a table argument.
#[derive(Debug, Clone)]
pub(crate) struct TableArgument {
    pub(crate) query: Box<Query>,
    pub(crate) partition_by: Vec<Expr>,
    pub(crate) order_by: Vec<OrderByExpr>,
}

/// Reads a table argument if one comes next: TABLE, first in an argument, before a name or a query in parentheses.
pub(crate) fn parse_table_argument(
    dialect: &dyn Dialect,
    parser: &mut Parser,
) -> Option<Result<Expr, ParserError>> {
    if !begins_here(parser) || !is_word(parser.peek_nth_token_ref(0), Keyword::TABLE) {
        return None;
    }
    let names_table = match &parser.peek_nth_token_ref(1).token {
        Token::Word(word) => {
            word.quote_style.is_some() || word.keyword == Keyword::NoKeyword || !ends(word.keyword)
        }
        Token::SingleQuotedString(_) => true,
        Token::LParen => match &parser.peek_nth_token_ref(2).token {
            Token::Word(word) => {
                matches!(word.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES | Keyword::FROM)
            }
            _ => false,
        },
        _ => false,
    };
    names_table.then(|| table_argument(dialect, parser))
}

/// Whether the last token but white space begins an argument.
fn begins_here(parser: &Parser) -> bool {
    let before = (0..=parser.get_current_index()).rev().map(|index| &parser.token_at(index).token);
    let last = before.into_iter().find(|token| !matches!(token, Token::Whitespace(_)));
    matches!(last, Some(Token::LParen | Token::Comma | Token::RArrow))
}

/// Words that cannot begin a table's name: TABLE was a column then.
fn ends(keyword: Keyword) -> bool {
    sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS.contains(&keyword)
        || matches!(
            keyword,
            Keyword::AS | Keyword::AND | Keyword::OR | Keyword::IS | Keyword::IN | Keyword::NOT
        )
        || matches!(keyword, Keyword::LIKE | Keyword::ILIKE | Keyword::BETWEEN | Keyword::ASC | Keyword::DESC)
}

fn is_word(token: &TokenWithSpan, keyword: Keyword) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.keyword == keyword)
}

fn table_argument(dialect: &dyn Dialect, parser: &mut Parser) -> Result<Expr, ParserError> {
    let start = parser.next_token();
    let query = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        query
    } else {
        let mut tokens: Vec<TokenWithSpan> = vec![];
        for token in [Token::make_keyword("SELECT"), Token::Mul, Token::make_keyword("FROM")] {
            tokens.push(TokenWithSpan { token, span: start.span });
        }
        tokens.push(parser.next_token());
        while parser.peek_token_ref().token == Token::Period {
            tokens.push(parser.next_token());
            tokens.push(parser.next_token());
        }
        Parser::new(dialect).with_tokens_with_locations(tokens).parse_query()?
    };
    let mut partition_by = vec![];
    let mut order_by = vec![];
    loop {
        if partition_by.is_empty() && parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
            partition_by = keys(parser, |parser| parser.parse_expr())?;
        } else if order_by.is_empty() && parser.parse_keywords(&[Keyword::ORDER, Keyword::BY]) {
            order_by = keys(parser, |parser| parser.parse_order_by_expr())?;
        } else {
            break;
        }
    }
    let partition_by = partition_by.into_iter().map(|key| FunctionArg::Unnamed(FunctionArgExpr::Expr(key)));
    let parameters =
        FunctionArgumentList { duplicate_treatment: None, args: partition_by.collect(), clauses: vec![] };
    let mut name = Ident::with_quote('"', TABLE_ARGUMENT);
    name.span = start.span;
    Ok(Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::List(parameters),
        args: FunctionArguments::Subquery(query),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: order_by,
    }))
}

/// Keys up to the next argument: after a comma that is what is named, or another TABLE. Keys in parentheses end with them.
fn keys<T>(
    parser: &mut Parser,
    read: impl Fn(&mut Parser) -> Result<T, ParserError>,
) -> Result<Vec<T>, ParserError> {
    if in_parentheses(parser) {
        parser.expect_token(&Token::LParen)?;
        let keys = parser.parse_comma_separated(&read)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(keys);
    }
    let mut keys = vec![read(parser)?];
    while parser.peek_token_ref().token == Token::Comma && !begins_argument(parser) {
        parser.next_token();
        keys.push(read(parser)?);
    }
    Ok(keys)
}

/// Whether what stands in the parentheses that open here is all of the keys.
fn in_parentheses(parser: &Parser) -> bool {
    if parser.peek_token_ref().token != Token::LParen {
        return false;
    }
    let mut depth = 0usize;
    let mut ahead = 0;
    loop {
        match &parser.peek_nth_token_ref(ahead).token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            Token::EOF => return false,
            _ => {}
        }
        ahead += 1;
        if depth == 0 {
            let after = parser.peek_nth_token_ref(ahead);
            return matches!(after.token, Token::Comma | Token::RParen)
                || is_word(after, Keyword::ORDER)
                || is_word(after, Keyword::PARTITION);
        }
    }
}

fn begins_argument(parser: &Parser) -> bool {
    let first = parser.peek_nth_token_ref(1);
    let is_named =
        matches!(first.token, Token::Word(_)) && parser.peek_nth_token_ref(2).token == Token::RArrow;
    is_named || is_word(first, Keyword::TABLE)
}

pub(crate) fn is_table_argument(argument: &FunctionArg) -> bool {
    expr_of(argument).is_some_and(|(_, expr)| is_table(expr))
}

/// An argument's name, if it has one, and its value.
pub(crate) fn expr_of(argument: &FunctionArg) -> Option<(Option<&Ident>, &Expr)> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some((None, expr)),
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => Some((Some(name), expr)),
        _ => None,
    }
}

fn is_table(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if function.name.0.first()
        .and_then(|part| part.as_ident()).is_some_and(|name| name.value == TABLE_ARGUMENT))
}

impl TableArgument {
    /// The parts of what stands for a table argument; `None` for anything else.
    pub(crate) fn of(expr: &Expr) -> Option<Self> {
        let Expr::Function(function) = expr else { return None };
        let (true, FunctionArguments::Subquery(query), FunctionArguments::List(parameters)) =
            (is_table(expr), &function.args, &function.parameters)
        else {
            return None;
        };
        let keys = parameters.args.iter().filter_map(|key| expr_of(key).map(|(_, key)| key.clone()));
        Some(Self {
            query: query.clone(),
            partition_by: keys.collect(),
            order_by: function.within_group.clone(),
        })
    }
}
