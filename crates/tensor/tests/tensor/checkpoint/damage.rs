//! Every file of a checkpoint cut, changed, removed or swapped: an error each that names it.

use std::fs;
use std::path::PathBuf;

use regimen_tensor::checkpoint::CheckpointError;

use super::*;

/// A folder with the checkpoints of steps 3 and 6, and the files of the newer one.
fn folder() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(DType::F32);
    for step in 1..=6 {
        run.step();
        if step % 3 == 0 {
            run.unit(folder.path()).save(step).unwrap();
        }
    }
    let entries = fs::read_dir(folder.path().join("00000006")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names = [
        "batches.part",
        "manifest.json",
        "model.part",
        "optimizer.part",
        "scheduler.part",
    ];
    assert!(
        files
            .iter()
            .zip(names)
            .all(|(file, name)| file.ends_with(name))
    );
    assert_eq!(files.len(), names.len());
    (folder, files)
}

/// That the newest checkpoint is refused for this file, that nothing is changed, and that an older one serves.
fn refused(folder: &Path, file: &Path, what: &str) {
    let mut run = Run::new(DType::F32);
    run.step();
    let before = run.bits();
    let error = run.unit(folder).restore().unwrap_err();
    let CheckpointError::Damaged { path, .. } = &error else {
        panic!("{what}: {error}");
    };
    assert_eq!(path, file, "{what}");
    assert!(text(&error).contains(&file.display().to_string()), "{what}");
    assert_eq!((run.bits(), &run.batches), (before, &Count(1)), "{what}");
    run.unit(folder).restore_at(3).unwrap();
    assert_eq!(run.batches, Count(3), "{what}");
}

#[test]
fn every_file_cut_changed_removed_or_swapped_is_named() {
    let (folder, files) = folder();
    for file in &files {
        let whole = fs::read(file).unwrap();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            if length < whole.len() {
                fs::write(file, &whole[..length]).unwrap();
                refused(folder.path(), file, "cut");
            }
        }
        fs::write(file, [&whole[..], b" "].concat()).unwrap();
        refused(folder.path(), file, "longer");
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(file, changed).unwrap();
            refused(folder.path(), file, "changed");
        }
        fs::remove_file(file).unwrap();
        refused(folder.path(), file, "removed");
        fs::create_dir(file).unwrap();
        refused(folder.path(), file, "a folder");
        fs::remove_dir(file).unwrap();
        let name = file.file_name().unwrap();
        let older = fs::read(folder.path().join("00000003").join(name)).unwrap();
        assert_ne!(older, whole, "{name:?}");
        fs::write(file, older).unwrap();
        refused(folder.path(), file, "of another step");
        fs::write(file, &whole).unwrap();
    }
    let mut run = Run::new(DType::F32);
    assert_eq!(run.unit(folder.path()).restore().unwrap(), Some(6));
}

#[test]
fn a_checkpoint_under_the_name_of_another_step_is_named() {
    let (folder, files) = folder();
    fs::rename(
        folder.path().join("00000006"),
        folder.path().join("00000009"),
    )
    .unwrap();
    let manifest = folder.path().join("00000009/manifest.json");
    refused(folder.path(), &manifest, "renamed");
    drop(files);
    fs::remove_dir_all(folder.path().join("00000009")).unwrap();
    fs::create_dir(folder.path().join("00000009")).unwrap();
    refused(folder.path(), &manifest, "an empty folder");
}

#[test]
fn sizes_in_a_manifest_take_no_memory() {
    let (folder, files) = folder();
    let manifest = &files[1];
    // A manifest of a gigabyte that is not there: a sparse file.
    fs::File::create(manifest)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    refused(folder.path(), manifest, "a large manifest");
}
