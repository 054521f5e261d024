//! Absurd points, orders, rules, tables and searches.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use regimen_curriculum::order::{
    BatchGradients, Correction, Expansion, ModuleGradients, OrderHistory, OrderMoments,
    OrderOptimizer, OrderRun, OrderSearch, OrderTableConfig, expand, memorisation_map,
};
use regimen_curriculum::{CurriculumError, Result};
use regimen_tensor::testing::{COUNTS, Hostile, NUMBERS};

/// Two batches, whose gradient is one value everywhere.
struct Constant(f64, usize);

impl BatchGradients for Constant {
    fn batches(&self) -> usize {
        2
    }

    fn parameters(&self) -> usize {
        2
    }

    fn gradient(&mut self, _: &[f64], _: usize) -> Result<Vec<f64>> {
        Ok(vec![self.0; self.1])
    }
}

fn estimated(source: &mut Constant, rule: &OrderOptimizer, start: &[f64]) -> Result<()> {
    let run = OrderRun::train(source, rule, start, &[0, 1])?;
    let all = OrderRun::train_all(source, rule, start, &[vec![0, 1], vec![1, 0]])?;
    assert!(all[0] == run && all[1].order == [1, 0]);
    assert!(OrderRun::train_all(source, rule, start, &[vec![0, 2]]).is_err());
    let table = OrderTableConfig::new(2).init(source, rule, run.clone())?;
    for history in [OrderHistory::Own, OrderHistory::Reference] {
        let smallest = start[0];
        let quotient = Correction::Quotient {
            smallest,
            largest: smallest,
        };
        for correction in [Correction::ZeroOrder, Correction::Directions, quotient] {
            table.estimate(&[1, 0], correction, history)?;
            assert!(table.estimate(&[1, 1], correction, history).is_err());
            assert!(table.gradient_near(9, 0, start, correction).is_none());
            assert!(table.gradient_near(0, 9, start, correction).is_none());
        }
        for expansion in [Expansion::First, Expansion::Second] {
            expand(source, rule, &run, &[1, 0], expansion, history)?;
        }
    }
    Ok(())
}

#[test]
fn estimates() {
    let mut h = Hostile::new("curriculum effects of orders");
    let adam = OrderOptimizer::adam(0.01);
    for value in NUMBERS {
        h.input(format_args!("gradient {value}"), || {
            estimated(&mut Constant(value, 2), &adam, &[0.5; 2])
        });
        h.input(format_args!("start {value}"), || {
            estimated(&mut Constant(0.5, 2), &adam, &[value; 2])
        });
        for rule in [
            OrderOptimizer::Sgd { rate: value },
            OrderOptimizer::adam(value),
            OrderOptimizer::Adam {
                rate: 0.1,
                beta_1: value,
                beta_2: 0.999,
                epsilon: 1e-8,
            },
            OrderOptimizer::Adam {
                rate: 0.1,
                beta_1: 0.9,
                beta_2: value,
                epsilon: 1e-8,
            },
            OrderOptimizer::Adam {
                rate: 0.1,
                beta_1: 0.9,
                beta_2: 0.999,
                epsilon: value,
            },
        ] {
            h.input(format_args!("{rule:?}"), || {
                estimated(&mut Constant(0.5, 2), &rule, &[0.5; 2])
            });
        }
        let mut moments = OrderMoments::new(1);
        moments.update(&adam, &[value, value]);
        assert!(moments.derivative(&adam, &[value], &[]).is_empty());
    }
    for n in COUNTS {
        h.input(format_args!("lengths {n}"), || {
            estimated(&mut Constant(0.5, n.min(9)), &adam, &[0.5; 2])
        });
        h.input(format_args!("OrderTableConfig {n}"), || {
            let mut source = Constant(0.5, 2);
            let run = OrderRun::train(&mut source, &adam, &[0.5; 2], &[0, 1])?;
            let config = OrderTableConfig::new(n).with_seed(n as u64);
            config.clone().init(&mut source, &adam, run.clone())?;
            config.with_memory_limit(n).init(&mut source, &adam, run)
        });
        h.input(format_args!("OrderSearch {n}"), || {
            let fitness = |order: &[usize]| Ok(order[0] as f64);
            if n <= 1 << 12 {
                OrderSearch::new(n as u64)
                    .with_population(n)
                    .with_generations(2)
                    .run(3, fitness)?;
                OrderSearch::new(0)
                    .with_population(2)
                    .with_generations(n)
                    .run(3, fitness)?;
            }
            OrderSearch::new(0)
                .with_population(2)
                .with_generations(2)
                .run(n, fitness)
        });
        h.input(format_args!("memorisation_map {n}"), || {
            let losses = |order: &[usize]| Ok(vec![0.5; order.len()]);
            if n <= 64 {
                memorisation_map(n, 1, 0, losses)?;
            }
            memorisation_map(2, n, 0, losses)
        });
    }
    h.finish();
}

#[test]
fn modules() {
    let mut h = Hostile::new("curriculum gradients of modules");
    let device = Device::flex().autodiff();
    let model = LinearConfig::new(2, 1).init(&device);
    let loss = |model: &Linear, value: &f64| {
        let input = Tensor::<2>::full([1, 2], *value, &device);
        model.forward(input).square().mean()
    };
    for value in NUMBERS {
        h.input(format_args!("ModuleGradients {value}"), || {
            let mut source = ModuleGradients::new(&model, vec![value, 1.0], loss)?;
            let start = source.start()?;
            assert!(source.gradient(&start, 2).is_err());
            assert!(source.module_at(&[0.5]).is_err());
            source.module_at(&[value; 3]).map(drop)?;
            OrderRun::train(&mut source, &OrderOptimizer::adam(0.1), &start, &[1, 0])?;
            Ok::<_, CurriculumError>(())
        });
    }
    let flat = LinearConfig::new(2, 1).init(&Device::flex());
    let mut source = ModuleGradients::new(&flat, vec![0.5], |model: &Linear, value| {
        let input = Tensor::<2>::full([1, 2], *value, &Device::flex());
        model.forward(input).mean()
    });
    let source = source.as_mut().unwrap();
    assert!(source.gradient(&[0.5; 3], 0).is_err());
    h.input("no batches", || {
        ModuleGradients::new(&model, Vec::new(), loss).map(drop)
    });
    h.finish();
}
