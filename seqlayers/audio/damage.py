"""The error of a sound file that cannot be used."""

from seqlayers.files import FileError


class AudioError(FileError):
    """A file that is not sound, is damaged or ends too early.

    Attributes:
        reason: Why it cannot be used, without its name.
        path: The file as a string, or None.
    """
