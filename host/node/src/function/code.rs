//! The bytes behind AS: a file, a text, a module that has a name, or themselves.

use std::fs;
use std::path::Path;

use nyala_frontend::{CodeSource, Language};
use nyala_sandbox::{ModuleInfo, inspect, to_wasm};
use nyala_schema::{Error, ErrorCode, Result};

use crate::session::Session;

/// A module's bytes, looked at.
pub struct Code {
    pub bytes: Vec<u8>,
    pub info: ModuleInfo,
    /// The WAT that it was made of.
    pub source: Option<String>,
}

impl Code {
    /// # Errors
    /// `FileAccess`, `UndefinedObject`, `InvalidModule`.
    pub fn get(session: &Session, code: &CodeSource, language: Language) -> Result<Self> {
        match code {
            CodeSource::Path(path) => Self::read(session, path, language),
            CodeSource::Text(text) => Self::assemble(session, text),
            CodeSource::Module(name) => Self::named(session, name),
            CodeSource::Bytes(bytes) => Self::of(session, bytes.clone(), None),
        }
    }

    /// The module in a file: WAT where the language or the ending says so.
    ///
    /// # Errors
    /// `FileAccess`, `InvalidModule`.
    fn read(session: &Session, path: &str, language: Language) -> Result<Self> {
        let limit = session.engine.upload_limits().module_bytes_max;
        let hint = match session.engine.network() {
            None => "paths are relative to the folder that nyala runs in",
            Some(_) => "it is looked for where the node runs; `nyala plugin push` sends a file from here",
        };
        let bytes = read_file(path, limit, hint)?;
        let is_text = language == Language::Wat || Path::new(path).extension().is_some_and(|e| e == "wat");
        let made = if is_text {
            let text = String::from_utf8(bytes)
                .map_err(|_| Error::new(ErrorCode::InvalidModule, "it is no text, as WAT must be"))?;
            Self::assemble(session, &text)
        } else {
            Self::of(session, bytes, None)
        };
        made.map_err(|error| error.context(path))
    }

    fn assemble(session: &Session, text: &str) -> Result<Self> {
        Self::of(session, to_wasm(text)?, Some(text.trim().to_owned()))
    }

    fn named(session: &Session, name: &str) -> Result<Self> {
        let snapshot = session.snapshot();
        let Some(module) = snapshot.modules.get(name) else {
            return Err(Error::new(ErrorCode::UndefinedObject, format!("there is no module \"{name}\""))
                .with_hint("SHOW MODULES lists them; CREATE MODULE name FROM 'file.wasm' makes one"));
        };
        Self::of(session, session.engine.module_bytes(module.hash)?.to_vec(), None)
    }

    fn of(session: &Session, bytes: Vec<u8>, source: Option<String>) -> Result<Self> {
        let info = inspect(&bytes, session.engine.upload_limits())?;
        Ok(Self { bytes, info, source })
    }
}

/// A file is refused before it is read when it is larger than any module may be.
fn read_file(path: &str, limit: u64, hint: &str) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::FileAccess, format!("the module {path} cannot be read: {error}"))
            .with_hint(hint)
    };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > limit {
        return Err(Error::new(
            ErrorCode::InvalidModule,
            format!("{path} has {size} bytes; a module may have {limit}"),
        ));
    }
    fs::read(path).map_err(failed)
}
