"""Makes `advantages.csv`, `objectives.csv` and `preferences.csv` with verl's and TRL's own functions.

    pip install torch trl==1.16.0 tensordict omegaconf ray codetiming hydra-core orjson
    pip install --no-deps verl==0.9.1
    python make.py

Runs on the CPU, in float64 where the functions allow it. The numbers in the repository were made with the versions in the first line of
each file. Each row: what it is, its name, its numbers (row-major). Losses of TRL are methods of its trainers: they are called with a
trainer that holds nothing but their settings, and a model that answers with the log-probabilities below. Its advantages and ratios are
lines within longer methods, which are cut out and run.
"""

import csv
import importlib.metadata
import inspect
import math
import textwrap
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RLOOTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.experimental.tpo import TPOTrainer
from trl.experimental.tpo import tpo_trainer
from trl.trainer.utils import nanstd
from verl.trainer.ppo import core_algos as verl
from verl.trainer.ppo import rollout_corr_helper as corrections
from verl.workers.config import ActorConfig, PolicyLossConfig

torch.set_default_dtype(torch.float64)
LENGTHS = [5, 3, 4, 1, 2, 5, 4, 3]
GROUPS = [0, 1, 0, 1, 2, 2, 0, 1]
ROWS, TOKENS = len(LENGTHS), 5
INDEX = np.array(GROUPS, dtype=object)


class Rows:
    def __init__(self):
        self.rows = []

    def note(self, what, name, values):
        values = torch.as_tensor(values, dtype=torch.float64).detach().flatten().tolist()
        self.rows.append((what, name, " ".join(repr(v) for v in values)))

    def write(self, name):
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("verl", "trl", "torch"))
        with open(Path(__file__).parent / name, "w", newline="") as file:
            file.write(f"# {versions}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("what", "name", "values"))
            writer.writerows(self.rows)


def both(rows, name, log_probs, loss):
    """Value and gradient with respect to the log-probabilities."""
    leaf = log_probs.clone().requires_grad_(True)
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    rows.note(name, "value", value)
    rows.note(name, "gradient", gradient)


def mask():
    return (torch.arange(TOKENS) < torch.tensor(LENGTHS)[:, None]).double()


def inputs():
    torch.manual_seed(0)
    found = {
        "rewards": torch.tensor([1.0, 0.5, 0.0, 0.5, 0.25, 1.0, 1.0, 0.5]),
        "other": torch.tensor([0.0, 3.0, 1.0, -2.0, 0.5, 0.5, 2.0, 1.0]),
        "greedy": torch.tensor([0.75, 0.25, 0.5])[torch.tensor(GROUPS)],
        "dense": torch.randn(ROWS, TOKENS),
        "values": torch.randn(ROWS, TOKENS),
        "log_probs": -2 * torch.rand(ROWS, TOKENS),
        "old": None,
        "reference": -2 * torch.rand(ROWS, TOKENS),
        "advantages": torch.tensor([1.0, -0.5, -1.5, 0.75, -1.0, 2.0, 0.5, -0.25]),
        "weights": 0.5 + torch.rand(ROWS, TOKENS),
        "squares": torch.rand(ROWS, TOKENS),
    }
    found["old"] = found["log_probs"] + 0.4 * torch.randn(ROWS, TOKENS)
    return {name: value if value.dim() == 1 else value * mask() for name, value in found.items()}


def lines(method, first, last):
    """The lines of a method from the one that starts with `first` to the one before `last`."""
    found = inspect.getsource(method).splitlines()
    start = next(i for i, line in enumerate(found) if line.strip().startswith(first))
    end = next(i for i, line in enumerate(found) if i > start and line.strip().startswith(last))
    return textwrap.dedent("\n".join(found[start:end]))


def trl_advantages(rows, given):
    """Groups of four in a row, as TRL has them."""
    both = torch.stack([given["rewards"], given["other"]], 1)

    def note(name, method, first, weights=(1.0, 0.5), **settings):
        names = {
            "self": SimpleNamespace(reward_weights=torch.tensor(weights), reward_funcs=[None, None], **settings),
            "torch": torch, "nanstd": nanstd, "device": "cpu", "num_generations": 4, "rewards_per_func": both,
            "unscorable_mask": torch.zeros(ROWS).bool(), "rewards": (both * torch.tensor(weights)).sum(1),
        }
        exec(lines(method, first, "# Slice to keep only the local part"), names)
        rows.note("trl", name, names["advantages"])

    grpo = lambda name, **settings: note(name, GRPOTrainer._generate_and_score_completions, "if self.multi_objective_aggregation", **settings)
    for scale in ("group", "batch", "none"):
        grpo(f"scale {scale}", multi_objective_aggregation="sum_then_normalize", scale_rewards=scale)
    grpo("normalize_then_sum", multi_objective_aggregation="normalize_then_sum", scale_rewards="group")
    note("rloo", RLOOTrainer._generate_and_score_completions, "grouped_rewards = rewards.view", normalize_advantages=False)


def advantages(given):
    rows, m = Rows(), mask()
    for name, value in given.items():
        rows.note("input", name, value)
    last = torch.tensor(LENGTHS) - 1

    def at_end(scores):
        tokens = torch.zeros(ROWS, TOKENS)
        tokens[torch.arange(ROWS), last] = scores
        return tokens

    ends = at_end(given["rewards"])
    outcome = {
        "grpo": lambda: verl.compute_grpo_outcome_advantage(ends, m, INDEX),
        "dr_grpo": lambda: verl.compute_grpo_outcome_advantage(ends, m, INDEX, norm_adv_by_std_in_grpo=False),
        "grpo_vectorized": lambda: verl.compute_grpo_vectorized_outcome_advantage(ends, m, INDEX),
        "rloo": lambda: verl.compute_rloo_outcome_advantage(ends, m, INDEX),
        "rloo_vectorized": lambda: verl.compute_rloo_vectorized_outcome_advantage(ends, m, INDEX),
        "opo": lambda: verl.compute_opo_outcome_advantage(ends, m, INDEX),
        "gpg": lambda: verl.compute_gpg_outcome_advantage(ends, m, INDEX),
        "passk": lambda: verl.compute_grpo_passk_outcome_advantage(ends, m, INDEX, config={"norm_adv_by_std_in_grpo": True}),
        "passk_plain": lambda: verl.compute_grpo_passk_outcome_advantage(ends, m, INDEX, config={"norm_adv_by_std_in_grpo": False}),
        "reinforce_plus_plus_baseline": lambda: verl.compute_reinforce_plus_plus_baseline_outcome_advantage(ends, m, INDEX),
        "remax": lambda: verl.compute_remax_outcome_advantage(ends, given["greedy"], m),
    }
    for name, compute in outcome.items():
        rows.note("verl", name, compute()[0][:, 0])
    config = {"gdpo_reward_keys": ["a", "b"], "gdpo_reward_weights": [1.0, 0.5]}
    batch = {"prompts": torch.zeros(ROWS, 1), "attention_mask": torch.cat([torch.ones(ROWS, 1), m], 1).long()}
    kinds = {"a": given["rewards"].numpy(), "b": given["other"].numpy()}
    gdpo = verl.compute_gdpo_outcome_advantage(ends, m, INDEX, config=config, non_tensor_batch=kinds, batch=batch)
    rows.note("verl", "gdpo", gdpo[0][:, 0])
    for gamma, lam in [(1.0, 0.95), (0.9, 0.8)]:
        whitened, returns = verl.compute_gae_advantage_return(given["dense"], given["values"], m, gamma, lam)
        rows.note("verl", f"gae {gamma} {lam} advantages", whitened * m)
        rows.note("verl", f"gae {gamma} {lam} returns", returns * m)
    plus = verl.compute_reinforce_plus_plus_outcome_advantage(given["dense"], m, config=SimpleNamespace(gamma=0.9))
    rows.note("verl", "reinforce_plus_plus advantages", plus[0])
    rows.note("verl", "reinforce_plus_plus returns", plus[1])
    otb = verl.compute_optimal_token_baseline_advantage(given["dense"], m, INDEX, given["log_probs"], given["squares"])
    rows.note("verl", "optimal_token_baseline", otb[0])
    tir = verl.compute_multi_turn_optimal_token_baseline_advantage(given["dense"], m, INDEX, given["log_probs"], given["squares"])
    rows.note("verl", "tir_optimal_token_baseline", tir[0])
    rows.note("verl", "rewards with kl", verl.compute_rewards(ends, given["old"], given["reference"], 0.1) * m)
    batch = {"token_level_scores": given["rewards"][:, None]}
    for method in ("pow", "max_min", "max_random"):
        # What it would draw by.
        draw = lambda weights, count, **_: rows.note("verl", f"pf_ppo {method}", weights) or torch.arange(count)
        with patch("torch.multinomial", draw):
            verl.compute_pf_ppo_reweight_data(SimpleNamespace(batch=Batch(batch), non_tensor_batch={}, meta_info={}), method)
    controller = verl.AdaptiveKLController(0.1, 6.0, 10_000)
    for kl in (9.0, 6.3, 2.0):
        controller.update(kl, 256)
        rows.note("verl", f"adaptive_kl {kl}", controller.value)
    trl_advantages(rows, given)
    rows.write("advantages.csv")


class Batch(dict):
    """A batch that knows its size."""

    batch_size = ROWS


def actor(**settings):
    """A configuration of verl's actor, with what its losses read."""
    config = ActorConfig(strategy="fsdp", rollout_n=1, ppo_micro_batch_size_per_gpu=1, **settings)
    config.global_batch_info.clear()
    return config


def answer(log_probs):
    """A model's output: log-probabilities, and zeros for what is logged."""
    zeros = torch.zeros_like(log_probs).detach()
    return MagicMock(log_probs=log_probs, log_sum_sq_probs=-torch.ones_like(log_probs).detach(), entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())


def verl_losses(rows, given):
    m = mask()
    advantage = given["advantages"][:, None].expand(ROWS, TOKENS)

    def note(name, function, mode, weights=None, **settings):
        config = actor(**settings)
        if mode == "seq-mean-token-sum-norm":
            config.global_batch_info["loss_scale_factor"] = 8
        compute = lambda lp: function(given["old"], lp, advantage, m, mode, config, weights)[0]
        both(rows, f"verl {name} {mode}", given["log_probs"], compute)

    modes = ["token-mean", "token-sum", "seq-mean-token-sum", "seq-mean-token-mean", "seq-mean-token-sum-norm"]
    narrow = {"clip_ratio": 0.2, "clip_ratio_low": 0.2, "clip_ratio_high": 0.28}
    for mode in modes:
        note("vanilla", verl.compute_policy_loss_vanilla, mode, **narrow)
    note("weighted", verl.compute_policy_loss_vanilla, "token-mean", given["weights"], **narrow)
    for mode in ("token-mean", "seq-mean-token-mean"):
        note("gspo", verl.compute_policy_loss_gspo, mode, clip_ratio_low=0.05, clip_ratio_high=0.1)
        note("cispo", verl.compute_policy_loss_cispo, mode, **narrow)
    for name, weights in (("reinforce", None), ("reinforce weighted", given["weights"])):
        note(name, verl.compute_policy_loss_reinforce, "seq-mean-token-sum", weights)
    note("sapo", verl.compute_policy_loss_sapo, "seq-mean-token-mean")
    note("gpg", verl.compute_policy_loss_gpg, "token-mean")
    note("geo_mean", verl.compute_policy_loss_geo_mean, "seq-mean-token-mean", clip_ratio_low=0.4, clip_ratio_high=0.4)
    # A share of all tokens leaves nothing to the random choice.
    settings = {"clip_cov_ratio": 1.0, "clip_cov_lb": 0.1, "clip_cov_ub": 5.0, "kl_cov_ratio": 0.25, "ppo_kl_coef": 1.0, "dro_beta": 0.5}
    for name, function in (("dppo_tv", verl.compute_policy_loss_dppo_tv), ("dppo_kl", verl.compute_policy_loss_dppo_kl)):
        note(name, function, "token-mean", clip_ratio=0.02, clip_ratio_low=0.01, clip_ratio_high=0.02, clip_ratio_c=1.2)
    config = actor(clip_ratio=0.2, clip_ratio_low=0.2, clip_ratio_high=0.2, policy_loss=PolicyLossConfig(**settings))
    for name, function in [
        ("clip_cov", verl.compute_policy_loss_clip_cov),
        ("kl_cov", verl.compute_policy_loss_kl_cov),
        ("dro", verl.compute_policy_loss_dro),
    ]:
        compute = lambda lp: function(given["old"], lp, advantage, m, "token-mean", config)[0]
        both(rows, f"verl {name} token-mean", given["log_probs"], compute)
    for kind in ["k1", "abs", "k2", "k3", "k1+", "k3+"]:
        compute = lambda lp: verl.agg_loss(verl.kl_penalty(lp, given["reference"], kind), m, "token-mean")
        both(rows, f"verl kl {kind}", given["log_probs"], compute)
    for mode in ("token-mean", "seq-mean-token-mean"):
        compute = lambda v: verl.compute_value_loss(v, given["dense"], given["values"], m, 0.2, mode)[0]
        both(rows, f"verl value {mode}", given["log_probs"], compute)
    ratio = given["log_probs"] - given["old"]
    for level, bounds in (("token", "0.8_1.3"), ("sequence", "0.2_3.0")):
        for name, threshold in (("", 1.3), (" masked", bounds)):
            found, _ = corrections.compute_rollout_correction_weights(ratio, m, level, threshold)
            rows.note("verl", f"correction {level}{name}", found * m)
    for level in ("token", "sequence"):
        found, _ = corrections.compute_rollout_correction_weights(ratio, m, level, 1.3, True)
        rows.note("verl", f"correction {level} normalised", found * m)
    bounds = [("token_k1", "0.9_1.1"), ("seq_sum_k1", "0.4_2.5"), ("seq_mean_k1", "0.9_1.1")]
    for kind in ("k2", "k3"):
        bounds += [(f"token_{kind}", "0.05"), (f"seq_sum_{kind}", "0.3"), (f"seq_mean_{kind}", "0.1"), (f"seq_max_{kind}", "0.2")]
    for kind, bounds in bounds:
        rejected, _ = corrections.compute_rollout_rejection_mask(ratio, m, kind, bounds)
        rows.note("verl", f"rejection {kind}", rejected)


def trainer(**settings):
    """Settings and nothing else; what is logged is thrown away."""
    found = MagicMock()
    found._metrics = defaultdict(lambda: defaultdict(list))
    identity = lambda x, **_: x
    found.accelerator.gather = found.accelerator.gather_for_metrics = found.accelerator.reduce = identity
    found.accelerator.num_processes = 1
    found.accelerator.device = torch.device("cpu")
    found.model.training = False
    for name, value in settings.items():
        setattr(found, name, value)
    return found


def trl_corrections(rows, given):
    """The weights of TRL where vLLM has sampled."""
    code = lines(GRPOTrainer._generate_and_score_completions, "per_token_logps_diff = (old", "# Compute the per-token log probabilities for the reference")
    for mode in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"):
        low, high = (0.8, 1.3) if mode.startswith("token") else (0.2, 3.0)
        names = {
            "self": SimpleNamespace(
                vllm_importance_sampling_mode=mode, vllm_importance_sampling_clip_min=low, vllm_importance_sampling_clip_max=high
            ),
            "torch": torch, "math": math, "mask": mask(), "old_per_token_logps": given["log_probs"], "sampling_per_token_logps": given["old"],
        }
        exec(code, names)
        rows.note("trl", f"correction {mode}", names["vllm_importance_sampling_ratio"].expand(ROWS, TOKENS) * mask())


def trl_losses(rows, given):
    m = mask()

    def note(name, level="token", beta=0.0, entropy=0.0, **settings):
        options = {"delta": None, "use_bias_correction_kl": False, "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05}
        options.update(vespo_k_pos=2.0, vespo_lambda_pos=3.0, vespo_k_neg=3.0, vespo_lambda_neg=2.0)
        options.update({key: settings.pop(key) for key in list(settings) if key in options})
        me = trainer(
            get_gamma_weights=GRPOTrainer.get_gamma_weights, aux_loss_enabled=False, top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level=level,
            beta=beta, epsilon_low=0.2, epsilon_high=settings.pop("epsilon_high", 0.28), use_vllm=False, max_completion_length=8,
            _entropy_bonus_enabled=entropy > 0, use_adaptive_entropy=False, entropy_coef=entropy, args=SimpleNamespace(**options), **settings,
        )
        data = {key: torch.zeros(ROWS, 1 if "prompt" in key else TOKENS).long() for key in ("prompt_ids", "completion_ids", "prompt_mask")}
        data.update(
            completion_mask=m, advantages=given["advantages"], old_per_token_logps=given["old"],
            ref_per_token_logps=given["reference"], num_items_in_batch=m.sum(),
        )

        def compute(lp):
            me._get_per_token_logps_and_entropies = lambda *_, **__: (lp, given["squares"], None)
            return GRPOTrainer._compute_loss(me, None, data)

        both(rows, f"trl {name}", given["log_probs"], compute)

    for loss in ("grpo", "bnpo", "dr_grpo", "dapo", "sapo"):
        note(loss, loss_type=loss)
    note("cispo", loss_type="cispo", epsilon_high=1.2)
    note("gspo", "sequence", loss_type="grpo", epsilon_high=0.1)
    note("luspo", "sequence", loss_type="luspo")
    note("vespo", loss_type="vespo")
    note("delta", loss_type="dapo", delta=1.5)
    note("entropy", loss_type="dapo", entropy=0.1)
    note("kl", loss_type="grpo", beta=0.1)
    note("kl corrected", loss_type="grpo", beta=0.1, use_bias_correction_kl=True)
    note("kl corrected sequence", "sequence", loss_type="grpo", beta=0.1, use_bias_correction_kl=True)

    me = trainer(aux_loss_enabled=False, epsilon_low=0.2, epsilon_high=0.2, beta=0.0)
    data = {key: torch.zeros(ROWS, 1 if "prompt" in key else TOKENS).long() for key in ("prompt_ids", "completion_ids", "prompt_mask")}
    data.update(completion_mask=m, advantages=given["advantages"], old_logps=(given["old"] * m).sum(1))

    def compute(lp):
        me._get_per_token_logps_and_entropies = lambda *_, **__: (lp * m, torch.zeros_like(lp), None)
        return RLOOTrainer._compute_loss(me, None, data)

    both(rows, "trl rloo", given["log_probs"], compute)


def preferences(given):
    """The first half of the rows are chosen, the second half rejected."""
    rows, m = Rows(), mask()
    half = ROWS // 2
    rows.note("input", "lengths", torch.tensor(LENGTHS, dtype=torch.float64))
    for name in ("log_probs", "reference"):
        rows.note("input", name, given[name])
    shifted = torch.cat([torch.zeros(ROWS, 1), m], 1)
    sums = lambda values: (values * m).sum(1)

    def dpo(name, loss, **settings):
        options = {"beta": 0.5, "label_smoothing": 0.0, "ld_alpha": None, "use_weighting": False, "f_divergence_type": "reverse_kl"}
        options.update(settings)
        # This divergence knows no float64.
        as_known = (lambda x: x.float()) if options["f_divergence_type"] == "alpha_divergence" else (lambda x: x)
        reference = SimpleNamespace(log_probs=as_known(given["reference"] * m))
        me = trainer(
            aux_loss_enabled=False, precompute_ref_logps=False, ref_model=lambda **_: reference, f_alpha_divergence_coef=0.5,
            loss_types=[loss], loss_weights=[1.0], args=SimpleNamespace(discopop_tau=0.05, gradient_checkpointing_kwargs=None),
            **options,
        )

        def compute(lp):
            data = {"completion_mask": shifted, "input_ids": torch.zeros(ROWS, TOKENS + 1).long()}
            return DPOTrainer._compute_loss(me, lambda **_: answer(as_known(lp * m)), data, False)

        both(rows, f"trl {name}", given["log_probs"], compute)

    for loss in ["sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sigmoid_norm"]:
        dpo(loss, loss)
    for loss in ["exo_pair", "robust", "aot", "aot_unpaired"]:
        dpo(f"{loss} smoothed", loss, label_smoothing=0.1)

    for divergence in ("forward_kl", "js_divergence", "alpha_divergence"):
        for loss in ("sigmoid", "ipo", "exo_pair", "discopop", "sigmoid_norm", "hinge"):
            dpo(f"{loss} {divergence}", loss, f_divergence_type=divergence, label_smoothing=0.1 if loss == "exo_pair" else 0.0)
    for loss in ("sigmoid", "apo_zero"):
        dpo(f"{loss} desensitised", loss, ld_alpha=0.3)
        dpo(f"{loss} weighted", loss, use_weighting=True)

    for name, loss, alpha in [
        ("cpo", "sigmoid", 0.0), ("cpo hinge", "hinge", 0.0), ("cpo ipo", "ipo", 0.0), ("simpo", "simpo", 0.0), ("alphapo", "simpo", 0.25),
        ("alphapo below 0", "simpo", -0.25),
    ]:
        me = trainer(
            loss_type=loss, beta=0.5, label_smoothing=0.1 if loss == "sigmoid" else 0.0, simpo_gamma=0.3, alpha=alpha,
            accelerator=SimpleNamespace(device=torch.device("cpu")),
        )

        def compute(lp):
            found = sums(lp) / m.sum(1) if loss in ("simpo", "ipo") else sums(lp)
            return CPOTrainer.cpo_loss(me, found[:half], found[half:])[0].mean()

        both(rows, f"trl {name}", given["log_probs"], compute)
    for loss in ("sigmoid", "hinge", "ipo", "tpo-l"):
        me = trainer(loss_type=loss, beta=0.5, label_smoothing=0.0, tpo_l_gamma=0.3, tpo_alpha=0.0, aux_loss_enabled=False)

        def compute(lp):
            data = {"completion_mask": shifted, "input_ids": torch.zeros(ROWS, TOKENS + 1).long()}
            model = lambda **_: SimpleNamespace(logits=torch.zeros(ROWS, TOKENS + 1, 2))
            scored = lp * m
            with patch.object(tpo_trainer, "selective_log_softmax_and_entropy", lambda *_, **__: (scored, torch.zeros_like(scored))):
                return TPOTrainer._compute_loss(me, model, data, False)

        both(rows, f"trl tpo {loss}", given["log_probs"], compute)
    me = trainer(beta=0.1, accelerator=SimpleNamespace(device=torch.device("cpu")))

    def orpo(lp):
        found = sums(lp) / m.sum(1)
        return -ORPOTrainer.odds_ratio_loss(me, found[:half], found[half:])[0].mean()

    both(rows, "trl orpo", given["log_probs"], orpo)

    def kto(lp, loss):
        reference = SimpleNamespace(log_probs=given["reference"] * m)
        me = trainer(
            aux_loss_enabled=False, precompute_ref_logps=True, calculate_KL=loss == "kto", loss_type=loss, beta=0.5, desirable_weight=1.0,
            undesirable_weight=1.5,
        )
        # The mismatched pairs: each reference sum beside its own policy sum, for want of other completions.
        me._compute_kl_logps = lambda *_: sums(lp).detach()
        data = {
            "label": torch.tensor([True] * half + [False] * half), "ref_logps": sums(given["reference"]), "ref_KL_logps": sums(given["reference"]),
            "completion_mask": shifted, "completion_input_ids": torch.zeros(ROWS, TOKENS + 1).long(), "input_ids": torch.zeros(ROWS, TOKENS + 1).long(),
        }
        return KTOTrainer._compute_loss(me, lambda **_: answer(lp * m), data, False)

    for loss in ("kto", "apo_zero_unpaired"):
        both(rows, f"trl {loss}", given["log_probs"], lambda lp: kto(lp, loss))
    rows.write("preferences.csv")


def objectives(given):
    rows = Rows()
    for name, value in given.items():
        rows.note("input", name, value)
    verl_losses(rows, given)
    trl_losses(rows, given)
    trl_corrections(rows, given)
    rows.write("objectives.csv")


def main():
    given = inputs()
    advantages(given)
    objectives(given)
    preferences(given)


main()
