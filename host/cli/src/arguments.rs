//! The command line: one definition feeds parsing and help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::cluster::arguments::{ClusterCommand, NodeArguments};
use crate::connect::ConnectArguments;
use crate::output::Format;
use crate::plugin::arguments::PluginCommand;

const EXAMPLES: &str = "\
Examples:
  nyala                                          start the shell
  nyala -c \"select * from 'trips/*.parquet' limit 5\"
  nyala -f report.sql --format csv --output report.csv
  echo 'select 1; select 2' | nyala --format json
  nyala --data ./shop -c '\\d'                    tables kept in ./shop
  nyala cluster start --nodes 3                  three nodes on this machine, to try it out
  nyala sql --connect localhost:7420             the shell on a cluster
  nyala generate tpch --scale 1 --out ./tpch
  nyala bench --setup setup.sql --queries 'queries/*.sql' --runs 5
  nyala plugin new initials --kind scalar         a function of your own
  nyala catalog check --data ./shop               whether all is there
  nyala node --data ./n1 --listen 127.0.0.1:7420  a node of a cluster

SQL is taken from -c and -f in the order given; without either from standard input, and when that is a
terminal the shell starts. In the shell, \\? lists its commands. Results go to standard output, all else to
standard error.

Environment:
  PAGER, NYALA_PAGER   shows long results in the shell (default: less -SRFX)
  EDITOR, VISUAL       what \\e opens
  NYALA_CONNECT        addresses of the cluster to use, as --connect
  NO_COLOR             no colours, whatever the value
  XDG_DATA_HOME        where the shell keeps its history (default: ~/.local/share/nyala)

Exit status:
  0    everything ran, or whoever read the output had enough
  1    the command line is wrong, a file it names cannot be read, or a plugin does not build or pass its checks
  2    the data directory or cluster cannot be opened
  3    a statement failed, or its result could not be written
  130  interrupted (Ctrl-C)";

#[derive(Parser)]
#[command(
    name = "nyala",
    version,
    about = "Run SQL over Parquet, CSV, JSON and Arrow files.",
    after_long_help = EXAMPLES,
    after_help = "`nyala --help` has examples, environment variables and exit statuses.",
    args_conflicts_with_subcommands = true,
    max_term_width = 110,
)]
struct CommandLine {
    #[command(flatten)]
    sql: SqlArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run SQL, or start the shell (what `nyala` does without a subcommand)
    #[command(after_long_help = EXAMPLES)]
    Sql(SqlArguments),
    /// Write the tables of a benchmark as Parquet files
    #[command(after_help = "Example:\n  nyala generate tpch --scale 1 --out ./tpch")]
    Generate(GenerateArguments),
    /// Time SQL files in one warm process
    #[command(after_help = BENCH_EXAMPLE)]
    Bench(BenchArguments),
    /// Make, build, test and install functions and operators of your own
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look after a data directory: check it, list its definitions, restore a backup
    #[command(subcommand, after_help = CATALOG_EXAMPLES)]
    Catalog(CatalogCommand),
    /// Run a node of a cluster, until it is told to stop
    #[command(after_long_help = crate::cluster::arguments::NODE_EXAMPLES, after_help = "`nyala node --help` has examples.")]
    Node(Box<NodeArguments>),
    /// Try out a cluster on this machine; look after the nodes of any
    #[command(subcommand, after_help = crate::cluster::arguments::CLUSTER_EXAMPLES)]
    Cluster(ClusterCommand),
    /// What the engine runs to compile a module within limits: not for people
    #[command(hide = true)]
    CompileModule,
}

const CATALOG_EXAMPLES: &str = "\
The catalog is what a system knows of its tables, views and functions, with the versions of
each that are kept. It lies in the data directory; the rows of tables are files in the warehouse,
by default in the same directory. No other process may use the directory meanwhile.

Backups are made with SQL, while the system runs: BACKUP TO 'directory or URL'. Another backup to
the same place copies only what is new.

Examples:
  nyala --data ./shop -c \"BACKUP TO '/mnt/backup/shop'\"
  nyala catalog check --data ./shop
  nyala catalog dump --data ./shop > definitions.sql
  nyala catalog restore --data ./shop-again --from /mnt/backup/shop
  nyala catalog restore --data ./then --from /mnt/backup/shop --as-of '2026-03-01 12:00:00'";

#[derive(Subcommand)]
pub enum CatalogCommand {
    /// See that every file and module is there that any kept version names; exit status 3 when one is not
    Check(CatalogArguments),
    /// Write all definitions as SQL: schemas, tables, views, functions
    Dump(DumpArguments),
    /// Make an empty data directory what a backup is
    Restore(RestoreArguments),
}

#[derive(Args)]
pub struct CatalogArguments {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where the files of tables are when they are not in the data directory
    #[arg(long, value_name = "DIR|URL")]
    pub warehouse: Option<String>,
}

#[derive(Args)]
pub struct DumpArguments {
    #[command(flatten)]
    pub catalog: CatalogArguments,
    /// Instead of SQL, a line for each object with its versions, files and rows, and the last changes
    #[arg(long)]
    pub overview: bool,
}

#[derive(Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    pub catalog: CatalogArguments,
    /// The place that was given to BACKUP TO
    #[arg(long, value_name = "DIR|URL")]
    pub from: String,
    /// The version of the catalog that is wanted [default: the newest backup]
    #[arg(long, value_name = "N", conflicts_with = "as_of")]
    pub as_of_version: Option<u64>,
    /// The time of which the state is wanted, UTC
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
}

const BENCH_EXAMPLE: &str = "\
Each file is run --runs times and all its rows are read; the time of a file is that of all its statements.
A file that fails is reported, the others run, and the exit status is 3.

Example:
  nyala bench --setup tables.sql --queries 'queries/*.sql' --runs 5 --format json > times.json";

#[derive(Args)]
pub struct SqlArguments {
    /// Run this SQL (one statement or several) or shell command; may be repeated
    #[arg(
        short = 'c',
        long = "command",
        value_name = "SQL",
        allow_hyphen_values = true,
        help_heading = "What to run"
    )]
    pub commands: Vec<String>,
    /// Run the statements of this file; may be repeated, `-` is standard input
    #[arg(short = 'f', long = "file", value_name = "FILE", help_heading = "What to run")]
    pub files: Vec<PathBuf>,
    /// Go on after a statement that fails (the exit status is still 3)
    #[arg(long = "continue", help_heading = "What to run", overrides_with = "stop_on_error")]
    pub keep_going: bool,
    /// Stop at the first statement that fails (the default)
    #[arg(long, help_heading = "What to run", overrides_with = "keep_going")]
    pub stop_on_error: bool,

    #[command(flatten)]
    pub engine: EngineArguments,

    /// How results are written: table, csv, tsv, json, ndjson, markdown, vertical, parquet or arrow
    #[arg(long, value_enum, default_value_t = Format::Table, hide_possible_values = true, help_heading = "Results",
          long_help = format_help())]
    pub format: Format,
    /// Write results to this file, which appears only if all goes well
    #[arg(short, long, value_name = "FILE", help_heading = "Results")]
    pub output: Option<PathBuf>,
    /// What stands for NULL [default: NULL in table, markdown and vertical, nothing in csv and tsv]
    #[arg(long, value_name = "TEXT", help_heading = "Results")]
    pub null: Option<String>,
    /// Tell what each statement took, on standard error
    #[arg(long, help_heading = "Results")]
    pub timing: bool,
    /// Never show results in a pager
    #[arg(long, help_heading = "Results")]
    pub no_pager: bool,
    /// Print results and errors only
    #[arg(short, long, help_heading = "Results")]
    pub quiet: bool,
}

#[derive(Args, Clone, Default)]
pub struct EngineArguments {
    /// Keep tables, views and functions in this directory [default: in memory, until the program ends]
    #[arg(long, value_name = "DIR", conflicts_with = "connect", help_heading = "Engine")]
    pub data: Option<PathBuf>,
    /// Keep the files of tables in another directory or object store [default: DIR/warehouse]
    #[arg(long, value_name = "DIR|URL", requires = "data", help_heading = "Engine")]
    pub warehouse: Option<String>,
    /// Memory that one query may hold, such as 512MB or 4GiB
    #[arg(long, value_name = "SIZE", help_heading = "Engine")]
    pub memory_limit: Option<String>,
    /// Worker threads of one query
    #[arg(long, value_name = "N", help_heading = "Engine")]
    pub threads: Option<String>,
    /// Set an option of the session, as SET does; may be repeated
    #[arg(long = "set", value_name = "OPTION=VALUE", help_heading = "Engine")]
    pub set: Vec<String>,
    /// Let SET fault make things go wrong on purpose: for tests
    #[arg(long, hide = true, conflicts_with = "connect")]
    pub allow_faults: bool,
    #[command(flatten)]
    pub cluster: ConnectArguments,
}

#[derive(Args)]
pub struct GenerateArguments {
    /// Which benchmark
    #[arg(value_enum)]
    pub benchmark: BenchmarkName,
    /// Size: 1 is about 1 GB as text
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub scale: f64,
    /// Directory for the files, made if it is missing
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchmarkName {
    Tpch,
    Tpcds,
}

#[derive(Args)]
pub struct BenchArguments {
    /// Run this file once before, to make tables; may be repeated
    #[arg(long, value_name = "FILE")]
    pub setup: Vec<PathBuf>,
    /// Files to time: a path, a directory or a pattern such as 'queries/*.sql'; may be repeated
    #[arg(long, value_name = "PATTERN", required_unless_present = "serve")]
    pub queries: Vec<String>,
    /// Instead of --queries: read paths of files from standard input, run each once, answer with a line of JSON
    #[arg(long, conflicts_with = "queries")]
    pub serve: bool,
    /// How often each file is timed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// How often each file is run before it is timed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub warmup: u32,
    /// How the times are written
    #[arg(long, value_enum, default_value_t = BenchFormat::Table)]
    pub format: BenchFormat,
    #[command(flatten)]
    pub engine: EngineArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchFormat {
    Table,
    Json,
}

/// One thing to run, in the order of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Text(String),
    File(PathBuf),
}

pub struct Invocation {
    pub command: Command,
    pub sources: Vec<Source>,
}

/// # Errors
/// clap's, help and version among them.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let mut matches = CommandLine::command().try_get_matches_from(arguments)?;
    let sources = match matches.subcommand() {
        Some(("sql", inner)) => sources(inner),
        Some(_) => vec![],
        None => sources(&matches),
    };
    let line = CommandLine::from_arg_matches_mut(&mut matches)?;
    Ok(Invocation { command: line.command.unwrap_or(Command::Sql(line.sql)), sources })
}

/// `-c` and `-f` in the order in which they were written, which clap's derived structs do not keep.
fn sources(matches: &ArgMatches) -> Vec<Source> {
    let texts = matches.get_many::<String>("commands").into_iter().flatten().cloned().map(Source::Text);
    let files = matches.get_many::<PathBuf>("files").into_iter().flatten().cloned().map(Source::File);
    let text_places = matches.indices_of("commands").into_iter().flatten();
    let file_places = matches.indices_of("files").into_iter().flatten();
    let mut placed: Vec<(usize, Source)> = text_places.zip(texts).chain(file_places.zip(files)).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, source)| source).collect()
}

fn format_help() -> String {
    let mut text = "How results are written:".to_owned();
    for format in Format::value_variants() {
        text.push_str(&format!("\n  {:<9} {}", format.name(), format.description()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Invocation, clap::Error> {
        parse(std::iter::once("nyala").chain(line.iter().copied()).map(OsString::from))
    }

    fn sql(line: &[&str]) -> SqlArguments {
        match parsed(line).unwrap().command {
            Command::Sql(arguments) => arguments,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn sources_keep_their_order() {
        for line in
            [&["-c", "a", "-f", "b.sql", "-c", "d"][..], &["sql", "-c", "a", "-f", "b.sql", "-c", "d"]]
        {
            let sources = parsed(line).unwrap().sources;
            let text = |text: &str| Source::Text(text.to_owned());
            assert_eq!(sources, [text("a"), Source::File("b.sql".into()), text("d")]);
        }
    }

    #[test]
    fn sql_is_the_default_command() {
        assert_eq!(sql(&["--format", "csv"]).format, Format::Csv);
        assert_eq!(sql(&["sql", "--format", "ndjson"]).format, Format::Ndjson);
        assert!(!sql(&["--continue", "--stop-on-error"]).keep_going);
        assert!(sql(&["--stop-on-error", "--continue"]).keep_going);
    }

    #[test]
    fn usage_errors_are_told_apart_from_help() {
        assert!(parsed(&["--nonsense"]).err().unwrap().use_stderr());
        assert!(parsed(&["--format", "xml"]).err().unwrap().use_stderr());
        assert!(parsed(&["bench"]).err().unwrap().use_stderr());
        assert!(!parsed(&["--help"]).err().unwrap().use_stderr());
        assert!(!parsed(&["--version"]).err().unwrap().use_stderr());
    }

    #[test]
    fn help_names_every_format_and_exit_status() {
        let help = parsed(&["--help"]).err().unwrap().to_string();
        for format in Format::value_variants() {
            assert!(help.contains(format.name()), "{} is missing from the help", format.name());
        }
        for status in ["0 ", "1 ", "2 ", "3 ", "130 "] {
            assert!(help.contains(&format!("\n  {status}")), "status {status}is missing from the help");
        }
    }
}
