"""The residual network with batch norm, its data and its files, on which released code is compared with this project.

`write` makes `network.csv`: one row for every parameter, running statistic, image and label. A row of these files is
`what,name,values`, with the values separated by blanks, in PyTorch's order (row-major).
"""

import csv
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import torch
from torch import nn

CLASSES = 3
SHAPE = (2, 4, 4)
EXAMPLES = 24
FORGOTTEN = 2


class Block(nn.Module):
    def __init__(self, layers, inputs, outputs, stride):
        super().__init__()
        self.conv1 = layers.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = layers.BatchNorm2d(outputs)
        self.conv2 = layers.Conv2d(outputs, outputs, 3, stride=1, padding=1, bias=False)
        self.norm2 = layers.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short = layers.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.short_norm = layers.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        if self.short is not None:
            x = self.short_norm(self.short(x))
        return torch.relu(x + y)


class Residual(nn.Module):
    """Two residual blocks, the second of half the size; `layers` is the module that layers come from."""

    def __init__(self, layers=nn):
        super().__init__()
        self.stem = layers.Conv2d(SHAPE[0], 4, 3, stride=1, padding=1, bias=False)
        self.norm = layers.BatchNorm2d(4)
        self.block1 = Block(layers, 4, 4, 1)
        self.block2 = Block(layers, 4, 6, 2)
        self.head = layers.Linear(6, CLASSES)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        return self.head(self.block2(self.block1(x)).mean(dim=(2, 3)))


def data():
    """Images whose mean tells their class, and labels 0 1 2 0 1 2 ..; the first is the same on every machine."""
    generator = torch.Generator().manual_seed(11)
    labels = torch.arange(EXAMPLES) % CLASSES
    centres = torch.randn(CLASSES, *SHAPE, generator=generator)
    return torch.randn(EXAMPLES, *SHAPE, generator=generator) + 0.7 * centres[labels], labels


def trained():
    """The network after a short training, so that its running statistics are those of its data."""
    torch.manual_seed(7)
    model, (images, labels) = Residual(), data()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(25):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model


def sets():
    """Images and labels of the class to forget, and of the others."""
    images, labels = data()
    gone = labels == FORGOTTEN
    return (images[gone], labels[gone]), (images[~gone], labels[~gone])


def batches(images, labels, size):
    return list(zip(images.split(size), labels.split(size)))


class Loader(list):
    """Batches in a fixed order, with the data set that some released loops look at."""

    def __init__(self, images, labels, size):
        super().__init__(batches(images, labels, size))
        self.dataset = list(zip(images, labels))


def state(model):
    return {k: v for k, v in model.state_dict().items() if not k.endswith(("num_batches_tracked", "_mask"))}


def copy_of(model, layers=nn):
    other = Residual(layers)
    other.load_state_dict({**other.state_dict(), **state(model)})
    return other


def write(path, source, rows):
    with open(path, "w", newline="") as file:
        file.write(f"# {source}; torch {torch.__version__}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["what", "name", "values"])
        for what, name, values in rows:
            values = torch.as_tensor(values).flatten().tolist()
            writer.writerow([what, name, " ".join(f"{v:.9g}" for v in values)])


def network_rows(model):
    images, labels = data()
    rows = [("state", name, values) for name, values in state(model).items()]
    return rows + [("images", "", images), ("labels", "", labels)]


def commit(folder):
    """The commit of a checkout, also of one whose git directory lies elsewhere: a file `COMMIT` may hold it."""
    named = Path(folder) / "COMMIT"
    if named.exists():
        return named.read_text().strip()
    out = subprocess.run(["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return out.stdout.strip()


def stub(*names, **attributes):
    """Stands in for modules that released files import and that the functions called here do not need."""
    for name in names:
        module = MagicMock() if not attributes else ModuleType(name)
        for key, value in attributes.items():
            setattr(module, key, value)
        sys.modules[name] = module


def load(folder, file, package=None):
    """A released file as a module of its own."""
    import importlib.util

    name = f"{package}.{Path(file).stem}" if package else Path(file).stem
    spec = importlib.util.spec_from_file_location(name, Path(folder) / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def on_cpu():
    """Released code moves tensors to a GPU by name: here they stay."""
    torch.Tensor.cuda = lambda self, *_, **__: self
    nn.Module.cuda = lambda self, *_, **__: self
    torch.cuda.synchronize = lambda *_, **__: None
    torch.set_num_threads(1)
