"""Starting, proving, stopping and dying: nothing is left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from client import Client
from film import specs
from serving import leftovers
from serving.cli import arguments
from serving.errors import ServingError
from serving.server import ServerProcess, on_free_ports
from serving.settings import Settings

pytestmark = pytest.mark.e2e
QUICK = (specs.INVERSION_MODEL,)
"""Starts fastest: it has no network to load."""


def remains(server: int) -> list[str]:
    """Shared memory, temporary files and processes of a server that has the process id ``server``."""
    mark = leftovers.prefix(server)
    found = [file.name for file in leftovers.SHARED_MEMORY.glob(f"{mark}*")]
    found += [str(place) for place in (leftovers.scratch(server),) if place.exists()]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # ended meanwhile
        beside = "serving.watcher" in command or "serving.guard" in command
        if mark in command or (str(server) in command and beside):
            found.append(command.replace("\0", " "))
    return found


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def quick_settings() -> Settings:
    return on_free_ports(Settings(models=QUICK))


def test_sigterm_ends_it_with_success_and_leaves_nothing(tmp_path: Path) -> None:
    with ServerProcess(quick_settings(), log=tmp_path / "log") as server:
        process = server.process_id
        assert remains(process), "this test sees what a running server has"
        assert leftovers.scratch(process).is_dir()
        os.kill(process, signal.SIGTERM)
        assert os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT).si_status == 0
        assert server.settings.ready_file
        assert eventually(lambda: not server.settings.ready_file.exists()), "it says that a server is ready"
    assert eventually(lambda: not remains(process)), remains(process)
    said = (tmp_path / "log").read_text()
    assert "Safelight is ready" in said
    assert "supervisor" not in said


def test_a_server_that_is_stopped_while_it_loads_leaves_nothing() -> None:
    settings = on_free_ports(Settings(models=(specs.NEGATIVE_CONDITION.name,)))
    command = [sys.executable, "-m", "serving", *arguments(settings)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert eventually(lambda: any("backend_stub" in found for found in remains(process.pid)))
        process.terminate()
        assert "The server has ended before it was ready" in process.stderr.read()
    assert eventually(lambda: not remains(process.pid)), remains(process.pid)


def test_a_server_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    settings = replace(quick_settings(), ready_timeout=0.01)
    log = tmp_path / "log"
    with pytest.raises(ServingError, match=r"not ready after 0\.01 seconds"), ServerProcess(settings, log=log):
        pass


def test_a_proxy_in_the_environment_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:9")
    with ServerProcess(quick_settings(), log=tmp_path / "log") as server:
        assert server.process_id


def test_a_host_may_be_given_by_its_name(tmp_path: Path) -> None:
    with (
        ServerProcess(replace(quick_settings(), host="localhost"), log=tmp_path / "log") as server,
        urllib.request.urlopen(f"http://{server.http_url}/v2/health/ready") as response,
    ):
        assert response.status == 200


def test_a_killed_server_leaves_nothing_either(tmp_path: Path) -> None:
    with ServerProcess(quick_settings(), log=tmp_path / "log") as server:
        process = server.process_id
        os.kill(process, signal.SIGKILL)
    assert eventually(lambda: not remains(process)), remains(process)


def test_a_server_that_crashes_is_no_longer_ready_and_somebody_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServerProcess(quick_settings(), log=log) as server:
        os.kill(server.process_id, signal.SIGFPE)  # as of a request for the best classes of bytes
        assert server.settings.ready_file
        assert eventually(lambda: not server.settings.ready_file.exists())
        assert "The server was ended by signal 8 (SIGFPE)" in log.read_text()
        assert "a supervisor should start another" in log.read_text()


def test_a_server_stops_with_the_process_that_wanted_it() -> None:
    program = (
        "import os, signal\n"
        "from serving.server import ServerProcess, on_free_ports\n"
        "from serving.settings import Settings\n"
        f"with ServerProcess(on_free_ports(Settings(models={QUICK!r}))) as server:\n"
        "    print(server.process_id, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert eventually(lambda: not remains(int(done.stdout))), remains(int(done.stdout))


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_a_server_without_standard_streams_is_guarded_all_the_same(closed: str, tmp_path: Path) -> None:
    """A descriptor of the watcher's had the number of one, and was replaced. Ignored children are no reason either."""
    ready = tmp_path / "ready"
    with subprocess.Popen(["sleep", "1000"]) as wanting:
        settings = replace(quick_settings(), ready_file=ready, stop_with=wanting.pid)
        command = [sys.executable, "-m", "serving", *arguments(settings)]
        command = ["sh", "-c", f"trap '' CHLD; exec \"$@\" {closed}", "sh", *command]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
            try:
                assert eventually(ready.is_file)
                assert remains(server.pid)
                wanting.kill()
                assert server.wait(60) == 0
            finally:
                wanting.kill()
                server.kill()
    assert eventually(lambda: not remains(server.pid)), remains(server.pid)


def test_a_port_that_is_taken_meanwhile_ends_the_start_with_the_log(tmp_path: Path) -> None:
    settings = replace(quick_settings(), http_port=on_free_ports().grpc_port)
    with (
        ServerProcess(settings, log=tmp_path / "first"),
        pytest.raises(ServingError, match=f"ended with code 2(.|\n)*Port {settings.http_port}"),
        ServerProcess(replace(quick_settings(), http_port=settings.http_port), log=tmp_path / "second"),
    ):
        pass


def test_of_two_that_start_at_once_on_the_same_ports_one_gets_ready_and_one_ends(tmp_path: Path) -> None:
    """Both found the ports free, and the one's watcher asked the other's server."""
    settings = replace(quick_settings(), stop_with=os.getpid())
    ready, logs = ([tmp_path / f"{what}{number}" for number in range(2)] for what in ("ready", "log"))
    servers = []
    try:
        for file, log in zip(ready, logs, strict=True):
            command = [sys.executable, "-m", "serving", *arguments(replace(settings, ready_file=file))]
            with log.open("wb") as stream:
                servers.append(subprocess.Popen(command, stdout=stream, stderr=stream))
        assert eventually(lambda: any(server.poll() is not None for server in servers))
        lost = [server.poll() is not None for server in servers].index(True)
        assert eventually(ready[1 - lost].is_file)
        assert "Safelight is ready" not in logs[lost].read_text()
        assert not ready[lost].exists()
    finally:
        for server in servers:
            server.terminate()
            server.wait(60)
    assert eventually(lambda: not any(remains(server.pid) for server in servers))


@pytest.mark.parametrize("wire", ["grpc", "http"])
def test_a_run_goes_on_after_a_restart(wire: str, tmp_path: Path, photograph: bytes) -> None:
    # Triton waits for open HTTP connections, idle ones too, until the exit timeout
    settings = on_free_ports(Settings(models=(specs.FILM_ORIGIN.name,), exit_timeout=3))
    first, second = (ServerProcess(settings, log=tmp_path / name) for name in ("first", "second"))
    with Client(f"{wire}://{getattr(first, f'{wire}_url')}") as client:
        with first:
            answers = client.iter_classify([photograph] * 20, [specs.FILM_ORIGIN.name], batch_size=2)
            seen = [next(answers)]
        with second:
            seen += answers
    assert len(seen) == 20
    assert {one.origin and one.origin.label for one in seen} == {seen[0].origin.label}


def stub_of(server: int, model: str) -> int:
    """The process id of one process of a model."""
    return next(process for process, name in leftovers.stubs(server) if name == model)


def test_a_model_whose_process_was_killed_answers_again(tmp_path: Path, photograph: bytes) -> None:
    log = tmp_path / "log"
    with ServerProcess(quick_settings(), log=log) as server, Client(server.grpc_url) as client:
        process, (before,) = server.process_id, client.invert([photograph])
        for stub in [stub for stub, _ in leftovers.stubs(process)]:
            os.kill(stub, signal.SIGKILL)
        (after,) = client.invert([photograph])  # asked while nobody can answer
        assert after == before
        began = time.monotonic()
    assert time.monotonic() - began < server.settings.exit_timeout
    assert f"died; loading {specs.INVERSION_MODEL} again." in log.read_text()
    assert eventually(lambda: not remains(process)), remains(process)


def test_a_step_of_an_ensemble_is_loaded_again_too(tmp_path: Path, photograph: bytes) -> None:
    settings = on_free_ports(Settings(models=(specs.FILM_ORIGIN.name, *QUICK)))
    with ServerProcess(settings, log=tmp_path / "log") as server, Client(server.grpc_url) as client:
        models = [specs.FILM_ORIGIN.name]
        (before,) = client.classify([photograph], models)
        os.kill(stub_of(server.process_id, specs.FILM_ORIGIN.network_model), signal.SIGKILL)
        (after,) = client.classify([photograph], models)
        assert after.origin == before.origin
        assert client.invert([photograph])[0].data, "what did not die goes on"


def test_a_model_that_cannot_be_loaded_again_ends_the_server(tmp_path: Path, repository: Path) -> None:
    own = tmp_path / "repository"
    shutil.copytree(repository / specs.INVERSION_MODEL, own / specs.INVERSION_MODEL)
    warmup = Path(specs.FILM_ORIGIN.preprocess_model, "warmup")
    shutil.copytree(repository / warmup, own / warmup)
    log = tmp_path / "log"
    with ServerProcess(replace(quick_settings(), repository=own), log=log) as server:
        process = server.process_id
        (own / specs.INVERSION_MODEL / "1" / "model.py").write_text("raise RuntimeError('broken meanwhile')")
        os.kill(stub_of(process, specs.INVERSION_MODEL), signal.SIGKILL)
        assert os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT).si_status != 0
    assert "Error: A model's process died and the model cannot be loaded again" in log.read_text()
    assert eventually(lambda: not remains(process)), remains(process)


def test_a_model_of_one_step_that_judges_something_else_never_gets_ready(tmp_path: Path, repository: Path) -> None:
    """As where pixels are not there yet when they are judged: then all pictures of a batch are answered alike."""
    own, name = tmp_path / "repository", specs.FILM_ORIGIN.name
    for folder in (name, specs.FILM_ORIGIN.network_model, f"{specs.FILM_ORIGIN.preprocess_model}/warmup"):
        shutil.copytree(repository / folder, own / folder)
    adapter = own / name / "1" / "device.py"
    source = adapter.read_text()
    assert "values[rows])" in source
    adapter.write_text(source.replace("values[rows])", "values[rows] * 0 + np.float32(0.5))"))
    settings = replace(quick_settings(), repository=own, profile="cuda", device="cpu", models=(name,))
    with (
        pytest.raises(ServingError, match=f"start-up check and is ended: {name}: it says the same of a photograph"),
        ServerProcess(settings, log=tmp_path / "log"),
    ):
        pass


BROKEN = {
    "empty tensors, as from a numpy that Triton cannot read": (
        "np.array(values, np.object_).reshape(-1, 1)",
        "np.zeros((0, 1), np.object_)",
        "came back as",
    ),
    "answers in another order": ("invert(images.ravel(), ", "invert(images.ravel()[::-1], ", "it says"),
    "a bad picture that fails its neighbours": (
        "images = ",
        "images = pb_utils.get_input_tensor_by_name(request, specs.IMAGE.name).as_numpy()\n"
        "        assert all(image.startswith(b'\\xff\\xd8') for image in images.ravel())\n"
        "        images = ",
        "could not answer",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_server_that_answers_nonsense_never_gets_ready(tmp_path: Path, repository: Path, fault: str) -> None:
    before, after, words = BROKEN[fault]
    broken = tmp_path / "repository"
    shutil.copytree(repository / specs.INVERSION_MODEL, broken / specs.INVERSION_MODEL)
    warmup = Path(specs.FILM_ORIGIN.preprocess_model, "warmup")
    shutil.copytree(repository / warmup, broken / warmup)
    adapter = broken / specs.INVERSION_MODEL / "1" / "model.py"
    source = adapter.read_text()
    assert before in source
    adapter.write_text(source.replace(before, after))

    log = tmp_path / "log"
    settings = replace(quick_settings(), repository=broken)
    with (
        pytest.raises(ServingError, match=f"failed its start-up check(.|\n)*{words}"),
        ServerProcess(settings, log=log),
    ):
        pass
    (server,) = {int(number) for number in re.findall(r"(\d+) server\.cc", log.read_text())}
    assert eventually(lambda: not remains(server)), remains(server)
