//! What the engine says, as clients are told it.

use nyala_catalog::Outcome;
use nyala_schema::client::{
    FragmentProgress, NAMES_MAX, Names, SessionState, Setting, StatementOutcome, StatementProgress,
    StatementSummary, TransactionState,
};
use nyala_schema::option::{OPTIONS, Options};

use crate::answer::{Progress, Summary};
use crate::session::Session;
use crate::work::TRAVEL_OPTIONS;

pub fn progress(progress: Progress) -> StatementProgress {
    let fragments = progress.fragments.into_iter().map(|fragment| FragmentProgress {
        fragment: fragment.fragment,
        what: String::new(),
        instances: fragment.instances,
        instances_done: fragment.done,
        rows: fragment.rows,
        memory_bytes: fragment.memory_bytes,
        spilled_bytes: fragment.spilled_bytes,
        sent_bytes: fragment.bytes_sent,
    });
    StatementProgress {
        fraction: progress.fraction,
        rows_scanned: progress.rows_scanned,
        bytes_read: progress.bytes_read,
        memory_bytes: progress.memory_bytes,
        fragments: fragments.collect(),
    }
}

pub fn summary(summary: Summary) -> StatementSummary {
    StatementSummary {
        rows: summary.rows,
        elapsed: summary.elapsed,
        planning: summary.planning,
        compiling: summary.compiling,
        bytes_read: summary.bytes_read,
        peak_memory_bytes: summary.peak_memory_bytes,
        backend: summary.backend,
    }
}

pub fn outcome(outcome: Outcome) -> StatementOutcome {
    match outcome {
        Outcome::Done { version } => StatementOutcome::Done { catalog_version: version },
        Outcome::Refused(error) => StatementOutcome::Refused(error),
        Outcome::Never => StatementOutcome::Never,
    }
}

/// As many of a kind as fit into an answer.
pub fn names(names: crate::session::Names) -> Names {
    fn cut<T>(mut list: Vec<T>) -> Vec<T> {
        list.truncate(NAMES_MAX);
        list
    }
    Names {
        tables: cut(names.tables),
        columns: cut(names.columns),
        functions: cut(names.functions),
        keywords: cut(names.keywords),
    }
}

pub fn state(session: &Session) -> SessionState {
    let transaction = match session.transaction_state() {
        crate::TransactionState::None => TransactionState::None,
        crate::TransactionState::Open => TransactionState::Open,
        crate::TransactionState::Failed => TransactionState::Failed,
    };
    SessionState {
        transaction,
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
