//! The WASM backend and row-tier functions, against the interpreter and by hand. Programs and their generator are
//! those by which native code is tested.

#[path = "../../../../codegen/native/tests/native/builder.rs"]
mod builder;
mod containment;
#[path = "../../../../codegen/native/tests/native/differential.rs"]
mod differential;
#[path = "../../../../codegen/native/tests/native/generator.rs"]
mod generator;
mod kept;
#[path = "../../../../codegen/native/tests/native/loops.rs"]
mod loops;
mod modules;
mod rows;
mod subject;
