//! Clusters in one process, in virtual time.

mod failure;
mod forming;
mod network;
mod refusal;
mod world;
