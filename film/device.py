"""Which device a model runs on. Triton decides, by the model's instance group and the hardware it finds."""

from collections.abc import Mapping


def of_instance(args: Mapping[str, str]) -> str:
    """The device of a Triton model's instance, from what its ``initialize`` is told."""
    return f"cuda:{args['model_instance_device_id']}" if args["model_instance_kind"] == "GPU" else "cpu"
