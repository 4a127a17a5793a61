//! A model of how nodes used to exchange rows: each instance of a fragment opens a connection with each other node that its
//! rows go to, and a thread at either end serves it. Real sockets and threads, so that they can be counted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, Scope, scope};

use anyhow::Context;

const STACK_BYTES: usize = 64 << 10;

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub nodes: usize,
    pub queries: usize,
    /// Of a query, each on all nodes.
    pub fragments: usize,
}

impl Load {
    /// Connections that each node makes; it takes in as many.
    pub fn connections_of_node(self) -> usize {
        (self.nodes - 1) * self.queries * self.fragments
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub threads: usize,
    pub descriptors: usize,
}

/// Runs the load: each instance tells each other node that it has no more rows. Gives what that adds to what the process holds,
/// as `count` tells it.
///
/// # Errors
/// When the system gives no more sockets or threads.
pub fn run(load: Load, count: impl Fn() -> Held) -> anyhow::Result<Held> {
    let listen = |_| TcpListener::bind(("127.0.0.1", 0));
    let listeners: Vec<TcpListener> = (0..load.nodes).map(listen).collect::<Result<_, _>>()?;
    let before = count();
    scope(|scope| {
        // Instances that have rows to come, until this is dropped.
        let mut busy = Vec::new();
        for node in 0..load.nodes {
            let others = listeners.iter().enumerate().filter(|(other, _)| *other != node);
            for (_, other) in others {
                for _ in 0..load.queries * load.fragments {
                    busy.push(connect(scope, other)?);
                }
            }
        }
        let during = count();
        Ok(Held {
            threads: during.threads - before.threads,
            descriptors: during.descriptors - before.descriptors,
        })
    })
}

fn connect<'scope>(scope: &'scope Scope<'scope, '_>, to: &TcpListener) -> anyhow::Result<Sender<()>> {
    let near = TcpStream::connect(to.local_addr()?).context("connecting")?;
    let (far, _) = to.accept().context("taking a connection in")?;
    let (busy, is_busy) = channel();
    let thread = || Builder::new().stack_size(STACK_BYTES);
    thread().spawn_scoped(scope, move || send(near, &is_busy)).context("a thread that sends")?;
    thread().spawn_scoped(scope, move || receive(far)).context("a thread that receives")?;
    Ok(busy)
}

fn send(mut connection: TcpStream, is_busy: &Receiver<()>) -> std::io::Result<()> {
    // Ends with the instance.
    while is_busy.recv().is_ok() {}
    connection.write_all(b"no more rows")
}

fn receive(mut connection: TcpStream) -> std::io::Result<Vec<u8>> {
    let mut rows = Vec::new();
    connection.read_to_end(&mut rows)?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_has_a_connection_and_two_threads_for_each_other_node() {
        let load = Load { nodes: 3, queries: 2, fragments: 2 };
        let entries = |folder| std::fs::read_dir(folder).unwrap().count();
        let held =
            run(load, || Held { threads: entries("/proc/self/task"), descriptors: entries("/proc/self/fd") });
        // Other tests of the process may hold some for a moment.
        assert_eq!(load.connections_of_node(), 8);
        assert!(held.unwrap().descriptors >= 2 * 3 * 8 - 4);
    }
}
