//! Twenty images forgotten by matching what a datamodel says of a model without them, judged by KLoM.

mod baselines;
mod convex;
mod evidence;
mod points;
mod scores;
mod shared_loop;

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::tensor::{Int, Tensor, TensorData};
use regimen_tensor::stats;
use regimen_unlearning::attribution::margins;
use regimen_unlearning::{
    Datamodel, KlomConfig, MatchingConfig, Outputs, Subsets, SubsetsConfig, simulated_oracle,
};

use crate::data::Images;
use crate::ensemble::{Ensemble, EnsembleConfig, TrainEnsembleConfig};
use crate::experiment::{
    Better, Check, Context, DataKind, Quantity, System, Trial, differences, values,
};
use points::{nearest, standardise_pixels};

/// The experiment.
pub const SYSTEM: System = System {
    name: "datamodel-matching",
    number: 26,
    krate: "regimen-unlearning",
    paper: "Attribute-to-Delete: Machine Unlearning via Datamodel Matching (arXiv 2410.23232)",
    paper_figure: "ResNet-9 on CIFAR-10 and ResNet-18 on Living-17, in figures without numbers: KLoM of datamodel matching comes near to that of oracle matching and of retraining on forget, retain and validation points, while gradient methods stay far away",
    claim: "Matching the outputs that a datamodel predicts without the forget set brings a network's margins on it far closer to those of retrained networks than descent or ascent on gradients, and leaves the other points alone. It depends on the scale of the inputs",
    metric: "mean KLoM on the forget points",
    unit: "nats",
    better: Better::Lower,
    baseline: RELABELLING,
    method: "datamodel matching",
    seeds: 0..6,
    source: file!(),
    data: DataKind::Images,
    curve: "models trained / linear datamodelling score",
    faults: evidence::FAULTS,
    revisions: evidence::REVISIONS,
    run,
    judge,
};

/// The baseline that is reported apart: it brings the forget points to targets of its own, as matching does.
const RELABELLING: &str = "amnesiac";

/// Members of an ensemble that trains at once: few enough for its weights to stay in the cache.
const CHUNK: usize = 25;

/// One seed: the data, the models that are to forget, and those that never learned.
struct Job {
    context: Context,
    seed: u64,
    train: Images,
    /// The training images, then the validation images.
    all: Images,
    forget: Vec<usize>,
    retain: Vec<usize>,
    /// How many originals, and oracles of each kind.
    models: usize,
    /// How many subset models the datamodel is fitted on; a tenth more judge it.
    subset_models: usize,
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    let job = Job::new(context, seed)?;
    convex::run(context, &mut trial, seed)?;

    let everything: Vec<usize> = (0..job.train.labels.len()).collect();
    let originals = job.train_models(&vec![everything; job.models], 1);
    let judges = job.logits(&job.train_models(&vec![job.retain.clone(); job.models], 2));
    let oracles = job.logits(&job.train_models(&vec![job.retain.clone(); job.models], 3));
    let judge = job.margins(&judges)?;
    let measure = |trial: &mut Trial, arm: &str, logits: &Tensor<3>| -> Result<()> {
        job.measure(trial, arm, logits, &judge)
    };
    let before = job.logits(&originals);
    measure(&mut trial, "nothing", &before)?;
    measure(&mut trial, "fresh oracles", &oracles)?;

    let (subsets, outputs) = job.subset_models()?;
    let fitted = subsets.split_at(job.subset_models)?.0;
    let datamodel = Datamodel::ridge(&fitted, &outputs.split_at(job.subset_models)?.0, 5.0)?;
    let direct = job.simulated(&before, &datamodel)?;
    measure(&mut trial, "direct", &direct)?;
    let mean = oracles.mean_dim(0).repeat_dim(0, job.models);
    for (arm, targets) in [("datamodel matching", direct), ("oracle matching", mean)] {
        let matched: Vec<Ensemble> = job.matched(&originals, &targets)?;
        measure(&mut trial, arm, &job.logits(&matched))?;
    }
    let mut lowest = f64::INFINITY;
    for (arm, unlearned) in job.baselines(&originals)? {
        measure(&mut trial, arm, &job.logits(&unlearned))?;
        if arm != RELABELLING {
            lowest = lowest.min(trial.value(arm, "main"));
        }
    }
    let own = trial.value("datamodel matching", "main");
    trial.record(
        "datamodel matching",
        "over the lowest baseline",
        own / lowest,
    );
    let relabelled = trial.value(RELABELLING, "main");
    trial.record("datamodel matching", "over relabelling", own / relabelled);
    job.scores(&mut trial, &originals, &subsets, &outputs)?;
    Ok(trial)
}

impl Job {
    fn new(context: &Context, seed: u64) -> Result<Self> {
        let images = context.images()?;
        let share = |wanted: f64, most: f64| (wanted / images.labels.len() as f64).min(most);
        let mut parts = images.split(&[share(400.0, 0.6), share(200.0, 0.3)]);
        standardise_pixels(&mut parts);
        let (validation, train) = (parts.remove(1), parts.remove(0));
        let mut all = train.clone();
        all.pixels.extend(&validation.pixels);
        all.labels.extend(&validation.labels);
        let class = 8 % train.classes;
        let (members, unseen) = (train.members(class).len(), validation.labels.len());
        ensure!(
            members >= 2 && unseen >= 2,
            "{}: {members} training images of class {class} and {unseen} for validation: 2 or more of each are needed",
            train.name
        );
        let forget = nearest(&train, class, seed as usize, 20);
        let retain = (0..train.labels.len()).filter(|i| !forget.contains(i));
        let (models, subset_models) = match (context.small, context.full) {
            (true, _) => (25, 400),
            (_, true) => (100, 3000),
            _ => (60, 1500),
        };
        Ok(Self {
            context: context.clone(),
            seed,
            retain: retain.collect(),
            forget,
            train,
            all,
            models,
            subset_models,
        })
    }

    /// Trains a model on each of the sets, some at a time; `stream` keeps the orders of different uses apart.
    fn train_models(&self, sets: &[Vec<usize>], stream: u64) -> Vec<Ensemble> {
        let sizes = vec![self.all.pixels_per_image(), 32, self.all.classes];
        let chunks = sets.chunks(CHUNK).enumerate();
        let trained = chunks.map(|(chunk, sets)| {
            let model = EnsembleConfig::new(sets.len(), sizes.clone()).init(&self.context.device);
            let seed = (self.seed << 32) | (stream << 16) | chunk as u64;
            let train = TrainEnsembleConfig::new().with_seed(seed);
            train.fit(model, &self.train, sets)
        });
        trained.collect()
    }

    /// Logits of all points, `[models, points, classes]`.
    fn logits(&self, models: &[Ensemble]) -> Tensor<3> {
        let images = self.all.batch(&self.context.device.clone().inner()).images;
        let images: Tensor<3> = images.unsqueeze_dim(0);
        let logits = models
            .iter()
            .map(|model| model.valid().forward(images.clone()));
        Tensor::cat(logits.collect(), 0)
    }

    /// Trains the subset models, a tenth of them to judge the datamodel by, and notes their logits.
    fn subset_models(&self) -> Result<(Subsets, Outputs)> {
        let count = self.subset_models + self.subset_models / 10;
        let subsets = SubsetsConfig::new(count)
            .with_seed(self.seed)
            .init(self.train.labels.len())?;
        let sets: Vec<Vec<usize>> = subsets.iter().map(<[usize]>::to_vec).collect();
        let (points, classes) = (self.all.labels.len(), self.all.classes);
        let logits = self.logits(&self.train_models(&sets, 4));
        let values = logits.reshape([-1]).try_into_vec_as::<f32>()?;
        let rows = values.chunks(points * classes).map(<[f32]>::to_vec);
        Ok((subsets, Outputs::new(rows.collect(), points, classes)?))
    }

    /// What each original would output without the forget set, `[models, points, classes]`.
    fn simulated(&self, before: &Tensor<3>, datamodel: &Datamodel) -> Result<Tensor<3>> {
        let multiplier = if self.context.is_broken_by("effects-added") {
            -1.0
        } else {
            1.0
        };
        let targets = before.clone().iter_dim(0).map(|original| {
            let target =
                simulated_oracle(original.squeeze_dim(0), datamodel, &self.forget, multiplier)?;
            Ok(target.unsqueeze_dim(0))
        });
        Ok(Tensor::cat(targets.collect::<Result<Vec<Tensor<3>>>>()?, 0))
    }

    /// Matches every original to its own targets, `[models, points, classes]`.
    ///
    /// An ensemble is one module whose logits stand side by side: Adam scales every weight by its own gradients, so that
    /// each member moves as it would alone.
    fn matched(&self, originals: &[Ensemble], targets: &Tensor<3>) -> Result<Vec<Ensemble>> {
        let images = self.all.batch(&self.context.device).images;
        let matching = MatchingConfig::new()
            .with_epochs(20)
            .with_learning_rate(5e-3)
            .with_batch_size(40)
            .with_retain_multiplier(5)
            .with_seed(self.seed)
            .init(&self.forget, &self.retain)?;
        let mut first = 0;
        let matched = originals.iter().map(|original| {
            let [_, points, classes] = targets.dims();
            let own = targets.clone().narrow(0, first, original.members());
            first += original.members();
            let own = own
                .swap_dims(0, 1)
                .reshape([points, original.members() * classes]);
            let logits = |model: &Ensemble, points: Tensor<1, Int>| {
                model.side_by_side(images.clone().select(0, points))
            };
            Ok(matching.forget(original, Tensor::from_inner(own), logits)?)
        });
        matched.collect()
    }

    /// Margins of all points, one row a model.
    fn margins(&self, logits: &Tensor<3>) -> Result<Vec<Vec<f64>>> {
        let [models, points, classes] = logits.dims();
        let labels = self.all.labels.iter().map(|label| *label as i64).cycle();
        let labels: Vec<i64> = labels.take(models * points).collect();
        let shape = [models * points];
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, shape), &logits.device());
        let margins = margins(logits.clone().reshape([models * points, classes]), labels);
        let values = margins.try_into_vec_as::<f64>()?;
        Ok(values.chunks(points).map(<[f64]>::to_vec).collect())
    }

    /// KLoM on the forget, retain and validation points.
    fn measure(
        &self,
        trial: &mut Trial,
        arm: &str,
        logits: &Tensor<3>,
        judge: &[Vec<f64>],
    ) -> Result<()> {
        let klom = KlomConfig::new().init()?;
        let margins = self.margins(logits)?;
        let validation: Vec<usize> = (self.train.labels.len()..self.all.labels.len()).collect();
        for (metric, points) in [
            ("main", &self.forget),
            ("retain", &self.retain),
            ("validation", &validation),
        ] {
            let part = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
                let row = |row: &Vec<f64>| points.iter().map(|point| row[*point]).collect();
                rows.iter().map(row).collect()
            };
            let part_margins = part(&margins);
            let summary = klom.points(&part_margins, &part(judge))?;
            let mean = stats::mean(&part_margins.concat());
            trial.record(arm, &format!("{metric}, margin"), mean);
            trial.record(arm, metric, summary.mean);
            trial.record(
                arm,
                &format!("{metric}, 95th percentile"),
                summary.percentile_95,
            );
        }
        Ok(())
    }
}

fn judge(trials: &[Trial]) -> Vec<Check> {
    let worse = |metric: &str| differences(trials, "datamodel matching", "nothing", metric);
    let convex = |metric: &str| values(trials, "convex", metric);
    let nats = |name, values| Quantity::new(name, "nats", values);
    vec![
        Quantity::new(
            "forget KLoM of datamodel matching over the lowest gradient baseline",
            "",
            values(trials, "datamodel matching", "over the lowest baseline"),
        )
        .at_most(1.0 / 3.0)
        .headline(),
        nats(
            "forget KLoM, relabelling minus datamodel matching",
            differences(trials, RELABELLING, "datamodel matching", "main"),
        )
        .at_least(0.0)
        .headline(),
        nats(
            "retain KLoM of datamodel matching above doing nothing",
            worse("retain"),
        )
        .at_most(0.5)
        .headline(),
        nats(
            "validation KLoM of datamodel matching above doing nothing",
            worse("validation"),
        )
        .at_most(0.5)
        .headline(),
        Quantity::new(
            "ridge regression: error of datamodel matching after 1000 steps",
            "",
            convex("datamodel matching, 1000 steps"),
        )
        .at_most(0.05),
        Quantity::new(
            "ridge regression: error of descent on retain after 1000 steps",
            "",
            convex("retain descent, 1000 steps"),
        )
        .at_least(0.5),
        Quantity::new(
            "score of the projected-gradient estimator, most minus fewest checkpoints",
            "",
            values(trials, "trak", "gain"),
        )
        .at_least(0.0),
    ]
}
