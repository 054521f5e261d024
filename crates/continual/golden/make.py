"""Makes the golden numbers in this folder by running the published implementations on one small perceptron.

    python make.py --mammoth DIR --gpm DIR

DIR are checkouts of aimagelab/mammoth and sahagobinda/GPM; Avalanche comes from PyPI (avalanche-lib 0.6.0), with torch
2.15.0. Their own functions compute every number but those of `network.csv`; what a released file imports and the functions
called here do not need is replaced by stand-ins. A row of these files is `what,name,values`, the values separated by
blanks, in PyTorch's order.
"""

import argparse
import csv
import importlib.util
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
SIZES = (6, 8, 4)
EXAMPLES = 24


class Mlp(nn.Module):
    """Without biases; Mammoth asks for its parameters and gradients as one vector."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(SIZES[0], SIZES[1], bias=False)
        self.head = nn.Linear(SIZES[1], SIZES[2], bias=False)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)))

    def get_params(self):
        return nn.utils.parameters_to_vector(self.parameters())

    def get_grads(self):
        return torch.cat([p.grad.view(-1) for p in self.parameters()])

    def set_grads(self, grads):
        start = 0
        for p in self.parameters():
            p.grad = grads[start : start + p.numel()].view_as(p).clone()
            start += p.numel()


def data():
    """Inputs with labels 0 1 2 3 0 1 ..: the first task has classes 0 and 1, the second 2 and 3."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(EXAMPLES) % SIZES[2]
    centres = torch.randn(SIZES[2], SIZES[0], generator=generator)
    return torch.randn(EXAMPLES, SIZES[0], generator=generator) * 0.5 + centres[labels], labels


def task(number):
    x, y = data()
    own = (y // 2) == number
    return x[own], y[own]


def network():
    torch.manual_seed(5)
    model = Mlp()
    for p in model.parameters():
        p.data = torch.randn_like(p) * 0.3
    return model


def moved(model, seed):
    """A copy with other weights near by."""
    other = deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    for p in other.parameters():
        p.data += 0.1 * torch.randn(p.shape, generator=generator)
    return other


def weights(model, what):
    return [(what, name, p.detach().clone()) for name, p in model.named_parameters()]


def split(model, what, vector):
    rows, start = [], 0
    for name, p in model.named_parameters():
        rows.append((what, name, vector[start : start + p.numel()].clone()))
        start += p.numel()
    return rows


def write(name, source, rows):
    with open(HERE / name, "w", newline="") as file:
        file.write(f"# {source}; torch {torch.__version__}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "name", "values"])
        for what, name, values in rows:
            values = torch.as_tensor(np.asarray(values)).flatten().tolist()
            writer.writerow([what, name, " ".join(f"{v:.9g}" for v in values)])


def commit(folder):
    named = Path(folder) / "COMMIT"
    if named.exists():
        return named.read_text().strip()
    out = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return out.stdout.strip()


def load(folder, file):
    spec = importlib.util.spec_from_file_location(Path(file).stem, Path(folder) / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[Path(file).stem] = module
    spec.loader.exec_module(module)
    return module


class ContinualModel:
    """What Mammoth's models take from their base class."""

    def __init__(self, backbone, loss, args, transform, dataset=None):
        self.net, self.loss, self.args, self.transform = backbone, loss, args, transform
        self.device = "cpu"
        self.opt = torch.optim.SGD(self.net.parameters(), lr=args.lr)

    def parameters(self):
        return self.net.parameters()

    get_parameters = parameters

    def zero_grad(self):
        self.opt.zero_grad()


class Buffer:
    """A memory that always gives what it was filled with."""

    content = None

    def __init__(self, *_):
        pass

    def is_empty(self):
        return self.content is None

    def get_data(self, *_, **__):
        return self.content

    def add_data(self, **_):
        pass


def mammoth(folder, file):
    for name in ("models", "models.utils", "utils"):
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = []
    for name, attributes in {
        "models.utils.continual_model": {"ContinualModel": ContinualModel},
        "utils.args": {"ArgumentParser": MagicMock, "add_rehearsal_args": MagicMock()},
        "utils.buffer": {"Buffer": Buffer, "fill_buffer": None},
        "utils.conf": {"warn_once": None},
    }.items():
        sys.modules[name] = ModuleType(name)
        for key, value in attributes.items():
            setattr(sys.modules[name], key, value)
    sys.modules["quadprog"] = MagicMock()
    if file == "models/agem.py":
        sys.modules["models.gem"] = load(folder, "models/gem.py")
    return load(folder, file)


def loader(number, size):
    x, y = task(number)
    batches = list(zip(x.split(size), y.split(size)))
    return SimpleNamespace(train_loader=batches)


def gradients(value, model):
    for p in model.parameters():
        p.grad = None
    value.backward()
    return [("gradient", name, p.grad.clone()) for name, p in model.named_parameters()]


def penalised(plugin, model, counter):
    """What an Avalanche plugin adds to a loss of 1, and its gradient."""
    strategy = SimpleNamespace(
        clock=SimpleNamespace(train_exp_counter=counter), model=model, loss=torch.ones(()), device="cpu"
    )
    plugin.before_backward(strategy)
    value = strategy.loss - 1.0
    return [("penalty", "", value.detach())] + gradients(value, model)


def experience(number):
    x, y = task(number)
    rows = [(a, b, 0) for a, b in zip(x, y.tolist())]
    return SimpleNamespace(dataset=rows)


def ewc():
    from avalanche.training.plugins import EWCPlugin

    plugin, first, rows = EWCPlugin(0.5, "separate"), network(), []
    models = [first, moved(first, 1), moved(first, 2)]
    for number in range(2):
        plugin.after_training_exp(SimpleNamespace(
            clock=SimpleNamespace(train_exp_counter=number), model=models[number], _criterion=F.cross_entropy,
            optimizer=torch.optim.SGD(models[number].parameters(), lr=0.1), experience=experience(number),
            device="cpu", train_mb_size=1,
        ))
        rows += weights(models[number], f"weights {number}")
        rows += [(f"importance {number}", n, i.data.clone()) for n, i in plugin.importances[number].items()]
    rows += weights(models[2], "weights 2")
    write("ewc.csv", "avalanche-lib 0.6.0, EWCPlugin", rows + penalised(plugin, models[2], 2))


def mas():
    from avalanche.training.plugins import MASPlugin

    plugin, first, rows = MASPlugin(0.7, 0.5), network(), []
    models = [first, moved(first, 1), moved(first, 2)]
    for number in range(2):
        plugin.after_training_exp(SimpleNamespace(
            clock=SimpleNamespace(train_exp_counter=number), model=models[number],
            optimizer=torch.optim.SGD(models[number].parameters(), lr=0.1), experience=experience(number),
            device="cpu", train_mb_size=1,
        ))
        rows += [(f"importance {number}", n, i.data.clone()) for n, i in plugin.importance.items()]
    write("mas.csv", "avalanche-lib 0.6.0, MASPlugin", rows + penalised(plugin, models[2], 2))


def lwf():
    from avalanche.training.regularization import LearningWithoutForgetting

    method, first = LearningWithoutForgetting(1.0, 2.0), network()
    model, (x, _) = moved(first, 1), task(1)
    method.prev_model = first
    method.prev_classes_by_task[0] = {0, 1}
    value = method(x, model(x), model)
    write("lwf.csv", "avalanche-lib 0.6.0, LearningWithoutForgetting", [("penalty", "", value.detach())] + gradients(value, model))


def online_ewc(folder):
    released = mammoth(folder, "models/ewc_on.py")
    args = SimpleNamespace(e_lambda=0.7, gamma=0.9, lr=0.1, batch_size=4)
    method, rows = released.EwcOn(network(), F.cross_entropy, args, None), []
    first = deepcopy(method.net)
    for number in range(2):
        method.net.load_state_dict(moved(first, number).state_dict() if number else first.state_dict())
        method.end_task(loader(number, 4))
        rows += split(method.net, f"importance {number}", method.fish)
    method.net.load_state_dict(moved(first, 2).state_dict())
    value = method.penalty()
    rows += [("penalty", "", value.detach())] + gradients(value, method.net)
    write("online_ewc.csv", f"aimagelab/mammoth {commit(folder)}, ewc_on", rows)


def si(folder):
    released = mammoth(folder, "models/si.py")
    args = SimpleNamespace(c=0.5, xi=0.1, lr=0.1)
    method, rows = released.SI(network(), F.cross_entropy, args, None), []
    for number in range(2):
        for _ in range(3):
            for x, y in loader(number, 4).train_loader:
                method.observe(x, y, x)
        method.end_task(None)
        rows += split(method.net, f"importance {number}", method.big_omega)
        rows += weights(method.net, f"weights {number}")
    write("si.csv", f"aimagelab/mammoth {commit(folder)}, si", rows)


def der_plus_plus(folder):
    """The memory holds one example, with logits of its own."""
    released = mammoth(folder, "models/derpp.py")
    args = SimpleNamespace(alpha=0.3, beta=0.5, lr=0.1, buffer_size=1, minibatch_size=1)
    model = network()
    x, y = task(0)
    Buffer.content = (x[:1], y[:1], moved(model, 1)(x[:1]).detach())
    method = released.Derpp(model, F.cross_entropy, args, None)
    rows = [("logits", "", Buffer.content[2])]
    x, y = task(1)
    loss = method.observe(x[:4], y[:4], x[:4])
    write("der_plus_plus.csv", f"aimagelab/mammoth {commit(folder)}, derpp", rows + [("loss", "", loss)] + weights(model, "weights"))


def a_gem(folder):
    """The memory holds an example of the batch with another label, so that the gradients are opposed."""
    released = mammoth(folder, "models/agem.py")
    args = SimpleNamespace(lr=0.1, buffer_size=1, minibatch_size=1)
    model, (x, y) = network(), task(1)
    Buffer.content = (x[:1], 1 - y[:1] % 2)
    method = released.AGem(model, F.cross_entropy, args, None)
    rows = [("label", "", Buffer.content[1])]
    method.observe(x[:4], y[:4], x[:4])
    write("a_gem.csv", f"aimagelab/mammoth {commit(folder)}, agem", rows + weights(model, "weights"))


def gpm(folder):
    """The bases of both layers after two tasks, as projectors, and the weights after one projected step."""
    for name in ("torchvision", "matplotlib", "matplotlib.pyplot", "seaborn", "pandas"):
        sys.modules[name] = MagicMock()
    released = load(folder, "main_pmnist.py")
    first, rows, bases = network(), [], []
    for number in range(2):
        model, (x, _) = (moved(first, 1) if number else first), task(number)
        with torch.no_grad():
            entering = [x.numpy().T, torch.relu(model.first(x)).numpy().T]
        bases = released.update_GPM(model, entering, np.array([0.9, 0.95]), bases)
        for name, basis in zip(("first.weight", "head.weight"), bases):
            rows.append((f"directions {number}", name, [basis.shape[1]]))
            rows.append((f"projector {number}", name, basis @ basis.T))
    model, (x, y) = moved(first, 2), task(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    args = SimpleNamespace(batch_size_train=len(x))
    projectors = [torch.tensor(basis @ basis.T) for basis in bases]
    # The released loop reshapes its input to 28 x 28: it gets one that stays as it is.
    released.train_projected(args, model, "cpu", Flat(x), y, optimizer, F.cross_entropy, projectors)
    write("gpm.csv", f"sahagobinda/GPM {commit(folder)}, main_pmnist.py", rows + weights(model, "weights"))


class Flat:
    """Rows that do not change their shape."""

    def __init__(self, rows):
        self.rows = rows

    def size(self, axis):
        return self.rows.size(axis)

    def __getitem__(self, places):
        return Flat(self.rows[places])

    def view(self, *_):
        return self

    def to(self, _):
        return self.rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mammoth", required=True)
    parser.add_argument("--gpm", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    x, y = data()
    model = network()
    rows = [("inputs", "", x), ("labels", "", y)]
    for number in range(3):
        rows += weights(moved(model, number) if number else model, f"weights {number}")
    write("network.csv", "this script", rows)
    ewc()
    mas()
    lwf()
    online_ewc(options.mammoth)
    si(options.mammoth)
    der_plus_plus(options.mammoth)
    a_gem(options.mammoth)
    gpm(options.gpm)


if __name__ == "__main__":
    main()
