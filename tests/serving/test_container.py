"""Finding a server with native backends."""

from pathlib import Path

import pytest

from serving import container
from serving.command import command
from serving.container import find_container
from serving.settings import Settings, profile
from serving.wheel import find_wheel

NATIVE = Settings(profile="native-cpu")


def backends(folder: Path) -> Path:
    for name in profile(NATIVE.profile).backends:
        (folder / name).mkdir(parents=True)
    return folder


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(container, "INSTALLED", tmp_path / "opt" / "tritonserver" / "bin" / "tritonserver")


@pytest.fixture
def installed(tmp_path: Path, nothing_installed: None) -> Path:
    """As in the container, outside PATH."""
    program: Path = container.INSTALLED
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    backends(program.parents[1] / "backends")
    return program


def test_the_container_s_server_is_found_with_its_own_backends(installed: Path) -> None:
    found = find_container(NATIVE)
    assert found.program == installed
    assert found.backends == installed.parents[1] / "backends"


def test_a_server_on_the_path_goes_first(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mine" / "bin" / "tritonserver"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    backends(tmp_path / "mine" / "backends")
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_container(NATIVE).program == program


@pytest.mark.parametrize(
    ("known", "flags"),
    [("--http-port <n> --http-max-input-size <n>", ("--http-max-input-size=2147483647",)), ("--http-port <n>", ())],
)
def test_a_body_of_any_size_that_a_picture_may_have_is_let_in(installed: Path, known: str, flags: tuple[str]) -> None:
    installed.write_text(f"#!/bin/sh\necho 'Usage: {known}' >&2\nexit 1\n")
    found = find_container(NATIVE)
    assert found.flags == flags
    told = command(NATIVE, found, "region_")
    assert [flag for flag in told if flag.startswith("--http-max-input-size")] == [*flags]


def test_other_backends_may_be_named(installed: Path, tmp_path: Path) -> None:
    other = backends(tmp_path / "other")
    assert find_container(Settings(profile="native-cpu", backend_directory=other)).backends == other


def test_backends_alone_are_served_by_the_wheel_s_server(nothing_installed: None, tmp_path: Path) -> None:
    other = backends(tmp_path / "other")
    found = find_container(Settings(profile="native-cpu", backend_directory=other))
    assert (found.program, found.backends) == (find_wheel().program, other)
