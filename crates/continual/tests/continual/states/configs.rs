//! Damaged settings: what is read is refused when it is used, or serves.

use regimen_continual::few_shot::{Contrast, PseudoClasses, Simplex, Tuning};
use regimen_continual::penalties::{OutputDivergence, Target};
use regimen_continual::*;
use regimen_tensor::testing::Hostile;

use super::super::bad_input::architectures as built;
use super::super::bad_input::{few_shot, outputs, trained, used};
use super::super::net::{Net, examples};
use super::super::two::{Two, batch};
use super::data::{state, text_of};

type Answer = std::result::Result<(), String>;

fn on_two<S: Strategy<Two>>(strategy: Result<S>) -> Answer {
    used(strategy).map_err(text_of)
}

#[test]
fn settings_of_replay() {
    let mut h = Hostile::new("continual replay settings");
    let h = &mut h;
    let model = Two::new([0.1, 0.2]);
    let memory = MemoryConfig::reservoir(3);
    let er = ErConfig::new(memory).with_replay(Some(2));
    let er = er.with_fill(Fill::First(3));
    state(h, "ErConfig", &er, |c: ErConfig| on_two(c.init(&model)));
    state(h, "Fill", &Fill::First(3), |fill: Fill| {
        on_two(ErConfig::new(memory).with_fill(fill).init(&model))
    });
    let config = DerConfig::new(memory).with_replay(Some(2));
    state(h, "DerConfig", &config, |c: DerConfig| {
        on_two(c.init(&model))
    });
    let config = DerPlusPlusConfig::new(memory).with_replay(Some(2));
    state(h, "DerPlusPlusConfig", &config, |c: DerPlusPlusConfig| {
        on_two(c.init(&model))
    });
    let config = ErAceConfig::new(memory).with_replay(Some(2));
    state(h, "ErAceConfig", &config, |c: ErAceConfig| {
        on_two(c.init(&model))
    });
    let config = MirConfig::new(memory, 0.1).with_replay(Some(2));
    state(h, "MirConfig", &config, |c: MirConfig| {
        on_two(c.init(&model))
    });
    let config = GssConfig::new(3).with_replay(Some(2));
    state(h, "GssConfig", &config, |c: GssConfig| {
        on_two(c.init(&model))
    });
    state(h, "GDumbConfig", &GDumbConfig::new(3), |c: GDumbConfig| {
        on_two(c.init(&model))
    });
    let config = IcarlConfig::new(4).with_replay(Some(2));
    state(h, "IcarlConfig", &config, |c: IcarlConfig| {
        outputs::herded(&c).map_err(text_of)
    });
    let config = LucirConfig::new(4).with_replay(Some(2));
    state(h, "LucirConfig", &config, |c: LucirConfig| {
        outputs::rebalanced(&c).map_err(text_of)
    });
    h.finish();
}

#[test]
fn settings_of_penalties_and_projections() {
    let mut h = Hostile::new("continual settings");
    let h = &mut h;
    let model = Two::new([0.1, 0.2]);
    state(h, "LwfConfig", &LwfConfig::new(), |c: LwfConfig| {
        on_two(c.init(&model))
    });
    state(h, "GpmConfig", &GpmConfig::new(), |c: GpmConfig| {
        let model = Net::new(1);
        let gpm = c.init(&model).map_err(text_of)?;
        let done = trained(&gpm, model, &examples(3, 1));
        done.map(drop).map_err(text_of)
    });
    let paper = Form::Paper {
        gamma: 1e-3,
        steps: 2,
        noise: 0.5,
        damping: 1e-3,
    };
    for form in [Form::code(1e-3), paper] {
        let config = RefreshConfig::new().with_form(form);
        state(h, "RefreshConfig", &config, |c: RefreshConfig| {
            outputs::refreshed(&c).map_err(text_of)
        });
        state(h, "Form", &form, |form: Form| {
            outputs::refreshed(&RefreshConfig::new().with_form(form)).map_err(text_of)
        });
    }
    state(
        h,
        "Direction",
        &Direction::Descent,
        |direction: Direction| {
            let config = RefreshConfig::new().with_direction(direction);
            outputs::refreshed(&config).map_err(text_of)
        },
    );
    for of in [
        OutputDivergence::LogitMse,
        OutputDivergence::KlToStored { temperature: 2.0 },
    ] {
        state(h, "OutputDivergence", &of, |of: OutputDivergence| {
            let (inputs, labels) = batch(&[[1.0, 2.0], [0.5, -1.0]], &[0, 1]);
            let kept = inputs.clone();
            let target = match of {
                OutputDivergence::CrossEntropyToLabel => Target::Labels(labels),
                _ => Target::Logits(kept),
            };
            let value = of.of(inputs.require_grad(), &target).map_err(text_of)?;
            value.backward();
            Ok(())
        });
    }
    h.finish();
}

#[test]
fn settings_of_architectures() {
    let mut h = Hostile::new("continual architecture settings");
    let h = &mut h;
    let gates = HatGateConfig::new(2, 3);
    let layers = || vec![Gated::new("head").behind("gate").before("gate")];
    let config = HatConfig::new(2).with_layers(layers());
    state(h, "HatConfig", &config, |c: HatConfig| {
        built::gated(&c.init().map_err(text_of)?, &gates, 0).map_err(text_of)
    });
    state(h, "Gated", &layers().remove(0), |gated: Gated| {
        let config = HatConfig::new(2).with_layers(vec![gated]);
        built::gated(&config.init().map_err(text_of)?, &gates, 0).map_err(text_of)
    });
    state(h, "HatGateConfig", &gates, |c: HatGateConfig| {
        let hat = HatConfig::new(2).with_layers(vec![Gated::new("head").behind("gate")]);
        built::gated(&hat.init().map_err(text_of)?, &c, 0).map_err(text_of)
    });
    let config = PromptPoolConfig::new(2, 3).with_chosen(2);
    state(h, "PromptPoolConfig", &config, |c: PromptPoolConfig| {
        built::pooled(&c).map_err(text_of)
    });
    let config = DualPromptConfig::new(2, 3, 2);
    state(h, "DualPromptConfig", &config, |c: DualPromptConfig| {
        built::dual(&c, 1).map_err(text_of)
    });
    let config = AdapterPoolConfig::new(2, 3, 2);
    state(h, "AdapterPoolConfig", &config, |c: AdapterPoolConfig| {
        built::adapted(&c, 1).map_err(text_of)
    });
    let config = ProgressiveConfig::new(vec![2, 3]);
    state(h, "ProgressiveConfig", &config, |c: ProgressiveConfig| {
        built::columns(&c, 2).map_err(text_of)
    });
    let config = CosineLinearConfig::new(2, 3);
    state(h, "CosineLinearConfig", &config, |c: CosineLinearConfig| {
        built::headed(&c).map_err(text_of)
    });
    let config = WeightNormLinearConfig::new(2, 3);
    let directed = |c: WeightNormLinearConfig| built::directed(&c).map_err(text_of);
    state(h, "WeightNormLinearConfig", &config, directed);
    h.finish();
}

#[test]
fn settings_of_few_shot_learning() {
    let mut h = Hostile::new("continual few-shot settings");
    let h = &mut h;
    let plain = || FewShotConfig::new(vec![0, 1], 3, 6);
    let tried = |config: &FewShotConfig| few_shot::tried(config, &[0, 1]).map_err(text_of);
    let contrast = Contrast {
        weight: 0.5,
        tau: 0.2,
    };
    let simplex = Simplex::DotRegression(10.0);
    let sub_net = SubNetConfig::new().with_block(vec!["encoder.first".into()]);
    let config = plain()
        .with_contrast(Some(contrast))
        .with_simplex(Some(simplex))
        .with_pseudo(PseudoClasses::Mixtures)
        .with_rotation(Some(0.5))
        .with_tuning(Tuning::SubNet(sub_net.clone()));
    state(h, "FewShotConfig", &config, |c: FewShotConfig| tried(&c));
    state(h, "Contrast", &contrast, |c: Contrast| {
        tried(&plain().with_contrast(Some(c)))
    });
    for simplex in [simplex, Simplex::CrossEntropy] {
        state(h, "Simplex", &simplex, |one: Simplex| {
            tried(&plain().with_simplex(Some(one)))
        });
    }
    state(h, "PseudoClasses", &PseudoClasses::Rotations, |one| {
        tried(&plain().with_pseudo(one))
    });
    state(h, "SubNetConfig", &sub_net, |one: SubNetConfig| {
        tried(&plain().with_tuning(Tuning::SubNet(one)))
    });
    let tuning = Tuning::SubNet(sub_net);
    state(h, "Tuning", &tuning, |one: Tuning| {
        tried(&plain().with_tuning(one))
    });
    let prototypes = PrototypesConfig::new(2, 2).with_normalised(false);
    state(h, "PrototypesConfig", &prototypes, |c: PrototypesConfig| {
        few_shot::averaged(&c, 1.0, 2.0, 1).map_err(text_of)
    });
    h.finish();
}

#[test]
fn rows_of_integers() {
    let mut h = Hostile::new("continual rows");
    let device = burn::tensor::Device::flex();
    let like = (
        burn::tensor::Tensor::<2, burn::tensor::Int>::from_data([[1, 2]], &device),
        burn::tensor::Tensor::<1, burn::tensor::Int>::from_data([0], &device),
    );
    let row = IntRow {
        shape: vec![2],
        values: vec![3, 4],
        label: 1,
    };
    state(&mut h, "IntRow", &row, |read: IntRow| {
        let both = [row.clone(), read];
        let batch = <_ as Examples>::of(&both, &like).map_err(text_of)?;
        let again = Examples::items(&batch).map_err(text_of)?;
        assert_eq!(again, both);
        Ok(())
    });
    h.finish();
}
