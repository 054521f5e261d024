//! Agreement with verl's and TRL's own functions: `golden/make.py` writes the numbers.

use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::rngs::StdRng;
use regimen_rl_rewards::{
    AdaptiveKl, Advantage, Advantages, Aggregation, Aot, ApoDown, ApoZero, Baseline, Bco, Clip,
    ClipCov, Cpo, DiscoPop, Divergence, Dpo, DpoLoss, Exo, FDivergence, Gae, Gdpo, Gpg, Groups,
    Grpo, Ipo, KlCov, KlEstimator, KlGradient, KlTerm, Kto, Level, Marked, Mismatch, MismatchBound,
    MismatchLevel, MismatchMeasure, MismatchOver, Nca, Objective, Opo, OptimalTokenBaseline, Orpo,
    Outside, Pairs, PassAtK, PolicyFilter, PolicyLoss, Preference, Reinforce, ReinforcePlusPlus,
    Remax, Rloo, Scale, Scored, SimPo, Sppo, TokenBatch, TokenMask, ValueLoss, alignment_weights,
    token_rewards,
};

const LENGTHS: [usize; 8] = [5, 3, 4, 1, 2, 5, 4, 3];
const PROMPTS: [u64; 8] = [0, 1, 0, 1, 2, 2, 0, 1];
const TOKENS: usize = 5;

/// The rows of a file, after its versions and its header: what, name, numbers.
struct Golden(Vec<(String, String, Vec<f64>)>);

impl Golden {
    fn read(text: &str) -> Self {
        assert!(text.starts_with("# verl 0.9.1, trl 1.16.0, torch 2.15.0"));
        let rows = text.lines().skip(2).map(|line| {
            let mut cells = line.splitn(3, ',').map(str::to_owned);
            let mut cell = || cells.next().unwrap();
            let (what, name) = (cell(), cell());
            let values = cell()
                .split(' ')
                .map(|value| value.parse().unwrap())
                .collect();
            (what, name, values)
        });
        Self(rows.collect())
    }

    fn of(&self, what: &str, name: &str) -> Vec<f64> {
        let row = self.0.iter().find(|row| row.0 == what && row.1 == name);
        row.unwrap_or_else(|| panic!("no `{name}` of `{what}`"))
            .2
            .clone()
    }

    fn input(&self, name: &str) -> Vec<f64> {
        self.of("input", name)
    }

    /// How many rows are no input: every one of them is compared.
    fn count(&self) -> usize {
        self.0.iter().filter(|row| row.0 != "input").count()
    }
}

#[track_caller]
fn close(what: &str, found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= within * (1.0 + b.abs()),
            "{what}: {found:?} is not {expected:?}"
        );
    }
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn matrix(values: &[f64]) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [LENGTHS.len(), TOKENS]);
    Tensor::from_data(data, (&device(), DType::F64))
}

fn mask() -> TokenMask {
    TokenMask::of_lengths(&LENGTHS, TOKENS).unwrap()
}

#[test]
fn advantages() {
    let golden = Golden::read(include_str!("../../golden/advantages.csv"));
    let groups = Groups::of_prompts(golden.input("rewards"), &PROMPTS).unwrap();
    let groups = groups.with_lengths(LENGTHS.to_vec()).unwrap();
    // verl adds 1e-8 to numbers of tokens.
    let mut compared = 0;
    let mut compare_of = |what: &str, name: &str, found: &[f64], within: f64| {
        close(name, found, &golden.of(what, name), within);
        compared += 1;
    };
    // TRL's groups are four in a row.
    let by_four = Groups::of_size(golden.input("rewards"), 4).unwrap();
    let kinds = [golden.input("rewards"), golden.input("other")];
    let weighted = kinds[0].iter().zip(&kinds[1]).map(|(a, b)| a + 0.5 * b);
    let weighted = by_four.clone().with_rewards(weighted.collect()).unwrap();
    let scales = [
        ("scale group", Scale::Group),
        ("scale batch", Scale::Batch),
        ("scale none", Scale::None),
    ];
    for (name, scale) in scales {
        let found = Grpo::default()
            .with_scale(scale)
            .advantages(&weighted)
            .unwrap();
        compare_of("trl", name, found.values(), 1e-8);
    }
    let found = Rloo.advantages(&weighted).unwrap();
    compare_of("trl", "rloo", found.values(), 1e-8);
    let found = Gdpo::new(vec![1.0, 0.5]).unwrap();
    let found = found.advantages(&by_four, &kinds).unwrap();
    compare_of("trl", "normalize_then_sum", found.values(), 1e-8);
    let mut compare =
        |name: &str, found: &[f64], within: f64| compare_of("verl", name, found, within);
    let verl = Grpo::default().with_epsilon(1e-6).unwrap();
    let greedy = golden.input("greedy");
    let by_group = (0..groups.len())
        .map(|group| greedy[groups.members(group)[0]])
        .collect();
    let groups = groups.with_greedy(by_group).unwrap();
    let methods: [(&str, &dyn Advantage); 9] = [
        ("grpo", &verl),
        ("dr_grpo", &Grpo::dr()),
        ("rloo", &Rloo),
        ("rloo_vectorized", &Rloo),
        ("opo", &Opo),
        ("gpg", &Gpg),
        ("passk", &PassAtK::new().with_scale(1e-6).unwrap()),
        ("passk_plain", &PassAtK::new()),
        ("remax", &Remax),
    ];
    for (name, method) in methods {
        compare(name, method.advantages(&groups).unwrap().values(), 1e-8);
    }
    // verl's deviations are float32 here.
    let found = verl.advantages(&groups).unwrap();
    compare("grpo_vectorized", found.values(), 1e-6);
    let centred = Reinforce::new(Baseline::GroupMean)
        .unwrap()
        .advantages(&groups)
        .unwrap();
    close(
        "dr_grpo",
        centred.values(),
        &golden.of("verl", "dr_grpo"),
        1e-8,
    );
    let plus = ReinforcePlusPlus::with_baseline(&groups, &mask()).unwrap();
    compare("reinforce_plus_plus_baseline", plus.values(), 1e-8);
    // verl keeps these rewards in float32.
    let gdpo = Gdpo::new(vec![1.0, 0.5])
        .unwrap()
        .with_epsilon(1e-6)
        .unwrap()
        .over_tokens();
    let gdpo = gdpo
        .advantages(&groups, &[golden.input("rewards"), golden.input("other")])
        .unwrap();
    compare("gdpo", gdpo.values(), 1e-6);
    let (dense, values) = (golden.input("dense"), golden.input("values"));
    for (name, gamma, lambda) in [("gae 1.0 0.95", 1.0, 0.95), ("gae 0.9 0.8", 0.9, 0.8)] {
        let gae = Gae::new(gamma, lambda).unwrap();
        let found = gae
            .advantages(&dense, &values, &mask())
            .unwrap()
            .whitened(&mask())
            .unwrap();
        compare(
            &format!("{name} advantages"),
            found.advantages.values(),
            1e-8,
        );
        compare(&format!("{name} returns"), &found.returns, 1e-8);
    }
    let found = ReinforcePlusPlus::new(0.9)
        .unwrap()
        .advantages(&dense, &mask())
        .unwrap();
    compare(
        "reinforce_plus_plus advantages",
        found.advantages.values(),
        1e-8,
    );
    compare("reinforce_plus_plus returns", &found.returns, 1e-8);
    let found = OptimalTokenBaseline
        .advantages(
            &groups,
            &dense,
            &golden.input("log_probs"),
            &golden.input("squares"),
            &mask(),
        )
        .unwrap();
    // verl's form for several turns counts places without the gaps between them: the same where there are none.
    for name in ["optimal_token_baseline", "tir_optimal_token_baseline"] {
        compare(name, found.advantages.values(), 1e-8);
    }
    let penalties: Vec<f64> = golden
        .input("old")
        .iter()
        .zip(golden.input("reference"))
        .map(|(old, reference)| 0.1 * (old - reference))
        .collect();
    let found = token_rewards(&golden.input("rewards"), Some(&penalties), &mask()).unwrap();
    compare("rewards with kl", &found, 1e-8);
    for (name, filter) in [
        ("pow", PolicyFilter::Power(2.0)),
        ("max_min", PolicyFilter::Extremes),
        ("max_random", PolicyFilter::Best),
    ] {
        let found = filter.weights(&golden.input("rewards")).unwrap();
        compare(&format!("pf_ppo {name}"), &found, 1e-12);
    }
    let mut beta = AdaptiveKl::new(0.1, 6.0, 10_000).unwrap();
    for kl in [9.0, 6.3, 2.0] {
        compare(
            &format!("adaptive_kl {kl:.1}"),
            &[beta.update(kl, 256).unwrap()],
            1e-8,
        );
    }
    assert_eq!(compared, golden.count());
    // The scores lie on the last tokens, as verl has them.
    let ends = token_rewards(&golden.input("rewards"), None, &mask()).unwrap();
    assert_eq!(
        ends.iter().sum::<f64>(),
        golden.input("rewards").iter().sum::<f64>()
    );
}

struct Objectives {
    golden: Golden,
    compared: usize,
}

impl Objectives {
    fn batch(&self) -> TokenBatch {
        let batch = TokenBatch::of_mask(&mask(), &device());
        let batch = batch.with_old(matrix(&self.golden.input("old"))).unwrap();
        batch
            .with_reference(matrix(&self.golden.input("reference")))
            .unwrap()
    }

    fn compare(&mut self, name: &str, of: impl FnOnce(Tensor<2>) -> Tensor<1>) {
        self.compare_within(name, 1e-7, of);
    }

    fn compare_within(&mut self, name: &str, within: f64, of: impl FnOnce(Tensor<2>) -> Tensor<1>) {
        let log_probs = matrix(&self.golden.input("log_probs")).require_grad();
        let loss = of(log_probs.clone());
        let gradient = log_probs
            .grad(&loss.backward())
            .unwrap()
            .try_into_vec_as::<f64>()
            .unwrap();
        close(
            name,
            &[loss.into_scalar::<f64>()],
            &self.golden.of(name, "value"),
            within,
        );
        close(name, &gradient, &self.golden.of(name, "gradient"), within);
        self.compared += 2;
    }

    fn loss(&mut self, name: &str, objective: Objective) {
        self.loss_of(name, objective, self.batch());
    }

    fn loss_of(&mut self, name: &str, objective: Objective, batch: TokenBatch) {
        let advantages = Advantages::of_responses(self.golden.input("advantages")).unwrap();
        self.compare(name, |lp| {
            objective.loss(lp, &batch, &advantages).unwrap().0
        });
    }
}

/// A correction by its library and name there: the level, what is done outside of the bounds, and these.
type Correcting = (
    &'static str,
    &'static str,
    MismatchLevel,
    Outside,
    [Option<f64>; 2],
);

const CORRECTIONS: [Correcting; 8] = [
    (
        "verl",
        "token",
        MismatchLevel::Token,
        Outside::Truncate,
        [None, Some(1.3)],
    ),
    (
        "verl",
        "sequence",
        MismatchLevel::Sequence,
        Outside::Truncate,
        [None, Some(1.3)],
    ),
    (
        "verl",
        "token masked",
        MismatchLevel::Token,
        Outside::Mask,
        [Some(0.8), Some(1.3)],
    ),
    (
        "verl",
        "sequence masked",
        MismatchLevel::Sequence,
        Outside::Mask,
        [Some(0.2), Some(3.0)],
    ),
    (
        "trl",
        "token_truncate",
        MismatchLevel::Token,
        Outside::Truncate,
        [Some(0.8), Some(1.3)],
    ),
    (
        "trl",
        "token_mask",
        MismatchLevel::Token,
        Outside::Mask,
        [Some(0.8), Some(1.3)],
    ),
    (
        "trl",
        "sequence_truncate",
        MismatchLevel::Sequence,
        Outside::Truncate,
        [Some(0.2), Some(3.0)],
    ),
    (
        "trl",
        "sequence_mask",
        MismatchLevel::Sequence,
        Outside::Mask,
        [Some(0.2), Some(3.0)],
    ),
];

impl Objectives {
    /// Weights and rejections where the sampler is not the old policy.
    fn corrections(&mut self) {
        let batch = self.batch();
        let [old, sampler] = ["log_probs", "old"].map(|name| matrix(&self.golden.input(name)));
        let padding = batch.mask().bool_not();
        for (what, name, level, outside, [low, high]) in CORRECTIONS {
            let mismatch = Mismatch::new(level, outside)
                .with_bounds(low, high)
                .unwrap();
            let found = mismatch
                .correct(old.clone(), sampler.clone(), &batch)
                .unwrap();
            let found = found.weights.mask_fill(padding.clone(), 0.0);
            let expected = self.golden.of(what, &format!("correction {name}"));
            close(
                name,
                &found.try_into_vec_as::<f64>().unwrap(),
                &expected,
                1e-7,
            );
            self.compared += 1;
        }
        for (name, level) in [
            ("token", MismatchLevel::Token),
            ("sequence", MismatchLevel::Sequence),
        ] {
            let mismatch = Mismatch::new(level, Outside::Truncate)
                .with_bounds(None, Some(1.3))
                .unwrap()
                .with_normalisation();
            let found = mismatch
                .correct(old.clone(), sampler.clone(), &batch)
                .unwrap();
            let found = found.weights.mask_fill(padding.clone(), 0.0);
            let expected = self
                .golden
                .of("verl", &format!("correction {name} normalised"));
            let found = found.try_into_vec_as::<f64>().unwrap();
            close(name, &found, &expected, 1e-7);
            self.compared += 1;
        }
        for (letter, measure) in [("k2", MismatchMeasure::K2), ("k3", MismatchMeasure::K3)] {
            for (name, over, bound) in [
                ("token", MismatchOver::Token, 0.05),
                ("seq_sum", MismatchOver::Sum, 0.3),
                ("seq_mean", MismatchOver::Mean, 0.1),
                ("seq_max", MismatchOver::Max, 0.2),
            ] {
                let bound = MismatchBound::new(measure, over, bound).unwrap();
                let kept = bound.kept(old.clone(), sampler.clone(), &batch).unwrap();
                self.rejection(&format!("{name}_{letter}"), kept);
            }
        }
        let levels = [
            ("token_k1", MismatchLevel::Token, 0.9, 1.1),
            ("seq_sum_k1", MismatchLevel::Sequence, 0.4, 2.5),
            ("seq_mean_k1", MismatchLevel::SequenceMean, 0.9, 1.1),
        ];
        for (name, level, low, high) in levels {
            // verl's bounds are of the inverse ratio.
            let reject = Mismatch::new(level, Outside::Reject)
                .with_bounds(Some(1.0 / high), Some(1.0 / low))
                .unwrap();
            let kept = reject
                .correct(old.clone(), sampler.clone(), &batch)
                .unwrap()
                .kept;
            self.rejection(name, kept);
        }
    }

    fn rejection(&mut self, name: &str, kept: Tensor<2, Bool>) {
        let kept = kept.bool_and(self.batch().mask()).float();
        let expected = self.golden.of("verl", &format!("rejection {name}"));
        close(
            name,
            &kept.try_into_vec_as::<f64>().unwrap(),
            &expected,
            0.0,
        );
        self.compared += 1;
    }
}

#[test]
fn objectives() {
    let golden = Golden::read(include_str!("../../golden/objectives.csv"));
    let mut all = Objectives {
        golden,
        compared: 0,
    };
    let modes = [
        ("token-mean", Aggregation::TokenMean),
        ("token-sum", Aggregation::Sum(1.0)),
        ("seq-mean-token-sum", Aggregation::SequenceMeanTokenSum),
        ("seq-mean-token-mean", Aggregation::SequenceMeanTokenMean),
        ("seq-mean-token-sum-norm", Aggregation::MaxLength(8)),
    ];
    let vanilla = Objective::dapo().with_dual(3.0).unwrap();
    for (mode, aggregation) in modes {
        all.loss(
            &format!("verl vanilla {mode}"),
            vanilla.with_aggregation(aggregation).unwrap(),
        );
    }
    let weighted = all
        .batch()
        .with_weights(matrix(&all.golden.input("weights")))
        .unwrap();
    all.loss_of("verl weighted token-mean", vanilla, weighted);
    let narrow = Clip::new(0.05, 0.1).unwrap();
    for (mode, aggregation) in [modes[0], modes[3]] {
        let gspo = Objective::gspo_token()
            .with_clip(narrow)
            .with_aggregation(aggregation)
            .unwrap();
        all.loss(&format!("verl gspo {mode}"), gspo);
        let cispo = Objective::cispo()
            .with_policy(PolicyLoss::Cispo { clip: Clip::HIGHER })
            .unwrap();
        all.loss(
            &format!("verl cispo {mode}"),
            cispo.with_aggregation(aggregation).unwrap(),
        );
        let value = ValueLoss::default().with_aggregation(aggregation).unwrap();
        let [old, returns] = ["values", "dense"].map(|name| matrix(&all.golden.input(name)));
        let batch = all.batch();
        all.compare(&format!("verl value {mode}"), |v| {
            value.loss(v, old, returns, &batch).unwrap()
        });
    }
    let sums = Objective::reinforce()
        .with_aggregation(Aggregation::SequenceMeanTokenSum)
        .unwrap();
    all.loss("verl reinforce seq-mean-token-sum", sums);
    let weighted = all
        .batch()
        .with_weights(matrix(&all.golden.input("weights")))
        .unwrap();
    all.loss_of("verl reinforce weighted seq-mean-token-sum", sums, weighted);
    let divergences = [
        ("dppo_tv", Divergence::TotalVariation),
        ("dppo_kl", Divergence::Kl),
    ];
    for (name, divergence) in divergences {
        let policy = PolicyLoss::Dppo {
            divergence,
            low: 0.01,
            high: 0.02,
            cap: 1.2,
        };
        let objective = Objective::gpg().with_policy(policy).unwrap();
        all.loss(&format!("verl {name} token-mean"), objective);
    }
    all.loss("verl sapo seq-mean-token-mean", Objective::sapo());
    all.loss("verl gpg token-mean", Objective::gpg());
    all.loss("verl geo_mean seq-mean-token-mean", Objective::gmpo());
    all.loss(
        "verl dro token-mean",
        Objective::gpg()
            .with_policy(PolicyLoss::Dro { beta: 0.5 })
            .unwrap(),
    );
    let advantages = Advantages::of_responses(all.golden.input("advantages")).unwrap();
    let log_probs = matrix(&all.golden.input("log_probs"));
    let picked = ClipCov::new(1.0, 0.1, 5.0).unwrap().select(
        &log_probs,
        &all.batch(),
        &advantages,
        &mut StdRng::seed_from_u64(0),
    );
    let batch = all.batch().with_selected(picked.unwrap()).unwrap();
    all.loss_of("verl clip_cov token-mean", Objective::clip_cov(), batch);
    let picked = KlCov::new(0.25)
        .unwrap()
        .select(&log_probs, &all.batch(), &advantages)
        .unwrap();
    let batch = all.batch().with_selected(picked).unwrap();
    all.loss_of("verl kl_cov token-mean", Objective::kl_cov(), batch);

    // The terms of KL alone: advantages of 0 leave nothing else.
    let zeros = Advantages::of_responses(vec![0.0; LENGTHS.len()]).unwrap();
    let estimators = [
        ("k1", KlEstimator::K1, KlGradient::Own),
        ("abs", KlEstimator::Absolute, KlGradient::Own),
        ("k2", KlEstimator::K2, KlGradient::Own),
        ("k3", KlEstimator::K3, KlGradient::Own),
        ("k1+", KlEstimator::K1, KlGradient::K2),
        ("k3+", KlEstimator::K3, KlGradient::K2),
    ];
    for (name, estimator, gradient) in estimators {
        let kl = KlTerm::new(1.0)
            .unwrap()
            .with_estimator(estimator)
            .with_gradient(gradient)
            .with_limit(10.0)
            .unwrap();
        let batch = all.batch();
        all.compare(&format!("verl kl {name}"), |lp| {
            Objective::gpg()
                .with_kl(kl)
                .loss(lp, &batch, &zeros)
                .unwrap()
                .0
        });
    }

    // TRL: epsilon 0.2 and 0.28.
    let higher = |objective: Objective| objective.with_clip(Clip::HIGHER);
    all.loss("trl grpo", higher(Objective::grpo()));
    all.loss("trl bnpo", higher(Objective::bnpo()));
    all.loss("trl dr_grpo", higher(Objective::dr_grpo(8).unwrap()));
    all.loss("trl dapo", Objective::dapo());
    all.loss("trl sapo", Objective::sapo());
    all.loss(
        "trl cispo",
        Objective::cispo()
            .with_policy(PolicyLoss::CispoCap { cap: 1.2 })
            .unwrap(),
    );
    all.loss(
        "trl gspo",
        Objective::gspo().with_clip(Clip::new(0.2, 0.1).unwrap()),
    );
    all.loss("trl luspo", higher(Objective::luspo()));
    all.loss("trl vespo", Objective::vespo());
    all.loss("trl delta", Objective::dapo().with_most(1.5).unwrap());
    all.loss("trl rloo", Objective::rloo());
    let entropies = all
        .batch()
        .with_entropy(matrix(&all.golden.input("squares")))
        .unwrap();
    all.loss_of(
        "trl entropy",
        Objective::dapo().with_entropy(0.1).unwrap(),
        entropies,
    );
    let kl = KlTerm::new(0.1).unwrap();
    let grpo = higher(Objective::grpo());
    all.loss("trl kl", grpo.with_kl(kl));
    all.loss("trl kl corrected", grpo.with_kl(kl.with_importance()));
    all.loss(
        "trl kl corrected sequence",
        grpo.with_kl(kl.with_importance())
            .with_level(Level::Sequence),
    );

    all.corrections();
    assert_eq!(all.compared, all.golden.count());
}

/// The losses of a difference, by each divergence.
fn divergences(all: &mut Objectives, pairs: &dyn Fn(Tensor<2>) -> Pairs) {
    let divergences = [
        ("forward_kl", FDivergence::ForwardKl, 1e-8),
        ("js_divergence", FDivergence::JensenShannon, 1e-8),
        // TRL knows it in float32 only.
        ("alpha_divergence", FDivergence::Alpha(0.5), 2e-6),
    ];
    let dpo = Dpo::new(0.5).unwrap();
    let losses: [(&str, &dyn Preference); 6] = [
        ("sigmoid", &dpo),
        ("ipo", &Ipo::of_averages(0.5).unwrap()),
        ("exo_pair", &Exo::new(0.5, 0.1).unwrap()),
        ("discopop", &DiscoPop::new(0.5).unwrap()),
        ("sigmoid_norm", &dpo.with_length_normalisation()),
        ("hinge", &dpo.with_loss(DpoLoss::Hinge).unwrap()),
    ];
    for (of, divergence, within) in divergences {
        for (name, preference) in losses {
            all.compare_within(&format!("trl {name} {of}"), within, |lp| {
                let pairs = pairs(lp).with_divergence(divergence).unwrap();
                preference.loss(&pairs).unwrap()
            });
        }
    }
}

#[test]
fn preferences() {
    let golden = Golden::read(include_str!("../../golden/preferences.csv"));
    let half = LENGTHS.len() / 2;
    let reference = matrix(&golden.input("reference")).inner();
    let mut all = Objectives {
        golden,
        compared: 0,
    };
    let part = |values: &Tensor<2>, rows: std::ops::Range<usize>| {
        let mask = TokenBatch::of_mask(&mask(), &device()).mask();
        let cut = [rows, 0..TOKENS];
        Scored::of(values.clone().slice(cut.clone()), mask.slice(cut)).unwrap()
    };
    let pairs = |lp: Tensor<2>| {
        let pairs = Pairs::new(part(&lp, 0..half), part(&lp, half..2 * half)).unwrap();
        pairs
            .with_reference(part(&reference, 0..half), part(&reference, half..2 * half))
            .unwrap()
    };
    let dpo = Dpo::new(0.5).unwrap();
    let smooth = |loss| dpo.with_loss(loss).unwrap();
    let cpo = Cpo::new(0.5).unwrap().with_alpha(0.0).unwrap();
    let (paired, unpaired) = (Aot::paired(0.5).unwrap(), Aot::unpaired(0.5).unwrap());
    let simpo = SimPo::new(0.5, 0.3).unwrap();
    let losses: [(&str, &dyn Preference); 26] = [
        ("sigmoid", &dpo),
        ("hinge", &smooth(DpoLoss::Hinge)),
        ("robust smoothed", &smooth(DpoLoss::Robust(0.1))),
        ("sigmoid_norm", &dpo.with_length_normalisation()),
        ("ipo", &Ipo::of_averages(0.5).unwrap()),
        ("nca_pair", &Nca::new(0.5).unwrap()),
        ("bco_pair", &Bco::new(0.5).unwrap()),
        ("sppo_hard", &Sppo::new(0.5).unwrap()),
        ("aot", &paired),
        ("aot_unpaired", &unpaired),
        ("aot smoothed", &paired.with_smoothing(0.1).unwrap()),
        (
            "aot_unpaired smoothed",
            &unpaired.with_smoothing(0.1).unwrap(),
        ),
        ("apo_zero", &ApoZero::new(0.5).unwrap()),
        ("apo_down", &ApoDown::new(0.5).unwrap()),
        ("discopop", &DiscoPop::new(0.5).unwrap()),
        ("exo_pair smoothed", &Exo::new(0.5, 0.1).unwrap()),
        ("cpo", &cpo.with_smoothing(0.1).unwrap()),
        ("cpo hinge", &cpo.with_hinge()),
        ("cpo ipo", &cpo.with_identity()),
        ("simpo", &simpo),
        ("alphapo", &simpo.with_alpha(0.25).unwrap()),
        ("alphapo below 0", &simpo.with_alpha(-0.25).unwrap()),
        // With the likelihood of a gold response besides.
        ("tpo sigmoid", &cpo),
        ("tpo hinge", &cpo.with_hinge()),
        ("tpo ipo", &cpo.with_identity()),
        ("tpo tpo-l", &simpo),
    ];
    for (name, preference) in losses {
        all.compare(&format!("trl {name}"), |lp| {
            preference.loss(&pairs(lp)).unwrap()
        });
    }
    divergences(&mut all, &pairs);
    let mask = TokenBatch::of_mask(&mask(), &device()).mask();
    let (ranges, columns) = ([0..half, half..2 * half], 0..TOKENS);
    let desensitised = |values: &Tensor<2>| {
        let [chosen, rejected] = ranges.clone().map(|rows| {
            let cut = [rows, columns.clone()];
            (values.clone().slice(cut.clone()), mask.clone().slice(cut))
        });
        Scored::of_pair(chosen, rejected, 0.3).unwrap()
    };
    // The model's answer in the script has -1 for the logarithm of summed squares.
    let weights = |lp: &Tensor<2>| {
        let lp = lp.clone().inner();
        let squares = lp.zeros_like() - 1.0;
        let all = alignment_weights(lp, squares, mask.clone()).unwrap();
        all.clone().narrow(0, 0, half) * all.narrow(0, half, half)
    };
    let sides: [(&str, &dyn Preference); 2] =
        [("sigmoid", &dpo), ("apo_zero", &ApoZero::new(0.5).unwrap())];
    for (name, preference) in sides {
        all.compare(&format!("trl {name} desensitised"), |lp| {
            let (chosen, rejected) = desensitised(&lp);
            let (of_chosen, of_rejected) = desensitised(&reference);
            let pairs = Pairs::new(chosen, rejected).unwrap();
            let pairs = pairs.with_reference(of_chosen, of_rejected).unwrap();
            preference.loss(&pairs).unwrap()
        });
        all.compare(&format!("trl {name} weighted"), |lp| {
            let weights = Tensor::from_inner(weights(&lp));
            (preference.losses(&pairs(lp)).unwrap() * weights).mean()
        });
    }
    // TRL's odds are taken in float32, and without the likelihood.
    all.compare_within("trl orpo", 1e-6, |lp| Orpo::ratios(&pairs(lp)).mean() * 0.1);
    let good = Tensor::<1, Bool>::from_data([[true; 4], [false; 4]].concat().as_slice(), &device());
    let kto = Kto::new(0.5).unwrap().with_weights(1.0, 1.5).unwrap();
    let of = |values: &Tensor<2>| part(values, 0..2 * half);
    all.compare("trl kto", |lp| {
        let point = Kto::reference_point(&of(&lp), &of(&reference)).unwrap();
        let marked = Marked::new(of(&lp), of(&reference), good.clone()).unwrap();
        kto.loss(&marked, point).unwrap()
    });
    all.compare("trl apo_zero_unpaired", |lp| {
        let marked = Marked::new(of(&lp), of(&reference), good.clone()).unwrap();
        kto.loss(&marked, Tensor::zeros([1], &device())).unwrap()
    });
    assert_eq!(all.compared, all.golden.count());
}
