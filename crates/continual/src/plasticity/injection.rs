//! # inject
//!
//! Plasticity injection: a fresh head learns beside the old one, and nothing changes at the moment it comes.
//!
//! Source: Nikishin et al., "Deep Reinforcement Learning with Plasticity Injection" (arXiv 2305.15555), equation 1.

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;

use regimen_tensor::independent;

/// A head to which plasticity was injected: `frozen(z) + new(z) - copy(z)`, of which only `new` trains.
///
/// See [`inject`].
#[derive(Module, Debug)]
pub struct Injected<H: Module> {
    /// The head as it was, frozen.
    pub frozen: H,
    /// The fresh head, which trains.
    pub new: H,
    /// The fresh head as it was drawn, frozen.
    pub copy: H,
}

/// Freezes a head and puts a fresh one of the same kind beside it, which trains, and a frozen copy of the fresh one, which takes its first
/// outputs off: outputs are the same at this moment, and all later change is learned by fresh weights. No gradient reaches the frozen weights;
/// what enters the head still gets one.
///
/// Put the result where the head was, and make its optimizer anew or leave it: its state goes by parameter, and the fresh ones have none.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::{Device, Distribution, Tensor}};
/// use regimen_continual::plasticity::inject;
///
/// let device = Device::flex().autodiff();
/// let (head, fresh) = (LinearConfig::new(4, 2).init(&device), LinearConfig::new(4, 2).init(&device));
/// let z = Tensor::<2>::random([3, 4], Distribution::Default, &device);
/// let before = head.forward(z.clone());
/// let injected = inject(head, fresh);
/// let after = injected.forward(|head| head.forward(z.clone()));
/// after.into_data().assert_eq(&before.into_data(), true);
/// ```
#[must_use]
pub fn inject<H: Module>(head: H, fresh: H) -> Injected<H> {
    // Parameters of one id would share gradients and moments.
    let copy = independent(&fresh).map(&mut Renamed).freeze();
    Injected {
        frozen: head.freeze(),
        new: fresh,
        copy,
    }
}

impl<H: Module> Injected<H> {
    /// The three heads' outputs together; `run` calls one head.
    pub fn forward<const D: usize>(&self, run: impl Fn(&H) -> Tensor<D>) -> Tensor<D> {
        // In this order the injection is exact: a number less itself is 0.
        run(&self.frozen) + (run(&self.new) - run(&self.copy))
    }
}

/// Gives each parameter an id of its own.
struct Renamed;

impl ModuleMapper for Renamed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        Param::initialized(ParamId::new(), param.val().detach())
    }
}
