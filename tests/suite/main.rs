//! Behaviour, tested from outside: scripts, published answers, an oracle, the program, the project's own rules.

mod command_line;
mod differential;
mod documents;
mod hostile;
mod plugins;
mod scripts;
mod tidy;
mod tpch;
