//! The experiments can fail, and the runner says what is wrong.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Command, Output};

use regimen_examples::runner::run_seed;
use regimen_examples::{Check, Context, Trial, Verdict, system};

/// The checks of a short run of three seeds, with the method whole or deliberately broken.
fn checks(name: &str, fault: bool) -> Vec<Check> {
    let system = system(name).unwrap();
    let trial = |seed: u64| -> Trial {
        let context = Context {
            small: true,
            fault,
            ..Context::new(seed)
        };
        run_seed(system, &context, seed).unwrap()
    };
    let trials: Vec<Trial> = (0..3).map(trial).collect();
    (system.judge)(&trials)
}

/// The check whose statement holds `part`.
fn find<'a>(checks: &'a [Check], part: &str) -> &'a Check {
    let found = checks.iter().find(|check| check.statement.contains(part));
    found.unwrap()
}

/// The checks whose statements hold the parts pass with the method whole and fail with the fault. Returns all checks of both.
fn assert_faults_are_caught(name: &str, parts: &[&str]) -> [Vec<Check>; 2] {
    let runs = [false, true].map(|fault| checks(name, fault));
    for part in parts {
        let [whole, broken] = [0, 1].map(|run| find(&runs[run], part));
        assert_eq!(whole.verdict, Verdict::Holds, "{whole:?}");
        assert_ne!(broken.verdict, Verdict::Holds, "{broken:?}");
    }
    runs
}

/// As [`assert_faults_are_caught`], of one check.
fn assert_fault_is_caught(name: &str, part: &str) {
    assert_faults_are_caught(name, &[part]);
}

#[test]
fn reversed_weights_are_caught() {
    assert_fault_is_caught("refined-schedules", "bound of refined");
}

#[test]
fn a_trunk_that_is_re_warmed_is_caught() {
    assert_fault_is_caught("infinite-schedule", "earlier domains");
}

#[test]
fn replay_rounded_to_nothing_is_caught() {
    assert_fault_is_caught("continual-pretraining", "forgetting undone");
}

#[test]
fn domains_of_text_run_on_a_users_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.txt"), folder.path().join("b.txt"));
    std::fs::write(first, "the cat sat on the mat. ".repeat(300)).unwrap();
    std::fs::write(second, "let mut sum = 0; sum += 1; ".repeat(300)).unwrap();
    for name in ["infinite-schedule", "continual-pretraining"] {
        let system = system(name).unwrap();
        let context = Context {
            small: true,
            folder: Some(folder.path().to_owned()),
            ..Context::new(0)
        };
        let trial = run_seed(system, &context, 0).unwrap();
        assert!(trial.value(system.method, "main").is_finite());
        assert!(context.data_name(system.data).unwrap().contains("b.txt"));
    }
}

#[test]
fn a_curve_fitted_in_reverse_and_without_anchors_is_caught() {
    let parts = ["carrying forward", "anchored over free"];
    assert_faults_are_caught("learning-curve-prediction", &parts);
}

#[test]
fn an_annealing_area_without_its_sum_is_caught() {
    assert_fault_is_caught("annealing-scaling-law", "curve of linear");
}

fn program(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_regimen-examples");
    Command::new(program).args(arguments).output().unwrap()
}

/// What a program that was given bad input says: one line, with exit code 2.
fn complaint(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.trim().lines().count(), 1, "{text}");
    text
}

#[test]
fn an_unknown_system_lists_the_known_ones() {
    let text = complaint(&["run", "adam"]);
    assert!(
        text.contains("adam") && text.contains("refined-schedules"),
        "{text}"
    );
}

#[test]
fn a_folder_without_data_is_named() {
    let text = complaint(&["run", "refined-schedules", "--data", "/no/such/folder"]);
    assert!(text.contains("/no/such/folder"), "{text}");
}

#[test]
fn a_report_is_whole_and_has_every_field() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a.txt"), "the cat sat on the mat. ".repeat(200)).unwrap();
    let (out_name, data_name) = (out.to_str().unwrap(), data.to_str().unwrap());
    let arguments = [
        "run",
        "refined-schedules",
        "--seeds",
        "1",
        "--out",
        out_name,
        "--data",
        data_name,
    ];
    let output = program(&arguments);
    assert!(output.status.success(), "{output:?}");
    let json = std::fs::read_to_string(out.join("findings.json")).unwrap();
    let findings: serde_json::Value = serde_json::from_str(&json).unwrap();
    for field in [
        "system",
        "number",
        "crate",
        "paper",
        "claim",
        "metric",
        "better",
        "baseline",
        "method",
        "rule",
        "verdict",
        "paper_effect",
        "seconds",
        "backend",
        "data",
        "arms",
        "checks",
    ] {
        assert!(!findings[0][field].is_null(), "{field}");
    }
    assert_eq!(findings[0]["method"]["values"].as_array().unwrap().len(), 1);
    assert!(findings[0]["data"].as_str().unwrap().contains(data_name));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
    assert!(
        std::fs::read_to_string(out.join("index.html"))
            .unwrap()
            .contains("</html>")
    );
}

#[test]
fn a_schedule_run_backwards_is_caught() {
    assert_fault_is_caught("exploratory-annealed-decoding", "real, annealed minus");
}

#[test]
fn a_correction_in_other_units_is_caught() {
    assert_fault_is_caught(
        "exploratory-annealed-decoding",
        "sampler's own temperatures",
    );
}

#[test]
fn an_open_bridge_is_caught() {
    assert_fault_is_caught("importance-annealing", "over the blocked bridge");
}

#[test]
fn a_window_taken_out_is_caught() {
    assert_fault_is_caught("seta", "visits saved");
}

#[test]
fn regrowth_taken_out_is_caught() {
    assert_fault_is_caught("granet", "regrew");
}

#[test]
fn freezing_taken_out_is_caught() {
    assert_fault_is_caught("continual-dst", "largest backward transfer");
}

#[test]
fn dampening_of_one_is_caught() {
    assert_fault_is_caught("ssd", "forgotten class after ssd");
}

/// Ten classes of 28 x 28 noisy patterns, as IDX files that no code has seen.
fn write_idx(folder: &std::path::Path) {
    let (count, side) = (300_usize, 28_usize);
    let pixel = |image: usize, place: usize| {
        let (class, noise) = (image % 10, (image * 7919 + place * 104_729) % 61);
        let lit = (place * (class + 3) / 17 + class).is_multiple_of(5);
        if lit { 190 + noise as u8 } else { noise as u8 }
    };
    let mut images = vec![0, 0, 8, 3];
    for size in [count, side, side] {
        images.extend((size as u32).to_be_bytes());
    }
    images.extend((0..count).flat_map(|i| (0..side * side).map(move |place| pixel(i, place))));
    let mut labels = vec![0, 0, 8, 1];
    labels.extend((count as u32).to_be_bytes());
    labels.extend((0..count).map(|i| (i % 10) as u8));
    std::fs::write(folder.join("train-images-idx3-ubyte"), images).unwrap();
    std::fs::write(folder.join("train-labels-idx1-ubyte"), labels).unwrap();
}

#[test]
fn image_experiments_run_on_a_users_folder() {
    let folder = tempfile::tempdir().unwrap();
    write_idx(folder.path());
    let out = folder.path().join("out");
    let (data, out) = (folder.path().to_str().unwrap(), out.to_str().unwrap());
    let output = program(&[
        "run", "granet", "ssd", "seta", "--seeds", "1", "--data", data, "--out", out,
    ]);
    assert!(output.status.success(), "{output:?}");
    let json = std::fs::read_to_string(format!("{out}/findings.json")).unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(findings.len(), 3);
    for finding in findings {
        assert!(finding["data"].as_str().unwrap().contains("IDX 28x28"));
        assert!(finding["method"]["mean"].is_number());
    }
}

/// In ridge regression and on the networks: with few subset models forget KLoM stays above its bound, but the fault still
/// makes it worse than the best baseline's.
#[test]
fn effects_added_instead_of_subtracted_are_caught() {
    let runs = assert_faults_are_caught(
        "datamodel-matching",
        &[
            "error of datamodel matching after 1000",
            "validation KLoM of datamodel matching",
        ],
    );
    let [whole, broken] = [0, 1].map(|run| find(&runs[run], "forget KLoM of datamodel matching"));
    assert!(whole.values.iter().all(|ratio| *ratio < 0.85), "{whole:?}");
    assert!(broken.values.iter().all(|ratio| *ratio > 1.0), "{broken:?}");
}

#[test]
fn small_images_in_small_batches_are_caught() {
    assert_fault_is_caught("multigrid", "iterations of multigrid");
}

#[test]
fn a_batch_that_never_grows_is_caught() {
    assert_faults_are_caught(
        "adaptive-batch",
        &["over those of eta 1", "next looser test"],
    );
}

/// The bound of the correlation is near what three seeds give, so the values themselves are compared too.
#[test]
fn pathways_with_the_answers_of_other_samples_are_caught() {
    let [whole, broken] = [false, true].map(|fault| checks("moe-pathways", fault));
    let [whole, broken] =
        [&whole, &broken].map(|checks| find(checks, "correlation of same-answer"));
    assert_ne!(whole.verdict, Verdict::DoesNotHold, "{whole:?}");
    assert_eq!(broken.verdict, Verdict::DoesNotHold, "{broken:?}");
    assert!(
        whole.mean < -0.5 && broken.mean > -0.3,
        "{whole:?} {broken:?}"
    );
}

#[test]
fn signals_taken_for_their_opposites_are_caught() {
    assert_fault_is_caught("sft-recipe", "early loss and forgetting");
}

#[test]
fn counts_that_are_not_exchanged_are_caught() {
    let parts = ["error of micro-batch", "buffered minus"];
    assert_faults_are_caught("load-balancing-loss", &parts);
}
