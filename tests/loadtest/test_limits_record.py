"""What was measured is never lost, and never measured twice."""

import json
from pathlib import Path

from loadtest.limits.record import Record, described

CONDITIONS = {"machine": {"cores": 2}, "settings": {"pairs": (1, 8)}}


def never() -> dict[str, float]:
    raise AssertionError("measured again")


def test_a_run_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "bend.json"
    Record(path, CONDITIONS).row({"model": "a", "round": 0}, lambda: {"rate": 5.0})
    again = Record(path, CONDITIONS)
    assert again.row({"model": "a", "round": 0}, never)["rate"] == 5
    assert again.row({"model": "a", "round": 1}, lambda: {"rate": 6.0})["rate"] == 6
    again.save()
    assert [row["rate"] for row in json.loads(path.read_text())["rows"]] == [5, 6]
    assert len(again.started) == 2


def test_a_row_does_not_write_all_the_others_again(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    record = Record(path, CONDITIONS)
    before = path.read_text()
    for number in range(3):
        record.add({"at": number})
    assert path.read_text() == before
    assert Record(path, CONDITIONS).rows == [{"at": 0}, {"at": 1}, {"at": 2}]


def test_a_row_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    record = Record(path, CONDITIONS)
    record.add({"at": 0})
    record.add({"at": 1})
    log = path.with_suffix(".jsonl")
    log.write_bytes(log.read_bytes()[:-3])
    assert Record(path, CONDITIONS).rows == [{"at": 0}]


def test_a_row_that_is_in_the_file_and_in_the_log_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    record = Record(path, CONDITIONS)
    record.add({"at": 0})
    log = path.with_suffix(".jsonl")
    told = log.read_bytes()
    record.save()
    assert not log.exists()
    log.write_bytes(told)  # as if it had been killed in between
    assert Record(path, CONDITIONS).rows == [{"at": 0}]


def test_an_unfinished_file_of_before_there_was_a_log_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    conditions = json.loads(json.dumps(CONDITIONS))
    path.write_text(json.dumps({"conditions": conditions, "started": ["x"], "finished": False, "rows": [{"at": 0}]}))
    assert Record(path, CONDITIONS).rows == [{"at": 0}]


def test_other_conditions_begin_anew_and_keep_the_old(tmp_path: Path) -> None:
    path = tmp_path / "bend.json"
    for cores in (2, 4, 8):
        record = Record(path, {"cores": cores})
        record.add({"cores": cores})  # and it is killed
    record.finish()
    kept = {file.name: json.loads(file.read_text())["rows"][0]["cores"] for file in tmp_path.glob("*.json")}
    assert kept == {"bend.1.json": 2, "bend.2.json": 4, "bend.json": 8}


def test_a_finished_run_or_a_fresh_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "bend.json"
    first = Record(path, CONDITIONS)
    first.add({"rate": 1.0})
    first.finish()
    second = Record(path, CONDITIONS)
    assert second.rows == []
    second.add({"rate": 2.0})
    assert Record(path, CONDITIONS, fresh=True).rows == []


def test_a_file_that_is_none_of_ours_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "bend.json"
    path.write_text("[1, 2")
    assert Record(path, CONDITIONS).rows == []
    assert (tmp_path / "bend.1.json").read_text() == "[1, 2"


def test_rows_are_found_by_their_values(tmp_path: Path) -> None:
    record = Record(tmp_path / "x.json", {})
    record.add({"model": "a", "rate": 1.0})
    record.add({"model": "b", "rate": 2.0})
    assert [row["rate"] for row in record.of(model="b")] == [2]


def test_pictures_are_described_by_what_is_in_them() -> None:
    one, other = described("small", [b"abc", b"d"]), described("small", [b"ab", b"cd"])
    assert (one["count"], one["mean_bytes"]) == (2, 2)
    assert one["digest"] != other["digest"]
