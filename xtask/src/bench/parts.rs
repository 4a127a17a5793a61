//! A benchmark of several parts, each of which gives figures.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::figure::{Figure, Figures};
use crate::build::cache_folder;

/// A name for `--only`, and what it measures.
pub type Part<B> = (&'static str, fn(&B) -> Result<Vec<Figure>>);

pub fn measure<B>(parts: &[Part<B>], chosen: &[&str], bench: &B) -> Figures {
    let mut figures = Figures::default();
    for (name, measure) in parts.iter().filter(|(name, _)| chosen.contains(name)) {
        figures.extend(name, measure(bench));
    }
    figures
}

/// For files of a run; what the one before has left is deleted.
pub fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = cache_folder()?.join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}
