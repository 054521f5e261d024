//! Absurd arguments are errors or documented values, never a panic or an endless wait.

use std::time::Duration;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use regimen_tensor::logs::{GradientNorms, Norm, ScalarLog};
use regimen_tensor::reduce::Thread;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_tensor::threshold::{self, Scope};
use regimen_tensor::{
    Distribution, ParamVector, Part, Projection, Reducer, TensorError, Watch, fisher, stats,
};

fn layer() -> Linear {
    LinearConfig::new(3, 2).init(&Device::flex().autodiff())
}

#[test]
fn projections() {
    let mut hostile = Hostile::new("tensor projections");
    let device = Device::flex();
    let projection = Projection::new(2, 1).unwrap();
    for count in COUNTS {
        hostile.input(format!("Projection::new({count})"), || {
            Projection::new(count, u64::MAX)?.draw(3, &device)
        });
        hostile.input(format!("with_chunk({count})"), || {
            projection.with_chunk(count).draw(1500, &device)
        });
        hostile.input(format!("with_memory({count})"), || {
            projection.with_memory(count).draw(1500, &device)
        });
        hostile.input(format!("with_buckets({count})"), || {
            projection.with_buckets(count)?.draw(1500, &device)
        });
        hostile.input(format!("draw({count})"), || {
            let small = projection.with_memory(1 << 20);
            small.draw(count, &device)?;
            small.with_buckets(1000)?.draw(count, &device)
        });
    }
    for s in NUMBERS {
        hostile.input(format!("Sparse {s}"), || {
            let sparse = projection.with_distribution(Distribution::Sparse { s })?;
            sparse.apply(&ParamVector::of(&layer()))
        });
    }
    hostile.input("no rows", || {
        projection.apply_rows(Tensor::zeros([0, 0], &device))
    });
    hostile.finish();
}

#[test]
fn numbers_on_the_host() {
    let mut hostile = Hostile::new("tensor statistics");
    for a in NUMBERS {
        for b in NUMBERS {
            let (left, right) = ([a, b, 1.0], [b, a, 2.0]);
            hostile.input(format!("pearson {a} {b}"), || {
                let found = stats::pearson(&left, &right)?;
                assert!(found.abs() <= 1.0 + 1e-9, "{found}");
                let found = stats::spearman(&left, &right)?;
                assert!(found.abs() <= 1.0 + 1e-9, "{found}");
                Ok::<_, TensorError>(())
            });
            let _ = (
                stats::mean(&left),
                stats::standard_error(&left),
                stats::ranks(&left),
            );
        }
    }
    hostile.input("no values", || stats::pearson(&[], &[]));
    hostile.input("other lengths", || stats::spearman(&[1.0], &[]));
    for count in COUNTS {
        hostile.input(format!("kth_largest {count}"), || {
            threshold::kth_largest(&[1.0, f32::NAN, 2.0], count)?;
            threshold::top_k(&[1.0, 2.0], count)
        });
        hostile.input(format!("group of {count}"), || {
            let alone = count.min(1);
            let group = Thread::group_within(count.max(alone), Duration::ZERO);
            group
                .first()
                .map_or(Ok(Vec::new()), |thread| thread.gather(&[1.0]))
        });
        hostile.input(format!("micro batches {count}"), || {
            GradientNorms::new(Norm::L2).with_micro_batches(count)
        });
    }
    let scores = ParamVector::of(&layer());
    for share in NUMBERS {
        hostile.input(format!("keep_largest {share}"), || {
            threshold::keep_largest(&scores, share, &Scope::Global)
        });
        hostile.input(format!("groups, {share}"), || {
            let groups = Scope::Grouped(vec![usize::MAX, 0]);
            threshold::keep_largest(&scores, share, &groups)
        });
    }
    hostile.finish();
}

#[test]
fn fisher_without_batches_is_an_error_and_a_watch_stops_it() {
    let model = layer();
    let loss = |model: &Linear, rows: [[f32; 3]; 1]| {
        let x = Tensor::<2>::from_data(rows, &Device::flex().autodiff());
        model.forward(x).square().mean()
    };
    let none = fisher::batch_diagonal(&model, [], loss);
    assert!(matches!(none, Err(TensorError::Empty(_))));
    let batches = [[[1.0, 0.0, 0.0]], [[f32::NAN; 3]]];
    let first = Watch::new().until(|| true);
    let stopped = fisher::batch_diagonal_watched(&model, batches, loss, &first).unwrap();
    let alone = fisher::batch_diagonal(&model, [batches[0]], loss).unwrap();
    assert_eq!(stopped.to_host().unwrap(), alone.to_host().unwrap());
}

#[test]
fn a_watch_that_stops_a_draw_changes_no_result() {
    use std::sync::Mutex;
    let rows = Tensor::<2>::ones([2, 5000], &Device::flex());
    let projection = Projection::new(3, 5).unwrap().with_chunk(1);
    let projection = projection.with_buckets(3000).unwrap();
    let heard = std::sync::Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let watch = Watch::new()
        .with_progress(move |at| hears.lock().unwrap().push((at.done, at.total)))
        .until(|| true);
    let stopped = projection
        .draw_watched(5000, &rows.device(), &watch)
        .unwrap();
    let whole = projection.draw(5000, &rows.device()).unwrap();
    let found = [stopped, whole].map(|drawn| drawn.apply(rows.clone()).unwrap().into_data());
    assert_eq!(found[0], found[1]);
    assert_eq!(*heard.lock().unwrap(), [(1, 4)]);
}

/// A name beside the path is the user's; headers that lie are errors before memory is taken.
#[test]
fn files_of_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let mine = folder.path().join("m.tmp");
    std::fs::write(&mine, "mine").unwrap();
    let vector = ParamVector::of(&layer());
    vector.save(&path).unwrap();
    assert_eq!(std::fs::read(&mine).unwrap(), b"mine");
    let mut hostile = Hostile::new("tensor files");
    let header = |size: u64, text: &str, data: usize| {
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes.extend(vec![0; data]);
        bytes
    };
    let tensor = |from: u64, to: u64, shape: &str| {
        format!(r#"{{"weight":{{"dtype":"F32","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let texts = [
        tensor(0, u64::MAX, "[6]"),
        tensor(24, 0, "[6]"),
        tensor(0, 24, "[18446744073709551615, 18446744073709551615]"),
        tensor(0, 1 << 40, "[274877906944]"),
        "{}".to_owned(),
        "[".repeat(100_000),
    ];
    let mut files = vec![
        header(u64::MAX, "", 0),
        header(1 << 30, "{}", 0),
        Vec::new(),
    ];
    files.extend(texts.iter().map(|text| header(text.len() as u64, text, 24)));
    for (place, bytes) in files.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        hostile.input(format!("file {place}"), || {
            let answer = ParamVector::load(&path, &vector);
            assert!(answer.is_err());
            answer
        });
    }
    hostile.finish();
}

#[test]
fn logs_are_parts_that_restore_what_they_share() {
    let layer = layer();
    let number =
        |value: f64| Tensor::<1>::from_data(TensorData::from([value as f32]), &Device::flex());
    let mut log = ScalarLog::new();
    log.observe(number(1.0));
    log.end_update(&layer);
    let saved = log.save().unwrap();
    let clone = log.clone();
    clone.observe(number(5.0));
    clone.end_update(&layer);
    log.load(&saved).unwrap();
    assert_eq!(clone.values().unwrap(), [1.0]);
    clone.observe(number(7.0));
    clone.end_update(&layer);
    assert_eq!(log.values().unwrap(), [1.0, 7.0]);
    assert!(log.load(b"{\"values\": [\"much\"]}").is_err());
    assert_eq!(log.values().unwrap(), [1.0, 7.0]);
    let norms = GradientNorms::resume(Norm::L1, vec![2.0]);
    let saved = norms.save().unwrap();
    let mut other = GradientNorms::new(Norm::L2);
    assert!(other.load(&saved).unwrap_err().to_string().contains("norm"));
    let mut other = GradientNorms::new(Norm::L1);
    other.load(&saved).unwrap();
    assert_eq!(other.norms().unwrap(), [2.0]);
}
