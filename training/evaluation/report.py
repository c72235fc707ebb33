"""The report of an evaluation: one HTML page with plots and pictures, and the same in Markdown without them.

The page may hold pictures that nobody gave away; it belongs into a folder that is not published.
"""

from collections.abc import Sequence

from film.specs import NEGATIVE_CONDITION
from training.evaluation import tables
from training.evaluation.document import Block, Figure, Points, Section, Table, Text
from training.evaluation.evaluation import Evaluation, histories
from training.evaluation.sheet import contact_sheet
from training.plots import plot_history, plot_reliability, plot_scores

TITLE = "Evaluation"
SHOWN = 48
"""Misclassified pictures on the contact sheet, at most."""
WITHOUT_SOURCE = (
    "A threshold that is chosen on the very pictures it is scored on flatters. Here each source's pictures are judged "
    "at the threshold with the best balanced accuracy on all other sources."
)
ALIKE = (
    "Size, compression and colour differ between film and digital pictures in any collection. If the network had "
    "learnt them instead of film, its ranking would fall when they are made the same for all. The smaller size takes "
    "grain away too, which is film itself: some loss is to be expected there. At another size only the ranking holds; "
    "the threshold does not, and has to be chosen anew on pictures of that size. The last column does so, for each "
    "source on all others."
)
CALIBRATED = (
    "Of the pictures that are given 70 %, seven in ten should be what was said. Both classes count alike here, however "
    "many pictures of each there are."
)
INTERVALS = (
    "In brackets 95 % intervals of a bootstrap over whole sources, class by class: pictures by one photographer "
    "resemble each other. A dash is a number that the pictures cannot tell."
)


def report(found: Sequence[Evaluation]) -> list[Section]:
    """All sections, network by network."""
    return [section for one in found for section in _network(one)]


def _network(found: Evaluation) -> list[Section]:
    judged, spec = found.judgement, found.spec
    known = f"{len(judged.labelled)} pictures from {len(set(judged.sources))} sources"
    shown = len(judged.rows) - len(judged.labelled)
    more = f", and {shown} more without a label that are shown and not counted" if shown else ""
    sections = [
        Section(spec.name, [Text(f"{known}{more}. {INTERVALS}"), tables.measures(judged), tables.confusions(judged)]),
        _scores(found),
        Section("Thresholds", [tables.uses(judged), tables.doubt(judged)], 3),
        Section(
            "Threshold chosen without the pictures it is scored on", [Text(WITHOUT_SOURCE), tables.unseen(found)], 3
        ),
        Section("Calibration", [Text(CALIBRATED), tables.calibration(found), *_reliability(found)], 3),
    ]
    if found.alike:
        sections.append(Section("Made alike in what is not film", [Text(ALIKE), tables.alike(found)], 3))
    sections += [Section(title, [table], 3) for title, table in breakdowns(found).items()]
    if spec is NEGATIVE_CONDITION:
        said = tables.named_defects(judged)
        sections.append(Section("Defects", [tables.defects(judged), *([said] if said.rows else [])], 3))
        sections.append(Section("Every picture", [tables.verdicts(judged, named=True)], 3))
    sections += [_training(found), _wrong(found)]
    if judged.unreadable:
        sections.append(Section("Not read", [Points(judged.unreadable)], 3))
    return [section for section in sections if section.blocks]


def breakdowns(found: Evaluation) -> dict[str, Table]:
    """Tables by what a picture is from and like, by heading."""
    judged = found.judgement
    return {
        "By source": tables.parts(judged, "source", judged.labelled.source),
        "By scanner or camera": tables.parts(judged, "device", tables.by_device(judged)),
        "By resolution": tables.parts(judged, "long side, pixels", tables.by_long_side(judged)),
        "By JPEG quality": tables.parts(judged, "quality (0: no JPEG)", tables.by_quality(judged)),
        "Colour and black-and-white": tables.parts(judged, "", tables.by_colour(judged)),
    }


def _scores(found: Evaluation) -> Section:
    judged = found.judgement
    plot = plot_scores(found.spec, judged.scores, judged.targets)
    return Section("Scores", [Figure(plot, "png", "How the scores of both true labels spread; ROC; precision")], 3)


def _reliability(found: Evaluation) -> list[Block]:
    judged = found.judgement
    lines = {"as served": judged.scores}
    if found.uncalibrated is not None:
        lines["before the last fit"] = found.uncalibrated
    plot = plot_reliability(found.spec.positive, judged.targets, lines)
    return [Figure(plot, "png", "Share of pictures for which the positive label is true, over its probability")]


def _training(found: Evaluation) -> Section:
    curves = histories(found.measured).items()
    figures = [Figure(plot_history(history), "png", f"Training: {name}, by epoch") for name, history in curves]
    return Section("Training", figures, 3)


def _wrong(found: Evaluation) -> Section:
    judged, wrong = found.judgement, found.wrong[:SHOWN]
    if not wrong:
        return Section("Misclassified", [Text("None.")], 3)
    rows = judged.labelled
    pictures = [(rows.path[n], f"{rows.source[n][:30]}\n{rows.label[n]}, said {rows.score[n]:.0%}") for n in wrong]
    sheet = Figure(contact_sheet(pictures), "jpeg", f"The truth, and the probability given to {found.spec.positive}")
    many = f"{len(found.wrong)} of {len(rows)} pictures; {len(wrong)} of them are shown, the surest first."
    return Section("Misclassified", [Text(many), sheet], 3)
