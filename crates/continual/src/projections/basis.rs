//! # Basis
//!
//! An orthonormal basis of directions that a gradient must not have.
//!
//! Source: Farajtabar et al., "Orthogonal gradient descent for continual learning" (arXiv 1910.07104), algorithm 1; Gram-Schmidt
//! twice, as Giraud et al. (2005) show to be enough.

use regimen_tensor::ParamVector;

use super::directions::Directions;
use crate::examples::read;
use crate::{ContinualError, Result};

/// What is left of a vector after Gram-Schmidt, by its own length, below which it counts as dependent on the basis.
const DEPENDENT: f32 = 1e-4;

/// Orthonormal directions in a model's parameter space, in f32.
///
/// `project` gives `g - sum_s (g . s) s` over the basis: two matrix products a parameter, nothing is read from the device.
///
/// ```
/// use burn::{module::Module, nn::LinearConfig, tensor::Device};
/// use regimen_continual::projections::Basis;
/// use regimen_tensor::ParamVector;
///
/// let space = ParamVector::of(&LinearConfig::new(3, 1).with_bias(false).init(&Device::flex()));
/// let vector = |values: [f32; 3]| space.from_host(vec![values.to_vec()]);
/// let mut basis = Basis::new(&space);
/// basis.add(&vector([1.0, 0.0, 0.0])?)?;
/// basis.add(&vector([1.0, 1.0, 0.0])?)?;
/// assert_eq!(basis.project(&vector([1.0, 2.0, 3.0])?)?.to_host()?, [[0.0, 0.0, 3.0]]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Basis(Directions);

impl Basis {
    /// An empty basis in the space of this vector.
    #[must_use]
    pub fn new(space: &ParamVector) -> Self {
        Self(Directions::new(space))
    }

    pub(crate) fn of(directions: Directions) -> Self {
        Self(directions)
    }

    /// The directions.
    #[must_use]
    pub fn directions(&self) -> &Directions {
        &self.0
    }

    /// Adds what is new in a vector, at length 1; whether there was something (one part in 10,000 of its length). Three numbers
    /// are read from the device.
    ///
    /// # Errors
    /// [`ContinualError::NotFinite`] if the vector, or its length, is not finite; if it is of another model.
    pub fn add(&mut self, vector: &ParamVector) -> Result<bool> {
        let before = length(vector)?;
        if before == 0.0 {
            return Ok(false);
        }
        // At length 1 squares neither vanish nor overflow.
        let vector = vector.clone().widened().scale(1.0 / f64::from(before));
        let once = self.project(&vector)?;
        let left = length(&once)?;
        if left < DEPENDENT {
            return Ok(false);
        }
        let twice = self.project(&once.scale(1.0 / f64::from(left)))?;
        let left = length(&twice)?;
        if left < 0.5 {
            return Ok(false);
        }
        self.0.extend(&[twice.scale(1.0 / f64::from(left))])?;
        Ok(true)
    }

    /// The vector without its part in the basis.
    ///
    /// # Errors
    /// If it is of another model.
    pub fn project(&self, vector: &ParamVector) -> Result<ParamVector> {
        let vector = vector.clone().widened();
        let Some(products) = self.0.products(&vector)? else {
            return Ok(vector);
        };
        let part = self.0.combined(products, &vector)?;
        Ok(vector.sub(&part)?)
    }
}

fn length(vector: &ParamVector) -> Result<f32> {
    let length = read("length", vector.l2().try_into_vec_as::<f32>())?;
    let length = length.first().copied().unwrap_or(0.0);
    match length.is_finite() {
        true => Ok(length),
        false => Err(ContinualError::NotFinite("a direction".into())),
    }
}
