"""What is checked before Triton is started, through the command line that a user types."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from film import engine, gpu, specs
from film.gpu import Gpu, GpuError
from film.published import manifest_file
from serving import container
from serving.checks import explained_otherwise, little_shared_memory
from serving.cli import serve
from serving.errors import ServingError
from serving.server import on_free_ports
from serving.settings import DEFAULT_REPOSITORY, Settings


def free_ports() -> list[str]:
    settings = on_free_ports()
    return [f"--{name}-port={port}" for name, port in settings.ports.items()]


@pytest.fixture
def ports() -> list[str]:
    return free_ports()


@pytest.fixture(autouse=True)
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not refused would become Triton in this process' place."""
    monkeypatch.setitem(sys.modules, "pytriton", None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(serve, list(arguments))


def refused(result: Result) -> str:
    """What `safelight serve` said on its way out: one sentence, and no traceback."""
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)
    return result.stderr


@pytest.mark.parametrize("name", ["http", "grpc", "metrics"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        said = refused(run(*free_ports(), f"--{name}-port={port}"))
    assert f"Port {port} on 127.0.0.1" in said
    assert f"--{name}-port" in said


def test_one_port_for_two_protocols_is_refused() -> None:
    assert "need a port each" in refused(run("--http-port=9000", "--grpc-port=9000"))


def test_an_address_of_another_machine_is_refused(ports: list[str]) -> None:
    assert "192.0.2.1 cannot be used" in refused(run(*ports, "--host=192.0.2.1"))


@pytest.mark.parametrize("host", ["::1", "no such host"])
def test_what_triton_cannot_listen_on_is_refused(ports: list[str], host: str) -> None:
    said = refused(run(*ports, f"--host={host}"))
    assert f"--host {host} is not an IPv4 address" in said
    assert "0.0.0.0" in said


def test_a_ready_file_in_no_folder_is_refused(tmp_path: Path) -> None:
    assert "name another --ready-file" in refused(run(f"--ready-file={tmp_path / 'nowhere' / 'ready'}"))


def test_a_ready_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder: name another --ready-file" in refused(run(f"--ready-file={tmp_path}"))


@pytest.mark.parametrize(
    "argument",
    [
        "--stop-with=-5",
        "--stop-with=99999999999999999",
        "--exit-timeout=-5",
        "--exit-timeout=99999999999999",
        "--ready-timeout=-1",
        "--ready-timeout=0",
        "--ready-timeout=inf",
    ],
)
def test_a_number_that_no_server_could_be_given_is_refused(ports: list[str], argument: str) -> None:
    result = run(*ports, argument)
    assert (result.exit_code, "is not in the range" in result.stderr) == (2, True)


def test_a_time_is_a_number(ports: list[str]) -> None:
    said = refused(run(*ports, "--ready-timeout=nan"))
    assert "ready_timeout is nan; it must be more than 0 and at most 86400" in said


@pytest.mark.parametrize(
    "wrong", [{"ready_timeout": 0.0}, {"exit_timeout": -1}, {"exit_timeout": 10**9}, {"stop_with": 2**40}]
)
def test_settings_hold_no_such_number_either(wrong: dict[str, Any]) -> None:
    with pytest.raises(ServingError, match=next(iter(wrong))):
        Settings(**wrong)


def test_a_process_to_stop_with_must_run(ports: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert f"There is no process {ended.pid} to stop with" in refused(run(*ports, f"--stop-with={ended.pid}"))


def test_one_that_has_ended_and_was_not_waited_for_does_not_run(ports: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert f"There is no process {ended.pid} to stop with" in refused(run(*ports, f"--stop-with={ended.pid}"))


@pytest.mark.parametrize("option", ["--model-repository", "--overlay", "--backend-directory", "--ready-file"])
def test_an_empty_name_is_refused(ports: list[str], option: str) -> None:
    """An unset variable of a shell becomes one, and as a path it would be the current folder."""
    result = run(*ports, f"{option}=")
    assert (result.exit_code, f"'{option}': a name is empty; is a variable not set?" in result.stderr) == (2, True)


def test_an_unknown_profile_is_answered_with_those_there_are() -> None:
    assert "no profile 'quantum'; there is cpu, cuda, native, native-cpu" in refused(run("--profile=quantum"))


def test_an_unknown_model_is_answered_with_those_there_are() -> None:
    said = refused(run("--models=film_origin,film_future"))
    assert "'film_future'" in said
    assert all(model in said for model in specs.PUBLIC_MODELS)


def test_no_model_is_refused() -> None:
    assert "No model was chosen" in refused(run("--models=,"))


def test_a_repository_that_is_none_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path} is not Safelight's model repository" in refused(run(f"--model-repository={tmp_path}"))
    assert "is not a folder" in refused(run(f"--model-repository={tmp_path / 'nowhere'}"))


def test_a_network_that_was_not_published_is_refused(tmp_path: Path) -> None:
    spec = specs.FILM_ORIGIN
    (tmp_path / spec.name).mkdir()
    said = refused(run(f"--model-repository={tmp_path}", f"--models={spec.name}"))
    assert str(tmp_path / spec.network_model / "1" / "model.onnx") in said
    assert "make export" in said


@pytest.mark.parametrize(
    ("profile", "instead"), [("cuda", "--profile cpu, or try its models with --device cpu"), ("native", "native-cpu")]
)
def test_a_profile_for_a_gpu_is_refused_without_one(
    ports: list[str], monkeypatch: pytest.MonkeyPatch, profile: str, instead: str
) -> None:
    monkeypatch.setattr(gpu, "find", lambda: ())
    said = refused(run(*ports, f"--profile={profile}"))
    assert f"Profile {profile} needs a GPU" in said
    assert instead in said


def test_a_driver_that_does_not_work_is_told_from_none(ports: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> tuple[Gpu, ...]:
        raise GpuError("CUDA's driver does not work here, error 803.")

    monkeypatch.setattr(gpu, "find", broken)
    said = refused(run(*ports, "--profile=cuda"))
    assert "Profile cuda needs a GPU. CUDA's driver does not work here, error 803." in said
    assert "--device cpu" in said


def test_tensorrt_has_no_device_but_the_gpu(ports: list[str]) -> None:
    assert "native-cpu is what it is without a GPU" in refused(run(*ports, "--profile=native", "--device=cpu"))


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["--profile=cuda", "--device=cpu"], "torch", "cuda"),
        (["--profile=native-cpu"], "nvidia.dali", "native,dali"),
        (["--profile=native-cpu"], "nvidia", "native,dali"),
        (["--profile=native-cpu"], "simplejpeg", "native"),
    ],
)
def test_a_package_that_a_profile_needs_is_named_with_what_installs_it(
    ports: list[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], package: str, extra: str
) -> None:
    find = importlib.util.find_spec

    def without(name: str, *rest: str) -> object:
        if name == package or name.startswith(f"{package}."):
            raise ModuleNotFoundError(name)
        return find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    said = refused(run(*ports, *arguments))
    assert package in said
    assert f"pip install -c constraints.txt -e '.[{extra}]'" in said


@pytest.mark.parametrize(
    ("arguments", "file"), [(["--profile=cuda", "--device=cpu"], "model.pt"), (["--profile=native"], "model.plan")]
)
def test_what_export_has_not_made_is_refused(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], file: str
) -> None:
    monkeypatch.setattr(gpu, "find", lambda: (Gpu("8.9"),))
    repository = shutil.copytree(DEFAULT_REPOSITORY, tmp_path / "models", symlinks=True)
    missing = repository / specs.FILM_ORIGIN.network_model / "1" / file
    missing.unlink(missing_ok=True)
    said = refused(run(*ports, *arguments, f"--model-repository={repository}"))
    assert f"{missing} is missing: run `make export`" in said


@pytest.mark.parametrize(
    ("version", "gpus", "said"),
    [
        ("10.13.2", ["8.9"], "no tritonserver on PATH"),
        ("", ["8.9"], "no tritonserver on PATH"),
        ("10.14.0", ["8.9"], "cannot be served. The engine was built by TensorRT 10.13.2.6, and 10.14.0 is here"),
        ("10.13.2", ["8.9", "9.0"], "built for compute capability 8.9, and there is a GPU of 9.0. Build it again here"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, gpus: list[str], said: str
) -> None:
    monkeypatch.setattr(gpu, "find", lambda: tuple(map(Gpu, gpus)))
    monkeypatch.setattr(engine, "installed_version", lambda: version)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(container, "INSTALLED", tmp_path / "tritonserver")
    repository = shutil.copytree(DEFAULT_REPOSITORY, tmp_path / "models", symlinks=True)
    file = repository / specs.FILM_ORIGIN.network_model / "1" / "model.plan"
    file.touch()
    facts = {"library": "tensorrt", "version": "10.13.2.6", "compute_capabilities": ["8.9"]}
    manifest_file(file).write_text(json.dumps(facts))
    models = f"--models={specs.FILM_ORIGIN.name}"
    assert said in refused(run(*ports, "--profile=native", models, f"--model-repository={repository}"))


def test_an_explanation_of_another_network_than_the_served_one_is_named(tmp_path: Path) -> None:
    repository = shutil.copytree(DEFAULT_REPOSITORY, tmp_path / "models", symlinks=True)
    settings = Settings(repository=repository)
    assert list(explained_otherwise(settings)) == []
    file = repository / specs.FILM_ORIGIN.network_model / "1" / "model.onnx.json"
    file.write_text(file.read_text().replace('"weights"', '"weights of before"'))
    (said,) = explained_otherwise(settings)
    assert "film_origin_explain explains another network than film_origin" in said
    assert list(explained_otherwise(replace(settings, models=(specs.FILM_ORIGIN_EXPLAIN.name,)))) == []


def test_little_shared_memory_is_told_of_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for megabytes, warned in ((64, True), (2048, False)):
        held = os.statvfs_result((4096, 4096, megabytes * 256, 0, 0, 0, 0, 0, 0, 255))
        monkeypatch.setattr(os, "statvfs", lambda _, held=held: held)
        said = list(little_shared_memory())
        assert bool(said) is warned
        assert all("holds 64 MiB" in one and "--shm-size" in one for one in said)
    monkeypatch.undo()
    assert list(little_shared_memory(tmp_path / "nowhere")) == []


def test_native_backends_that_are_nowhere_are_refused(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(container, "INSTALLED", tmp_path / "tritonserver")
    models = f"--models={specs.INVERSION_MODEL}"  # needs no file of export's
    assert "no tritonserver on PATH" in refused(run(*ports, "--profile=native-cpu", models))


def test_a_container_without_a_backend_is_refused(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "tritonserver"
    for folder in (program.parent, tmp_path / "backends" / "python", tmp_path / "backends" / "pytorch"):
        folder.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    said = refused(run(*ports, "--profile=native-cpu", f"--models={specs.INVERSION_MODEL}"))
    assert f"{tmp_path / 'backends'} has no backend dali and no onnxruntime" in said


def test_a_missing_wheel_is_refused(ports: list[str]) -> None:
    assert "pip install -c constraints.txt -e '.[serve]'" in refused(run(*ports))


def test_a_numpy_that_empties_answers_is_refused(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "numpy-2.3.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.3.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "numpy 2.3.0" in refused(run(*ports))


def test_a_link_to_code_that_triton_cannot_read_is_named(
    ports: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.pth").write_text("/srv/code")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert "is not installed" in refused(run(*ports)), "this one is readable"
    (tmp_path / "own.pth").write_text("/srv/für mich", encoding="utf-8")
    assert f"{tmp_path / 'own.pth'} has letters beyond ASCII" in refused(run(*ports))


def test_help_shows_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "safelight serve --models film_origin" in result.output
