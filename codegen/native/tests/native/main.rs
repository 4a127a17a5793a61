//! The native backend at its seam: programs in, columns and states out, compared with the interpreter.

mod builder;
mod differential;
mod generator;
mod loops;
mod stages;
mod subject;
