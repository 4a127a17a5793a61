//! The wire form of everything that the catalog and plans hold: what comes back is what went in, and damage is an error.

mod arrays;
mod client;
mod code;
mod commands;
mod damage;
mod draw;
mod exchanges;
mod queries;
mod round_trip;
mod size;
mod tables;
