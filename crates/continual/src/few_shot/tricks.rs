//! The handle that trains the sessions and classifies.

use std::fmt;

use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};
use regimen_tensor::checkpoint::{Part, PartError};
use regimen_tensor::per_example::cross_entropy;
use regimen_tensor::training::Gradients;
use serde::{Deserialize, Serialize};

use super::base::{base_loss, view_loss};
use super::config::{FewShotConfig, Tuning};
use super::net::{Backbone, FewShotNet, directions};
use super::prototypes::{Prototypes, PrototypesConfig};
use super::sub_net::{SubNet, SubNetConfig};
use crate::examples::Examples;
use crate::saved::Saved;
use crate::strategy::{Shared, Steps, Strategy, plain_loss};
use crate::teacher::{constant, plain};
use crate::{ContinualError, Result};

/// What the logits of classes without a prototype are: finite, so that no loss is NaN.
const ABSENT: f32 = -1e9;

/// A handle on the tricks: clones share its state. See [`FewShotConfig`].
#[derive(Clone)]
pub struct FewShot {
    pub(super) config: FewShotConfig,
    /// None where everything trains.
    pub(super) tuning: Option<SubNet>,
    /// The prototypes, and the sessions that ended.
    pub(super) shared: Shared<(Prototypes, usize)>,
}

impl FewShotConfig {
    /// The encoder with the heads of the base session, and the handle that trains and classifies.
    ///
    /// # Errors
    /// If a number is outside of its range, a base class comes twice or is none of the classes, or the simplex has more directions than `width + 1`.
    pub fn init<E: Backbone>(&self, encoder: E) -> Result<(FewShotNet<E>, FewShot)> {
        self.check()?;
        let device = encoder.devices().into_iter().next();
        let device: Device = device.unwrap_or_default();
        let prototypes = PrototypesConfig::new(self.classes, self.width);
        let prototypes = prototypes.with_normalised(self.normalised);
        let prototypes = prototypes.init(&plain(&device))?;
        let model = FewShotNet::new(encoder, self)?;
        let tuning = match &self.tuning {
            Tuning::Frozen => Some(SubNetConfig::new().with_share(0.0).init(&model)?),
            Tuning::SubNet(config) => Some(config.init(&model)?),
            Tuning::Full => None,
        };
        let handle = FewShot {
            config: self.clone(),
            tuning,
            shared: Shared::new((prototypes, 0)),
        };
        Ok((model, handle))
    }
}

/// What is saved beside the tensors.
#[derive(Serialize, Deserialize)]
struct Plain {
    step: usize,
    sessions: usize,
    chosen: bool,
    prototypes: Vec<u8>,
}

impl fmt::Debug for FewShot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FewShot({} sessions)", self.sessions())
    }
}

impl FewShot {
    /// Sessions that ended, the base session among them.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.lock().1
    }

    /// The prototypes of all classes so far.
    #[must_use]
    pub fn prototypes(&self) -> Prototypes {
        self.shared.lock().0.clone()
    }

    /// The self-supervised loss before the base session, `[1]`, in f32: two augmented views of the same examples, each nearer to its other view than to
    /// all other rows ([`nt_xent`](super::nt_xent)). Labels are not looked at.
    ///
    /// # Errors
    /// If `pretrain` is not set, or the views differ in size.
    pub fn pretrain_loss<E: Backbone>(
        &self,
        model: &FewShotNet<E>,
        first: &E::Batch,
        second: &E::Batch,
    ) -> Result<Tensor<1>> {
        view_loss(&self.config, model, first, second)
    }

    /// The loss of an incremental session.
    fn session_loss<E: Backbone>(
        &self,
        model: &FewShotNet<E>,
        batch: &E::Batch,
        prototypes: &Prototypes,
    ) -> Result<Tensor<1>> {
        let features = model.encoded(batch)?;
        let labels = batch.labels();
        let ([rows, _], classes) = (features.dims(), self.config.classes);
        let (device, kind) = (labels.device(), labels.dtype());
        let numbers = Tensor::<1, Int>::arange(0..classes as i64, (&device, kind));
        let numbers = numbers.reshape([1, classes]).expand([rows, classes]);
        let own = labels.clone().reshape([rows, 1]).expand([rows, classes]);
        let members = own.equal(numbers).float().cast(FloatDType::F32);
        // Off the tape: a class without a prototype yet has the mean of what the batch shows of it.
        let taken = prototypes.taken(features.clone().detach());
        let counts = members.clone().sum_dim(0).transpose();
        let of_batch = members.transpose().matmul(taken) / counts.clone().clamp_min(1.0);
        let known = prototypes.counts().iter();
        let known: Vec<f32> = known.map(|count| f32::from(u8::from(*count > 0))).collect();
        let known = TensorData::new(known, [classes, 1]);
        let known = Tensor::<2>::from_data(known, (&features.device(), FloatDType::F32.into()));
        let kept = constant(prototypes.means(), &features);
        let all = kept * known.clone() + of_batch * (known.clone().neg() + 1.0);
        let cosines = directions(features).matmul(directions(all).transpose());
        let absent = (known + counts).lower_elem(0.5).transpose();
        let logits = cosines * self.config.scale;
        let logits = logits.mask_fill(absent.expand([rows, classes]), ABSENT);
        Ok(cross_entropy(logits, labels).mean())
    }
}

impl<E: Backbone> Strategy<FewShotNet<E>> for FewShot {
    fn steps(&self) -> &Steps {
        &self.shared.steps
    }

    fn changes_updates(&self) -> bool {
        self.tuning.is_some()
    }

    /// The whole loss less the cross-entropy of the head: a second forward pass over the batch. After the base session it is the loss itself.
    fn penalty(&self, model: &FewShotNet<E>, batch: &E::Batch) -> Result<Tensor<1>> {
        let loss = self.loss(model, batch)?;
        match self.sessions() {
            0 => Ok(loss - plain_loss(model, batch)),
            _ => Ok(loss),
        }
    }

    fn loss(&self, model: &FewShotNet<E>, batch: &E::Batch) -> Result<Tensor<1>> {
        let (prototypes, sessions) = self.shared.lock().clone();
        match sessions {
            0 => base_loss(&self.config, model, batch),
            _ => self.session_loss(model, batch, &prototypes),
        }
    }

    fn before_update(&self, model: &FewShotNet<E>, grads: &mut Gradients) -> Result<()> {
        match &self.tuning {
            Some(sub_net) => sub_net.hold(model, grads),
            None => Ok(()),
        }
    }

    fn after_update(&self, model: FewShotNet<E>) -> (FewShotNet<E>, Result<()>) {
        let restored = match &self.tuning {
            Some(sub_net) => sub_net.restored(&model),
            None => Ok(None),
        };
        match restored {
            Ok(Some(model)) => (model, Ok(())),
            Ok(None) => (model, Ok(())),
            Err(error) => (model, Err(error)),
        }
    }

    /// Takes the prototypes of the data's classes by the encoder as it is, in validation mode. A class that comes again adds to its mean.
    fn after_task(
        &self,
        model: FewShotNet<E>,
        data: &dyn DataLoader<E::Batch>,
    ) -> Result<FewShotNet<E>> {
        let (mut prototypes, sessions) = self.shared.lock().clone();
        let fixed = model.valid();
        let mut empty = true;
        for batch in data.iter() {
            let batch = batch?.inner();
            prototypes.add(fixed.encoded(&batch)?, batch.labels())?;
            empty = false;
        }
        if empty {
            return Err(ContinualError::Empty("the data of a session"));
        }
        if let Some(sub_net) = self.tuning.as_ref().filter(|tuning| !tuning.is_chosen()) {
            sub_net.choose(&model)?;
        }
        *self.shared.lock() = (prototypes, sessions + 1);
        Ok(model)
    }

    /// Cosines with the prototypes.
    fn logits(&self, model: &FewShotNet<E>, batch: &E::Batch) -> Result<Tensor<2>> {
        self.prototypes().logits(model.encoded(batch)?)
    }
}

impl Part for FewShot {
    fn kind(&self) -> String {
        "few shot 1".into()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let (prototypes, sessions) = self.shared.lock().clone();
        let tuning = self.tuning.as_ref();
        let plain = Plain {
            step: self.shared.steps.taken(),
            sessions,
            chosen: tuning.is_some_and(SubNet::is_chosen),
            prototypes: prototypes.save()?,
        };
        let saved = Saved::new(&plain)?;
        let saved = match tuning {
            Some(sub_net) => sub_net.write(saved)?,
            None => saved,
        };
        Ok(saved.to_bytes()?)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let saved = Saved::read(bytes)?;
        let plain: Plain = saved.state()?;
        let mut prototypes = self.prototypes();
        prototypes.load(&plain.prototypes)?;
        let some = prototypes.counts().iter().any(|count| *count > 0);
        let tuned = self.tuning.is_some() && plain.sessions > 0;
        if plain.chosen != tuned || some != (plain.sessions > 0) {
            let reason = "sessions, prototypes and sub-network do not fit".into();
            return Err(ContinualError::State(reason).into());
        }
        if let Some(sub_net) = &self.tuning {
            let restored = sub_net.read(&saved, plain.chosen)?;
            sub_net.keep(restored);
        }
        *self.shared.lock() = (prototypes, plain.sessions);
        self.shared.steps.restore(plain.step);
        Ok(())
    }
}
