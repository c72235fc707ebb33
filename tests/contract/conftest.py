"""A server of each profile, and pictures to hold it to the contract with.

``--profile NAME`` asks that profile only, on what the machine has for it; ``--backend-directory`` says where native
backends are; ``--server HOST:PORT`` (gRPC) asks a server of that profile that runs already. Without all that, or a GPU,
or a container, cuda's models run on the CPU and native-cpu on the backends beside this.
"""

import io
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton
from numpy.typing import NDArray
from PIL import Image

from export.graphs import EXPORTABLES
from film import gpu, images, specs
from serving import container, known_picture
from serving.server import ServerProcess, on_free_ports
from serving.settings import DEFAULT_REPOSITORY, Profile, Settings, profile
from serving.wheel import find_wheel

ANYWHERE = ("cpu", "cuda", "native-cpu")
"""Profiles that can be tried on any machine."""
BACKENDS = Path(__file__).parent / "backends"
WEIGHTS = Path(__file__).parents[2] / "training" / "weights"
Ask = Callable[[str, Sequence[bytes]], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class Deployment:
    """A running server: which profile it has and where its gRPC is."""

    profile: Profile
    address: str

    def ask(self, model: str, blobs: Sequence[bytes]) -> dict[str, NDArray[Any]]:
        """One request of a stock client: every output by its name."""
        array = np.array(blobs, np.object_).reshape(-1, 1)
        tensor = triton.InferInput(specs.IMAGE.name, list(array.shape), specs.IMAGE.dtype)
        tensor.set_data_from_numpy(array)
        with triton.InferenceServerClient(self.address) as client:
            answer = client.infer(model, [tensor])
            return {output.name: answer.as_numpy(output.name) for output in answer.get_response().outputs}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "deployment" in metafunc.fixturenames:
        config = metafunc.config
        names = (config.getoption("--profile"),) if config.getoption("--profile") else ANYWHERE
        ids = [name if as_it_is_meant(profile(name), config) else f"{name} on any machine" for name in names]
        metafunc.parametrize("deployment", names, ids=ids, indirect=True, scope="session")


def as_it_is_meant(chosen: Profile, config: pytest.Config) -> bool:
    """Whether the profile runs on the hardware and the server that it is for."""
    if chosen.name not in ANYWHERE or config.getoption("--server"):
        return True
    native = config.getoption("--backend-directory") or container.installed()
    asked, here = bool(config.getoption("--profile")), bool(native or not chosen.backends)
    return asked and here and bool(not chosen.gpu or gpu.find())


@pytest.fixture(scope="session")
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    config, chosen = request.config, profile(request.param)
    if config.getoption("--server"):
        yield Deployment(chosen, config.getoption("--server"))
        return
    if as_it_is_meant(chosen, config):
        settings = Settings(profile=chosen.name, backend_directory=config.getoption("--backend-directory"))
    else:
        settings = on_any_machine(chosen, tmp_path_factory.mktemp("deployment"))
    with ServerProcess(on_free_ports(settings), log=tmp_path_factory.mktemp("log") / "log") as server:
        yield Deployment(chosen, server.grpc_url)


def on_any_machine(chosen: Profile, folder: Path) -> Settings:
    """How a profile is served without its hardware, with what must lie in ``folder`` for that."""
    if not chosen.config_name:
        return Settings(profile=chosen.name)
    return Settings(
        profile=chosen.name,
        device="cpu" if chosen.gpu else "auto",
        repository=exported(folder / "model_repository"),
        backend_directory=native_backends(folder / "backends") if chosen.backends else None,
    )


def native_backends(folder: Path) -> Path:
    """Triton's Python backend and, by their names, those that run the native libraries from Python."""
    shutil.copytree(find_wheel().backends / "python", folder / "python")  # Triton follows no link out of the folder
    for backend in BACKENDS.glob("*/model.py"):
        (folder / backend.parent.name).symlink_to(backend.parent)
    return folder


def exported(folder: Path) -> Path:
    """The model repository with the TorchScript files that `make export` makes, made here where they are missing."""
    shutil.copytree(DEFAULT_REPOSITORY, folder, symlinks=True)
    for model in EXPORTABLES.values():
        file = folder / model.spec.network_model / "1" / "model.pt"
        if not file.exists():
            graph = Named(model.serving_graph(WEIGHTS / f"{model.spec.name}.safetensors")).eval()
            example = torch.zeros(2, *model.spec.pixels.shape, dtype=torch.uint8), torch.ones(2, 1, dtype=torch.bool)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # TorchScript is deprecated; Triton's backend takes nothing else
                torch.jit.save(torch.jit.trace(graph, example, check_trace=False), file)
    return folder


class Named(torch.nn.Module):
    """A serving graph whose forward's arguments are called as the tensors are."""

    def __init__(self, graph: torch.nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, PIXELS: torch.Tensor, VALID: torch.Tensor) -> Any:  # noqa: N803
        return self.graph(PIXELS, VALID)


def encoded(kind: str, pixels: NDArray[Any], mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if pixels.ndim == 2 else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def lying_on_its_side() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.fixture(scope="session")
def photograph() -> bytes:
    return known_picture.read(DEFAULT_REPOSITORY)


@pytest.fixture(scope="session")
def good(photograph: bytes) -> dict[str, bytes]:
    """Pictures that every profile must answer, by what is special about them."""
    pixels = images.decode(photograph)
    grey16 = pixels[:300, :400, 1].astype(np.uint16) << 8
    return {
        "JPEG": photograph,
        "progressive": encoded("JPEG", pixels[40:, 30:], progressive=True),
        "grey": encoded("JPEG", pixels[:, 60:], mode="L"),
        "CMYK": encoded("JPEG", pixels[20:], mode="CMYK"),
        "on its side": encoded("JPEG", pixels[:500, :700], exif=lying_on_its_side()),
        "small": encoded("JPEG", pixels[100:260, 100:300]),
        "PNG": encoded("PNG", pixels[:400, :600]),
        "transparent": encoded("PNG", pixels[:300, :300], mode="RGBA"),
        "16-bit grey PNG": encoded("PNG", grey16),
        "16-bit grey TIFF": encoded("TIFF", grey16),
        "WebP": encoded("WEBP", pixels[:400, 200:]),
        "1x5000": encoded("PNG", np.ascontiguousarray(np.resize(pixels[:, :1], (5000, 1, 3)))),
        "5000x1 JPEG": encoded("JPEG", np.ascontiguousarray(np.resize(pixels[:1], (1, 5000, 3)))),
    }


@pytest.fixture(scope="session")
def bad(photograph: bytes) -> dict[str, bytes]:
    """Pictures that must get a reason."""
    pixels = images.decode(photograph)
    return {
        "empty": b"",
        "text": b"this is not a picture",
        "GIF": encoded("GIF", pixels[:100, :100]),
        "cut in half": photograph[: len(photograph) // 2],
        "without its end": photograph[:-2],
        "a header only": photograph[:200],
        "a broken table": photograph.replace(b"\xff\xc4", b"\xff\xc4\0\5\x3f\1\2", 1),
        "a cut PNG": encoded("PNG", pixels[:200, :200])[:5000],
    }
