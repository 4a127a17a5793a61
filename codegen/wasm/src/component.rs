//! A driver with the modules whose functions it calls, as one component: so a runtime compiles them together.

use std::collections::HashMap;

use nyala_schema::guest::ModuleHash;
use wasm_encoder::{
    CanonicalOption, ComponentBuilder, ComponentExportKind, ComponentTypeRef, ComponentValType, ExportKind,
    InstanceType, ModuleArg, PrimitiveValType,
};

use crate::driver::Driver;
use crate::intrinsic::Intrinsic;

const NO_OPTIONS: [CanonicalOption; 0] = [];

impl Driver {
    /// The import by which a component is given the intrinsics.
    pub const INTRINSICS: &'static str = "unsafe-intrinsics";

    /// A component that exports [`Driver::ENTRY`], of `u64` to `u64`. `modules` has the bytes of every module that
    /// `functions` are in; modules without imports.
    ///
    /// Each module is instantiated once and not exported, so that calls into it can be inlined.
    pub fn component<B: AsRef<[u8]>>(&self, modules: &HashMap<ModuleHash, B>) -> Vec<u8> {
        let mut builder = ComponentBuilder::default();
        let intrinsics = intrinsics(&mut builder);
        let mut arguments = vec![(Intrinsic::MODULE.to_owned(), ModuleArg::Instance(intrinsics))];
        let mut instances = HashMap::new();
        for (number, function) in self.functions.iter().enumerate() {
            let hash = function.code.module;
            let Some(bytes) = modules.get(&hash) else { continue };
            let instance = *instances.entry(hash).or_insert_with(|| {
                let module = builder.core_module_raw(None, bytes.as_ref());
                builder.core_instantiate(None, module, [])
            });
            let export = &function.code.export;
            let callee = builder.core_alias_export(None, instance, export, ExportKind::Func);
            let exports = [(Driver::FUNCTION, ExportKind::Func, callee)];
            let argument = builder.core_instantiate_exports(None, exports);
            arguments.push((number.to_string(), ModuleArg::Instance(argument)));
        }
        let module = builder.core_module_raw(None, &self.module);
        let arguments: Vec<_> = arguments.iter().map(|(name, argument)| (name.as_str(), *argument)).collect();
        let driver = builder.core_instantiate(None, module, arguments);
        let entry = builder.core_alias_export(None, driver, Driver::ENTRY, ExportKind::Func);
        let (entry_type, encoder) = builder.ty(None);
        let word = ComponentValType::Primitive(PrimitiveValType::U64);
        encoder.function().params([("frame", word)]).result(Some(word));
        let lifted = builder.lift_func(None, entry, entry_type, NO_OPTIONS);
        builder.export(Driver::ENTRY, ComponentExportKind::Func, lifted, None);
        builder.finish()
    }
}

/// A core instance of all intrinsics.
fn intrinsics(builder: &mut ComponentBuilder) -> u32 {
    let mut instance = InstanceType::new();
    for intrinsic in Intrinsic::ALL {
        let index = instance.type_count();
        let address = ("address", ComponentValType::Primitive(PrimitiveValType::U64));
        let value = ComponentValType::Primitive(match intrinsic.bits() {
            8 => PrimitiveValType::U8,
            16 => PrimitiveValType::U16,
            32 => PrimitiveValType::U32,
            _ => PrimitiveValType::U64,
        });
        match intrinsic.is_load() {
            true => instance.ty().function().params([address]).result(Some(value)),
            false => instance.ty().function().params([address, ("value", value)]).result(None),
        };
        instance.export(intrinsic.name(), ComponentTypeRef::Func(index));
    }
    let ty = builder.type_instance(None, &instance);
    let imported = builder.import(Driver::INTRINSICS, ComponentTypeRef::Instance(ty));
    let mut exports = Vec::new();
    for intrinsic in Intrinsic::ALL {
        let function = builder.alias_export(imported, intrinsic.name(), ComponentExportKind::Func);
        let lowered = builder.lower_func(None, function, NO_OPTIONS);
        exports.push((intrinsic.name(), ExportKind::Func, lowered));
    }
    builder.core_instantiate_exports(None, exports)
}
