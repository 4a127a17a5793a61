//! Values of a fixed width: numbers, dates, timestamps, decimals.

use arrow::array::{ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;

use super::damage::{Checked, Damage};
use super::hybrid::Hybrid;
use super::values::{ValueEncoding, Values, compact, shared};

/// How a stored value becomes a native one.
pub trait Raw: Copy + Send + 'static {
    type Native: Copy + Default + Send;

    /// Bytes of a stored value.
    fn width(&self) -> usize;

    /// `bytes` has `width` bytes.
    fn value(&self, bytes: &[u8]) -> Self::Native;

    /// Whether values are used as they are stored, so that a dictionary need not be decoded before.
    fn is_stored_natively(&self) -> bool;

    /// Adds the entries that `codes` name; `false` when one of them lies outside the dictionary.
    #[inline]
    fn look_up(&self, dictionary: &[u8], codes: &[u32], output: &mut Vec<Self::Native>) -> bool {
        let mut inside = true;
        output.extend(codes.iter().map(|&code| {
            let start = code as usize * self.width();
            match dictionary.get(start..start + self.width()) {
                Some(bytes) => self.value(bytes),
                None => {
                    inside = false;
                    Self::Native::default()
                }
            }
        }));
        inside
    }

    /// Adds all values of `bytes`, whose length is a multiple of `width`.
    #[inline]
    fn extend(&self, bytes: &[u8], output: &mut Vec<Self::Native>) {
        output.extend(bytes.chunks_exact(self.width()).map(|bytes| self.value(bytes)));
    }
}

macro_rules! little_endian {
    ($name:ident, $stored:ty, $width:literal) => {
        /// Little-endian integers, converted by a function that the compiler sees through.
        #[derive(Clone, Copy)]
        pub struct $name<F>(F);

        impl<F> $name<F> {
            pub fn new<N>(convert: F) -> Self
            where
                F: Fn($stored) -> N,
            {
                Self(convert)
            }
        }

        impl<N: Copy + Default + Send, F: Fn($stored) -> N + Copy + Send + 'static> Raw for $name<F> {
            type Native = N;

            #[inline(always)]
            fn width(&self) -> usize {
                $width
            }

            #[inline(always)]
            fn value(&self, bytes: &[u8]) -> N {
                let bytes: [u8; $width] = bytes.first_chunk().copied().unwrap_or_default();
                (self.0)(<$stored>::from_le_bytes(bytes))
            }

            fn is_stored_natively(&self) -> bool {
                true
            }

            #[inline]
            fn look_up(&self, dictionary: &[u8], codes: &[u32], output: &mut Vec<N>) -> bool {
                let (entries, _) = dictionary.as_chunks::<$width>();
                let mut inside = true;
                output.extend(codes.iter().map(|&code| match entries.get(code as usize) {
                    Some(bytes) => (self.0)(<$stored>::from_le_bytes(*bytes)),
                    None => {
                        inside = false;
                        Default::default()
                    }
                }));
                inside
            }

            #[inline]
            fn extend(&self, bytes: &[u8], output: &mut Vec<N>) {
                let (values, _) = bytes.as_chunks::<$width>();
                output.extend(values.iter().map(|bytes| (self.0)(<$stored>::from_le_bytes(*bytes))));
            }
        }
    };
}

little_endian!(Bytes4, i32, 4);
little_endian!(Bytes8, i64, 8);

macro_rules! floats {
    ($name:ident, $native:ty, $width:literal) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Raw for $name {
            type Native = $native;

            #[inline(always)]
            fn width(&self) -> usize {
                $width
            }

            #[inline(always)]
            fn value(&self, bytes: &[u8]) -> $native {
                <$native>::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
            }

            fn is_stored_natively(&self) -> bool {
                true
            }

            #[inline]
            fn look_up(&self, dictionary: &[u8], codes: &[u32], output: &mut Vec<$native>) -> bool {
                let (entries, _) = dictionary.as_chunks::<$width>();
                let mut inside = true;
                output.extend(codes.iter().map(|&code| match entries.get(code as usize) {
                    Some(bytes) => <$native>::from_le_bytes(*bytes),
                    None => {
                        inside = false;
                        Default::default()
                    }
                }));
                inside
            }

            #[inline]
            fn extend(&self, bytes: &[u8], output: &mut Vec<$native>) {
                let (values, _) = bytes.as_chunks::<$width>();
                output.extend(values.iter().map(|bytes| <$native>::from_le_bytes(*bytes)));
            }
        }
    };
}

floats!(Float4, f32, 4);
floats!(Float8, f64, 8);

/// Big-endian two's complement of 1 to 16 bytes.
#[derive(Clone, Copy)]
pub struct DecimalBytes<F> {
    width: usize,
    convert: F,
}

impl<F> DecimalBytes<F> {
    pub fn new<N>(width: usize, convert: F) -> Self
    where
        F: Fn(i128) -> N,
    {
        Self { width, convert }
    }
}

impl<N: Copy + Default + Send, F: Fn(i128) -> N + Copy + Send + 'static> Raw for DecimalBytes<F> {
    type Native = N;

    fn width(&self) -> usize {
        self.width
    }

    fn is_stored_natively(&self) -> bool {
        false
    }

    #[inline]
    fn value(&self, bytes: &[u8]) -> N {
        let mut wide = [if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 }; 16];
        wide[16 - bytes.len()..].copy_from_slice(bytes);
        (self.convert)(i128::from_be_bytes(wide))
    }
}

/// Codes expanded at a time: they stay in the first cache.
const CODES: usize = 1024;

pub struct FixedValues<A: ArrowPrimitiveType, R: Raw<Native = A::Native>> {
    raw: R,
    data_type: DataType,
    dictionary: Dictionary<A::Native>,
    page: Page,
    output: Vec<A::Native>,
}

enum Dictionary<N> {
    Stored(Buffer),
    Decoded(Vec<N>),
}

enum Page {
    None,
    Plain { bytes: Buffer, position: usize },
    Codes(Hybrid),
}

impl<A: ArrowPrimitiveType, R: Raw<Native = A::Native>> FixedValues<A, R> {
    pub fn new(raw: R, data_type: DataType) -> Self {
        Self {
            raw,
            data_type,
            dictionary: Dictionary::Decoded(Vec::new()),
            page: Page::None,
            output: Vec::new(),
        }
    }

    fn look_up(
        raw: R,
        dictionary: &Dictionary<A::Native>,
        codes: &[u32],
        output: &mut Vec<A::Native>,
    ) -> Checked<()> {
        let inside = match dictionary {
            Dictionary::Stored(bytes) => raw.look_up(bytes, codes, output),
            Dictionary::Decoded(entries) => {
                let mut inside = true;
                output.extend(codes.iter().map(|&code| match entries.get(code as usize) {
                    Some(value) => *value,
                    None => {
                        inside = false;
                        A::Native::default()
                    }
                }));
                inside
            }
        };
        if inside { Ok(()) } else { Err("a code points outside its dictionary".into()) }
    }
}

impl<A: ArrowPrimitiveType, R: Raw<Native = A::Native>> Values for FixedValues<A, R> {
    fn dictionary(&mut self, bytes: Buffer, entries: usize) -> Checked<()> {
        let expected = entries.checked_mul(self.raw.width()).filter(|length| *length <= bytes.len());
        let length = expected.ok_or("a dictionary is cut off")?;
        self.dictionary = if self.raw.is_stored_natively() {
            Dictionary::Stored(bytes.slice_with_length(0, length))
        } else {
            let mut decoded = Vec::with_capacity(entries);
            self.raw.extend(&bytes[..length], &mut decoded);
            Dictionary::Decoded(decoded)
        };
        Ok(())
    }

    fn page(&mut self, bytes: Buffer, encoding: ValueEncoding, values: usize) -> Checked<()> {
        self.page = match encoding {
            ValueEncoding::Plain => {
                let expected = values.checked_mul(self.raw.width());
                if expected.is_none_or(|length| length > bytes.len()) {
                    return Err("a page is too short for its values".into());
                }
                Page::Plain { bytes, position: 0 }
            }
            ValueEncoding::Dictionary if values == 0 => Page::None,
            ValueEncoding::Dictionary => {
                let width = *bytes.first().ok_or("a page of codes is empty")?;
                Page::Codes(Hybrid::new(bytes.slice(1), width)?)
            }
            ValueEncoding::Rle => return Err("numbers cannot be run-length encoded".into()),
        };
        Ok(())
    }

    fn end_page(&mut self) {
        self.page = Page::None;
    }

    fn begin(&mut self, rows: usize) {
        self.output = Vec::with_capacity(rows);
    }

    fn skip(&mut self, count: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { position, .. } => *position += count * self.raw.width(),
            Page::Codes(codes) => codes.skip(count)?,
            Page::None if count == 0 => {}
            Page::None => return Err("a page has too few values".into()),
        }
        Ok(())
    }

    fn append(&mut self, count: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { bytes, position } => {
                let end = *position + count * self.raw.width();
                let values = bytes.get(*position..end).ok_or("a page has too few values")?;
                self.raw.extend(values, &mut self.output);
                *position = end;
            }
            Page::Codes(codes) => {
                let mut block = [0u32; CODES];
                let mut left = count;
                while left > 0 {
                    let now = left.min(CODES);
                    codes.fill(&mut block[..now])?;
                    Self::look_up(self.raw, &self.dictionary, &block[..now], &mut self.output)?;
                    left -= now;
                }
            }
            Page::None if count == 0 => {}
            Page::None => return Err("a page has too few values".into()),
        }
        Ok(())
    }

    fn append_nulls(&mut self, count: usize) {
        self.output.resize(self.output.len() + count, A::Native::default());
    }

    fn append_selected(&mut self, count: usize, selection: &[u32], base: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { bytes, position } => {
                let width = self.raw.width();
                let end = *position + count * width;
                let values = bytes.get(*position..end).ok_or("a page has too few values")?;
                let raw = self.raw;
                self.output.extend(selection.iter().map(|&row| {
                    let start = (row as usize - base) * width;
                    raw.value(&values[start..start + width])
                }));
                *position = end;
                Ok(())
            }
            Page::Codes(codes) => {
                let mut block = [0u32; CODES];
                let mut chosen = [0u32; CODES];
                let (mut done, mut next) = (0, 0);
                while done < count {
                    let now = (count - done).min(CODES);
                    let end = base + done + now;
                    let stop = next + selection[next..].partition_point(|&row| (row as usize) < end);
                    if stop == next {
                        codes.skip(now)?;
                    } else {
                        codes.fill(&mut block[..now])?;
                        let wanted = &selection[next..stop];
                        for (slot, &row) in chosen.iter_mut().zip(wanted) {
                            *slot = block[row as usize - base - done];
                        }
                        let chosen = &chosen[..wanted.len()];
                        Self::look_up(self.raw, &self.dictionary, chosen, &mut self.output)?;
                    }
                    next = stop;
                    done += now;
                }
                Ok(())
            }
            Page::None if count == 0 => Ok(()),
            Page::None => Err("a page has too few values".into()),
        }
    }

    fn compact(&mut self, from: usize, selection: &[u32], base: usize) {
        compact(&mut self.output, from, selection, base);
    }

    fn len(&self) -> usize {
        self.output.len()
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Checked<ArrayRef> {
        let values = std::mem::take(&mut self.output);
        let array = PrimitiveArray::<A>::try_new(values.into(), nulls)
            .map_err(|error| Damage::from(error.to_string()))?;
        Ok(shared(array.with_data_type(self.data_type.clone())))
    }
}
