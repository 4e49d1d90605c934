"""Golden values for log-mel spectrograms: torchaudio's, of a spoken word and of a sound shorter than a window.

    apt-get install espeak-ng flac vorbis-tools lame
    pip install torch torchaudio
    python log_mel.py

Writes crates/rebus-data/tests/fixtures/sound/: the word as WAV (which is read here), FLAC, Ogg Vorbis and MP3, and log_mel.json.
"""

import json
import subprocess
import wave
from pathlib import Path

import numpy as np
import torch

# Only the compiled parts of torchaudio need the CUDA of the release; its transforms are Python.
torch.version.cuda = None
import torchaudio  # noqa: E402

PLACE = Path(__file__).parents[2] / "crates/rebus-data/tests/fixtures/sound"
PLACE.mkdir(parents=True, exist_ok=True)
word = PLACE / "word.wav"
if not word.exists():
    subprocess.run(["espeak-ng", "-v", "en-us+f3", "-w", word, "apple"], check=True)
    for command in (
        ["flac", "-s", "-f", word, "-o", PLACE / "word.flac"],
        ["oggenc", "-Q", "-q", "4", word, "-o", PLACE / "word.ogg"],
        ["lame", "--quiet", "-b", "48", word, PLACE / "word.mp3"],
    ):
        subprocess.run(command, check=True)
with wave.open(str(word)) as file:
    rate = file.getframerate()
    samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64) / 32768

golden = []
for name, part, n_fft, hop, mels in [
    ("a word", samples, 512, 256, 40),
    ("other sizes", samples[3000:9000], 400, 160, 64),
    ("shorter than a window", samples[3000:3300], 512, 256, 40),
]:
    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=mels, center=True, power=2.0, norm=None, mel_scale="htk"
    ).double()
    mel = (transform(torch.from_numpy(part.copy())) + 1e-6).log()
    golden.append(
        {
            "name": name,
            "first": 0 if part is samples else 3000,
            "count": len(part),
            "config": {"sample_rate": rate, "n_fft": n_fft, "hop_length": hop, "n_mels": mels, "seconds": 9.0},
            "frames": mel.shape[1],
            "log_mel": [round(value, 6) for value in mel.flatten().tolist()],
        }
    )
(PLACE / "log_mel.json").write_text(json.dumps(golden) + "\n")
