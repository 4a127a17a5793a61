//! `json_path(document TEXT, path TEXT) -> TABLE (position BIGINT, value TEXT)`: what a JSONPath finds, a row each.
//!
//! Of RFC 9535: `$`, `.name`, `['name']`, `[n]` (negative from the end), `[*]`, `.*`, and each of them behind `..`, which looks at all
//! depths. Not filters, slices and unions. Strings come without quotes, null as NULL, all else as JSON.

use std::cell::RefCell;

use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Name(String),
    Index(i64),
    All,
    /// The step at hand is taken at every depth.
    Descend(Box<Step>),
}

thread_local! {
    /// The path of the last row, which mostly is that of the next row too.
    static LAST: RefCell<(String, Vec<Step>)> = const { RefCell::new((String::new(), Vec::new())) };
}

nyala_sdk::table_function! {
    /// What a JSONPath finds in a document, numbered from 1.
    (ROWS 2 COST 500)
    pub fn json_path(document: &str, path: &str; rows) -> (position: i64, value: String) {
        let parsed = match serde_json::from_str::<Value>(document) {
            Ok(parsed) => parsed,
            Err(reason) => return rows.fail(format!("not JSON: {}", reason)),
        };
        LAST.with(|last| {
            let mut last = last.borrow_mut();
            if last.0 != path {
                match parse(path) {
                    Ok(steps) => *last = (path.to_owned(), steps),
                    Err(reason) => return rows.fail(format!("not a path: {} in {:?}", reason, path)),
                }
            }
            let mut position = 0i64;
            find(&parsed, &last.1, &mut |found| {
                position += 1;
                match found {
                    Value::Null => rows.push((position, None::<&str>)),
                    Value::String(text) => rows.push((position, Some(text.as_str()))),
                    other => rows.push((position, Some(other.to_string()))),
                }
            });
        });
    }
}

/// Calls `visit` with all that the steps lead to, in the order of the document.
fn find(at: &Value, steps: &[Step], visit: &mut dyn FnMut(&Value)) {
    let (step, rest) = match steps.split_first() {
        Some(split) => split,
        None => return visit(at),
    };
    match (step, at) {
        (Step::Name(name), Value::Object(members)) => {
            if let Some(member) = members.get(name) {
                find(member, rest, visit);
            }
        }
        (Step::Index(index), Value::Array(elements)) => {
            let from_end = if *index < 0 { elements.len() as i64 } else { 0 };
            let place = usize::try_from(index + from_end).ok();
            if let Some(element) = place.and_then(|place| elements.get(place)) {
                find(element, rest, visit);
            }
        }
        (Step::All, _) => children(at).for_each(|child| find(child, rest, visit)),
        (Step::Descend(inner), _) => descend(at, inner, rest, visit),
        (Step::Name(_) | Step::Index(_), _) => {}
    }
}

fn descend(at: &Value, step: &Step, rest: &[Step], visit: &mut dyn FnMut(&Value)) {
    let mut steps = vec![step.clone()];
    steps.extend_from_slice(rest);
    find(at, &steps, visit);
    children(at).for_each(|child| descend(child, step, rest, visit));
}

fn children(at: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match at {
        Value::Array(elements) => Box::new(elements.iter()),
        Value::Object(members) => Box::new(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut rest = path.trim().strip_prefix('$').ok_or("no $ at the beginning")?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = if let Some(behind) = rest.strip_prefix("..") {
            let (step, behind) = if behind.starts_with('[') { bracket(behind)? } else { name(behind)? };
            (Step::Descend(Box::new(step)), behind)
        } else if let Some(behind) = rest.strip_prefix('.') {
            name(behind)?
        } else {
            bracket(rest)?
        };
        steps.push(step);
        rest = behind;
    }
    Ok(steps)
}

/// `name` or `*`, and what is behind it.
fn name(text: &str) -> Result<(Step, &str), String> {
    if let Some(behind) = text.strip_prefix('*') {
        return Ok((Step::All, behind));
    }
    let is_part = |character: char| character.is_alphanumeric() || character == '_' || character == '-';
    let end = text.find(|character| !is_part(character)).unwrap_or(text.len());
    if end == 0 {
        return Err("no name behind a dot".to_owned());
    }
    Ok((Step::Name(text[..end].to_owned()), &text[end..]))
}

/// `['name']`, `["name"]`, `[n]` or `[*]`, and what is behind it.
fn bracket(text: &str) -> Result<(Step, &str), String> {
    let inner = text
        .strip_prefix('[')
        .ok_or_else(|| format!("neither a dot nor a bracket at {:?}", text))?
        .trim_start();
    if let Some(quote) = inner.chars().next().filter(|first| matches!(first, '\'' | '"')) {
        let (quoted, behind) = quoted(&inner[1..], quote)?;
        let behind = behind.trim_start().strip_prefix(']').ok_or("no ] behind a name")?;
        return Ok((Step::Name(quoted), behind));
    }
    let (inner, behind) = inner.split_once(']').ok_or("no ] behind a [")?;
    let step = match inner.trim() {
        "*" => Step::All,
        number => Step::Index(
            number.parse().map_err(|_| format!("{:?} is neither a number, * nor a quoted name", number))?,
        ),
    };
    Ok((step, behind))
}

/// Text up to the quote; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        if character == quote {
            return Ok((out, &text[place + 1..]));
        }
        let taken = if character == '\\' { characters.next().map(|(_, next)| next) } else { Some(character) };
        out.extend(taken);
    }
    Err("a name that is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{find, json_path, parse};
    use nyala_sdk::Rows;

    const STORE: &str = r#"{"store": {"book": [{"title": "A", "price": 8}, {"title": "B b", "price": 9.50}],
        "bike": {"price": null, "it's": true}}}"#;

    fn found(path: &str) -> Vec<String> {
        let document = serde_json::from_str(STORE).unwrap();
        let mut all = Vec::new();
        find(&document, &parse(path).unwrap(), &mut |value| all.push(value.to_string()));
        all
    }

    #[test]
    fn paths_lead_to_values_in_the_documents_order() {
        assert_eq!(found("$.store.book[0].title"), ["\"A\""]);
        assert_eq!(found("$.store.book[-1]['title']"), ["\"B b\""]);
        assert_eq!(found("$..price"), ["8", "9.5", "null"]);
        assert_eq!(found("$.store.book[*].price"), ["8", "9.5"]);
        assert_eq!(found("$.store.*").len(), 2);
        assert_eq!(found("$..[1]").len(), 1);
        assert_eq!(found(r#"$["store"].bike['it\'s']"#), ["true"]);
        assert_eq!(found("$.nothing.here"), [""; 0]);
        assert_eq!(found("$..*").len(), 11);
    }

    #[test]
    fn rows_are_pushed_and_reasons_given() {
        let mut rows = Rows::default();
        json_path(STORE, "$..price", &mut rows);
        assert_eq!((rows.len(), rows.failure()), (3, None));
        json_path("{", "$", &mut rows);
        assert!(rows.failure().unwrap().starts_with("not JSON"));
        for path in ["", "store", "$.", "$[", "$['a]", "$[1", "$[a]", "$x"] {
            json_path("{}", path, &mut rows);
            assert!(rows.failure().unwrap().starts_with("not a path"), "{}", path);
        }
    }
}
