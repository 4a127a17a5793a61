//! The line editor with all that helps at the keyboard.

use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, DefaultHinter, EditCommand, Emacs, KeyCode, KeyModifiers, MenuBuilder, Reedline,
    ReedlineEvent, ReedlineMenu, default_emacs_keybindings,
};

use super::complete::SqlCompleter;
use super::highlight::SqlHighlighter;
use super::history;
use super::validate::SqlValidator;
use crate::client::Client;
use crate::terminal;

const MENU: &str = "completion";

pub fn editor(client: &Client) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete =
        ReedlineEvent::UntilFound(vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let new_line = ReedlineEvent::Edit(vec![EditCommand::InsertNewline]);
    keys.add_binding(KeyModifiers::ALT, KeyCode::Enter, new_line);

    let menu = ColumnarMenu::default().with_name(MENU);
    let hint = Style::new().fg(Color::DarkGray);
    let editor = Reedline::create()
        .with_ansi_colors(terminal::colours_wanted())
        .with_validator(Box::new(SqlValidator))
        .with_highlighter(Box::new(SqlHighlighter))
        .with_completer(Box::new(SqlCompleter::new(client.clone())))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_hinter(Box::new(DefaultHinter::default().with_style(hint)))
        .with_partial_completions(true)
        .with_edit_mode(Box::new(Emacs::new(keys)));
    match history::open() {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(error) => {
            terminal::tell_faintly(&format!("(no history will be kept: {error})"));
            editor
        }
    }
}
