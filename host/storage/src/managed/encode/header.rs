//! The headers of pages, in Thrift's compact protocol:
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>. They have the checksums of their
//! pages, which the `parquet` crate does not write.

use parquet::basic::Encoding;

/// What a page is.
pub enum PageKind {
    Dictionary {
        entries: usize,
    },
    Data {
        rows: usize,
        nulls: usize,
        encoding: Encoding,
        /// Bytes of definition levels.
        levels: usize,
        is_compressed: bool,
    },
}

/// Appends the header of a page with a body that is stored as it is given, and would have so many bytes uncompressed.
pub fn put_header(target: &mut Vec<u8>, kind: &PageKind, uncompressed: usize, body: &[u8]) {
    const DICTIONARY_PAGE: usize = 2;
    const DATA_PAGE_V2: usize = 3;
    let page_type = match kind {
        PageKind::Dictionary { .. } => DICTIONARY_PAGE,
        PageKind::Data { .. } => DATA_PAGE_V2,
    };
    let mut page = Struct { target, last: 0 };
    page.int(1, page_type);
    page.int(2, uncompressed);
    page.int(3, body.len());
    page.signed(4, crc32fast::hash(body) as i32);
    match kind {
        PageKind::Dictionary { entries } => page.structure(7, |header| {
            header.int(1, *entries);
            header.int(2, Encoding::PLAIN as usize);
            header.bool(3, false);
        }),
        PageKind::Data { rows, nulls, encoding, levels, is_compressed } => page.structure(8, |header| {
            header.int(1, *rows);
            header.int(2, *nulls);
            header.int(3, *rows);
            header.int(4, *encoding as usize);
            header.int(5, *levels);
            header.int(6, 0);
            header.bool(7, *is_compressed);
        }),
    }
    page.end();
}

/// The fields of a structure, ascending.
struct Struct<'a> {
    target: &'a mut Vec<u8>,
    last: u8,
}

impl Struct<'_> {
    fn field(&mut self, id: u8, kind: u8) {
        self.target.push((id - self.last) << 4 | kind);
        self.last = id;
    }

    fn int(&mut self, id: u8, value: usize) {
        self.signed(id, value as i32);
    }

    /// Zigzag, seven bits a byte.
    fn signed(&mut self, id: u8, value: i32) {
        const I32: u8 = 5;
        self.field(id, I32);
        let mut rest = (value << 1 ^ value >> 31) as u32;
        while rest >= 0x80 {
            self.target.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.target.push(rest as u8);
    }

    fn bool(&mut self, id: u8, value: bool) {
        const TRUE: u8 = 1;
        const FALSE: u8 = 2;
        self.field(id, if value { TRUE } else { FALSE });
    }

    fn structure(&mut self, id: u8, fields: impl FnOnce(&mut Struct<'_>)) {
        const STRUCT: u8 = 12;
        self.field(id, STRUCT);
        let mut inner = Struct { target: self.target, last: 0 };
        fields(&mut inner);
        inner.end();
    }

    fn end(&mut self) {
        self.target.push(0);
    }
}
