//! # files
//!
//! One way to write a file: as a whole or not at all.
//!
//! Source: the usual order of POSIX systems: a temporary file in the same folder, `fsync`, `rename`, `fsync` of the folder.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const ENDING: &str = ".partial";

/// Writes a file: whoever reads `path`, at whatever moment the program is killed, sees all of the old content or all of the new.
///
/// `write` gets an empty file of a unique name in the same folder. Once it is done, the file goes to the disk and takes
/// its place by a rename; its mode is the umask's, and where `path` is a symbolic link, the link stays. What a killed
/// program left of an earlier call for the same path is removed. No other file is touched.
///
/// # Errors
/// What `write` or the system says; `path` then is as it was.
///
/// ```
/// use std::io::Write;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("run.json");
/// regimen_tensor::files::write(&path, |file| file.write_all(b"{}"))?;
/// assert_eq!(std::fs::read(&path)?, b"{}");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    replace(path, |_, file| write(file))
}

/// As [`write()`], for writers that want a path: `write` gets that of the temporary file, which is there and empty.
///
/// # Errors
/// What `write` or the system says; `path` then is as it was.
pub fn write_at(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    replace(path, |temporary, _| write(temporary))
}

/// Asks the system to bring a folder's list of names to the disk; what can't be asked there is no error.
///
/// # Errors
/// What the system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn replace(path: &Path, write: impl FnOnce(&Path, &mut File) -> io::Result<()>) -> io::Result<()> {
    let place = match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => fs::canonicalize(path)?,
        _ => path.to_owned(),
    };
    let name = place
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file name in the path"))?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    let folder = place
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    remove_leftovers(folder, &prefix);
    let (temporary, mut file) = create(folder, &prefix)?;
    let written = write(&temporary, &mut file)
        .and_then(|()| File::open(&temporary)?.sync_all())
        .and_then(|()| fs::rename(&temporary, &place));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_folder(folder)
}

/// A new file that this call has locked: an unlocked one is a leftover.
fn create(folder: &Path, prefix: &OsString) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut name = prefix.clone();
        name.push(format!("{}-{number}{ENDING}", std::process::id()));
        let path = folder.join(name);
        let file = match File::options().write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        // Where the file system knows no locks, leftovers stay.
        let locked = file.lock();
        if locked.is_err() || path.exists() {
            return Ok((path, file));
        }
    }
}

/// Removes temporary files of the same place that nobody holds any more.
fn remove_leftovers(folder: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes());
        let Some(id) = rest.and_then(|rest| rest.strip_suffix(ENDING.as_bytes())) else {
            continue;
        };
        let ours = id.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
        if !ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(file) = File::options().write(true).open(entry.path()) else {
            continue;
        };
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_writer_that_fails_leaves_the_old_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn the_user_s_own_files_beside_it_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["m.tmp", ".m.weights.notes.partial", ".m.weights.1.bak"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let path = folder.path().join("m.weights");
        write(&path, |file| file.write_all(b"weights")).unwrap();
        for name in ["m.tmp", ".m.weights.notes.partial", ".m.weights.1.bak"] {
            assert_eq!(fs::read(folder.path().join(name)).unwrap(), name.as_bytes());
        }
    }

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_another_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let dead = folder.path().join(".a.123-0.partial");
        fs::write(&dead, "half").unwrap();
        let live = folder.path().join(".a.124-0.partial");
        let held = File::create(&live).unwrap();
        held.lock().unwrap();
        write(&path, |file| file.write_all(b"whole")).unwrap();
        assert_eq!(names(folder.path()), [".a.124-0.partial", "a"]);
    }

    #[test]
    fn threads_that_write_one_path_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::thread::scope(|scope| {
            for byte in b'a'..b'i' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write(path, |file| file.write_all(&[byte; 5000])).unwrap();
                    }
                });
            }
        });
        let read = fs::read(&path).unwrap();
        assert_eq!(read, vec![read[0]; 5000]);
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_the_umask_s_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let plain = folder.path().join("plain");
        fs::write(&plain, "").unwrap();
        write_at(&path, |temporary| fs::write(temporary, "1")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, |file| file.write_all(b"2")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"2");
    }
}
