//! Damaged runs, tables, rules and searches.

use regimen_curriculum::Result;
use regimen_curriculum::order::{
    BatchGradients, Correction, OrderHistory, OrderMoments, OrderOptimizer, OrderRun, OrderSearch,
    OrderTable, OrderTableConfig,
};

use super::{State, state, text_of};

/// Two batches of one parameter.
struct Parabolas;

impl BatchGradients for Parabolas {
    fn batches(&self) -> usize {
        2
    }

    fn parameters(&self) -> usize {
        1
    }

    fn gradient(&mut self, point: &[f64], batch: usize) -> Result<Vec<f64>> {
        Ok(vec![point[0] - batch as f64])
    }
}

fn estimated(table: &OrderTable) -> std::result::Result<(), String> {
    let _ = (table.gradients_spent(), table.pays_from());
    for correction in [Correction::ZeroOrder, Correction::Directions] {
        for history in [OrderHistory::Own, OrderHistory::Reference] {
            let order: Vec<usize> = table.reference().order.iter().rev().copied().collect();
            let point = table
                .estimate(&order, correction, history)
                .map_err(text_of)?;
            assert!(point.iter().all(|value| value.is_finite()));
        }
    }
    Ok(())
}

fn made(config: &OrderTableConfig, run: OrderRun) -> std::result::Result<(), String> {
    let rule = OrderOptimizer::adam(0.1);
    let table = config.init(&mut Parabolas, &rule, run).map_err(text_of)?;
    estimated(&table)
}

pub(super) fn states() -> Vec<State> {
    let rule = OrderOptimizer::adam(0.1);
    let run = OrderRun::train(&mut Parabolas, &rule, &[0.5], &[0, 1]).unwrap();
    let config = OrderTableConfig::new(1);
    let table = config.init(&mut Parabolas, &rule, run.clone()).unwrap();
    let kept = run.clone();
    let search = OrderSearch::new(3).with_population(4).with_generations(2);
    vec![
        state("OrderTable", &table, |table| estimated(&table)),
        state("OrderTableConfig", &config, move |config| {
            made(&config, kept.clone())
        }),
        state("OrderRun", &run, |run| made(&OrderTableConfig::new(1), run)),
        state("OrderMoments", &run.moments[1], |moments: OrderMoments| {
            let mut moments = moments;
            moments.update(&OrderOptimizer::adam(0.1), &[0.5]);
            Ok(())
        }),
        state("OrderOptimizer", &rule, |rule| {
            let run = OrderRun::train(&mut Parabolas, &rule, &[0.5], &[0, 1]);
            run.map(drop).map_err(text_of)
        }),
        state("OrderSearch", &search, |search: OrderSearch| {
            if search.population > 64 || search.generations > 64 {
                return Ok(());
            }
            let found = search.run(3, |order| Ok(order[0] as f64));
            found.map(drop).map_err(text_of)
        }),
    ]
}
