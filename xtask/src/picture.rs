//! `cargo xtask picture`: pictures of the report for the README and the book, taken with headless Chromium.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::project::{self, Project};
use crate::reproduce;

/// The names of Chromium on the systems that package it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A picture: its file, and the size of the window in pixels.
struct Picture {
    file: &'static str,
    width: u32,
    height: u32,
}

/// The top of the page: summary, picture of all effects, and the start of the table.
const PICTURES: [Picture; 2] = [
    Picture {
        file: "docs/report.png",
        width: 1280,
        height: 1500,
    },
    Picture {
        file: "docs/report-narrow.png",
        width: 400,
        height: 1800,
    },
];

/// The first bytes of every PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(crate) fn run(project: &Project) -> Result<()> {
    let page = reproduce::folder(project).join("index.html");
    ensure!(
        page.is_file(),
        "{}: no report; `cargo xtask reproduce` writes it",
        page.display()
    );
    let browser = browser(&std::env::var_os("PATH").unwrap_or_default())?;
    for picture in &PICTURES {
        take(project, &browser, &page, picture)?;
        println!("{}", picture.file);
    }
    Ok(())
}

/// The first Chromium in the folders of `PATH`.
fn browser(path: &std::ffi::OsStr) -> Result<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    for name in BROWSERS {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        let mut places = folders.iter().map(|folder| folder.join(&name));
        if let Some(found) = places.find(|place| place.is_file()) {
            return Ok(found);
        }
    }
    bail!(
        "none of {} is on PATH: install Debian's package `chromium` (apt-get install chromium), or your system's",
        BROWSERS.join(", ")
    )
}

fn take(project: &Project, browser: &Path, page: &Path, picture: &Picture) -> Result<()> {
    let sh = &project.shell;
    let folder = sh.create_temp_dir()?;
    let (profile, image) = (
        folder.path().join("profile"),
        folder.path().join("page.png"),
    );
    let Picture {
        file,
        width,
        height,
    } = picture;
    let window = format!("{width},{height}");
    let sandbox = sandbox(sh);
    cmd!(
        sh,
        "{browser} --headless=new {sandbox...} --disable-gpu --hide-scrollbars --no-first-run --user-data-dir={profile}
         --force-device-scale-factor=1 --blink-settings=preferredColorScheme=1 --window-size={window}
         --screenshot={image} file://{page}"
    )
    .quiet()
    .ignore_stdout()
    .ignore_stderr()
    .run()?;
    let bytes =
        std::fs::read(&image).with_context(|| format!("{}: no picture", browser.display()))?;
    ensure!(
        size(&bytes) == Some((*width, *height)),
        "{}: the picture is not {width} pixels wide and {height} high",
        browser.display()
    );
    project::write(&project.root.join(file), &bytes)
}

/// Chromium refuses to start as root with its sandbox; the page is the project's own.
fn sandbox(sh: &Shell) -> Option<&'static str> {
    let user = cmd!(sh, "id -u").quiet().ignore_stderr().read();
    user.is_ok_and(|id| id.trim() == "0")
        .then_some("--no-sandbox")
}

/// Width and height of a PNG, from its header.
fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(PNG)?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    Some((number(8)?, number(12)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_package() {
        let error = browser(std::ffi::OsStr::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("apt-get install chromium"));
    }

    #[test]
    fn the_size_is_in_the_header() {
        let mut bytes = PNG.to_vec();
        bytes.extend(*b"\0\0\0\x0dIHDR\0\0\x05\0\0\0\x01\x90");
        assert_eq!(size(&bytes), Some((1280, 400)));
        assert_eq!(size(b"GIF89a"), None);
    }
}
