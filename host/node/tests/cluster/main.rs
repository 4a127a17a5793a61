//! Nodes in one process, on loopback ports, over one warehouse.

mod backup;
mod embedded;
mod files;
mod harness;
mod life;
mod memory;
mod queries;
mod statements;
mod upgrade;
