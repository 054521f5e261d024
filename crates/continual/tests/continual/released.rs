//! Agreement with released implementations on a small perceptron: `golden/make.py` writes the numbers.

use approx::assert_relative_eq;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regimen_continual::memory::MemoryConfig;
use regimen_continual::penalties::{Fisher, Quadratic};
use regimen_continual::projections::Layers;
use regimen_continual::{
    AGemConfig, Classifier, DerPlusPlusConfig, EwcConfig, Fill, GpmConfig, LwfConfig, MasConfig,
    OnlineEwcConfig, Result, SiConfig, Strategy,
};
use regimen_tensor::{ParamVector, Prepared};

const SIZES: [usize; 3] = [6, 8, 4];
const RATE: f64 = 0.1;

type Batch = (Tensor<2>, Tensor<1, Int>);

#[derive(Module, Debug)]
pub(crate) struct Net {
    first: Linear,
    head: Linear,
}

impl Classifier for Net {
    type Batch = Batch;

    fn logits(&self, (x, _): &Batch) -> Tensor<2> {
        self.head.forward(relu(self.first.forward(x.clone())))
    }
}

/// The rows of a file: what, name, values.
pub(crate) struct Golden(Vec<(String, String, Vec<f32>)>);

impl Golden {
    pub(crate) fn read(text: &str) -> Self {
        let rows = text.lines().skip(2).map(|line| {
            let mut cells = line.splitn(3, ',');
            let mut cell = || cells.next().unwrap().to_owned();
            let (what, name) = (cell(), cell());
            let values = cell().split(' ').map(|v| v.parse().unwrap()).collect();
            (what, name, values)
        });
        Self(rows.collect())
    }

    pub(crate) fn values(&self, what: &str, name: &str) -> Vec<f32> {
        let row = self.0.iter().find(|row| row.0 == what && row.1 == name);
        row.unwrap_or_else(|| panic!("no `{what}` of `{name}`"))
            .2
            .clone()
    }

    /// A vector of the model's parameters: PyTorch keeps weights as `[out, in]`, Burn as `[in, out]`.
    pub(crate) fn vector(&self, what: &str) -> Vec<f32> {
        let layers = [("first.weight", 0), ("head.weight", 1)];
        let turned = layers.map(|(name, layer)| {
            let values = self.values(what, name);
            let (from, to) = (SIZES[layer], SIZES[layer + 1]);
            let turned = (0..from).flat_map(|i| (0..to).map(move |o| (i, o)));
            turned
                .map(|(i, o)| values[o * from + i])
                .collect::<Vec<f32>>()
        });
        turned.concat()
    }
}

pub(crate) fn network() -> Golden {
    Golden::read(include_str!("../../golden/network.csv"))
}

/// The model with weights 0, 1 or 2.
pub(crate) fn net(number: usize) -> Net {
    let device = Device::flex().autodiff();
    let layer = |layer: usize| {
        let config = LinearConfig::new(SIZES[layer], SIZES[layer + 1]);
        config.with_bias(false).init(&device)
    };
    let net = Net {
        first: layer(0),
        head: layer(1),
    };
    with(net, &network().vector(&format!("weights {number}")))
}

/// The model with these weights.
pub(crate) fn with(net: Net, weights: &[f32]) -> Net {
    let vector = ParamVector::of(&net);
    let (first, head) = weights.split_at(SIZES[0] * SIZES[1]);
    let values = vec![first.to_vec(), head.to_vec()];
    vector.from_host(values).unwrap().write_to(net).unwrap()
}

/// Batches of a task's twelve examples, in order.
pub(crate) fn batches(task: usize, size: usize) -> Prepared<Batch> {
    let golden = network();
    let device = Device::flex().autodiff();
    let (inputs, labels) = (golden.values("inputs", ""), golden.values("labels", ""));
    let rows: Vec<usize> = (0..labels.len())
        .filter(|row| labels[*row] as usize / 2 == task)
        .collect();
    let batch = |rows: &[usize]| -> Batch {
        let x = rows
            .iter()
            .flat_map(|row| inputs[row * SIZES[0]..][..SIZES[0]].to_vec());
        let y: Vec<i64> = rows.iter().map(|row| labels[*row] as i64).collect();
        let x = TensorData::new(x.collect::<Vec<f32>>(), [rows.len(), SIZES[0]]);
        let y = TensorData::new(y, [rows.len()]);
        (Tensor::from_data(x, &device), Tensor::from_data(y, &device))
    };
    Prepared(rows.chunks(size).map(batch).collect())
}

pub(crate) fn host(vector: &ParamVector) -> Vec<f32> {
    vector.to_host().unwrap().concat()
}

pub(crate) fn near(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert_relative_eq!(
            found,
            expected,
            epsilon = 2e-6 * largest.max(1e-3),
            max_relative = 2e-5
        );
    }
}

/// A penalty and its gradient at weights 2.
pub(crate) fn penalised(
    strategy: &impl Strategy<Net>,
    model: &Net,
    batch: &Batch,
    golden: &Golden,
) {
    let penalty = strategy.penalty(model, batch).unwrap();
    let grads = GradientsParams::from_grads(penalty.backward(), model);
    near(
        "penalty",
        &[penalty.into_scalar::<f32>()],
        &golden.values("penalty", ""),
    );
    near(
        "gradient",
        &host(&ParamVector::gradients(model, &grads)),
        &golden.vector("gradient"),
    );
}

fn held(held: Option<Quadratic>, golden: &Golden, what: &str) {
    near(what, &host(held.unwrap().weights()), &golden.vector(what));
}

/// Avalanche has no half, and its batches of one make the empirical Fisher information.
#[test]
fn ewc_agrees_with_avalanche() {
    let golden = Golden::read(include_str!("../../golden/ewc.csv"));
    let config = EwcConfig::new(2.0 * 0.5).with_fisher(Fisher::Empirical);
    let ewc = config.init(&net(0)).unwrap();
    ewc.after_task(net(0), &batches(0, 4)).unwrap();
    held(ewc.held(), &golden, "importance 0");
    ewc.after_task(net(1), &batches(1, 4)).unwrap();
    penalised(&ewc, &net(2), &batches(1, 4).0[0], &golden);
}

/// Mammoth has no half.
#[test]
fn online_ewc_agrees_with_mammoth() {
    let golden = Golden::read(include_str!("../../golden/online_ewc.csv"));
    let config = OnlineEwcConfig::new(2.0 * 0.7).with_gamma(0.9);
    let ewc = config.with_fisher(Fisher::Weighted).init(&net(0)).unwrap();
    for task in 0..2 {
        ewc.after_task(net(task), &batches(task, 4)).unwrap();
        held(ewc.held(), &golden, &format!("importance {task}"));
    }
    penalised(&ewc, &net(2), &batches(1, 4).0[0], &golden);
}

#[test]
fn mas_agrees_with_avalanche() {
    let golden = Golden::read(include_str!("../../golden/mas.csv"));
    let mas = MasConfig::new(0.7)
        .with_decay(Some(0.5))
        .init(&net(0))
        .unwrap();
    for task in 0..2 {
        mas.after_task(net(task), &batches(task, 4)).unwrap();
        held(mas.held(), &golden, &format!("importance {task}"));
    }
    penalised(&mas, &net(2), &batches(1, 4).0[0], &golden);
}

#[test]
fn si_agrees_with_mammoth() {
    let golden = Golden::read(include_str!("../../golden/si.csv"));
    let config = SiConfig::new(0.5).with_xi(0.1).with_clip(Some(1.0));
    let si = config.init(&net(0)).unwrap();
    let (mut model, mut optim) = (net(0), SgdConfig::new().init());
    for task in 0..2 {
        let data = batches(task, 4);
        for _ in 0..3 {
            for batch in &data.0 {
                let loss = si.loss(&model, batch).unwrap();
                let grads = GradientsParams::from_grads(loss.backward(), &model);
                model = si.optimize(model, &mut optim, RATE, grads);
            }
        }
        model = si.after_task(model, &data).unwrap();
        // Mammoth does not cut importances off at 0.
        let weights = golden.vector(&format!("weights {task}"));
        near("weights", &host(&ParamVector::of(&model)), &weights);
        let importance = golden.vector(&format!("importance {task}"));
        let importance: Vec<f32> = importance.into_iter().map(|value| value.max(0.0)).collect();
        near(
            "importance",
            &host(si.held().unwrap().weights()),
            &importance,
        );
    }
}

#[test]
fn lwf_agrees_with_avalanche() {
    let golden = Golden::read(include_str!("../../golden/lwf.csv"));
    let lwf = LwfConfig::new().init(&net(0)).unwrap();
    lwf.after_task(net(0), &batches(0, 4)).unwrap();
    penalised(&lwf, &net(1), &batches(1, 12).0[0], &golden);
}

/// One step of SGD on the first four examples of the second task.
fn stepped(strategy: &impl Strategy<Net>, model: Net, batch: &Batch) -> (f32, Vec<f32>) {
    let loss = strategy.loss(&model, batch).unwrap();
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let mut optim = SgdConfig::new().init();
    let model = strategy.optimize(model, &mut optim, RATE, grads);
    strategy.status().unwrap();
    (loss.into_scalar::<f32>(), host(&ParamVector::of(&model)))
}

/// The memory holds one example, with the logits of another model.
#[test]
fn der_plus_plus_agrees_with_mammoth() {
    let golden = Golden::read(include_str!("../../golden/der_plus_plus.csv"));
    let config = DerPlusPlusConfig::new(MemoryConfig::reservoir(1)).with_alpha(0.3);
    let config = config.with_beta(0.5).with_fill(Fill::First(1));
    let der = config.with_replay(Some(1)).init(&net(0)).unwrap();
    der.loss(&net(1), &batches(0, 1).0[0]).unwrap();
    let kept = der.memory();
    let logits = kept
        .iter()
        .next()
        .and_then(|kept| kept.logits.clone())
        .unwrap();
    near("logits", &logits, &golden.values("logits", ""));
    let (loss, weights) = stepped(&der, net(0), &batches(1, 4).0[0]);
    near("loss", &[loss], &golden.values("loss", ""));
    near("weights", &weights, &golden.vector("weights"));
}

/// The memory holds an example of the batch with another label: the gradients are opposed.
#[test]
fn a_gem_agrees_with_mammoth() {
    let golden = Golden::read(include_str!("../../golden/a_gem.csv"));
    let (inputs, _) = batches(1, 1).0[0].clone();
    let label = golden.values("label", "")[0] as i64;
    let label = Tensor::from_data(TensorData::new(vec![label], [1]), &inputs.device());
    let config = AGemConfig::new().with_memory(1).with_batch(1);
    let gem = config.init::<Batch>().unwrap();
    gem.after_task(net(0), &Prepared(vec![(inputs, label)]))
        .unwrap();
    let seen = &batches(1, 4).0[0];
    let (_, weights) = stepped(&gem, net(0), seen);
    near("weights", &weights, &golden.vector("weights"));
    // Without the memory the step is another.
    let other = config.init::<Batch>().unwrap();
    assert_ne!(stepped(&other, net(0), seen).1, weights);
}

impl Layers for Net {
    fn layer_inputs(&self, (inputs, _): &Batch) -> Result<Vec<(String, Tensor<2>)>> {
        let hidden = relu(self.first.forward(inputs.clone()));
        Ok(vec![
            ("first.weight".into(), inputs.clone()),
            ("head.weight".into(), hidden),
        ])
    }
}

/// Bases as projectors `M M^T`, in which the order and the signs of directions are gone.
#[test]
fn gpm_agrees_with_the_released_code() {
    let golden = Golden::read(include_str!("../../golden/gpm.csv"));
    let config = GpmConfig::new().with_first(0.9).with_others(0.95);
    let gpm = config.with_strict(true).init(&net(0)).unwrap();
    for task in 0..2 {
        gpm.after_task(net(task), &batches(task, 4)).unwrap();
        for (path, basis) in gpm.bases() {
            let [_, directions] = basis.dims();
            let expected = golden.values(&format!("directions {task}"), &path);
            assert_eq!(directions as f32, expected[0], "{path}");
            let projector = basis.clone().matmul(basis.transpose());
            let projector = projector.try_into_vec_as::<f32>().unwrap();
            let expected = golden.values(&format!("projector {task}"), &path);
            near("projector", &projector, &expected);
        }
    }
    let (_, weights) = stepped(&gpm, net(2), &batches(1, 12).0[0]);
    near("weights", &weights, &golden.vector("weights"));
}
