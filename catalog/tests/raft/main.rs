//! The replicated catalog: its stores, its replicas, and simulations of clusters in bad weather.

mod blobs;
mod cluster;
mod replica;
mod simulation;
mod store;
mod throughput;
