"""film_origin under both backends of Keras: what it says, and whether it trains.

Keras reads its backend once, when it is imported, so each backend gets a process of its own.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from film.ops.fast import decode_crop_resize
from film.specs import FILM_ORIGIN, ONNX_TOLERANCE
from training.data.samples import SAMPLES
from training.record import WEIGHTS

BACKENDS = ("torch", "tensorflow")
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, BACKENDS)), reason="needs the tensorflow extra: pip install -e '.[dev,tensorflow]'"
)

JUDGE = """
import json, sys
import keras, numpy as np
from training import film_origin
network = film_origin.load(sys.argv[1])
pixels = np.load(sys.argv[2]).astype(np.float32) / np.float32(255)
said = [float(network.predict_on_batch(picture[None])[0, 0]) for picture in pixels]
print(json.dumps({"backend": keras.backend.backend(), "said": said}))
"""


def run(backend: str, *arguments: str, folder: Path) -> str:
    """The last line that ``python *arguments`` prints under ``backend``, in ``folder``."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(WEIGHTS.parents[1])}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | quiet | {"KERAS_BACKEND": backend},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_both_backends_say_the_same_with_the_shipped_weights(tmp_path: Path) -> None:
    paths = [path for label in FILM_ORIGIN.labels for path in sorted((SAMPLES / label).glob("*.jpg"))[:2]]
    np.save(tmp_path / "pixels.npy", [decode_crop_resize(path.read_bytes(), FILM_ORIGIN.size) for path in paths])
    arguments = "-c", JUDGE, str(WEIGHTS / f"{FILM_ORIGIN.name}.safetensors"), "pixels.npy"
    answers = [json.loads(run(backend, *arguments, folder=tmp_path)) for backend in BACKENDS]
    assert tuple(answer["backend"] for answer in answers) == BACKENDS
    one, other = (answer["said"] for answer in answers)
    assert one == pytest.approx(other, abs=ONNX_TOLERANCE)
    assert max(one) - min(one) > 0.1, "pictures that are all alike would compare nothing"


def test_tensorflow_trains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, count in (("digital", 4), ("film", 2)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
            picture = coarse.resize((320, 240), Image.Resampling.BICUBIC)
            picture.save(tmp_path / "data" / label / f"{label}{number}_{number}.jpg", quality=92)
    options = "--tiny", "--epochs", "1", "--data", "data", "--out", "weights", "--cache", "cache"
    said = run("tensorflow", "-m", "training", "film_origin", *options, folder=tmp_path)
    assert "film_origin.safetensors" in said
    record = json.loads((tmp_path / "weights" / "film_origin.json").read_text())
    assert np.isfinite(record["measured"]["history"]["val_loss"]).all()
    assert len(record["measured"]["history"]["val_loss"]) == 1
