//! Pruning of trained models on every reference model.

use burn::optim::SgdConfig;
use burn::tensor::{Distribution, Tensor};
use regimen_pruning::after::{Pattern, Rule, lottery, magnitude, magnitude_per_layer, prune};
use regimen_pruning::{Masks, Result};
use regimen_tensor::ParamVector;
use regimen_tensor::testing::{Answer, Case, Method, Reference, Suite};

/// That what the masks have off is zero.
fn assert_zero_where_off<M: Reference>(model: &M, masks: &Masks) {
    let vector = ParamVector::of(model);
    for mask in masks.layers() {
        let entry = vector.get(mask.id).unwrap();
        let values = entry.values.clone().try_into_vec_as::<f32>().unwrap();
        let pairs = values.iter().zip(&mask.active);
        assert!(
            pairs.into_iter().all(|(w, on)| *on || *w == 0.0),
            "{}",
            mask.path
        );
    }
}

struct ByMagnitude {
    per_layer: bool,
}

impl Method for ByMagnitude {
    fn name(&self) -> String {
        let name = if self.per_layer {
            "magnitude of each layer"
        } else {
            "magnitude"
        };
        name.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let masks = Masks::dense(case.original())?;
        let total = masks.total();
        let masks = if self.per_layer {
            magnitude_per_layer(case.original(), masks, 0.75)?
        } else {
            magnitude(case.original(), masks, 0.75)?
        };
        if !self.per_layer {
            assert_eq!(masks.count(), total / 4);
        }
        let model = masks.apply(case.model())?;
        assert_zero_where_off(&model, &masks);
        Ok(model)
    }

    fn trains(&self) -> bool {
        false
    }

    fn keeps_frozen(&self) -> bool {
        false
    }
}

struct OneShot {
    name: &'static str,
    rule: Rule,
    pattern: Pattern,
}

impl Method for OneShot {
    fn name(&self) -> String {
        self.name.into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        let (model, masks) = self.prune(case, 1.0)?;
        for mask in masks.layers() {
            let half = mask.active.len() / 2;
            let outputs = mask.shape.iter().max().copied().unwrap_or(0);
            let found = mask.count();
            assert!((half..=half + outputs).contains(&found), "{}", mask.path);
        }
        assert_zero_where_off(&model, &masks);
        model.logits(case.batches()[0].inputs.clone());
        // What is off stays off, and zero.
        let again = prune(
            model,
            masks.clone(),
            self.rule,
            self.pattern,
            inputs(&masks, case, 1.0),
        )?;
        assert_eq!(again.1, masks);
        assert_zero_where_off(&again.0, &masks);
        Ok(again.0)
    }

    fn trains(&self) -> bool {
        false
    }

    fn keeps_frozen(&self) -> bool {
        false
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        let failed = self.prune(case, f64::NAN);
        Some(failed.map(|(model, _)| model).map_err(Into::into))
    }
}

impl OneShot {
    fn prune<M: Reference>(&self, case: &Case<M>, factor: f64) -> Result<(M, Masks)> {
        let masks = Masks::dense(case.original())?;
        let inputs = inputs(&masks, case, factor);
        prune(
            case.original().clone(),
            masks,
            self.rule,
            self.pattern,
            inputs,
        )
    }
}

/// Inputs of each layer in the model's type.
fn inputs<M: Reference>(
    masks: &Masks,
    case: &Case<M>,
    factor: f64,
) -> impl FnMut(&M, &str) -> Tensor<2> + use<M> {
    let shapes: Vec<_> = masks
        .layers()
        .iter()
        .map(|m| (m.path.clone(), m.shape.clone()))
        .collect();
    let (device, dtype) = (case.device().clone().inner(), case.dtype());
    move |_, path| {
        let (_, shape) = shapes.iter().find(|(own, _)| own == path).unwrap();
        let width = match shape[..] {
            [inputs, _] => inputs,
            _ => shape[1..].iter().product(),
        };
        let x = Tensor::<2>::random([96, width], Distribution::Default, &device);
        (x * factor).cast(burn::tensor::FloatDType::from(dtype))
    }
}

struct Ticket;

impl Ticket {
    fn find<M: Reference>(case: &Case<M>, poisoned: bool) -> Answer<M> {
        let masks = Masks::dense(case.original())?;
        let train = |mut model: M, masks: &Masks| -> Result<M> {
            let mut optim = SgdConfig::new().init();
            for window in case.windows() {
                let grads = match poisoned {
                    true => case.poisoned(&model, window),
                    false => case.gradients(&model, window),
                };
                model = masks.apply(optim.step(1e-3, model, grads.unwrap()))?;
            }
            Ok(model)
        };
        let total = masks.total();
        let (model, masks) = lottery::find(case.original().clone(), masks, 0.5, 2, train)?;
        assert_eq!(masks.count(), total / 2 / 2);
        assert_zero_where_off(&model, &masks);
        let rewound = ParamVector::buffers(&model).to_host()?;
        assert_eq!(rewound, ParamVector::buffers(case.original()).to_host()?);
        Ok(model)
    }
}

impl Method for Ticket {
    fn name(&self) -> String {
        "lottery ticket".into()
    }

    fn run<M: Reference>(&self, case: &Case<M>) -> Answer<M> {
        Self::find(case, false)
    }

    fn keeps_frozen(&self) -> bool {
        false
    }

    fn not_finite<M: Reference>(&self, case: &Case<M>) -> Option<Answer<M>> {
        Some(Self::find(case, true))
    }
}

/// The rows of what prunes trained models.
pub(super) fn add_to(suite: &mut Suite) {
    suite.add(&ByMagnitude { per_layer: false });
    suite.add(&ByMagnitude { per_layer: true });
    let share = Pattern::Share(0.5);
    let pairs = Pattern::NOfM { n: 1, m: 2 };
    for (name, rule, pattern) in [
        ("one-shot by magnitude", Rule::Magnitude, share),
        ("Wanda", Rule::Wanda, share),
        ("SparseGPT", Rule::SPARSE_GPT, share),
        ("N:M by Wanda", Rule::Wanda, pairs),
        ("N:M by SparseGPT", Rule::SPARSE_GPT, pairs),
    ] {
        suite.add(&OneShot {
            name,
            rule,
            pattern,
        });
    }
    suite.add(&Ticket);
}
