"""One way to fit a Keras network: Adam, early stopping, the best weights kept, resumable, with a progress line."""

import json
from math import inf
from pathlib import Path
from shutil import rmtree
from time import monotonic
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from training.replacing import replacing
from training.tensorboard import Log


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches for ``fit``, which says before each epoch which one it is: the same epoch has the same batches."""

    epoch = 0
    seed = 0
    """Of everything that is drawn, with the epoch: what a network drops out too."""

    def begin(self, epoch: int) -> None:
        """Be the batches of ``epoch``, which counts from 0."""
        self.epoch = epoch


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


class State(keras.callbacks.Callback):  # type: ignore[misc]
    """All that a killed run goes on from, kept in ``folder`` after each epoch; the best weights go to ``best``.

    The last of the callbacks that decide anything: it keeps what ``watchers`` have counted, by the names of their
    attributes. The weights of an epoch, its optimiser's included, have a file of their own, and count once
    ``state.json`` names it: a run that is killed while it writes goes on from the epoch before.
    """

    def __init__(
        self, folder: Path, best: Path, watchers: dict[keras.callbacks.Callback, tuple[str, ...]], train: Batches
    ) -> None:
        super().__init__()
        self.folder, self.best, self.watchers, self.train = folder, best, watchers, train
        self.epoch, self.stopped, self.lowest = 0, False, inf
        self.history: dict[str, list[float]] = {}
        self.counted: list[dict[str, Any]] = []

    def load(self, network: keras.Model) -> None:
        """Take up what is in the folder, if anything, and give ``network``, compiled, its weights of then."""
        file = self.folder / "state.json"
        if not file.is_file():
            return
        kept = json.loads(file.read_text(encoding="utf-8"))
        self.epoch, self.stopped, self.lowest = kept["epoch"], kept["stopped"], kept["lowest"]
        self.history, self.counted = kept["history"], kept["counted"]
        network.optimizer.build(network.trainable_variables)
        network.load_weights(self.folder / kept["weights"])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Give the watchers what they had counted: they have just begun anew."""
        for watcher, counted in zip(self.watchers, self.counted, strict=False):
            for name, value in counted.items():
                setattr(watcher, name, value)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell the batches which epoch they are of, and draw what this epoch draws, whatever was drawn before."""
        self.train.begin(epoch)
        keras.utils.set_random_seed(int(np.random.default_rng([self.train.seed, epoch]).integers(2**31)))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep everything, and the weights as the best ones if they are."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if self.history["val_loss"][-1] < self.lowest:
            self.lowest = self.history["val_loss"][-1]
            with replacing(self.best) as part:
                self.model.save_weights(part)
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = self.folder / f"{epoch + 1}.weights.h5"
        self.model.save_weights(weights)
        kept = {
            "epoch": epoch + 1,
            "weights": weights.name,
            "stopped": self.model.stop_training,
            "lowest": self.lowest,
            "history": self.history,
            "counted": [{name: getattr(of, name) for name in names} for of, names in self.watchers.items()],
        }
        with replacing(self.folder / "state.json") as part:
            part.write_text(json.dumps(kept, default=float), encoding="utf-8")
        (self.folder / f"{epoch}.weights.h5").unlink(missing_ok=True)


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
    train: Batches,
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
    started again, to end as if it had not been killed, and is deleted at the end. ``log`` is a folder for TensorBoard.
    Returns a list by epoch for each of loss, accuracy, val_loss, val_accuracy and learning_rate, which halves after
    half of the patience.
    """
    out.mkdir(parents=True, exist_ok=True)
    network.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=patience)
    slowing = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=max(1, patience // 2))
    report = Report(name, epochs, minutes)
    counted = {stopping: ("best", "wait"), slowing: ("best", "wait", "cooldown_counter")}
    weights = out / f"{name}.weights.h5"
    state = State(out / f"{name}.state", weights, counted, train)
    state.load(network)
    if not state.stopped:
        watchers = [stopping, slowing, report, *([Curves(log)] if log else []), state]
        # The batches say their own order: Keras would shuffle them by what a process has drawn so far.
        network.fit(
            train,
            validation_data=test,
            initial_epoch=state.epoch,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=watchers,
        )
    network.load_weights(weights)
    rmtree(state.folder)
    return state.history
