"""Writes peers.csv: learning rates of the peers' own schedulers, and what a metric does to them.

Run with torch, optax, timm, transformers and keras installed:
    KERAS_BACKEND=torch JAX_ENABLE_X64=1 python peers.py > peers.csv
The base rate is 1, updates are counted from 0. torch, timm and transformers compute in float64;
optax does with JAX_ENABLE_X64; Keras does with floatx float64.
"""

import importlib.metadata
import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore")

import keras
import optax
import torch
import transformers
from timm import scheduler as timm
from torch.optim import lr_scheduler as sched
from torch.optim.swa_utils import SWALR

keras.config.set_floatx("float64")
keras.backend.set_floatx("float64")

STEPS = [0, 1, 4, 5, 9, 10, 11, 14, 15, 20, 25, 29, 30, 40, 49, 50, 51, 55, 64, 69, 70, 71, 75, 85, 90, 98, 99, 100,
         101, 120]


def optimizer(rate=1.0, momentum=0.9):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate, momentum=momentum)


def of_torch(make, rate=1.0, field="lr", until=120):
    optim = optimizer(rate)
    made = make(optim)
    values = []
    for _ in range(until + 1):
        values.append(float(optim.param_groups[0][field]))
        optim.step()
        try:
            made.step()
        except ValueError:
            break
    return lambda t: values[t] if t < len(values) else None


def of_timm(make):
    optim = optimizer()
    made = make(optim)
    return lambda t: float(made._get_lr(t)[0])


def of_keras(made):
    return lambda t: float(keras.ops.convert_to_numpy(made(t)))


def of_optax(made):
    return lambda t: float(made(t))


H = transformers.optimization
KS = keras.optimizers.schedules

CASES = {
    # torch
    "torch ConstantLR": of_torch(lambda o: sched.ConstantLR(o)),
    "torch LinearLR": of_torch(lambda o: sched.LinearLR(o, total_iters=50)),
    "torch PolynomialLR": of_torch(lambda o: sched.PolynomialLR(o, total_iters=100, power=2.0)),
    "torch CosineAnnealingLR": of_torch(lambda o: sched.CosineAnnealingLR(o, 100, eta_min=0.1), until=100),
    "torch CosineAnnealingWarmRestarts": of_torch(lambda o: sched.CosineAnnealingWarmRestarts(o, 10, 2)),
    "torch ExponentialLR": of_torch(lambda o: sched.ExponentialLR(o, 0.97)),
    "torch StepLR": of_torch(lambda o: sched.StepLR(o, 30, 0.1)),
    "torch MultiStepLR": of_torch(lambda o: sched.MultiStepLR(o, [30, 50, 50, 90], 0.5)),
    "torch MultiplicativeLR": of_torch(lambda o: sched.MultiplicativeLR(o, lambda t: 1 - 1 / (t + 1))),
    "torch OneCycleLR": of_torch(lambda o: sched.OneCycleLR(o, 1.0, 100), until=99),
    "torch OneCycleLR linear three phases": of_torch(
        lambda o: sched.OneCycleLR(o, 1.0, 100, anneal_strategy="linear", three_phase=True), until=99),
    "torch OneCycleLR three phases rise of a half": of_torch(
        lambda o: sched.OneCycleLR(o, 1.0, 100, pct_start=0.5, three_phase=True), until=99),
    "torch OneCycleLR momentum": of_torch(lambda o: sched.OneCycleLR(o, 1.0, 100), field="momentum", until=99),
    "torch CyclicLR triangular": of_torch(lambda o: sched.CyclicLR(o, 0.1, 1.0, 10)),
    "torch CyclicLR triangular2": of_torch(lambda o: sched.CyclicLR(o, 0.1, 1.0, 10, 20, "triangular2")),
    "torch CyclicLR exp_range": of_torch(lambda o: sched.CyclicLR(o, 0.1, 1.0, 10, mode="exp_range", gamma=0.99)),
    "torch CyclicLR momentum": of_torch(lambda o: sched.CyclicLR(o, 0.1, 1.0, 10), field="momentum"),
    "torch CyclicLR scale_fn of the cycle": of_torch(
        lambda o: sched.CyclicLR(o, 0.1, 1.0, 10, 20, scale_fn=lambda cycle: 1 / cycle**2)),
    "torch CyclicLR scale_fn of the step": of_torch(
        lambda o: sched.CyclicLR(o, 0.1, 1.0, 10, scale_fn=lambda step: 1 / (1 + step / 50), scale_mode="iterations")),
    "torch SWALR": of_torch(lambda o: SWALR(o, 0.05, anneal_epochs=25)),
    "torch SWALR linear": of_torch(lambda o: SWALR(o, 0.05, anneal_epochs=25, anneal_strategy="linear")),
    "torch SequentialLR": of_torch(
        lambda o: sched.SequentialLR(o, [sched.LinearLR(o, 0.1, 1.0, 10), sched.ExponentialLR(o, 0.97)], [10])),
    "torch ChainedScheduler": of_torch(
        lambda o: sched.ChainedScheduler([sched.LinearLR(o, 0.1, 1.0, 10), sched.ExponentialLR(o, 0.97)])),
    # transformers
    "transformers constant_with_warmup": of_torch(lambda o: H.get_constant_schedule_with_warmup(o, 10)),
    "transformers linear": of_torch(lambda o: H.get_linear_schedule_with_warmup(o, 10, 100)),
    "transformers cosine": of_torch(lambda o: H.get_cosine_schedule_with_warmup(o, 10, 100), until=100),
    "transformers cosine_with_restarts": of_torch(
        lambda o: H.get_cosine_with_hard_restarts_schedule_with_warmup(o, 10, 100, 2)),
    "transformers polynomial": of_torch(
        lambda o: H.get_polynomial_decay_schedule_with_warmup(o, 10, 100, power=2.0)),
    "transformers inverse_sqrt": of_torch(lambda o: H.get_inverse_sqrt_schedule(o, 10)),
    "transformers inverse_sqrt timescale": of_torch(lambda o: H.get_inverse_sqrt_schedule(o, 10, 40)),
    "transformers cosine_with_min_lr": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup(o, 10, 100, min_lr=0.1), until=100),
    "transformers cosine_warmup_with_min_lr": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(o, 10, 100, min_lr=0.1), until=99),
    "transformers cosine_warmup_with_min_lr start": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(o, 10, 100, min_lr=0.1, warmup_lr_rate=0.3),
        until=99),
    "transformers cosine cycles": of_torch(
        lambda o: H.get_cosine_schedule_with_warmup(o, 10, 100, num_cycles=1.5), until=100),
    "transformers cosine_with_min_lr cycles": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup(o, 10, 100, num_cycles=1.3, min_lr=0.1), until=100),
    "transformers cosine_warmup_with_min_lr cycles": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(o, 10, 100, num_cycles=1.3, min_lr=0.1),
        until=99),
    "transformers cosine_warmup_with_min_lr start cycles": of_torch(
        lambda o: H.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
            o, 10, 100, num_cycles=0.7, min_lr=0.1, warmup_lr_rate=0.3), until=99),
    "transformers wsd": of_torch(
        lambda o: H.get_wsd_schedule(o, 10, 30, num_stable_steps=60, min_lr_ratio=0.1)),
    "transformers wsd linear": of_torch(
        lambda o: H.get_wsd_schedule(o, 10, 30, num_stable_steps=60, decay_type="linear", warmup_type="cosine")),
    "transformers wsd 1-sqrt": of_torch(
        lambda o: H.get_wsd_schedule(o, 10, 30, num_stable_steps=60, decay_type="1-sqrt", warmup_type="1-sqrt")),
    # timm
    "timm cosine": of_timm(lambda o: timm.CosineLRScheduler(o, 100, lr_min=0.1, warmup_t=10, warmup_lr_init=0.01)),
    "timm cosine prefix": of_timm(
        lambda o: timm.CosineLRScheduler(o, 90, warmup_t=10, warmup_lr_init=0.01, warmup_prefix=True)),
    "timm cosine k": of_timm(lambda o: timm.CosineLRScheduler(o, 100, k_decay=2.0)),
    "timm cosine cycles": of_timm(
        lambda o: timm.CosineLRScheduler(o, 10, lr_min=0.01, cycle_mul=1.5, cycle_decay=0.5, cycle_limit=4)),
    "timm tanh": of_timm(lambda o: timm.TanhLRScheduler(o, 100, warmup_t=10)),
    "timm tanh cycles": of_timm(lambda o: timm.TanhLRScheduler(o, 20, cycle_decay=0.5, cycle_limit=3)),
    "timm poly": of_timm(lambda o: timm.PolyLRScheduler(o, 100)),
    "timm poly k": of_timm(lambda o: timm.PolyLRScheduler(o, 100, power=1.5, lr_min=0.1, k_decay=0.5)),
    "timm step": of_timm(lambda o: timm.StepLRScheduler(o, 30, 0.1, warmup_t=10)),
    "timm multistep": of_timm(lambda o: timm.MultiStepLRScheduler(o, [30, 50], 0.1)),
    "timm wsd": of_timm(lambda o: timm.WSDLRScheduler(o, 90, 30, warmup_t=10)),
    "timm wsd rsqrt linear": of_timm(
        lambda o: timm.WSDLRScheduler(o, 90, 30, stable_fn="rsqrt", decay_fn="linear", warmup_t=10)),
    "timm wsd exp": of_timm(lambda o: timm.WSDLRScheduler(o, 90, 30, decay_fn="exp", warmup_t=10)),
    "timm wsd function": of_timm(
        lambda o: timm.WSDLRScheduler(o, 90, 30, lr_min=0.05, decay_fn=lambda p: (1 - p) ** 3, warmup_t=10)),
    "timm wsd function of rsqrt": of_timm(
        lambda o: timm.WSDLRScheduler(o, 90, 30, stable_fn="rsqrt", decay_fn=lambda p: (1 - p) / (1 + p), warmup_t=10)),
    "timm wsd power power": of_timm(
        lambda o: timm.WSDLRScheduler(o, 90, 30, lr_min=0.05, stable_fn="power", stable_power=0.3,
                                      stable_timescale=5.0, decay_fn="power", decay_power=2.0, warmup_t=10)),
    # optax
    "optax linear": of_optax(optax.linear_schedule(0.9, 0.5, 40)),
    "optax polynomial": of_optax(optax.polynomial_schedule(1.0, 0.01, 2, 100, 5)),
    "optax cosine": of_optax(optax.cosine_decay_schedule(1.0, 100, alpha=0.1, exponent=1.5)),
    "optax warmup_constant": of_optax(optax.warmup_constant_schedule(0.1, 1.0, 10)),
    "optax warmup_cosine": of_optax(optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100, 0.05)),
    "optax warmup_cosine exponent": of_optax(
        optax.warmup_cosine_decay_schedule(0.1, 1.0, 10, 100, 0.05, exponent=1.5)),
    "optax warmup_cosine exponent of a third": of_optax(
        optax.warmup_cosine_decay_schedule(0.0, 1.0, 10, 100, 0.0, exponent=1 / 3)),
    "optax exponential": of_optax(optax.exponential_decay(1.0, 10, 0.5)),
    "optax exponential stairs": of_optax(
        optax.exponential_decay(1.0, 10, 0.5, transition_begin=5, staircase=True, end_value=0.01)),
    "optax warmup_exponential": of_optax(optax.warmup_exponential_decay_schedule(0.0, 1.0, 10, 20, 0.5)),
    "optax piecewise_constant": of_optax(optax.piecewise_constant_schedule(1.0, {50: 0.1, 75: 0.1})),
    "optax piecewise_interpolate linear": of_optax(
        optax.piecewise_interpolate_schedule("linear", 1.0, {20: 2.0, 70: 0.1})),
    "optax piecewise_interpolate cosine": of_optax(
        optax.piecewise_interpolate_schedule("cosine", 1.0, {20: 2.0, 70: 0.1})),
    "optax cosine_onecycle": of_optax(optax.cosine_onecycle_schedule(100, 1.0)),
    "optax linear_onecycle": of_optax(optax.linear_onecycle_schedule(100, 1.0)),
    "optax sgdr": of_optax(optax.sgdr_schedule([
        dict(init_value=0.0, peak_value=1.0, warmup_steps=5, decay_steps=40, end_value=0.1),
        dict(init_value=0.1, peak_value=0.5, warmup_steps=5, decay_steps=60, end_value=0.0)])),
    # Keras
    "keras ExponentialDecay": of_keras(KS.ExponentialDecay(1.0, 10, 0.9)),
    "keras ExponentialDecay stairs": of_keras(KS.ExponentialDecay(1.0, 10, 0.9, staircase=True)),
    "keras PiecewiseConstantDecay": of_keras(KS.PiecewiseConstantDecay([50, 75], [1.0, 0.5, 0.1])),
    "keras PolynomialDecay": of_keras(KS.PolynomialDecay(1.0, 100, 0.01, 2.0)),
    "keras PolynomialDecay cycle": of_keras(KS.PolynomialDecay(1.0, 30, 0.01, 0.5, cycle=True)),
    "keras InverseTimeDecay": of_keras(KS.InverseTimeDecay(1.0, 10, 0.5)),
    "keras InverseTimeDecay stairs": of_keras(KS.InverseTimeDecay(1.0, 10, 0.5, staircase=True)),
    "keras CosineDecay": of_keras(KS.CosineDecay(1.0, 100, alpha=0.1)),
    "keras CosineDecay warmup": of_keras(KS.CosineDecay(0.1, 90, alpha=0.1, warmup_target=1.0, warmup_steps=10)),
    "keras CosineDecayRestarts": of_keras(KS.CosineDecayRestarts(1.0, 10, 2.0, 0.5)),
    "keras CosineDecayRestarts alpha": of_keras(KS.CosineDecayRestarts(1.0, 25, 1.0, 0.8, 0.1)),
}

METRIC = [1, .9, .9, .9, .9, .9, .9, .9, .9, .9, .8, .7, .7, .7, .7, .7, .75, .7, .69, .6, .6, .6, .6, .6, .6]


def plateau_torch(**options):
    optim = optimizer()
    made = sched.ReduceLROnPlateau(optim, patience=2, **options)
    for value in METRIC:
        made.step(value)
        yield optim.param_groups[0]["lr"]


def plateau_optax(**options):
    import jax.numpy as jnp
    made = optax.contrib.reduce_on_plateau(patience=2, factor=0.1, **options)
    weight = jnp.zeros(1, jnp.float64)
    state = made.init(weight)
    for value in METRIC:
        _, state = made.update(weight, state, value=jnp.asarray(value, jnp.float64))
        yield float(state.scale)


def plateau_keras(**options):
    class Optimizer:
        learning_rate = 1.0

    class Model:
        optimizer = Optimizer()

    made = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.1, monitor="loss", mode="min", **options)
    made.set_model(Model())
    made._set_monitor_op = lambda: setattr(made, "monitor_op", lambda a, b: a < b - made.min_delta)
    made._is_improvement = lambda value, best: best is None or value < best - made.min_delta
    made.on_train_begin()
    for value in METRIC:
        made.on_epoch_end(0, {"loss": value})
        yield made.model.optimizer.learning_rate


def greedy(**options):
    optim = optimizer(0.25)
    made = H.GreedyLR(optim, factor=0.5, patience=1, **options)
    for value in METRIC:
        made.step(value)
        yield optim.param_groups[0]["lr"]


TRACES = {
    "trace torch": plateau_torch(),
    "trace torch cooldown": plateau_torch(cooldown=2, min_lr=0.005),
    "trace optax": plateau_optax(),
    "trace optax cooldown": plateau_optax(cooldown=2),
    "trace keras": plateau_keras(),
    "trace keras cooldown": plateau_keras(cooldown=2),
    "trace greedy": greedy(),
    "trace greedy pauses": greedy(warmup=1, cooldown=2, smooth=True, window_size=3),
    "trace greedy reset": greedy(min_lr=0.2, reset_start=2),
}

print("#", ", ".join(f"{name} {importlib.metadata.version(name)}"
                     for name in ["torch", "optax", "timm", "transformers", "keras", "jax"]))
print("case,step,value")
for name, value in CASES.items():
    for step in STEPS:
        found = value(step)
        if found is not None:
            print(f"{name},{step},{found!r}")
for name, values in TRACES.items():
    for step, found in enumerate(values):
        print(f"{name},{step},{float(found)!r}")
