"""Makes the golden numbers in this folder with the published reference implementations.

    python make.py --synflow DIR --granet DIR

DIR are checkouts of ganguli-lab/Synaptic-Flow (SNIP, GraSP, SynFlow) and VITA-Group/GraNet (ERK, pruning,
regeneration). Needs torch and numpy; runs on the CPU. The numbers in the repository were made with the commits
and the torch version in the first line of each file.
"""

import argparse
import contextlib
import csv
import importlib.util
import io
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import torch

HERE = Path(__file__).parent
SIZES = [8, 6, 4, 2]
DENSITY = 0.2
ROUNDS = 20


def load(folder, file):
    spec = importlib.util.spec_from_file_location(Path(file).stem, Path(folder) / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(name, source, header, rows):
    with open(HERE / name, "w", newline="") as file:
        file.write(f"# {source}; torch {torch.__version__}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def commit(folder):
    out = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True)
    return out.stdout.strip() or "unknown commit"


def network(layers):
    torch.manual_seed(3)
    parts = []
    for inputs, outputs in zip(SIZES, SIZES[1:]):
        parts += [layers.Linear(inputs, outputs, bias=False), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def one_shot(folder):
    layers = load(folder, "Layers/layers.py")
    pruners = load(folder, "Pruners/pruners.py")
    torch.manual_seed(5)
    inputs, labels = torch.randn(16, SIZES[0]), torch.randint(0, SIZES[-1], (16,))
    source = f"ganguli-lab/Synaptic-Flow {commit(folder)}"
    model = network(layers)
    rows = [("weight", i, j, v) for i, m in enumerate(model[::2]) for j, v in enumerate(m.weight.flatten().tolist())]
    rows += [("input", 0, j, v) for j, v in enumerate(inputs.flatten().tolist())]
    rows += [("label", 0, j, v) for j, v in enumerate(labels.tolist())]
    write("network.csv", source, ["what", "layer", "index", "value"], rows)
    rows = []
    for name, rounds in [("SNIP", 1), ("GraSP", 1), ("SynFlow", ROUNDS)]:
        model = network(layers)
        masked = [(m.weight_mask, m.weight) for m in model[::2]]
        pruner = getattr(pruners, name)(masked)
        first = None
        for step in range(rounds):
            pruner.score(model, torch.nn.CrossEntropyLoss(), [(inputs, labels)], "cpu")
            if first is None:
                first = [pruner.scores[id(p)].flatten().tolist() for _, p in masked]
            pruner.mask(DENSITY ** ((step + 1) / rounds), "global")
        for layer, (mask, _) in enumerate(masked):
            for index, kept in enumerate(mask.flatten().tolist()):
                rows.append((name, layer, index, first[layer][index], int(kept)))
    write("one_shot.csv", source, ["method", "layer", "index", "score", "kept"], rows)


def granet(folder):
    core = load(folder, "CIFAR/sparselearning/core.py")
    torch.Tensor.cuda = lambda self, *_: self
    source = f"VITA-Group/GraNet {commit(folder)}"
    erk(core, source)
    cubic(core, source)
    shapes = [(8, 6), (4, 8), (3, 4, 3, 3)]
    module = torch.nn.Module()
    for i, shape in enumerate(shapes):
        module.register_parameter(f"p{i}", torch.nn.Parameter(torch.zeros(shape)))
    events, every, final = 10, 5, 0.1
    args = SimpleNamespace(
        sparse_init="none", fix=False, update_frequency=every, method="GMP", init_density=1.0, final_density=final,
        init_prune_epoch=0, final_prune_epoch=events, multiplier=1, rm_first=False,
    )
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    steps = 2 * events * every
    decay = core.CosineDecay(0.5, steps)
    masking = core.Masking(optimizer, prune_rate=0.5, prune_rate_decay=decay, args=args, train_loader=range(every))
    rows = []
    with contextlib.redirect_stdout(io.StringIO()):
        masking.add_module(module)
        torch.manual_seed(7)
        for step in range(1, steps + 1):
            decay.step()
            masking.prune_rate = decay.get_dr()
            if step % every or step > (events + 2) * every:
                continue
            before = [m.clone() for m in masking.masks.values()]
            weights, gradients = [], []
            for name, p in module.named_parameters():
                # A run between two events: every active weight has another value.
                p.data = torch.randn(p.shape) * masking.masks[name]
                p.grad = torch.randn(p.shape)
                weights.append(p.data.clone())
                gradients.append(p.grad.clone())
            masking.pruning(step)
            pruned = [m.clone() for m in masking.masks.values()]
            masking.truncate_weights()
            names = [n for n, _ in module.named_parameters()]
            after = [masking.masks[n] for n in names]
            for layer in range(len(shapes)):
                columns = [weights, gradients, before, pruned, after]
                flat = [c[layer].flatten().tolist() for c in columns]
                for index, (w, g, b, q, a) in enumerate(zip(*flat)):
                    rows.append((step, layer, index, w, g, int(b), int(q), int(a)))
    header = ["step", "layer", "index", "weight", "gradient", "before", "pruned", "after"]
    write("granet.csv", source, header, rows)


def erk(core, source):
    networks = [
        [(256, 64), (256, 256), (10, 256)],
        [(16, 3, 3, 3), (32, 16, 3, 3), (64, 32, 3, 3), (10, 64)],
        [(64, 3, 7, 7), (64, 64), (512, 512, 3, 3), (1000, 512)],
    ]
    rows = []
    for n, shapes in enumerate(networks):
        for density in [0.5, 0.2, 0.1, 0.05, 0.02, 0.01]:
            args = SimpleNamespace(sparse_init="ERK", fix=True, method="DST", rm_first=False, init_density=density)
            module = torch.nn.Module()
            for i, shape in enumerate(shapes):
                module.register_parameter(f"p{i}", torch.nn.Parameter(torch.ones(shape)))
            optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
            masking = core.Masking(optimizer, args=args, train_loader=[])
            with contextlib.redirect_stdout(io.StringIO()) as out:
                masking.add_module(module)
            found = re.findall(r"layer: (\S+), .*density: ([0-9.e+-]+|np\.float64\([^)]*\))", out.getvalue())
            for (_, value), shape in zip(found, shapes):
                value = float(re.sub(r"[^0-9.e+-]", "", value.replace("np.float64", "")))
                rows.append((n, "x".join(map(str, shape)), density, value))
    write("erk.csv", source, ["network", "shape", "density", "layer_density"], rows)


def cubic(core, source):
    """How many of a million weights the released schedule asks for at each event, read off its call of topk."""
    total, rows, topk = 1_000_000, [], torch.topk
    for events, initial, final in [(10, 1.0, 0.1), (10, 0.5, 0.1), (7, 1.0, 0.02)]:
        args = SimpleNamespace(
            sparse_init="none", fix=False, update_frequency=5, method="GMP", init_density=initial, final_density=final,
            init_prune_epoch=0, final_prune_epoch=events, multiplier=1, rm_first=False,
        )
        module = torch.nn.Module()
        module.register_parameter("p", torch.nn.Parameter(torch.linspace(1, 2, total).reshape(1000, -1)))
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        asked = []
        torch.topk = lambda values, k, **rest: (asked.append(k), topk(values, k, **rest))[1]
        with contextlib.redirect_stdout(io.StringIO()):
            masking = core.Masking(optimizer, args=args, train_loader=range(5))
            masking.modules = [module]
            masking.masks = {"p": torch.ones(1000, total // 1000)}
            for event in range(events + 3):
                asked.clear()
                masking.pruning(5 * event)
                rows.append((events, initial, final, event, asked[0] if asked else ""))
        torch.topk = topk
    write("cubic.csv", source, ["events", "initial_density", "final_density", "event", "kept_of_a_million"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--synflow", required=True)
    parser.add_argument("--granet", required=True)
    arguments = parser.parse_args()
    one_shot(arguments.synflow)
    granet(arguments.granet)
