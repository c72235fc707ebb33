"""What can go wrong on the way from weights to a served file.

SafelightError
`-- ExportError
    |-- EngineError         a TensorRT engine cannot be built, or does not fit the machine
    |-- CheckpointError     a Keras checkpoint is not of the founding network
    `-- ParityError         the file does not answer as the trained network does
"""

from film.errors import SafelightError


class ExportError(SafelightError):
    """Base of this room's errors."""


class EngineError(ExportError):
    """A TensorRT engine cannot be built, or does not fit the machine that it should run on."""


class CheckpointError(ExportError):
    """A Keras checkpoint cannot be read or is not of the founding network."""


class ParityError(ExportError):
    """The file does not answer as the trained network does, so it is not published."""
