//! `nyala node` and `nyala cluster`: nodes, and those who look after them.
//!
//! Reading order: [`arguments`] is what can be asked for; [`node`] runs a node by its [`settings`] and tells of it by
//! [`logging`]; [`local`] is a cluster on this machine, by its [`plan`], of
//! [`process`]es; [`members`] speaks to any cluster.

pub mod arguments;
mod local;
mod logging;
mod members;
pub mod node;
pub mod plan;
mod process;
mod settings;

use arguments::ClusterCommand;

use crate::exit::Failure;
use crate::terminal;

/// # Errors
/// What decides the exit status.
pub fn run(command: ClusterCommand) -> Result<(), Failure> {
    match command {
        ClusterCommand::Start(arguments) => local::start(&arguments),
        ClusterCommand::Stop(arguments) => local::stop(&arguments.dir),
        ClusterCommand::Status(arguments) => local::status(&arguments.dir),
        ClusterCommand::Kill(arguments) => local::kill(&arguments.place.dir, arguments.node),
        ClusterCommand::Restart(arguments) => local::restart(&arguments.place.dir, arguments.node),
        ClusterCommand::Logs(arguments) => {
            local::logs(&arguments.node.place.dir, arguments.node.node, arguments.follow)
        }
        ClusterCommand::Nodes(arguments) => members::nodes(&arguments),
        ClusterCommand::Drain(arguments) => members::drain(&arguments),
        ClusterCommand::Remove(arguments) => members::remove(&arguments),
        ClusterCommand::UpgradeCheck(arguments) => members::upgrade_check(&arguments),
        ClusterCommand::Certs(arguments) => {
            let files = nyala_rpc::tls::certificates(&arguments.dir, &arguments.names, &arguments.users)
                .map_err(Failure::Usage)?;
            files.iter().for_each(|file| terminal::answer(&format!("wrote {}", file.display())));
            Ok(())
        }
    }
}
