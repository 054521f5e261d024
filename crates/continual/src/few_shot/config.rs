//! # FewShot
//!
//! The tricks of few-shot class-incremental learning together, each switched on or off, over any encoder.
//!
//! Source: "A Bag of Tricks for Few-Shot Class-Incremental Learning" (arXiv 2403.14392); the tricks as in the works and codes that each names.

use burn::config::Config;
use serde::{Deserialize, Serialize};

use super::pseudo::PseudoClasses;
use super::sub_net::SubNetConfig;
use super::sup_con::temperature;
use crate::error::{check, positive, strength};
use crate::{ContinualError, Result};

/// Classes at most.
const MOST: usize = 1 << 16;

/// The supervised contrastive loss beside that of the head.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// Its weight, 0 or more.
    pub weight: f64,
    /// Its temperature, 1e-6 or more.
    pub tau: f64,
}

/// What pulls features to targets that are set before training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Simplex {
    /// The cross-entropy of the head, whose directions do not train.
    CrossEntropy,
    /// The dot regression with this weight, 0 or more, in place of the cross-entropy.
    DotRegression(f64),
}

/// What the incremental sessions train.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub enum Tuning {
    /// Nothing: prototypes alone are added.
    #[default]
    Frozen,
    /// A small part of the encoder.
    SubNet(SubNetConfig),
    /// All of the encoder.
    Full,
}

/// `loss = L_head + contrast.weight SupCon + rotation CE_turns` in the base session, over base and pseudo-classes; prototypes classify.
///
/// | parameter | default | trick | meaning |
/// |---|---|---|---|
/// | `base` | | | the base classes, the first session's |
/// | `classes` | | | classes that are to come in all sessions, at most 65,536; labels are below it |
/// | `width` | | | width of the features |
/// | `scale` | 16 | | of the cosines in cross-entropies, above 0, at most 1e6 |
/// | `contrast` | none | A | supervised contrastive loss, its weight and temperature |
/// | `simplex` | none | B | targets set before training: cross-entropy or dot regression to a simplex |
/// | `room` | 0 | B | further columns of the head, for classes of later sessions |
/// | `pseudo` | none | C | rotations or mixtures as further classes |
/// | `enlarge` | false | C | whether every example comes plain and under each transformation, so that the batch grows |
/// | `tuning` | frozen | D, E | what incremental sessions train: nothing, a sub-network, all |
/// | `pretrain` | none | G | temperature of [`FewShot::pretrain_loss`](crate::FewShot::pretrain_loss) |
/// | `rotation` | none | H | weight of telling by how many quarters an image is turned |
/// | `projection` | 32 | A, G | width of the two layers before contrastive losses, which later sessions drop; none: the features themselves |
/// | `normalised` | true | | whether features have length 1 before they are averaged to prototypes |
/// | `seed` | 0 | | of heads and simplex |
///
/// Trick F, a larger encoder, is the encoder that you give. The paper leaves weights, temperatures and construction of pseudo-classes open: the
/// defaults that a trick has here are those of the codes named in its file.
///
/// 1. Where `pretrain` is set, train some steps on [`FewShot::pretrain_loss`](crate::FewShot::pretrain_loss) of two augmented views.
/// 2. The base session: [`loss`](crate::Strategy::loss), [`optimize`](crate::Strategy::optimize), and
///    [`after_task`](crate::Strategy::after_task) with the training data **without augmentation**, from which prototypes are taken.
/// 3. Each incremental session: nothing, or a few steps of the same two, then `after_task` with the new examples.
/// 4. [`logits`](crate::Strategy::logits) of a model in validation mode: cosines with the prototypes.
///
/// The loss of an incremental session is the cross-entropy of scaled cosines with all prototypes, where a class without one yet has the mean of
/// the batch's own features: batches hold all new examples, or at least some of each class. Prototypes of earlier classes stay as they
/// are, since their data is gone.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, optim::{AdamConfig, GradientsParams}, tensor::{Device, Int, Tensor}};
/// use regimen_continual::{Backbone, FewShotConfig, Strategy, few_shot::{PseudoClasses, Simplex}};
/// use regimen_tensor::Prepared;
/// # #[derive(Module, Debug)]
/// # struct Body { layer: Linear }
/// # impl Backbone for Body {
/// #     type Batch = (Tensor<2>, Tensor<1, Int>);
/// #     fn features(&self, (images, _): &Self::Batch) -> Tensor<2> { self.layer.forward(images.clone()) }
/// # }
/// # let device = Device::flex().autodiff();
/// # let encoder = Body { layer: LinearConfig::new(4, 8).init(&device) };
/// # let batch = |rows: [[f32; 4]; 2], labels: [i64; 2]| (Tensor::<2>::from_data(rows, &device), Tensor::<1, Int>::from_data(labels, &device));
/// # let base = batch([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], [0, 1]);
/// # let novel = batch([[0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.1]], [2, 2]);
///
/// let config = FewShotConfig::new(vec![0, 1], 3, 8)
///     .with_pseudo(PseudoClasses::Rotations)
///     .with_simplex(Some(Simplex::CrossEntropy));
/// let (mut model, few_shot) = config.init(encoder)?;
/// let mut optim = AdamConfig::new().init();
/// for _ in 0..20 {
///     let loss = few_shot.loss(&model, &base)?;
///     let grads = GradientsParams::from_grads(loss.backward(), &model);
///     model = few_shot.optimize(model, &mut optim, 0.01, grads);
/// }
/// model = few_shot.after_task(model, &Prepared(vec![base]))?;
/// // A session of one class with two examples: the encoder stays.
/// model = few_shot.after_task(model, &Prepared(vec![novel.clone()]))?;
/// let scores = few_shot.logits(&model, &novel)?;
/// assert_eq!(scores.argmax(1).try_into_vec_as::<i64>().unwrap(), [2, 2]);
/// # Ok::<(), regimen_continual::ContinualError>(())
/// ```
#[derive(Config, Debug)]
pub struct FewShotConfig {
    /// The base classes.
    pub base: Vec<usize>,
    /// Classes that are to come in all sessions.
    pub classes: usize,
    /// Width of the features.
    pub width: usize,
    /// Scale of the cosines in cross-entropies, above 0, at most 1e6.
    #[config(default = 16.0)]
    pub scale: f64,
    /// Supervised contrastive loss.
    #[config(default = "None")]
    pub contrast: Option<Contrast>,
    /// Targets set before training.
    #[config(default = "None")]
    pub simplex: Option<Simplex>,
    /// Columns of the head beside those of base and pseudo-classes.
    #[config(default = 0)]
    pub room: usize,
    /// Pseudo-classes.
    #[config(default = "PseudoClasses::None")]
    pub pseudo: PseudoClasses,
    /// Whether pseudo-classes are added to the batch, else a part of it becomes them.
    #[config(default = false)]
    pub enlarge: bool,
    /// What incremental sessions train.
    #[config(default = "Tuning::Frozen")]
    pub tuning: Tuning,
    /// Temperature of the self-supervised loss before the base session.
    #[config(default = "None")]
    pub pretrain: Option<f64>,
    /// Weight of the cross-entropy of quarters.
    #[config(default = "None")]
    pub rotation: Option<f64>,
    /// Width of the layers before contrastive losses.
    #[config(default = "Some(32)")]
    pub projection: Option<usize>,
    /// Whether features have length 1 before they are averaged.
    #[config(default = true)]
    pub normalised: bool,
    /// Of heads and simplex.
    #[config(default = 0)]
    pub seed: u64,
}

impl FewShotConfig {
    pub(super) fn check(&self) -> Result<()> {
        positive("width", self.width)?;
        let classes = self.classes as f64;
        let fits = (1..=MOST).contains(&self.classes);
        check("classes", classes, fits, "1 to 65,536")?;
        if self.base.is_empty() {
            return Err(ContinualError::Empty("the base classes"));
        }
        let mut known = vec![false; self.classes];
        for class in &self.base {
            match known.get_mut(*class) {
                Some(known) if !*known => *known = true,
                _ => {
                    let allowed = "each class once, below `classes`";
                    return Err(ContinualError::range("base", class, allowed));
                }
            }
        }
        let scale = self.scale > 0.0 && self.scale <= 1e6;
        check("scale", self.scale, scale, "above 0, at most 1e6")?;
        if let Some(Contrast { weight, tau }) = self.contrast {
            strength("contrast.weight", weight)?;
            temperature("contrast.tau", tau)?;
        }
        if let Some(Simplex::DotRegression(weight)) = self.simplex {
            strength("simplex.weight", weight)?;
        }
        if let Some(tau) = self.pretrain {
            temperature("pretrain", tau)?;
        }
        if let Some(weight) = self.rotation {
            strength("rotation", weight)?;
        }
        Ok(())
    }
}
