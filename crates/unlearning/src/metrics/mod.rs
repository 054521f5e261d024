//! # metrics
//!
//! What a model still knows: accuracy, membership inference, relearn time, distance to a retrained model.
//!
//! Source: arXiv 2308.07707, section 4, and the released evaluation.
//!
//! | metric | better | perfect | the retrained reference |
//! |---|---|---|---|
//! | accuracy on retained and test data | higher | 1 | its own, near the original's |
//! | accuracy on forgotten data | nearer to the reference | the reference's | 0 for a whole class, test accuracy for random examples |
//! | membership inference | nearer to the reference: an unnaturally low value is a leak too | the reference's | what strangers of the forget set's kind score |
//! | ZRF | higher | 1 | below 1: it generalises |
//! | relearn time | longer, up to the reference's | the reference's | the longest |
//! | distances to the reference | lower | 0 | 0; between two seeds, the floor |

mod accuracy;
mod distance;
mod forget_quality;
mod klom;
mod lira;
mod membership;
pub mod muse;
mod relearn;
pub mod tofu;
mod zrf;

pub use accuracy::accuracy;
pub use distance::{OutputDistance, output_distance, weight_distance};
pub use klom::{Klom, KlomConfig, KlomSummary};
pub use lira::{Attack, LiraConfig, Shadow};
pub use membership::{attack, membership_inference, softmax_entropy};
pub use relearn::{RelearnConfig, Relearned};
pub use zrf::{jensen_shannon, released_divergence, zrf};
