//! # Progressive
//!
//! Progressive networks: each task adds a column, which reads the frozen columns before it by lateral adapters.
//!
//! Source: Rusu et al., "Progressive neural networks" (arXiv 1606.04671), equations 1 and 2.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::error::{check, positive};
use crate::{ContinualError, Result};

/// Numbers that one column may hold.
const MOST: usize = 1 << 28;

/// Columns of perceptrons: `h_i = relu(W_i h_{i-1} + U_i relu(V_i (alpha_{i-1} h_{i-1}^{<k})))` in column k, where `h^{<k}` are the
/// hidden units of the layer below in all columns before it, each column's times a scalar that is learned.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `widths` | | inputs, then the units of each hidden layer: at least two, each at least 1 |
/// | `adapter` | 16 | width of V's outputs, at least 1 |
/// | `alpha` | 0.01 | first value of the scalars, finite |
///
/// The output layer is linear and has an adapter too. The first layer has none: the inputs are the same for all columns. Columns that a
/// new one was added to are frozen, and keep their bits. The optimizer must be made anew, or go on: it holds no state of new
/// parameters.
///
/// Differs from the paper in that hidden units enter an adapter of one layer for all columns, as its equation 2 has it, with a
/// scalar for each column.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regimen_continual::ProgressiveConfig;
///
/// let device = Device::flex().autodiff();
/// let network = ProgressiveConfig::new(vec![8, 32, 32]).init(2, &device)?;
/// // train it, then add a column of 5 classes for the next task
/// let network = network.grow(5)?;
/// let inputs = Tensor::<2>::ones([4, 8], &device);
/// assert_eq!(network.forward(inputs.clone(), 0)?.dims(), [4, 2]);
/// assert_eq!(network.forward(inputs, 1)?.dims(), [4, 5]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct ProgressiveConfig {
    /// Inputs, then the units of each hidden layer.
    pub widths: Vec<usize>,
    /// Width of an adapter.
    #[config(default = 16)]
    pub adapter: usize,
    /// First value of the scalars.
    #[config(default = 0.01)]
    pub alpha: f64,
}

impl ProgressiveConfig {
    /// A network of one column with so many outputs.
    ///
    /// # Errors
    /// If there are fewer than two widths, a width or `outputs` is 0, `alpha` is not finite, or a column would hold more than 268 million
    /// numbers.
    pub fn init(&self, outputs: usize, device: &Device) -> Result<Progressive> {
        if self.widths.len() < 2 {
            let allowed = "inputs and at least one hidden layer";
            let found = format!("{:?}", self.widths);
            return Err(ContinualError::range("widths", found, allowed));
        }
        for width in &self.widths {
            positive("widths", *width)?;
        }
        positive("adapter", self.adapter)?;
        let finite = (self.alpha as f32).is_finite();
        check("alpha", self.alpha, finite, "finite in f32")?;
        let mut network = Progressive {
            columns: Vec::new(),
            widths: self.widths.clone(),
            adapter: self.adapter,
            alpha: self.alpha,
        };
        let column = network.column(outputs, device)?;
        network.columns.push(column);
        Ok(network)
    }
}

/// A progressive network. See [`ProgressiveConfig`].
#[derive(Module, Debug)]
pub struct Progressive {
    /// One a task, the last one trains.
    pub columns: Vec<Column>,
    #[module(skip)]
    widths: Vec<usize>,
    #[module(skip)]
    adapter: usize,
    #[module(skip)]
    alpha: f64,
}

/// A column.
#[derive(Module, Debug)]
pub struct Column {
    /// Hidden layers and the output layer.
    pub layers: Vec<Linear>,
    /// Of each layer but the first, what it reads of the columns before; none in the first column.
    pub laterals: Vec<Lateral>,
}

/// What a layer reads of the columns before its own.
#[derive(Module, Debug)]
pub struct Lateral {
    /// One scalar a column before: alpha.
    pub scales: Param<Tensor<1>>,
    /// From all columns before: V.
    pub down: Linear,
    /// To the layer: U, without a bias.
    pub up: Linear,
}

impl Lateral {
    fn forward(&self, below: &[Tensor<2>]) -> Tensor<2> {
        let scaled = below.iter().enumerate().map(|(place, hidden)| {
            let scale = self.scales.val().narrow(0, place, 1);
            hidden.clone() * scale.unsqueeze()
        });
        let inputs = Tensor::cat(scaled.collect(), 1);
        self.up.forward(relu(self.down.forward(inputs)))
    }
}

impl Progressive {
    /// A column for the next task, with so many outputs; the columns so far are frozen.
    ///
    /// # Errors
    /// If `outputs` is 0, or the column would hold more than 268 million numbers.
    pub fn grow(self, outputs: usize) -> Result<Self> {
        let device = self.devices().into_iter().next().unwrap_or_default();
        let column = self.column(outputs, &device)?;
        let frozen = self.columns.into_iter().map(Module::freeze);
        let columns = frozen.chain([column]).collect();
        Ok(Self { columns, ..self })
    }

    /// The outputs of a column, `[batch, outputs]`, of inputs `[batch, width]`.
    ///
    /// # Errors
    /// If there is no such column, or the inputs are of another width.
    pub fn forward(&self, inputs: Tensor<2>, column: usize) -> Result<Tensor<2>> {
        if column >= self.columns.len() {
            let allowed = format!("below {}: the columns", self.columns.len());
            return Err(ContinualError::range("column", column, &allowed));
        }
        let ([_, found], expected) = (inputs.dims(), self.widths[0]);
        if found != expected {
            return Err(ContinualError::mismatch("width of inputs", expected, found));
        }
        let last = self.widths.len() - 1;
        // What leaves a layer, column by column.
        let mut below = vec![inputs; column + 1];
        for layer in 0..=last {
            let outputs = (0..=column).map(|place| {
                let own = &self.columns[place];
                let outputs = own.layers[layer].forward(below[place].clone());
                let lateral = layer.checked_sub(1).and_then(|of| own.laterals.get(of));
                let outputs = match lateral {
                    Some(lateral) => outputs + lateral.forward(&below[..place]),
                    None => outputs,
                };
                if layer < last { relu(outputs) } else { outputs }
            });
            below = match layer < last {
                true => outputs.collect(),
                // Only this column's outputs are asked for.
                false => outputs.skip(column).collect(),
            };
        }
        below.pop().ok_or(ContinualError::Empty("columns"))
    }

    fn column(&self, outputs: usize, device: &Device) -> Result<Column> {
        positive("outputs", outputs)?;
        let sizes: Vec<usize> = self.widths.iter().copied().chain([outputs]).collect();
        let before = self.columns.len();
        let product = |a: usize, b: usize| a.saturating_mul(b);
        let count = sizes.windows(2).map(|pair| {
            let lateral = product(product(pair[0], before), self.adapter);
            let own = product(pair[0], pair[1]).saturating_add(lateral);
            own.saturating_add(product(self.adapter, pair[1]))
        });
        let count = count.fold(0, usize::saturating_add);
        let allowed = "268 million at most";
        check("numbers of a column", count as f64, count <= MOST, allowed)?;
        let layers = sizes.windows(2);
        let layers = layers.map(|pair| LinearConfig::new(pair[0], pair[1]).init(device));
        let lateral = |pair: &[usize]| Lateral {
            scales: Param::from_data(vec![self.alpha as f32; before].as_slice(), device),
            down: LinearConfig::new(pair[0] * before, self.adapter).init(device),
            up: LinearConfig::new(self.adapter, pair[1])
                .with_bias(false)
                .init(device),
        };
        let laterals = match before {
            0 => Vec::new(),
            _ => sizes[1..].windows(2).map(lateral).collect(),
        };
        Ok(Column {
            layers: layers.collect(),
            laterals,
        })
    }
}
