"""Makes the golden numbers in this folder by running the published implementations on one residual network.

    python make.py --ssd DIR --scrub DIR --salun DIR --fisher DIR

DIR are checkouts of if-loops/selective-synaptic-dampening, meghdadk/SCRUB, OPTML-Group/Unlearn-Saliency and
AdityaGolatkar/SelectiveForgetting. Needs torch and numpy; runs on the CPU. Their own functions compute every number but
those of `network.csv`; imports for data sets, plots and logs are replaced by empty ones, and `.cuda()` stays on the CPU.
"""

import argparse
import contextlib
import copy
import io
import json
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn import functional as F

import network as net

HERE = Path(__file__).parent


def named(what, values):
    return [(what, name, tensor) for name, tensor in values]


def ssd(folder):
    """Importances of all data and of the forget set, batches of 8, running statistics, and the dampened weights."""
    net.stub("torchvision", "matplotlib", "matplotlib.pyplot", "wandb", "tqdm", "seaborn", "scipy", "scipy.stats")
    released = net.load(folder, "src/ssd.py")
    model = net.trained().eval()
    parameters = dict(
        lower_bound=1, exponent=1, magnitude_diff=None, min_layer=-1, max_layer=-1, forget_threshold=1,
        dampening_constant=2.0, selection_weighting=1.5,
    )
    perturber = released.ParameterPerturber(model, torch.optim.SGD(model.parameters(), lr=0.1), "cpu", parameters)
    triples = lambda images, labels: [(x, y, y) for x, y in net.batches(images, labels, 8)]
    (forget, _), (images, labels) = net.sets(), net.data()
    gone = perturber.calc_importance(triples(*forget))
    whole = perturber.calc_importance(triples(images, labels))
    perturber.modify_weight(whole, gone)
    rows = named("all", whole.items()) + named("forget", gone.items()) + named("after", model.named_parameters())
    net.write(HERE / "ssd.csv", f"if-loops/selective-synaptic-dampening {net.commit(folder)}", rows)


def scrub(folder):
    """Three epochs, the first two with max steps; the mean loss of each pass and the student's weights."""
    helper = "thirdparty/repdistiller/helper"
    net.stub("helper.util", AverageMeter=Meter, accuracy=lambda *_, **__: ([0.0], [0.0]), param_dist=None)
    net.stub("helper", __path__=[])
    loops = net.load(folder, f"{helper}/loops.py", "helper")
    divergence = net.load(folder, "thirdparty/repdistiller/distiller_zoo/KD.py").DistillKL(4.0)
    teacher, student = net.trained(), net.trained()
    options = SimpleNamespace(distill="kd", gamma=0.9, alpha=0.5, beta=0, print_freq=1000)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    (forget, retain), criteria = net.sets(), [nn.CrossEntropyLoss(), divergence, divergence]
    forget, retain = net.batches(*forget, 4), net.batches(*retain, 8)
    rows = []
    for epoch in range(1, 4):
        run = lambda data, split: loops.train_distill(
            epoch, data, [student, teacher], None, criteria, optimizer, options, split
        )
        if epoch <= 2:
            rows.append(("max", epoch, run(forget, "maximize")))
        rows.append(("min", epoch, run(retain, "minimize")[1]))
    rows += named("after", student.named_parameters()) + named("running", running(student))
    net.write(HERE / "scrub.csv", f"meghdadk/SCRUB {net.commit(folder)}", rows)


def running(model):
    return [(k, v) for k, v in net.state(model).items() if "running" in k]


class Meter:
    """A running mean, as the released loops keep one."""

    def __init__(self, *_, **__):
        self.sum, self.count, self.avg, self.val = 0.0, 0, 0.0, 0.0

    def update(self, value, n=1):
        self.sum, self.count, self.val = self.sum + float(value) * n, self.count + n, float(value)
        self.avg = self.sum / self.count


def salun(folder):
    """The mask of half the weights, and three epochs of random labels under it, as for CIFAR-10: forget set first."""
    root = Path(folder) / "Classification"
    net.stub("arg_parser", "unlearn")
    net.stub("utils", AverageMeter=Meter, accuracy=lambda *_, **__: [torch.zeros(1)], warmup_lr=None)
    net.stub("methods", __path__=[])
    net.stub("methods.impl", iterative_unlearn=lambda f: f)
    mask_of = net.load(root, "generate_mask.py")
    learn = net.load(root, "unlearn/RL.py", "methods")
    model = net.trained()
    forget, retain = net.sets()
    loaders = OrderedDict(forget=net.Loader(*forget, 4), retain=net.Loader(*retain, 8))
    args = SimpleNamespace(unlearn_lr=0.05, momentum=0.9, weight_decay=5e-4, save_dir="", print_freq=1000)
    args.dataset, args.num_classes, args.warmup = "cifar10", net.CLASSES, 0
    masks, magnitudes, save, absolute = {}, [], torch.save, torch.abs_
    torch.save = lambda value, path: masks.update({path: value})
    torch.abs_ = lambda value: magnitudes.append(absolute(value).clone()) or magnitudes[-1]
    mask_of.save_gradient_ratio(loaders, model, nn.CrossEntropyLoss(), args)
    torch.save, torch.abs_ = save, absolute
    mask = masks["with_0.5.pt"]
    drawn, randint = [], torch.randint
    generator = torch.Generator().manual_seed(5)

    def draw(low, high, shape):
        labels = randint(low, high, tuple(shape), generator=generator)
        drawn.append(labels)
        return labels

    torch.randint = draw
    optimizer = torch.optim.SGD(model.parameters(), args.unlearn_lr, momentum=0.9, weight_decay=5e-4)
    for epoch in range(3):
        learn.RL(loaders, model, nn.CrossEntropyLoss(), optimizer, epoch, args, mask)
    torch.randint = randint
    rows = named("saliency", zip(mask, magnitudes))
    rows += named("mask", mask.items()) + [("drawn", i, labels) for i, labels in enumerate(drawn)]
    rows += named("after", model.named_parameters())
    net.write(HERE / "salun.csv", f"OPTML-Group/Unlearn-Saliency {net.commit(folder)}", rows)


def fisher(folder):
    """The Fisher diagonal of the retain set, and mean and variance of every weight, with and without a class."""
    notebook = json.loads((Path(folder) / "Forgetting.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    space = dict(torch=torch, nn=nn, F=F, copy=copy, tqdm=lambda x: x, args=SimpleNamespace(device="cpu"))
    space.update(num_classes=net.CLASSES, class_to_forget=net.FORGOTTEN, num_to_forget=None)
    for cell in cells:
        if cell.startswith(("def hessian", "def get_mean_var")):
            exec(compile(cell, "Forgetting.ipynb", "exec"), space)
    model, (_, retain) = net.trained(), net.sets()
    space["hessian"](torch.utils.data.TensorDataset(*retain), model)
    for p in model.parameters():
        p.data0 = p.data.clone()
    rows = named("fisher", ((name, p.grad2_acc) for name, p in model.named_parameters()))
    rows += named("variance", ((name, space["get_mean_var"](p, False, 1e-6)[1]) for name, p in model.named_parameters()
                               if not name.startswith("head")))
    for what, count in [("class", None), ("examples", 100)]:
        space["num_to_forget"] = count
        for name, p in model.head.named_parameters(prefix="head"):
            mean, variance = space["get_mean_var"](p, False, 1e-6)
            rows += [(f"{what} mean", name, mean), (f"{what} variance", name, variance)]
    net.write(HERE / "fisher.csv", f"AdityaGolatkar/SelectiveForgetting {net.commit(folder)}", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ["ssd", "scrub", "salun", "fisher"]:
        parser.add_argument(f"--{option}", required=True)
    arguments = parser.parse_args()
    net.on_cpu()
    with contextlib.redirect_stdout(io.StringIO()):
        net.write(HERE / "network.csv", "network.py of this folder", net.network_rows(net.trained()))
        ssd(arguments.ssd)
        scrub(arguments.scrub)
        salun(arguments.salun)
        fisher(arguments.fisher)
