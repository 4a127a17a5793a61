//! The engine and the one session that this program has with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_client::RemoteSession;
use nyala_node::{Config, Engine, Error, ErrorCode, Result, Session};
use nyala_schema::client::{Names, Setting, TransactionState};
use nyala_schema::option::{OPTIONS, OptionInfo, Options};

use crate::answer::Answer;
use crate::arguments::EngineArguments;
use crate::connect::login;
use crate::exit::Failure;
use crate::running::Running;
use crate::{interrupt, progress};

/// Shared by all that speak to the session: statements, shell commands, completion.
#[derive(Clone)]
pub struct Client {
    session: Arc<Mutex<Held>>,
    /// Of the session, to be had while a statement runs.
    running: Running,
    /// Read from the session when first asked for; forgotten when a statement may have changed them.
    names: Arc<Mutex<Option<Arc<Names>>>>,
    /// Where definitions are kept, for people.
    data: Option<String>,
}

/// A session with the engine of this process, or with a cluster.
pub enum Held {
    Local(Box<Session>),
    Remote(RemoteSession),
}

impl Held {
    pub fn execute(&mut self, sql: &str) -> Result<Answer> {
        match self {
            Self::Local(session) => session.execute(sql).map(Answer::from),
            Self::Remote(session) => session.execute(sql).map(Answer::from),
        }
    }

    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match self {
            Self::Local(session) => session.set(name, value),
            Self::Remote(session) => session.set(name, value),
        }
    }
}

impl From<Session> for Held {
    fn from(session: Session) -> Self {
        Self::Local(Box::new(session))
    }
}

impl Client {
    /// # Errors
    /// `Usage` for a bad option, `Connection` for a data directory that cannot be opened, or a cluster that cannot be reached.
    pub fn open(arguments: &EngineArguments) -> Result<Self, Failure> {
        let mut options = nyala_node::default_options();
        set_options(arguments, &mut options)?;
        // A data directory that is named goes before what the environment says.
        let addresses = match &arguments.data {
            Some(_) => Vec::new(),
            None => arguments.cluster.addresses(),
        };
        let (held, running) = if addresses.is_empty() {
            let session = open_here(arguments, options)?;
            let running = Running::Local(session.cancel_handle());
            (Held::from(session), running)
        } else {
            let session = arguments.cluster.open(addresses, settings(arguments))?;
            let running = Running::Remote(session.cancel_handle());
            (Held::Remote(session), running)
        };
        let data = arguments.data.as_ref().map(|path| path.display().to_string());
        Ok(Self::holding(held, running, data))
    }

    pub fn remote(session: RemoteSession) -> Self {
        let running = Running::Remote(session.cancel_handle());
        Self::holding(Held::Remote(session), running, None)
    }

    fn holding(held: Held, running: Running, data: Option<String>) -> Self {
        interrupt::watch(running.clone());
        Self { running, session: Arc::new(Mutex::new(held)), names: Arc::default(), data }
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
    ///
    /// # Errors
    /// `Connection` when no node of the cluster can be asked.
    pub fn options(&self) -> Result<Vec<(&'static OptionInfo, String)>> {
        Ok(match &*lock(&self.session) {
            Held::Local(session) => {
                let value = |info: &OptionInfo| session.options().get(info.name).unwrap_or_default();
                OPTIONS.iter().map(|info| (info, value(info))).collect()
            }
            Held::Remote(session) => {
                let settings = session.options()?;
                let of = |info: &OptionInfo| settings.iter().find(|setting| setting.name == info.name);
                OPTIONS.iter().filter_map(|info| Some((info, of(info)?.value.clone()))).collect()
            }
        })
    }

    /// None when nobody can tell: completion is a convenience.
    pub fn names(&self) -> Arc<Names> {
        let read = || match &*lock(&self.session) {
            Held::Local(session) => session.names().into(),
            Held::Remote(session) => session.names().unwrap_or_default(),
        };
        lock(&self.names).get_or_insert_with(|| Arc::new(read())).clone()
    }

    pub fn transaction(&self) -> TransactionState {
        match &*lock(&self.session) {
            Held::Local(session) => session.transaction_state().into(),
            Held::Remote(session) => session.transaction_state(),
        }
    }

    /// Whether the open transaction would lose something if it were rolled back.
    pub fn has_changes(&self) -> bool {
        match &*lock(&self.session) {
            Held::Local(session) => session.has_changes(),
            Held::Remote(session) => session.has_changes(),
        }
    }

    /// The node that has the session, for a prompt; `None` for the engine of this process.
    pub fn node(&self) -> Option<String> {
        match &*lock(&self.session) {
            Held::Local(_) => None,
            Held::Remote(session) => session.node().ok().map(|node| node.name.clone()),
        }
    }

    /// Where definitions are kept, as a sentence.
    pub fn location(&self) -> String {
        match (&*lock(&self.session), &self.data) {
            (Held::Remote(session), _) => match session.node() {
                Ok(node) => format!("Definitions are kept by the cluster of node {}.", node.peer),
                Err(error) => error.to_string(),
            },
            (Held::Local(_), Some(directory)) => format!("Definitions are kept in {directory}."),
            (Held::Local(_), None) => {
                "Definitions are kept in memory; start with --data DIR to keep them.".to_owned()
            }
        }
    }
}

fn open_here(arguments: &EngineArguments, options: Options) -> Result<Session, Failure> {
    let config = Config {
        data: arguments.data.clone(),
        warehouse: arguments.warehouse.clone(),
        options,
        allow_faults: arguments.allow_faults,
        ..Config::of_program()
    };
    Ok(Engine::open(config).map_err(Failure::Connection)?.session().for_user(login()))
}

/// A panic while the lock was held has been reported by then; the session itself checks what it does.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the command line sets, for a session of a cluster; it has been checked.
fn settings(arguments: &EngineArguments) -> Vec<Setting> {
    let setting =
        |name: &str, value: &str| Setting { name: name.trim().to_owned(), value: value.trim().to_owned() };
    let memory = arguments.memory_limit.iter().map(|size| setting("memory_limit", size));
    let threads = arguments.threads.iter().map(|threads| setting("threads", threads));
    let set = arguments.set.iter().filter_map(|assignment| assignment.split_once('='));
    memory.chain(threads).chain(set.map(|(name, value)| setting(name, value))).collect()
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
