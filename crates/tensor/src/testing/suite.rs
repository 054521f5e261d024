//! The runner of the suite.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;

use super::answer::{Answer, Condition};
use super::case::Case;
use super::method::Method;
use super::models::{Convolution, Mixture, Perceptron, Residual, TiedTransformer, Transformer};
use super::reference::{Kind, Reference};
use crate::param_vector::ParamVector;

/// The seed of all models and data.
const SEED: u64 = 7;

/// What a method answers to a model under a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It serves it.
    Yes,
    /// It refuses by a typed error, with this text.
    Refused(String),
    /// The condition says nothing about this method.
    Beside,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("yes"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Beside => f.write_str("-"),
        }
    }
}

/// What failed: panics, changed originals, wrong types, values that are not finite, runs that differ.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Failures(pub Vec<String>);

#[derive(Debug)]
struct Row {
    method: String,
    model: Kind,
    condition: Condition,
    cell: Cell,
}

/// Methods times models times conditions.
#[derive(Debug)]
pub struct Suite {
    device: Device,
    extent: Extent,
    rows: Vec<Row>,
    failures: Vec<String>,
}

/// What [`Suite::add`] and [`Suite::model`] run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Whole,
    Smoke,
}

impl Extent {
    fn conditions(self) -> &'static [Condition] {
        match self {
            Self::Whole => &Condition::ALL,
            Self::Smoke => &[Condition::F32, Condition::Resumed],
        }
    }
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// An empty table, on the default device with autodiff.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Extent::Whole)
    }

    /// An empty table of few runs, for devices whose kernels compile slowly: [`add`](Self::add) runs the perceptron alone,
    /// and conditions are [`Condition::F32`] and [`Condition::Resumed`].
    ///
    /// [`finish`](Self::finish) gives the table of these runs, which is not the committed one.
    #[must_use]
    pub fn smoke() -> Self {
        Self::of(Extent::Smoke)
    }

    fn of(extent: Extent) -> Self {
        Self {
            device: Device::default().autodiff(),
            extent,
            rows: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Runs a method on every model under every condition.
    pub fn add<T: Method>(&mut self, method: &T) -> &mut Self {
        self.model::<Perceptron>(method);
        if self.extent == Extent::Smoke {
            return self;
        }
        self.model::<Residual>(method);
        self.model::<Transformer>(method);
        self.model::<TiedTransformer>(method);
        self.model::<Convolution>(method);
        self.model::<Mixture>(method);
        self
    }

    /// Runs a method on one model under every condition.
    pub fn model<M: Reference>(&mut self, method: &impl Method) -> &mut Self {
        for &condition in self.extent.conditions() {
            let answer = catch_unwind(AssertUnwindSafe(|| {
                cell::<M>(method, condition, &self.device)
            }));
            let (method, model) = (method.name(), M::KIND);
            match answer.unwrap_or_else(|panic| Err(format!("panic: {}", text(&*panic)))) {
                Ok(cell) => self.rows.push(Row {
                    method,
                    model,
                    condition,
                    cell,
                }),
                Err(reason) => self
                    .failures
                    .push(format!("{method}, {model}, {condition}: {reason}")),
            }
        }
        self
    }

    /// The table as CSV: `method,model,condition,answer`.
    ///
    /// # Errors
    /// The cases that failed.
    pub fn finish(self) -> Result<String, Failures> {
        if !self.failures.is_empty() {
            return Err(Failures(self.failures));
        }
        let head = std::iter::once("method,model,condition,answer".to_owned());
        let rows = self.rows.iter().map(|row| {
            let answer = row.cell.to_string();
            let answer = match answer.contains([',', '"', '\n']) {
                true => format!("\"{}\"", answer.replace('"', "\"\"").replace('\n', " ")),
                false => answer,
            };
            format!("{},{},{},{answer}", row.method, row.model, row.condition)
        });
        Ok(head.chain(rows).map(|line| line + "\n").collect())
    }
}

fn cell<M: Reference>(
    method: &impl Method,
    condition: Condition,
    device: &Device,
) -> Result<Cell, String> {
    let steps = [Condition::Accumulation, Condition::TwoDevices];
    if steps.contains(&condition) && !method.trains() {
        return Ok(Cell::Beside);
    }
    let case = Case::<M>::new(condition, device, SEED).map_err(|error| error.to_string())?;
    let before = bits(case.original())?;
    let run = match condition {
        Condition::Resumed => match method.resumed(&case) {
            None => return Ok(Cell::Beside),
            Some(runs) => resumed(runs)?,
        },
        Condition::NotFinite => match method.not_finite(&case) {
            None => return Ok(Cell::Beside),
            Some(answer) => Run::of(answer),
        },
        _ => Run::of(method.run(&case)),
    };
    if bits(case.original())? != before {
        return Err("the original is changed".into());
    }
    let model = match run {
        Run::Done(model) => model,
        Run::Differs => return Err("a restored run differs from a straight one".into()),
        Run::Refused(reason) => return Ok(Cell::Refused(reason)),
    };
    alike(case.original(), &model)?;
    if condition == Condition::Frozen && method.keeps_frozen() {
        unmoved(case.original(), &model)?;
    }
    Ok(Cell::Yes)
}

/// How the method's own part of a case ends.
enum Run<M> {
    Done(M),
    /// The method's typed error.
    Refused(String),
    /// The bits of a restored run are not those of a straight one.
    Differs,
}

impl<M> Run<M> {
    fn of(answer: Answer<M>) -> Self {
        match answer {
            Ok(model) => Self::Done(model),
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

fn resumed<M: Reference>(runs: Answer<(M, M)>) -> Result<Run<M>, String> {
    let (straight, restored) = match runs {
        Ok(runs) => runs,
        Err(error) => return Ok(Run::Refused(error.to_string())),
    };
    Ok(match bits(&straight)? == bits(&restored)? {
        true => Run::Done(restored),
        false => Run::Differs,
    })
}

/// Ids, types, devices and shapes of the result are those of the original, and every value is finite.
fn alike<M: Reference>(original: &M, result: &M) -> Result<(), String> {
    let (before, after) = (ParamVector::state(original), ParamVector::state(result));
    before
        .same_space(&after)
        .map_err(|error| error.to_string())?;
    for (old, new) in before.entries().iter().zip(after.entries()) {
        let (a, b) = (&old.values, &new.values);
        if a.dtype() != b.dtype() {
            let types = (a.dtype(), b.dtype());
            return Err(format!(
                "`{}` is of {:?} where {:?} was",
                old.path, types.1, types.0
            ));
        }
        if a.device() != b.device() {
            return Err(format!("`{}` is on another device", old.path));
        }
    }
    let values = after.to_host().map_err(|error| error.to_string())?;
    let pairs = after.entries().iter().zip(values);
    for (entry, values) in pairs {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("`{}` is not finite", entry.path));
        }
    }
    Ok(())
}

fn unmoved<M: Reference>(original: &M, result: &M) -> Result<(), String> {
    let path = M::frozen();
    let values = |model: &M| -> Result<Vec<Vec<f32>>, String> {
        let frozen = ParamVector::of(model).filter(|entry| entry.path == path);
        frozen.to_host().map_err(|error| error.to_string())
    };
    match values(original)? == values(result)? {
        true => Ok(()),
        false => Err(format!("the frozen `{path}` is changed")),
    }
}

fn bits<M: Reference>(model: &M) -> Result<Vec<u32>, String> {
    let values = ParamVector::state(model).to_host();
    let values = values.map_err(|error| error.to_string())?;
    Ok(values.into_iter().flatten().map(f32::to_bits).collect())
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "without a message".into())
}
