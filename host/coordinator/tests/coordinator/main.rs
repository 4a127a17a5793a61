//! Coordinators over several nodes in one process: a network in memory, executors without threads, time that is paused.

mod admission;
mod chaos;
mod cluster;
mod facade;
mod failure;
mod plans;
mod running;
mod tables;
