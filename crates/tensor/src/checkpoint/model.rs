//! A Burn module as a part.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::ModuleRecord;
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, DType, Int, Shape, Tensor};

use super::burn_record::{Record, RecordError, own};
use super::part::{Part, PartError};
use super::unit::{Checkpoint, Order};

pub(super) const KIND: &str = "model 1";

impl<'a> Checkpoint<'a> {
    /// The model, as the part `model`: its parameters, their ids and types, and the statistics of batch norm.
    #[must_use]
    pub fn with_model<M: Module>(self, model: &'a mut M) -> Self {
        self.with_model_as("model", model)
    }

    /// One of several models, as the part of this name.
    #[must_use]
    pub fn with_model_as<M: Module>(self, name: &str, model: &'a mut M) -> Self {
        self.add(Order::Model, name, Model(model))
    }
}

/// A module as a part.
struct Model<'a, M>(&'a mut M);

impl<M: Module> Model<'_, M> {
    /// Statistics of batch norm that wait for their next update take their place: a record would leave them out.
    fn settle(&self) {
        let _ = self.0.valid();
    }
}

impl<M: Module> Part for Model<'_, M> {
    fn kind(&self) -> String {
        KIND.to_owned()
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        self.settle();
        Ok(self.0.clone().into_record().into_bytes()?.to_vec())
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), PartError> {
        let record = Record::read("a model", bytes)?;
        let mut walk = Walk::default();
        self.0.visit(&mut walk);
        fits(&record, &walk.found)?;
        self.settle();
        let record = ModuleRecord::from_bytes(own(bytes))?;
        *self.0 = self.0.clone().try_load_record(record)?;
        Ok(())
    }
}

/// Whether the record has the model's parameters, in their types and shapes, and no others.
fn fits(record: &Record, model: &BTreeMap<String, (DType, Shape)>) -> Result<(), RecordError> {
    let none = || "none".to_owned();
    let say = |(dtype, shape): &(DType, Shape)| format!("{dtype:?} {:?}", shape.as_slice());
    for (path, expected) in model {
        let saved = record.tensors.get(path);
        let saved = saved.map(|tensor| (tensor.dtype, tensor.shape.clone()));
        if saved.as_ref() != Some(expected) {
            return Err(RecordError::Model {
                path: path.clone(),
                saved: saved.as_ref().map_or_else(none, say),
                expected: say(expected),
            });
        }
    }
    let mut tensors = record.tensors.iter();
    let Some((path, tensor)) = tensors.find(|(path, _)| !model.contains_key(*path)) else {
        return Ok(());
    };
    Err(RecordError::Model {
        path: path.clone(),
        saved: say(&(tensor.dtype, tensor.shape.clone())),
        expected: none(),
    })
}

/// Types and shapes by path, as a record has them.
#[derive(Default)]
struct Walk {
    path: Vec<String>,
    found: BTreeMap<String, (DType, Shape)>,
}

impl Walk {
    fn see<const D: usize, K: Basic>(&mut self, tensor: &Tensor<D, K>) {
        let found = (tensor.dtype(), tensor.shape());
        self.found.insert(self.path.join("."), found);
    }
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.see(&param.transform_for_save().val());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.see(&param.transform_for_save().val());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.see(&param.transform_for_save().val());
    }
}
