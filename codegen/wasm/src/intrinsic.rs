//! What a driver is given to reach the host's memory.

use wasm_encoder::ValType;

/// Loads and stores at addresses of the host, by the names that wasmtime gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intrinsic {
    Load8,
    Load16,
    Load32,
    Load64,
    Store8,
    Store16,
    Store32,
    Store64,
}

impl Intrinsic {
    /// In the order in which a driver imports them.
    pub const ALL: [Intrinsic; 8] = [
        Intrinsic::Load8,
        Intrinsic::Load16,
        Intrinsic::Load32,
        Intrinsic::Load64,
        Intrinsic::Store8,
        Intrinsic::Store16,
        Intrinsic::Store32,
        Intrinsic::Store64,
    ];

    /// The module that a driver imports them from.
    pub const MODULE: &'static str = "native";

    pub fn name(self) -> &'static str {
        match self {
            Intrinsic::Load8 => "u8-native-load",
            Intrinsic::Load16 => "u16-native-load",
            Intrinsic::Load32 => "u32-native-load",
            Intrinsic::Load64 => "u64-native-load",
            Intrinsic::Store8 => "u8-native-store",
            Intrinsic::Store16 => "u16-native-store",
            Intrinsic::Store32 => "u32-native-store",
            Intrinsic::Store64 => "u64-native-store",
        }
    }

    /// Bits of the value.
    pub fn bits(self) -> u8 {
        match self {
            Intrinsic::Load8 | Intrinsic::Store8 => 8,
            Intrinsic::Load16 | Intrinsic::Store16 => 16,
            Intrinsic::Load32 | Intrinsic::Store32 => 32,
            Intrinsic::Load64 | Intrinsic::Store64 => 64,
        }
    }

    pub fn is_load(self) -> bool {
        matches!(self, Intrinsic::Load8 | Intrinsic::Load16 | Intrinsic::Load32 | Intrinsic::Load64)
    }

    /// Its number among the functions of a driver.
    pub(crate) fn index(self) -> u32 {
        self as u32
    }

    /// The core type of the value; narrower ones are extended with zeros.
    pub(crate) fn value(self) -> ValType {
        if self.bits() == 64 { ValType::I64 } else { ValType::I32 }
    }
}
