#!/usr/bin/env python3
"""Draws the repository's fixture of 200 emoji from the full collection.

    python3 scripts/make_emoji_fixture.py EMOJI_TAR tests/fixtures/emoji200

EMOJI_TAR holds `FOLDER/metadata.jsonl` and `FOLDER/*.png` (the imagefolder convention, 64x64 RGBA). Records are
ordered by group, and every k-th is taken, so that each group has its share. A few that tests and documentation name
are always in, and one emoji with all its skin tones. The same input gives the same output.
"""

import json
import pathlib
import sys
import tarfile

COUNT = 200
ALWAYS = {"red apple", "volcano", "sun", "cat face", "flag: Japan", "red heart", "pizza"}
SIBLINGS = "waving hand"

LICENCES = """# Licences of these pictures and texts

- The glyphs are drawn from Noto Color Emoji 2.042, (c) Google Inc.: font under the SIL Open Font License 1.1,
  artwork under the Apache License 2.0. <https://github.com/googlefonts/noto-emoji>
- Names and keywords, English and Chinese, are from Unicode CLDR 41; groups and subgroups from emoji-test 15.0,
  (c) Unicode, Inc., under the Unicode licence. <https://www.unicode.org/license.txt>

Made by `scripts/make_emoji_fixture.py`.
"""


def choose(records):
    """The numbers of the chosen records: those that are always in, then every k-th of the rest by group."""
    named = {
        number
        for number, record in enumerate(records)
        if record["text"] in ALWAYS or record["text"].split(":")[0] == SIBLINGS
    }
    rest = [number for number in range(len(records)) if number not in named]
    rest.sort(key=lambda number: (records[number]["group"], records[number]["subgroup"], number))
    wanted = COUNT - len(named)
    return sorted(named | {rest[index * len(rest) // wanted] for index in range(wanted)})


def main():
    source, out = sys.argv[1], pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    with tarfile.open(source) as archive:
        metadata = next(member for member in archive if member.name.endswith("/metadata.jsonl"))
        folder = metadata.name.rsplit("/", 1)[0]
        lines = archive.extractfile(metadata).read().decode().splitlines()
        records = [json.loads(line) for line in lines]
        chosen = choose(records)
        missing = ALWAYS - {records[number]["text"] for number in chosen}
        assert not missing and len(chosen) == COUNT, (missing, len(chosen))
        for number in chosen:
            name = records[number]["file_name"]
            (out / name).write_bytes(archive.extractfile(f"{folder}/{name}").read())
        (out / "metadata.jsonl").write_text("".join(lines[number] + "\n" for number in chosen))
        (out / "LICENSES.md").write_text(LICENCES)


if __name__ == "__main__":
    main()
