//! State of aggregates as bytes, in which it travels between nodes and spills.

/// What can be written as bytes and read again.
pub trait State: Sized {
    /// Adds this to the bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes one from the front of the bytes; `None` when they are not what [`encode`](Self::encode) writes.
    fn decode(from: &mut &[u8]) -> Option<Self>;
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    if length > from.len() {
        return None;
    }
    let (taken, rest) = from.split_at(length);
    *from = rest;
    Some(taken)
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl State for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(from: &mut &[u8]) -> Option<Self> {
                let bytes = take(from, std::mem::size_of::<$type>())?;
                Some(<$type>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

number! { i8, i16, i32, i64, i128, u8, u16, u32, u64, f32, f64 }

impl State for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        u8::from(*self).encode(out);
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        u8::decode(from).map(|byte| byte != 0)
    }
}

impl State for String {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as u32).encode(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        let length = u32::decode(from)? as usize;
        String::from_utf8(take(from, length)?.to_vec()).ok()
    }
}

impl<T: State> State for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        if bool::decode(from)? {
            T::decode(from).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<T: State> State for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as u32).encode(out);
        self.iter().for_each(|value| value.encode(out));
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        let length = u32::decode(from)?;
        (0..length).map(|_| T::decode(from)).collect()
    }
}

impl<T: State + Copy + Default, const N: usize> State for [T; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.encode(out));
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        let mut values = [T::default(); N];
        for value in &mut values {
            *value = T::decode(from)?;
        }
        Some(values)
    }
}

macro_rules! tuple {
    ($($name:ident $place:tt),*) => {
        impl<$($name: State),*> State for ($($name,)*) {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$place.encode(out);)*
            }

            fn decode(from: &mut &[u8]) -> Option<Self> {
                Some(($($name::decode(from)?,)*))
            }
        }
    };
}

tuple! { A 0, B 1 }
tuple! { A 0, B 1, C 2 }
tuple! { A 0, B 1, C 2, D 3 }

/// A structure that is [`State`], field by field.
///
/// ```
/// nyala_sdk::state! {
///     #[derive(Default)]
///     pub struct Mean {
///         sum: f64,
///         count: i64,
///     }
/// }
/// ```
#[macro_export]
macro_rules! state {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type),*
        }

        impl $crate::State for $name {
            fn encode(&self, out: &mut ::std::vec::Vec<u8>) {
                $($crate::State::encode(&self.$field, out);)*
            }

            fn decode(from: &mut &[u8]) -> ::std::option::Option<Self> {
                ::std::option::Option::Some(Self { $($field: $crate::State::decode(from)?),* })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn state_is_read_as_it_was_written_or_not_at_all() {
        let value = (vec![1.5f64, -2.0], Some("two".to_owned()), [7u64; 3]);
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(State::decode(&mut rest), Some(value.clone()));
        assert!(rest.is_empty());
        let mut cut = &bytes[..bytes.len() - 1];
        assert_eq!(<(Vec<f64>, Option<String>, [u64; 3])>::decode(&mut cut), None);
    }
}
