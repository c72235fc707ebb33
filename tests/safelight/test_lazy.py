"""Help and the bare import must cost nothing: asked of a fresh Python, since this one has loaded everything."""

import subprocess
import sys

import pytest

HEAVY = {
    *("torch", "keras", "tensorflow", "onnx", "openvino", "onnxruntime", "cv2", "cykooz_resizer", "PIL", "pytriton"),
    *("numpy", "tritonclient", "grpc", "aiohttp", "gevent", "rich"),
    *("psutil", "locust", "jinja2", "matplotlib"),  # the client alone does not bring them
}


def modules_after(code: str) -> set[str]:
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit as end:\n    assert not end.code\n"
    script += "print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import safelight",
        "from safelight.cli import main; main(['--help'])",
        *(
            f"from safelight.cli import main; main(['{command}', '--help'])"
            for command in ("demo", "serve", "classify", "invert", "explain", "status", "tune")
        ),
    ],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    assert not modules_after(code) & HEAVY


def test_the_client_is_there_when_it_is_asked_for_and_loads_no_framework_and_no_wire() -> None:
    loaded = modules_after("from safelight import Client; Client('localhost:1')")
    assert {"client", "numpy", "tritonclient"} <= loaded
    assert not loaded & {"torch", "keras", "tensorflow", "openvino", "onnxruntime", "cv2", "cykooz_resizer", "PIL"}

    loaded = modules_after("from safelight import Client; from client import FakeTransport")
    assert not loaded & {"tritonclient", "grpc", "aiohttp", "gevent"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    import safelight

    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        safelight.Klient  # noqa: B018


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("psutil", "from safelight.cli import main; main(['tune', '--minutes', '1'])"),
        ("grpc", "from safelight.cli import main; main(['classify', 'a.jpg', '--url', 'localhost:1'])"),
        ("torch", "import sys; sys.argv = ['export', 'film_origin']; from export.__main__ import main; main()"),
    ],
)
def test_a_package_that_is_not_installed_is_named_and_how_to_get_it(package: str, code: str) -> None:
    script = f"import sys; sys.modules['{package}'] = None; {code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: this needs the package {package}, which is not installed")
    assert "make .venv/dev.done" in done.stderr
