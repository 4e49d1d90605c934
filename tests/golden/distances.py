#!/usr/bin/env python3
"""Records what torch-fidelity and prdc say of two small sets of features.

    pip install torch-fidelity prdc torch numpy
    python3 tests/golden/distances.py

writes `crates/rebus-eval/tests/golden/{drawn,real}.npy` and `distances.json`. Recorded with torch-fidelity 0.4.0, prdc 0.2.
"""

import json
import pathlib

import numpy
import torch
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kernel_mmd
from torch_fidelity.metric_prc import prc_features_to_metric

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates/rebus-eval/tests/golden"
WIDTH = 12
SUBSETS, SUBSET = 8, 40


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(7)
    mix = random.normal(size=(WIDTH, WIDTH))
    real = (random.normal(size=(700, WIDTH)) @ mix).astype("float32")
    drawn = (random.normal(size=(600, WIDTH)) @ mix * 0.8 + random.normal(size=WIDTH) * 0.7).astype("float32")
    numpy.save(OUT / "real.npy", real)
    numpy.save(OUT / "drawn.npy", drawn.astype("float64"))  # the same numbers in the other type
    wide = [torch.from_numpy(features.astype("float64")) for features in (drawn, real)]
    statistics = [fid_features_to_statistics(features) for features in wide]
    frechet = fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]
    subsets = [
        [random.choice(len(features), SUBSET, replace=False).tolist() for features in (drawn, real)]
        for _ in range(SUBSETS)
    ]
    poly = dict(kid_kernel="poly", kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1)
    kernel = [kernel_mmd(wide[0].numpy()[a], wide[1].numpy()[b], **poly) for a, b in subsets]
    shares = prc_features_to_metric(*wide, prc_neighborhood=3, prc_batch_size=10000, save_cpu_ram=False, verbose=False)
    dense = compute_prdc(real_features=wide[1].numpy(), fake_features=wide[0].numpy(), nearest_k=5)
    record = {
        "frechet_distance": frechet,
        "kernel_distance_mean": float(numpy.mean(kernel)),
        "kernel_distance_std": float(numpy.std(kernel)),
        "precision": shares["precision"],
        "recall": shares["recall"],
        "density": float(dense["density"]),
        "coverage": float(dense["coverage"]),
        "precision_5": float(dense["precision"]),
        "recall_5": float(dense["recall"]),
        "subsets": subsets,
    }
    (OUT / "distances.json").write_text(json.dumps(record))
    print({key: value for key, value in record.items() if key != "subsets"})


if __name__ == "__main__":
    main()
