//! Nodes as processes of their own, by `nyala cluster`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nyala_client::{Answer, ClientSettings, RemoteSession};
use nyala_node::Result;

use crate::program;

/// Stops its nodes when it is dropped.
pub struct LocalCluster {
    folder: PathBuf,
    addresses: Vec<String>,
}

impl LocalCluster {
    /// # Panics
    /// When they do not start.
    pub fn start(folder: &Path, nodes: usize, flags: &[&str]) -> Self {
        let count = nodes.to_string();
        let mut arguments = vec!["start", "--nodes", &count];
        arguments.extend(flags);
        let output = run(folder, &arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let list = text.trim().rsplit(' ').next().unwrap_or_default();
        let addresses: Vec<String> = list.split(',').map(str::to_owned).collect();
        assert_eq!(addresses.len(), nodes, "{text}{}", String::from_utf8_lossy(&output.stderr));
        Self { folder: folder.to_owned(), addresses }
    }

    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// A session with any of the nodes.
    ///
    /// # Errors
    /// `Connection` when none answers.
    pub fn connect(&self, user: &str) -> Result<RemoteSession> {
        let settings = ClientSettings { user: user.to_owned(), ..ClientSettings::default() };
        RemoteSession::connect(self.addresses.clone(), settings)
    }

    /// Node `number`, from 1, ends as by a power cut.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self, number: usize) {
        self.tell("kill", number);
    }

    /// # Panics
    /// When it does not start.
    pub fn restart(&self, number: usize) {
        self.tell("restart", number);
    }

    fn tell(&self, verb: &str, number: usize) {
        let output = run(&self.folder, &[verb, &number.to_string()]);
        assert!(output.status.success(), "{verb} {number}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        run(&self.folder, &["stop"]);
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("cluster").args(arguments).arg("--dir").arg(folder);
    command.output().expect("the program runs")
}

/// Runs a statement to its end. Gives its rows, or none for a command.
///
/// # Errors
/// Those of the statement.
pub fn rows(session: &mut RemoteSession, sql: &str) -> Result<Vec<arrow::array::RecordBatch>> {
    match session.execute(sql)? {
        Answer::Done(_) => Ok(Vec::new()),
        Answer::Rows(mut stream) => {
            let mut batches = Vec::new();
            while let Some(batch) = stream.next_batch()? {
                batches.push(batch);
            }
            Ok(batches)
        }
    }
}
