//! `nyala node`: runs a node until it is told to stop.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use nyala_node::{Error, Node};
use nyala_server::{NodeSource, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::arguments::NodeArguments;
use super::{logging, settings};
use crate::exit::{Failure, write_failure};

/// # Errors
/// `Usage` for settings that do not go together, `Connection` when the node cannot start or join, `Interrupted` when it
/// was stopped before its work was done.
pub fn run(arguments: NodeArguments) -> Result<(), Failure> {
    let log_format = arguments.log_format;
    let config = settings::settings(arguments)?;
    logging::start(log_format)?;
    let (http, drain) = (config.http, config.drain);
    let node = Node::start(config).map_err(Failure::Connection)?;
    let runtime = node.runtime().clone();
    let mut signals = {
        let _inside = runtime.enter();
        Signals::catch()?
    };
    let server = match http {
        Some(listen) => {
            let started = Server::start(listen, Arc::new(NodeSource::of(&node)), &runtime);
            Some(runtime.block_on(started).map_err(Failure::Connection)?)
        }
        None => None,
    };
    tell_ready(&node, server.as_ref())?;
    let name = runtime.block_on(signals.next());
    tracing::info!(signal = name, within_s = drain.as_secs(), "the node is told to stop: it drains");
    let ended = drained(&node, drain, &mut signals);
    drop(server);
    node.stop();
    tracing::info!("the node has stopped");
    ended
}

/// One line for who waits for it.
fn tell_ready(node: &Node, server: Option<&Server>) -> Result<(), Failure> {
    let http = server.map_or_else(String::new, |server| format!(", http {}", server.address()));
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready: {}{http}", node.address())
        .and_then(|()| stdout.flush())
        .map_err(|error| write_failure("standard output", &error))
}

/// Waits until what runs has ended, or the time is over, or somebody has lost patience.
fn drained(node: &Node, within: Duration, signals: &mut Signals) -> Result<(), Failure> {
    node.runtime().block_on(async {
        tokio::select! {
            drained = node.cluster().drain(within) => {
                match drained {
                    Ok(()) => tracing::info!("the node is drained"),
                    Err(error) => tracing::warn!(%error, "the node is not drained in full"),
                }
                Ok(())
            }
            () = signals.second() => {
                tracing::warn!("told once more: the node stops at once");
                Err(Failure::Interrupted)
            }
        }
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let refused =
            |error| Failure::Connection(Error::internal(format!("signals cannot be caught: {error}")));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// From a keyboard.
    async fn second(&mut self) {
        self.interrupt.recv().await;
    }
}
