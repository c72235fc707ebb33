"""What a training writes for TensorBoard: ``tensorboard --logdir runs`` shows every run below the folder."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.tensorboard import SummaryWriter


class Log:
    """Curves and pictures of one run in ``folder``, which is made. Use it in a ``with``, or call ``close``.

    A run that goes on after a stop gives the ``step`` that it starts again with: what an earlier process wrote from
    there on is not shown.
    """

    def __init__(self, folder: Path, step: int | None = None) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each curve; a name such as ``loss/train`` shares a box with ``loss/validation``."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def image(self, step: int, name: str, picture: NDArray[np.uint8] | bytes) -> None:
        """A picture: uint8 (h, w, 3) RGB, or the bytes of a PNG or JPEG, such as a figure that was drawn to memory."""
        pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB")) if isinstance(picture, bytes) else picture
        self._writer.add_image(name, pixels, step, dataformats="HWC")
        self._writer.flush()

    def close(self) -> None:
        """Nothing more will come."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
