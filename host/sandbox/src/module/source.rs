//! WebAssembly's text form.

use nyala_schema::Result;

use super::invalid;

/// How the parser names text that came from no file.
const PLACE: &str = "<anon>:";

/// The module that `source`, in WAT, stands for.
///
/// # Errors
/// `InvalidModule` with line and column, counted from 1.
pub fn to_wasm(source: &str) -> Result<Vec<u8>> {
    wat::parse_str(source).map_err(|error| {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim();
        let error = match position(&text) {
            Some((line, column)) => invalid(format!("WAT, line {line}, column {column}: {what}")),
            None => invalid(format!("WAT: {what}")),
        };
        error.with_hint(
            "the text of a module is `(module …)`, as in https://webassembly.github.io/spec/core/text/",
        )
    })
}

fn position(text: &str) -> Option<(u32, u32)> {
    let place = &text[text.find(PLACE)? + PLACE.len()..];
    let (line, rest) = place.split_once(':')?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, column.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::to_wasm;

    #[test]
    fn an_error_in_the_text_says_where() {
        assert_eq!(to_wasm("(module)").unwrap()[..4], *b"\0asm");
        let error = to_wasm("(module\n  (func (export \"f\") (result i32)\n    i32.cnst 1))").unwrap_err();
        assert!(error.message().starts_with("WAT, line 3, column 5: "), "{error}");
    }
}
