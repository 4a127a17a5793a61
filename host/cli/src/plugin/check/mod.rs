//! `nyala plugin test`: a module in an engine of its own, its author's examples, and checks of all that it declares.
//!
//! Reading order: [`examples`] is the file of the author; [`declared`] what a module declares, [`samples`] the values
//! that it is called with; [`scalar`], [`aggregate`], [`table`] and [`operator`] turn both into [`law`]s, which are data;
//! [`trial`] holds them against the [`database`]; [`report`] tells.

mod aggregate;
pub mod database;
mod declared;
pub mod examples;
mod law;
mod operator;
mod report;
mod samples;
mod scalar;
mod table;
mod trial;

use nyala_node::{Config, Engine, Session};

use super::{Source, file_failure};
use crate::exit::Failure;
use crate::interrupt;
use crate::running::Running;
use crate::terminal;
use database::{Database, Declared, literal, quoted};
use examples::Examples;
use law::Check;
use report::Report;

/// # Errors
/// `PluginFailed` when a check fails, after the table of all checks.
pub fn run(source: &Source) -> Result<(), Failure> {
    let examples = match &source.examples {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| file_failure("read", path, &error))?;
            Examples::parse(&text).map_err(|error| Failure::Usage(error.context(path.display())))?
        }
        None => Examples::default(),
    };
    let module = source.module.display().to_string();
    let create = format!("CREATE MODULE {} FROM {}", quoted(&source.name), literal(&module));
    let mut database = open(&create)?;
    let declared = database.declared(&source.name)?;
    if declared.functions.is_empty() && declared.operators.is_empty() {
        terminal::tell("the module declares nothing: it has no manifest, so that only its examples are run");
    }
    let mut report = Report::new(create.clone());
    // A session of their own: what they make and set is not there for the checks.
    let mut for_examples = open(&create)?;
    for example in &examples.examples {
        stop_if_interrupted()?;
        report.add("plugin.test", &format!("line {}", example.line), example.run(&mut for_examples)?);
    }
    for check in checks(&declared, &examples) {
        stop_if_interrupted()?;
        let outcome = trial::run(&check, &mut database)?;
        // Failures are counted against a function, and it is called no more when there are many: not in the next check.
        if outcome.has_failures() {
            database = open(&create)?;
        }
        report.add(&check.subject, check.name, outcome);
    }
    report.print()?;
    if report.failed() > 0 { Err(Failure::PluginFailed) } else { Ok(()) }
}

/// An engine in memory that has the module.
fn open(create: &str) -> Result<Database, Failure> {
    let config = Config { options: nyala_node::default_options(), ..Config::of_program() };
    let session: Session = Engine::open(config)?.session();
    interrupt::watch(Running::Local(session.cancel_handle()));
    let mut database = Database::new(session);
    match database.rows(create) {
        Ok(_) => Ok(database),
        Err(error) => {
            terminal::print_error(&error, create, None);
            Err(Failure::PluginFailed)
        }
    }
}

fn stop_if_interrupted() -> Result<(), Failure> {
    if interrupt::requested() { Err(Failure::Interrupted) } else { Ok(()) }
}

/// All checks that the author has not left out.
fn checks(declared: &Declared, examples: &Examples) -> Vec<Check> {
    let functions = declared.functions.iter().flat_map(|function| {
        let given = examples.samples_of(&function.name, function.types.len());
        match function.kind {
            declared::Kind::Scalar => scalar::checks(function, given),
            declared::Kind::Aggregate => aggregate::checks(function, given),
            declared::Kind::Table => table::checks(function, given),
        }
    });
    let operators = declared.operators.iter().flat_map(operator::checks);
    let mut all: Vec<Check> = functions.chain(operators).collect();
    for check in &mut all {
        if examples.skips(&check.function, check.name) {
            check.law = law::Law::LeftOut("left out in plugin.test".to_owned());
        }
        check.tolerance = examples.tolerance_of(&check.function).unwrap_or(check.tolerance);
    }
    all
}
