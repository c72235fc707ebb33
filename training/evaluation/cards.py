"""Model cards: what each network is, is for and is worth, from an evaluation and from what its training wrote.

Numbers only: no picture that was looked at, and no name of whoever took it.
"""

from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open

from film.specs import NEGATIVE_CONDITION
from training.evaluation import tables
from training.evaluation.card_words import WORDS
from training.evaluation.document import Block, Code, Points, Section, Table, Text
from training.evaluation.evaluation import Evaluation, facts_of
from training.evaluation.report import ALIKE, CALIBRATED, INTERVALS, WITHOUT_SOURCE, breakdowns

LEAST = 5
"""Pictures of a scanner or camera that a card has a row for."""


def card(found: Evaluation, weights: Path, commands: str) -> list[Section]:
    """The sections of the card of one network; ``weights`` is its file, ``commands`` remake it."""
    words, spec, judged = WORDS[found.spec.name], found.spec, found.judgement
    size = weights.stat().st_size / 1e6
    contract: list[Block] = [
        Text(f"{words.made} {parameters(weights):,} parameters, {size:.1f} MB of weights."),
        Points(
            (
                "Input: IMAGE BYTES [1], an encoded picture (JPEG, PNG, TIFF, WebP); cropped to its centre square and "
                f"resized to {spec.size} x {spec.size}.",
                f"Output: {words.outputs}; ERROR BYTES [1], empty for a picture that could be read.",
                f"`{spec.positive}` from {spec.threshold:g} on; unsure from {spec.unsure[0]:g} to {spec.unsure[1]:g}.",
            )
        ),
    ]
    sections = [
        Section("What it is", [Text(words.question), *contract]),
        Section("What it is for", [Points(words.use)]),
        Section("What it is not for", [Points(words.not_for)]),
        Section("What it learnt from", [Points(words.data), *_recipe(found)]),
        Section("How good it is", [Text(_how(found)), tables.measures(judged), tables.confusions(judged)]),
        *(Section(title, [table], 3) for title, table in _breakdowns(found).items()),
        *_real_negatives(found),
        Section(
            "Threshold chosen without the pictures it is scored on", [Text(WITHOUT_SOURCE), tables.unseen(found)], 3
        ),
    ]
    if found.alike:
        sections.append(Section("Made alike in what is not film", [Text(ALIKE), tables.alike(found)], 3))
    return [
        *sections,
        Section("What its training measured", _own_numbers(found), 3),
        Section("Calibration", [Text(CALIBRATED), tables.calibration(found)]),
        Section("Thresholds", [tables.uses(judged), tables.doubt(judged)]),
        Section("Limits", [Points(words.limits)]),
        Section("Make it again", [Code(commands)]),
    ]


def parameters(weights: Path) -> int:
    """Numbers in a file of weights, running means of batch normalisation and the like included."""
    with safe_open(weights, "np") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - not a dict
    return sum(_product(shape) for shape in shapes)


def _product(shape: list[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _how(found: Evaluation) -> str:
    judged = found.judgement
    many = f"{len(judged.labelled)} real pictures from {len(set(judged.sources))} sources"
    return f"On {many}, none of them trained on. {INTERVALS}"


def _recipe(found: Evaluation) -> list[Block]:
    recipe = found.record.get("recipe", {})
    commit = str(found.record.get("commit", "not known"))
    rows = [[*fact] for fact in facts_of(recipe).items()] if isinstance(recipe, Mapping) else []
    return [Text(f"Recipe of commit {commit[:12]}:"), Table(["setting", "value"], rows)] if rows else []


def _breakdowns(found: Evaluation) -> dict[str, Table]:
    """Those of the report, without the one that names people and with a scanner or camera only where it says much."""
    judged = found.judgement
    device = tables.parts(judged, "device", tables.by_device(judged), LEAST)
    rest = {title: table for title, table in breakdowns(found).items() if title != "By source"}
    return rest | {"By scanner or camera": device}


def _real_negatives(found: Evaluation) -> list[Section]:
    if found.spec is not NEGATIVE_CONDITION:
        return []
    each, said = tables.verdicts(found.judgement, named=False), tables.named_defects(found.judgement)
    parts = [tables.defects(found.judgement), *([said] if said.rows else []), each]
    return [Section("Every real negative", parts, 3)]


def _own_numbers(found: Evaluation) -> list[Block]:
    rows = [[*fact] for fact in facts_of(found.measured).items()]
    return [Table(["number", "value"], rows)] if rows else [Text("There is no record beside the weights.")]
