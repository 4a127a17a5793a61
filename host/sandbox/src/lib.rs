//! Runs what users uploaded, with wasmtime, within limits.
//!
//! Reading order: [`config`](SandboxConfig) is what is allowed; `module` reads and checks uploads; [`engine`] sets wasmtime up and
//! [`artefact`] keeps compiled code, which `loaded` makes ready; `instance` is one live module with its limits and failures;
//! `marshal` copies columns in and out; `guest` implements the traits that operators call; `health` counts failures;
//! `kernel` compiles loops with the functions they call; [`Sandbox`] ties them together.

pub mod artefact;
pub mod engine;

mod config;
mod guest;
mod health;
mod instance;
mod kernel;
mod loaded;
mod marshal;
mod module;
mod sandbox;
mod statement;

pub use artefact::compile_child;
pub use config::{CompilerChoice, Modules, SandboxConfig, UploadLimits};
pub use health::{FAILURES_MAX, FunctionHealth};
pub use kernel::{Kernels, RowFunction, WasmBackend};
pub use module::{Body, CoreType, Export, Import, Item, ModuleInfo, Signature, inspect, tier_of, to_wasm};
pub use sandbox::{FunctionReport, Inlining, Sandbox};
