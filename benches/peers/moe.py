"""A mixture of experts as people write it in PyTorch: a loop over experts with gather and index_add_.

Answers lines of standard input with milliseconds of wall and of CPU time, so that another program can take turns with it:
    case TOKENS D_MODEL HIDDEN EXPERTS TOP_K ACTIVATION   (gelu or swiglu; builds the layer)
    run forward|both THREADS                             (one pass)
    matmul SIDE THREADS                                  (one square product)
"""

import sys
import time

import torch
import torch.nn.functional as F


class Moe(torch.nn.Module):
    def __init__(self, d_model, hidden, experts, top_k, gated):
        super().__init__()
        self.top_k, self.gated = top_k, gated
        wide = 2 * hidden if gated else hidden
        self.router = torch.nn.Linear(d_model, experts, bias=False)
        self.up = torch.nn.ModuleList(torch.nn.Linear(d_model, wide, bias=False) for _ in range(experts))
        self.down = torch.nn.ModuleList(torch.nn.Linear(hidden, d_model, bias=False) for _ in range(experts))

    def forward(self, x):
        probabilities = F.softmax(self.router(x), dim=-1)
        gates, choices = torch.topk(probabilities, self.top_k, dim=-1)
        gates = gates / gates.sum(dim=-1, keepdim=True)
        out = torch.zeros_like(x)
        for expert, (up, down) in enumerate(zip(self.up, self.down)):
            token, slot = torch.where(choices == expert)
            if token.numel() == 0:
                continue
            hidden = up(x[token])
            if self.gated:
                gate, value = hidden.chunk(2, dim=-1)
                hidden = F.silu(gate) * value
            else:
                hidden = F.gelu(hidden)
            out.index_add_(0, token, down(hidden) * gates[token, slot, None])
        return out


def milliseconds(work):
    """Wall and CPU time."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return f"{(time.perf_counter() - start) * 1e3} {(time.process_time() - cpu) * 1e3}"


def both(layer, x):
    layer.zero_grad(set_to_none=True)
    x.grad = None
    layer(x).sum().backward()


def forward(layer, x):
    with torch.no_grad():
        layer(x)


def main():
    layer = x = None
    print("torch", torch.__version__, flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            tokens, d_model, hidden, experts, top_k = map(int, words[:5])
            torch.manual_seed(0)
            layer = Moe(d_model, hidden, experts, top_k, words[5] == "swiglu")
            x = torch.randn(tokens, d_model, requires_grad=True)
            print("ready", flush=True)
            continue
        torch.set_num_threads(int(words[1]))
        if command == "matmul":
            a, b = torch.randn(2, int(words[0]), int(words[0]))
            print(milliseconds(lambda: a @ b), flush=True)
        else:
            work = both if words[0] == "both" else forward
            print(milliseconds(lambda: work(layer, x)), flush=True)


main()
