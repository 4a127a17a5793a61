//! The engine and the one session that this program has with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_node::session::Names;
use nyala_node::{Answer, CancelHandle, Config, Engine, Error, ErrorCode, Result, Session, TransactionState};
use nyala_schema::option::{OPTIONS, OptionInfo, Options};

use crate::arguments::EngineArguments;
use crate::exit::Failure;
use crate::{interrupt, progress};

/// Shared by all that speak to the session: statements, shell commands, completion.
#[derive(Clone)]
pub struct Client {
    session: Arc<Mutex<Session>>,
    /// Of the session, to be had while a statement runs.
    running: CancelHandle,
    /// Read from the session when first asked for; forgotten when a statement may have changed them.
    names: Arc<Mutex<Option<Arc<Names>>>>,
    /// Where definitions are kept, for people.
    data: Option<String>,
}

impl Client {
    /// # Errors
    /// `Usage` for a bad option, `Connection` for a data directory that cannot be opened.
    pub fn open(arguments: &EngineArguments) -> Result<Self, Failure> {
        let mut options = nyala_node::default_options();
        set_options(arguments, &mut options)?;
        let config = Config {
            data: arguments.data.clone(),
            warehouse: arguments.warehouse.clone(),
            options,
            ..Config::of_program()
        };
        let engine = Engine::open(config).map_err(Failure::Connection)?;
        let session = engine.session();
        let running = session.cancel_handle();
        interrupt::watch(running.clone());
        Ok(Self {
            running,
            session: Arc::new(Mutex::new(session)),
            names: Arc::default(),
            data: arguments.data.as_ref().map(|path| path.display().to_string()),
        })
    }

    /// Shows how far the statement is when it takes long to answer, as those do that write.
    pub fn execute(&self, sql: &str) -> Result<Answer> {
        *lock(&self.names) = None;
        progress::shown(&self.running, || lock(&self.session).execute(sql))
    }

    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        lock(&self.session).set(name, value)
    }

    /// Every option with its value.
    pub fn options(&self) -> Vec<(&'static OptionInfo, String)> {
        let session = lock(&self.session);
        OPTIONS.iter().map(|info| (info, session.options().get(info.name).unwrap_or_default())).collect()
    }

    pub fn names(&self) -> Arc<Names> {
        lock(&self.names).get_or_insert_with(|| Arc::new(lock(&self.session).names())).clone()
    }

    pub fn transaction(&self) -> TransactionState {
        lock(&self.session).transaction_state()
    }

    /// Whether the open transaction would lose something if it were rolled back.
    pub fn has_changes(&self) -> bool {
        lock(&self.session).has_changes()
    }

    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }
}

/// A panic while the lock was held has been reported by then; the session itself checks what it does.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_options(arguments: &EngineArguments, options: &mut Options) -> Result<(), Failure> {
    if let Some(size) = &arguments.memory_limit {
        options.set("memory_limit", size).map_err(Failure::Usage)?;
    }
    if let Some(threads) = &arguments.threads {
        options.set("threads", threads).map_err(Failure::Usage)?;
    }
    for assignment in &arguments.set {
        let Some((name, value)) = assignment.split_once('=') else {
            let error = Error::new(ErrorCode::InvalidParameter, format!("--set {assignment} has no value"));
            return Err(Failure::Usage(error.with_hint("write it as --set option=value")));
        };
        options.set(name.trim(), value.trim()).map_err(Failure::Usage)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_options_are_usage_errors() {
        let session_options = |arguments: &EngineArguments| {
            let mut options = Options::default();
            set_options(arguments, &mut options).map(|()| options)
        };
        let given = |set: &str| EngineArguments { set: vec![set.to_owned()], ..EngineArguments::default() };
        assert_eq!(session_options(&given("threads")).unwrap_err().status(), 1);
        assert_eq!(session_options(&given("thread=2")).unwrap_err().status(), 1);
        assert_eq!(session_options(&given("threads=none")).unwrap_err().status(), 1);
        assert_eq!(session_options(&given("threads = 2")).unwrap().threads, 2);
        let limit = EngineArguments { memory_limit: Some("1MiB".to_owned()), ..EngineArguments::default() };
        assert_eq!(session_options(&limit).unwrap().memory_limit, 1 << 20);
    }
}
