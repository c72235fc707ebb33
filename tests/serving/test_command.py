"""Settings to Triton's flags and environment, and back from the command line."""

import os
import sys
import sysconfig
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import film
from film import specs
from serving import cli
from serving.command import command, environment
from serving.settings import PROFILES, Device, LogLevel, Settings
from serving.wheel import Server

SERVER = Server(Path("/triton/bin/tritonserver"), Path("/triton/backends"), (Path("/triton/lib"), Path("/python/lib")))
PORTS = st.integers(1, 65535)
SETTINGS = st.builds(
    Settings,
    profile=st.sampled_from([profile.name for profile in PROFILES]),
    device=st.sampled_from(Device.__args__),
    backend_directory=st.sampled_from([None, Path("/backends")]),
    host=st.sampled_from(["127.0.0.1", "0.0.0.0", "10.1.2.3"]),
    http_port=PORTS,
    grpc_port=PORTS,
    metrics_port=PORTS,
    models=st.sampled_from([specs.PUBLIC_MODELS, (specs.INVERSION_MODEL,)]),
    repository=st.sampled_from([Path("/models"), Path("/a folder/with = in it")]),
    log_level=st.sampled_from(LogLevel.__args__),
    ready_timeout=st.integers(1, 1000),
    exit_timeout=st.integers(0, 1000),
    ready_file=st.sampled_from([None, Path("/run/ready")]),
    stop_with=st.integers(0, 2**22),
)


def flags(settings: Settings) -> dict[str, list[str]]:
    program, *arguments = command(settings, SERVER, "region_")
    assert program == "/triton/bin/tritonserver"
    found: dict[str, list[str]] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        found.setdefault(name, []).append(value)
    return found


@given(SETTINGS)
def test_every_setting_reaches_triton(settings: Settings) -> None:
    given_flags = flags(settings)
    for name, port in settings.ports.items():
        assert given_flags[f"--{name}-port"] == [str(port)]
        assert given_flags[f"--{name}-address"] == [settings.host]
    assert given_flags["--model-repository"] == [str(settings.repository)]
    assert given_flags["--load-model"] == list(settings.models)
    assert given_flags["--exit-timeout-secs"] == [str(settings.exit_timeout)]
    assert given_flags["--log-info"] == ["true" if settings.log_level in ("info", "verbose") else "false"]


@given(SETTINGS)
def test_settings_survive_the_command_line(settings: Settings) -> None:
    context = cli.serve.make_context("serve", cli.arguments(settings))
    assert isinstance(context, click.Context)
    assert Settings(**context.params) == settings


def test_only_what_was_chosen_is_loaded_and_nothing_is_guessed() -> None:
    given_flags = flags(Settings())
    assert given_flags["--model-control-mode"] == ["explicit"]
    assert "--disable-auto-complete-config" in given_flags
    assert "--model-config-name" not in given_flags, "the default profile's are the plain config.pbtxt"
    assert "python,shm-region-prefix-name=region_" in given_flags["--backend-config"]


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES if profile.name != "cpu"])
def test_a_profile_is_triton_s_own_choice_of_configurations(profile: str) -> None:
    assert flags(Settings(profile=profile))["--model-config-name"] == [profile]


def test_every_gpu_has_memory_for_what_goes_from_backend_to_backend() -> None:
    """Models with KIND_GPU have instances on each."""
    for name in ("native", "native-cpu", "cuda", "cpu"):
        arguments = command(Settings(profile=name), SERVER, "region_", gpus=2)
        pools = [argument for argument in arguments if argument.startswith("--cuda-memory-pool-byte-size=")]
        sizes = ["0:1073741824", "1:1073741824"] if name == "native" else []
        assert [pool.partition("=")[2] for pool in pools] == sizes


def test_models_are_kept_off_the_gpu_by_hiding_it() -> None:
    inherited = {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert environment(Settings(profile="cuda", device="cpu"), SERVER, inherited)["CUDA_VISIBLE_DEVICES"] == ""
    assert environment(Settings(profile="cuda"), SERVER, inherited)["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_this_python_and_this_film_go_first() -> None:
    inherited = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/old", "PYTHONHOME": "/other", "LANG": "C"}
    made = environment(Settings(), SERVER, inherited)
    assert made["PATH"].split(os.pathsep) == [str(Path(sys.prefix, "bin")), "/usr/bin"]
    assert made["LD_LIBRARY_PATH"] == "/triton/lib:/python/lib:/old"
    assert made["PYTHONPATH"] == str(Path(film.__file__).parents[1])
    assert "PYTHONHOME" not in made
    assert made["LANG"] == "C"


def test_packages_of_this_python_go_before_those_that_the_container_names() -> None:
    made = environment(Settings(profile="native"), SERVER, {"PYTHONPATH": "/opt/tritonserver/backends/dali/wheel/dali"})
    ours, packages, of_container = made["PYTHONPATH"].split(os.pathsep)
    assert ours == str(Path(film.__file__).parents[1])
    assert Path(packages, "numpy", "__init__.py").samefile(np.__file__)
    assert of_container.startswith("/opt/tritonserver")


def test_they_do_not_where_they_would_hide_the_container_s_dali(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "nvidia").mkdir()

    def first() -> bool:
        return str(tmp_path) in environment(Settings(profile="native"), SERVER, {"PYTHONPATH": "/dali"})["PYTHONPATH"]

    assert first(), "a folder alone is a part of the same namespace"
    (tmp_path / "nvidia" / "__init__.py").touch()
    assert not first()
    (tmp_path / "nvidia" / "dali").mkdir()
    assert first()


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:80"), ("0.0.0.0", "127.0.0.1:80"), ("box.local", "box.local:80")],
)
def test_a_client_on_this_machine_gets_an_address_that_it_can_reach(host: str, address: str) -> None:
    assert Settings(host=host).address(80) == address
