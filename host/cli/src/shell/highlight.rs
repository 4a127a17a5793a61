//! Colours for what is being typed.

use nu_ansi_term::{Color, Style};
use reedline::{Highlighter, StyledText};

use super::keywords::is_keyword;
use super::lexer::{TokenKind, tokens};

pub struct SqlHighlighter;

impl Highlighter for SqlHighlighter {
    fn highlight(&self, line: &str, _cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for token in tokens(line) {
            let style = match token.kind {
                TokenKind::Word if is_keyword(token.text) => Style::new().fg(Color::Blue).bold(),
                kind => style(kind),
            };
            styled.push((style, token.text.to_owned()));
        }
        styled
    }
}

fn style(kind: TokenKind) -> Style {
    match kind {
        TokenKind::Text => Style::new().fg(Color::Green),
        TokenKind::Number => Style::new().fg(Color::Cyan),
        TokenKind::Comment => Style::new().fg(Color::DarkGray).italic(),
        TokenKind::ShellCommand => Style::new().fg(Color::Purple),
        TokenKind::Word | TokenKind::QuotedName | TokenKind::Space | TokenKind::Symbol => Style::new(),
    }
}
