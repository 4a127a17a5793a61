//! Modules and functions for tests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arrow::datatypes::DataType;
use nyala_pipeline::{Op, Type, ValueId};
use nyala_sandbox::Modules;
use nyala_schema::expr::Volatility;
use nyala_schema::guest::{GuestCode, GuestFunction, Limits, ModuleHash, OnError, Tier};
use nyala_schema::{Callee, Error, Result};

use crate::builder::Builder;
use crate::subject::kernels;

/// Modules by number, which stands for their hash.
#[derive(Default)]
pub struct Library {
    modules: Mutex<Vec<(String, Arc<[u8]>)>>,
    hashes: Mutex<HashMap<ModuleHash, Arc<[u8]>>>,
}

impl Library {
    fn add(&self, text: &str) -> ModuleHash {
        let mut modules = self.modules.lock().unwrap();
        let position = modules.iter().position(|(other, _)| other == text).unwrap_or_else(|| {
            modules.push((text.to_owned(), wat::parse_str(text).unwrap().into()));
            modules.len() - 1
        });
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(position as u64).to_le_bytes());
        let hash = ModuleHash(hash);
        self.hashes.lock().unwrap().insert(hash, modules[position].1.clone());
        hash
    }
}

impl Modules for Library {
    fn bytes(&self, module: ModuleHash) -> Result<Arc<[u8]>> {
        let hashes = self.hashes.lock().unwrap();
        hashes.get(&module).cloned().ok_or_else(|| Error::internal("no such module"))
    }
}

/// The export `name` of a module given as text.
pub fn function(text: &str, name: &str, arguments: &[DataType], returns: DataType) -> GuestFunction {
    GuestFunction {
        code: GuestCode {
            name: name.to_owned(),
            version: 3,
            module: kernels().1.add(text),
            export: name.to_owned(),
            limits: Limits { time_per_batch_ms: 100, ..Limits::default() },
        },
        tier: Tier::Row,
        arguments: arguments.to_vec(),
        returns,
        strict: true,
        volatility: Volatility::Immutable,
        cost: 100,
        rows_per_row: 100,
    }
}

pub fn giving_null(mut function: GuestFunction) -> GuestFunction {
    function.code.limits.on_error = OnError::Null;
    function
}

pub fn call(builder: &mut Builder, function: &GuestFunction, arguments: &[ValueId]) -> ValueId {
    let ty = Type::new(function.returns.clone(), builder.nullable(arguments));
    let op = Op::Call {
        function: Callee::Guest(Arc::new(function.clone())),
        arguments: arguments.to_vec(),
        volatility: function.volatility,
    };
    builder.let_(op, ty)
}
