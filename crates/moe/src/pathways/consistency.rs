//! # Pathway consistency
//!
//! How smoothly a sample's mean expert embedding moves from layer to layer.
//!
//! Source: arXiv 2506.21551, equation of the pathway consistency. As written there, lower is smoother.

use crate::error::{MoeError, read};
use crate::{Result, Router};

/// The consistency of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Consistency {
    /// Cosines between the mean embeddings of neighbouring layers, `layers - 1` of them.
    pub cosines: Vec<f64>,
    /// `1 - mean(cos) / (max(cos) + 1e-8)`: 0 for a pathway that turns alike everywhere, larger the less smooth; it flips its
    /// sign if the largest cosine is negative. With two layers it is 0 whatever they hold, so it is absent below three.
    pub roughness: Option<f64>,
    /// The mean cosine, from -1 to 1: higher is smoother, at any number of layers.
    pub mean_cosine: f64,
}

/// The consistency of a sample with routing weights `weights[layer][expert]` (see
/// [`routing_weights`](super::routing_weights)) under routers whose expert embeddings are `embeddings[layer][expert]`: see
/// [`expert_embeddings`].
///
/// All routers must read the same width, as the layers of one residual stream do.
///
/// # Errors
/// If there are fewer than two layers, the shapes do not fit, or a value is not finite.
///
/// ```
/// use regimen_moe::pathways::consistency;
///
/// let embeddings = vec![vec![vec![1.0, 0.0], vec![0.0, 1.0]]; 3];
/// let steady = consistency(&[vec![0.7, 0.3], vec![0.7, 0.3], vec![0.7, 0.3]], &embeddings)?;
/// assert!((steady.mean_cosine - 1.0).abs() < 1e-12);
/// assert!(steady.roughness.is_some_and(|roughness| roughness < 1e-7));
/// # Ok::<(), regimen_moe::MoeError>(())
/// ```
pub fn consistency(weights: &[Vec<f64>], embeddings: &[Vec<Vec<f64>>]) -> Result<Consistency> {
    if weights.len() < 2 || weights.len() != embeddings.len() {
        let found = [weights.len(), embeddings.len()];
        let expected = "two equal numbers of layers, at least 2";
        return Err(MoeError::shape("layers", &found, expected));
    }
    let layers = weights.iter().zip(embeddings);
    let means: Vec<Vec<f64>> = layers
        .map(|(w, e)| mean_embedding(w, e))
        .collect::<Result<_>>()?;
    let cosines: Vec<f64> = means
        .windows(2)
        .map(|pair| cosine(&pair[0], &pair[1]))
        .collect::<Result<_>>()?;
    let mean_cosine = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let largest = cosines.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let roughness = 1.0 - mean_cosine / (largest + 1e-8);
    Ok(Consistency {
        roughness: (cosines.len() > 1).then_some(roughness),
        mean_cosine,
        cosines,
    })
}

/// The expert embeddings of routers in the order of their layers, `[layer][expert][d_model]`: the columns of their weights.
///
/// # Errors
/// If a router has no weight (a hash router) or an empty one, or a device can't be read.
pub fn expert_embeddings<'a>(
    routers: impl IntoIterator<Item = &'a Router>,
) -> Result<Vec<Vec<Vec<f64>>>> {
    let embeddings = |router: &Router| {
        let Some(weight) = router.weight() else {
            let allowed = "a router with a weight: a hash router has no expert embeddings";
            return Err(MoeError::range("router", "a hash router", allowed));
        };
        let [width, experts] = weight.dims();
        if width == 0 || experts == 0 {
            let expected = "[d_model, experts], none of them 0";
            return Err(MoeError::shape(
                "router weight",
                &[width, experts],
                expected,
            ));
        }
        let values = read("router weight", weight.transpose())?;
        Ok(values.chunks_exact(width).map(<[f64]>::to_vec).collect())
    };
    routers.into_iter().map(embeddings).collect()
}

fn mean_embedding(weights: &[f64], embeddings: &[Vec<f64>]) -> Result<Vec<f64>> {
    let width = embeddings.first().map_or(0, Vec::len);
    if weights.len() != embeddings.len() || embeddings.iter().any(|e| e.len() != width) {
        let expected = format!("[{}, {width}]", weights.len());
        return Err(MoeError::shape(
            "embeddings",
            &[embeddings.len(), width],
            expected,
        ));
    }
    let mut values = weights.iter().chain(embeddings.iter().flatten());
    if let Some(bad) = values.find(|value| !value.is_finite()) {
        return Err(MoeError::range("consistency", bad, "finite numbers"));
    }
    let mut mean = vec![0.0; width];
    for (weight, embedding) in weights.iter().zip(embeddings) {
        mean.iter_mut()
            .zip(embedding)
            .for_each(|(sum, value)| *sum += weight * value);
    }
    Ok(mean)
}

fn cosine(a: &[f64], b: &[f64]) -> Result<f64> {
    if a.len() != b.len() {
        return Err(MoeError::shape(
            "embeddings",
            &[b.len()],
            format!("[{}] as before", a.len()),
        ));
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    Ok(dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use approx::assert_abs_diff_eq;

    #[test]
    fn check_values() {
        let plain = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 1.0]];
        let last = vec![vec![1.0, 0.0], vec![0.0, 1.0], vec![-1.0, 1.0]];
        let weights = [
            vec![0.6, 0.4, 0.0],
            vec![0.5, 0.5, 0.0],
            vec![0.0, 0.2, 0.8],
        ];
        let found = consistency(&weights, &[plain.clone(), plain.clone(), last]).unwrap();
        assert_abs_diff_eq!(found.cosines[0], 0.980_580_675_7, epsilon = 1e-9);
        assert_abs_diff_eq!(found.cosines[1], 0.110_431_526_1, epsilon = 1e-9);
        assert_abs_diff_eq!(found.roughness.unwrap(), 0.443_690_755_0, epsilon = 1e-8);
        let constant = [weights[0].clone(), weights[0].clone(), weights[0].clone()];
        let found = consistency(&constant, &[plain.clone(), plain.clone(), plain.clone()]).unwrap();
        assert_abs_diff_eq!(found.roughness.unwrap(), 0.0, epsilon = 2e-8);
        let two = consistency(&weights[..2], &[plain.clone(), plain.clone()]).unwrap();
        assert_eq!(two.roughness, None);
        assert_abs_diff_eq!(two.mean_cosine, 0.980_580_675_7, epsilon = 1e-9);
        assert!(consistency(&weights[..1], std::slice::from_ref(&plain)).is_err());
        assert!(consistency(&weights[..2], &[plain.clone(), plain[..2].to_vec()]).is_err());
        let bad = [weights[0].clone(), vec![f64::NAN, 0.5, 0.5]];
        assert!(consistency(&bad, &[plain.clone(), plain]).is_err());
    }
}
