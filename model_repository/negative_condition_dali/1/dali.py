"""What DALI does for negative_condition on a GPU; Triton's DALI backend serialises it when it loads."""

from nvidia.dali.plugin.triton import autoserialize

from film.ops.dali.graphs import classifier_pipeline
from film.specs import NEGATIVE_CONDITION

pipeline = autoserialize(classifier_pipeline(NEGATIVE_CONDITION.size, "gpu", device_id=0))
