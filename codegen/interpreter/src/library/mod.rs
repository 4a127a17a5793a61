//! Placeholder
pub struct FunctionLibrary;
