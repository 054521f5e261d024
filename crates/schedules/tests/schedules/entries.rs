//! Every schedule of the crate once: the book's gallery, and the catalogue that the tests go over.

use regimen_schedules::peers::{optax, transformers};
use regimen_schedules::{
    AnySchedule, Between, Combined, Constant, Cosine, Curve, Cyclic, CyclicMode, Exponential,
    Feedback, GreedyConfig, HardRestarts, Infinite, InverseSqrt, InverseTime, Lambda, Linear,
    MultiStep, Noam, Noisy, Norm, OneCycle, PiecewiseConstant, PiecewiseInterpolate, Polynomial,
    ReduceOnPlateauConfig, Reduction, RefinedConfig, Result, Rewarmed, Rise, ScheduleExt, Sequence,
    Stable, Stage, Step, Swa, Table, Tanh, WarmRestarts, WarmupClock, Wsd,
};

/// A section of the gallery.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) formula: &'static str,
    /// Which libraries have it, and under what name.
    pub(crate) peers: &'static str,
    /// What makes it.
    pub(crate) code: String,
    pub(crate) schedule: AnySchedule,
}

/// The last step of each picture.
pub(crate) const STEPS: usize = 120;

/// Entries whose code is what is compiled.
macro_rules! entries {
    ($($name:literal, $formula:literal, $peers:literal, { $code:expr })*) => {
        vec![$(Entry {
            name: $name,
            formula: $formula,
            peers: $peers,
            code: stringify!($code).split_whitespace().collect::<Vec<_>>().join(" "),
            schedule: AnySchedule::from($code),
        }),*]
    };
}

/// A loss that falls, stays, and falls again.
fn losses() -> impl Iterator<Item = f64> {
    (0..=STEPS).map(|t| match t {
        0..30 => 3.0 - 0.05 * t as f64,
        30..80 => 1.5,
        _ => 1.5 - 0.01 * (t - 79) as f64,
    })
}

fn norms() -> Vec<f64> {
    (1..=100).map(|t| f64::from(t).powf(-0.5)).collect()
}

pub(crate) fn all() -> Vec<Entry> {
    let mut all = simple().unwrap();
    all.extend(cyclic().unwrap());
    all.extend(phased().unwrap());
    all.extend(composed().unwrap());
    all.extend(fed().unwrap());
    all
}

fn simple() -> Result<Vec<Entry>> {
    Ok(entries! {
        "Constant", "peak", "optax, torch, timm, transformers, Burn",
        { Constant::new(1.0)? }
        "Constant factor", "a third of the rate for 5 steps, then the rate", "torch `ConstantLR`",
        { Constant::new(1.0 / 3.0)?.then(5, Constant::new(1.0)?)? }
        "Linear", "peak (1 - t / T)", "optax, torch `LinearLR`, transformers, Burn",
        { Linear::new(1.0, 100)? }
        "Linear between two values", "from + (to - from) t / T", "optax `linear_schedule`, torch `LinearLR`, Burn",
        { Linear::between(0.9, 0.5, 100)? }
        "Between two steps", "to + (from - to) f(p), p = (t - start) / (end - start), along any curve f", "gradual pruning (cubic), optax `polynomial_schedule(transition_begin=..)`",
        { Between::new(0.0, 0.9, 20, 80, Curve::CUBIC)? }
        "Polynomial", "end + (peak - end) (1 - t / T)^power", "optax, torch `PolynomialLR`, timm, transformers, Keras",
        { Polynomial::decay(1.0, 0.01, 100, 2.0)? }
        "Polynomial with cycles", "T counts as T ceil(t / T)", "Keras `PolynomialDecay(cycle=True)`",
        { Polynomial::decay(1.0, 0.01, 40, 1.0)?.with_cycle()? }
        "Polynomial with a warm-up", "peak t / (w T), then peak ((1 - t / T) / (1 - w))^power", "the closed forms of refined schedules",
        { Polynomial::new(1.0, 100, 0.28, 1.0)? }
        "Cosine", "end + (peak - end) (1 + cos(pi t / T)) / 2", "optax `cosine_decay_schedule`, torch `CosineAnnealingLR`, timm, transformers, Keras `CosineDecay`, Burn",
        { Cosine::new(1.0, 100)? }
        "Cosine with an end and an exponent", "end + (peak - end) ((1 + cos(pi t / T)) / 2)^exponent", "optax (alpha, exponent)",
        { Cosine::new(1.0, 100)?.with_end(0.1)?.with_exponent(1.5)? }
        "K-decay", "t / T becomes (t / T)^k", "timm (cosine, polynomial)",
        { Cosine::new(1.0, 100)?.with_k_decay(2.0)? }
        "Hyperbolic tangent", "end + (peak - end) (1 - tanh(-7 (1 - p) + 3 p)) / 2, p = t / T", "timm `TanhLRScheduler`",
        { Tanh::new(1.0, 100)? }
        "Exponential", "peak rate^(t / N)", "optax `exponential_decay`, torch `ExponentialLR`, Keras `ExponentialDecay`, Burn",
        { Exponential::new(1.0, 0.5, 20)? }
        "Exponential in stairs, with a floor", "max(peak rate^floor(t / N), bound)", "optax, Keras (staircase)",
        { Exponential::new(1.0, 0.5, 20)?.with_staircase().with_bound(0.1)? }
        "Inverse time", "peak / (1 + rate t / N)", "Keras `InverseTimeDecay`",
        { InverseTime::new(1.0, 0.5, 10)? }
        "Inverse time in stairs", "peak / (1 + rate floor(t / N))", "Keras `InverseTimeDecay(staircase=True)`",
        { InverseTime::new(1.0, 0.5, 10)?.with_staircase() }
        "Inverse square root", "peak / sqrt(1 + t / scale)", "transformers `get_inverse_sqrt_schedule`, timm",
        { InverseSqrt::new(1.0, 10.0)? }
        "Noam", "factor / sqrt(width) min(1 / sqrt(s), s / warmup^1.5), s = t + 1", "Burn",
        { Noam::new(1.0, 40, 512)? }
        "Step", "peak gamma^floor(t / N)", "torch `StepLR`, timm, Burn",
        { Step::new(1.0, 0.5, 30)? }
        "Multi-step", "peak gamma^(milestones up to t)", "torch `MultiStepLR`, timm (one step early)",
        { MultiStep::new(1.0, 0.3, vec![40, 80, 100])? }
        "Piecewise constant", "values between boundaries, or factors that accumulate", "Keras `PiecewiseConstantDecay` (a boundary keeps the old value), optax `piecewise_constant_schedule`",
        { PiecewiseConstant::new(vec![50, 75], vec![1.0, 0.5, 0.1])? }
        "Piecewise interpolation", "lines or half cosines through points", "optax `piecewise_interpolate_schedule`",
        { PiecewiseInterpolate::new(&[(0, 0.2), (30, 1.0), (80, 0.4), (100, 0.0)], Curve::Cosine)? }
        "Refined", "from the gradient norms of a first run", "none",
        { RefinedConfig::new(Norm::L2).init(&norms())? }
        "Function", "f(t), or a table of its values to save", "torch `LambdaLR`, optax, Keras, Burn",
        { Table::new(Lambda(|t: usize| (1.0 + t as f64 / 30.0).powi(-2)).table(121)?)? }
        "Multiplicative", "the product of f(1) ... f(t)", "torch `MultiplicativeLR`",
        { Table::multiplicative(1.0, 121, |t| if t % 20 == 0 { 0.5 } else { 1.01 })? }
    })
}

fn cyclic() -> Result<Vec<Entry>> {
    Ok(entries! {
        "Warm restarts (SGDR)", "cycle n: end + (peak decay^n - end) (1 + cos(pi s)) / 2, first mult^n steps long", "torch `CosineAnnealingWarmRestarts`, timm, Keras `CosineDecayRestarts`, optax `sgdr_schedule`",
        { WarmRestarts::new(1.0, 10)?.with_growth(2.0)? }
        "Warm restarts that weaken and stop", "decay and a limit of the cycles", "timm (`cycle_decay`, `cycle_limit`), Keras (`m_mul`)",
        { WarmRestarts::new(1.0, 25)?.with_decay(0.6)?.with_end(0.05)?.with_limit(4) }
        "Restarts of another curve", "any curve within a cycle", "timm (polynomial, hyperbolic tangent)",
        { WarmRestarts::new(1.0, 30)?.with_curve(Curve::Polynomial { power: 0.5 })? }
        "Hard restarts", "peak (1 + cos(pi (H t mod T) / T)) / 2, then 0", "transformers `cosine_with_restarts`",
        { HardRestarts::new(1.0, 3, 100)? }
        "One cycle", "peak / 25 up to peak at 0.3 T - 1, down to peak / 250000 at T - 1", "torch `OneCycleLR`, optax `cosine_onecycle_schedule` (peak at 0.3 T)",
        { OneCycle::new(1.0, 100)? }
        "One cycle in three lines", "up, back as fast, then down to the end", "torch (`three_phase`, linear), optax `linear_onecycle_schedule`",
        { OneCycle::new(1.0, 100)?.with_curve(Curve::Linear)?.with_three_phases()? }
        "One cycle as optax has it", "lines through the steps 0.3 T, 0.85 T and T", "optax `linear_onecycle_schedule`",
        { optax::linear_onecycle(100, 1.0, (0.3, 0.85), 25.0, 1e4)? }
        "Momentum of one cycle", "high where the rate is low", "torch (`cycle_momentum`)",
        { OneCycle::new(1.0, 100)?.momentum(0.85, 0.95)? }
        "Cyclic, triangular", "base + (max - base) triangle(t)", "torch `CyclicLR`",
        { Cyclic::new(0.1, 1.0, 10, 20)? }
        "Cyclic, triangular2", "half the height after each cycle", "torch `CyclicLR(mode=\"triangular2\")`",
        { Cyclic::new(0.1, 1.0, 15, 15)?.with_mode(CyclicMode::Triangular2)? }
        "Cyclic, exponential range", "gamma^t of the height", "torch `CyclicLR(mode=\"exp_range\")`",
        { Cyclic::new(0.1, 1.0, 10, 10)?.with_mode(CyclicMode::ExpRange { gamma: 0.98 })? }
    })
}

fn phased() -> Result<Vec<Entry>> {
    Ok(entries! {
        "Warm-up, stable, decay (WSD)", "peak t / W, peak, then peak (1 - sqrt(p))", "timm `WSDLRScheduler`, transformers `get_wsd_schedule`",
        { Wsd::new(1.0, 10, 60, 30)? }
        "WSD as transformers has it", "warm-up from end, cosine decay to end", "transformers `get_wsd_schedule`",
        { transformers::wsd(1.0, (10, 60, 30), 0.1, Rise::Cosine, Curve::Cosine)? }
        "WSD with a stable phase that decays", "sqrt(W / t), then times 1 - p", "timm (rsqrt, linear)",
        { Wsd::new(1.0, 10, 60, 30)?.with_stable(Stable::inverse_sqrt(10.0))?.with_curve(Curve::Linear)? }
        "Infinite, its trunk", "peak t / W, a cosine to constant, constant for ever", "none in one piece",
        { Infinite::new(1.0, 0.5, 10, 40)? }
        "Infinite, a branch that anneals", "constant (end / constant)^((t - K) / A) from the plateau step K on", "none in one piece",
        { Infinite::new(1.0, 0.5, 10, 40)?.anneal(80, 20, 0.05)? }
        "Infinite, inverse square root cool-down", "h(x) / h(1), h(x) = 1 / sqrt(1 + 10 x) - 1", "none in one piece",
        { Infinite::new(1.0, 0.5, 10, 40)?.with_cooldown(Curve::InverseSqrt { alpha: 10.0 })?.anneal(80, 20, 0.05)? }
        "Re-warmed", "peak t / W and a cosine to end, for each data set again", "none in one piece",
        { Rewarmed::new(0.1, vec![Stage { peak: 1.0, steps: 60, warmup: 6 }, Stage { peak: 0.7, steps: 40, warmup: 4 }])? }
        "Cosine, warm-up from a rate, least rate", "the cosine is one step ahead of the warm-up's end", "transformers `cosine_warmup_with_min_lr`",
        { transformers::cosine_warmup_with_min_lr(1.0, 10, 100, 0.1, Some(0.3))? }
    })
}

fn composed() -> Result<Vec<Entry>> {
    Ok(entries! {
        "Warm-up, no step lost", "first (t + 1) / W", "none",
        { Cosine::new(1.0, 90)?.warmed_up(10)? }
        "Warm-up from a value", "from + (first - from) t / W", "optax, timm, transformers, Keras",
        { Linear::new(1.0, 90)?.warmed_up(10)?.starting_at(0.2)? }
        "Warm-up along a cosine", "(1 - cos(pi t / W)) / 2", "transformers (WSD)",
        { InverseSqrt::new(1.0, 20.0)?.warmed_up(20)?.starting_at(0.0)?.with_rise(Rise::Cosine) }
        "Warm-up along 1 - sqrt", "1 - sqrt(1 - t / W)", "transformers (WSD)",
        { InverseSqrt::new(1.0, 20.0)?.warmed_up(20)?.starting_at(0.0)?.with_rise(Rise::OneMinusSqrt) }
        "Warm-up while the clock runs", "the rise aims at the first value; a small jump at W", "timm (without `warmup_prefix`)",
        { Cosine::new(1.0, 100)?.warmed_up(20)?.starting_at(0.0)?.with_clock(WarmupClock::Runs) }
        "Sequence", "each part from its own step 0", "torch `SequentialLR`, optax `join_schedules`, Burn",
        { Sequence::new(vec![AnySchedule::from(Linear::between(0.0, 1.0, 20)?), Constant::new(1.0)?.into(), Exponential::new(1.0, 0.5, 10)?.into()], vec![20, 60])? }
        "Then", "one for some steps, then another", "torch, optax, Burn",
        { Linear::between(0.2, 1.0, 30)?.then(30, Cosine::new(1.0, 70)?)? }
        "Scaled", "factor f(t)", "optax (chain), torch (groups), timm (`lr_scale`)",
        { Cosine::new(1.0, 100)?.scaled(0.5)? }
        "Clamped", "between two bounds", "none",
        { InverseSqrt::new(1.0, 5.0)?.clamped(0.3, 0.8)? }
        "Repeated", "decay^n f(t mod N)", "none",
        { Linear::new(1.0, 30)?.repeated(30)?.with_decay(0.8)?.with_times(3)? }
        "Restarted", "the clock goes back to 0 at given steps", "none",
        { Exponential::new(1.0, 0.5, 20)?.restarted(vec![30, 80])? }
        "Skipped", "f(t + n)", "none",
        { Cosine::new(1.0, 100)?.skipped(30)? }
        "Held", "f(floor(t / n)): a schedule of epochs in a run that counts updates", "torch (stepped by epoch)",
        { Cosine::new(1.0, 10)?.held(10)? }
        "Product", "f(t) g(t); sum and average likewise", "torch `ChainedScheduler`, Burn",
        { Combined::new(vec![AnySchedule::from(Linear::new(1.0, 100)?), Cyclic::new(0.5, 1.0, 5, 5)?.into()], Reduction::Product)? }
        "Average", "(f(t) + g(t)) / 2", "Burn",
        { Combined::new(vec![AnySchedule::from(Linear::new(1.0, 100)?), Step::new(1.0, 0.5, 25)?.into()], Reduction::Average)? }
        "Stochastic weight averaging", "from step S, a blend to a constant rate", "torch `SWALR`",
        { Swa::new(Cosine::new(1.0, 100)?, 60, 0.4, 20)? }
        "Noise", "f(t) (1 + noise), from the seed and the step", "timm (other generator)",
        { Noisy::new(Cosine::new(1.0, 100)?, 42)?.with_range(30, Some(90)) }
    })
}

fn fed() -> Result<Vec<Entry>> {
    let mut plateau = ReduceOnPlateauConfig::torch().with_factor(0.5).init(1.0)?;
    let plateau = Table::new(losses().map(|loss| plateau.observe(loss)).collect())?;
    let mut greedy = GreedyConfig::new().with_factor(0.9).init(0.3)?;
    let greedy = Table::new(losses().map(|loss| greedy.observe(loss)).collect())?;
    let entry = |name, formula, peers, code: &str, schedule: Table| Entry {
        name,
        formula,
        peers,
        code: code.to_owned(),
        schedule: schedule.into(),
    };
    Ok(vec![
        entry(
            "Reduce on plateau",
            "cut when a metric stagnates: here it falls, stays from step 30 to 79, and falls again",
            "torch and Keras `ReduceLROnPlateau`, optax `reduce_on_plateau`, timm, transformers",
            "LrFeedback::new(ReduceOnPlateauConfig::torch().with_factor(0.5).init(1.0)?)",
            plateau,
        ),
        entry(
            "Greedy",
            "raised while a metric improves, cut when it does not: on the same metric",
            "transformers `GreedyLR`",
            "LrFeedback::new(GreedyConfig::new().with_factor(0.9).init(0.3)?)",
            greedy,
        ),
    ])
}
