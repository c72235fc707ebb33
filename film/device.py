"""Which device a model runs on, and what is done when it is broken.

Triton decides which, by the model's instance group and the hardware it finds.
"""

import logging
import os
from collections.abc import Mapping

_LOG = logging.getLogger(__name__)


def of_instance(args: Mapping[str, str]) -> str:
    """The device of a Triton model's instance, from what its ``initialize`` is told."""
    return f"cuda:{args['model_instance_device_id']}" if args["model_instance_kind"] == "GPU" else "cpu"


def end_if_broken(device: str) -> None:
    """End this process if nothing works any more on ``device``, which is a GPU, or do nothing.

    After an illegal access, or an error that the GPU's memory could not mend, every call of CUDA in a process fails
    for good. Another process does not know of it; the server's guard starts one in place of this one.
    """
    import torch

    if torch.device(device).type != "cuda":
        return
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        _LOG.critical("%s is of no use to this process any more, which ends: %s", device, error)
        os._exit(1)  # at once: what CUDA and DALI do at a usual end would hang or fail as well
