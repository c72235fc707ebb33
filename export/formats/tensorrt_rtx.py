"""TensorRT-RTX engine: built without a GPU, for machines with one.

Triton has no backend for it; a program loads it.
"""

from export.formats.tensorrt import engine_format

FORMAT = engine_format("tensorrt_rtx", "model_rtx.plan", needs_gpu=False)
