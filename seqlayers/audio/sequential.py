"""Sound files read by soundfile, which takes long to import, from their start to their end."""

import soundfile


class SequentialFile(soundfile.SoundFile):
    """A sound file that is read block by block and never seeks.

    soundfile seeks after each block if a file can seek. MP3 and Opus then come out wrong: their
    decoders lack what they kept of the block before.
    """

    def seekable(self):
        return False
