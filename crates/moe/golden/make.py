"""Makes `mixtral.csv` with transformers' Mixtral: two layers' routing, experts, gradients and balance losses.

    pip install torch transformers
    python make.py

Runs on the CPU. The numbers in the repository were made with the versions in the first line of the file. Each row is one value:
the name of an array, the place in it (flat, row-major), the value. Weights are in this crate's order, inputs before outputs.
"""

import csv
from pathlib import Path

import torch
import transformers
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func

BATCH, SEQ, WIDTH, HIDDEN, EXPERTS, TOP_K = 2, 7, 6, 10, 5, 2
ROWS = []


def note(name, tensor):
    ROWS.extend((name, place, repr(value)) for place, value in enumerate(tensor.detach().flatten().tolist()))


def main():
    torch.manual_seed(0)
    config = MixtralConfig(
        hidden_size=WIDTH,
        intermediate_size=HIDDEN,
        num_local_experts=EXPERTS,
        num_experts_per_tok=TOP_K,
        experts_implementation="eager",
    )
    logits = []
    for layer in range(2):
        block = MixtralSparseMoeBlock(config)
        for parameter in block.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        x = torch.randn(BATCH, SEQ, WIDTH, requires_grad=True)
        found, gates, choices = block.gate(x)
        out = block(x)
        target = torch.randn_like(out)
        (out * target).sum().backward()
        logits.append(found.detach())
        router, up, down = block.gate.weight, block.experts.gate_up_proj, block.experts.down_proj
        named = {
            "x": x,
            "router": router.T,
            "up": up.transpose(1, 2),
            "down": down.transpose(1, 2),
            "target": target,
            "logits": found,
            "gates": gates,
            "choices": choices,
            "out": out,
            "grad_x": x.grad,
            "grad_router": router.grad.T,
            "grad_up": up.grad.transpose(1, 2),
            "grad_down": down.grad.transpose(1, 2),
        }
        for name, tensor in named.items():
            note(f"{name}{layer}", tensor)
    mask = torch.ones(BATCH, SEQ)
    mask[0, 5:] = 0
    mask[1, 2:] = 0
    note("mask", mask)
    for name, layers in [("one", logits[:1]), ("both", logits)]:
        for suffix, given in [("", None), ("_masked", mask)]:
            loss = load_balancing_loss_func(tuple(layers), EXPERTS, TOP_K, given)
            note(f"loss_{name}{suffix}", loss)
    with open(Path(__file__).parent / "mixtral.csv", "w", newline="") as file:
        file.write(f"# transformers {transformers.__version__}, torch {torch.__version__}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["array", "place", "value"])
        writer.writerows(ROWS)


if __name__ == "__main__":
    main()
