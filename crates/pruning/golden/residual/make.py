"""Makes the golden numbers in this folder by running the published implementations on one residual network.

    python make.py --grasp DIR --synflow DIR --rigl DIR --sparsegpt DIR

DIR are checkouts of alecwangcq/GraSP, ganguli-lab/Synaptic-Flow, google-research/rigl (its `rigl_tf2`) and
IST-DASLab/sparsegpt. Needs torch and numpy, and for RigL tensorflow and gin-config; runs on the CPU. The network is that of
`crates/unlearning/golden/network.py`. Their own functions compute every number but those of `network.csv`; imports for data
sets and logs are replaced by empty ones, and `.cuda()` stays on the CPU.
"""

import argparse
import contextlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "unlearning" / "golden"))
import network as net  # noqa: E402

DENSITY = 0.5


def weights(model):
    """The weights of convolutions and the linear layer."""
    return [(name, p) for name, p in model.named_parameters() if p.ndim > 1]


def rows_of(what, values):
    return [(what, name, tensor) for name, tensor in values]


def grasp(folder):
    """Scores and masks from four images of each class, in two halves, batch statistics."""
    released = net.load(folder, "pruner/GraSP.py")
    model, found, topk = net.trained().train(), [], torch.topk
    torch.topk = lambda values, *args, **rest: (found.append(values.clone()), topk(values, *args, **rest))[1]
    loader = net.batches(*net.data(), 6)
    masks = released.GraSP(model, 1 - DENSITY, loader, "cpu", net.CLASSES, 4, reinit=False)
    torch.topk = topk
    parts = found[0].split([p.numel() for _, p in weights(model)])
    # Its dictionary of masks is in the order of the network's modules, as its scores are.
    rows = rows_of("score", ((name, s) for (name, _), s in zip(weights(model), parts)))
    rows += rows_of("kept", ((name, m) for (name, _), m in zip(weights(model), masks.values())))
    net.write(HERE / "grasp.csv", f"alecwangcq/GraSP {net.commit(folder)}", rows)


def synflow(folder):
    """Scores of the first round, and the masks after one round and after 20, running statistics; the network has negative biases and means."""
    sys.path.insert(0, str(folder))
    layers = net.load(folder, "Layers/layers.py")
    net.stub("Layers", layers=layers)
    net.stub("tqdm", tqdm=lambda rounds: rounds)
    generator = net.load(folder, "Utils/generator.py")
    pruners, loop = net.load(folder, "Pruners/pruners.py"), net.load(folder, "prune.py")
    images, labels = net.data()
    arguments = (torch.nn.CrossEntropyLoss(), [(images, labels)], "cpu")
    model = net.copy_of(net.trained(), layers).eval()
    pruner = pruners.SynFlow(generator.masked_parameters(model))
    pruner.score(model, *arguments)
    rows = rows_of("score", ((name, pruner.scores[id(p)]) for name, p in weights(model)))
    for rounds in [1, 20]:
        model = net.copy_of(net.trained(), layers)
        pruner = pruners.SynFlow(generator.masked_parameters(model))
        loop.prune_loop(model, arguments[0], pruner, *arguments[1:], DENSITY, "exponential", "global", rounds)
        kept = {id(p): mask for mask, p in pruner.masked_parameters}
        rows += rows_of(f"kept {rounds}", ((name, kept[id(p)]) for name, p in weights(model)))
    net.write(HERE / "synflow.csv", f"ganguli-lab/Synaptic-Flow {net.commit(folder)}", rows)


STEPS, EVERY, LAST = 24, 4, 18


def rigl(folder):
    """A sparse training by SGD with momentum; every fourth step the released updater takes the optimizer's place."""
    import tensorflow as tf

    tf.keras.experimental = SimpleNamespace(CosineDecay=tf.keras.optimizers.schedules.CosineDecay)
    net.stub("rigl", "rigl.rigl_tf2")
    net.stub("rigl.rigl_tf2.utils")
    released = net.load(folder, "rigl/rigl_tf2/mask_updaters.py")
    rows = run_rigl(tf, released, "quiet", 0.06, 4) + run_rigl(tf, released, "paper", 0.3, 2)
    net.write(HERE / "rigl.csv", f"google-research/rigl {net.commit(folder)}; tensorflow {tf.__version__}", rows)


def run_rigl(tf, released, run, alpha, seed):
    model = net.trained().train()
    layers = weights(model)
    generator = torch.Generator().manual_seed(seed)
    masks = {name: (torch.rand(p.shape, generator=generator) < 0.5).float() for name, p in layers}
    rows = rows_of(f"{run} start", masks.items())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)

    def mask_all():
        for name, p in layers:
            p.data *= masks[name]

    class Updater(released.RigL):
        def get_vars_and_masks(self):
            return list(self.masks.values()), list(self.vars.values())

        def _get_gradients(self, all_vars):
            return [tf.constant(p.grad.numpy()) for _, p in layers]

    class Slots:
        def get_slot_names(self):
            return ["momentum"]

        def get_slot(self, var, name):
            return next(updater.momenta[k] for k, v in updater.vars.items() if v is var)

    updater = Updater(None, Slots())
    schedule = released.CosineUpdateSchedule(updater, alpha, EVERY, LAST)
    images, labels = net.data()
    mask_all()
    for step in range(1, STEPS + 1):
        x, y = net.batches(images, labels, 8)[step % 3]
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        if not bool(schedule.is_update_iter(step)):
            for name, p in layers:
                p.grad *= masks[name]
            optimizer.step()
            mask_all()
            continue
        momenta = {name: optimizer.state[p]["momentum_buffer"] for name, p in layers}
        variable = lambda tensor: tf.Variable(tensor.detach().numpy())
        updater.vars = {name: variable(p) for name, p in layers}
        updater.masks = {name: variable(m) for name, m in masks.items()}
        updater.momenta = {name: variable(m) for name, m in momenta.items()}
        schedule.update(tf.constant(step))
        revived = {}
        for name, p in layers:
            after = torch.tensor(updater.masks[name].numpy())
            order = (masks[name] * p).abs().flatten().sort(descending=True, stable=True)[1]
            count = int(masks[name].sum())
            quota = int(torch.tensor(count, dtype=torch.float32) * float(schedule.last_drop_fraction))
            dropped = torch.zeros(p.numel())
            dropped[order[count - quota:count]] = 1
            revived[name] = dropped.reshape(p.shape) * after
            p.data = torch.tensor(updater.vars[name].numpy())
            momenta[name].copy_(torch.tensor(updater.momenta[name].numpy()))
            masks[name] = after
        mask_all()
        if run == "paper":
            rows += rows_of("paper after", ((name, p.data.clone()) for name, p in layers))
            return rows + rows_of("paper mask", masks.items()) + rows_of("paper revived", revived.items())
        assert not any(r.any() for r in revived.values()), "a dropped weight was grown again"
        rows += rows_of(f"quiet mask {step}", ((name, m.clone()) for name, m in masks.items()))
    return rows + rows_of("quiet after", model.named_parameters())


BLOCK = 18


def sparsegpt(folder):
    """Two convolutions, one of stride 2, by share and by 2 of 4, from the patches that their kernels see.

    The released code multiplies inputs of linear layers only, so it gets the patches as those of a linear layer; its sweep
    takes the convolution itself. It prunes the weight on its threshold too: the share that it gets is smaller by half a
    weight, so that it prunes half of every block.
    """
    net.stub("transformers", Conv1D=type("Conv1D", (), {}))
    net.stub("quant")
    released = net.load(folder, "sparsegpt.py")
    model, (images, _) = net.trained().eval(), net.data()
    rows = []
    halves, groups = dict(sparsity=0.5, blocksize=BLOCK), dict(sparsity=0, prunen=2, prunem=4, blocksize=2 * BLOCK)
    cases = [("share", "block2.conv1", halves), ("share", "block2.conv2", halves), ("2:4", "block2.conv1", groups)]
    for what, path, options in cases:
        layer = net.trained().eval().get_submodule(path)
        seen = []
        hook = model.get_submodule(path).register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
        with torch.no_grad():
            model(images)
        hook.remove()
        patches = F.unfold(seen[0], layer.kernel_size, padding=layer.padding, stride=layer.stride)
        patches = patches.transpose(1, 2).flatten(0, 1)
        linear = released.SparseGPT(torch.nn.Linear(patches.shape[1], layer.out_channels, bias=False))
        linear.add_batch(patches, None)
        pruner = released.SparseGPT(layer)
        pruner.H = linear.H
        count = layer.out_channels * BLOCK
        share = max(options["sparsity"] - 0.5 / count, 0)
        pruner.fasterprune(**{**options, "sparsity": share})
        rows.append((what, f"{path}.weight", layer.weight.data))
    net.write(HERE / "sparsegpt.csv", f"IST-DASLab/sparsegpt {net.commit(folder)}", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ["grasp", "synflow", "rigl", "sparsegpt"]:
        parser.add_argument(f"--{option}", required=True)
    arguments = parser.parse_args()
    net.on_cpu()
    with contextlib.redirect_stdout(io.StringIO()):
        net.write(HERE / "network.csv", "crates/unlearning/golden/network.py", net.network_rows(net.trained()))
        grasp(arguments.grasp)
        synflow(arguments.synflow)
        sparsegpt(arguments.sparsegpt)
        rigl(arguments.rigl)
