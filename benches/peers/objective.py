"""A policy objective as people write it in PyTorch: all logits, log_softmax, gather, PPO's clip with DAPO's range, token mean.

Answers lines of standard input, so that another program can take turns with it:
    case SEQUENCES LENGTH WIDTH WORDS   (makes hidden states, output matrix, tokens, old log-probabilities)
    run THREADS                         (one forward and backward pass: milliseconds of wall and of CPU time)
    values                              (the loss, and the norms and some numbers of both gradients)
    peak                                (the rise of the process's memory over its start of the last pass, in MB)
"""

import sys
import time

import torch


def numbers(count, step):
    places = torch.arange(count, dtype=torch.int64)
    return ((places * step + 13) % 1009).float() / 504.5 - 1


def memory(name):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(name):
                return int(line.split()[1]) / 1e3
    return float("nan")


def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def loss_of(hidden, output, tokens, old, advantages):
    logits = hidden @ output
    log_probs = torch.log_softmax(logits, dim=-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    ratio = torch.exp(log_probs - old)
    plain = -advantages * ratio
    kept = -advantages * torch.clamp(ratio, 0.8, 1.28)
    return torch.maximum(plain, kept).mean()


def main():
    print("torch", torch.__version__, flush=True)
    parts = loss = None
    rise = float("nan")
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            rows, length, width, count = map(int, words)
            hidden = numbers(rows * length * width, 7919).reshape(rows, length, width).requires_grad_()
            output = (0.1 * numbers(width * count, 104729)).reshape(width, count).requires_grad_()
            tokens = (torch.arange(rows * length) * 37 % count).reshape(rows, length)
            old = (-10.5 + 0.3 * numbers(rows * length, 31)).reshape(rows, length)
            advantages = torch.tensor([1.0 if row % 2 == 0 else -0.5 for row in range(rows)]).unsqueeze(-1)
            parts = hidden, output, tokens, old, advantages
            print("ready", flush=True)
        elif command == "run":
            torch.set_num_threads(int(words[0]))
            hidden, output = parts[:2]
            hidden.grad = output.grad = None
            before = memory("VmRSS")
            reset_peak()
            start, cpu = time.perf_counter(), time.process_time()
            loss = loss_of(*parts)
            loss.backward()
            print((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3, flush=True)
            rise = memory("VmHWM") - before
        elif command == "values":
            found = [loss.item()]
            for part in parts[:2]:
                flat = part.grad.flatten()
                found += [flat.double().norm().item(), *flat[:: max(1, flat.numel() // 97)][:97].tolist()]
            print(*found, flush=True)
        elif command == "peak":
            print(rise, flush=True)


main()
