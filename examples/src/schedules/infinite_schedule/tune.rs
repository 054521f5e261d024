//! Later peaks of the repeated cosine and plateaus that were tried on seeds that do not count.

use anyhow::Result;

use super::{DOMAINS, EARLIER, Job, NEWEST, SECOND, Stream};
use crate::experiment::{Context, Trial};
use crate::schedules::stream::Sizes;

/// Writes a line for each share of the peak: the mean loss over all domains after the last, and what it is made of; then the loss of one
/// domain again and again.
///
/// # Errors
/// If the embedded data is damaged.
pub fn tune(seed: u64, mut line: impl FnMut(String)) -> Result<()> {
    let context = Context::new(seed);
    let job = Job {
        stream: Stream::new(&context, seed, DOMAINS, Sizes::default())?,
        updates: super::updates(&context),
        context: &context,
    };
    let order: Vec<usize> = (0..DOMAINS.len()).collect();
    for share in [1.0, 0.75, 0.55, 0.4, 0.25, 0.15, 0.1] {
        for arm in ["cosine", "infinite"] {
            let train = |order: &[usize]| match arm {
                "cosine" => job.cosine(share, order),
                _ => job.infinite(share, order),
            };
            let mut trial = Trial::new(seed);
            job.record(&mut trial, arm, &train(&order)?);
            let same = train(&vec![0; order.len()])?;
            let same = same.last().map(|state| job.stream.loss(&state.model, 0));
            let of = |metric| trial.value(arm, metric);
            line(format!(
                "{arm}; {share}; all {:.4}; {SECOND} {:.4}; {EARLIER} {:.4}; {NEWEST} {:.4}; same {:.4}",
                of("main"),
                of(SECOND),
                of(EARLIER),
                of(NEWEST),
                same.unwrap_or(f64::NAN)
            ));
        }
    }
    Ok(())
}
