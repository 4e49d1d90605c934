#!/usr/bin/env python3
"""Records what scikit-image says of pairs of pictures, and multi-scale similarity put together from it.

    pip install scikit-image numpy pillow
    python3 tests/golden/similarity.py

writes `crates/rebus-eval/tests/golden/similarity/*.png` and `similarity.json`. Recorded with scikit-image 0.26.0.
"""

import json
import pathlib

import numpy
from PIL import Image, ImageFilter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

OUT = pathlib.Path(__file__).resolve().parents[2] / "crates/rebus-eval/tests/golden"
WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
WANG = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)


def contrast(a, b):
    """The part of structural similarity without brightness: as scikit-image's, with its means taken as equal."""
    from scipy.ndimage import gaussian_filter

    blur = lambda x: gaussian_filter(x, 1.5, truncate=3.5)
    mean_a, mean_b = blur(a), blur(b)
    both, of_a, of_b = blur(a * b) - mean_a * mean_b, blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    flat = (0.03 * 255) ** 2
    return ((2 * both + flat) / (of_a + of_b + flat))[5:-5, 5:-5].mean()


def multi_scale(a, b):
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        last = scale == len(WEIGHTS) - 1
        value = structural_similarity(a, b, **WANG) if last else contrast(a, b)
        result *= max(value, 0) ** weight
        half = lambda x: x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2].reshape(
            x.shape[0] // 2, 2, x.shape[1] // 2, 2
        ).mean((1, 3))
        a, b = half(a), half(b)
    return result


def main():
    (OUT / "similarity").mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(3)
    record = {}
    for name, (width, height) in {"small": (13, 17), "large": (181, 179)}.items():
        rows, columns = numpy.mgrid[0:height, 0:width]
        waves = [numpy.sin(rows / 9 + channel) + numpy.cos(columns / (7 + channel)) for channel in range(3)]
        reference = Image.fromarray((numpy.stack(waves, -1) * 60 + 128).astype("uint8"))
        noisy = numpy.asarray(reference.filter(ImageFilter.GaussianBlur(1.5)), float) + random.normal(size=(height, width, 3)) * 9
        picture = Image.fromarray(noisy.clip(0, 255).astype("uint8"))
        reference.save(OUT / f"similarity/{name}-reference.png")
        picture.save(OUT / f"similarity/{name}.png")
        a, b = (numpy.asarray(image, float) for image in (picture, reference))
        large = name == "large"  # a side of the other is too short for five scales
        scales = [multi_scale(a[..., channel], b[..., channel]) for channel in range(3)] if large else []
        record[name] = {
            "psnr": peak_signal_noise_ratio(b, a, data_range=255),
            "ssim": structural_similarity(a, b, channel_axis=2, **WANG),
            "ms_ssim": float(numpy.mean(scales)) if large else None,
        }
    (OUT / "similarity.json").write_text(json.dumps(record))
    print(record)


if __name__ == "__main__":
    main()
