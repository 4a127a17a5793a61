//! What a full disk does: commits into a folder on a small disk until one fails, makes room, and goes on.
//! `cargo run -p nyala-catalog -p nyala-features --example full_disk FOLDER`, where FOLDER is on a disk of some MB.

use std::fs;
use std::path::PathBuf;

use nyala_catalog::{Catalog, SledStore};
use nyala_schema::command::{Command, CommentTarget, ObjectKind};
use nyala_schema::{Error, Result};

fn comment(n: usize) -> Command {
    let target = CommentTarget::Object(ObjectKind::Schema, "main".into());
    Command::Comment { target, text: Some(format!("{n} {}", "x".repeat(20_000))) }
}

fn main() -> Result<()> {
    let folder =
        std::env::args().nth(1).map(PathBuf::from).ok_or_else(|| Error::internal("which folder?"))?;
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).map_err(|e| Error::internal(e.to_string()))?;
    let data = folder.join("data");
    let catalog = Catalog::open(Box::new(SledStore::open(&data)?))?;
    let mut done = 0;
    let error = loop {
        match catalog.commit(&comment(done)) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    println!("{done} commits, then {error:?}");
    println!("again: {:?}", catalog.commit(&comment(0)).map(|_| ()));
    assert_eq!(catalog.snapshot().version, done as u64, "nothing has changed");
    fs::remove_file(&ballast).map_err(|e| Error::internal(e.to_string()))?;
    let version = catalog.commit(&comment(done))?.version;
    println!("with room again: version {version}");
    let expected = catalog.snapshot();
    drop(catalog);
    let reopened = Catalog::open(Box::new(SledStore::open(&data)?))?.snapshot();
    assert_eq!(*reopened, *expected);
    println!("opened again: version {}", reopened.version);
    Ok(())
}
