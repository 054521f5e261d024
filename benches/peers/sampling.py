"""The test bed's transformer in PyTorch, sampling with a cache of keys and values that is allocated once.

Answers lines of standard input, so that another program can take turns with it:
    case PROMPTS SAMPLES LENGTH TOKENS WIDTH HIDDEN LAYERS  (makes the weights and the prompts)
    run THREADS                         (samples TOKENS tokens of every row: milliseconds of wall and of CPU time)
    values                              (some logits after the prompts)
"""

import sys
import time

import torch
import torch.nn.functional as F

WORDS, HEADS, COLUMNS, LINES, NEWLINE = 128, 4, 32, 16, 106


def numbers(count, step):
    places = torch.arange(count, dtype=torch.int64)
    return ((places * step + 13) % 1009).float() / 504.5 - 1


def norm(x, gamma):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * gamma


class Model:
    """Weights by a rule of their place, in the order in which the other program goes through its module."""

    def __init__(self, width, hidden, layers):
        self.drawn = 0
        self.width = width
        self.tables = [self.draw(WORDS, width), self.draw(COLUMNS, width), self.draw(LINES, width)]
        self.blocks = []
        for _ in range(layers):
            first = self.draw(width)
            entry, out = self.draw(width, 3 * width), self.draw(width, width)
            second = self.draw(width)
            self.blocks.append((first, entry, out, second, self.draw(width, hidden), self.draw(hidden, width)))
        self.norm = self.draw(width)
        self.head = self.draw(width, WORDS)

    def draw(self, *shape):
        self.drawn += 1
        count = 1
        for size in shape:
            count *= size
        return (0.2 * numbers(count, 7919 + 2 * self.drawn)).reshape(shape)

    def forward(self, tokens, column, line, keys, values, start):
        rows, length = tokens.shape
        x = F.embedding(tokens, self.tables[0])
        x = x + F.embedding(column.clamp(max=COLUMNS - 1), self.tables[1])
        x = x + F.embedding(line.clamp(max=LINES - 1), self.tables[2])
        for layer, (first, entry, out, second, up, down) in enumerate(self.blocks):
            parts = (norm(x, first) @ entry).view(rows, length, 3, HEADS, self.width // HEADS).permute(2, 0, 3, 1, 4)
            keys[layer][:, :, start : start + length] = parts[1]
            values[layer][:, :, start : start + length] = parts[2]
            found = F.scaled_dot_product_attention(
                parts[0],
                keys[layer][:, :, : start + length],
                values[layer][:, :, : start + length],
                is_causal=length > 1,
            )
            x = x + found.transpose(1, 2).reshape(rows, length, self.width) @ out
            x = x + torch.relu(norm(x, second) @ up) @ down
        return norm(x[:, -1], self.norm) @ self.head


def after(token, column, line):
    newline = token == NEWLINE
    return torch.where(newline, 0, column + 1), line + newline.long()


class Case:
    def __init__(self, prompts, samples, length, tokens, width, hidden, layers):
        self.model = Model(width, hidden, layers)
        self.samples, self.tokens = samples, tokens
        # No newline among them: columns count up.
        self.prompts = torch.arange(prompts * length).reshape(prompts, length) * 37 % 100

    def room(self, rows):
        places = self.prompts.shape[1] + self.tokens
        shape = [rows, HEADS, places, self.model.width // HEADS]
        return [torch.zeros(shape) for _ in self.model.blocks]

    @torch.inference_mode()
    def start(self):
        rows, length = self.prompts.shape
        keys, values = self.room(rows), self.room(rows)
        column = torch.arange(length).expand(rows, length)
        logits = self.model.forward(self.prompts, column, torch.zeros_like(column), keys, values, 0)
        return logits, keys, values

    @torch.inference_mode()
    def run(self):
        logits, keys, values = self.start()
        repeated = torch.arange(logits.shape[0]).repeat_interleave(self.samples)
        logits = logits[repeated]
        keys, values = [k[repeated] for k in keys], [v[repeated] for v in values]
        length = self.prompts.shape[1]
        column = torch.full((len(repeated), 1), length)
        line = torch.zeros_like(column)
        found = []
        for step in range(self.tokens):
            log_probs = torch.log_softmax(logits, dim=-1)
            token = torch.multinomial(log_probs.exp(), 1)
            log_prob = log_probs.gather(1, token)
            # An end token decides, so that tokens and their log-probabilities are read at each step.
            found.append((token.tolist(), log_prob.tolist()))
            if step + 1 < self.tokens:
                logits = self.model.forward(token, column, line, keys, values, length + step)
                column, line = after(token, column, line)
        return found


def main():
    print("torch", torch.__version__, flush=True)
    case = None
    for text in sys.stdin:
        command, *words = text.split()
        if command == "case":
            case = Case(*map(int, words))
            print("ready", flush=True)
        elif command == "run":
            torch.set_num_threads(int(words[0]))
            start, cpu = time.perf_counter(), time.process_time()
            case.run()
            print((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3, flush=True)
        elif command == "values":
            print(*case.start()[0].flatten()[::7][:97].tolist(), flush=True)


main()
