//! Models, optimizers and schedules of every type come back bit for bit, or are refused.

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::ParamGroup;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamConfig, AdamWConfig, AdanConfig, LambConfig, LionConfig, ModuleOptimizer, SgdConfig,
};
use regimen_tensor::checkpoint::{CheckpointError, RecordError};

use super::*;

/// Five steps, a checkpoint, five steps in a new run: against ten.
fn resumes(dtype: DType, optim: impl Fn() -> ModuleOptimizer) {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut run = Run::new(dtype);
        run.optim = optim();
        run
    };
    let (mut straight, mut first, mut second) = (start(), start(), start());
    (0..10).for_each(|_| straight.step());
    (0..5).for_each(|_| first.step());
    first.unit(folder.path()).save(5).unwrap();
    drop(first);
    assert_eq!(second.unit(folder.path()).restore().unwrap(), Some(5));
    assert_eq!(second.batches, Count(5));
    (0..5).for_each(|_| second.step());
    assert_eq!(second.net.head.weight.val().dtype(), dtype);
    assert_eq!(second.bits(), straight.bits(), "{dtype:?}");
}

#[test]
fn optimizers_of_every_type_go_on_bit_for_bit() {
    for dtype in [DType::BF16, DType::F32, DType::F64] {
        resumes(dtype, || Exact(AdamWConfig::new().build()).into());
        let amsgrad = AdamWConfig::new().with_amsgrad(true);
        resumes(dtype, || Exact(amsgrad.build()).into());
        resumes(dtype, || Exact(AdamConfig::new().build()).into());
        resumes(dtype, || Exact(AdanConfig::new().build()).into());
        resumes(dtype, || Exact(LambConfig::new().build()).into());
        resumes(dtype, || Exact(LionConfig::new().build()).into());
        resumes(dtype, || SgdConfig::new().init());
        resumes(dtype, || {
            let base: ModuleOptimizer = Exact(AdamWConfig::new().build()).into();
            let group = ParamGroup::from_predicate("head");
            base.with_group(group, Exact(LionConfig::new().build()), None)
        });
    }
    resumes(DType::F32, || AdamWConfig::new().init());
    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    resumes(DType::F32, || momentum.init());
}

/// Burn's record has its entries in the order of a hash map, which is another one in each optimizer.
#[test]
fn the_same_state_of_an_optimizer_is_saved_as_the_same_bytes() {
    let mut run = Run::new(DType::F32);
    run.step();
    let saved = Part::save(&run.optim).unwrap();
    for _ in 0..3 {
        let mut other = Run::new(DType::F32).optim;
        Part::load(&mut other, &saved).unwrap();
        assert!(Part::save(&other).unwrap() == saved);
    }
}

#[test]
fn a_state_that_burn_would_bring_back_in_another_type_is_refused_when_saved() {
    for dtype in [DType::BF16, DType::F64] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(dtype);
        run.optim = AdamWConfig::new().init();
        run.step();
        let error = run.unit(folder.path()).save(1).unwrap_err();
        let CheckpointError::Save { name, source } = error else {
            panic!("{error}");
        };
        assert_eq!(name, "optimizer");
        let refused = source.downcast_ref::<RecordError>().unwrap();
        assert!(
            matches!(refused, RecordError::Type { dtype: found, default: DType::F32, .. } if *found == dtype),
            "{refused}"
        );
        assert_eq!(run.unit(folder.path()).restore().unwrap(), None);
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<Vec<_>>(), [".lock"]);
    }
}

#[test]
fn an_optimizer_of_another_kind_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(DType::F32);
    run.step();
    run.unit(folder.path()).save(1).unwrap();
    let momentum = SgdConfig::new().with_momentum(Some(MomentumConfig::new()));
    let others: [ModuleOptimizer; 3] = [
        momentum.init(),
        Exact(LionConfig::new().build()).into(),
        AdamWConfig::new().init(), // would lose the types
    ];
    for optim in others {
        let mut other = Run::new(DType::F32);
        other.optim = optim;
        other.step();
        other.step();
        let before = (other.bits(), other.batches.clone());
        let error = other.unit(folder.path()).restore().unwrap_err();
        let CheckpointError::Load { path, source } = &error else {
            panic!("{error}");
        };
        assert!(path.ends_with("00000001/optimizer.part"), "{error}");
        let refused = source.downcast_ref::<RecordError>().unwrap();
        assert!(matches!(refused, RecordError::Differs { .. }), "{refused}");
        assert_eq!((other.bits(), other.batches.clone()), before);
        // It goes on as if nothing had been tried.
        other.step();
    }
}

#[test]
fn a_model_of_other_shapes_or_types_is_refused_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(DType::F32);
    run.step();
    run.unit(folder.path()).save(1).unwrap();
    let device = Device::flex().autodiff();
    let mut wide = Run::new(DType::F32);
    wide.net.head = LinearConfig::new(8, 2).init(&device);
    let mut bare = Run::new(DType::F32);
    bare.net.head = LinearConfig::new(8, 1).with_bias(false).init(&device);
    for (mut other, path) in [
        (wide, "head.bias"),
        (bare, "head.bias"),
        (Run::new(DType::F64), "first.bias"),
    ] {
        let before = other.bits();
        let error = other.unit(folder.path()).restore().unwrap_err();
        let CheckpointError::Load { path: file, source } = &error else {
            panic!("{error}");
        };
        assert!(file.ends_with("00000001/model.part"));
        let refused = source.downcast_ref::<RecordError>().unwrap();
        assert!(
            matches!(refused, RecordError::Model { path: found, .. } if found == path),
            "{refused}"
        );
        assert_eq!(other.bits(), before);
        assert_eq!(other.batches, Count(0));
    }
}

#[test]
fn a_schedule_of_another_kind_is_refused_and_goes_on_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(DType::F32);
    run.step();
    let unit = |run: &mut Run| {
        let scheduler = &mut run.scheduler;
        Checkpoint::new(folder.path())
            .with_scheduler(scheduler)
            .save(1)
            .unwrap();
    };
    unit(&mut run);
    let mut other = Halves(0.2);
    assert_eq!(other.step(), 0.1);
    let mut unit = Checkpoint::new(folder.path()).with_scheduler(&mut other);
    let error = unit.restore().unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Load { path, .. } if path.ends_with("00000001/scheduler.part"))
    );
    drop(unit);
    assert_eq!(other.step(), 0.05);
    // Groups have a record of their own.
    let mut groups = ModuleLrScheduler::new(0.1);
    let mut unit = Checkpoint::new(folder.path()).with_module_scheduler(&mut groups);
    assert!(matches!(unit.restore(), Err(CheckpointError::Kind { .. })));
}

#[test]
fn schedules_of_groups_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let new = || {
        let linear = Line(0);
        let exponential = Halves(0.2);
        ModuleLrScheduler::new(linear).with_group(ParamGroup::from_predicate("head"), exponential)
    };
    let (mut first, mut second) = (new(), new());
    (0..4).for_each(|_| drop(first.step()));
    Checkpoint::new(folder.path())
        .with_module_scheduler(&mut first)
        .save(4)
        .unwrap();
    Checkpoint::new(folder.path())
        .with_module_scheduler(&mut second)
        .restore()
        .unwrap();
    let id = burn::module::ParamId::new();
    let rates = |scheduler: &mut ModuleLrScheduler| {
        let rates = scheduler.step();
        [None, Some("head.weight")].map(|path| rates.lr_from_param(id, path).to_bits())
    };
    assert_eq!(rates(&mut second), rates(&mut first));
}

#[test]
fn records_that_are_cut_or_changed_are_errors_of_the_part() {
    let mut run = Run::new(DType::F32);
    run.step();
    let bytes = Part::save(&run.optim).unwrap();
    for at in (0..bytes.len()).step_by(37) {
        assert!(
            Part::load(&mut run.optim.clone(), &bytes[..at]).is_err(),
            "cut at {at}"
        );
    }
    // A header that names sizes beyond the bytes takes no memory.
    for at in 0..200 {
        let mut changed = bytes.clone();
        changed[at] = 0xff;
        let _ = Part::load(&mut run.optim.clone(), &changed);
    }
}

#[test]
fn two_models_and_two_optimizers_have_their_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let (mut one, mut two) = (Run::new(DType::F32), Run::new(DType::F32));
    one.step();
    (0..3).for_each(|_| two.step());
    fn unit<'a>(folder: &Path, one: &'a mut Run, two: &'a mut Run) -> Checkpoint<'a> {
        Checkpoint::new(folder)
            .with_model_as("generator", &mut one.net)
            .with_model_as("critic", &mut two.net)
            .with_optimizer(&mut one.optim)
            .with("critic-optimizer", &mut two.optim)
    }
    unit(folder.path(), &mut one, &mut two).save(1).unwrap();
    let (mut first, mut second) = (Run::new(DType::F32), Run::new(DType::F32));
    unit(folder.path(), &mut first, &mut second)
        .restore()
        .unwrap();
    assert_eq!((first.bits(), second.bits()), (one.bits(), two.bits()));
    assert_ne!(one.bits(), two.bits());
}

#[test]
fn a_model_on_a_plain_device_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut run, mut again) = (Run::new(DType::F32), Run::new(DType::F32));
    (0..3).for_each(|_| run.step());
    run.net = run.net.valid();
    again.net = again.net.valid();
    Checkpoint::new(folder.path())
        .with_model(&mut run.net)
        .save(1)
        .unwrap();
    Checkpoint::new(folder.path())
        .with_model(&mut again.net)
        .restore()
        .unwrap();
    assert_eq!(again.bits(), run.bits());
    assert_ne!(run.bits(), Run::new(DType::F32).bits());
}

#[test]
fn a_save_changes_nothing_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (mut saved, mut straight) = (Run::new(DType::F32), Run::new(DType::F32));
    for step in 1..=6 {
        straight.step();
        saved.step();
        saved.unit(folder.path()).save(step).unwrap();
    }
    assert_eq!(saved.bits(), straight.bits());
}
