"""Acquisition functions of modAL or scikit-activeml, which need different versions of scikit-learn: `acquisition.py modal` or `acquisition.py skactiveml`.

Answers lines of standard input, so that another program can take turns with it:
    case SAMPLES CANDIDATES CLASSES FEATURES     (numbers by a rule of their place)
    values WHAT                                  (the first 97 scores)
    run WHAT                                     (milliseconds of wall and of CPU time)
"""

import sys
import time
import warnings
from importlib.metadata import version

import numpy as np

warnings.filterwarnings("ignore")


def numbers(count):
    places = np.arange(count, dtype=np.uint32)
    places *= np.uint32(2654435761)
    places = (places ^ (places >> np.uint32(15))) * np.uint32(2246822519)
    return (places ^ (places >> np.uint32(13))) / 2147483648 - 1


class Case:
    def __init__(self, samples, candidates, classes, features):
        shape = (samples, candidates, classes)
        logits = 3 * numbers(samples * candidates * classes).reshape(shape)
        exp = np.exp(logits)
        self.samples = exp / exp.sum(-1, keepdims=True)
        self.embeddings = numbers(candidates * features).reshape(candidates, features)


class Fixed:
    """A classifier that answers with its probabilities."""

    def __init__(self, probabilities):
        self.probabilities = probabilities

    def predict_proba(self, X):
        return self.probabilities


class Committee:
    """What modAL's measures ask of a committee, with its answers at hand."""

    def __init__(self, samples):
        self.samples = samples
        self.classes_ = np.arange(samples.shape[-1])

    def __len__(self):
        return len(self.samples)

    def __iter__(self):
        return iter(range(len(self.samples)))

    def vote(self, X):
        return self.samples.argmax(-1).T

    def vote_proba(self, X):
        return self.samples.transpose(1, 0, 2)

    def predict_proba(self, X):
        return self.samples.mean(0)


def modal(case):
    from modAL import disagreement, uncertainty

    one, committee = Fixed(case.samples[0]), Committee(case.samples)
    pool = np.zeros((case.samples.shape[1], 1))
    return {
        "least-confident": lambda: uncertainty.classifier_uncertainty(one, pool),
        "margin": lambda: 1 - uncertainty.classifier_margin(one, pool),
        "entropy": lambda: uncertainty.classifier_entropy(one, pool),
        "vote-entropy": lambda: disagreement.vote_entropy(committee, pool),
    }


def skactiveml(case):
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Answers(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.arange(case.samples.shape[-1])
            return self

        def predict_proba(self, X):
            return case.samples[0]

    classes = case.samples.shape[-1]
    candidates = len(case.embeddings)
    classifier = SklearnClassifier(Answers(), classes=np.arange(classes), missing_label=np.nan)
    unknown = np.full(candidates, np.nan)
    # Some label, which the classifier does not look at.
    classifier.fit(case.embeddings[:classes], np.arange(classes))
    known = unknown.copy()
    known[0] = 0
    one = case.samples[0]

    def badge():
        query = pool.Badge(missing_label=np.nan, random_state=0)
        return query.query(case.embeddings, unknown, classifier, fit_clf=False, batch_size=20)

    return {
        "least-confident": lambda: pool.uncertainty_scores(one, method="least_confident"),
        "margin": lambda: pool.uncertainty_scores(one, method="margin_sampling"),
        "entropy": lambda: pool.uncertainty_scores(one, method="entropy"),
        "vote-entropy": lambda: pool.vote_entropy(case.samples.argmax(-1).T, np.arange(classes)),
        # Mutual information, as its average divergence.
        "bald": lambda: pool.average_kl_divergence(case.samples.copy()),
        "core-set": lambda: pool.k_greedy_center(case.embeddings, known, batch_size=100, random_state=0)[0],
        "badge": badge,
    }


def main():
    library = sys.argv[1]
    package = {"modal": "modAL-python", "skactiveml": "scikit-activeml"}[library]
    print(package, version(package), "with scikit-learn", version("scikit-learn"), flush=True)
    methods = {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            case = Case(*map(int, words))
            methods = {"modal": modal, "skactiveml": skactiveml}[library](case)
            print("ready", flush=True)
        elif command == "values":
            print(*np.asarray(methods[words[0]](), dtype=float)[:97].tolist(), flush=True)
        elif command == "run":
            start, cpu = time.perf_counter(), time.process_time()
            methods[words[0]]()
            print((time.perf_counter() - start) * 1e3, (time.process_time() - cpu) * 1e3, flush=True)


main()
