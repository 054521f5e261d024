use burn::tensor::Device;
use regimen_examples::ensemble::*;
use regimen_examples::data::Images;
#[test]
fn speed() {
    let device = Device::flex().autodiff();
    let images = Images::digits().unwrap();
    let images = images.split_standardised(&[400.0/1797.0, 0.1]).remove(0);
    for members in [20usize, 50, 100, 200] {
        let sets: Vec<Vec<usize>> = (0..members).map(|_| (0..200).collect()).collect();
        let model = EnsembleConfig::new(members, vec![64, 32, 10]).init(&device);
        let t = std::time::Instant::now();
        let m = TrainEnsembleConfig::new().fit(model, &images, &sets);
        let dt = t.elapsed().as_secs_f64();
        let x = images.batch(&device);
        let acc = regimen_unlearning::metrics::accuracy(m.member(0).side_by_side(x.images), x.labels);
        eprintln!("{members}: {dt:.3} s, {:.1} us per model-step, acc {acc}", dt * 1e6 / (members as f64 * 150.0));
    }
}
