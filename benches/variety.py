#!/usr/bin/env python3
"""How far drawings of one caption differ from seed to seed, beside how far its pictures do.

    pip install pyarrow pillow numpy
    rebus generate airplane automobile bird cat deer dog frog horse ship truck -n 16 --seed 1 --model MODEL -o DRAWN
    python3 benches/variety.py cifar10-train.parquet DRAWN

The number is the standard deviation over the pictures of a caption, at 16x16 and in -1..1, averaged over pixels and
captions. COLLECTION has `image` and `text` whose last word is the drawn prompt.
"""

import io
import pathlib
import sys

import numpy
import pyarrow.parquet
from PIL import Image


def values(source):
    return numpy.asarray(Image.open(source).convert("RGB").resize((16, 16), Image.BOX), float) / 127.5 - 1


def spread(pictures):
    return numpy.stack(pictures).std(0).mean()


def main():
    table = pyarrow.parquet.ParquetFile(sys.argv[1]).read_row_group(0, ["image", "text"])
    real = {}
    for image, text in zip(table["image"].to_pylist(), table["text"].to_pylist()):
        real.setdefault(text.split()[-1], []).append(values(io.BytesIO(image["bytes"])))
    print(f"pictures {numpy.mean([spread(pictures) for pictures in real.values()]):.3f}")
    for folder in sys.argv[2:]:
        drawn = [[values(path) for path in pathlib.Path(folder).glob(f"*-{name}-*.png")] for name in real]
        print(f"{folder} {numpy.mean([spread(pictures) for pictures in drawn]):.3f}")


if __name__ == "__main__":
    main()
