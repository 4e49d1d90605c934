#!/usr/bin/env python3
"""Writes the small collections that the Python tools make, for the tests of the readers.

    pip install datasets webdataset pyarrow pillow
    python3 tests/golden/make_data_fixtures.py crates/rebus-data/tests/fixtures

Recorded with datasets 5.2.0, pyarrow 26.0.1, webdataset 1.0.2, pillow 13.0.0.
"""

import datetime
import decimal
import io
import pathlib
import sys

import datasets
import pyarrow
import pyarrow.parquet
import webdataset
from PIL import Image

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255)}


def png(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def rows():
    for number, (name, colour) in enumerate(COLOURS.items()):
        yield {
            "image": {"bytes": png(colour), "path": f"{name}.png"},
            "text": None if name == "blue" else f"a {name} field",
            "keywords": [name, "field"] if name != "green" else [],
            "label": number,
            "score": number / 4,
            "good": name == "red",
        }


def write_datasets(out):
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "text": datasets.Value("string"),
            "keywords": datasets.List(datasets.Value("string")),
            "label": datasets.ClassLabel(names=list(COLOURS)),
            "score": datasets.Value("float32"),
            "good": datasets.Value("bool"),
        }
    )
    datasets.Dataset.from_list(list(rows()), features=features).to_parquet(out / "datasets.parquet")


def write_pyarrow(out):
    """Types that other writers use: plain binary, large strings, dictionaries, small integers; two row groups."""
    table = pyarrow.table(
        {
            "img": pyarrow.array([png(colour) for colour in COLOURS.values()], pyarrow.binary()),
            "text": pyarrow.array(list(COLOURS), pyarrow.large_string()),
            "group": pyarrow.array(["warm", "cold", "cold"]).dictionary_encode(),
            "keywords": pyarrow.array([["a"], None, ["b", "c"]], pyarrow.large_list(pyarrow.string())),
            "label": pyarrow.array([1, None, 3], pyarrow.uint8()),
            "score": pyarrow.array([0.5, None, 2.0], pyarrow.float64()),
        }
    )
    pyarrow.parquet.write_table(table, out / "pyarrow.parquet", row_group_size=2, compression="snappy")


def write_nested(out):
    """All that is no text, number or picture: boxes, structs, times, decimal numbers, sounds, lists of files, JSON."""
    boxes = pyarrow.list_(pyarrow.struct([("at", pyarrow.list_(pyarrow.float64())), ("label", pyarrow.int64())]))
    file = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    moments = [datetime.datetime(2024, 2, 29, 12, 30, 15, 250000), None, datetime.datetime(1999, 12, 31)]
    price = [decimal.Decimal("12.50"), None, decimal.Decimal("-0.05")]
    table = pyarrow.table(
        {
            "image": pyarrow.array([{"bytes": png(colour), "path": None} for colour in COLOURS.values()], file),
            "boxes": pyarrow.array([[{"at": [0, 0.5], "label": 1}, {"at": [], "label": None}], [], None], boxes),
            "embedding": pyarrow.array([[1, 2.5], None, [0.1, -3]], pyarrow.list_(pyarrow.float32())),
            "taken": pyarrow.array(moments, pyarrow.timestamp("us")),
            "zoned": pyarrow.array(moments, pyarrow.timestamp("us", "UTC")),
            "votes": pyarrow.array([[(1, 0.5)], [], None], pyarrow.map_(pyarrow.int64(), pyarrow.float64())),
            "day": pyarrow.array([datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)]),
            "price": pyarrow.array(price, pyarrow.decimal128(10, 2)),
            "good": pyarrow.array([True, None, False]),
            "nothing": pyarrow.nulls(3),
            "sound": pyarrow.array([{"bytes": b"RIFF-0", "path": "0.wav"}, None, {"bytes": b"RIFF-2", "path": "2.wav"}], file),
            "weights": pyarrow.array([b"\x00\x01", b"\x02", None], pyarrow.binary()),
            "pages": pyarrow.array([[{"bytes": b"x", "path": "x.png"}], [], None], pyarrow.list_(file)),
            "said": pyarrow.array(['{"a": [1, "b"]}', None, "true"], pyarrow.json_(pyarrow.string())),
        }
    )
    pyarrow.parquet.write_table(table, out / "nested.parquet")


def write_webdataset(out):
    with webdataset.TarWriter(str(out / "webdataset-000000.tar"), mtime=0.0) as writer:
        for row in rows():
            name = row["image"]["path"].removesuffix(".png")
            sample = {
                "__key__": name,
                "png": row["image"]["bytes"],
                "json": {"keywords": row["keywords"], "score": row["score"]},
                "cls": row["label"],
            }
            if row["text"]:
                sample["txt"] = row["text"]
            writer.write(sample)


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    write_datasets(out)
    write_pyarrow(out)
    write_nested(out)
    write_webdataset(out)


if __name__ == "__main__":
    main()
