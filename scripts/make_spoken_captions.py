#!/usr/bin/env python3
"""Speaks the captions of a collection, English and Chinese, by several voices, so that an encoder can learn to hear.

    apt-get install espeak-ng
    python3 scripts/make_spoken_captions.py COLLECTION OUTPUT

COLLECTION is a folder or a .tar with `metadata.jsonl` (`text`, `text_zh`). OUTPUT becomes a collection of the same pictures, a
record for each caption and voice: `audio` is what is heard, `spoken` the words in it, `text` the English caption (which decides
what is held out), `language`, `voice` and `speed`. Speed and pitch are drawn for each by its place, so that the same command
makes the same sounds. What is there already is not spoken again: it can be stopped, and goes on.

The two voices of each language that end in `-new` are for measuring: recipes/emoji-dual-sound.toml never learns from them.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor

# Names by what espeak-ng calls them: an accent and a variant of the voice.
VOICES = {
    "en": {
        "en-us-m3": "en-us+m3",
        "en-us-f2": "en-us+f2",
        "en-gb-m1": "en-gb+m1",
        "en-gb-f3": "en-gb+f3",
        "en-scotland-m7": "en-gb-scotland+m7",
        "en-us-f5-new": "en-us+f5",
        "en-rp-m4-new": "en-gb-x-rp+m4",
    },
    "zh": {
        "zh-m3": "cmn+m3",
        "zh-f2": "cmn+f2",
        "zh-m1": "cmn+m1",
        "zh-f3": "cmn+f3",
        "zh-f5-new": "cmn+f5",
        "zh-m4-new": "cmn+m4",
    },
}


def drawn(words, voice, what, low, high):
    """A whole number that depends on what is said, by whom, and nothing else."""
    digest = hashlib.sha256(f"{what}/{voice}/{words}".encode()).digest()
    return low + int.from_bytes(digest[:4], "little") % (high - low + 1)


def records(collection):
    """Lines of metadata, and a function that reads a picture."""
    if collection.is_dir():
        lines = (collection / "metadata.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines], lambda name: (collection / name).read_bytes()
    archive = tarfile.open(collection)
    metadata = next(name for name in archive.getnames() if name.endswith("metadata.jsonl"))
    folder = metadata[: -len("metadata.jsonl")]
    lines = archive.extractfile(metadata).read().decode().splitlines()
    return [json.loads(line) for line in lines if line], lambda name: archive.extractfile(folder + name).read()


def speak(job):
    path, words, espeak, speed, pitch = job
    if path.exists():
        return
    part = path.with_suffix(".part")
    command = ["espeak-ng", "-v", espeak, "-s", str(speed), "-p", str(pitch), "-w", str(part), "--", words]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    part.rename(path)


def main():
    collection, output = (pathlib.Path(name) for name in sys.argv[1:])
    rows, picture = records(collection)
    jobs, lines = [], []
    (output / "pictures").mkdir(parents=True, exist_ok=True)
    for row in rows:
        name = row["file_name"]
        if not (output / "pictures" / name).exists():
            (output / "pictures" / name).write_bytes(picture(name))
        for language, column in (("en", "text"), ("zh", "text_zh")):
            words = row.get(column)
            for voice, espeak in VOICES[language].items() if words else ():
                sound = pathlib.Path("sounds", voice, pathlib.Path(name).stem + ".wav")
                (output / sound).parent.mkdir(parents=True, exist_ok=True)
                speed, pitch = drawn(words, voice, "speed", 130, 210), drawn(words, voice, "pitch", 30, 70)
                jobs.append((output / sound, words, espeak, speed, pitch))
                line = {"file_name": f"pictures/{name}", "audio_file_name": sound.as_posix(), "text": row["text"]}
                line |= {"spoken": words, "language": language, "voice": voice, "speed": speed}
                lines.append(line | ({"group": row["group"]} if "group" in row else {}))
    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(speak, jobs), 1):
            if done % 1000 == 0:
                print(f"{done} of {len(jobs)}", file=sys.stderr)
    part = output / "metadata.part"
    part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    part.rename(output / "metadata.jsonl")


if __name__ == "__main__":
    main()
