//! Absurd arguments are errors or documented values, never a panic or an endless wait.

use std::time::Duration;

use burn::module::{ParamGroup, ParamId};
use burn::nn::{BatchNormConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Checkpoint, EpochCheckpoint};
use regimen_tensor::logs::{GradientNorms, Norm, ScalarLog};
use regimen_tensor::optimizer_state::{Keep, state_tensors, zero_states};
use regimen_tensor::reduce::Thread;
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};
use regimen_tensor::threshold::{self, Scope};
use regimen_tensor::{
    AccuracyMatrix, Distribution, ParamEntry, ParamVector, Part, Projection, Reducer, TensorError,
    Watch, directional, files, fisher, per_example, stats,
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
fn states_of_optimizers() {
    let mut hostile = Hostile::new("tensor optimizer states");
    let mut model = layer();
    let mut optim = AdamConfig::new().init();
    let loss = model.forward(Tensor::<2>::ones([4, 3], &Device::flex().autodiff()));
    let grads = GradientsParams::from_grads(loss.sum().backward(), &model);
    model = optim.step(0.1, model, grads);
    let off = [false; 6];
    for count in 0..8 {
        for id in [model.weight.id, ParamId::new()] {
            hostile.input(format!("zero_states {count}"), || {
                let keep = Keep {
                    id,
                    path: "",
                    keep: &off[..count.min(6)],
                };
                let mut optim = optim.clone();
                zero_states(&mut optim, &[keep, keep])?;
                state_tensors(&optim).map(drop)
            });
        }
    }
    hostile.input("zero_states of no state", || {
        zero_states(&mut AdamConfig::new().init(), &[])
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
fn matrices_of_accuracies() {
    let mut hostile = Hostile::new("tensor accuracies");
    for count in COUNTS {
        hostile.input(format!("AccuracyMatrix::new({count})"), || {
            let mut matrix = AccuracyMatrix::new(count)?;
            let _ = (matrix.average(), matrix.forgetting(count));
            let _ = (
                matrix.average_incremental(count),
                matrix.intransigence(count, 1.0),
            );
            matrix.record(count, &[0.5])
        });
        hostile.input(format!("AccuracyMatrix set {count}"), || {
            let mut matrix = AccuracyMatrix::new(3)?;
            matrix.set(2, count, 0.5)?;
            matrix.set(count, 0, 0.5)
        });
    }
    for value in NUMBERS {
        hostile.input(format!("AccuracyMatrix of {value}"), || {
            let mut matrix = AccuracyMatrix::new(2)?;
            matrix.record(1, &[value, 0.5])?;
            let _ = (matrix.average(), matrix.backward_transfer(1));
            matrix.set(0, 1, value)
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

#[test]
fn a_watch_hears_of_each_part_of_a_projection_and_stops_it() {
    use std::sync::{Arc, Mutex};
    let rows = Tensor::<2>::ones([2, 5000], &Device::flex());
    let plain = Projection::new(3, 5).unwrap().with_chunk(1);
    // One fold and three blocks of the matrix, or five blocks.
    for (projection, steps) in [(plain.with_buckets(3000).unwrap(), 4), (plain, 5)] {
        let drawn = projection.draw(5000, &rows.device()).unwrap();
        for last in 1..=steps {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let (hears, asked) = (heard.clone(), heard.clone());
            let watch = Watch::new()
                .with_progress(move |at| hears.lock().unwrap().push((at.work, at.done, at.total)))
                .until(move || asked.lock().unwrap().len() >= last);
            let answer = drawn.apply_watched(rows.clone(), &watch);
            let said: Vec<_> = (1..=last).map(|done| ("project", done, steps)).collect();
            assert_eq!(*heard.lock().unwrap(), said);
            if last == steps {
                let whole = drawn.apply(rows.clone()).unwrap().into_data();
                assert_eq!(answer.unwrap().into_data(), whole, "all was done");
            } else {
                let stopped = answer.unwrap_err().to_string();
                let expected = format!("project was stopped after {last} of {steps}");
                assert!(stopped.starts_with(&expected), "{stopped}");
            }
        }
        let stop = Watch::new().until(|| true);
        assert!(projection.apply_rows_watched(rows.clone(), &stop).is_err());
    }
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

/// Entries that fit neither their own values nor a module, groups that select nothing, gradients that are not there.
#[test]
fn vectors() {
    let mut hostile = Hostile::new("tensor vectors");
    let (layer, device) = (layer(), Device::flex());
    let whole = ParamVector::of(&layer);
    let folder = tempfile::tempdir().unwrap();
    let shapes = [vec![], vec![0], vec![3, 2], vec![usize::MAX, 2], vec![7]];
    for shape in shapes {
        for count in [0, 1, 6] {
            for id in [whole.entries()[0].id, ParamId::new()] {
                let entry = ParamEntry {
                    id,
                    path: "weight".into(),
                    shape: shape.clone(),
                    dtype: DType::F32,
                    values: Tensor::full([count], f64::NAN, &device),
                };
                let vector = ParamVector::from_entries(vec![entry.clone(), entry]);
                let name = format!("ParamVector::from_entries, {count} values of {shape:?}");
                hostile.input(format!("{name}, write_to"), || {
                    vector.write_to(LinearConfig::new(3, 2).init(&device))?;
                    vector.write_to(layer.clone())
                });
                hostile.input(format!("{name}, add"), || vector.clone().add(&whole));
                hostile.input(format!("{name}, added to"), || whole.clone().add(&vector));
                hostile.input(format!("{name}, to_host, l2, save"), || {
                    let _ = (vector.len(), vector.l2(), vector.is_empty());
                    let host = vector.to_host()?;
                    vector.save(folder.path().join("v.safetensors"))?;
                    vector.from_host(host)
                });
            }
        }
    }
    let right = whole.entries()[0].clone();
    let short = right.with_values(Tensor::zeros([1], &device));
    let [right, short] = [right, short].map(|entry| ParamVector::from_entries(vec![entry]));
    assert!(short.write_to(layer.clone()).is_err());
    assert!(right.clone().add(&short).is_err() && short.clone().add(&right).is_err());
    assert!(ParamVector::from_entries(Vec::new()).is_empty());
    let norm = BatchNormConfig::new(2).init(&device);
    hostile.input("ParamVector::buffers, ParamVector::state, none", || {
        assert!(ParamVector::buffers(&layer).is_empty());
        assert!(ParamVector::buffers(&LinearConfig::new(1, 1).init(&device)).is_empty());
        assert_eq!(ParamVector::state(&layer).len(), 8);
        ParamVector::buffers(&norm).write_to(layer.clone())
    });
    for group in [
        ParamGroup::from_path(""),
        ParamGroup::from_path("weight\0"),
        ParamGroup::from_ids(Vec::new()),
        ParamGroup::from_ids(vec![ParamId::new()]),
    ] {
        hostile.input("ParamVector::of_group, nothing", || {
            let none = ParamVector::of_group(&layer, &group);
            assert!(none.is_empty());
            none.write_to(layer.clone())
        });
    }
    hostile.input("ParamVector::gradients, none", || {
        let gradients = ParamVector::gradients(&layer, &GradientsParams::new());
        assert_eq!(gradients.to_host()?.concat(), [0.0; 8]);
        gradients.write_to(layer.clone())
    });
    hostile.finish();
}

#[test]
fn selections() {
    let mut hostile = Hostile::new("tensor selections");
    let device = Device::flex();
    let values = [1.0, 2.0, -1.0];
    for count in COUNTS {
        hostile.input(format!("top_k_of, bottom_k_of, {count}"), || {
            threshold::top_k_of(&values, &[true, false, true], count)?;
            threshold::bottom_k_of(&values, &[true, false, true], count)
        });
        hostile.input(format!("top_k_masks, {count}"), || {
            threshold::top_k_masks(&[&values, &[]], None, count)
        });
        hostile.input(format!("largest, smallest, {count}"), || {
            let scores = || vec![Tensor::<1>::ones([2], &device), Tensor::ones([1], &device)];
            threshold::largest(scores(), count)?;
            threshold::smallest(scores(), count)
        });
        for shape in [[0, 0], [2, 0], [0, 3], [2, 3]] {
            hostile.input(format!("largest_in_rows, {count} of {shape:?}"), || {
                let mask = threshold::largest_in_rows(Tensor::ones(shape, &device), count)?;
                threshold::flags(mask)
            });
        }
        hostile.input(format!("Thread::group, {count}"), || {
            let group = Thread::group(count);
            let expected = if count > Thread::LARGEST { 0 } else { count };
            assert_eq!(group.len(), expected);
            match &group[..] {
                [alone] => alone.gather(&[f64::NAN]),
                _ => Ok(Vec::new()),
            }
        });
    }
    for number in NUMBERS {
        let number = number as f32;
        let row = || Tensor::<1>::from_data([number, 1.0, number], &device);
        hostile.input(format!("top_k_of, bottom_k_of, {number}"), || {
            threshold::top_k_of(&[number, 1.0], &[true, true], 1)?;
            threshold::bottom_k_of(&[number, 1.0], &[false, true], 1)
        });
        hostile.input(format!("largest, {number}"), || {
            threshold::largest(vec![row()], 2)
        });
        hostile.input(format!("smallest, {number}"), || {
            threshold::smallest(vec![row()], 2)
        });
        hostile.input(format!("largest_in_rows, {number}"), || {
            threshold::largest_in_rows(row().reshape([1, 3]), 2)
        });
    }
    hostile.input("top_k_of, other lengths", || {
        threshold::top_k_of(&values, &[], 0)
    });
    hostile.input("bottom_k_of, nothing eligible", || {
        threshold::bottom_k_of(&values, &[false; 3], 1)
    });
    hostile.input("top_k_masks, other lengths", || {
        threshold::top_k_masks(&[&values, &values], Some(&[&[true]]), 1)
    });
    hostile.input("top_k_masks, nothing", || {
        threshold::top_k_masks(&[], Some(&[]), 0)
    });
    hostile.input("largest, nothing", || threshold::largest(Vec::new(), 0));
    hostile.input("largest, one of nothing", || {
        threshold::largest(Vec::new(), 1)
    });
    hostile.input("flags, nothing", || {
        let none = TensorData::new(Vec::<bool>::new(), [0]);
        let flags = threshold::flags(Tensor::<1, Bool>::from_data(none, &device))?;
        assert!(flags.is_empty());
        Ok::<_, TensorError>(())
    });
    hostile.finish();
}

#[test]
fn importances_and_directions() {
    let mut hostile = Hostile::new("tensor importances");
    let (layer, device) = (layer(), Device::flex().autodiff());
    let loss = |model: &Linear, x: Tensor<2>| model.forward(x).square().mean();
    let logits = |model: &Linear, x: Tensor<2>| model.forward(x);
    let none: [Tensor<2>; 0] = [];
    assert!(fisher::batch_absolute(&layer, none.clone(), loss).is_err());
    assert!(fisher::true_diagonal(&layer, none.clone(), logits).is_err());
    let labelled = |model: &Linear, x: Tensor<2>| {
        let rows = x.dims()[0];
        let labels = Tensor::<1, Int>::zeros([rows], &Device::flex().autodiff());
        (model.forward(x), labels)
    };
    assert!(fisher::cross_entropy_diagonal(&layer, none.clone(), labelled).is_err());
    per_example::for_each_gradient(&layer, none, loss, |_, _| Err(TensorError::Empty("never")))
        .unwrap();
    let gradient = |model: &Linear| {
        let x = Tensor::<2>::ones([1, 3], &Device::flex().autodiff());
        let grads = GradientsParams::from_grads(loss(model, x).backward(), model);
        Ok(ParamVector::gradients(model, &grads))
    };
    let outputs =
        |model: &Linear| model.forward(Tensor::<2>::ones([1, 3], &Device::flex().autodiff()));
    let ones = ParamVector::of(&layer).map(|_, values| values.ones_like());
    for number in NUMBERS {
        for rows in [0, 1, 2] {
            let x = || Tensor::<2>::full([rows, 3], number, &device);
            let name = format!("{rows} rows of {number}");
            hostile.input(format!("batch_absolute, {name}"), || {
                fisher::batch_absolute(&layer, [x()], loss)
            });
            hostile.input(format!("cross_entropy_diagonal, {name}"), || {
                fisher::cross_entropy_diagonal(&layer, [x()], labelled)
            });
            hostile.input(format!("for_each_gradient, {name}"), || {
                per_example::for_each_gradient(&layer, [x()], loss, |_, gradient| {
                    gradient.to_host().map(drop)
                })
            });
            hostile.input(format!("true_diagonal, {name}"), || {
                fisher::true_diagonal(&layer, [x()], logits)
            });
        }
        let direction = ones.clone().scale(number);
        hostile.input(format!("step_size, {number}"), || {
            directional::step_size(&ones, &direction)?;
            directional::step_size(&direction, &ones)
        });
        hostile.input(format!("hessian_vector, {number}"), || {
            directional::hessian_vector(&layer, &direction, gradient)
        });
        hostile.input(format!("jacobian_vector, {number}"), || {
            directional::jacobian_vector(&layer, &direction, |model| outputs(model).flatten(0, 1))
        });
    }
    let nothing = ParamVector::from_entries(Vec::new());
    let other = ParamVector::of(&LinearConfig::new(5, 5).init(&device));
    for direction in [nothing, other] {
        assert!(directional::hessian_vector(&layer, &direction, gradient).is_err());
        let product =
            directional::jacobian_vector(&layer, &direction, |model| outputs(model).flatten(0, 1));
        assert!(product.is_err());
    }
    hostile.finish();
}

#[cfg(feature = "linalg")]
#[test]
fn solves() {
    use regimen_tensor::linalg::{
        DMatrix, DVector, cholesky_lower, inner_products, inverse_spd, solve_spd,
    };
    let mut hostile = Hostile::new("tensor solves");
    for a in NUMBERS {
        for b in NUMBERS {
            let matrix = DMatrix::from_row_slice(2, 2, &[a, b, b, a]);
            hostile.input(format!("cholesky_lower, {a} {b}"), || {
                let found = cholesky_lower(matrix.clone());
                assert!(found.is_err() || (a.is_finite() && b.is_finite()));
                found
            });
            hostile.input(format!("inner_products, {a} {b}"), || {
                let (a, b) = (a as f32, b as f32);
                inner_products(&[a, b, b], &[b, a], 1, &mut [f32::NAN; 6])
            });
            hostile.input(format!("inverse_spd, {a} {b}"), || {
                inverse_spd(matrix.clone())
            });
            hostile.input(format!("solve_spd, {a} {b}"), || {
                solve_spd(matrix.clone(), &DVector::from_vec(vec![a, b]))
            });
        }
    }
    for dimensions in COUNTS {
        hostile.input(format!("inner_products, {dimensions}"), || {
            inner_products(&[], &[], dimensions, &mut [])?;
            inner_products(&[1.0; 4], &[1.0; 4], dimensions, &mut [0.0; 4])
        });
    }
    for (rows, columns) in [(0, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        let matrix = DMatrix::from_element(rows, columns, 1.0);
        let name = format!("{rows} by {columns}");
        hostile.input(format!("cholesky_lower, {name}"), || {
            cholesky_lower(matrix.clone())
        });
        hostile.input(format!("inverse_spd, {name}"), || {
            inverse_spd(matrix.clone())
        });
        for length in [0, 1, 2] {
            hostile.input(format!("solve_spd, {name}, {length}"), || {
                solve_spd(matrix.clone(), &DVector::zeros(length))
            });
        }
    }
    hostile.finish();
}

#[test]
fn paths_and_checkpoints() {
    let mut hostile = Hostile::new("tensor paths");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let long = folder.path().join("n".repeat(10_000));
    let (inside, absent) = (file.join("in"), folder.path().join("no").join("file"));
    let bad = [
        std::path::PathBuf::new(),
        "/".into(),
        folder.path().join(".."),
        folder.path().join("a\0b"),
        long,
        inside,
    ];
    for path in bad.iter().chain([&absent]) {
        hostile.input(format!("write_at, {}", path.display()), || {
            let written = files::write_at(path, |temporary| std::fs::write(temporary, "x"));
            assert!(written.is_err());
            written
        });
        hostile.input(format!("sync_folder, {}", path.display()), || {
            files::sync_folder(path)
        });
    }
    hostile.input("write_at, a writer that fails", || {
        let written = files::write_at(&file, |_| Err(std::io::Error::other("no")));
        assert_eq!(std::fs::read(&file)?, b"mine");
        written
    });
    // Not those that name a folder that is there.
    let unusable = bad[3..].iter().chain([&file]);
    for path in unusable {
        let name = path.display();
        hostile.input(format!("Checkpoint::new, {name}"), || {
            let checkpoint = Checkpoint::new(path).with("log", ScalarLog::new());
            assert!(checkpoint.save(1).is_err());
            checkpoint.steps()
        });
        hostile.input(format!("Checkpoint::new, restore, {name}"), || {
            let mut checkpoint = Checkpoint::new(path).with("log", ScalarLog::new());
            checkpoint.restore()
        });
        hostile.input(format!("EpochCheckpoint::new, {name}"), || {
            EpochCheckpoint::new(path)
                .with("log", ScalarLog::new())
                .resume()
        });
    }
    for (place, name) in ["", ".", "..", "../log", "a/b", "a\0", "manifest"]
        .into_iter()
        .enumerate()
    {
        let run = folder.path().join(format!("run-{place}"));
        hostile.input(format!("Checkpoint::new, a part {name:?}"), || {
            let checkpoint = Checkpoint::new(&run).with(name, ScalarLog::new());
            checkpoint.save(u64::MAX)?;
            checkpoint.save(u64::MAX)
        });
        hostile.input(format!("EpochCheckpoint::new, a part {name:?}"), || {
            EpochCheckpoint::new(&run)
                .with(name, ScalarLog::new())
                .resume()
        });
    }
    for count in COUNTS {
        let run = folder.path().join(format!("keep-{count}"));
        hostile.input(format!("Checkpoint::new, keep {count}"), || {
            let checkpoint = Checkpoint::new(&run).keep(count);
            checkpoint.save(0)?;
            checkpoint.save(count as u64)?;
            checkpoint.remove_after(0)?;
            Checkpoint::new(&run).restore_at(count as u64)
        });
        let run = folder.path().join(format!("every-{count}"));
        hostile.input(format!("EpochCheckpoint::new, keep, every {count}"), || {
            EpochCheckpoint::new(&run).keep(count).every(count).resume()
        });
    }
    hostile.finish();
}

#[test]
fn a_target_that_is_no_class_is_nan_for_a_function_and_an_error_for_what_reads() {
    let device = Device::flex().autodiff();
    let targets = |values: [i64; 3]| Tensor::<1, Int>::from_data(values, &device);
    let logits = Tensor::<2>::zeros([3, 2], &device).require_grad();
    let losses = per_example::cross_entropy(logits.clone(), targets([-100, 2, 1]));
    let slopes = logits.grad(&losses.clone().sum().backward()).unwrap();
    let losses = losses.try_into_vec_as::<f32>().unwrap();
    assert!(losses[0].is_nan() && losses[1].is_nan());
    assert!((losses[2] - 2.0_f32.ln()).abs() < 1e-6);
    let slopes = slopes.try_into_vec_as::<f32>().unwrap();
    assert_eq!(slopes, [0.0, 0.0, 0.0, 0.0, 0.5, -0.5]);
    let none = per_example::cross_entropy(Tensor::zeros([3, 0], &device), targets([-1, 0, 1]));
    let none = none.try_into_vec_as::<f32>().unwrap();
    assert!(none.iter().all(|loss| loss.is_nan()));

    let layer = layer();
    let forward = |model: &Linear, values: [i64; 3]| {
        let x = Tensor::<2>::ones([3, 3], &Device::flex().autodiff());
        let targets = Tensor::<1, Int>::from_data(values, &Device::flex().autodiff());
        (model.forward(x), targets)
    };
    for bad in [-100, 2, i64::from(i32::MAX)] {
        let batches = [[0, 1, 0], [1, bad, 0], [0, 0, 1]];
        let error = fisher::cross_entropy_diagonal(&layer, batches, forward).unwrap_err();
        let expected = format!("`target` is {bad}: allowed is one of 0..2");
        assert_eq!(error.to_string(), expected);
        let loss = |model: &Linear, values| {
            let (logits, targets) = forward(model, values);
            per_example::cross_entropy(logits, targets).mean()
        };
        let found = fisher::batch_absolute(&layer, batches, loss).unwrap();
        let found = found.to_host().unwrap();
        assert!(found.iter().flatten().all(|value| value.is_nan()));
    }
    assert!(fisher::cross_entropy_diagonal(&layer, [[0, 1, 1]], forward).is_ok());
}
