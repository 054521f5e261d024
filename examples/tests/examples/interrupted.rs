//! Seeds that fail, runs that are stopped, and runs beside each other.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{findings, program, runner};

/// Two quick experiments at their small size.
const QUICK: [&str; 3] = ["run", "seta", "learning-curve-prediction"];

fn quick<'a>(out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["--small", "--out", out.to_str().unwrap()];
    [&QUICK[..], &fixed, more].concat()
}

/// A run that nothing disturbs.
fn undisturbed(out: &Path) -> Vec<Value> {
    let output = program(&quick(out, &[]));
    assert!(output.status.success(), "{output:?}");
    findings(out)
}

#[test]
fn a_seed_that_fails_loses_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let whole = undisturbed(&folder.path().join("whole"));
    for (how, said) in [
        ("diverge", "arm `seta`, metric `main`: NaN"),
        ("panic", "a panic on purpose"),
        ("flood", "an error on purpose after a megabyte"),
    ] {
        let out = folder.path().join(how);
        let drill = format!("seta:1:{how}");
        let output = program(&quick(&out, &["--drill", &drill]));
        assert!(output.status.success(), "{output:?}");
        let found = findings(&out);
        assert_eq!(found[1], whole[1], "{how}: the other system");
        let [failed, whole] = [&found[0], &whole[0]];
        assert_eq!(failed["verdict"], "failed");
        let failure = &failed["failures"][0];
        assert_eq!(failure["seed"], 1);
        assert!(
            failure["error"].as_str().unwrap().contains(said),
            "{failure}"
        );
        let kept: Vec<Value> = failed["method"]["values"].as_array().unwrap().clone();
        let mut all: Vec<Value> = whole["method"]["values"].as_array().unwrap().clone();
        all.remove(1);
        assert_eq!(kept, all, "{how}: the other seeds");
    }
}

/// Nothing is printed to a terminal here: a line a system says how far the run is.
#[test]
fn a_line_tells_of_each_system_that_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&quick(folder.path(), &[]));
    let text = String::from_utf8(output.stderr).unwrap();
    for name in &QUICK[1..] {
        assert_eq!(text.matches(name).count(), 1, "{text}");
    }
    assert!(text.contains(" s "), "{text}");
}

/// The child of this process and those that it started, by the folder that their arguments name.
fn processes(out: &Path) -> usize {
    let mut system = sysinfo::System::new();
    system.refresh_processes(sysinfo::ProcessesToUpdate::All, true);
    let name = out.as_os_str();
    let is_of = |argument: &std::ffi::OsString| Path::new(argument).starts_with(name);
    let processes = system.processes().values();
    processes
        .filter(|process| process.thread_kind().is_none() && process.cmd().iter().any(is_of))
        .count()
}

fn start(arguments: &[&str]) -> Child {
    let mut command = runner(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn a_run_that_is_killed_goes_on_and_ends_in_the_same_record() {
    let folder = tempfile::tempdir().unwrap();
    let whole = undisturbed(&folder.path().join("whole"));
    let out = folder.path().join("killed");
    let arguments = quick(&out, &[]);
    for milliseconds in [150, 450, 700] {
        let mut child = start(&arguments);
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while processes(&out) > 0 {
            assert!(Instant::now() < deadline, "a seed outlives its runner");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert!(start(&arguments).wait().unwrap().success());
    assert_eq!(findings(&out), whole);
}

#[test]
fn a_second_run_keeps_what_the_first_measured_unless_it_is_asked_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    undisturbed(out);
    let times = || {
        let text = std::fs::read_to_string(out.join("findings.json")).unwrap();
        let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
        findings[0]["seconds"].as_f64().unwrap()
    };
    let first = times();
    undisturbed(out);
    assert_eq!(times(), first, "kept");
    assert!(program(&quick(out, &["--fresh"])).status.success());
    assert_ne!(times(), first, "measured anew");
}

/// The figures of a seed do not depend on what runs beside it, nor on how many threads its process has.
#[test]
fn two_runs_at_once_give_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["1", "2", "1"].map(|threads| {
        let out = folder
            .path()
            .join(format!("{threads}-{}", rand::random::<u64>()));
        let arguments = quick(&out, &[])
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        let mut command = runner(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("RAYON_NUM_THREADS", threads);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        (child.unwrap(), out)
    });
    let found = runs.map(|(mut child, out)| {
        assert!(child.wait().unwrap().success());
        findings(&out)
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0], found[2]);
}
