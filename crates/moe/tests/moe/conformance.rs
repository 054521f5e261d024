//! Every router and dispatch inside every reference model: the layer stands behind the model's features, and both train.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{
    AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer, OptimizerRecord, SgdConfig,
};
use burn::store::ModuleRecord;
use burn::tensor::{DType, Tensor};
use regimen_moe::balance::{
    BiasUpdate, BiasUpdateConfig, GlobalBalance, Load, load_balancing_loss, noisy_load_loss, z_loss,
};
use regimen_moe::pathways::{Checkpoint, Pathway, PathwayTracker, Unit, mean_distance};
use regimen_moe::*;
use regimen_tensor::ParamVector;
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::testing::{
    Answer, Batch, CLASSES, Case, Condition, Method, Reference, Suite, cast, check_support,
};

const EXPERTS: usize = 4;
const TOP_K: usize = 2;
const HIDDEN: usize = 8;
const RATE: f64 = 0.01;
/// Places over the average load where they are few.
const FACTOR: f64 = 0.75;

/// A model with a mixture behind its features and a second head behind the mixture.
#[derive(Module, Debug)]
struct WithMoe<M: Module> {
    body: M,
    moe: Moe,
    head: Linear,
}

/// What comes of a pass.
struct Pass {
    logits: Tensor<2>,
    /// `[batch, seq, width]`.
    tokens: Tensor<3>,
    output: Tensor<3>,
    routing: Routing,
}

impl<M: Reference> WithMoe<M> {
    /// Rows are tokens, two a sequence; the first number of a row is the token's identity.
    fn forward(&self, inputs: Tensor<2>) -> Pass {
        let rows = self.body.features(inputs.clone());
        let [count, width] = rows.dims();
        let tokens = rows.reshape([count / 2, 2, width]);
        let ids = inputs.clone().narrow(1, 0, 1).int();
        let known = Tokens {
            ids: Some(ids.reshape([count / 2, 2])),
            padding: None,
        };
        let (output, routing) = self.moe.forward_with(tokens.clone(), known).unwrap();
        let rows = (tokens.clone() + output.clone()).reshape([count, width]);
        let logits = self.body.logits(inputs) + self.head.forward(rows);
        Pass {
            logits,
            tokens,
            output,
            routing,
        }
    }
}

/// A layer by the name of its row.
struct Layer(&'static str);

const ROWS: [&str; 12] = [
    "Softmax router",
    "Softmax router with jitter",
    "Switch router",
    "Capacity",
    "Capacity by gate in each sequence",
    "Expert choice",
    "Sigmoid router with bias update",
    "Noisy router",
    "Hash router",
    "GlobalBalance",
    "Pathway tracking",
    "Upcycling",
];

/// What goes along with the training.
struct Beside {
    update: BiasUpdate,
    balance: GlobalBalance,
    tracker: PathwayTracker,
}

impl Beside {
    fn new() -> Result<Self> {
        Ok(Self {
            update: BiasUpdateConfig::new().init()?,
            balance: GlobalBalance::new(),
            tracker: PathwayTracker::new(),
        })
    }

    fn save(&self) -> Answer<String> {
        let state = (self.balance.state()?, &self.tracker);
        Ok(serde_json::to_string(&state)?)
    }

    fn restore(text: &str) -> Answer<Self> {
        let (balance, tracker) = serde_json::from_str(text)?;
        let new = Self::new()?;
        new.balance.restore(balance)?;
        Ok(Self { tracker, ..new })
    }
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().detach().try_into_vec_as::<f32>().unwrap()
}

fn state<M: Module>(model: &M) -> Vec<Vec<u32>> {
    let host = ParamVector::state(model).to_host().unwrap();
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    host.into_iter().map(bits).collect()
}

impl Layer {
    fn top_k(&self) -> usize {
        if self.0 == "Switch router" { 1 } else { TOP_K }
    }

    fn config(&self, width: usize) -> MoeConfig {
        let config = MoeConfig::new(width, HIDDEN, EXPERTS, self.top_k());
        let capacity = Capacity::new(FACTOR);
        match self.0 {
            "Softmax router with jitter" => config.with_router(RouterConfig::Softmax(
                SoftmaxRouterConfig::new().with_jitter(0.1),
            )),
            "Capacity" => config.with_dispatch(Dispatch::Capacity(capacity)),
            "Capacity by gate in each sequence" => {
                let capacity = capacity
                    .with_order(DropOrder::Probability)
                    .with_group(DropGroup::Sequence);
                config.with_dispatch(Dispatch::Capacity(capacity))
            }
            "Expert choice" => {
                config.with_router(RouterConfig::ExpertChoice(ExpertChoiceRouterConfig::new()))
            }
            "Sigmoid router with bias update" => config
                .with_shared(1)
                .with_shared_gate(true)
                .with_router(RouterConfig::Sigmoid(SigmoidRouterConfig::new())),
            "Noisy router" => config.with_router(RouterConfig::Noisy(NoisyRouterConfig::new())),
            "Hash router" => config
                .with_gated(true)
                .with_bias(true)
                .with_router(RouterConfig::Hash(HashRouterConfig::new())),
            _ => config,
        }
    }

    fn start<M: Reference>(&self, case: &Case<M>) -> Answer<WithMoe<M>> {
        let rows = case.model().features(case.batches()[0].inputs.clone());
        let ([_, width], device) = (rows.dims(), case.device());
        let moe = match self.0 {
            "Upcycling" => upcycled(case, rows)?,
            _ => cast(self.config(width).init(device)?, case.dtype()),
        };
        Ok(WithMoe {
            body: case.model(),
            moe,
            head: cast(LinearConfig::new(width, CLASSES).init(device), case.dtype()),
        })
    }

    /// Assignments of so many tokens.
    fn assigned(&self, tokens: usize) -> usize {
        tokens * self.top_k()
    }

    /// What holds of every pass.
    fn check(&self, pass: &Pass) {
        let routing = &pass.routing;
        let [batch, seq, _] = pass.tokens.dims();
        let (count, assigned) = (batch * seq, self.assigned(batch * seq));
        assert_eq!(pass.output.dtype(), pass.tokens.dtype());
        assert_eq!(pass.output.device(), pass.tokens.device());
        assert_eq!(pass.output.dims(), pass.tokens.dims());
        assert!(values(&pass.output).iter().all(|value| value.is_finite()));
        assert_eq!(values(&routing.tokens), [count as f32]);

        let counts = values(&routing.counts);
        assert_eq!(counts.iter().sum::<f32>(), assigned as f32, "{counts:?}");
        let dropped = values(&routing.dropped)[0];
        match self.0 {
            "Capacity" => {
                let places = capacity(count, EXPERTS, TOP_K, FACTOR) as f32;
                let over: f32 = counts.iter().map(|count| (count - places).max(0.0)).sum();
                assert_eq!(dropped, over, "{counts:?} in {places} places");
            }
            "Capacity by gate in each sequence" => {
                let places = capacity(seq, EXPERTS, TOP_K, FACTOR) as f32;
                let over = counts.iter().map(|n| (n - places * batch as f32).max(0.0));
                let least: f32 = over.sum();
                assert!(least <= dropped && dropped < assigned as f32, "{dropped}");
            }
            _ => assert_eq!(dropped, 0.0),
        }

        let gates = values(&routing.gating.gates);
        let within = |gate: &f32| gate.is_finite() && (0.0..=1.0 + 1e-5).contains(gate);
        assert!(gates.iter().all(within), "{gates:?}");
        let probabilities = values(&routing.probabilities());
        assert!(probabilities.iter().all(|p| p.is_finite()));
        let (choices, kept, among) = match &routing.gating.choices {
            Choices::ByToken(choices) => (choices, self.top_k(), EXPERTS),
            Choices::ByExpert(choices) => (choices, assigned / EXPERTS, count),
        };
        let choices = choices.clone().try_into_vec_as::<i64>().unwrap();
        assert_eq!((choices.len(), gates.len()), (assigned, assigned));
        for (row, gates) in choices.chunks(kept).zip(gates.chunks(kept)) {
            let mut row = row.to_vec();
            row.sort_unstable();
            row.dedup();
            assert_eq!(row.len(), kept, "one choice twice");
            assert!(row.iter().all(|place| (0..among as i64).contains(place)));
            if !["Switch router", "Expert choice"].contains(&self.0) {
                let sum: f32 = gates.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "gates sum to {sum}");
            }
        }
    }

    /// The loss of a part of a batch, and the pass.
    fn loss<M: Reference>(
        &self,
        model: &WithMoe<M>,
        beside: &Beside,
        part: Batch,
    ) -> Answer<(Tensor<1>, Pass)> {
        let pass = model.forward(part.inputs);
        let load = Load::of(&pass.routing);
        let mut auxiliary = match self.0 {
            "GlobalBalance" => beside.balance.loss(&load)?,
            _ => load_balancing_loss(&load),
        };
        auxiliary = auxiliary + z_loss(&pass.routing) * 0.1;
        if let Some(noisy) = noisy_load_loss(&pass.routing) {
            auxiliary = auxiliary + noisy;
        }
        let loss = cross_entropy(pass.logits.clone(), part.targets).mean();
        let auxiliary = (auxiliary * 0.01).cast(loss.dtype());
        Ok((loss + auxiliary, pass))
    }

    /// One optimizer step on a window.
    fn step<M: Reference>(
        &self,
        case: &Case<M>,
        mut model: WithMoe<M>,
        optim: &mut ModuleOptimizer,
        beside: &mut Beside,
        (at, window): (usize, &[Batch]),
    ) -> Answer<WithMoe<M>> {
        let mut sum = GradientsAccumulator::new();
        let (mut counts, mut rows) = (vec![0.0; EXPERTS], 0);
        let mut pathways = Vec::new();
        for batch in window {
            for part in case.parts(batch) {
                let replica = match case.condition() {
                    Condition::TwoDevices => model.clone().fork(case.device()),
                    _ => model.clone(),
                };
                let (loss, pass) = self.loss(&replica, beside, part)?;
                self.check(&pass);
                rows += values(&pass.routing.tokens)[0] as usize;
                for (sum, new) in counts.iter_mut().zip(values(&pass.routing.counts)) {
                    *sum += f64::from(new);
                }
                if self.0 == "Pathway tracking" {
                    pathways.extend(Pathway::of_batch(&[pass.routing], 0.7)?);
                }
                let grads = GradientsParams::from_grads(loss.backward(), &replica);
                sum.accumulate(&model, grads);
            }
        }
        assert_eq!(counts.iter().sum::<f64>(), self.assigned(rows) as f64);
        let types = |model: &WithMoe<M>| -> Vec<_> {
            let all = ParamVector::state(model);
            all.entries().iter().map(|e| e.values.dtype()).collect()
        };
        let before = types(&model);
        model = optim.step(RATE, model, sum.grads());
        assert_eq!(types(&model), before);
        match self.0 {
            "Sigmoid router with bias update" => {
                let old = bias(&model.moe);
                model.moe = beside.update.step(model.moe, &counts)?;
                moved(&old, &bias(&model.moe), &counts);
            }
            // A step of the balance is two of the optimizer here, so that a save can fall into its middle.
            "GlobalBalance" => {
                let known = beside.balance.counts()?.iter().sum::<f64>();
                assert!(known >= self.assigned(rows) as f64);
                if at % 2 == 1 {
                    assert_eq!(beside.balance.end_step()?.iter().sum::<f64>(), known);
                    assert!(beside.balance.counts()?.is_empty());
                }
            }
            "Pathway tracking" => {
                assert_eq!(pathways.len(), rows / 2, "one a sequence");
                let chosen = |p: &Pathway| (1..=EXPERTS).contains(&p.layers[0].len());
                assert!(pathways.iter().all(chosen));
                let distance = mean_distance(&pathways, Unit::Symbol).unwrap_or_default();
                beside.tracker.add(Checkpoint {
                    step: at as u64,
                    accuracy: 1.0 / (at + 1) as f64,
                    figures: BTreeMap::from([("distance".to_owned(), distance)]),
                })?;
                assert_eq!(beside.tracker.curve("distance").len(), at + 1);
            }
            "Upcycling" => {
                let dense = merge(&model.moe.experts, &counts)?;
                let (one, all) = (dense.body.dtype(), model.moe.experts.dtype());
                assert_eq!(one, all);
                assert!(values(&dense.body.up.val()).iter().all(|v| v.is_finite()));
            }
            _ => {}
        }
        Ok(model)
    }
}

/// Copies of a dense network, which compute what it does.
fn upcycled<M: Reference>(case: &Case<M>, rows: Tensor<2>) -> Answer<Moe> {
    let ([count, width], device) = (rows.dims(), case.device());
    let linear =
        |from, to| -> Linear { cast(LinearConfig::new(from, to).init(device), case.dtype()) };
    let (up, down) = (linear(width, HIDDEN), linear(HIDDEN, width));
    let dense = Dense::new(Experts::from_linear(&up, &down, Activation::Gelu, false)?)?;
    let moe = UpcycleConfig::new(EXPERTS, TOP_K).init(&dense)?;
    assert_eq!(moe.experts.dtype(), case.dtype());
    let x = rows.reshape([count / 2, 2, width]);
    let (ours, theirs) = (moe.forward(x.clone()).0, dense.forward(x)?);
    let size = values(&theirs).iter().fold(0f32, |a, b| a.max(b.abs()));
    let near = if case.condition() == Condition::Bf16 {
        2e-2
    } else {
        1e-5
    };
    for (a, b) in values(&ours).into_iter().zip(values(&theirs)) {
        assert!((a - b).abs() <= near * size.max(1.0), "{a} for {b}");
    }
    Ok(moe)
}

fn bias(moe: &Moe) -> Vec<f32> {
    match &moe.router {
        Router::Sigmoid(router) => values(&router.bias.val()),
        _ => Vec::new(),
    }
}

/// Experts with more tokens than the mean went down against those with fewer; the mean is zero.
fn moved(old: &[f32], new: &[f32], counts: &[f64]) {
    assert!(new.iter().sum::<f32>().abs() < 1e-6, "{new:?}");
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let change = |at: usize| new[at] - old[at];
    for (busy, idle) in (0..EXPERTS).flat_map(|a| (0..EXPERTS).map(move |b| (a, b))) {
        if counts[busy] > mean && counts[idle] < mean {
            assert!(
                change(busy) < change(idle),
                "{old:?} to {new:?} by {counts:?}"
            );
        }
    }
}

impl Method for Layer {
    fn name(&self) -> String {
        self.0.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let mut model = self.start(case)?;
        let before = state(&model.moe.experts);
        let weight = model.moe.router.weight().map(|weight| values(&weight));
        let (mut optim, mut beside) = (SgdConfig::new().init(), Beside::new()?);
        for window in case.windows().take(3).enumerate() {
            model = self.step(case, model, &mut optim, &mut beside, window)?;
        }
        assert_ne!(state(&model.moe.experts), before, "the experts learn");
        // In bfloat16 a small step may be rounded away.
        if let (Some(new), Some(old), DType::F32) =
            (model.moe.router.weight(), weight, case.dtype())
        {
            assert_ne!(values(&new), old, "the router learns");
        }
        Ok(model.body)
    }

    fn resumed<M: Reference>(&self, case: &Case<M>) -> Option<Answer<(M, M)>> {
        let run = || -> Answer<(M, M)> {
            let mut model = self.start(case)?;
            let mut optim: ModuleOptimizer = AdamWConfig::new().init();
            let (mut beside, mut saved) = (Beside::new()?, None);
            for (at, window) in case.windows().enumerate() {
                if at == 3 {
                    let record = model.clone().into_record().into_bytes()?;
                    saved = Some((record, optim.to_record().into_bytes()?, beside.save()?));
                }
                model = self.step(case, model, &mut optim, &mut beside, (at, window))?;
            }
            let (straight, text) = (model, beside.save()?);
            let (record, steps, beside) = saved.ok_or("nothing saved")?;
            let mut model = self
                .start(case)?
                .load_record(ModuleRecord::from_bytes(record)?);
            let record = OptimizerRecord::from_bytes(steps)?;
            let mut optim = AdamWConfig::new().init().load_record(record);
            let mut beside = Beside::restore(&beside)?;
            for window in case.windows().enumerate().skip(3) {
                model = self.step(case, model, &mut optim, &mut beside, window)?;
            }
            assert_eq!(state(&model), state(&straight), "mixture and head too");
            assert_eq!(beside.save()?, text);
            Ok((straight.body, model.body))
        };
        Some(run())
    }

    /// A token that is not a number stays alone, and what can see it refuses it.
    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let run = || -> Answer<M> {
            let model = self.start(case)?;
            let rows = case.model().features(case.batches()[0].inputs.clone());
            let [count, width] = rows.dims();
            let bad = Tensor::<2>::full([1, width], f64::NAN, (case.device(), case.dtype()));
            let rows = Tensor::cat(vec![rows.narrow(0, 0, count - 1), bad], 0);
            let x = rows.reshape([count / 2, 2, width]);
            let (output, routing) = model.moe.forward(x);
            let output = values(&output);
            let others = &output[..(count - 1) * width];
            assert!(others.iter().all(|v| v.is_finite()), "other tokens");
            let counts = values(&routing.counts);
            assert_eq!(counts.iter().sum::<f32>(), self.assigned(count) as f32);
            let nan = [f64::NAN, 1.0, 1.0, 1.0];
            match self.0 {
                "Sigmoid router with bias update" => {
                    let error = Beside::new()?.update.step(model.moe.clone(), &nan);
                    assert!(error.unwrap_err().to_string().contains("loads"));
                }
                "GlobalBalance" => {
                    let state = regimen_moe::balance::BalanceState {
                        counts: nan.to_vec(),
                    };
                    let balance = GlobalBalance::new();
                    assert!(balance.restore(state).is_err());
                    assert!(balance.counts()?.is_empty());
                }
                "Pathway tracking" => {
                    let error = Pathway::of_batch(&[routing], 0.7).unwrap_err();
                    assert!(error.to_string().contains("weights"), "{error}");
                }
                "Upcycling" => {
                    let error = merge(&model.moe.experts, &nan).unwrap_err();
                    assert!(error.to_string().contains("weights"), "{error}");
                }
                _ => {}
            }
            Ok(model.body)
        };
        Some(run())
    }
}

#[test]
fn every_layer_stands_in_every_model() {
    let mut suite = Suite::new();
    for name in ROWS {
        suite.add(&Layer(name));
    }
    check_support(
        suite,
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support.csv"),
    )
    .unwrap();
}

/// The layers that a first run on a new device must pass.
#[test]
fn smoke() {
    let mut suite = Suite::smoke();
    for name in [
        "Softmax router",
        "Capacity by gate in each sequence",
        "Expert choice",
        "Sigmoid router with bias update",
        "GlobalBalance",
    ] {
        suite.add(&Layer(name));
    }
    let table = suite.finish().unwrap();
    let yes = table.lines().filter(|line| line.ends_with(",yes"));
    assert_eq!(yes.count(), 10, "{table}");
}
