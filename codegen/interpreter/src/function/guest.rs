//! Calls of users' scalar functions, which run in the sandbox.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_empty_array};
use nyala_pipeline::guest::ScalarGuest;
use nyala_pipeline::program::Type;
use nyala_pipeline::{Guests, exact_type};
use nyala_schema::guest::{GuestCode, GuestFunction};
use nyala_schema::{Error, Result};

use crate::kernel::cast::cast;
use crate::register::Register;

/// A function made ready for calls. NULLs are the sandbox's business: it is given whole columns.
pub(crate) struct GuestScalar {
    function: Arc<GuestFunction>,
    guest: Arc<dyn ScalarGuest>,
    result: Type,
    volatile: bool,
}

/// What runs uploaded code.
///
/// # Errors
/// Unsupported when there is nothing that does.
pub(crate) fn find_guests<'g>(
    guests: Option<&'g Arc<dyn Guests>>,
    code: &GuestCode,
) -> Result<&'g Arc<dyn Guests>> {
    guests.ok_or_else(|| {
        Error::unsupported(format!("{code} cannot be called: this engine runs no uploaded code"))
            .with_hint("open the engine with a sandbox, as the server and the command line do")
    })
}

impl GuestScalar {
    pub fn new(
        function: &Arc<GuestFunction>,
        guest: Arc<dyn ScalarGuest>,
        result: &Type,
        volatile: bool,
    ) -> Self {
        Self { function: function.clone(), guest, result: result.clone(), volatile }
    }

    pub fn is_strict(&self) -> bool {
        self.function.strict
    }

    pub fn is_volatile(&self) -> bool {
        self.volatile
    }

    /// Once for all rows when nothing differs between them, not at all without rows.
    ///
    /// # Errors
    /// Those of the sandbox.
    pub fn call(&self, arguments: &[Register], rows: usize) -> Result<Register> {
        if rows == 0 {
            return Ok(Register::Column(new_empty_array(&self.result.data_type)));
        }
        let once = !self.volatile && arguments.iter().all(Register::is_constant);
        let rows = if once { 1 } else { rows };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(arguments.len());
        for (argument, ty) in arguments.iter().zip(&self.function.arguments) {
            columns.push(cast(argument, &exact_type(ty), false)?.into_column(rows)?);
        }
        let results = self.guest.call(&columns, rows)?;
        if results.len() != rows {
            return Err(Error::internal(format!(
                "{} gave {} values for {rows} rows",
                self.function,
                results.len()
            )));
        }
        Ok(Register::new(results, once))
    }
}

impl fmt::Debug for GuestScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)
    }
}
