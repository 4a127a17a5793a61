//! `nyala sql`: the shell, or scripts from the command line, files and standard input.

use crate::arguments::{Source, SqlArguments};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::Output;
use crate::script::Script;
use crate::settings::Settings;
use crate::shell::command::Flow;
use crate::statement::Runner;
use crate::{shell, terminal};

/// # Errors
/// What decides the exit status; a failed statement has been reported.
pub fn run(arguments: SqlArguments, sources: &[Source]) -> Result<(), Failure> {
    let interactive = sources.is_empty() && terminal::is_interactive();
    // Before anything runs: a missing file is not noticed half way.
    let scripts = match sources {
        [] if interactive => vec![],
        [] => vec![Script::stdin()?],
        sources => sources.iter().map(Script::load).collect::<Result<_, _>>()?,
    };
    let output = match &arguments.output {
        Some(path) => Output::file(path)?,
        None => Output::stdout(),
    };
    let settings = Settings::from(&arguments);
    if settings.format.is_binary() && output.is_terminal() && !interactive {
        let message = format!("{} is not for a terminal; give --output FILE", settings.format.name());
        return Err(Failure::usage(message));
    }
    let client = Client::open(&arguments.engine)?;
    let mut runner = Runner::new(client, settings, output, interactive);
    if interactive {
        shell::run(&mut runner)?;
    } else {
        run_all(&scripts, &mut runner)?;
    }
    runner.output.commit()
}

fn run_all(scripts: &[Script], runner: &mut Runner) -> Result<(), Failure> {
    let mut any_failed = false;
    for script in scripts {
        match script.run(runner) {
            Ok(Flow::Continue | Flow::Edited(_)) => {}
            Ok(Flow::Quit) => break,
            Err(Failure::Reported) if runner.settings.keep_going => any_failed = true,
            Err(failure) => return Err(failure),
        }
    }
    if any_failed { Err(Failure::Reported) } else { Ok(()) }
}
