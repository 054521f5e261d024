//! Balance over the global batch against balance of every micro-batch.
//!
//! Each micro-batch comes from one domain. A loss that balances every micro-batch makes all experts serve all domains; one that
//! balances the batch as a whole lets them specialise. Shown on a character model of three texts, and on a simulated
//! regression over four domains, where the update of biases takes part too.

mod characters;
mod regression;

use anyhow::Result;
use burn::tensor::Tensor;
use regimen_moe::Routing;
use regimen_moe::balance::{Load, load_balancing_loss, sequence_balancing_loss};

use crate::experiment::{Better, Check, Context, DataKind, Domain, PaperEffect, System, Trial};
use crate::experiment::{differences, values};

/// The experiment.
pub const SYSTEM: System = System {
    name: "load-balancing-loss",
    number: 24,
    krate: "regimen-moe",
    paper: "Demons in the Detail: On Implementing Load Balancing Loss for Training Specialized Mixture-of-Expert Models (arXiv 2501.11873)",
    claim: "Where each micro-batch comes from one domain, balancing the global batch lets experts specialise more than balancing every micro-batch, as evenly and, on text, at hardly any cost in loss, and counts that are added up over the micro-batches of a step help too; on a regression over four domains micro-batch balance raises the error by 40 % or more, global balance does not, and updating biases by global counts keeps the load within a tenth of even",
    metric: "mutual information of text and expert in a character model of three texts",
    unit: "nats",
    better: Better::Higher,
    baseline: Balance::Micro.arm(),
    method: Balance::Global.arm(),
    rule: RULE,
    paper_effect: PaperEffect::ShownInPart,
    seeds: 3,
    source: "examples/src/moe/load_balancing_loss/mod.rs",
    data: DataKind::Domains(DOMAINS),
    curve: "expert, busiest first / share of a text's assignments",
    run,
    judge,
};

/// Lower loss on text is not part of it: first runs, on seeds 100 to 102, had micro-batch balance ahead by .004 to .008 nats.
/// They also had the bias update's error .001 above the best loss's, so a difference of .01 is allowed.
const RULE: &str = "holds if, in the mean over seeds, on text: the information of global balance is at least 1.5 times that of micro-batch balance (their difference with that factor at least 0), that of buffered balance at least 1.2 times, the loss of global balance at most .02 nats above, and its violation at most .1 above; and in the regression: the error of micro-batch balance is at least 1.4 times that of global balance; global and shuffled micro-batch balance are at most .02 apart in error; global balance is at least as even as none; the bias update has a violation of at most .1 and an error at most .01 above that of the best loss";

/// The seeds of the finding are this one and those after it: the rule was fixed before any run on them.
///
/// On seeds 0 to 2 it had no condition on buffered balance, whose information was .011 nats (micro-batch .005, global .021), and took the
/// mean of the seeds' ratios, 1.6, 11.3 and 3.8, in which a small divisor decides. On seeds 10 to 12 buffered balance (.013) was asked
/// for no less than micro-batch balance (.006), which its own fault, counts that are not added up, just meets. All held both times.
const FIRST_SEED: u64 = 20;

/// The texts of the character model.
const DOMAINS: &[Domain] = &[Domain::Prose, Domain::Verse, Domain::Code];

/// What the load is balanced over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Balance {
    /// Nothing.
    None,
    /// Each micro-batch by itself.
    Micro,
    /// All micro-batches of a step.
    Global,
    /// Each micro-batch by itself, of tokens that were shuffled over the micro-batches.
    Shuffled,
    /// The micro-batches of a step up to the current one.
    Buffered,
    /// All micro-batches, by biases and without a loss.
    Bias,
}

impl Balance {
    const fn arm(self) -> &'static str {
        match self {
            Self::None => "no balance",
            Self::Micro => "micro-batch",
            Self::Global => "global batch",
            Self::Shuffled => "shuffled micro-batch",
            Self::Buffered => "buffered",
            Self::Bias => "bias update",
        }
    }

    /// The loss of a pass whose rows are the micro-batches, if there is one.
    ///
    /// With the fault, the counts of the global batch are not exchanged.
    fn loss(self, routing: &Routing, fault: bool) -> Option<Tensor<1>> {
        match self {
            Self::Micro | Self::Shuffled => Some(sequence_balancing_loss(routing)),
            Self::Global if fault => Some(sequence_balancing_loss(routing)),
            Self::Global => Some(load_balancing_loss(&Load::of(routing))),
            Self::None | Self::Buffered | Self::Bias => None,
        }
    }
}

fn run(context: &Context, seed: u64) -> Result<Trial> {
    let mut trial = Trial::new(seed);
    characters::run(context, &mut trial)?;
    regression::run(context, &mut trial)?;
    Ok(trial)
}

/// The largest load over the mean load, less 1.
const VIOLATION: &str = "violation";
const LOSS: &str = "validation loss, nats";
const ERROR: &str = "regression: error";
const REGRESSION_VIOLATION: &str = "regression: violation";

fn judge(trials: &[Trial]) -> Vec<Check> {
    let texts = |metric| {
        let [global, micro] =
            [Balance::Global, Balance::Micro].map(|b| values(trials, b.arm(), metric));
        global.into_iter().zip(micro)
    };
    let over_micro = |balance: Balance, factor: f64| {
        let [more, micro] = [balance, Balance::Micro].map(|b| values(trials, b.arm(), "main"));
        let pairs = more.into_iter().zip(micro);
        pairs.map(|(more, micro)| more - factor * micro).collect()
    };
    let error = |balance: Balance| values(trials, balance.arm(), ERROR);
    let pairs = |a: Balance, b: Balance| error(a).into_iter().zip(error(b));
    let ratio = pairs(Balance::Micro, Balance::Global);
    let apart = pairs(Balance::Global, Balance::Shuffled);
    let loads = differences(
        trials,
        Balance::None.arm(),
        Balance::Global.arm(),
        REGRESSION_VIOLATION,
    );
    let bias = pairs(Balance::Bias, Balance::Global).zip(pairs(Balance::Micro, Balance::Shuffled));
    let gain =
        bias.map(|((bias, global), (micro, shuffled))| bias - global.min(micro).min(shuffled));
    vec![
        Check::at_least(
            "text: information of global minus 1.5 times that of micro-batch balance, at least 0",
            over_micro(Balance::Global, 1.5),
            0.0,
        ),
        Check::at_least(
            "text: information of buffered minus 1.2 times that of micro-batch balance, at least 0",
            over_micro(Balance::Buffered, 1.2),
            0.0,
        ),
        Check::at_most(
            "text: loss of global minus micro-batch balance, at most .02 nats",
            texts(LOSS).map(|(global, micro)| global - micro).collect(),
            0.02,
        ),
        Check::at_most(
            "text: violation of global minus micro-batch balance, at most .1",
            texts(VIOLATION)
                .map(|(global, micro)| global - micro)
                .collect(),
            0.1,
        ),
        Check::at_least(
            "regression: error of micro-batch over global balance, at least 1.4",
            ratio.map(|(micro, global)| micro / global).collect(),
            1.4,
        ),
        Check::at_most(
            "regression: error of global and shuffled micro-batch balance apart, at most .02",
            apart
                .map(|(global, shuffled)| (global - shuffled).abs())
                .collect(),
            0.02,
        ),
        Check::at_least(
            "regression: violation without balance minus with global balance, at least 0",
            loads,
            0.0,
        ),
        Check::at_most(
            "regression: violation with the bias update, at most .1",
            values(trials, Balance::Bias.arm(), REGRESSION_VIOLATION),
            0.1,
        ),
        Check::at_most(
            "regression: error of the bias update minus that of the best loss, at most .01",
            gain.collect(),
            0.01,
        ),
    ]
}
