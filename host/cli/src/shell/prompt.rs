//! What stands before the cursor.

use std::borrow::Cow;

use nyala_node::TransactionState;
use reedline::{Prompt, PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus};

/// As `nyala> `; with a star while a transaction is open, with an exclamation mark when that can only be rolled back.
pub struct ShellPrompt {
    pub transaction: TransactionState,
}

impl Prompt for ShellPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "nyala".into()
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
        match self.transaction {
            TransactionState::None => "    -> ",
            TransactionState::Open | TransactionState::Failed => "     -> ",
        }
        .into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let found = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing ",
        };
        format!("({found}found for '{}') ", search.term).into()
    }
}
