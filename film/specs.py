"""Every name, label, size, limit and tolerance of Safelight, said once.

Nothing here imports more than the standard library, so that a client, an exporter and a test can all read it.
Shapes leave out the batch, which is always the first dimension.
"""

from dataclasses import dataclass, replace
from typing import Literal

DType = Literal["BYTES", "BOOL", "UINT8", "INT64", "FP32"]
Precision = Literal["auto", "f32"]


@dataclass(frozen=True)
class TensorSpec:
    """A named tensor as Triton sees it. ``-1`` in ``shape`` is a size that differs from picture to picture.

    ``slack`` is how many times what a probability may be off by when a network is exported this tensor may be.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    labels: tuple[str, ...] = ()
    slack: float = 1.0


DEFECTS = ("noise", "blank_area", "color_patches", "holes", "residual_spots", "dye_removal")
"""The six things that can be wrong with a negative, in the order of ``DEFECTS`` and ``DEFECT_MAP``."""

IMAGE = TensorSpec("IMAGE", "BYTES", (1,))
"""An encoded picture: JPEG, PNG, TIFF or WebP."""
ERROR = TensorSpec("ERROR", "BYTES", (1,))
"""Empty for a good picture; for a bad one, why. Its scores are NaN."""
VALID = TensorSpec("VALID", "BOOL", (1,))
"""Between the steps of an ensemble: false where the picture could not be read and the pixels are a stand-in."""
POSITIVE = TensorSpec("POSITIVE", "BYTES", (1,))
"""The positive of a colour negative, as an encoded JPEG; empty for a bad picture."""
ENCODED = TensorSpec("ENCODED", "UINT8", (-1,))
"""Between gate and DALI: an encoded picture that DALI can take, and zeros up to the longest of its request."""
DONE = TensorSpec("DONE", "BYTES", (1,))
"""From the gate around DALI: the positive of a negative that DALI shall not invert; empty otherwise."""
PADDED = TensorSpec("PADDED", "UINT8", (-1, -1, 3))
"""From DALI: a positive's pixels, and black up to the highest and the widest of its request."""
EXTENT = TensorSpec("EXTENT", "INT64", (2,))
"""From DALI: height and width of the positive in ``PADDED``."""


UNSURE_FROM, UNSURE_TO = 0.4, 0.6
"""Between these probabilities a verdict is a guess: were they calibrated, four in ten would be wrong, or more."""


@dataclass(frozen=True)
class Use:
    """Another reading of the same probabilities: the positive label from ``threshold`` on.

    With calibrated probabilities a threshold of t is the cheapest where calling the other label positive costs
    t/(1 - t) times what the opposite mistake costs (Elkan, 2001). ``purpose`` says that in words.
    """

    name: str
    threshold: float
    purpose: str


@dataclass(frozen=True)
class ModelSpec:
    """A classifier: what goes in, what comes out, and how its answer is read.

    ``size`` is the side of the square, in pixels, that the network sees; ``outputs[0]`` is always ``SCORES``,
    one probability a label; ``positive`` names the label that ``threshold`` is a threshold of. Between the two numbers
    of ``unsure`` the answer is a guess. ``uses`` are thresholds for other purposes than sorting both labels alike.
    ``precision`` is that of the network's arithmetic: int8 and bf16 where the processor has them, or single whatever it
    has (engines are in half precision as far as the network bears it).
    ``explains`` names the classifier that this one is a longer answer of, from the same pixels and weights.
    """

    name: str
    size: int
    labels: tuple[str, ...]
    positive: str
    threshold: float
    outputs: tuple[TensorSpec, ...]
    unsure: tuple[float, float] = (UNSURE_FROM, UNSURE_TO)
    uses: tuple[Use, ...] = ()
    precision: Precision = "auto"
    explains: str = ""

    @property
    def family(self) -> str:
        """The classifier whose pixels and weights are used: itself, or the one that is explained."""
        return self.explains or self.name

    @property
    def preprocess_model(self) -> str:
        """Name of the ensemble's step from bytes to pixels."""
        return f"{self.family}_preprocess"

    @property
    def network_model(self) -> str:
        """Name of the ensemble's step from pixels to scores."""
        return f"{self.name}_net"

    @property
    def gate_model(self) -> str:
        """Name of the first half of the preprocessing where DALI does the second."""
        return f"{self.family}_gate"

    @property
    def dali_model(self) -> str:
        """Name of DALI's half."""
        return f"{self.family}_dali"

    @property
    def pixels(self) -> TensorSpec:
        """UINT8 RGB pixels, height x width x channel, between the ensemble's steps."""
        return TensorSpec("PIXELS", "UINT8", (self.size, self.size, 3))

    @property
    def positive_index(self) -> int:
        """Where in ``SCORES`` the probability of ``positive`` stands."""
        return self.labels.index(self.positive)


FILM_ORIGIN = ModelSpec(
    name="film_origin",
    size=700,
    labels=("digital", "film"),
    positive="film",
    threshold=0.5,
    outputs=(TensorSpec("SCORES", "FP32", (2,), ("digital", "film")),),
    precision="f32",  # it measures residuals of a level or two, which bf16 rounds away
    uses=(
        Use("archive", UNSURE_FROM, "miss no film: what is unsure counts as film"),
        Use("collection", UNSURE_TO, "nothing but film: what is unsure stays out"),
    ),
)
"""Was this photograph taken on film or with a digital camera?"""

NEGATIVE_CONDITION = ModelSpec(
    name="negative_condition",
    size=244,
    labels=("damaged", "readable"),
    positive="readable",
    threshold=0.5,
    outputs=(
        TensorSpec("SCORES", "FP32", (2,), ("damaged", "readable")),
        TensorSpec("DEFECTS", "FP32", (len(DEFECTS),), DEFECTS),
        TensorSpec("DEFECT_MAP", "FP32", (len(DEFECTS), 16, 16), slack=2.0),  # a place sees less than all of them
    ),
    uses=(
        Use("archive", UNSURE_TO, "miss no damage: what is unsure counts as damaged"),
        Use("scanning", UNSURE_FROM, "scan all that can be read: what is unsure counts as readable"),
    ),
)
"""Is this colour negative readable, and what is wrong with it? 16x16 is what 16-fold striding leaves of 244x244."""

HEATMAP = TensorSpec("HEATMAP", "FP32", (35, 35), slack=10.0)  # it is divided by what is off itself
"""Where a picture speaks for film, from 0 (not at all, or against it) to 1 (the most in this picture), over the centre
square that the network sees: a value for each block of 20 pixels of 700."""
EXPLANATION_TOLERANCE = 1e-3
"""Largest difference of a map's value (a heat map's in 0..1, a defect map's in logits) from what autograd says."""

FILM_ORIGIN_EXPLAIN = replace(
    FILM_ORIGIN, name="film_origin_explain", outputs=(*FILM_ORIGIN.outputs, HEATMAP), explains=FILM_ORIGIN.name
)
"""The same verdict, and where in the picture it comes from."""

CLASSIFIERS = (FILM_ORIGIN, NEGATIVE_CONDITION)
NETWORKS = (*CLASSIFIERS, FILM_ORIGIN_EXPLAIN)
"""Everything that is a preprocessing step and a network."""
DEFECT_THRESHOLD = 0.5
"""Probability from which a defect is named."""

INVERSION_MODEL = "negative_inversion"
PUBLIC_MODELS = (FILM_ORIGIN.name, NEGATIVE_CONDITION.name, INVERSION_MODEL, FILM_ORIGIN_EXPLAIN.name)
"""What a user asks for; the steps of the ensembles load along with them."""


def classifier(name: str) -> ModelSpec:
    """The classifier or its explanation called ``name``, or that ``name`` is a step of; KeyError otherwise."""
    for spec in NETWORKS:
        if name in (spec.name, spec.preprocess_model, spec.gate_model, spec.dali_model, spec.network_model):
            return spec
    raise KeyError(f"no classifier is called {name!r}; there are {', '.join(s.name for s in NETWORKS)}")


MAX_IMAGE_BYTES = 256 * 2**20
"""Largest encoded picture that is looked at: a 24-megapixel 16-bit TIFF is 144 MB."""
MAX_IMAGE_PIXELS = 200_000_000
"""Largest picture that is decoded; checked from the header, before any memory is spent."""
MAX_WEBP_PIXELS = 100_000_000
"""The same of a WebP: libwebp's decoder holds two canvases and more, 15 bytes a pixel, and a file of 38 bytes may ask
for as many as it likes."""
LARGE_IMAGE_PIXELS = 50_000_000
"""Of larger pictures each preprocessing process decodes one at a time, whatever its threads."""
MAX_PARTS, BYTES_A_PART = 2**16, 256
"""How many segments, chunks or strips a file may have, and for how many bytes one more."""
MAX_PNG_TEXT_BYTES, PARTS_A_PNG_TEXT = 2**24, 2**10
"""How long what a chunk of a PNG has in compressed form may be, a colour profile for one; and for how many parts such a
chunk counts if it asks for all of that, for which a thousandth is enough."""
MAX_JPEG_SCANS, MAX_SCANNED_PIXELS = 100, 20 * MAX_IMAGE_PIXELS
"""How often a JPEG may have its decoder go over its pixels, and over how many in all. Encoders write ten to twenty
scans; libtiff takes no more than a hundred either. A pixel costs 2 or 3 nanoseconds each time."""
MAX_BATCH = 64
"""Largest batch of a request, in pictures."""
COMPILED_BATCH = 4 * MAX_BATCH
"""Largest batch that PT2 is compiled for: a large GPU is faster with more than a request has."""
DALI_MAX_PIXELS = 2**25
"""Largest JPEG that DALI decodes: 33 megapixels, so that a full batch of them is 6 GiB, and as much again at most for
the squares that are cut out of them. Of larger ones the fast CPU twin decodes a fraction."""
ENCODED_BYTES = 2**28
"""Largest ``ENCODED`` of a request, zeros included; pictures that would make it larger go through the fast CPU twin."""
DALI_INVERT_PIXELS, DALI_PADDED_PIXELS = 2**25, 2**27
"""How many pixels of a request's negatives DALI inverts, of which it keeps 70 to 170 bytes for each; and how many
the positives may have once they are as large as the largest. The rest go one by one through the fast CPU twin."""
DALI_THREADS = 4
"""Of a DALI pipeline, where Triton's configurations and a machine's overlay do not say otherwise."""
CLIENT_BATCH = 8
"""Pictures that the client puts into one request; ``negative_inversion`` answers in full size and gets half as many."""
CLIENT_CONCURRENCY = 4
"""Batches that the client has in flight."""
CLIENT_TIMEOUT = 120.0
"""Seconds that the client gives one request, its retries included: an old two-core machine needs half a second for a
picture and model, and everything in flight shares it."""

POSITIVE_JPEG_QUALITY = 95

QUEUE_FULL = "Exceeds maximum queue size"
"""How Triton refuses a request that a queue has no place for; the status is that of a server that is down."""
HTTP_PORT = 8000
GRPC_PORT = 8001
METRICS_PORT = 8002
"""Where the server listens and the client looks when nothing else is said: Triton's own defaults."""

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp")
"""Lower-case file endings that are taken for pictures when a folder is searched."""


@dataclass(frozen=True)
class Tolerance:
    """How far a twin may be from its reference, in 8-bit levels: the largest and the mean difference of a picture."""

    largest: float
    mean: float


CROP_RESIZE_TOLERANCE = Tolerance(largest=24, mean=0.75)
"""The fast CPU twin, full-size decode, and DALI's, against Pillow's Lanczos."""
SCALED_DECODE_TOLERANCE = Tolerance(largest=64, mean=2.5)
"""The same when the JPEG decoder shrinks first (``SCALED_DECODE_MARGIN``)."""
SCALED_DECODE_MARGIN = 2.0
"""A JPEG is shrunk by the largest power of two that leaves this many times the pixels (each way) that are needed."""
INVERT_TOLERANCE = Tolerance(largest=1, mean=0.1)
"""The twins of the inversion."""
POSITIVE_TOLERANCE = 1.0
"""Mean difference, in 8-bit levels, of two decoded positives whose pixels agreed within ``INVERT_TOLERANCE``."""
PROFILE_TOLERANCE = 0.05
"""Largest difference of a probability between the profiles, whose decoders and resizers are different libraries."""


def tolerated(output: TensorSpec, probability: float) -> float:
    """What an output may differ by where ``probability`` is allowed."""
    return probability * output.slack


Arithmetic = Literal["fp32", "fp16", "bf16", "int8"]
"""What an exported network computes in."""
PARITY_TOLERANCE: dict[Arithmetic, float] = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 1e-2, "int8": 1e-2}
"""Largest difference of a probability between the trained network and an exported one, by the latter's arithmetic."""
ONNX_TOLERANCE = PARITY_TOLERANCE["fp32"]
"""The same of an ONNX file, whose weights are stored in half precision and computed with in single."""
OUTLIER_TOLERANCE = 0.05
"""The same in arithmetic below fp32 on the odd one of hundreds of labelled pictures."""
LARGEST_ACCURACY_LOSS = 0.005
"""Share of verdicts on labelled pictures that arithmetic below fp32 may get wrong on top of the trained network's."""
ENGINE_BATCHES = (1, 16, MAX_BATCH)
"""The smallest, the commonest and the largest batch that a TensorRT engine is built for."""
