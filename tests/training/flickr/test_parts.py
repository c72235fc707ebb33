"""The parts that need no server."""

import io
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from film.images import decode
from training.data.flickr.api import Page
from training.data.flickr.cli import command
from training.data.flickr.duplicates import DISTANCE, Seen, perceptual_hash
from training.data.flickr.errors import BadChoice, Reason, Refused, Stopped, Transient
from training.data.flickr.fetch import examine
from training.data.flickr.licences import Licence, select
from training.data.flickr.patience import LONGEST_HOLD, Pace, Patience, persist
from training.data.flickr.photo import Photo, preference
from training.data.flickr.walk import WALKS, walk
from training.data.flickr.web import retry_after
from training.data.pictures import source_of

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "samples").glob("*/*.jpg"))


class Time:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> bool:
        self.slept.append(seconds)
        self.now += seconds
        return False

    def pace(self, per_second: float) -> Pace:
        return Pace(per_second, self.sleep, lambda: self.now)


def failing(*errors: Transient) -> Callable[[], str]:
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def test_no_more_than_so_many_a_second_even_after_a_rest() -> None:
    time = Time()
    pace = time.pace(per_second=4)
    passed = []
    for number in range(8):
        if number == 4:
            time.now += 60
        pace.wait()
        passed.append(time.now)
    assert np.diff(passed[:4]) == pytest.approx([0.25] * 3)
    assert np.diff(passed[4:]) == pytest.approx([0.25] * 3)


def test_retry_after_is_obeyed_by_everybody() -> None:
    time = Time()
    pace = time.pace(per_second=1000)
    assert persist(failing(Transient("HTTP 429", 7.0)), pace, Patience()) == "done"
    assert time.now == pytest.approx(107)
    pace.hold(30)
    pace.hold(10)
    pace.wait()
    assert time.now == pytest.approx(137)
    pace.hold(1e9)
    pace.wait()
    assert time.now == pytest.approx(137 + LONGEST_HOLD)


def test_without_it_pauses_grow_and_the_last_failure_is_raised() -> None:
    time = Time()
    patience = Patience(attempts=5, first=1.0, longest=3.0)
    errors = [Transient(str(number)) for number in range(5)]
    with pytest.raises(Transient, match="4"):
        persist(failing(*errors), time.pace(per_second=1e9), patience)
    pauses = [seconds for seconds in time.slept if seconds > 0.1]
    assert len(pauses) == 4
    assert all(full / 2 <= pause <= full for pause, full in zip(pauses, (1, 2, 3, 3), strict=True))


def test_a_stopped_run_waits_for_nothing() -> None:
    pace = Pace(1, lambda _: True)
    with pytest.raises(Stopped):
        persist(failing(), pace, Patience())


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), (None, None)])
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    response = requests.Response()
    response.headers.update({"Retry-After": header} if header else {})
    assert retry_after(response) == seconds


def test_retry_after_as_a_date_that_has_passed_means_now() -> None:
    response = requests.Response()
    response.headers["Retry-After"] = "Wed, 21 Oct 2015 07:28:00 GMT"
    assert retry_after(response) == 0


BY = "https://creativecommons.org/licenses/by"
KNOWN = [
    Licence.from_answer(entry)
    for entry in (
        {"id": 0, "name": "All Rights Reserved", "url": "https://www.flickrhelp.com/hc/en-us/articles/10710266545556"},
        {"id": "4", "name": "Attribution License", "url": f"{BY}/2.0/"},
        {"id": "6", "name": "Attribution-NoDerivs License", "url": f"{BY}-nd/2.0/"},
        {"id": "8", "name": "United States Government Work", "url": "http://www.usa.gov/copyright.shtml"},
        {"id": "9", "name": "CC0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
        {"id": "11", "name": "Attribution 4.0", "url": f"{BY}/4.0/"},
    )
]


def test_licences_have_names_and_a_name_without_a_version_means_all_of_them() -> None:
    names = ["all-rights-reserved", "cc-by-2.0", "cc-by-nd-2.0", "us-government", "cc0-1.0", "cc-by-4.0"]
    assert [one.name for one in KNOWN] == names
    assert select(["cc-by"], KNOWN) == {"4", "11"}
    assert select(["cc-by-2.0", "9", "us-government"], KNOWN) == {"4", "9", "8"}
    with pytest.raises(BadChoice, match=r"no licence 'by'; it has .*cc-by-4.0 \(11\)"):
        select(["by"], KNOWN)


def test_sizes_go_down_before_they_go_up() -> None:
    assert preference("Large 2048")[:4] == ["Large 2048", "Large 1600", "Large", "X-Large 3K"]
    assert preference("Large")[:2] == ["Large", "Large 1600"]
    assert preference("Original")[:2] == ["Original", "X-Large 6K"]


def photo(number: int | str, owner: str = "1@N00") -> Photo:
    return Photo.from_answer({"id": number, "owner": owner})


@given(owner=st.text(min_size=1), number=st.integers(1, 10**12))
def test_any_owner_makes_a_file_name_whose_source_is_the_owner(owner: str, number: int) -> None:
    name = photo(number, owner).name
    assert Path(name).name == name
    assert source_of(Path(f"{name}.jpg")) == (name.removesuffix(f"_{number}") or name)
    assert name.count("_") == 1


def test_a_file_name_is_never_a_way_out_of_the_folder() -> None:
    assert photo("../../9", "../12037949754@N01").name == "12037949754-N01_9"


def test_a_quiet_pool_is_read_once_and_a_restless_one_not_for_ever() -> None:
    asked: list[int] = []

    def quiet(number: int) -> Page:
        asked.append(number)
        return Page([photo(number * 10 + k) for k in range(3)], pages=4, total=12)

    assert sum(len(page.photos) for page in walk(quiet)) == 12
    assert asked == [1, 2, 3, 4]

    def restless(number: int) -> Page:
        asked.append(number)
        return Page([photo(number)], pages=2, total=len(asked))

    asked.clear()
    assert [one.id for page in walk(restless) for one in page.photos] == ["1", "2"]
    assert len(asked) == 2 * WALKS


def test_an_empty_page_is_the_end_whatever_it_promises() -> None:
    assert [page.photos for page in walk(lambda _: Page([], pages=1000, total=0))] == [[]]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_copy_is_found_and_a_stranger_is_not(path: Path) -> None:
    seen = Seen()
    for other in SAMPLES:
        if other != path:
            seen.add(other.name, perceptual_hash(decode(other.read_bytes())))
    pixels = decode(path.read_bytes())
    assert seen.find(perceptual_hash(pixels)) is None
    seen.add(path.name, perceptual_hash(pixels))
    half = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    jpeg = bytes(cv2.imencode(".jpg", half[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1])
    assert seen.find(perceptual_hash(decode(jpeg))) == path.name
    assert seen.find(perceptual_hash(cv2.convertScaleAbs(pixels, alpha=1.15))) == path.name


def test_as_many_bits_as_the_threshold_and_not_one_more() -> None:
    seen = Seen()
    assert seen.find("0" * 16) is None
    seen.add("a", "f0" + "0" * 14)
    assert seen.find(f"{(0xF0 << 56) | (2**DISTANCE - 1):016x}") == "a"
    assert seen.find(f"{(0xF0 << 56) | (2 ** (DISTANCE + 1) - 1):016x}") is None


def test_the_camera_is_read_where_the_file_names_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NORITSU KOKI", "EZ Controller\0"
    image = Image.new("RGB", (1024, 800))
    image.save(tmp_path / "a.jpg", exif=exif)
    image.save(tmp_path / "b.jpg")
    assert examine(tmp_path / "a.jpg").device == "NORITSU KOKI EZ Controller"
    assert examine(tmp_path / "b.jpg").device == ""


@pytest.mark.parametrize(
    ("size", "kind", "reason"),
    [((1023, 1023), "JPEG", Reason.TOO_SMALL), ((1024, 700), "WEBP", Reason.NOT_A_JPEG), ((1024, 700), "JPEG", None)],
)
def test_only_large_jpegs_are_kept(tmp_path: Path, size: tuple[int, int], kind: str, reason: Reason | None) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind)
    path = tmp_path / "a.jpg"
    path.write_bytes(buffer.getvalue())
    if reason is None:
        assert (examine(path).width, examine(path).height) == size
    else:
        with pytest.raises(Refused) as refused:
            examine(path)
        assert refused.value.reason is reason


def test_what_the_documents_and_the_help_tell_to_type_is_accepted() -> None:
    texts = (ROOT / "docs" / "data.md").read_text(), command.epilog or ""
    for text in texts:
        [arguments] = re.findall(r"python -m training\.data\.flickr ((?:.*\\\n)*.*)", text)
        context = command.make_context("flickr", shlex.split(arguments.replace("\\\n", " ")))
        assert [group.label for group in context.params["groups"]] == ["film", "digital"]
        assert context.params["licences"] == ("cc-by", "cc0", "pdm")
