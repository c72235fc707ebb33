"""Judge both networks on real pictures: ``python -m training evaluate``.

``--data`` holds ``film/`` and ``digital/``, ``--negatives`` holds ``readable/`` and ``damaged/``. They are only looked
at, and none of them may have been trained on. Writes evaluation.md, evaluation.json and evaluation.png.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from film.errors import ImageError
from film.ops.fast import decode_crop_resize
from film.specs import FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training.data.pictures import list_pictures, source_of
from training.metrics import Measure, Scores, confusion, measure
from training.plots import plot_judgements
from training.record import WEIGHTS

SHARED = Path(__file__).parents[2] / "shared" / "data"
Judge = Callable[[NDArray[np.uint8]], float]
"""From pixels uint8 (size, size, 3) to the probability of the positive label."""


@dataclass(frozen=True)
class Judgement:
    """What a network said of the pictures of a folder with one subfolder a label."""

    spec: ModelSpec
    paths: list[Path]
    scores: Scores
    """Probability of the positive label, (n,)."""
    targets: NDArray[np.bool_]
    unreadable: list[str]
    """Files that could not be used, and why."""

    @property
    def measures(self) -> dict[str, Measure]:
        """Accuracy and the like (see ``training.metrics``)."""
        return measure(self.scores, self.targets, [source_of(path) for path in self.paths], self.spec.threshold)

    def record(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        worst = np.argsort(-np.abs(self.scores - self.targets))[:20]
        return {
            "pictures": len(self.paths),
            "measures": {name: asdict(value) for name, value in self.measures.items()},
            "confusion": confusion(self.scores, self.targets, self.spec.threshold),
            "unreadable": self.unreadable,
            "most_wrong": {f"{self.paths[i].parent.name}/{self.paths[i].name}": float(self.scores[i]) for i in worst},
        }


def judge(spec: ModelSpec, folder: Path, network: Judge) -> Judgement | None:
    """What ``network`` says of ``folder/<label>/*``; None where there are no pictures."""
    files = [(path, label == spec.positive) for label in spec.labels for path in list_pictures(folder / label)]
    paths, scores, targets, unreadable = [], [], [], []
    for path, target in track(files, f"Judging {spec.name}", disable=not files):
        try:
            pixels = decode_crop_resize(path.read_bytes(), spec.size)
        except ImageError as error:
            unreadable.append(f"{path.name}: {error}")
            continue
        paths.append(path)
        scores.append(network(pixels))
        targets.append(target)
    if not paths:
        return None
    return Judgement(spec, paths, np.array(scores, np.float64), np.array(targets, np.bool_), unreadable)


def load_film_origin(weights: Path) -> Judge:
    """``film_origin`` from ``weights``, in Keras."""
    from training import film_origin

    network = film_origin.load(weights)
    return lambda pixels: float(network.predict_on_batch(pixels[None].astype(np.float32) / 255.0)[0, 0])


def load_negative_condition(weights: Path) -> Judge:
    """``negative_condition`` from ``weights``, in torch."""
    import torch

    from training import negative_condition

    network = negative_condition.load(weights)

    def readable(pixels: NDArray[np.uint8]) -> float:
        with torch.inference_mode():
            image = torch.from_numpy(pixels.astype(np.float32) / 255.0).permute(2, 0, 1)[None]
            return float(network(image).condition.softmax(1)[0, NEGATIVE_CONDITION.positive_index])

    return readable


def markdown(judgements: list[Judgement]) -> str:
    """A table of all measures and the confusion of each network."""
    lines = [
        "| % (95 % interval) | pictures | accuracy | recall | recall | balanced accuracy | ROC AUC |",
        "|---|---|---|---|---|---|---|",
    ]
    for judgement in judgements:
        spec, numbers = judgement.spec, judgement.measures
        negative = next(label for label in spec.labels if label != spec.positive)
        recalls = f"{spec.positive} {numbers['recall_positive']} | {negative} {numbers['recall_negative']}"
        lines.append(
            f"| {spec.name} | {len(judgement.paths)} | {numbers['accuracy']} | {recalls} | "
            f"{numbers['balanced_accuracy']} | {numbers['auc']} |"
        )
    for judgement in judgements:
        spec = judgement.spec
        negative = next(label for label in spec.labels if label != spec.positive)
        (tn, fp), (fn, tp) = confusion(judgement.scores, judgement.targets, spec.threshold)
        lines += ["", f"| {spec.name}: truth \\ answer | {negative} | {spec.positive} |", "|---|---|---|"]
        lines += [f"| {negative} | {tn} | {fp} |", f"| {spec.positive} | {fn} | {tp} |"]
        lines += ["", *(f"- not read: {reason}" for reason in judgement.unreadable)]
    return "\n".join(lines).rstrip() + "\n"


@click.command(epilog="Example: python -m training evaluate --data photographs --negatives negatives")
@click.option("--data", type=click.Path(path_type=Path), default=SHARED / "validation", help="film/ and digital/.")
@click.option("--negatives", type=click.Path(path_type=Path), default=SHARED / "negatives", help="readable/, damaged/.")
@click.option("--weights", type=click.Path(path_type=Path), default=WEIGHTS, help="Folder of *.safetensors.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/evaluation"), show_default=True)
def command(data: Path, negatives: Path, weights: Path, out: Path) -> None:
    """Judge both networks on real pictures they never saw: accuracy, recalls, ROC AUC, with intervals."""
    judgements = []
    for spec, folder, load in (
        (FILM_ORIGIN, data, load_film_origin),
        (NEGATIVE_CONDITION, negatives, load_negative_condition),
    ):
        file = weights / f"{spec.name}.safetensors"
        if not file.is_file():
            click.echo(f"{spec.name} is left out: {file} does not exist. Train it first: make train.", err=True)
        elif not any(list_pictures(folder / label) for label in spec.labels):
            click.echo(f"{spec.name} is left out: no pictures in {folder}/{{{','.join(spec.labels)}}}.", err=True)
        elif judgement := judge(spec, folder, load(file)):
            judgements.append(judgement)
    if not judgements:
        raise click.ClickException("There was nothing to judge. Name folders with --data and --negatives.")
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(judgements)
    (out / "evaluation.md").write_text(text, encoding="utf-8")
    record = {judgement.spec.name: judgement.record() for judgement in judgements}
    (out / "evaluation.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    plot_judgements(judgements, out / "evaluation.png")
    click.echo(text)
    click.echo(f"Also in {out}: evaluation.json, evaluation.png")
