"""BM25 by bm25s with its fastest backend.

Answers lines of standard input, so that another program can take turns with it:
    case FOLDER BEST    (indexes the lines of FOLDER/documents; queries are those of FOLDER/queries)
    scores QUERY        (the best scores of a query)
    run THREADS         (all queries: milliseconds of wall and of CPU time)
"""

import sys
import time

import bm25s


def lines(path):
    with open(path) as file:
        return [line.split() for line in file]


def main():
    print("bm25s", bm25s.__version__, flush=True)
    index = queries = scores = None
    best = 0
    for line in sys.stdin:
        command, *words = line.split()
        if command == "case":
            best = int(words[1])
            start = time.perf_counter()
            documents = lines(words[0] + "/documents")
            index = bm25s.BM25(method="lucene", k1=1.5, b=0.75, backend="numba")
            index.index(documents, show_progress=False)
            queries = lines(words[0] + "/queries")
            print(f"index: {time.perf_counter() - start:.2f} s", flush=True)
            _, scores = index.retrieve(queries, k=best, show_progress=False, n_threads=1)
        elif command == "scores":
            print(*(float(score) for score in scores[int(words[0])]), flush=True)
        elif command == "run":
            wall, cpu = time.perf_counter(), time.process_time()
            index.retrieve(queries, k=best, show_progress=False, n_threads=int(words[0]))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(wall * 1e3, cpu * 1e3, flush=True)


if __name__ == "__main__":
    main()
