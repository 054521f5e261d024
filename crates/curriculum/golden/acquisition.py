"""Makes `acquisition_modal.csv` and `acquisition_skactiveml.csv` with modAL's and scikit-activeml's own functions.

They need different versions of scikit-learn, so each has an environment of its own:

    pip install modAL-python==0.4.2.1 scikit-learn==1.5.2     # python acquisition.py modal
    pip install scikit-activeml==1.0.1                        # python acquisition.py skactiveml

The numbers in the repository were made with the versions in the first line of each file. Each row: what it is, its name, its numbers (row-major).
"""

import csv
import importlib.metadata
import sys
from pathlib import Path

import numpy as np

SAMPLES, CANDIDATES, CLASSES, FEATURES, LABELLED = 4, 40, 5, 3, 5


def inputs():
    """The same in both environments."""
    number = 12345

    def draw():
        nonlocal number
        number = (1103515245 * number + 12345) % 2**31
        return number / 2**31

    logits = np.array([4 * draw() - 2 for _ in range(SAMPLES * CANDIDATES * CLASSES)])
    logits = logits.reshape(SAMPLES, CANDIDATES, CLASSES)
    # Samples agree in part.
    logits = 0.6 * logits + logits[:1]
    samples = np.exp(logits)
    samples /= samples.sum(-1, keepdims=True)
    embeddings = np.array([2 * draw() - 1 for _ in range(CANDIDATES * FEATURES)]).reshape(CANDIDATES, FEATURES)
    # Two groups of candidates.
    embeddings[:15] += 3
    labelled = np.array([2 * draw() - 1 for _ in range(LABELLED * FEATURES)]).reshape(LABELLED, FEATURES)
    return samples, embeddings, labelled


class Rows:
    def __init__(self, *packages):
        self.packages, self.rows = packages, []

    def note(self, what, name, values):
        values = np.asarray(values, dtype=np.float64).flatten().tolist()
        self.rows.append((what, name, " ".join(repr(v) for v in values)))

    def write(self, name):
        versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in self.packages)
        with open(Path(__file__).parent / name, "w", newline="") as file:
            file.write(f"# {versions}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("what", "name", "values"))
            writer.writerows(self.rows)


def modal(samples, embeddings, labelled):
    from modAL import disagreement, uncertainty

    class Fixed:
        """A classifier that answers with its probabilities."""

        def __init__(self, probabilities):
            self.probabilities = probabilities

        def predict_proba(self, X):
            return self.probabilities

    class Committee:
        """modAL's committee, as far as its measures ask it."""

        classes_ = np.arange(CLASSES)

        def __len__(self):
            return SAMPLES

        def __iter__(self):
            return iter(range(SAMPLES))

        def vote(self, X):
            return samples.argmax(-1).T

        def vote_proba(self, X):
            return samples.transpose(1, 0, 2)

        def predict_proba(self, X):
            return samples.mean(0)

    rows, pool = Rows("modAL-python", "scikit-learn"), np.zeros((CANDIDATES, 1))
    rows.note("input", "samples", samples)
    first = Fixed(samples[0])
    rows.note("one", "uncertainty", uncertainty.classifier_uncertainty(first, pool))
    rows.note("one", "margin", uncertainty.classifier_margin(first, pool))
    rows.note("one", "entropy", uncertainty.classifier_entropy(first, pool))
    for name, query in [
        ("uncertainty", uncertainty.uncertainty_sampling),
        ("margin", uncertainty.margin_sampling),
        ("entropy", uncertainty.entropy_sampling),
    ]:
        chosen = query(first, pool, n_instances=7)
        chosen = chosen[0] if isinstance(chosen, tuple) else chosen
        rows.note("chosen", name, np.sort(chosen))
    rows.note("committee", "vote_entropy", disagreement.vote_entropy(Committee(), pool))
    rows.note("committee", "consensus_entropy", disagreement.consensus_entropy(Committee(), pool))
    rows.note("committee", "max_disagreement", disagreement.KL_max_disagreement(Committee(), pool))
    rows.write("acquisition_modal.csv")


def skactiveml(samples, embeddings, labelled):
    from skactiveml import pool
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool._typi_clust import _typicality
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.metrics import cohen_kappa_score

    rows = Rows("scikit-activeml", "scikit-learn")
    rows.note("input", "samples", samples)
    rows.note("input", "embeddings", embeddings)
    rows.note("input", "labelled", labelled)
    for method in ("least_confident", "margin_sampling", "entropy"):
        rows.note("one", method, pool.uncertainty_scores(samples[0], method=method))
    votes = samples.argmax(-1).T
    rows.note("committee", "vote_entropy", pool.vote_entropy(votes, np.arange(CLASSES)))
    rows.note("committee", "variation_ratios", pool.variation_ratios(votes))
    rows.note("committee", "average_kl_divergence", pool.average_kl_divergence(samples.copy()))

    # All outcomes fit; a place that was chosen is NaN, the first score of each is kept.
    scores = pool.batch_bald(samples.copy(), 4, n_MC_samples=200, random_state=0)
    chosen = [int(np.nanargmax(row)) for row in scores]
    rows.note("batch_bald", "chosen", chosen)
    rows.note("batch_bald", "first", scores[0])
    rows.note("batch_bald", "best", [row[place] for row, place in zip(scores, chosen)])

    both = np.concatenate([embeddings, labelled])
    known = np.concatenate([np.full(CANDIDATES, np.nan), np.zeros(LABELLED)])
    chosen, distances = pool.k_greedy_center(both, known, batch_size=8, random_state=0)
    rows.note("core_set", "chosen", chosen)
    rows.note("core_set", "distances", distances[0][:CANDIDATES])

    class Fixed(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.arange(CLASSES)
            return self

        def predict_proba(self, X):
            return samples[0][: len(X)]

    classifier = SklearnClassifier(Fixed(), classes=np.arange(CLASSES), missing_label=np.nan)
    classifier.fit(embeddings, np.arange(CANDIDATES) % CLASSES)
    query = pool.Badge(missing_label=np.nan, random_state=0)
    unknown = np.full(CANDIDATES, np.nan)
    chosen, shares = query.query(embeddings, unknown, classifier, fit_clf=False, batch_size=5, return_utilities=True)
    rows.note("badge", "chosen", chosen)
    for step, row in enumerate(shares):
        # What was chosen before has no share.
        rows.note("badge", f"shares {step}", np.nan_to_num(row))

    every = np.arange(CANDIDATES)
    rows.note("typicality", "20", _typicality(embeddings, every, 20))
    rows.note("typicality", "200", _typicality(embeddings, every, 200))
    rows.note("kappa", "samples 0 and 1", [cohen_kappa_score(samples[0].argmax(-1), samples[1].argmax(-1))])
    rows.write("acquisition_skactiveml.csv")


if __name__ == "__main__":
    {"modal": modal, "skactiveml": skactiveml}[sys.argv[1]](*inputs())
