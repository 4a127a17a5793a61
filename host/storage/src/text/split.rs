//! Where a text file can be cut so that workers share it.

use std::io::BufRead;

use nyala_schema::Result;
use nyala_schema::scan::Compression;

use crate::file::FileHandle;

use super::input;

/// Bytes of a piece, about; smaller files are not cut.
pub const PIECE_BYTES: u64 = 8 << 20;

/// Follows the quotes of a CSV text. A quote opens a field only at the field's start; within a quoted field two
/// quotes stand for one.
#[derive(Debug, Clone)]
pub struct QuoteState {
    quote: u8,
    delimiter: u8,
    quoted: bool,
    previous: u8,
}

impl QuoteState {
    pub fn new(quote: u8, delimiter: u8) -> Self {
        Self { quote, delimiter, quoted: false, previous: b'\n' }
    }

    /// Whether the text so far ends inside quotes.
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        if bytes.contains(&self.quote) {
            for &byte in bytes {
                self.step(byte);
            }
        } else {
            self.previous = last;
        }
    }

    fn step(&mut self, byte: u8) {
        if byte == self.quote {
            if self.quoted {
                self.quoted = false;
            } else {
                // Directly behind the quote that closed the field: an escaped quote, the field goes on.
                let starts_field =
                    self.previous == self.delimiter || self.previous == b'\n' || self.previous == b'\r';
                self.quoted = starts_field || self.previous == self.quote;
            }
        }
        self.previous = byte;
    }
}

/// The end of the last whole record of `bytes`, which start with a record; 0 when there is none.
pub fn last_record_end(bytes: &[u8], quote: u8, delimiter: u8) -> usize {
    let mut state = QuoteState::new(quote, delimiter);
    let mut end = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        state.step(byte);
        if byte == b'\n' && !state.quoted {
            end = index + 1;
        }
    }
    end
}

/// Starts and ends of pieces, each a number of whole records. One piece when the file is small or compressed.
///
/// # Errors
/// FileAccess.
pub fn csv_pieces(file: &FileHandle, quote: u8, delimiter: u8) -> Result<Vec<(u64, u64)>> {
    let whole = vec![(0, file.size())];
    if file.size() < 2 * PIECE_BYTES || input::compression(file)? != Compression::None {
        return Ok(whole);
    }
    let mut state = QuoteState::new(quote, delimiter);
    let mut pieces = Vec::new();
    let (mut start, mut position) = (0u64, 0u64);
    let mut text = input::open_part(file, 0, file.size());
    loop {
        let buffer = text.fill_buf().map_err(|error| input::read_error(file.path(), &error))?;
        if buffer.is_empty() {
            break;
        }
        let wanted = start + PIECE_BYTES;
        let length = buffer.len();
        if position + (length as u64) < wanted {
            state.feed(buffer);
        } else {
            let skip = usize::try_from(wanted.saturating_sub(position)).unwrap_or(0).min(length);
            state.feed(&buffer[..skip]);
            for (index, &byte) in buffer[skip..].iter().enumerate() {
                state.step(byte);
                if byte == b'\n'
                    && !state.is_quoted()
                    && position + (skip + index) as u64 >= start + PIECE_BYTES
                {
                    let end = position + (skip + index) as u64 + 1;
                    pieces.push((start, end));
                    start = end;
                }
            }
        }
        position += length as u64;
        text.consume(length);
    }
    if start < file.size() {
        pieces.push((start, file.size()));
    }
    Ok(if pieces.is_empty() { whole } else { pieces })
}

/// As [`csv_pieces`], for one JSON object a line; objects that span lines are not cut.
///
/// # Errors
/// FileAccess.
pub fn json_pieces(file: &FileHandle) -> Result<Vec<(u64, u64)>> {
    /// An object is looked for within so many bytes of the wanted cut.
    const WINDOW_BYTES: usize = 1 << 20;
    let mut pieces = Vec::new();
    let mut start = 0;
    if input::compression(file)? == Compression::None {
        while start + 2 * PIECE_BYTES < file.size() {
            let mut window = vec![0; WINDOW_BYTES.min((file.size() - start - PIECE_BYTES) as usize)];
            file.read_at(start + PIECE_BYTES, &mut window)?;
            // Between objects on lines of their own stands `}`, a line break and `{`, and nowhere else.
            let Some(cut) = window.windows(3).position(|bytes| bytes == b"}\n{") else { break };
            let end = start + PIECE_BYTES + cut as u64 + 2;
            pieces.push((start, end));
            start = end;
        }
    }
    pieces.push((start, file.size()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_quotes_do_not_end_records() {
        let end = |text: &str| last_record_end(text.as_bytes(), b'"', b',');
        assert_eq!(end("a,b\nc"), 4);
        assert_eq!(end("a,\"x\ny\"\nc"), 8);
        assert_eq!(end("a,\"x\ny"), 0);
        // Within a field a quote is text; two in a quoted field are one.
        assert_eq!(end("a,5\" pipe\nb,"), 10);
        assert_eq!(end("\"a\"\"\n\"\nb"), 7);
    }

    #[test]
    fn feeding_in_parts_is_feeding_at_once() {
        let text = b"a,\"b\n\"\"c\"\nd\"e,\"f\n";
        let mut whole = QuoteState::new(b'"', b',');
        whole.feed(text);
        for cut in 0..text.len() {
            let mut parts = QuoteState::new(b'"', b',');
            parts.feed(&text[..cut]);
            parts.feed(&text[cut..]);
            assert_eq!(parts.is_quoted(), whole.is_quoted(), "cut at {cut}");
        }
    }
}
