"""Judging and reporting, with a network whose answers are known: the mean of the pixels."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from film.specs import DEFECTS, FILM_ORIGIN, NEGATIVE_CONDITION, ModelSpec
from training.data.pictures import read
from training.evaluation import tables
from training.evaluation.confounds import CONFOUNDS
from training.evaluation.document import html, markdown
from training.evaluation.evaluation import Evaluation, facts_of, histories, read_record
from training.evaluation.judging import Judge, Judgement, judge
from training.evaluation.report import report


def brightness(outputs: int = 1) -> Judge:
    return lambda pixels: np.tile(pixels.mean((1, 2, 3))[:, None].astype(np.float32) / 255, (1, outputs))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Digital is dark and film bright, but for one of each; from four sources each."""
    greys = {"digital": [40, 50, 60, 200, 30], "film": [220, 210, 230, 240, 20]}
    for label, values in greys.items():
        (tmp_path / label).mkdir()
        for number, grey in enumerate(values):
            file = tmp_path / label / f"s{number % 4}_{number}.png"
            Image.new("RGB", (90, 60), (grey, grey, grey)).save(file)
    (tmp_path / "film" / "broken_1.jpg").write_bytes(b"no picture at all")
    return tmp_path


def judged(pictures: Path, spec: ModelSpec = FILM_ORIGIN) -> Judgement:
    return judge(spec, read(pictures, spec.labels), brightness())


def test_a_broken_picture_is_told_of_and_left_out(pictures: Path) -> None:
    found = judged(pictures)
    assert found.targets.tolist() == [False] * 5 + [True] * 5
    assert found.scores * 255 == pytest.approx([40, 30, 50, 60, 200, 220, 20, 210, 230, 240], abs=1e-3)
    assert found.measures["recall_positive"].value == found.measures["recall_negative"].value == 0.8
    assert len(found.unreadable) == 1
    assert found.unreadable[0].startswith("broken_1.jpg: ")
    assert not found.labelled.colour.any()


def test_only_unreadable_pictures_leave_nothing_to_score(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "broken_1.jpg").write_bytes(b"no picture at all")
    assert judged(tmp_path).labelled.empty


def test_what_has_no_label_is_shown_and_not_scored(pictures: Path) -> None:
    (pictures / "digital").rename(pictures / "damaged")
    (pictures / "film").rename(pictures / "other")
    table = read(pictures, (*NEGATIVE_CONDITION.labels, "other"))
    found = judge(NEGATIVE_CONDITION, table, brightness(7))
    assert len(found.labelled) == 5
    assert len(tables.verdicts(found, named=True).rows) == 10
    assert tables.defects(found).head == ["mean probability, %", "damaged (5)", "other (5)"]
    assert {row[0].replace(" ", "_") for row in tables.defects(found).rows} == set(DEFECTS)
    anonymous = tables.verdicts(found, named=False).rows
    assert anonymous[0][:3] == ["damaged 1", "damaged", "damaged"]
    assert not any("s0_0" in cell for row in anonymous for cell in row)


def test_a_table_by_parts_counts_each_and_joins_the_small(pictures: Path) -> None:
    found = judged(pictures)
    part = tables.parts(found, "source", found.labelled.source)
    assert part.rows[0] == ["s0", "2", "50.0", "2", "100.0", "0.50"]
    assert part.rows[3] == ["s3", "1", "100.0", "1", "0.0", "1.00"]
    joined = tables.parts(found, "source", found.labelled.source, 3)
    assert [row[0] for row in joined.rows] == ["s0", "fewer than 3 pictures each"]
    assert [int(row[1]) + int(row[3]) for row in joined.rows] == [4, 6]


def test_made_alike_the_threshold_may_move_and_the_ranking_stays(pictures: Path) -> None:
    table = read(pictures, FILM_ORIGIN.labels)
    darker = judge(FILM_ORIGIN, table, lambda pixels: brightness()(pixels) / 4)
    shown = tables.alike(Evaluation(judged(pictures), {}, {"darker": darker}))
    as_they_are, moved = (dict(zip(shown.head, row, strict=True)) for row in shown.rows)
    assert as_they_are["ROC AUC, %"] == moved["ROC AUC, %"]
    assert moved["balanced accuracy, %"].startswith("50.0")
    assert moved[shown.head[-1]].startswith(as_they_are[shown.head[-1]].split()[0])
    assert float(moved[shown.head[-1]].split()[0]) > 60


def test_a_defect_is_ranked_over_the_pictures_of_which_it_is_said(pictures: Path) -> None:
    rows = [f"film/s{n % 4}_{n}.png,{'readable' if n < 2 else 'damaged'},{hole}" for n, hole in enumerate("001 1")]
    (pictures / "labels.csv").write_text("file,label,holes\n" + "\n".join(row.rstrip() for row in rows) + "\n")
    found = judge(NEGATIVE_CONDITION, read(pictures, NEGATIVE_CONDITION.labels), brightness(7))
    table = tables.named_defects(found)
    assert table.rows == [["holes", "2", "2", "0.50"]]  # bright: 230 and 20 have holes, 220 and 210 have none


def test_ranges_are_in_order_of_size_and_not_of_name() -> None:
    rows = pd.DataFrame({"long_side": [1600, 700, 9000, 1199], "quality": [0, 100, 90, 89]})
    found = Judgement(FILM_ORIGIN, rows.assign(label="film"), [])
    sides = tables.by_long_side(found)
    assert [str(side) for side in sorted(sides)] == ["0 to 799", "800 to 1199", "1600 to 2399", "4000 and more"]
    assert [str(quality) for quality in tables.by_quality(found)] == ["0", "95 and more", "90 to 94", "85 to 89"]


def test_the_report_has_every_part_and_its_pictures(pictures: Path) -> None:
    table, network = read(pictures, FILM_ORIGIN.labels), brightness()
    alike = {name: judge(FILM_ORIGIN, table, network, prepare) for name, prepare in CONFOUNDS.items()}
    measured = {"calibration": {"scale": 2.0, "offset": 0.1}, "history": {"loss": [0.7, 0.6], "lr": [0.1, 0.01]}}
    found = Evaluation(judged(pictures), {"measured": measured}, alike)
    assert found.wrong == [6, 4]
    sections = report([found])
    page, text = html("Evaluation", sections), markdown("Evaluation", sections)
    for title in ("Thresholds", "Calibration", "Made alike", "By source", "By JPEG quality", "Training", "Not read"):
        assert title in page
    assert page.count("data:image/png") == 3  # scores, reliability, training
    assert page.count("data:image/jpeg") == 1  # the misclassified
    assert "before the training's last fit" in text
    assert text.count("| as they are | 80.0 ") == 1
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["pictures"] == 10
    assert plain["confusion"] == [[4, 1], [1, 4]]
    assert set(plain["alike"]) == set(CONFOUNDS)
    (score,) = [score for name, score in plain["scores"].items() if name.endswith("film/s0_4.png")]
    assert score == pytest.approx(20 / 255)


def test_curves_are_found_wherever_a_record_keeps_them() -> None:
    rows = [{"loss": 1.0, "f1": 0.5}, {"loss": 0.5, "f1": 0.6}]
    measured = {"history": {"loss": [1, 2], "confusion": [[1, 2]], "note": "x"}, "second": {"history_of_it": rows}}
    assert histories(measured) == {
        "history": {"loss": [1, 2]},
        "second history of it": {"loss": [1.0, 0.5], "f1": [0.5, 0.6]},
    }
    assert histories({"history": "lost", "history_2": [], "history_3": [1, 2]}) == {}


def test_what_a_record_says_is_named_by_where_it_stands(tmp_path: Path) -> None:
    auc = {"dye_removal": 0.98765, "interval_95": [0.9, 1.0]}
    measured = {"auc": auc, "held_out": True, "real": [{}], "history": {"last": 3.0}, "epochs": 10_000, "net": "a_b"}
    assert facts_of(measured) == {
        "auc, dye removal": "0.9877",
        "auc, interval 95": "0.9 to 1",
        "held out": "True",
        "epochs": "10000",
        "net": "a_b",
    }
    assert read_record(tmp_path / "weights.safetensors") == {}
    (tmp_path / "weights.json").write_text("[1]")
    assert read_record(tmp_path / "weights.safetensors") == {}
