//! A cluster whose nodes are in this process.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use arrow::util::display::array_value_to_string;
use nyala_node::{Answer, Node, NodeConfig, Result, Session};
use tempfile::TempDir;

/// How long something may take until all nodes know it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Dropped nodes first, then their folders.
pub struct Cluster {
    pub nodes: Vec<Node>,
    pub folder: TempDir,
}

impl Cluster {
    /// That many nodes, all active in the eyes of all.
    pub fn start(count: usize) -> Self {
        Self::start_with(count, |_| {})
    }

    pub fn start_with(count: usize, change: impl Fn(&mut NodeConfig)) -> Self {
        let mut cluster = Self { nodes: Vec::new(), folder: tempfile::tempdir().unwrap() };
        for _ in 0..count {
            cluster.add_with(&change);
        }
        cluster.settle();
        cluster
    }

    /// Of a node that joins those that run.
    pub fn config(&self, name: &str) -> NodeConfig {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = NodeConfig::new(self.folder.path().join(name), listen);
        config.name = Some(name.to_owned());
        config.join = self.nodes.iter().map(|node| node.address().to_owned()).collect();
        config.warehouse = Some(self.folder.path().join("shared").to_string_lossy().into_owned());
        config.threads = 2;
        config.allow_faults = true;
        config.join_limit = PATIENCE;
        config
    }

    pub fn add_with(&mut self, change: impl FnOnce(&mut NodeConfig)) {
        let mut config = self.config(&format!("n{}", self.nodes.len() + 1));
        change(&mut config);
        self.nodes.push(Node::start(config).unwrap());
    }

    /// Stops a node, and starts it again in its place.
    pub fn restart_with(&mut self, index: usize, change: impl FnOnce(&mut NodeConfig)) {
        self.nodes.remove(index).stop();
        let mut config = self.config(&format!("n{}", index + 1));
        change(&mut config);
        self.nodes.insert(index, Node::start(config).unwrap());
        self.settle();
    }

    /// Waits until each node sees all as active.
    pub fn settle(&self) {
        let count = self.nodes.len();
        for node in &self.nodes {
            until(|| {
                let sql = "SELECT count(*) FROM system.nodes WHERE state = 'active'";
                one(&mut node.session(), sql) == count.to_string()
            });
        }
    }

    pub fn session(&self, node: usize) -> Session {
        self.nodes[node].session()
    }

    /// A session whose queries run on all nodes, whatever their size.
    pub fn spread(&self, node: usize) -> Session {
        let mut session = self.session(node);
        run(&mut session, "SET distribution = always");
        session
    }
}

/// Rows as text, fields parted by `|`.
pub fn rows(session: &mut Session, sql: &str) -> Result<Vec<String>> {
    let Answer::Rows(mut stream) = session.execute(sql)? else { return Ok(vec![]) };
    let mut rows = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        for row in 0..batch.num_rows() {
            let fields = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
            rows.push(fields.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows)
}

pub fn run(session: &mut Session, sql: &str) -> Vec<String> {
    rows(session, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// The one field that comes.
pub fn one(session: &mut Session, sql: &str) -> String {
    let rows = run(session, sql);
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.into_iter().next().unwrap()
}

/// What a statement says that gives no rows.
pub fn tag(session: &mut Session, sql: &str) -> String {
    match session.execute(sql) {
        Ok(Answer::Done(tag)) => tag,
        Ok(Answer::Rows(_)) => panic!("{sql} gives rows"),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

/// Waits for something that others do in their own time.
#[track_caller]
pub fn until(mut holds: impl FnMut() -> bool) {
    until_some(|| holds().then_some(()));
}

/// As [`until`], and gives what came.
#[track_caller]
pub fn until_some<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "it did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a statement on a thread of its own.
pub fn in_background(mut session: Session, sql: &str) -> Receiver<Result<Vec<String>>> {
    let (sender, receiver) = channel();
    let sql = sql.to_owned();
    std::thread::spawn(move || sender.send(rows(&mut session, &sql)));
    receiver
}
