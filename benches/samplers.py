#!/usr/bin/env python3
"""How near each sampler comes to the end of the way, for how many evaluations of the network.

    pip install pillow numpy
    python3 benches/samplers.py [--rebus target/release/rebus] [--model MODEL] [--seeds 4]

Draws the same prompts and seeds by each sampler and number of steps, and by 200 steps of Heun's method, which is the
truth here: the mean PSNR against it, and the worst of all pictures.
"""

import argparse
import pathlib
import subprocess
import tempfile

import numpy
from PIL import Image

PROMPTS = ["red heart", "pizza", "sun", "grinning face", "house", "猫", "a blue apple", "flag: Japan"]
RUNS = [
    ("euler", 20), ("euler", 40), ("heun", 10), ("midpoint", 10),
    ("multistep", 8), ("multistep", 12), ("multistep", 16), ("multistep", 20),
]
TWICE = {"heun", "midpoint"}


def draw(arguments, sampler, steps, folder):
    command = [arguments.rebus, "generate", *PROMPTS, "-n", str(arguments.seeds), "--seed", "100"]
    command += ["--sampler", sampler, "--steps", str(steps), "-o", str(folder), "-q"]
    subprocess.run(command + (["--model", arguments.model] if arguments.model else []), check=True, stdout=subprocess.DEVNULL)
    return {path.name: numpy.asarray(Image.open(path).convert("RGB"), float) for path in folder.glob("*.png")}


def psnr(picture, truth):
    return 10 * numpy.log10(255**2 / max(((picture - truth) ** 2).mean(), 1e-9))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rebus", default="target/release/rebus")
    parser.add_argument("--model")
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        truth = draw(arguments, "heun", 200, place / "truth")
        print("| sampler | steps | evaluations | PSNR, dB | worst |\n|---|---|---|---|---|")
        for sampler, steps in RUNS:
            drawn = draw(arguments, sampler, steps, place / f"{sampler}-{steps}")
            found = [psnr(drawn[name], picture) for name, picture in truth.items()]
            evaluations = steps * (2 if sampler in TWICE else 1)
            print(f"| {sampler} | {steps} | {evaluations} | {numpy.mean(found):.1f} | {min(found):.1f} |", flush=True)


if __name__ == "__main__":
    main()
