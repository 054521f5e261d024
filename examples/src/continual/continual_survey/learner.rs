//! One arm on one set of images.

use anyhow::Result;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use regimen_continual::metrics::vector_bytes;
use regimen_continual::penalties::quadratic;
use regimen_continual::{
    AccuracyMatrix, Classifier, CosineClassifier, CosineLinear, CosineLinearConfig, Encoder,
    LucirConfig, Strategy, plain_loss,
};
use regimen_tensor::ParamVector;

use super::arms::{Arm, Method};
use super::methods::{Made, gradients, gradients_after, make};
use super::setting::{Bed, Figures, HIDDEN};
use super::{alone, means};
use crate::continual::bed::{Batch, Learned, Naive, Net, Part, learn, learn_by};
use crate::data::Images;

impl Bed<'_> {
    /// Runs an arm with this strength.
    pub(super) fn run(&self, arm: &Arm, strength: f64) -> Result<Figures> {
        let epochs = self.epochs * arm.times;
        match arm.method {
            Method::Joint => self.joint(epochs),
            Method::Cumulative => self.cumulative(epochs),
            Method::Lucir => self.lucir(epochs, strength),
            Method::PackNet => alone::pack_net(self, epochs, strength),
            Method::Hat => alone::hat(self, epochs, strength),
            Method::Progressive => alone::progressive(self, epochs, strength),
            Method::GDumb => means::gdumb(self, strength),
            Method::NearestMean => means::nearest(self),
            Method::Slda => means::slda(self, strength),
            Method::SldaOfFeatures => means::slda_of_features(self, strength),
            method => self.by(method, epochs, strength),
        }
    }

    fn by(&self, method: Method, epochs: usize, strength: f64) -> Result<Figures> {
        let tasks = self.parts.len();
        let made = make(method, strength, &self.net(), self)?;
        let replays = matches!(method, Method::Er | Method::DerPlusPlus);
        let learned = if self.context.is_broken_by("anchor-follows") {
            self.unheld(epochs, &made)?
        } else if replays && self.context.is_broken_by("replay-of-the-current-task") {
            self.forgetful(method, epochs, strength)?
        } else {
            let mut training = self.training(epochs);
            if method == Method::Icarl {
                training.rate = strength;
            }
            let (net, device) = (self.net(), &self.context.device);
            learn(
                net,
                &self.parts,
                &training,
                &*made.strategy,
                self.seed,
                device,
            )?
        };
        let mut figures = Figures::of(Some(&learned.classes), &learned.within);
        let of_stream = (epochs * self.stream()) as f64;
        let steps = of_stream * gradients(method, self);
        figures.compute.count(steps.round() as usize);
        figures
            .compute
            .count(tasks * gradients_after(method, strength));
        figures.compute.keep("state", (made.bytes)()?);
        Ok(figures)
    }

    /// Broken: what is held is the present weights, in every step.
    fn unheld(&self, epochs: usize, made: &Made) -> Result<Learned<Net>> {
        let (training, device) = (self.training(epochs), &self.context.device);
        let strategy = &*made.strategy;
        let gradients = |net: &Net, batch: &Batch| {
            let loss = match (made.held)() {
                Some(held) => {
                    let now = ParamVector::of(net);
                    let weights = held.weights().rebound(&now)?;
                    plain_loss(net, batch) + quadratic(net, &weights, &now)?
                }
                None => strategy.loss(net, batch)?,
            };
            Ok(GradientsParams::from_grads(loss.backward(), net))
        };
        let (net, parts) = (self.net(), &self.parts);
        learn_by(
            net, parts, &training, strategy, self.seed, device, gradients,
        )
    }

    /// Broken: each task begins with an empty memory.
    fn forgetful(&self, method: Method, epochs: usize, strength: f64) -> Result<Learned<Net>> {
        let mut net = self.net();
        let mut classes = AccuracyMatrix::new(self.parts.len())?;
        let mut within = classes.clone();
        let (training, device) = (self.training(epochs), &self.context.device);
        for (after, part) in self.parts.iter().enumerate() {
            let strategy = make(method, strength, &net, self)?.strategy;
            let (one, seed) = (std::slice::from_ref(part), self.seed + after as u64);
            net = learn(net, one, &training, &*strategy, seed, device)?.model;
            for (on, both) in self.tested(&net, &Naive::default())?.iter().enumerate() {
                if on <= after {
                    classes.set(after, on, both[0])?;
                    within.set(after, on, both[1])?;
                }
            }
        }
        Ok(Learned {
            model: net,
            classes,
            within,
        })
    }

    fn learned<M, S>(
        &self,
        model: M,
        parts: &[Part],
        epochs: usize,
        strategy: &S,
    ) -> Result<Learned<M>>
    where
        M: Classifier<Batch = Batch>,
        S: Strategy<M> + ?Sized,
    {
        let training = self.training(epochs);
        learn(
            model,
            parts,
            &training,
            strategy,
            self.seed,
            &self.context.device,
        )
    }

    /// All tasks as one.
    fn joint(&self, epochs: usize) -> Result<Figures> {
        let mut all = self.parts[0].clone();
        all.train = union(&self.parts);
        all.task.classes = (0..self.classes()).collect();
        let naive = Naive::default();
        let learned = self.learned(self.net(), &[all], epochs, &naive)?;
        let mut figures = Figures::at_the_end(&self.tested(&learned.model, &naive)?);
        figures.compute.count(epochs * self.stream());
        let images: Vec<&Images> = self.parts.iter().map(|part| &part.train).collect();
        figures.compute.keep("images", bytes(&images));
        Ok(figures)
    }

    /// Each task with all data so far.
    fn cumulative(&self, epochs: usize) -> Result<Figures> {
        let mut parts = self.parts.clone();
        for (place, part) in parts.iter_mut().enumerate() {
            part.train = union(&self.parts[..=place]);
        }
        let learned = self.learned(self.net(), &parts, epochs, &Naive::default())?;
        let mut figures = Figures::of(Some(&learned.classes), &learned.within);
        let seen: usize = parts.iter().map(|part| part.train.labels.len()).sum();
        figures.compute.count(epochs * seen);
        let images: Vec<&Images> = self.parts.iter().map(|part| &part.train).collect();
        figures.compute.keep("images", bytes(&images));
        Ok(figures)
    }

    /// The perceptron with a head of cosines.
    fn lucir(&self, epochs: usize, strength: f64) -> Result<Figures> {
        let device = &self.context.device;
        device.seed(self.seed);
        let widths = [self.pixels(), HIDDEN[0], HIDDEN[1]];
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(device);
        let model = Cosines {
            hidden: widths.windows(2).map(layer).collect(),
            head: CosineLinearConfig::new(HIDDEN[1], self.classes())
                .with_sigma(5.0)
                .init(device)?,
        };
        let lucir = LucirConfig::new(self.memory)
            .with_lambda_base(strength)
            .with_seed(self.seed)
            .init(&model)?;
        let teacher = vector_bytes(&ParamVector::of(&model));
        let learned = self.learned(model, &self.parts, epochs, &lucir)?;
        let mut figures = Figures::of(Some(&learned.classes), &learned.within);
        figures.compute.count(2 * epochs * self.stream());
        figures.compute.keep("memory", lucir.memory().bytes());
        figures.compute.keep("earlier network", teacher);
        Ok(figures)
    }
}

/// The training images of several tasks.
fn union(parts: &[Part]) -> Images {
    let mut all = parts[0].train.clone();
    for part in &parts[1..] {
        all.pixels.extend_from_slice(&part.train.pixels);
        all.labels.extend_from_slice(&part.train.labels);
    }
    all
}

/// In f32.
fn bytes(images: &[&Images]) -> usize {
    let pixels = images.iter().map(|images| images.pixels.len());
    4 * pixels.sum::<usize>()
}

/// A perceptron whose head compares directions.
#[derive(Module, Debug)]
struct Cosines {
    hidden: Vec<Linear>,
    head: CosineLinear,
}

impl Classifier for Cosines {
    type Batch = Batch;

    fn logits(&self, batch: &Batch) -> Tensor<2> {
        self.head.forward(self.features(batch))
    }
}

impl Encoder for Cosines {
    fn features(&self, (images, _): &Batch) -> Tensor<2> {
        let layers = self.hidden.iter();
        layers.fold(images.clone(), |x, layer| relu(layer.forward(x)))
    }
}

impl CosineClassifier for Cosines {
    fn head(&self) -> &CosineLinear {
        &self.head
    }
}
