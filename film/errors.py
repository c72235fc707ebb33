"""What can be wrong with a picture.

SafelightError
`-- ImageError              the bytes are not a picture that can be used
    |-- EmptyImage          there are no bytes
    |-- UnsupportedImage    not a format that is read
    |-- DamagedImage        a known format, but broken or cut short
    `-- ImageTooLarge       over the limit of bytes or pixels
"""


class SafelightError(Exception):
    """Base of every error that Safelight raises on purpose. Its text is a sentence for the user."""


class ImageError(SafelightError, ValueError):
    """The bytes are not a picture that can be used; the text says why in a few words."""


class EmptyImage(ImageError):
    """There are no bytes."""


class UnsupportedImage(ImageError):
    """Not a format that is read."""


class DamagedImage(ImageError):
    """A known format, but broken or cut short."""


class ImageTooLarge(ImageError):
    """More bytes or pixels than the limit."""
