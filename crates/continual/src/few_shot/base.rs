//! The losses of the base session and before it.

use burn::tensor::{FloatDType, Tensor};
use regimen_tensor::per_example::cross_entropy;

use super::config::{FewShotConfig, Simplex};
use super::net::{Backbone, FewShotNet, directions, same_size};
use super::pseudo::{Posed, turned};
use super::simplex::dot_regression;
use super::sup_con::{nt_xent, supervised_contrastive};
use crate::examples::Examples;
use crate::{ContinualError, Result};

/// The loss of the base session.
pub(super) fn base_loss<E: Backbone>(
    config: &FewShotConfig,
    model: &FewShotNet<E>,
    batch: &E::Batch,
) -> Result<Tensor<1>> {
    let columns = model.columns_of(batch.labels());
    let (base, enlarge) = (config.base.len(), config.enlarge);
    let posed = config.pseudo.pose(batch, columns.clone(), base, enlarge)?;
    let Posed {
        batch: seen,
        targets,
        turns,
    } = posed;
    let features = model.encoded(&seen)?;
    let mut loss = match config.simplex {
        Some(Simplex::DotRegression(weight)) => {
            let targets_of_classes = directions_of(model);
            dot_regression(features.clone(), targets_of_classes, targets.clone())? * weight
        }
        _ => cross_entropy(model.scores(features.clone()), targets.clone()).mean(),
    };
    if let Some(contrast) = config.contrast {
        let rows = model.projected(features.clone());
        let part = supervised_contrastive(rows, targets, contrast.tau)?;
        loss = loss + part * contrast.weight;
    }
    if let (Some(weight), Some(head)) = (config.rotation, &model.turns) {
        let (features, turns) = match turns {
            Some(turns) => (features, turns),
            // The images were trained upright: a second pass over them, turned.
            None => {
                let posed = turned(batch, columns.zeros_like(), 1, false)?;
                let turns = posed.targets;
                (model.encoded(&posed.batch)?, turns)
            }
        };
        let scores = head.forward(features).cast(FloatDType::F32);
        loss = loss + cross_entropy(scores, turns).mean() * weight;
    }
    Ok(loss)
}

/// The head's directions as targets, off the tape.
fn directions_of<E: Backbone>(model: &FewShotNet<E>) -> Tensor<2> {
    directions(model.head.weight.val().detach().transpose()).transpose()
}

/// The self-supervised loss of two views of the same examples.
pub(super) fn view_loss<E: Backbone>(
    config: &FewShotConfig,
    model: &FewShotNet<E>,
    first: &E::Batch,
    second: &E::Batch,
) -> Result<Tensor<1>> {
    let Some(tau) = config.pretrain else {
        return Err(ContinualError::Unsupported {
            method: "FewShot",
            reason: "there are no layers for it: set `pretrain` to a temperature".into(),
        });
    };
    same_size(first, second)?;
    // One pass: batch norm sees both views alike.
    let (count, both) = (first.count(), first.clone().join(second.clone()));
    let rows = model.projected(model.encoded(&both)?);
    let view = |from| rows.clone().narrow(0, from, count);
    nt_xent(view(0), view(count), tau)
}
