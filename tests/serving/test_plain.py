"""Links with names that Triton can read."""

import os
import tempfile
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.plain import plain
from serving.wheel import find_wheel

ODD = "Fotos für mich"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def odd_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache under an odd name, and an own temporary folder under a plain one."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ODD))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_a_plain_name_stays_and_nothing_is_made(cache: Path) -> None:
    assert plain(Path("/srv/models_2/roll-12")) == Path("/srv/models_2/roll-12")
    assert not cache.exists()


@pytest.mark.parametrize("name", [ODD, "two words", "ü", "$HOME", "it's", 'a"b', "a;b", "(c)", "über\udcff"])
def test_any_other_is_reached_by_a_link_that_is_the_same_each_time(name: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / name).mkdir()
    link = plain(tmp_path / name)
    assert link.is_relative_to(cache)
    assert str(link).isascii()
    assert link.samefile(tmp_path / name)
    assert plain(tmp_path / name) == link


def test_dali_s_backend_takes_fewer_signs(tmp_path: Path, cache: Path) -> None:
    repository = tmp_path / "film-server (new)" / "model_repository"
    repository.mkdir(parents=True)
    link = plain(repository, for_dali=True)
    assert link.samefile(repository)
    assert set(link.name) <= set("0123456789abcdef")
    assert plain(Path("/srv/models_2"), for_dali=True) == Path("/srv/models_2")


def test_dali_s_backend_takes_no_way_up(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert plain(Path("../models")) == Path("../models")
    link = plain(Path("../models"), for_dali=True)
    assert ".." not in str(link)
    assert link.samefile(tmp_path / "models")


def test_a_relative_name_leads_there_from_anywhere(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ODD).mkdir()
    monkeypatch.chdir(tmp_path)
    assert plain(Path(ODD)).samefile(tmp_path / ODD)


def test_a_cache_under_an_odd_name_is_passed_over(odd_cache: Path, tmp_path: Path) -> None:
    assert plain(tmp_path / ODD).is_relative_to(odd_cache)
    server = find_wheel()
    assert server.program.is_relative_to(odd_cache)
    assert server.backends.is_relative_to(odd_cache)


def test_a_temporary_folder_that_others_can_write_to_is_not_trusted(odd_cache: Path, tmp_path: Path) -> None:
    shared = odd_cache / f"safelight_{os.getuid()}"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(ServingError, match=f"{shared} is not a folder that only you can write to"):
        plain(tmp_path / ODD)


def test_no_plain_place_at_all_is_refused(odd_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ODD))
    with pytest.raises(ServingError, match="set XDG_CACHE_HOME to a folder that has such a name"):
        plain(tmp_path / ODD)
