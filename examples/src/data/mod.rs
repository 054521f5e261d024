//! Real data: what is embedded, and what a user's folder holds.

mod clothing;
mod file;
mod folder;
mod idx;
mod images;
mod rows;
mod text;
mod zoo;

pub use file::ReadError;
pub use folder::{load_domains, load_folder};
pub use images::{ImageBatch, ImageBatcher, ImageItem, Images, resize};
pub use text::{Text, TextBatch, TextLoader, WindowBatcher};
pub use zoo::{Animal, zoo};

use anyhow::{Context, Result};

/// Unpacks an embedded gzip file.
fn unpacked(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let damaged = || format!("embedded {name} is damaged");
    let bytes = file::unpacked(bytes, file::LIMIT).with_context(damaged)?;
    bytes.with_context(damaged)
}

/// Unpacks an embedded gzip file of text.
fn unpack(name: &str, bytes: &[u8]) -> Result<String> {
    let text = String::from_utf8(unpacked(name, bytes)?);
    text.with_context(|| format!("embedded {name} is damaged"))
}
