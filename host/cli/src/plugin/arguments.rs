//! The command line of `nyala plugin`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::connect::ConnectArguments;

#[derive(Subcommand)]
pub enum PluginCommand {
    /// Write a project to start from
    #[command(
        after_help = "Example:\n  nyala plugin new initials --kind scalar && nyala plugin test initials"
    )]
    New(NewArguments),
    /// Build a project to one .wasm file, whatever its language
    #[command(after_long_help = BUILD_HELP)]
    Build(BuildArguments),
    /// Build a project and check it in an engine of its own: its examples, NULLs, batches, extreme values, laws
    #[command(after_long_help = TEST_HELP)]
    Test(ProjectArguments),
    /// Build a project and make its functions and operators known in a data directory, or on all nodes of a cluster
    #[command(after_help = PUSH_EXAMPLES)]
    Push(PushArguments),
}

const PUSH_EXAMPLES: &str = "\
Examples:
  nyala plugin push ./initials --data ./warehouse
  nyala plugin push ./initials --connect localhost:7420";

const BUILD_HELP: &str = "\
A project with Cargo.toml is Rust, with package.json AssemblyScript, with *.c C, with *.wat WebAssembly as text.
A file manifest.sql in the project is put into the module as its manifest, unless the module brings one.

Rust needs the target wasm32-unknown-unknown. It is taken from an installed toolchain, else added by rustup, else
Debian's rustc-web, cargo-web and rust-web-src are installed and the standard library is built once.

Environment:
  NYALA_GUEST_TOOLCHAIN   take only this way to Rust's target: installed, rustup or debian
  XDG_CACHE_HOME          where compilers and standard libraries are kept (default: ~/.cache/nyala)";

const TEST_HELP: &str = "\
The file plugin.test holds examples, with a blank line between them: SQL, then a line ----, then the rows that it
must give, with tabs between columns. NULL is NULL, the empty text (empty); a row `error: TEXT` is an error with
that text. SQL without ---- is only run. # starts a comment. Lines of their own say what the checks may take:

  sample NAME (1.5, 'text')     call NAME with such arguments, SQL expressions, in place of those made up
  tolerance NAME 0.01           results of NAME that differ relatively by this much are the same
  skip NAME CHECK               leave this check of NAME out

Exit status: 1 when a check fails or the project does not build.";

#[derive(Args)]
pub struct NewArguments {
    /// The function or operator: lower-case letters, digits and underscores
    pub name: String,
    /// What it is
    #[arg(long, value_enum, default_value_t = Kind::Scalar)]
    pub kind: Kind,
    /// What it is written in
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub language: Language,
    /// The project's folder, which must not exist [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub struct BuildArguments {
    /// The project's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    /// Optimise (the default)
    #[arg(long, overrides_with = "debug")]
    pub release: bool,
    /// Do not optimise, check integers for overflow, keep line numbers
    #[arg(long, overrides_with = "release")]
    pub debug: bool,
    /// Where the module goes [default: DIR/target/NAME.wasm]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub struct ProjectArguments {
    /// The project's folder, or a module that is built already
    #[arg(value_name = "DIR|FILE.wasm", default_value = ".")]
    pub project: PathBuf,
}

#[derive(Args)]
pub struct PushArguments {
    #[command(flatten)]
    pub source: ProjectArguments,
    /// What the module is called [default: the project's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Into a data directory, which no other process may have open
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ConnectArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Scalar,
    Aggregate,
    Table,
    Operator,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Aggregate => "aggregate",
            Self::Table => "table",
            Self::Operator => "operator",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    C,
    #[value(name = "assemblyscript")]
    AssemblyScript,
    Wat,
}

impl Language {
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::AssemblyScript => "assemblyscript",
            Self::Wat => "wat",
        }
    }
}
