"""The error of a sound file that cannot be used."""

from seqlayers.files import FileError


class AudioError(FileError):
    """A file that is not sound, is damaged or ends too early. See `FileError` for attributes."""
