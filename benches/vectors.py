#!/usr/bin/env python3
"""The index of nearest vectors beside the Python packages usearch and faiss-cpu: the same vectors, neighbours and threads.

    pip install numpy usearch faiss-cpu
    python3 benches/vectors.py 100000 1000000 [--threads 2] [--width 512]

Vectors lie in clusters: a thousand centres, each vector a centre with noise of the same length, all of length 1; queries are drawn
in the same way. Each index is made with 16 neighbours and 128 candidates, and asked with as few candidates as find 95 % of the true
ten nearest. One process an index, so that memory is its own.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

K, QUERIES, RECALL = 10, 2000, 0.95
EXPANSIONS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]
ROOT = pathlib.Path(__file__).resolve().parents[1]


def clustered(count, width, seed, centres):
    """Rows of length 1."""
    random = np.random.default_rng(seed)
    rows = centres[random.integers(len(centres), size=count)]
    rows = rows + random.standard_normal((count, width), dtype=np.float32) / np.float32(width**0.5)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def true_neighbours(base, queries):
    found = []
    for part in np.array_split(queries, 20):
        products = part @ base.T
        nearest = np.argpartition(-products, K, axis=1)[:, :K]
        found.append(nearest)
    return np.concatenate(found).astype(np.int32)


def least(search, truth):
    """Asks with more and more candidates until enough is found."""
    for expansion in EXPANSIONS:
        start = time.perf_counter()
        found = search(expansion)
        seconds = time.perf_counter() - start
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), truth.tolist())])
        if recall >= RECALL:
            break
    return dict(expansion=expansion, recall=round(float(recall), 4), queries_per_s=round(len(truth) / seconds))


def resident():
    """Bytes of memory that this process holds."""
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def python_side(package, place, width, threads):
    """One package, in a process of its own."""
    package, _, dtype = package.partition(" ")
    place = pathlib.Path(place)
    base = np.fromfile(place / "base", np.float32).reshape(-1, width)
    queries = np.fromfile(place / "queries", np.float32).reshape(-1, width)
    truth = np.fromfile(place / "truth", np.int32).reshape(-1, K)
    before = resident()
    if package == "usearch":
        from usearch.index import Index

        index = Index(ndim=width, metric="cos", dtype=dtype, connectivity=16, expansion_add=128)
        start = time.perf_counter()
        index.add(np.arange(len(base)), base, threads=threads)
        build = time.perf_counter() - start

        def search(expansion):
            index.expansion_search = expansion
            return index.search(queries, K, threads=threads).keys.astype(np.int64)

        memory = index.memory_usage / 1e6
    else:
        import faiss

        faiss.omp_set_num_threads(threads)
        index = faiss.IndexHNSWFlat(width, 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 128
        start = time.perf_counter()
        index.add(base)
        build = time.perf_counter() - start

        def search(expansion):
            index.hnsw.efSearch = expansion
            return index.search(queries, K)[1]

        memory = (resident() - before) / 1e6
    print(json.dumps(dict(build_s=round(build, 2), memory_mb=round(memory)) | least(search, truth)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="+", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--only", nargs="+", metavar="INDEX", help='such as "rebus int8" "faiss f32"')
    options = parser.parse_args()
    width, threads = str(options.width), str(options.threads)
    build = ["cargo", "build", "--release", "--example", "vectors", "-p", "rebus-store", "--message-format=json"]
    lines = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    made = [json.loads(line) for line in lines]
    program = next(one["executable"] for one in made if one.get("executable") and one["target"]["name"] == "vectors")
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            centres = np.random.default_rng(0).standard_normal((1000, options.width), dtype=np.float32)
            centres /= np.linalg.norm(centres, axis=1, keepdims=True)
            base = clustered(count, options.width, 1, centres)
            queries = clustered(QUERIES, options.width, 2, centres)
            base.tofile(place / "base")
            queries.tofile(place / "queries")
            true_neighbours(base, queries).tofile(place / "truth")
            del base
            files = [str(place / name) for name in ("base", "queries", "truth")]
            for name, command in [
                ("rebus f16", [program, *files, width, threads, "f16"]),
                ("rebus int8", [program, *files, width, threads, "int8"]),
                ("usearch f16", [sys.executable, __file__, "--side", "usearch f16", folder, width, threads]),
                ("usearch int8", [sys.executable, __file__, "--side", "usearch i8", folder, width, threads]),
                ("faiss f32", [sys.executable, __file__, "--side", "faiss", folder, width, threads]),
            ]:
                if options.only and name not in options.only:
                    continue
                said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                print(f"{count:>8}  {name:12}", json.loads(said), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        package, place, width, threads = sys.argv[2:]
        python_side(package, place, int(width), int(threads))
    else:
        main()
