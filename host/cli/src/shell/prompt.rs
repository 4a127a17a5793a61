//! What stands before the cursor.

use std::borrow::Cow;

use nyala_schema::client::TransactionState;
use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus};
use unicode_width::UnicodeWidthStr;

/// As `nyala> `, or `nyala@n1> ` on node n1 of a cluster; with a star while a transaction is open, with an exclamation mark when that can only be rolled back.
pub struct ShellPrompt {
    pub transaction: TransactionState,
    /// That has the session.
    pub node: Option<String>,
}

const NAME: &str = "nyala";

impl Prompt for ShellPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        match &self.node {
            Some(node) => format!("{NAME}@{node}").into(),
            None => NAME.into(),
        }
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        match self.transaction {
            TransactionState::None => "> ",
            TransactionState::Open => "*> ",
            TransactionState::Failed => "!> ",
        }
        .into()
    }

    /// As wide as the prompt itself, so that lines stand below each other.
    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        let left =
            self.render_prompt_left().width() + self.render_prompt_indicator(PromptEditMode::Default).width();
        format!("{:>left$}", "-> ").into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing ",
        };
        format!("({found}found for '{}') ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stand_below_each_other() {
        for (transaction, node) in [
            (TransactionState::None, None),
            (TransactionState::Open, Some("n1".to_owned())),
            (TransactionState::Failed, Some("straße-2".to_owned())),
        ] {
            let prompt = ShellPrompt { transaction, node };
            let first = prompt.render_prompt_left().width()
                + prompt.render_prompt_indicator(PromptEditMode::Default).width();
            assert_eq!(prompt.render_prompt_multiline_indicator().width(), first);
        }
    }
}
