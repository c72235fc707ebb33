"""One way to fit a Keras network: Adam, early stopping, the best weights kept, resumable, with a progress line."""

from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from training.tensorboard import Log


class Report(keras.callbacks.Callback):  # type: ignore[misc]
    """Says after each epoch how it went, and while it goes how far it is; starts none after ``minutes``, if any."""

    def __init__(self, name: str, epochs: int, minutes: float = 0.0) -> None:
        super().__init__()
        self.name, self.epochs, self.console = name, epochs, Console(stderr=True)
        self.end = monotonic() + 60 * minutes if minutes else inf
        self.epoch = 0
        self.status = self.console.status(name)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the moving line."""
        self.epoch = epoch + 1
        self.status.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move it on."""
        steps = self.params.get("steps")
        self.status.update(f"{self.name}: epoch {self.epoch} of at most {self.epochs}, step {batch + 1} of {steps}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's line."""
        self.status.stop()
        numbers = ", ".join(f"{key} {float(value):.4f}" for key, value in (logs or {}).items())
        if monotonic() > self.end:
            self.model.stop_training = True
        self.console.print(f"{self.name} {self.epoch}/{self.epochs}: {numbers}", highlight=False)


class Best(keras.callbacks.ModelCheckpoint):  # type: ignore[misc]
    """Keeps the weights with the lowest test loss, and in ``note`` that loss: a run that goes on must not forget it."""

    def __init__(self, weights: Path, note: Path) -> None:
        known = float(note.read_text()) if note.is_file() and weights.is_file() else None
        super().__init__(
            weights, "val_loss", save_best_only=True, save_weights_only=True, initial_value_threshold=known
        )
        self.note = note

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the weights if they are better, and only then how good they are."""
        super().on_epoch_end(epoch, logs)
        self.note.parent.mkdir(parents=True, exist_ok=True)
        part = self.note.with_suffix(".part")
        part.write_text(repr(float(self.best)))
        part.replace(self.note)


class Curves(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes every epoch's numbers for TensorBoard into a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """One point of each curve."""
        with Log(self.folder, epoch) as log:
            log.scalars(epoch, {key: float(value) for key, value in (logs or {}).items()})


def fit(
    network: keras.Model,
    train: keras.utils.PyDataset,
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    rate: float,
    epochs: int,
    patience: int,
    out: Path,
    name: str,
    minutes: float = 0.0,
    log: Path | None = None,
) -> dict[str, list[float]]:
    """Train with Adam at ``rate`` on binary cross-entropy; afterwards ``network`` has its best weights by test loss.

    Stops after ``patience`` epochs without a better one, and starts none after ``minutes`` unless that is 0.
    ``out/<name>.weights.h5`` is the best so far; ``out/<name>.state`` is what a killed run goes on from when it is
    started again, its best test loss included, and is deleted at the end. ``log`` is a folder for TensorBoard. Returns
    a list by epoch for each of loss, accuracy, val_loss, val_accuracy and learning_rate, which halves after half of the
    patience.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    weights, state = out / f"{name}.weights.h5", out / f"{name}.state"
    best = Best(weights, state / "best.txt")
    watchers = [
        keras.callbacks.EarlyStopping("val_loss", patience=patience, baseline=best.best),
        best,
        keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 2)),
        keras.callbacks.BackupAndRestore(state),
        Report(name, epochs, minutes),
        *([Curves(log)] if log else []),
    ]
    history = network.fit(train, validation_data=test, epochs=epochs, verbose=0, callbacks=watchers)
    network.load_weights(weights)
    return {key: [float(value) for value in values] for key, values in history.history.items()}
