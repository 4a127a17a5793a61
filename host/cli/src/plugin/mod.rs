//! `nyala plugin`: from nothing to functions and operators of one's own.
//!
//! Reading order: [`arguments`]; [`scaffold`] writes a [`project`] from what is [`embedded`], [`build`] makes a module
//! of it, [`check`] tries the module in an engine, [`push`] installs it. [`process`] runs the tools, [`cache`] is where
//! they are kept.

pub mod arguments;
mod build;
mod cache;
mod check;
mod embedded;
mod process;
mod project;
mod push;
mod scaffold;

use std::path::PathBuf;

use nyala_node::{Error, ErrorCode};

use crate::exit::Failure;
use crate::terminal;
use arguments::{BuildArguments, PluginCommand, ProjectArguments};
use project::Project;

/// # Errors
/// `Usage` for what was asked, `PluginFailed` when a compiler or a check has said what is wrong.
pub fn run(command: &PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::New(arguments) => scaffold::run(arguments),
        PluginCommand::Build(arguments) => build_project(arguments),
        PluginCommand::Test(arguments) => check::run(&Source::find(arguments)?),
        PluginCommand::Push(arguments) => push::run(arguments),
    }
}

fn build_project(arguments: &BuildArguments) -> Result<(), Failure> {
    let project = Project::open(&arguments.project)?;
    let out = arguments.out.clone().unwrap_or_else(|| project.module());
    build::run(&project, arguments.debug, &out)?;
    terminal::answer(&out.display().to_string());
    Ok(())
}

/// A module that is ready, with the file of examples that belongs to it.
struct Source {
    /// As SQL names it without quotes.
    name: String,
    module: PathBuf,
    examples: Option<PathBuf>,
}

const EXAMPLES: &str = "plugin.test";

impl Source {
    /// A project is built first.
    fn find(arguments: &ProjectArguments) -> Result<Self, Failure> {
        let path = &arguments.project;
        let (name, module, folder) = if path.is_file() && !project::is_wat(path) {
            let folder = path.parent().map(PathBuf::from).unwrap_or_default();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            (project::identifier(&stem), project::absolute(path)?, folder)
        } else {
            let project = Project::open(path)?;
            let module = project.module();
            build::run(&project, false, &module)?;
            (project.name, module, project.folder)
        };
        let examples = Some(folder.join(EXAMPLES)).filter(|file| file.is_file());
        Ok(Self { name, module, examples })
    }
}

/// A file or folder that cannot be read or written.
fn file_failure(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::Usage(Error::new(ErrorCode::FileAccess, format!("cannot {doing} {}: {error}", path.display())))
}
