"""Finding the server in its wheel and laying out its parts."""

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.wheel import find_wheel

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel's files without their contents, unpacked by an installer that drops run bits."""
    triton = tmp_path / "site" / "pytriton" / "tritonserver"
    for name in (
        "../__init__.py",
        "bin/tritonserver",
        "backends/python/libtriton_python.so",
        "backends/python/triton_python_backend_utils.py",
        f"python_backend_stubs/{VERSION}/triton_python_backend_stub",
        "../../nvidia_pytriton.libs/libtritonserver.so",
    ):
        file = triton / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        file.chmod(0o644)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "pytriton", raising=False)
    return triton


def test_the_installed_server_is_found_and_laid_out(cache: Path) -> None:
    server = find_wheel()
    assert os.access(server.program, os.X_OK)
    assert server.program.is_relative_to(cache)
    parts = {file.name for file in (server.backends / "python").iterdir()}
    assert parts >= {"libtriton_python.so", "triton_python_backend_utils.py", "triton_python_backend_stub"}
    assert all(file.resolve(strict=True).is_file() for file in (server.backends / "python").iterdir())


def test_the_python_library_is_that_of_this_interpreter() -> None:
    own = Path(sysconfig.get_config_var("LIBDIR"), f"libpython{VERSION}.so.1.0")
    if not own.exists():
        pytest.skip("this interpreter is linked statically or keeps its library elsewhere")
    *_, ours = find_wheel().libraries
    assert (ours / own.name).resolve() == own.resolve()


def test_programs_without_their_run_bit_get_it_in_the_cache_and_not_in_the_wheel(wheel: Path) -> None:
    server = find_wheel()
    for program, source in (
        (server.program, "bin/tritonserver"),
        (server.backends / "python" / "triton_python_backend_stub", f"python_backend_stubs/{VERSION}/{{}}"),
    ):
        original = wheel / source.format(program.name)
        assert program.read_bytes() == original.read_bytes()
        assert os.access(program, os.X_OK)
        assert not original.stat().st_mode & 0o111


def test_finding_it_twice_changes_nothing(wheel: Path, cache: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in cache.rglob("*") if not path.is_dir()}

    find_wheel()
    before = state()
    find_wheel()
    assert state() == before


def test_another_python_s_leftovers_are_replaced(wheel: Path) -> None:
    library = find_wheel().backends / "python" / "libtriton_python.so"
    library.unlink()
    library.symlink_to("/nowhere")
    find_wheel()
    assert library.resolve() == wheel / "backends" / "python" / library.name


def test_a_wheel_for_other_pythons_says_which(wheel: Path) -> None:
    stubs = wheel / "python_backend_stubs"
    (stubs / VERSION).rename(stubs / "2.7")
    with pytest.raises(ServingError, match=rf"cannot serve with Python {VERSION}; it can with \['2\.7'\]"):
        find_wheel()


def test_a_damaged_wheel_is_named(wheel: Path) -> None:
    (wheel / "backends" / "python" / "libtriton_python.so").unlink()
    with pytest.raises(ServingError, match=r"libtriton_python\.so is missing: reinstall nvidia-pytriton"):
        find_wheel()


def test_a_cache_that_cannot_be_written_is_named(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self")
    with pytest.raises(ServingError, match="XDG_CACHE_HOME"):
        find_wheel()
