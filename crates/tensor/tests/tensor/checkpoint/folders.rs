//! Steps, names, kinds, and what is kept.

use std::fs;

use regimen_tensor::checkpoint::CheckpointError;

use super::*;

fn unit<'a>(folder: &Path, count: &'a mut Count) -> Checkpoint<'a> {
    Checkpoint::new(folder).with("count", count)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_newest_are_kept_and_an_older_one_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(unit(path, &mut Count(0)).restore().unwrap(), None);
    assert_eq!(names(path), [""; 0]);
    for step in [9, 10, 11, 100_000_000] {
        unit(path, &mut Count(step % 100)).save(step).unwrap();
    }
    let steps = ["00000010", "00000011", "100000000"];
    assert_eq!(names(path), [&[".lock"][..], &steps].concat());
    assert_eq!(
        names(&path.join("00000010")),
        ["count.part", "manifest.json"]
    );
    let mut count = Count(7);
    assert_eq!(unit(path, &mut count).restore().unwrap(), Some(100_000_000));
    assert_eq!(count, Count(0));
    unit(path, &mut count).restore_at(10).unwrap();
    assert_eq!(count, Count(10));
    let error = unit(path, &mut count).restore_at(9).unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Absent { step: 9, there, .. } if *there == [10, 11, 100_000_000]),
        "{error}"
    );
    // Going on from an older one: the later ones are given up in so many words.
    let error = unit(path, &mut count).save(11).unwrap_err();
    assert!(matches!(
        error,
        CheckpointError::Step {
            step: 11,
            newest: 100_000_000,
            ..
        }
    ));
    unit(path, &mut count).remove_after(10).unwrap();
    assert_eq!(unit(path, &mut count).steps().unwrap(), [10]);
    unit(path, &mut count).keep(1).save(11).unwrap();
    assert_eq!(unit(path, &mut count).steps().unwrap(), [11]);
}

#[test]
fn what_a_user_types_wrong_is_an_error_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints");
    let mut count = Count(0);
    let long = "x".repeat(65);
    for name in ["", ".", "../up", "a/b", "Count", "a b", long.as_str()] {
        let unit = Checkpoint::new(&path).with(name, &mut count);
        assert!(
            matches!(unit.save(1), Err(CheckpointError::Name { .. })),
            "{name}"
        );
    }
    let unit = Checkpoint::new(&path)
        .with("a", Count(1))
        .with("a", Count(2));
    assert!(matches!(unit.save(1), Err(CheckpointError::Name { .. })));
    let mut unit = Checkpoint::new(&path).with("a", Count(1)).keep(0);
    assert!(matches!(unit.save(1), Err(CheckpointError::Keep)));
    assert!(matches!(unit.restore(), Err(CheckpointError::Keep)));
    assert!(!path.exists());
    // No parts at all is a list as well.
    Checkpoint::new(&path).save(u64::MAX).unwrap();
    assert_eq!(Checkpoint::new(&path).restore().unwrap(), Some(u64::MAX));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        Checkpoint::new(&file).save(1),
        Err(CheckpointError::Io { .. })
    ));
    assert!(matches!(
        Checkpoint::new(&file).restore(),
        Err(CheckpointError::Io { .. })
    ));
}

#[test]
fn another_list_of_parts_is_an_error_that_says_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    unit(folder.path(), &mut Count(1)).save(1).unwrap();
    let mut other = Checkpoint::new(folder.path()).with("loader", Count(0));
    let error = other.restore().unwrap_err();
    let right = [
        "no parts [\"loader\"]",
        "list has no parts [\"count\"]",
        "00000001/manifest.json",
    ];
    assert!(
        right.iter().all(|part| text(&error).contains(part)),
        "{error}"
    );
    struct Other;
    impl Part for Other {
        fn kind(&self) -> String {
            "other 2".into()
        }
        fn save(&self) -> Result<Vec<u8>, PartError> {
            Ok(Vec::new())
        }
        fn load(&mut self, _: &[u8]) -> Result<(), PartError> {
            panic!("must not be asked");
        }
    }
    let mut other = Checkpoint::new(folder.path()).with("count", Other);
    let error = other.restore().unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Kind { saved, expected, .. } if saved == "count 1" && expected == "other 2"),
        "{error}"
    );
}

#[test]
fn parts_before_the_one_that_refuses_get_back_what_they_had() {
    let folder = tempfile::tempdir().unwrap();
    let list = |a: u64, b: u64, c: u64| [Count(a), Count(b), Count(c)];
    fn unit<'a>(folder: &Path, parts: &'a mut [Count; 3]) -> Checkpoint<'a> {
        let [a, b, c] = parts;
        Checkpoint::new(folder)
            .with("a", a)
            .with("b", b)
            .with("c", c)
    }
    unit(folder.path(), &mut list(1, 2, 101)).save(1).unwrap();
    let mut parts = list(7, 8, 9);
    let error = unit(folder.path(), &mut parts).restore().unwrap_err();
    assert!(
        text(&error).contains("c.part") && text(&error).contains("allowed is 0 to 100"),
        "{error}"
    );
    assert_eq!(parts, list(7, 8, 9));
}

#[test]
fn a_part_that_can_t_be_saved_leaves_no_trace() {
    struct Broken;
    impl Part for Broken {
        fn kind(&self) -> String {
            "broken 1".into()
        }
        fn save(&self) -> Result<Vec<u8>, PartError> {
            Err("the device is gone".into())
        }
        fn load(&mut self, _: &[u8]) -> Result<(), PartError> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = Checkpoint::new(folder.path())
        .with("count", Count(1))
        .with("broken", Broken);
    let error = unit.save(1).unwrap_err();
    assert_eq!(
        text(&error),
        "part `broken` can't be saved: the device is gone"
    );
    assert_eq!(names(folder.path()), [".lock"]);
}

#[test]
fn what_a_killed_program_left_goes_and_the_user_s_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let dead = path.join(".00000003.99-0.partial");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("model.part"), "half").unwrap();
    for name in ["7", "notes", ".partial", ".a.partial"] {
        fs::create_dir(path.join(name)).unwrap();
        fs::write(path.join(name).join("notes"), "mine").unwrap();
    }
    fs::write(path.join(".1.partial"), "mine").unwrap();
    // A folder that is no checkpoint is none.
    assert_eq!(unit(path, &mut Count(0)).restore().unwrap(), None);
    unit(path, &mut Count(1)).save(1).unwrap();
    let right = [
        ".1.partial",
        ".a.partial",
        ".lock",
        ".partial",
        "00000001",
        "7",
        "notes",
    ];
    assert_eq!(names(path), right);
}

#[test]
fn programs_that_save_in_one_folder_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let saved = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let saved = &saved;
            scope.spawn(move || {
                for step in 0..10 {
                    let step = step * 4 + thread;
                    match unit(path, &mut Count(step)).keep(100).save(step) {
                        Ok(()) => saved.lock().unwrap().push(step),
                        Err(CheckpointError::Step { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                    let mut read = Count(0);
                    let found = unit(path, &mut read).restore().unwrap();
                    assert_eq!(Some(read.0), found);
                }
            });
        }
    });
    let saved = saved.into_inner().unwrap();
    let mut count = Count(0);
    let steps = unit(path, &mut count).steps().unwrap();
    assert_eq!(steps.last(), saved.iter().max());
    assert!(saved.iter().all(|step| steps.contains(step)));
    assert_eq!(steps.len(), saved.len());
}

#[test]
fn a_live_writer_s_folder_is_left_alone() {
    struct Slow<'a>(&'a Path);
    impl Part for Slow<'_> {
        fn kind(&self) -> String {
            "slow 1".into()
        }
        fn save(&self) -> Result<Vec<u8>, PartError> {
            let path = self.0.to_owned();
            let other =
                std::thread::spawn(move || Checkpoint::new(path).with("slow", Count(2)).save(2));
            std::thread::sleep(std::time::Duration::from_millis(200));
            assert!(!other.is_finished(), "it has to wait for this one");
            let partial = names(self.0)
                .into_iter()
                .filter(|name| name.ends_with(".partial"));
            assert_eq!(partial.count(), 1);
            Ok(Vec::new())
        }
        fn load(&mut self, _: &[u8]) -> Result<(), PartError> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = Checkpoint::new(folder.path()).with("slow", Slow(folder.path()));
    unit.save(1).unwrap();
    let start = std::time::Instant::now();
    while unit.steps().unwrap() != [1, 2] {
        assert!(start.elapsed().as_secs() < 20);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
