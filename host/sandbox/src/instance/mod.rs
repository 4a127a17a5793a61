//! One instance of a module with its memory: calls into it, and what becomes of their failures.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_guest_abi as abi;
use nyala_pipeline::guest::Supervisor;
use nyala_schema::guest::GuestCode;
use nyala_schema::{Error, ErrorCode, Result};
use wasmtime::{InstancePre, Memory, Store, TypedFunc, WasmParams, WasmResults};

use crate::marshal::{Nonsense, Reader, Writer};

mod failure;
mod host;
mod imports;

pub(crate) use host::{Grants, Host, RowOrigin};
pub(crate) use imports::linker;

/// What an instance is made of.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub code: GuestCode,
    pub module: Arc<InstancePre<Host>>,
    pub grants: Grants,
    pub table_elements_max: u32,
    pub output_bytes_max: u64,
}

/// A live instance. Whoever sees a call of it fail must drop it: its memory is in no known state.
pub(crate) struct Instance {
    store: Store<Host>,
    instance: wasmtime::Instance,
    memory: Memory,
    alloc: TypedFunc<(u32, u32), u32>,
    reset: TypedFunc<(), ()>,
    code: GuestCode,
    output_bytes_max: u64,
}

/// The addresses at which arguments were put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub batch: u32,
    /// Of the numbers that go with the batch, if there are any.
    pub words: u32,
}

impl Instance {
    /// # Errors
    /// `GuestLimit`, `OutOfMemory`; `InvalidModule` when exports are not there.
    pub(crate) fn new(
        blueprint: &Blueprint,
        supervisor: Option<Arc<dyn Supervisor>>,
        now: i64,
    ) -> Result<Self> {
        let code = &blueprint.code;
        let host = Host::new(
            code.to_string(),
            code.limits,
            blueprint.table_elements_max,
            blueprint.grants,
            supervisor,
            now,
        );
        let mut store = Store::new(blueprint.module.module().engine(), host);
        store.limiter(|host| host);
        store.epoch_deadline_callback(|mut store| store.data_mut().tick());
        store.set_epoch_deadline(1);
        store.data_mut().begin(RowOrigin::default());
        let instance = match blueprint.module.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(failure::instantiation(code, store.data_mut(), &error)),
        };
        let missing = |name: &str| {
            let message = format!("the module of function {code} does not export {name} as the ABI says");
            Error::new(ErrorCode::InvalidModule, message)
        };
        let memory =
            instance.get_memory(&mut store, abi::EXPORT_MEMORY).ok_or_else(|| missing(abi::EXPORT_MEMORY))?;
        let alloc =
            instance.get_typed_func(&mut store, abi::EXPORT_ALLOC).map_err(|_| missing(abi::EXPORT_ALLOC))?;
        let reset =
            instance.get_typed_func(&mut store, abi::EXPORT_RESET).map_err(|_| missing(abi::EXPORT_RESET))?;
        Ok(Self {
            store,
            instance,
            memory,
            alloc,
            reset,
            code: code.clone(),
            output_bytes_max: blueprint.output_bytes_max,
        })
    }

    /// # Errors
    /// `InvalidModule` when there is no such export of that type.
    pub(crate) fn export<P: WasmParams, R: WasmResults>(&mut self, name: &str) -> Result<TypedFunc<P, R>> {
        self.instance.get_typed_func(&mut self.store, name).map_err(|error| {
            let message = format!(
                "the module of function {} does not export {name} as the ABI says: {error:#}",
                self.code
            );
            Error::new(ErrorCode::InvalidModule, message)
        })
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.store.data().memory_bytes()
    }

    /// Whether it was made for the query that `supervisor` stands for. It must not serve another one: what it keeps in its
    /// memory is not for other eyes, and its memory is accounted to that query.
    pub(crate) fn is_of(&self, supervisor: Option<&Arc<dyn Supervisor>>) -> bool {
        match (self.store.data().supervisor(), supervisor) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            // Outside of a query there is nothing that says where one use ends and another begins.
            _ => false,
        }
    }

    /// The time of a batch begins now.
    pub(crate) fn begin(&mut self, origin: RowOrigin) {
        self.store.data_mut().begin(origin);
    }

    /// Calls a function of the guest.
    ///
    /// # Errors
    /// `GuestFailed`, `GuestLimit`, `Cancelled`, `OutOfMemory`.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &str,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R> {
        self.store.set_epoch_deadline(1);
        match function.call(&mut self.store, parameters) {
            Ok(results) => Ok(results),
            Err(error) => Err(failure::trap(&self.code, name, self.store.data_mut(), &error)),
        }
    }

    /// Calls a function that says by 0 that all is well.
    pub(crate) fn call_status<P: WasmParams>(
        &mut self,
        name: &str,
        function: &TypedFunc<P, u32>,
        parameters: P,
    ) -> Result<()> {
        match self.call(name, function, parameters)? {
            0 => Ok(()),
            status => Err(failure::refusal(
                &self.code,
                name,
                self.store.data_mut(),
                &format!("it returned {status}"),
            )),
        }
    }

    /// Calls a function that gives a pointer, which is 0 only where it failed.
    pub(crate) fn call_pointer<P: WasmParams>(
        &mut self,
        name: &str,
        function: &TypedFunc<P, u32>,
        parameters: P,
    ) -> Result<u32> {
        match self.call(name, function, parameters)? {
            0 => Err(failure::refusal(&self.code, name, self.store.data_mut(), "it returned no result")),
            pointer => Ok(pointer),
        }
    }

    /// Calls a function that gives a pointer, or 0 when there is nothing to give.
    pub(crate) fn call_optional<P: WasmParams>(
        &mut self,
        name: &str,
        function: &TypedFunc<P, u32>,
        parameters: P,
    ) -> Result<Option<u32>> {
        match self.call(name, function, parameters)? {
            0 if self.store.data().complaint.is_some() => {
                Err(failure::refusal(&self.code, name, self.store.data_mut(), "it failed"))
            }
            0 => Ok(None),
            pointer => Ok(Some(pointer)),
        }
    }

    /// Frees what calls before this one have allocated or returned.
    pub(crate) fn reset(&mut self) -> Result<()> {
        let reset = self.reset.clone();
        self.call(abi::EXPORT_RESET, &reset, ())
    }

    /// Puts a batch and some numbers into the guest's memory, with one allocation. `size` is what
    /// [`size_bytes`](crate::marshal::size_bytes) says of the columns, or more.
    pub(crate) fn place(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        words: &[u32],
        size: usize,
    ) -> Result<Placed> {
        self.fill(size + WORDS_SLACK + words.len() * 4, |writer| {
            let batch = writer.batch(columns, rows)?;
            let words = writer.words(words.iter().copied())?;
            Ok(Placed { batch, words })
        })
    }

    /// Puts what `write` writes, at most `size` bytes, into the guest's memory.
    pub(crate) fn fill<T>(
        &mut self,
        size: usize,
        write: impl FnOnce(&mut Writer<'_>) -> Result<T>,
    ) -> Result<T> {
        const ALIGNMENT: u32 = 16;
        let too_large = || {
            let message =
                format!("function {}: {size} bytes of arguments do not fit into its memory", self.code);
            Error::new(ErrorCode::GuestLimit, message).with_hint("allow more with WITH (memory = '…')")
        };
        let size = u32::try_from(size).map_err(|_| too_large())?;
        let alloc = self.alloc.clone();
        let base = self.call(abi::EXPORT_ALLOC, &alloc, (size, ALIGNMENT))?;
        if base == 0 {
            return Err(failure::no_room(&self.code, size, self.store.data_mut()));
        }
        let memory = self.memory.data_mut(&mut self.store);
        let (start, size) = (base as usize, size as usize);
        let available = memory.len();
        let Some(room) = start.checked_add(size).and_then(|end| memory.get_mut(start..end)) else {
            let what = format!("gave room at {start} for {size} bytes, but the memory has {available}");
            return Err(failure::nonsense(&self.code, abi::EXPORT_ALLOC, what));
        };
        write(&mut Writer::new(room, base))
    }

    /// Reads what the guest returned.
    ///
    /// # Errors
    /// `GuestFailed` when it is not what was agreed, `GuestLimit` when it is too much.
    pub(crate) fn read<T>(
        &mut self,
        export: &str,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, Nonsense>,
    ) -> Result<T> {
        let mut reader = Reader::new(self.memory.data(&self.store), self.output_bytes_max);
        match read(&mut reader) {
            Ok(value) => Ok(value),
            Err(what) if reader.is_spent() => Err(failure::too_much(&self.code, export, what)),
            Err(what) => Err(failure::nonsense(&self.code, export, what)),
        }
    }

    /// Reads a column of `rows` rows.
    pub(crate) fn read_column(
        &mut self,
        export: &str,
        pointer: u32,
        data_type: &DataType,
        rows: usize,
    ) -> Result<ArrayRef> {
        self.read(export, |reader| reader.column(pointer, data_type, rows))
    }
}

const WORDS_SLACK: usize = 32;
