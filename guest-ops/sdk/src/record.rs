//! Rows of several columns, as tuples.

use nyala_guest_abi as abi;

use crate::builder::Builder;
use crate::returned::Returned;

/// The columns that rows of one type are added to.
pub trait Columns: Default + 'static {
    /// Forgets the values, keeps the memory.
    fn clear(&mut self);

    /// Adds NULL to each.
    fn push_nulls(&mut self);

    /// Adds where `rows` values of each are, from row `from`.
    fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>);
}

/// A tuple of what the columns of a row hold.
pub trait Record {
    /// What collects them.
    type Columns: Columns;

    /// Adds this to the columns.
    ///
    /// # Errors
    /// When a value of it is an error. Its row is then incomplete, and the columns are to be cleared.
    fn put(self, out: &mut Self::Columns) -> Result<(), String>;
}

macro_rules! tuple {
    ($($name:ident $place:tt),*) => {
        impl<$($name: Builder),*> Columns for ($($name,)*) {
            fn clear(&mut self) {
                $(self.$place.clear();)*
            }

            fn push_nulls(&mut self) {
                $(self.$place.push_null();)*
            }

            #[allow(unused_variables)]
            fn describe(&mut self, from: usize, rows: usize, out: &mut Vec<abi::Column>) {
                $(out.push(self.$place.describe(from, rows));)*
            }
        }

        impl<$($name: Returned),*> Record for ($($name,)*) {
            type Columns = ($($name::Builder,)*);

            #[inline]
            #[allow(unused_variables)]
            fn put(self, out: &mut Self::Columns) -> Result<(), String> {
                $(self.$place.give(&mut out.$place)?;)*
                Ok(())
            }
        }
    };
}

tuple! {}
tuple! { A 0 }
tuple! { A 0, B 1 }
tuple! { A 0, B 1, C 2 }
tuple! { A 0, B 1, C 2, D 3 }
tuple! { A 0, B 1, C 2, D 3, E 4 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10 }
tuple! { A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11 }
