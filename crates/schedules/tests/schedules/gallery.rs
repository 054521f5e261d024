//! The book's gallery is what the code draws.
//!
//! `REGIMEN_WRITE_GALLERY=1 cargo test --release -p regimen-schedules -p regimen-examples --test
//! schedules gallery` writes it anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use regimen_schedules::Picture;

use crate::entries::{self, Entry, STEPS};

const HEAD: &str = "# Gallery

Every schedule, drawn over 120 steps by `Picture::new(120).svg(&[&schedule])`: its formula, the line that makes
it, and the libraries that have it too. `t` is the step from 0, `T` the number of steps, `p` a progress from 0 to
1. Generated from the code; do not edit.

Values agree with torch 2.15, optax 0.2.8, timm 1.0.31, transformers 5.24 and Keras 3.15 to 1e-12
([how](../../../crates/schedules/golden/peers.py)). Two differences are meant: a finite schedule holds its last
value where torch's and transformers' cosines rise again, and any finite positive rate is accepted.

";

/// A name as a file's.
fn file(entry: &Entry) -> String {
    let letters = entry.name.chars().map(|c| {
        if c.is_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            ' '
        }
    });
    let words: String = letters.collect();
    words.split_whitespace().collect::<Vec<_>>().join("-") + ".svg"
}

fn page(all: &[Entry]) -> String {
    let mut text = HEAD.to_owned();
    for entry in all {
        let Entry {
            name,
            formula,
            peers,
            code,
            ..
        } = entry;
        let picture = file(entry);
        let parts = [
            format!("## {name}\n\n![{name}](pictures/{picture})\n\n"),
            format!("```text\n{formula}\n```\n\n```rust\n{code}\n```\n\nAlso in: {peers}.\n\n"),
        ];
        parts.iter().for_each(|part| text.write_str(part).unwrap());
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

#[test]
fn the_gallery_is_up_to_date() {
    let all = entries::all();
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/schedules");
    let mut files: Vec<(PathBuf, String)> = vec![(book.join("gallery.md"), page(&all))];
    for entry in &all {
        let svg = Picture::new(STEPS).svg(&[&entry.schedule]).unwrap();
        files.push((book.join("pictures").join(file(entry)), svg));
    }
    let write = std::env::var_os("REGIMEN_WRITE_GALLERY").is_some();
    if write {
        fs::create_dir_all(book.join("pictures")).unwrap();
    }
    for (path, text) in &files {
        if write {
            fs::write(path, text).unwrap();
        }
        let found = fs::read_to_string(path).unwrap_or_default();
        assert!(found == *text, "{} is out of date", path.display());
    }
    let pictures = fs::read_dir(book.join("pictures")).unwrap().count();
    assert_eq!(pictures, all.len(), "pictures that no schedule has");
}

#[test]
fn every_section_has_its_formula_its_line_and_its_peers() {
    for entry in entries::all() {
        let line = !entry.code.is_empty() && !entry.code.contains('\n');
        let whole = line && !entry.formula.is_empty() && !entry.peers.is_empty();
        assert!(whole, "{}", entry.name);
    }
}

#[test]
fn wrong_pictures_are_refused() {
    let rate = &entries::all()[0].schedule;
    assert!(Picture::new(0).svg(&[rate]).is_err());
    assert!(Picture::new(10).svg(&[]).is_err());
    let large = Picture::new(3_000_000)
        .with_title("long")
        .svg(&[rate, rate])
        .unwrap();
    assert!(large.len() < 100_000 && large.contains("long"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rate.svg");
    Picture::new(10)
        .with_size(300, 200)
        .save(&[rate], &path)
        .unwrap();
    assert!(fs::read_to_string(path).unwrap().starts_with("<svg"));
}
