//! Long work reports each step, and stops with what it has.

use std::sync::{Arc, Mutex};

use burn::module::Module;
use regimen_pruning::after::{
    Pattern, Recorder, Rule, magnitude, magnitude_per_layer_watched, magnitude_watched,
    prune_on_watched, prune_watched,
};
use regimen_pruning::before::{grasp::grasp_watched, synflow::synflow_watched};
use regimen_pruning::shrink::coupled::{Coupled, keep_together_watched};
use regimen_pruning::shrink::structured::Units;
use regimen_tensor::Watch;

use super::*;

/// What a watch heard: the steps that are done and all.
type Heard = Arc<Mutex<Vec<(usize, usize)>>>;

/// A watch that stops the work after some steps, and what it hears.
fn stops_after(steps: usize) -> (Watch, Heard) {
    let heard = Heard::default();
    let (notes, asked) = (heard.clone(), heard.clone());
    let watch = Watch::new()
        .with_progress(move |at| notes.lock().unwrap().push((at.done, at.total)))
        .until(move || asked.lock().unwrap().len() >= steps);
    (watch, heard)
}

fn flow(net: &Net) -> regimen_tensor::Result<ParamVector> {
    let device = net.first.weight.val().device();
    let out = net
        .second
        .forward(relu(net.first.forward(Tensor::<2>::ones([1, 12], &device))));
    let grads = GradientsParams::from_grads(out.square().sum().backward(), net);
    Ok(ParamVector::gradients(net, &grads))
}

#[test]
fn rounds_and_layers_are_reported_and_stopped() {
    let device = Device::flex().autodiff();
    let net = Net::new(&device);
    let masks = || Masks::dense(&net).unwrap();
    let (watch, heard) = stops_after(2);
    let some = synflow_watched(&net, masks(), 0.1, 4, flow, &watch).unwrap();
    assert_eq!(*heard.lock().unwrap(), [(1, 4), (2, 4)]);
    assert_eq!(some.count(), density::keep(340, 1.0 - 0.1_f64.sqrt()));
    let (watch, heard) = stops_after(1);
    assert_eq!(
        grasp_watched(&net, masks(), 0.5, flow, &watch).unwrap(),
        masks()
    );
    assert_eq!(*heard.lock().unwrap(), [(1, 2)]);
    let (watch, heard) = stops_after(9);
    let half = grasp_watched(&net, masks(), 0.5, flow, &watch).unwrap();
    assert_eq!((half.count(), heard.lock().unwrap().len()), (170, 2));
    let (watch, heard) = stops_after(3);
    let train = |net, _: &Masks| Ok(net);
    let (_, ticket) = lottery::find_watched(net.clone(), masks(), 0.5, 8, train, &watch).unwrap();
    assert_eq!((ticket.count(), heard.lock().unwrap().len()), (42, 3));
    let (watch, _) = stops_after(1);
    let one = magnitude_per_layer_watched(&net, masks(), 0.5, &watch).unwrap();
    assert_eq!(
        (one.layers()[0].count(), one.layers()[1].count()),
        (120, 100)
    );
    let (watch, heard) = stops_after(2);
    let none = magnitude_watched(&net, masks(), 0.5, &watch).unwrap();
    assert_eq!((none, heard.lock().unwrap().len()), (masks(), 2));
    let (watch, heard) = stops_after(9);
    let half = magnitude_watched(&net, masks(), 0.5, &watch).unwrap();
    assert_eq!(half, magnitude(&net, masks(), 0.5).unwrap());
    assert_eq!(*heard.lock().unwrap(), [(1, 3), (2, 3), (3, 3)]);
}

#[test]
fn one_shot_pruning_stops_after_a_layer() {
    let device = Device::flex();
    let net = Net::new(&device);
    let masks = Masks::dense(&net).unwrap();
    let (rule, half) = (Rule::Wanda, Pattern::Share(0.5));
    let inputs = |_: &Net, path: &str| {
        let width = if path.starts_with("first") { 12 } else { 20 };
        Tensor::<2>::ones([4, width], &device)
    };
    let (watch, heard) = stops_after(1);
    let (pruned, kept) =
        prune_watched(net.clone(), masks.clone(), rule, half, inputs, &watch).unwrap();
    assert_eq!(*heard.lock().unwrap(), [(1, 2)]);
    assert_eq!(
        (kept.layers()[0].count(), kept.layers()[1].count()),
        (120, 100)
    );
    let values = |net: &Net| net.second.weight.val().try_into_vec_as::<f32>().unwrap();
    assert_eq!(values(&pruned), values(&net));
    let batches = [batch(0, &device)];
    let forward = |net: &Net, batch: &Tensor<2>, recorder: &mut Recorder| {
        let hidden = relu(recorder.linear(&net.first, batch.clone()));
        drop(recorder.linear(&net.second, hidden));
    };
    let (watch, heard) = stops_after(1);
    let (_, kept) =
        prune_on_watched(net.clone(), masks, rule, half, &batches, forward, &watch).unwrap();
    assert_eq!((kept.count(), heard.lock().unwrap().len()), (220, 1));
}

#[test]
fn a_group_of_layers_is_cut_as_a_whole_or_not_at_all() {
    let device = Device::flex();
    let Net {
        mut first,
        mut second,
    } = Net::new(&device);
    let units = Units::largest(&[1.0; 20], 7).unwrap();
    let (watch, _) = stops_after(1);
    let group = vec![Coupled::Outputs(&mut first), Coupled::Inputs(&mut second)];
    assert!(!keep_together_watched(group, &units, &watch).unwrap());
    assert_eq!(first.weight.val().dims(), [12, 20]);
    let (watch, heard) = stops_after(2);
    let group = vec![Coupled::Outputs(&mut first), Coupled::Inputs(&mut second)];
    assert!(keep_together_watched(group, &units, &watch).unwrap());
    assert_eq!(heard.lock().unwrap().len(), 2);
    assert_eq!(first.weight.val().dims(), [12, 7]);
    assert_eq!(second.num_params(), 7 * 5 + 5);
}
