//! Fragments run by an executor with the interpreter, checked against loops that are too simple to be wrong.

mod aggregate;
mod difference;
mod fragments;
mod guest;
mod guests;
mod harness;
mod join;
mod lifecycle;
mod memory;
mod other;
mod sort;
mod table;
