//! What the engine says, as clients are told it.

use nyala_catalog::Outcome;
use nyala_schema::client::{NAMES_MAX, Names, SessionState, Setting, StatementOutcome, TransactionState};
use nyala_schema::option::{OPTIONS, Options};

use crate::session::Session;
use crate::work::TRAVEL_OPTIONS;

pub fn outcome(outcome: Outcome) -> StatementOutcome {
    match outcome {
        Outcome::Done { version } => StatementOutcome::Done { catalog_version: version },
        Outcome::Refused(error) => StatementOutcome::Refused(error),
        Outcome::Never => StatementOutcome::Never,
    }
}

impl From<crate::session::Names> for Names {
    fn from(names: crate::session::Names) -> Self {
        let crate::session::Names { tables, columns, functions, keywords } = names;
        Self { tables, columns, functions, keywords }
    }
}

impl From<crate::TransactionState> for TransactionState {
    fn from(state: crate::TransactionState) -> Self {
        match state {
            crate::TransactionState::None => Self::None,
            crate::TransactionState::Open => Self::Open,
            crate::TransactionState::Failed => Self::Failed,
        }
    }
}

/// As many of a kind as fit into an answer.
pub fn names(session: &Session) -> Names {
    let mut names = Names::from(session.names());
    for list in [&mut names.tables, &mut names.functions, &mut names.keywords] {
        list.truncate(NAMES_MAX);
    }
    names.columns.truncate(NAMES_MAX);
    names
}

pub fn state(session: &Session) -> SessionState {
    SessionState {
        transaction: session.transaction_state().into(),
        has_changes: session.has_changes(),
        schema: session.schema(),
        catalog_version: session.last_version(),
        settings: changed(session.options(), &session.engine.defaults, &travel(session)),
    }
}

/// All options, and the point in history that the session looks at.
pub fn settings(session: &Session) -> Vec<Setting> {
    let options = OPTIONS.iter().map(|info| setting(info.name, session.options().get(info.name)));
    options.chain(travel(session)).collect()
}

fn travel(session: &Session) -> Vec<Setting> {
    const NEWEST: &str = "newest";
    let options = TRAVEL_OPTIONS.iter().map(|(name, _)| (name, session.travels_to(name)));
    let set = options.filter(|(_, value)| value != NEWEST);
    set.map(|(name, value)| Setting { name: (*name).to_owned(), value }).collect()
}

/// What another node has to be told so that a session goes on there as it is here.
fn changed(options: &Options, defaults: &Options, travel: &[Setting]) -> Vec<Setting> {
    let options = OPTIONS.iter().filter_map(|info| {
        let (value, default) = (options.get(info.name), defaults.get(info.name));
        (value.as_ref().ok() != default.as_ref().ok()).then(|| setting(info.name, value))
    });
    options.chain(travel.iter().cloned()).collect()
}

fn setting(name: &str, value: nyala_schema::Result<String>) -> Setting {
    Setting { name: name.to_owned(), value: value.unwrap_or_default() }
}
