//! Mean and variance of gradients, on the device.

use std::cell::Cell;

use burn::module::Module;
use burn::tensor::{DType, Tensor};
use regimen_tensor::per_example::for_each_gradient;
use regimen_tensor::{ParamVector, Watch};

use super::statistics::GradientStatistics;
use crate::error::{CurriculumError, Result};

/// Running moments of the gradients of micro-batches: the gradient of the whole batch, and the noise of single examples.
///
/// Each micro-batch brings the gradient of its mean loss. Their mean, weighted by their sizes, is the gradient of the batch:
/// accumulate here instead of in an accumulator of its own, and step with [`into_mean`](Self::into_mean). The spread of `K`
/// means of `c_k` examples estimates the variance over single examples without bias,
/// `Var(g_j) ~ sum_k c_k (g_kj - g_j)^2 / (K - 1)`; with one example each it is the variance itself. So a test costs no more
/// backward passes than the accumulation; the more parts, the less noise: 16 or more serve well.
///
/// Moments of half-precision gradients are taken in single precision. Nothing is read from the device before [`statistics`](Self::statistics), which reads three numbers, or four with inner products. Two vectors like the
/// model are held; with [`with_inner_products`](Self::with_inner_products) every micro-batch's gradient is.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Distribution, Tensor}};
/// use burn::optim::GradientsParams;
/// use regimen_curriculum::{GradientMoments, split};
/// use regimen_tensor::ParamVector;
///
/// let device = Device::flex().autodiff();
/// let model = LinearConfig::new(3, 1).init(&device);
/// let batch = Tensor::<2>::random([8, 3], Distribution::Default, &device);
/// let mut moments = GradientMoments::new();
/// for part in split(8, 4) {
///     let loss = model.forward(batch.clone().slice([part.clone()])).square().mean();
///     let grads = GradientsParams::from_grads(loss.backward(), &model);
///     moments.add(ParamVector::gradients(&model, &grads), part.len())?;
/// }
/// let statistics = moments.statistics()?;
/// assert!(statistics.variance > 0.0);
/// let gradient = moments.into_mean().map(ParamVector::into_gradients); // for the optimizer
/// # assert!(gradient.is_some());
/// # Ok::<(), regimen_curriculum::CurriculumError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct GradientMoments {
    examples: usize,
    parts: usize,
    moments: Option<Moments>,
    /// The types of the first gradient's parameters.
    types: Vec<DType>,
    /// Every gradient with its number of examples, if inner products are wanted.
    kept: Option<Vec<(ParamVector, usize)>>,
}

/// The weighted mean, and the weighted sum of squared distances from it.
#[derive(Clone, Debug)]
struct Moments {
    mean: ParamVector,
    squares: ParamVector,
}

impl GradientMoments {
    /// For the norm test and the coordinate-wise test.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For the tests of inner products too: keeps every gradient. Ask for it before the first.
    #[must_use]
    pub fn with_inner_products(mut self) -> Self {
        self.kept = Some(Vec::new());
        self
    }

    /// From the gradients of single examples: one backward pass each. `loss` returns an example's loss, `[1]`.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn of_examples<M: Module, E>(
        self,
        module: &M,
        examples: impl IntoIterator<Item = E>,
        loss: impl FnMut(&M, E) -> Tensor<1>,
    ) -> Result<Self> {
        self.of_examples_watched(module, examples, loss, &Watch::default())
    }

    /// [`of_examples`](Self::of_examples) under a watch of the work `"gradient moments"`, a step an example; the total is what the iterator
    /// says at least. Stopped, it has the moments of the examples before.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn of_examples_watched<M: Module, E>(
        mut self,
        module: &M,
        examples: impl IntoIterator<Item = E>,
        loss: impl FnMut(&M, E) -> Tensor<1>,
        watch: &Watch,
    ) -> Result<Self> {
        let examples = examples.into_iter();
        let total = examples.size_hint().0;
        let _span = tracing::info_span!("gradient moments", examples = total).entered();
        let (mut failed, mut done) = (None, 0);
        let stopped = Cell::new(false);
        for_each_gradient(
            module,
            examples.take_while(|_| !stopped.get()),
            loss,
            |_, gradient| {
                if failed.is_none() {
                    failed = self.add(gradient, 1).err();
                }
                done += 1;
                let goes_on = watch.goes_on("gradient moments", done, total.max(done));
                stopped.set(failed.is_some() || !goes_on);
                Ok(())
            },
        )
        .map_err(from_tensor)?;
        failed.map_or(Ok(self), Err)
    }

    /// Adds the gradient of the mean loss of some examples. An empty part changes nothing.
    ///
    /// # Errors
    /// If it is that of another module than the others, or the examples do not fit into a machine word.
    pub fn add(&mut self, gradient: ParamVector, examples: usize) -> Result<()> {
        if examples == 0 {
            return Ok(());
        }
        let sum = self.examples.checked_add(examples);
        let sum = sum.ok_or_else(|| CurriculumError::OutOfRange {
            field: "examples",
            value: examples.to_string(),
            allowed: "within a machine word, with those of before",
        })?;
        let types = gradient.entries().iter().map(|entry| entry.values.dtype());
        let types: Vec<DType> = types.collect();
        let gradient = gradient.widened();
        let (before, after) = (self.examples as f64, sum as f64);
        let moments = match self.moments.take() {
            None => Moments {
                squares: gradient.zeros_like(),
                mean: gradient.clone(),
            },
            Some(old) => {
                // The old moments stay if the gradient is of another module.
                let updated = old.updated(&gradient, before, after);
                if updated.is_err() {
                    self.moments = Some(old);
                }
                updated?
            }
        };
        self.moments = Some(moments);
        if self.parts == 0 {
            self.types = types;
        }
        self.examples = sum;
        self.parts += 1;
        if let Some(kept) = &mut self.kept {
            kept.push((gradient, examples));
        }
        Ok(())
    }

    /// Both together, as if all gradients had been added to one: over several devices, move the moments to one and merge them
    /// there, so that all decide alike. Exact for any numbers of examples and parts.
    ///
    /// # Errors
    /// If they are of different modules.
    pub fn merge(self, other: Self) -> Result<Self> {
        let (mine, others) = (self.examples as f64, other.examples as f64);
        let moments = match (self.moments, other.moments) {
            (Some(one), Some(more)) => Some(one.joined(&more, mine, others)?),
            (one, more) => one.or(more),
        };
        let kept = self.kept.into_iter().chain(other.kept);
        Ok(Self {
            examples: self.examples.saturating_add(other.examples),
            parts: self.parts + other.parts,
            moments,
            types: if self.parts > 0 {
                self.types
            } else {
                other.types
            },
            kept: kept.reduce(|all, more| [all, more].concat()),
        })
    }

    /// The examples that were added.
    #[must_use]
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// The gradient of the batch's mean loss, in the types of the first gradient; `None` if nothing was added.
    #[must_use]
    pub fn into_mean(self) -> Option<ParamVector> {
        let mut types = self.types.into_iter();
        let mut own = |values: Tensor<1>| match types.next() {
            Some(dtype) => values.cast(dtype),
            None => values,
        };
        self.moments
            .map(|moments| moments.mean.map(|_, values| own(values)))
    }

    /// What the tests need; reads it from the device.
    ///
    /// # Errors
    /// If fewer than two parts were added, inner products are wanted but were not from the first part on, or the device fails.
    pub fn statistics(&self) -> Result<GradientStatistics> {
        let (Some(moments), true) = (&self.moments, self.parts > 1) else {
            return Err(CurriculumError::TooFew {
                field: "parts",
                found: self.parts,
                needed: 2,
            });
        };
        if let Some(kept) = self.kept.as_ref().filter(|kept| kept.len() < self.parts) {
            return Err(CurriculumError::TooFew {
                field: "parts with inner products",
                found: kept.len(),
                needed: self.parts,
            });
        }
        let freedom = self.parts as f64 - 1.0;
        let norm = moments.mean.dot(&moments.mean).map_err(from_tensor)?;
        let mut values = vec![norm.clone(), moments.squares.l1() / freedom];
        values.push(moments.largest_ratio(freedom)?);
        if let Some(kept) = &self.kept {
            values.push(spread(kept, &moments.mean, &norm)? / freedom);
        }
        let values = Tensor::cat(values, 0).try_into_vec_as::<f32>();
        let values = values.map_err(|error| CurriculumError::Gradients(error.to_string()))?;
        let value = |i: usize| values.get(i).copied().map(f64::from);
        Ok(GradientStatistics {
            squared_norm: value(0).unwrap_or(f64::NAN),
            variance: value(1).unwrap_or(f64::NAN),
            largest_ratio: value(2).unwrap_or(f64::NAN),
            inner_product_variance: value(3),
        })
    }
}

impl Moments {
    /// Those of other examples too.
    fn joined(&self, other: &Self, mine: f64, others: f64) -> Result<Self> {
        let share = others / (mine + others);
        let join = || -> regimen_tensor::Result<Self> {
            let step = other.mean.clone().sub(&self.mean)?;
            let apart = step.clone().map(|_, values| values.square());
            let within = self.squares.clone().axpy(1.0, &other.squares)?;
            Ok(Self {
                mean: self.mean.clone().axpy(share, &step)?,
                squares: within.axpy(mine * share, &apart)?,
            })
        };
        join().map_err(from_tensor)
    }

    /// One more gradient, when the number of examples goes from `before` to `after`.
    fn updated(&self, gradient: &ParamVector, before: f64, after: f64) -> Result<Self> {
        let share = (after - before) / after;
        let update = || -> regimen_tensor::Result<Self> {
            let step = gradient.clone().sub(&self.mean)?;
            let squares = step.clone().map(|_, values| values.square());
            Ok(Self {
                mean: self.mean.clone().axpy(share, &step)?,
                squares: self.squares.clone().axpy(before * share, &squares)?,
            })
        };
        update().map_err(from_tensor)
    }

    /// The largest ratio of variance to squared mean, `[1]`, over coordinates whose squared mean is not 0: finite, since
    /// a mean that is nearly 0 must not make the other tests fail.
    fn largest_ratio(&self, freedom: f64) -> Result<Tensor<1>> {
        let ratio = |squares: Tensor<1>, mean: Tensor<1>| {
            let means = mean.square();
            let dead = means.clone().equal_elem(0.0);
            let ratio = (squares / means).clamp_max(f32::MAX);
            ratio.mask_fill(dead, 0.0)
        };
        let ratios = self.squares.clone().zip(&self.mean, ratio);
        let ratios = ratios.map_err(from_tensor)?;
        let largest = ratios.entries().iter().filter(|entry| !entry.is_empty());
        let largest: Vec<Tensor<1>> = largest.map(|entry| entry.values.clone().max()).collect();
        if largest.is_empty() {
            return Err(CurriculumError::TooFew {
                field: "parameters",
                found: 0,
                needed: 1,
            });
        }
        Ok(Tensor::cat(largest, 0).max() / freedom)
    }
}

/// `sum_k c_k (<g_k, g> - |g|^2)^2`, `[1]`.
fn spread(
    kept: &[(ParamVector, usize)],
    mean: &ParamVector,
    norm: &Tensor<1>,
) -> Result<Tensor<1>> {
    let term = |(gradient, examples): &(ParamVector, usize)| {
        let along = gradient.dot(mean).map_err(from_tensor)?;
        Ok((along - norm.clone()).square() * *examples as f64)
    };
    let terms: Vec<Tensor<1>> = kept.iter().map(term).collect::<Result<_>>()?;
    Ok(Tensor::cat(terms, 0).sum())
}

fn from_tensor(error: regimen_tensor::TensorError) -> CurriculumError {
    CurriculumError::Gradients(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use burn::nn::LinearConfig;
    use burn::tensor::{Device, TensorData};

    use super::*;

    const G: [[f32; 2]; 4] = [[1.0, 0.0], [3.0, 2.0], [2.0, -1.0], [2.0, 3.0]];

    /// Gradients of a module with two parameters, all of one space.
    fn vectors(rows: &[[f32; 2]]) -> Vec<ParamVector> {
        let layer = LinearConfig::new(2, 1)
            .with_bias(false)
            .init(&Device::flex());
        let like = ParamVector::of(&layer);
        let vector = |row: &[f32; 2]| like.from_host(vec![row.to_vec()]).unwrap();
        rows.iter().map(vector).collect()
    }

    fn moments(rows: &[[f32; 2]], examples: &[usize]) -> GradientMoments {
        let mut moments = GradientMoments::new().with_inner_products();
        for (vector, count) in vectors(rows).into_iter().zip(examples) {
            moments.add(vector, *count).unwrap();
        }
        moments
    }

    fn assert_close(a: GradientStatistics, b: GradientStatistics) {
        assert_relative_eq!(a.squared_norm, b.squared_norm, max_relative = 1e-5);
        assert_relative_eq!(a.variance, b.variance, max_relative = 1e-5);
        assert_relative_eq!(a.largest_ratio, b.largest_ratio, max_relative = 1e-5);
        let (a, b) = (a.inner_product_variance, b.inner_product_variance);
        assert_relative_eq!(a.unwrap(), b.unwrap(), max_relative = 1e-5);
    }

    #[test]
    fn single_examples_are_as_on_the_host() {
        let host: Vec<[f64; 2]> = G.iter().map(|row| row.map(f64::from)).collect();
        let expected = GradientStatistics::of(&host).unwrap();
        assert_close(moments(&G, &[1; 4]).statistics().unwrap(), expected);
        let mean = moments(&G, &[1; 4]).into_mean().unwrap();
        assert_eq!(mean.to_host().unwrap(), [[2.0, 1.0]]);
    }

    #[test]
    fn a_dead_coordinate_is_skipped() {
        let s = moments(&[[1.0, 0.0], [3.0, 0.0]], &[1, 1])
            .statistics()
            .unwrap();
        assert_relative_eq!(s.largest_ratio, 0.5, max_relative = 1e-6);
    }

    #[test]
    fn a_coordinate_that_is_nearly_dead_fails_no_test() {
        // 1e-30 squared is 0 in single precision, 1e-22 squared is nearly.
        for tiny in [1e-30, 1e-22] {
            let rows = [[1.0, 1.0 + tiny], [3.0, -1.0 + tiny]];
            let s = moments(&[[1.0, tiny], [3.0, tiny]], &[1, 1]).statistics();
            assert_relative_eq!(s.unwrap().largest_ratio, 0.5, max_relative = 1e-6);
            let s = moments(&rows, &[1, 1]).statistics().unwrap();
            assert!(s.largest_ratio.is_finite());
            let norm = super::super::batch_test::BatchTest::Norm { eta: 1.0 };
            assert_relative_eq!(norm.wanted(&s).unwrap(), 1.0, max_relative = 1e-6);
        }
    }

    /// Over all ways to pair the examples, the estimate from pairs is on average the variance itself.
    #[test]
    fn micro_batches_estimate_the_variance_without_bias() {
        let pair = |a: usize, b: usize| [0, 1].map(|j| (G[a][j] + G[b][j]) / 2.0);
        let pairings = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2]];
        let estimate = |p: &[usize; 4]| {
            let rows = [pair(p[0], p[1]), pair(p[2], p[3])];
            moments(&rows, &[2, 2]).statistics().unwrap().variance
        };
        let mean = pairings.iter().map(estimate).sum::<f64>() / 3.0;
        assert_relative_eq!(mean, 4.0, max_relative = 1e-5);
        // Unequal parts: three examples against one.
        let rest = |i: usize| {
            let mut sum = [0.0, 0.0];
            (0..4)
                .filter(|k| *k != i)
                .for_each(|k| [0, 1].iter().for_each(|j| sum[*j] += G[k][*j] / 3.0));
            moments(&[G[i], sum], &[1, 3])
                .statistics()
                .unwrap()
                .variance
        };
        let mean = (0..4).map(rest).sum::<f64>() / 4.0;
        assert_relative_eq!(mean, 4.0, max_relative = 1e-5);
    }

    #[test]
    fn examples_of_a_module_are_differentiated_one_by_one() {
        let device = Device::flex().autodiff();
        let layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        // The loss <w, g_i> has the gradient g_i.
        let loss = |layer: &burn::nn::Linear, row: [f32; 2]| {
            let input = Tensor::<2>::from_data(TensorData::new(row.to_vec(), [1, 2]), &device);
            layer.forward(input).reshape([1])
        };
        let moments = GradientMoments::new().of_examples(&layer, G, loss).unwrap();
        let statistics = moments.statistics().unwrap();
        assert_relative_eq!(statistics.variance, 4.0, max_relative = 1e-5);
        assert_eq!(statistics.inner_product_variance, None);
    }

    #[test]
    fn watched_examples_stop_with_the_moments_of_those_before() {
        let device = Device::flex().autodiff();
        let layer = LinearConfig::new(2, 1).with_bias(false).init(&device);
        let loss = |layer: &burn::nn::Linear, row: [f32; 2]| {
            let input = Tensor::<2>::from_data(TensorData::new(row.to_vec(), [1, 2]), &device);
            layer.forward(input).reshape([1])
        };
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (heard, asked) = (seen.clone(), seen);
        let watch = Watch::new()
            .with_progress(move |at| {
                assert_eq!(at.total, 4);
                heard.store(at.done, std::sync::atomic::Ordering::Relaxed);
            })
            .until(move || asked.load(std::sync::atomic::Ordering::Relaxed) == 3);
        let stopped = GradientMoments::new().of_examples_watched(&layer, G, loss, &watch);
        let stopped = stopped.unwrap().statistics().unwrap();
        let first = GradientMoments::new().of_examples(&layer, G[..3].to_vec(), loss);
        assert_eq!(stopped, first.unwrap().statistics().unwrap());
    }

    #[test]
    fn merged_moments_are_those_of_all() {
        let parts: Vec<_> = vectors(&G).into_iter().zip([1, 3, 2, 5]).collect();
        let of = |parts: &[(ParamVector, usize)]| {
            let mut moments = GradientMoments::new().with_inner_products();
            let added = parts
                .iter()
                .try_for_each(|(g, count)| moments.add(g.clone(), *count));
            added.map(|()| moments).unwrap()
        };
        let whole = of(&parts).statistics().unwrap();
        for cut in 0..=4 {
            let merged = of(&parts[..cut]).merge(of(&parts[cut..])).unwrap();
            assert_eq!(merged.examples(), 11);
            assert_close(merged.statistics().unwrap(), whole);
        }
        let other = moments(&G, &[1; 4]);
        assert!(of(&parts).merge(other).is_err());
    }

    #[test]
    fn inner_products_that_came_late_are_refused() {
        let mut late = GradientMoments::new();
        let mut vectors = vectors(&G).into_iter();
        late.add(vectors.next().unwrap(), 1).unwrap();
        late = late.with_inner_products();
        vectors.for_each(|vector| late.add(vector, 1).unwrap());
        let refused = late.statistics().unwrap_err().to_string();
        assert!(refused.contains("inner products"), "{refused}");
        let plain = GradientMoments::new();
        let both = moments(&G, &[1; 4]).merge(plain).unwrap();
        assert!(both.statistics().is_ok());
    }

    #[test]
    fn half_precision_is_summed_in_single_and_comes_back() {
        let rows: Vec<[f32; 2]> = (0..64)
            .map(|i| [1.0 + (i % 2) as f32 / 16.0, 1.0])
            .collect();
        let mut moments = GradientMoments::new();
        for vector in vectors(&rows) {
            let half = vector.map(|_, values| values.cast(DType::BF16));
            moments.add(half, 1).unwrap();
        }
        // Sums in bf16 would be wrong in the second digit.
        let variance = moments.statistics().unwrap().variance;
        assert_relative_eq!(variance, 64.0 / 63.0 / 1024.0, max_relative = 1e-4);
        let joined = GradientMoments::new().merge(moments).unwrap();
        let mean = joined.into_mean().unwrap();
        assert!(
            mean.entries()
                .iter()
                .all(|entry| entry.values.dtype() == DType::BF16)
        );
    }

    #[test]
    fn what_has_no_variance_is_refused() {
        assert!(GradientMoments::new().statistics().is_err());
        assert!(moments(&G[..1], &[4]).statistics().is_err());
        let mut mixed = moments(&G[..2], &[1, 1]);
        let other = vectors(&G).remove(0);
        assert!(mixed.add(other, 1).is_err());
        assert_eq!(mixed.examples(), 2);
        assert!(mixed.statistics().is_ok());
    }
}
