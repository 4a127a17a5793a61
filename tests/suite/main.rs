//! Behaviour, tested from outside: scripts, published answers, an oracle, the program, the project's own rules.

mod client_service;
mod cluster_kill;
mod cluster_program;
mod cluster_upkeep;
mod command_line;
mod definitions;
mod differential;
mod dml;
mod dml_random;
mod documents;
mod functions_persist;
mod functions_random;
mod hostile;
mod hostile_modules;
mod hostile_operators;
mod kill;
mod nodes;
mod packaging;
mod plugins;
mod scripts;
mod tidy;
mod tpch;
mod transactions;
mod warehouse;
mod writers;
