//! What Tab offers: commands, names that the statement can use, files inside quotes.

use std::path::Path;

use nyala_schema::client::Names;
use nyala_schema::option::OPTIONS;
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::command::{self, COMMANDS, Completes};
use super::keywords::{KEYWORDS, is_keyword};
use super::lexer::{Token, TokenKind, is_word, tokens};
use crate::client::Client;
use crate::settings::SETTINGS;

/// More than this is no help.
const SUGGESTIONS_MAX: usize = 200;

/// Words after which a table is named.
const TABLE_PLACES: &[&str] = &["FROM", "JOIN", "INTO", "TABLE", "VIEW", "DESCRIBE", "DESC", "UPDATE"];

pub struct SqlCompleter {
    client: Client,
}

impl SqlCompleter {
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Completer for SqlCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let found = offers(line, pos, &self.client.names());
        let span = Span::new(found.start, pos);
        let suggestions: Vec<Suggestion> = found
            .offers
            .into_iter()
            .take(SUGGESTIONS_MAX)
            .map(|offer| Suggestion {
                value: offer.text,
                description: offer.description,
                append_whitespace: offer.is_finished,
                span,
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// What can stand from byte `start` to the cursor.
#[derive(Debug, PartialEq)]
struct Offers {
    start: usize,
    offers: Vec<Offer>,
}

#[derive(Debug, PartialEq)]
struct Offer {
    text: String,
    description: Option<String>,
    /// Whether a blank follows.
    is_finished: bool,
}

impl Offer {
    fn word(text: impl Into<String>) -> Self {
        Self { text: text.into(), description: None, is_finished: true }
    }

    fn open(text: impl Into<String>) -> Self {
        Self { is_finished: false, ..Self::word(text) }
    }
}

fn offers(line: &str, pos: usize, names: &Names) -> Offers {
    let before = line.get(..pos).unwrap_or(line);
    if before.trim_start().starts_with('\\') {
        return command_offers(before, names);
    }
    let tokens_before = tokens(before);
    if let Some(last) = tokens_before.last() {
        let opened = last.kind == TokenKind::Text && last.text.starts_with('\'');
        if opened && (last.text.len() == 1 || !last.text.ends_with('\'')) {
            let typed = &last.text[1..];
            return Offers { start: last.start + 1, offers: file_offers(typed) };
        }
        if matches!(last.kind, TokenKind::Comment | TokenKind::Text) {
            return Offers { start: pos, offers: vec![] };
        }
    }
    sql_offers(line, before, &tokens_before, names)
}

fn command_offers(before: &str, names: &Names) -> Offers {
    let indent = before.len() - before.trim_start().len();
    let Some(blank) = before.trim_start().find(char::is_whitespace) else {
        let typed = before.trim_start();
        let offers = COMMANDS.iter().filter(|command| command.name.starts_with(typed)).map(|command| Offer {
            text: command.name.to_owned(),
            description: Some(command.description.to_owned()),
            is_finished: !command.arguments.is_empty(),
        });
        return Offers { start: indent, offers: offers.collect() };
    };
    let (name, _) = command::parts(before);
    let argument = before[indent + blank..].trim_start();
    // The last word: `\pset format c` completes `c`.
    let word = argument.rsplit([' ', '=']).next().unwrap_or("");
    let start = before.len() - word.len();
    let is_first = word.len() == argument.len();
    let completes = command::find(name).map_or(Completes::Nothing, |command| command.completes);
    let candidates: Vec<Offer> = match completes {
        Completes::Nothing => vec![],
        Completes::Files => return Offers { start, offers: file_offers(word) },
        Completes::Tables => names.tables.iter().map(Offer::word).collect(),
        Completes::Functions => names.functions.iter().map(Offer::word).collect(),
        Completes::Options if is_first => OPTIONS.iter().map(|info| Offer::word(info.name)).collect(),
        Completes::Settings if is_first => SETTINGS.iter().map(|info| Offer::word(info.name)).collect(),
        Completes::Settings if argument.starts_with("format") => formats(),
        Completes::Options | Completes::Settings | Completes::Switch => {
            vec![Offer::word("on"), Offer::word("off")]
        }
    };
    let offers = candidates.into_iter().filter(|offer| starts_with(&offer.text, word)).collect();
    Offers { start, offers }
}

fn formats() -> Vec<Offer> {
    use clap::ValueEnum;
    crate::output::Format::value_variants().iter().map(|format| Offer::word(format.name())).collect()
}

fn sql_offers(line: &str, before: &str, tokens_before: &[Token<'_>], names: &Names) -> Offers {
    let start = before
        .rfind(|c| !is_word(c))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let mut earlier =
        tokens_before.iter().rev().filter(|token| token.end() <= start && token.kind != TokenKind::Space);
    let previous = earlier.next();
    if previous.is_some_and(|token| token.text == "." && token.end() == start) {
        let owner = earlier.next().map_or("", |token| token.text.trim_matches('"'));
        return Offers { start, offers: column_offers(&table_of(line, owner, names), word, names) };
    }
    let in_table_place =
        previous.is_some_and(|token| TABLE_PLACES.iter().any(|place| token.text.eq_ignore_ascii_case(place)));
    let tables = names
        .tables
        .iter()
        .filter(|table| starts_with(table, word))
        .map(|table| Offer::word(name_text(table)));
    if in_table_place {
        return Offers { start, offers: tables.collect() };
    }
    let mut offers = vec![];
    for (table, _) in mentioned(line, names) {
        offers.extend(column_offers(&table, word, names));
    }
    // With nothing typed, all functions and keywords would only hide the columns.
    if !word.is_empty() {
        let keywords = KEYWORDS.iter().filter(|keyword| starts_with(keyword, word));
        offers.extend(keywords.map(|keyword| Offer::word(cased_like(keyword, word))));
        offers.extend(matching(&names.keywords, word).map(Offer::word));
        offers.extend(matching(&names.functions, word).map(|function| Offer::open(format!("{function}("))));
        offers.extend(tables);
    } else if offers.is_empty() {
        offers.extend(tables);
    }
    remove_repeats(&mut offers);
    Offers { start, offers }
}

fn matching<'a>(names: &'a [String], word: &'a str) -> impl Iterator<Item = &'a String> {
    names.iter().filter(move |name| starts_with(name, word))
}

fn starts_with(name: &str, typed: &str) -> bool {
    name.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed))
}

fn remove_repeats(offers: &mut Vec<Offer>) {
    let mut seen = std::collections::HashSet::new();
    offers.retain(|offer| seen.insert(offer.text.clone()));
}

fn column_offers(table: &str, word: &str, names: &Names) -> Vec<Offer> {
    let columns = names.columns.iter().filter(|(owner, column)| owner == table && starts_with(column, word));
    columns
        .map(|(_, column)| Offer { description: Some(table.to_owned()), ..Offer::open(name_text(column)) })
        .collect()
}

/// A name as SQL has it: quoted unless it is plain.
fn name_text(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Keywords take the case in which the person types.
fn cased_like(keyword: &str, typed: &str) -> String {
    if typed.chars().any(char::is_lowercase) { keyword.to_lowercase() } else { keyword.to_uppercase() }
}

/// The tables that a statement names, each with its alias if it has one.
fn mentioned(line: &str, names: &Names) -> Vec<(String, Option<String>)> {
    let tokens: Vec<Token<'_>> = tokens(line)
        .into_iter()
        .filter(|token| !matches!(token.kind, TokenKind::Space | TokenKind::Comment))
        .collect();
    let is_name = |token: &&Token<'_>| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName);
    let mut found: Vec<(String, Option<String>)> = vec![];
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| is_name(token)) {
        let name = plain_name(token.text);
        if !names.tables.contains(&name) {
            continue;
        }
        let mut after = tokens[index + 1..].iter();
        let mut next = after.next();
        if next.is_some_and(|token| token.text.eq_ignore_ascii_case("AS")) {
            next = after.next();
        }
        let alias =
            next.filter(is_name).filter(|token| !is_keyword(token.text)).map(|token| plain_name(token.text));
        if !found.iter().any(|known| known.0 == name && known.1 == alias) {
            found.push((name, alias));
        }
    }
    found
}

/// The table that `owner` in `owner.column` means.
fn table_of(line: &str, owner: &str, names: &Names) -> String {
    let owner = plain_name(owner);
    let aliased = mentioned(line, names).into_iter().find(|(_, alias)| alias.as_ref() == Some(&owner));
    aliased.map_or(owner, |(table, _)| table)
}

fn plain_name(text: &str) -> String {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.trim_end_matches('"').replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}

/// Files and directories whose path starts with `typed`.
fn file_offers(typed: &str) -> Vec<Offer> {
    let (directory, prefix) = match typed.rfind('/') {
        Some(slash) => typed.split_at(slash + 1),
        None => ("", typed),
    };
    let searched = if directory.is_empty() { Path::new(".") } else { Path::new(directory) };
    let Ok(entries) = std::fs::read_dir(searched) else { return vec![] };
    let mut paths: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !prefix.starts_with('.');
            if hidden || !name.starts_with(prefix) {
                return None;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            Some(format!("{directory}{name}{slash}"))
        })
        .collect();
    paths.sort();
    paths.into_iter().map(Offer::open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let columns = |table: &str, text: &str| -> Vec<(String, String)> {
            words(text).into_iter().map(|column| (table.to_owned(), column)).collect()
        };
        let mut all = columns("orders", "o_orderkey o_total");
        all.extend(columns("customer", "c_custkey c_name"));
        Names {
            tables: words("orders customer Odd"),
            columns: all,
            functions: words("count concat"),
            keywords: words("memory_limit"),
        }
    }

    /// Offers at the `|`, and where they start.
    fn at(text: &str) -> (usize, Vec<String>) {
        let pos = text.find('|').unwrap();
        let found = offers(&text.replace('|', ""), pos, &names());
        (found.start, found.offers.into_iter().map(|offer| offer.text).collect())
    }

    #[test]
    fn commands() {
        assert_eq!(at("\\d|"), (0, ["\\d", "\\dt", "\\dv", "\\df"].map(String::from).to_vec()));
        assert_eq!(at("\\d cu|"), (3, vec!["customer".into()]));
        assert_eq!(at("\\df conc|"), (4, vec!["concat".into()]));
        assert_eq!(at("\\pset format mark|"), (13, vec!["markdown".into()]));
        assert_eq!(at("\\set run|"), (5, vec!["runtime_filters".into()]));
        assert_eq!(at("\\timing o|").1, ["on", "off"]);
    }

    #[test]
    fn tables_follow_from() {
        assert_eq!(at("select * from |").1, ["orders", "customer", "\"Odd\""]);
        assert_eq!(at("select * from CUST|"), (14, vec!["customer".into()]));
    }

    #[test]
    fn columns_are_those_of_the_tables_named_anywhere() {
        assert_eq!(at("select | from orders").1, ["o_orderkey", "o_total"]);
        assert_eq!(at("select o_t| from orders"), (7, vec!["o_total".into()]));
        assert_eq!(at("select c.| from customer as c where 1 = 1").1, ["c_custkey", "c_name"]);
        assert_eq!(at("select customer.c_n|").1, ["c_name"]);
    }

    #[test]
    fn keywords_keep_the_case_of_what_is_typed() {
        assert_eq!(at("sel|").1, ["select"]);
        assert_eq!(at("SEL|").1, ["SELECT"]);
        assert_eq!(at("select cou|").1, ["count("]);
    }

    #[test]
    fn nothing_inside_comments_and_files_inside_quotes() {
        assert_eq!(at("-- sel|").1, Vec::<String>::new());
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("trips.csv"), "").unwrap();
        let text = format!("select * from '{}/tr|", directory.path().display());
        let (start, offers) = at(&text);
        assert_eq!(start, "select * from '".len());
        assert_eq!(offers, [format!("{}/trips.csv", directory.path().display())]);
    }
}
