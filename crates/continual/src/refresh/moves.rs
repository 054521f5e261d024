//! The move of one parameter: pure functions of flat tensors in f32.

use burn::tensor::Tensor;

/// The code's rate of the step on the negative loss, of which only the direction is used.
const RATE: f64 = 0.01;
/// What keeps a zero gradient from being divided by its norm.
const TINY: f64 = 1e-20;

/// The released code's move: `delta (n + noise z) / (1 + damping f)` with `n = ‖p‖ / (‖u‖ + 1e-20) u` and `u = .01 g`.
///
/// `z` and `f` may be absent: no noise, and no Fisher information.
pub(super) fn code(
    (delta, noise, damping): (f64, f64, f64),
    parameter: Tensor<1>,
    gradient: Tensor<1>,
    fisher: Option<Tensor<1>>,
    z: Option<Tensor<1>>,
) -> Tensor<1> {
    let u = gradient * RATE;
    let scale = norm(&parameter) / (norm(&u) + TINY);
    let ascent = u * scale;
    let sum = match z {
        Some(z) => ascent + z * noise,
        None => ascent,
    };
    let scaled = match fisher {
        Some(fisher) => sum / (fisher * damping + 1.0),
        None => sum,
    };
    scaled * delta
}

/// The paper's move: `gamma g / (f + damping) + noise sqrt(2 gamma / (f + damping)) z`; without Fisher information, `f + damping` is 1.
pub(super) fn paper(
    (gamma, noise, damping): (f64, f64, f64),
    gradient: Tensor<1>,
    fisher: Option<Tensor<1>>,
    z: Option<Tensor<1>>,
) -> Tensor<1> {
    let ones = || gradient.ones_like();
    let f = fisher.map_or_else(ones, |fisher| fisher + damping);
    let ascent = gradient.clone() / f.clone() * gamma;
    match z {
        Some(z) => ascent + (f.recip() * (2.0 * gamma)).sqrt() * z * noise,
        None => ascent,
    }
}

/// A random direction with the length of `like`; nothing where that is 0.
pub(super) fn of_the_same_norm(like: &Tensor<1>, random: Tensor<1>) -> Tensor<1> {
    let scale = norm(like) / (norm(&random) + TINY);
    random * scale
}

fn norm(values: &Tensor<1>) -> Tensor<1> {
    values.clone().square().sum().sqrt()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use approx::assert_relative_eq;
    use burn::tensor::Device;

    use super::*;

    fn tensor<const K: usize>(values: [f32; K]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn assert_near<const K: usize>(found: Tensor<1>, expected: [f32; K]) {
        let found: Vec<f32> = found.try_into_vec_as().unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert_relative_eq!(*found, expected, max_relative = 1e-5, epsilon = 1e-12);
        }
    }

    #[test]
    fn the_code_form_by_hand() {
        let settings = (1e-5, 1e-3, 1e-3);
        let (p, g, f) = (
            tensor([3.0, 4.0]),
            tensor([0.6, 0.8]),
            tensor([0.0, 1000.0]),
        );
        let plain = code(settings, p.clone(), g.clone(), Some(f.clone()), None);
        assert_near(plain, [3e-5, 2e-5]);
        let z = tensor([1.0, -1.0]);
        let noisy = code(settings, p.clone(), g, Some(f), Some(z));
        assert_near(noisy, [3.001e-5, 1.9995e-5]);
        let still = code(settings, p, tensor([0.0, 0.0]), None, None);
        assert_near(still, [0.0, 0.0]);
    }

    #[test]
    fn the_length_of_the_code_form_does_not_depend_on_the_gradients() {
        for scale in [1e-12, 1e-6, 1.0, 1e12] {
            let g = tensor([0.6, 0.8]) * scale;
            let moved = code((1e-2, 0.0, 1e-3), tensor([3.0, 4.0]), g, None, None);
            assert_near(moved, [0.03, 0.04]);
        }
    }

    #[test]
    fn the_paper_form_by_hand() {
        // The gradient of 1/2 theta^T diag(4, 1) theta at (1, 2).
        let g = tensor([4.0, 2.0]);
        let moved = paper((0.1, 0.0, 0.0), g.clone(), Some(tensor([4.0, 1.0])), None);
        assert_near(moved, [0.1, 0.2]);
        // Without Fisher information it is a step of gradient ascent.
        assert_near(paper((0.02, 0.0, 9.0), g.clone(), None, None), [0.08, 0.04]);
        // Noise of variance 2 gamma / f.
        let f = Some(tensor([4.0, 1.0]));
        let noisy = paper((0.5, 1.0, 0.0), g * 0.0, f, Some(tensor([1.0, -2.0])));
        assert_near(noisy, [0.5, -2.0]);
    }

    #[test]
    fn a_random_direction_has_the_same_length() {
        let found = of_the_same_norm(&tensor([3.0, 4.0]), tensor([0.0, -0.1]));
        assert_near(found, [0.0, -5.0]);
        let found = of_the_same_norm(&tensor([0.0, 0.0]), tensor([1.0, 2.0]));
        assert_near(found, [0.0, 0.0]);
    }
}
