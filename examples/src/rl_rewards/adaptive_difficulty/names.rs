//! The names of the arms.

use super::learn::Rescue;

pub(super) const RANDOM: &str = "random";
pub(super) const LENGTH: &str = "by length";
pub(super) const STATIC: &str = "static";
pub(super) const SHUFFLED: &str = "shuffled chunks";
pub(super) const ADCL: &str = "adcl";
pub(super) const EGSR: &str = "egsr";
pub(super) const BOTH: &str = "adcl + egsr";
pub(super) const EQUAL: &str = "random, equal rollouts";
pub(super) const AS_ADCL: &str = "random, as adcl";
pub(super) const AS_EGSR: &str = "random, as egsr";
pub(super) const MORE: &str = "random, three times the samples";
pub(super) const EXPERT: &str = "expert's text";
pub(super) const OWN: &str = "own words";

pub(super) const T_EGSR: &str = "text: egsr";
pub(super) const T_GRPO: &str = "text: grpo";
pub(super) const T_AGAIN: &str = "text: again";
pub(super) const T_ANYWHERE: &str = "text: random groups";
pub(super) const T_SFT: &str = "text: sft";
pub(super) const T_EXPERT: &str = "text: expert's text";
pub(super) const T_OWN: &str = "text: own words";

/// The arms of text beside the method, each with as many sampled tokens.
pub(super) const TEXTS: [(&str, Rescue); 6] = [
    (T_GRPO, Rescue::None),
    (T_AGAIN, Rescue::Again),
    (T_ANYWHERE, Rescue::Anywhere),
    (T_SFT, Rescue::Imitate),
    (T_EXPERT, Rescue::Expert),
    (T_OWN, Rescue::Own),
];
