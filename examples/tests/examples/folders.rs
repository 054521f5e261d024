//! Experiments on a user's data, and the report of them.

use regimen_examples::runner::run_seed;
use regimen_examples::{Context, system};

use super::{findings, program};

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

/// What a system says to a folder.
fn refusal(name: &str, folder: &std::path::Path) -> String {
    let context = Context {
        small: true,
        folder: Some(folder.to_owned()),
        ..Context::new(0)
    };
    let system = system(name).unwrap();
    let refused = run_seed(system, &context, 0).unwrap_err();
    format!("{refused:#}")
}

#[test]
fn a_system_does_not_run_on_other_data_than_the_folders() {
    let texts = tempfile::tempdir().unwrap();
    std::fs::write(
        texts.path().join("a.txt"),
        "the cat sat on it. ".repeat(200),
    )
    .unwrap();
    for name in [
        "seta",
        "granet",
        "ssd",
        "datamodel-matching",
        "multigrid",
        "adaptive-batch",
    ] {
        let refused = refusal(name, texts.path());
        assert!(
            refused.contains("no images (IDX or CSV files)"),
            "{name}: {refused}"
        );
    }
    let refused = refusal("continual-pretraining", texts.path());
    assert!(refused.contains("1 text files"), "{refused}");
    let images = tempfile::tempdir().unwrap();
    write_idx(images.path());
    let refused = refusal("refined-schedules", images.path());
    assert!(refused.contains("no text"), "{refused}");
    let refused = refusal("infinite-schedule", images.path());
    assert!(refused.contains("0 text files"), "{refused}");
}

#[test]
fn twelve_images_are_too_few_for_datamodel_matching() {
    let folder = tempfile::tempdir().unwrap();
    let rows = (0..12).map(|i| format!("{},1,{},0,{}\n", i % 5, i % 3, i % 10));
    std::fs::write(folder.path().join("a.csv"), rows.collect::<String>()).unwrap();
    let refused = refusal("datamodel-matching", folder.path());
    assert!(refused.contains("training images of class 8"), "{refused}");
}

#[test]
fn an_empty_part_of_a_split_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // One image of each class: all go to the first part.
    let rows = (0..4).map(|i| format!("{i},1,2,0,{i}\n"));
    std::fs::write(folder.path().join("a.csv"), rows.collect::<String>()).unwrap();
    for name in ["seta", "multigrid", "adaptive-batch"] {
        let refused = refusal(name, folder.path());
        assert!(
            refused.contains("too few images: the parts of the split hold [4, 0]"),
            "{refused}"
        );
    }
}

#[test]
fn a_report_is_whole_and_has_every_field() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a.txt"), "the cat sat on the mat. ".repeat(200)).unwrap();
    let (out_name, data_name) = (out.to_str().unwrap(), data.to_str().unwrap());
    let output = program(&[
        "run",
        "refined-schedules",
        "--seeds",
        "1",
        "--small",
        "--out",
        out_name,
        "--data",
        data_name,
    ]);
    assert!(output.status.success(), "{output:?}");
    let findings = findings(&out);
    for field in [
        "system",
        "number",
        "crate",
        "paper",
        "paper_figure",
        "paper_effect",
        "claim",
        "metric",
        "unit",
        "better",
        "baseline",
        "method",
        "effect",
        "rule",
        "verdict",
        "checks",
        "faults",
        "revisions",
        "failures",
        "seeds",
        "data",
        "source",
        "machine",
        "backend",
        "commit",
        "arms",
    ] {
        assert!(!findings[0][field].is_null(), "{field}");
    }
    for field in [
        "quantity",
        "unit",
        "direction",
        "bound",
        "statement",
        "headline",
        "verdict",
    ] {
        assert!(!findings[0]["checks"][0][field].is_null(), "{field}");
    }
    assert_eq!(findings[0]["method"]["values"].as_array().unwrap().len(), 1);
    assert!(findings[0]["data"].as_str().unwrap().contains(data_name));
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("</html>"));
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
    let (data, name) = (folder.path().to_str().unwrap(), out.to_str().unwrap());
    let output = program(&[
        "run", "granet", "ssd", "seta", "--seeds", "1", "--data", data, "--out", name,
    ]);
    assert!(output.status.success(), "{output:?}");
    let findings = findings(&out);
    assert_eq!(findings.len(), 3);
    for finding in findings {
        assert!(finding["data"].as_str().unwrap().contains("IDX 28x28"));
        assert!(finding["method"]["mean"].is_number());
    }
}
