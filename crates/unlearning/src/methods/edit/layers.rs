//! Which axis of a parameter counts outputs, and which parameters are the last layer's.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use regimen_tensor::ParamVector;

use crate::error::{Result, mismatch};

/// The parameters of a model that are treated apart.
pub(super) struct Layers {
    /// Those of the last layer under the head; none without a head.
    pub(super) last: HashSet<ParamId>,
    /// The tables of embeddings.
    pub(super) embeddings: HashSet<ParamId>,
}

impl Layers {
    pub(super) fn of<M: Module>(model: &M, head: Option<&str>) -> Result<Self> {
        let mut tables = Tables::default();
        model.visit(&mut tables);
        let last = match head {
            None => HashSet::new(),
            Some(head) => last_layer(&ParamVector::of(model), head)?,
        };
        Ok(Self {
            last,
            embeddings: tables.found,
        })
    }
}

/// The parameters beside the last weight under `head`, or `head` itself where it is one.
fn last_layer(space: &ParamVector, head: &str) -> Result<HashSet<ParamId>> {
    let prefix = format!("{head}.");
    let under = |path: &str| path == head || path.starts_with(&prefix);
    let own = space.entries().iter().filter(|entry| under(&entry.path));
    let own: Vec<_> = own.collect();
    let weight = own.iter().rfind(|entry| entry.shape.len() > 1);
    let Some(weight) = weight.or(own.last()) else {
        return Err(mismatch("head", "the path of a layer".to_owned(), head));
    };
    let layer = weight.path.rsplit_once('.').map(|(layer, _)| layer);
    let beside = |path: &str| path.rsplit_once('.').map(|(layer, _)| layer) == layer;
    let last = own.iter().filter(|entry| beside(&entry.path));
    Ok(last.map(|entry| entry.id).collect())
}

#[derive(Default)]
struct Tables {
    containers: Vec<String>,
    found: HashSet<ParamId>,
}

impl ModuleVisitor for Tables {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let container = self.containers.last();
        if container.is_some_and(|name| name.ends_with("Embedding")) {
            self.found.insert(param.id);
        }
    }
}

/// The axes of a parameter, in Burn's layout: linear weights are `[inputs, outputs]`, convolutions `[outputs, inputs, ..]`,
/// embeddings `[rows, width]`.
pub(super) struct Axes {
    pub(super) outputs: usize,
    inputs: usize,
    /// Scalars after the two first axes.
    inner: usize,
    /// Whether inputs are the first axis.
    inputs_first: bool,
}

impl Axes {
    pub(super) fn of(shape: &[usize], embedding: bool) -> Self {
        let (outputs, inputs, inner, inputs_first) = match shape {
            [] => (1, 1, 1, false),
            [outputs] => (*outputs, 1, 1, false),
            [inputs, outputs] if !embedding => (*outputs, *inputs, 1, true),
            [outputs, inputs, inner @ ..] => (*outputs, *inputs, inner.iter().product(), false),
        };
        Self {
            outputs,
            inputs,
            inner,
            inputs_first,
        }
    }

    /// The output to which the scalar at a flat position belongs.
    pub(super) fn output_of(&self, position: usize) -> usize {
        if self.inputs_first {
            position % self.outputs
        } else {
            position / (self.inputs * self.inner)
        }
    }

    /// Replaces each value by the mean over the inputs of the same output and place of the kernel.
    pub(super) fn average_inputs(&self, values: &mut [f64]) {
        let place = |position: usize| self.output_of(position) * self.inner + position % self.inner;
        let mut sums = vec![0.0; self.outputs * self.inner];
        for (position, value) in values.iter().enumerate() {
            sums[place(position)] += value;
        }
        for (position, value) in values.iter_mut().enumerate() {
            *value = sums[place(position)] / self.inputs as f64;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    fn averaged<const N: usize>(
        shape: &[usize],
        embedding: bool,
        mut values: [f64; N],
    ) -> [f64; N] {
        Axes::of(shape, embedding).average_inputs(&mut values);
        values
    }

    #[test]
    fn variances_are_averaged_over_input_channels_only() {
        assert_eq!(
            averaged(&[2, 2], false, [1.0, 2.0, 3.0, 6.0]),
            [2.0, 4.0, 2.0, 4.0]
        );
        assert_eq!(
            averaged(&[2, 2], true, [1.0, 2.0, 3.0, 6.0]),
            [1.5, 1.5, 4.5, 4.5]
        );
        // One input channel: the places of the kernel keep their own.
        assert_eq!(
            averaged(&[2, 1, 1, 2], false, [1.0, 3.0, 2.0, 6.0]),
            [1.0, 3.0, 2.0, 6.0]
        );
        // Two channels of a kernel of two.
        let found = averaged(&[1, 2, 1, 2], false, [1.0, 3.0, 2.0, 7.0]);
        assert_eq!(found, [1.5, 5.0, 1.5, 5.0]);
        assert_eq!(averaged(&[3], false, [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(Axes::of(&[3, 2, 1, 1], false).output_of(4), 2);
    }

    #[derive(Module, Debug)]
    struct Net {
        table: Embedding,
        conv: Conv2d,
        head: Head,
    }

    #[derive(Module, Debug)]
    struct Head {
        hidden: Linear,
        norm: LayerNorm,
        out: Linear,
    }

    #[test]
    fn of_a_head_with_several_layers_the_last_one_is_last() {
        let device = Device::flex();
        let net = Net {
            table: EmbeddingConfig::new(5, 4).init(&device),
            conv: Conv2dConfig::new([1, 2], [3, 3]).init(&device),
            head: Head {
                hidden: LinearConfig::new(4, 4).init(&device),
                norm: LayerNormConfig::new(4).init(&device),
                out: LinearConfig::new(4, 3).init(&device),
            },
        };
        let paths = |head: &str| {
            let layers = Layers::of(&net, Some(head)).unwrap();
            let space = ParamVector::of(&net);
            let named = |ids: &HashSet<ParamId>| -> Vec<String> {
                let own = space
                    .entries()
                    .iter()
                    .filter(|entry| ids.contains(&entry.id));
                own.map(|entry| entry.path.clone()).collect()
            };
            (named(&layers.last), named(&layers.embeddings))
        };
        let (last, tables) = paths("head");
        assert_eq!(last, ["head.out.weight", "head.out.bias"]);
        assert_eq!(tables, ["table.weight"]);
        assert_eq!(paths("head.out").0, ["head.out.weight", "head.out.bias"]);
        assert_eq!(paths("head.out.weight").0, ["head.out.weight"]);
        assert!(Layers::of(&net, Some("hea")).is_err());
        assert!(Layers::of(&net, None).unwrap().last.is_empty());
    }
}
