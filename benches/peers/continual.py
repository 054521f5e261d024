"""Steps of continual learning in PyTorch, by the released code of Avalanche and of Mammoth.

    python continual.py [MAMMOTH]      (a checkout of aimagelab/mammoth; Avalanche is avalanche-lib 0.6.0)

Answers lines of standard input, so that another program can take turns with it:
    case FOLDER                        (weights, images and labels, as `benches/continual_peer.rs` writes them)
    threads N
    result LIBRARY METHOD STEPS RATE   (a step on the first task, its end, steps on the second: the losses of both tasks then)
    start LIBRARY METHOD               (in the second task, with a memory that is full)
    run LIBRARY METHOD                 (milliseconds of a step, wall and CPU time)

The network is two 3 x 3 convolutions (32 and 64 channels, stride 2) and a linear head. Mammoth's methods are its own `observe`
with its own buffer; Avalanche's are its own training loop with its own loader, and `plain` is that loop without a method.
"""

import importlib.util
import logging
import sys
import time
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

logging.disable(logging.WARNING)
warnings.filterwarnings("ignore")

SIDE, BATCH, CLASSES, RATE, KEPT = 28, 64, 10, 0.03, 500
rate = RATE


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 32, 3, stride=2, padding=1)
        self.second = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.head = nn.Linear(64 * (SIDE // 4) ** 2, CLASSES)

    def forward(self, x):
        x = x.view(-1, 1, SIDE, SIDE)
        return self.head(torch.relu(self.second(torch.relu(self.first(x)))).flatten(1))

    # What Mammoth asks of a backbone.
    def get_params(self):
        return nn.utils.parameters_to_vector(self.parameters())

    def get_grads(self):
        return torch.cat([p.grad.view(-1) for p in self.parameters()])

    def set_grads(self, grads):
        start = 0
        for p in self.parameters():
            p.grad = grads[start : start + p.numel()].view_as(p).clone()
            start += p.numel()


class Case:
    """The weights and the batch of the other program."""

    def __init__(self, folder):
        self.weights = torch.from_numpy(np.fromfile(Path(folder) / "weights", "<f4"))
        images = torch.from_numpy(np.fromfile(Path(folder) / "images", "<f4"))
        labels = torch.from_numpy(np.fromfile(Path(folder) / "labels", "<i8"))
        # The batches of both tasks.
        self.batches = list(zip(images.view(2, BATCH, SIDE * SIDE), labels.view(2, BATCH)))

    def network(self):
        net = Cnn()
        nn.utils.vector_to_parameters(self.weights.clone(), net.parameters())
        return net

    def losses(self, net):
        with torch.no_grad():
            return [F.cross_entropy(net(x), y).item() for x, y in self.batches]


class Plain:
    def __init__(self, case):
        self.case, self.net, self.batch = case, case.network(), case.batches[0]
        self.opt = torch.optim.SGD(self.net.parameters(), lr=rate)

    def step(self):
        x, y = self.batch
        self.opt.zero_grad()
        F.cross_entropy(self.net(x), y).backward()
        self.opt.step()

    def end_task(self):
        self.batch = self.case.batches[1]

    def steps(self):
        self.step()
        return 1


# Mammoth


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


def load(folder, file, name):
    spec = importlib.util.spec_from_file_location(name, Path(folder) / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def stand_ins(folder):
    """The modules that the released files import; the buffer is Mammoth's own."""
    nothing = lambda *_, **__: None
    for name, attributes in {
        "models": {}, "models.utils": {}, "utils": {},
        "models.utils.continual_model": {"ContinualModel": ContinualModel},
        "utils.args": {"ArgumentParser": object, "add_rehearsal_args": nothing},
        "utils.conf": {"warn_once": nothing, "create_seeded_dataloader": nothing, "get_device": nothing},
        "utils.kornia_utils": {"KorniaAugNoGrad": type("KorniaAugNoGrad", (), {})},
        "quadprog": {},
    }.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = []
        for key, value in attributes.items():
            setattr(sys.modules[name], key, value)
    load(folder, "utils/augmentations.py", "utils.augmentations")
    load(folder, "utils/buffer.py", "utils.buffer").fill_buffer = None
    load(folder, "models/gem.py", "models.gem")


class Mammoth:
    FILES = {"Ewc": ("ewc_on", "EwcOn"), "Si": ("si", "SI"), "Lwf": ("lwf", "Lwf"), "Er": ("er", "Er"),
             "DerPlusPlus": ("derpp", "Derpp"), "AGem": ("agem", "AGem")}

    def __init__(self, case, method, kept):
        file, name = self.FILES[method]
        args = SimpleNamespace(
            lr=rate, batch_size=BATCH, buffer_size=kept, minibatch_size=BATCH, alpha=1.0 if method == "Lwf" else 0.1,
            beta=0.5, softmax_temp=2, e_lambda=50.0, gamma=1.0, c=0.1, xi=0.001, n_epochs=0,
        )
        self.case, self.method = case, method
        self.inner = sys.modules[f"models.{file}"].__dict__[name](case.network(), F.cross_entropy, args, None)
        self.inner.n_past_classes = self.inner.n_seen_classes = CLASSES
        self.net, self.extra, self.batch = self.inner.net, {}, case.batches[0]

    def step(self):
        x, y = self.batch
        self.inner.observe(x, y, x, **self.extra)

    def steps(self):
        self.step()
        return 1

    def end_task(self):
        (x, y), self.batch = self.case.batches
        if self.method == "Lwf":
            # As its `begin_task` does before a new task: the logits of the earlier network on its data, once.
            with torch.no_grad():
                self.extra = {"logits": self.net(self.batch[0])}
        elif hasattr(self.inner, "end_task"):
            dataset = SimpleNamespace(train_loader=[(x, y, x)], N_TASKS=1)
            self.inner.end_task(dataset)


# Avalanche


class Avalanche:
    STEPS = 4

    def __init__(self, case, method, kept, steps):
        from avalanche.benchmarks.utils.classification_dataset import (
            _make_taskaware_tensor_classification_dataset as dataset,
        )
        from avalanche.training import plugins
        from avalanche.training.supervised import DER, Naive

        self.case, self.net, self.count = case, case.network(), steps
        plugin = {
            "plain": lambda: [],
            "Ewc": lambda: [plugins.EWCPlugin(50.0)],
            "Si": lambda: [plugins.SynapticIntelligencePlugin(0.2, eps=0.001)],
            "Lwf": lambda: [plugins.LwFPlugin(1.0, 2.0)],
            "Er": lambda: [plugins.ReplayPlugin(mem_size=kept, batch_size=BATCH, batch_size_mem=BATCH)],
            "DerPlusPlus": lambda: [],
            "AGem": lambda: [plugins.AGEMPlugin(kept, BATCH)],
        }[method]()
        common = dict(
            model=self.net, optimizer=torch.optim.SGD(self.net.parameters(), lr=rate), criterion=nn.CrossEntropyLoss(),
            train_mb_size=BATCH, train_epochs=1, evaluator=None, plugins=plugin,
        )
        if method == "DerPlusPlus":
            self.strategy = DER(mem_size=kept, batch_size_mem=BATCH, alpha=0.1, beta=0.5, **common)
        else:
            self.strategy = Naive(**common)
        self.dataset = lambda batch, times: dataset(batch[0].repeat(times, 1), batch[1].repeat(times), task_labels=0)

    def tasks(self, first):
        """The first task, of so many batches, learned; and the second one begun."""
        from avalanche.benchmarks import benchmark_from_datasets, with_classes_timeline

        datasets = [self.dataset(self.case.batches[0], first), self.dataset(self.case.batches[1], self.count)]
        one, two = with_classes_timeline(benchmark_from_datasets(train=datasets)).train_stream
        self.strategy.train(one)
        self.strategy.experience = two
        self.strategy.is_training = True
        self.strategy.model.train()
        self.strategy._before_training_exp()

    def steps(self):
        self.strategy.training_epoch()
        return self.count


def result(case, library, method, steps, at):
    global rate
    np.random.seed(0)
    torch.manual_seed(0)
    rate = float(at)
    if library == "avalanche":
        method = Avalanche(case, method, BATCH, 1)
        method.tasks(1)
    else:
        method = Plain(case) if method == "plain" else Mammoth(case, method, BATCH)
        method.step()
        method.end_task()
    for _ in range(int(steps)):
        method.steps()
    rate = RATE
    return case.losses(method.net)


def start(case, library, method):
    if library == "avalanche":
        method = Avalanche(case, method, KEPT, Avalanche.STEPS)
        method.tasks(10)
        return method
    method = Plain(case) if method == "plain" else Mammoth(case, method, KEPT)
    for _ in range(10):
        method.step()
    method.end_task()
    return method


def main():
    if len(sys.argv) > 1:
        stand_ins(sys.argv[1])
        for file, _ in Mammoth.FILES.values():
            load(sys.argv[1], f"models/{file}.py", f"models.{file}")
    case, started = None, {}
    print("torch", torch.__version__, flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            case, answer = Case(words[0]), "ready"
        elif command == "threads":
            torch.set_num_threads(int(words[0]))
            answer = "ready"
        elif command == "result":
            answer = " ".join(f"{loss:.9g}" for loss in result(case, *words))
        elif command == "start":
            started[tuple(words)], answer = start(case, *words), "ready"
        else:
            before, cpu = time.perf_counter(), time.process_time()
            count = started[tuple(words)].steps()
            wall, cpu = time.perf_counter() - before, time.process_time() - cpu
            answer = f"{wall / count * 1e3} {cpu / count * 1e3}"
        print(answer, flush=True)


main()
