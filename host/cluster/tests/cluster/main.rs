//! Clusters in one process, in virtual time.

mod failure;
mod forming;
mod refusal;
mod simulation;
mod world;
