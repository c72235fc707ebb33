"""What DALI does for film_origin on a CPU; Triton's DALI backend serialises it when it loads."""

from nvidia.dali.plugin.triton import autoserialize

from film.ops.dali.graphs import classifier_pipeline
from film.specs import FILM_ORIGIN

pipeline = autoserialize(classifier_pipeline(FILM_ORIGIN.size, "cpu"))
