"""What DALI does for negative_inversion on a CPU; Triton's DALI backend serialises it when it loads."""

from nvidia.dali.plugin.triton import autoserialize

from film.ops.dali.graphs import inversion_pipeline

pipeline = autoserialize(inversion_pipeline("cpu"))
