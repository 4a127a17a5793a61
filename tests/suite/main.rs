//! Behaviour, tested from outside: scripts, published answers, an oracle, the program, the project's own rules.

mod command_line;
mod differential;
mod documents;
mod functions_persist;
mod functions_random;
mod hostile;
mod hostile_modules;
mod hostile_operators;
mod kill;
mod plugins;
mod scripts;
mod tidy;
mod tpch;
