//! Real data: what is embedded, and what a user's folder holds.

mod folder;
mod images;
mod text;
mod zoo;

pub use folder::{load_domains, load_folder};
pub use images::{ImageBatch, ImageBatcher, ImageItem, Images};
pub use text::{Text, TextBatch, TextLoader};
pub use zoo::{Animal, zoo};

use std::io::Read;

use anyhow::{Context, Result};

/// Unpacks an embedded gzip file.
fn unpack(name: &str, bytes: &[u8]) -> Result<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .with_context(|| format!("embedded {name} is damaged"))?;
    Ok(text)
}
