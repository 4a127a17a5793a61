//! Keys of parts. In their order a thing comes before what belongs to it, and all of it is together.

use nyala_schema::Result;
use nyala_schema::command::{CommentTarget, ObjectKind};

use super::bytes::{Rest, damaged, put_text};

/// Versions of a table, or of the catalog, in one chunk.
pub(super) const CHUNK_VERSIONS: u64 = 64;
/// Files that went in the same versions, in one chunk: those whose id divided by this is the same.
pub(super) const CHUNK_RETIRED_FILES: u64 = 256;
/// Lines of the journal in one chunk.
pub(super) const CHUNK_LINES: u64 = 256;

/// What a part is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Format, version and time.
    Root,
    Live(ObjectKind, String, Piece),
    Retired(u64, ObjectKind, String, Piece),
    Comment(CommentTarget),
    Journal(u64),
}

/// A piece of an object: only managed tables have others than the head. Each with the number of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    Head,
    Files(u64),
    /// By the version in which files went, and by their ids.
    RetiredFiles(u64, u64),
    Versions(u64),
}

const ROOT: u8 = 0;
const LIVE: u8 = 1;
const RETIRED: u8 = 2;
const COMMENT: u8 = 3;
const JOURNAL: u8 = 4;

const KINDS: [ObjectKind; 5] =
    [ObjectKind::Schema, ObjectKind::Table, ObjectKind::Function, ObjectKind::Operator, ObjectKind::Module];

impl Key {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Root => out.push(ROOT),
            Self::Live(kind, name, piece) => {
                out.extend_from_slice(&[LIVE, *kind as u8]);
                put_text(&mut out, name);
                put_piece(&mut out, *piece);
            }
            Self::Retired(version, kind, name, piece) => {
                out.push(RETIRED);
                out.extend_from_slice(&version.to_be_bytes());
                out.push(*kind as u8);
                put_text(&mut out, name);
                put_piece(&mut out, *piece);
            }
            Self::Comment(target) => {
                out.push(COMMENT);
                match target {
                    CommentTarget::Object(kind, name) => {
                        out.push(*kind as u8);
                        put_text(&mut out, name);
                    }
                    CommentTarget::Column(table, column) => {
                        out.push(KINDS.len() as u8);
                        put_text(&mut out, table);
                        put_text(&mut out, column);
                    }
                }
            }
            Self::Journal(chunk) => {
                out.push(JOURNAL);
                out.extend_from_slice(&chunk.to_be_bytes());
            }
        }
        out
    }

    /// # Errors
    /// `Store` for bytes that are no key that we know.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut rest = Rest(bytes);
        let key = match rest.byte()? {
            ROOT => Self::Root,
            LIVE => Self::Live(kind(rest.byte()?)?, rest.text()?, piece(&mut rest)?),
            RETIRED => Self::Retired(rest.u64()?, kind(rest.byte()?)?, rest.text()?, piece(&mut rest)?),
            COMMENT => Self::Comment(match rest.byte()? {
                column if usize::from(column) == KINDS.len() => {
                    CommentTarget::Column(rest.text()?, rest.text()?)
                }
                object => CommentTarget::Object(kind(object)?, rest.text()?),
            }),
            JOURNAL => Self::Journal(rest.u64()?),
            _ => return Err(damaged("has a key of no kind that this version knows")),
        };
        rest.end()?;
        Ok(key)
    }
}

fn put_piece(out: &mut Vec<u8>, piece: Piece) {
    match piece {
        Piece::Head => out.push(0),
        Piece::Files(chunk) => {
            out.push(1);
            out.extend_from_slice(&chunk.to_be_bytes());
        }
        Piece::RetiredFiles(versions, files) => {
            out.push(2);
            out.extend_from_slice(&versions.to_be_bytes());
            out.extend_from_slice(&files.to_be_bytes());
        }
        Piece::Versions(chunk) => {
            out.push(3);
            out.extend_from_slice(&chunk.to_be_bytes());
        }
    }
}

fn piece(rest: &mut Rest<'_>) -> Result<Piece> {
    Ok(match rest.byte()? {
        0 => Piece::Head,
        1 => Piece::Files(rest.u64()?),
        2 => Piece::RetiredFiles(rest.u64()?, rest.u64()?),
        3 => Piece::Versions(rest.u64()?),
        _ => return Err(damaged("has a key of no piece that this version knows")),
    })
}

fn kind(byte: u8) -> Result<ObjectKind> {
    let kind = KINDS.get(usize::from(byte)).copied();
    kind.ok_or_else(|| damaged("has a key of no kind of object that this version knows"))
}

/// For people: where a problem is.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Live(kind, name, piece) => write!(f, "{kind:?} {name:?} {piece:?}"),
            Self::Retired(version, kind, name, piece) => {
                write!(f, "{kind:?} {name:?} {piece:?}, gone in version {version}")
            }
            Self::Comment(target) => write!(f, "comment on {target:?}"),
            Self::Journal(chunk) => write!(f, "journal from version {} on", chunk * CHUNK_LINES),
        }
    }
}
