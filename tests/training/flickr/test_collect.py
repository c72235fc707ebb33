"""The command against a local Flickr that behaves."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from training.data.flickr.cli import command
from training.data.pictures import index, list_pictures

FAST = ["--per-second", "100000", "--calls-an-hour", "1000000000"]


def collect(out: Path, *options: str) -> Result:
    return CliRunner().invoke(command, ["--out", str(out), *FAST, *options], catch_exceptions=False)


def names(folder: Path) -> list[str]:
    return [path.name for path in list_pictures(folder)]


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_two_groups_become_a_folder_of_training_data(flickr: Any, tmp_path: Path) -> None:
    for number in range(1, 11):
        flickr.add("film@N1", number, owner=f"{number % 4}@N00")
        flickr.add("digital@N2", 100 + number, owner=f"{number % 4}@N00")
    result = collect(tmp_path, "--group", "film@N1=film", "--group", f"{flickr.base}/groups/digital@N2/=digital")
    assert result.exit_code == 0, result.output
    assert "10 pictures added to" in result.output
    assert len(names(tmp_path / "film")) == len(names(tmp_path / "digital")) == 10
    assert "1-N00_1.jpg" in names(tmp_path / "film")
    assert (tmp_path / "film" / "1-N00_1.jpg").read_bytes() == flickr.pictures["/65535/1_h.jpg"]
    assert all(call["per_page"] == "500" for call in flickr.calls if call["method"].endswith("getPhotos"))


@pytest.mark.parametrize("with_manifest", [True, False])
def test_a_photographer_is_on_one_side_of_the_split(flickr: Any, tmp_path: Path, with_manifest: bool) -> None:
    for number in range(1, 21):
        flickr.add("film@N1", number, owner=f"{number % 5}@N00")
        flickr.add("digital@N2", 100 + number, owner=f"{number % 7}@N00")
    collect(tmp_path, "--group", "film@N1=film", "--group", "digital@N2=digital")
    if not with_manifest:
        (tmp_path / "manifest.csv").unlink()
    table = index(tmp_path, ("digital", "film"))
    owner = table.path.map(lambda path: path.name.partition("_")[0])
    assert len(table) == 40
    assert (table.groupby(owner).split.nunique() == 1).all()
    assert set(table.split) == {"train", "test"}


def test_the_manifest_says_who_took_it_and_under_which_licence(flickr: Any, tmp_path: Path) -> None:
    path = flickr.add("g@N1", 5, owner="8@N02", license="11", title='Rain, "later"')
    flickr.add("g@N1", 6, datetakenunknown="1", license="0")
    assert collect(tmp_path, "--group", "g@N1=film").exit_code == 0
    first, second = sorted(manifest(tmp_path), key=lambda row: row["path"])
    assert first == {
        "file": "film/8-N02_5.jpg",
        "label": "film",
        "label_basis": "Flickr group g@N1",
        "source": "www.flickr.com/photos/8@N02",
        "path": "5",
        "licence": "cc-by-4.0",
        "width": "1100",
        "height": "800",
        "device": "",
        "licence_id": "11",
        "licence_url": "https://creativecommons.org/licenses/by/4.0/",
        "owner": "8@N02",
        "owner_name": "Ann 8@N02",
        "title": 'Rain, "later"',
        "url": flickr.base + path,
        "size": "Large 1600",
        "taken": "2012-05-01 12:00:00",
        "sha256": hashlib.sha256(flickr.pictures[path]).hexdigest(),
        "phash": first["phash"],
    }
    assert len(first["phash"]) == 16
    assert (second["taken"], second["licence"]) == ("", "all-rights-reserved")


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [("cc-by,cc0,pdm", "4 9 10 11"), ("cc-by-4.0", "11"), ("7, 42", "7 42"), ("ALL-RIGHTS-RESERVED", "0")],
)
def test_only_the_licences_asked_for(flickr: Any, tmp_path: Path, wanted: str, kept: str) -> None:
    for number in (0, 2, 4, 7, 9, 10, 11, 42):
        flickr.add("g@N1", number + 500, license=str(number))
    result = collect(tmp_path, "--group", "g@N1=film", "--licences", wanted)
    assert result.exit_code == 0
    assert sorted(row["licence_id"] for row in manifest(tmp_path)) == sorted(kept.split())
    assert f"{8 - len(kept.split())} skipped: licence not asked for" in result.output
    assert sum(flickr.asked.values()) == len(kept.split())


def test_another_choice_of_licences_later_adds_and_takes_nothing_away(flickr: Any, tmp_path: Path) -> None:
    for number, licence in enumerate("0492"):
        flickr.add("g@N1", number + 1, license=licence)
    for wanted, kept in (("cc-by", 1), ("cc0", 2), ("cc-by,cc0,cc-by-nc", 3)):
        assert collect(tmp_path, "--group", "g@N1=film", "--licences", wanted).exit_code == 0
        assert len(manifest(tmp_path)) == len(names(tmp_path / "film")) == kept
    assert set(flickr.answered.values()) == {1}


def test_the_limit_is_kept_over_runs_and_nothing_is_downloaded_beyond_it(flickr: Any, tmp_path: Path) -> None:
    for number in range(1, 30):
        flickr.add("g@N1", number)
    flickr.pictures["/65535/2_h.jpg"] = b"<html>"
    for limit in (5, 5, 12):
        assert collect(tmp_path, "--group", "g@N1=film", "--limit", str(limit)).exit_code == 0
        assert len(names(tmp_path / "film")) == limit
        assert sum(flickr.asked.values()) == limit + 1
    assert names(tmp_path / "film") == sorted(f"77-N01_{n}.jpg" for n in range(1, 14) if n != 2)


@pytest.mark.parametrize(
    ("offered", "options", "taken"),
    [
        ("l h k", [], "Large 1600"),
        ("l k o", [], "Large"),
        ("k 3k o", [], "Large 2048"),
        ("l h k 3k o", ["--size", "x-large 3k"], "X-Large 3K"),
        ("l h o", ["--size", "Large 2048"], "Large 1600"),
        ("o", [], "Original"),
    ],
)
def test_the_size_wanted_or_the_nearest_below_or_the_nearest_above(
    flickr: Any, tmp_path: Path, make_jpeg: Any, offered: str, options: list[str], taken: str
) -> None:
    first, *more = offered.split()
    flickr.add("g@N1", 1, size=first, **{f"url_{size}": f"{flickr.base}/other_{size}.jpg" for size in more})
    flickr.pictures |= {f"/other_{size}.jpg": make_jpeg(1) for size in more}
    assert collect(tmp_path, "--group", "g@N1=film", *options).exit_code == 0
    assert [row["size"] for row in manifest(tmp_path)] == [taken]


def test_a_list_without_addresses_is_completed_by_getsizes(flickr: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        path = flickr.add("g@N1", number)
        for name in ("url_m", "url_h"):
            del flickr.pools["g@N1"][-1][name]
    flickr.sizes["2"] = [{"label": "Medium", "source": "x"}, {"label": "Large 1600", "source": flickr.base + path}]
    result = collect(tmp_path, "--group", "g@N1=film")
    assert names(tmp_path / "film") == ["77-N01_2.jpg"]
    assert "1 skipped: gone" in result.output


def test_what_cannot_be_trained_on_is_left_out_and_why_is_said(flickr: Any, tmp_path: Path, make_jpeg: Any) -> None:
    good = make_jpeg(9)
    flickr.add("g@N1", 1)
    flickr.add("g@N1", 2, media="video")
    flickr.add("g@N1", 3, size="z")
    flickr.pictures[flickr.add("g@N1", 4)] = good[: len(good) // 2]
    flickr.pictures[flickr.add("g@N1", 5)] = bytes(cv2.imencode(".png", np.zeros((1100, 1100, 3), np.uint8))[1])
    flickr.pictures[flickr.add("g@N1", 6, size="o")] = make_jpeg(6, 640, 480)
    flickr.pictures[flickr.add("g@N1", 7)] = make_jpeg(1, 1600, 1164, quality=60)
    flickr.add("other@N2", 1)
    result = collect(tmp_path, "--group", "g@N1=film", "--group", "other@N2=digital")
    assert result.exit_code == 0
    assert [row["file"] for row in manifest(tmp_path)] == ["film/77-N01_1.jpg"]
    for reason in (
        "a video",
        "no size",
        "broken",
        "not a JPEG",
        "too small",
        "looks like another",
        "also under another",
    ):
        assert f"1 skipped: {reason}" in result.output
    assert not list((tmp_path / ".incoming").iterdir())
    again = collect(tmp_path, "--group", "g@N1=film", "--group", "other@N2=digital")
    assert "6 were settled by an earlier run" in again.output
    assert set(flickr.asked.values()) == {1}


def test_a_pool_that_grows_and_shrinks_while_it_is_read(flickr: Any, tmp_path: Path) -> None:
    flickr.largest_page = 10
    for number in range(1, 41):
        flickr.add("g@N1", number)
    flickr.add("spare", 999)

    def change(_: str, page: int) -> None:
        if page == 1 and len(flickr.pools["g@N1"]) == 40:
            flickr.pools["g@N1"].insert(0, flickr.pools["spare"][0])  # number 10 comes again on page 2
        elif page == 2 and len(flickr.pools["g@N1"]) == 41:
            del flickr.pools["g@N1"][3:6]  # the next three of page 3 slip to page 2

    flickr.after_page = change
    assert collect(tmp_path, "--group", "g@N1=film").exit_code == 0
    assert {*range(1, 41), 999} - {3, 4, 5} <= {int(row["path"]) for row in manifest(tmp_path)}
    assert set(flickr.asked.values()) == {1}


def test_a_picture_deleted_by_hand_stays_deleted(flickr: Any, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        flickr.add("g@N1", number)
    collect(tmp_path, "--group", "g@N1=film")
    (tmp_path / "film" / "77-N01_2.jpg").unlink()
    assert collect(tmp_path, "--group", "g@N1=film").exit_code == 0
    assert names(tmp_path / "film") == ["77-N01_1.jpg", "77-N01_3.jpg"]
    assert [row["path"] for row in manifest(tmp_path)] == ["1", "3"]
