"""Item response theory by py-irt: the one-parameter model, variational, with the library's own training loop.

Answers lines of standard input, so that another program can take turns with it:
    case FOLDER           (lines `subject item right` of FOLDER/answers)
    fit EPOCHS THREADS    (milliseconds of wall and of CPU time; the difficulties are written to FOLDER/difficulties, one a line)
"""

import contextlib
import sys
import time
from importlib.metadata import version

import pyro
import torch
from py_irt.config import IrtConfig
from py_irt.dataset import Dataset
from py_irt.training import IrtModelTrainer


def dataset(answers):
    subjects, items, right = zip(*answers)
    names = [[str(place) for place in range(max(all) + 1)] for all in (subjects, items)]
    places = [{name: place for place, name in enumerate(all)} for all in names]
    return Dataset(
        item_ids=set(names[1]),
        subject_ids=set(names[0]),
        item_id_to_ix=places[1],
        ix_to_item_id=dict(enumerate(names[1])),
        subject_id_to_ix=places[0],
        ix_to_subject_id=dict(enumerate(names[0])),
        observation_subjects=list(subjects),
        observation_items=list(items),
        observations=list(right),
        training_example=[True] * len(right),
    )


def main():
    print("py-irt", version("py-irt"), "with torch", torch.__version__, flush=True)
    folder, answers = None, []
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            folder = words[0]
            with open(folder + "/answers") as file:
                answers = [tuple(int(word) for word in line.split()) for line in file]
            print(len(answers), flush=True)
        elif command == "fit":
            torch.set_num_threads(int(words[1]))
            pyro.set_rng_seed(0)
            data = dataset(answers)
            config = IrtConfig(model_type="1pl", priors="hierarchical", epochs=int(words[0]))
            trainer = IrtModelTrainer(data_path=None, config=config, dataset=data, verbose=False)
            wall, cpu = time.perf_counter(), time.process_time()
            # The library writes to standard output, where the answers go.
            with contextlib.redirect_stdout(sys.stderr):
                trainer.train(device="cpu")
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            with open(folder + "/difficulties", "w") as file:
                file.write("\n".join(str(value) for value in trainer.best_params["diff"]))
            print(wall * 1e3, cpu * 1e3, flush=True)


if __name__ == "__main__":
    main()
