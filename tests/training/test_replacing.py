"""What is written over a file takes its place whole, or leaves it as it was."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the train extra")

from training import film_origin, negative_condition
from training.record import write_record
from training.replacing import replacing

WRITERS: dict[str, Callable[[Path], None]] = {
    "film_origin": lambda path: film_origin.save(film_origin.NETWORKS["grain"](100), path, "grain"),
    "negative_condition": lambda path: negative_condition.save(negative_condition.build(), path),
    "record": lambda path: write_record(path, recipe={"seeds": list(range(1000))}, measured={}),
}


@contextmanager
def a_full_disk(after: int) -> Iterator[None]:
    """Files cannot grow beyond ``after`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_trained_before_survives_a_full_disk(name: str, tmp_path: Path) -> None:
    path = tmp_path / "trained"
    path.write_bytes(b"what was trained before")
    with pytest.raises(Exception, match="too large"), a_full_disk(after=2000):
        WRITERS[name](path)
    assert path.read_bytes() == b"what was trained before"
    assert list(tmp_path.iterdir()) == [path], "no half of a file stays"
    WRITERS[name](path)
    assert path.stat().st_size > 2000
    assert path.stat().st_mode & 0o444 == 0o444, "others may read it: a server runs as somebody else"


def test_a_file_comes_whole_and_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with replacing(path) as part:
        part.write_text("half")
        assert not path.exists()
        assert part.suffix == path.suffix
        part.write_text("whole")
    assert path.read_text() == "whole"


def test_a_file_stays_as_it_was_when_its_writer_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("whole")

    def stopped(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing(path) as part:
        stopped(part)
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]
