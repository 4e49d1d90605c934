#!/usr/bin/env python3
"""Opens what Rebus converted with the tools that own the formats, and compares it with the source.

    pip install datasets webdataset pyarrow pillow
    python3 tests/golden/check_converted.py tests/fixtures/emoji200 CONVERTED

CONVERTED holds `set.parquet`, `shards/` and `folder/`, all made from the source folder, as
`cargo test -p rebus-data --test by_hand -- --ignored` leaves them.
"""

import json
import pathlib
import sys

import datasets
import pyarrow.parquet
import webdataset


def expected(source):
    for line in (source / "metadata.jsonl").read_text().splitlines():
        record = json.loads(line)
        name = record.pop("file_name")
        yield name, (source / name).read_bytes(), record


def check_pyarrow(records, path):
    file = pyarrow.parquet.ParquetFile(path)
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert all(size == 1000 for size in sizes[:-1]), sizes
    rows = file.read().to_pylist()
    assert len(rows) == len(records)
    for row, (name, picture, fields) in zip(rows, records):
        assert row.pop("image") == {"bytes": picture, "path": name}
        assert row == fields, (row, fields)


def check_datasets(records, loaded, pictures):
    assert isinstance(loaded.features["image"], datasets.Image), loaded.features
    assert len(loaded) == len(records)
    raw = loaded.cast_column("image", datasets.Image(decode=False))
    for row, decoded, (_, picture, fields) in zip(raw, loaded, records):
        image = row.pop("image")
        found = image["bytes"] or pathlib.Path(image["path"]).read_bytes()
        assert found == picture and row == fields, (row, fields)
        assert decoded["image"].size == pictures


def check_webdataset(records, shards):
    samples = list(webdataset.WebDataset([str(path) for path in shards], shardshuffle=False).decode())
    assert len(samples) == len(records)
    raw = list(webdataset.WebDataset([str(path) for path in shards], shardshuffle=False))
    for sample, bare, (_, picture, fields) in zip(samples, raw, records):
        assert bare["png"] == picture
        assert sample["json"] == fields and sample["txt"] == fields["text"]


def main():
    source, converted = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    records = list(expected(source))
    check_pyarrow(records, converted / "set.parquet")
    table = datasets.load_dataset("parquet", data_files=str(converted / "set.parquet"), split="train")
    check_datasets(records, table, (64, 64))
    folder = datasets.load_dataset("imagefolder", data_dir=str(converted / "folder"), split="train")
    order = {fields["text"] + fields["group"]: number for number, (_, _, fields) in enumerate(records)}
    assert len(order) == len(records)
    ranks = [order[text + group] for text, group in zip(folder["text"], folder["group"])]
    check_datasets(records, folder.select(sorted(range(len(ranks)), key=ranks.__getitem__)), (64, 64))
    check_webdataset(records, sorted((converted / "shards").glob("*.tar")))
    print(f"{len(records)} records agree in Parquet, imagefolder and WebDataset")


if __name__ == "__main__":
    main()
