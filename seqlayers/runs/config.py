"""`config.json`: all that a run is made from, written before its first epoch.

options    all options
data       number of sequences and frames in each split, a hash of them, names and hashes of files
versions   versions of the libraries
sound      for recordings without labels, the `SoundFrames`

It is checked whenever it is read, options by the rules of the command line. `Identity` is the part
of it that a run may not change and that its checkpoints carry.
"""

import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from seqlayers import __version__, audio, files
from seqlayers.checks import check_integer
from seqlayers.datasets.piano_roll import SPLITS
from seqlayers.datasets.recordings import FRAME_LENGTH, HOP_LENGTH
from seqlayers.runs.data import file_hashes, fingerprint
from seqlayers.runs.folder import BEST, CONFIG, LAST, RunError, is_run
from seqlayers.runs.options import OPTIONS, fixed, sequence_rules, upgrade
from seqlayers.runs.options.rules import SOURCES
from seqlayers.runs.options.schema import flag
from seqlayers.runs.sound import FRAMES, NUM_BINS, SoundFrames

_PATHS = ("midi", "wav", "labels")  # data may move; their hash tells whether they are the same


class Identity(NamedTuple):
    """The part of a run that its checkpoints share.

    Attributes:
        options: All options.
        sha256: Hash of the data.
        sound: `SoundFrames` of recordings; None for music.
    """

    options: Any
    sha256: str
    sound: Any = None

    @classmethod
    def of(cls, config):
        """Returns the identity of a run, from what `read_config` returns."""
        return cls(config["options"], config["data"]["sha256"], config.get("sound"))

    def get_config(self):
        """Returns numbers, strings, lists and dictionaries, for JSON."""
        sound = None if self.sound is None else self.sound.get_config()
        return {"options": self.options, "sha256": self.sha256, "sound": sound}

    @classmethod
    def from_config(cls, config):
        """Returns the identity that `get_config` describes.

        Raises:
            ValueError: If it describes none.
        """
        _check_keys("run", config, ("options", "sha256", "sound"))
        options = upgrade(_dictionary("options", config["options"]))
        sound = None if config["sound"] is None else _sound(config["sound"], options)
        return cls(options, config["sha256"], sound)

    def difference(self, other):
        """Returns in what another identity differs, as text; None if it is of the same run."""
        for name in fixed(self.options):
            ours, theirs = self.options[name], other.options[name]
            if name in _PATHS:
                ours, theirs = ours is None, theirs is None
            if ours != theirs:
                return f"{flag(name)} {other.options[name]}, and not {self.options[name]}"
        if self.sha256 != other.sha256:
            return "other data"
        if self.get_config()["sound"] != other.get_config()["sound"]:
            return "another normaliser"
        return None


def describe(options, data):
    """Returns the contents of `config.json` for the options of a run and its `Data`."""
    about = describe_data(data)
    config = {"options": {k: options[k] for k in OPTIONS}, "data": about, "versions": versions()}
    if data.sound is not None:
        config["sound"] = data.sound.get_config()
    return config


def describe_data(data):
    """Returns the part `data` of `config.json`."""
    about = {
        "sequences": {split: len(sequences) for split, sequences in data.splits.items()},
        "frames": {split: sum(map(len, sequences)) for split, sequences in data.splits.items()},
        "sha256": fingerprint(data),
    }
    if data.files is not None:
        about |= {"files": data.files, "files_skipped": len(data.skipped)}
        about["file_sha256"] = file_hashes(data)
    return about


def write_config(folder, options, data):
    """Writes `config.json`.

    Args:
        folder: The run's folder.
        options: All options of the run.
        data: Its `Data`.
    """
    _write(folder, describe(options, data))


def change_options(folder, options):
    """Replaces the options in `config.json`, and nothing else."""
    _write(folder, files.read_json(Path(folder) / CONFIG) | {"options": options})


def _write(folder, config):
    text = json.dumps(config, indent=1) + "\n"
    files.write_atomically(Path(folder) / CONFIG, text.encode(), follow=False)


def read_config(folder):
    """Reads and checks the `config.json` of a run.

    Args:
        folder: The run's folder.

    Returns:
        A dictionary; None if there is no such file. `options` has all options, those of later
        versions with their defaults. A run on recordings has its `SoundFrames` as `sound`.

    Raises:
        RunError: If the file is damaged, of a later version or of something else.
    """
    path = Path(folder) / CONFIG
    if files.mode_of(path) is None:
        return None
    try:
        return _checked(files.read_json(path))
    except (ValueError, TypeError) as error:
        reason = error.reason if isinstance(error, files.FileError) else str(error)
        raise RunError(
            "the file must be as `seqlayers train` wrote it. Received: one that is damaged, edited "
            f"or of a later version ({reason.rstrip('.')}).",
            path,
        ) from error


def config_of(source):
    """Returns the configuration that belongs to a model; None if there is none.

    Args:
        source: The folder of a run, or a `.keras` file, to which the `config.json` beside it
            belongs if that is one of a run.

    Raises:
        RunError: If the `config.json` of a run cannot be used.
    """
    source = Path(source)
    folder = source if source.is_dir() else source.parent
    ours = folder is source or source.name in (BEST, LAST)
    return read_config(folder) if ours or is_run(folder) else None


def versions():
    """Returns the versions of the libraries that the numbers of a run may depend on."""
    import keras  # which brings TensorFlow

    tensorflow = sys.modules["tensorflow"].__version__
    return {"seqlayers": __version__, "keras": keras.__version__, "tensorflow": tensorflow}


def _checked(config):
    """Returns the contents of a `config.json`, with all options and `SoundFrames`.

    Raises:
        ValueError: If a part is missing, unknown, or not as `describe` makes it.
    """
    _check_keys(CONFIG, config, ("options", "data", "versions"), ("sound",))
    options = upgrade(_dictionary("options", config["options"]))
    came = [flag(name) for name in SOURCES if options[name] is not None]
    if len(came) != 1:
        raise ValueError(f"a run has one source of data, not {' and '.join(came) or 'none'}")
    _check_about(config["data"])
    _check_keys("versions", config["versions"], ("seqlayers", "keras", "tensorflow"))
    for name, version in config["versions"].items():
        if not isinstance(version, str):
            raise ValueError(f"the version of {name} must be a string")
    spectra = options["wav"] is not None and options["labels"] is None
    if ("sound" in config) != spectra:
        raise ValueError("`sound` must be there for recordings without labels, and for them alone")
    config = config | {"options": options}
    if spectra:
        sequence_rules(options)
        config["sound"] = _sound(config["sound"], options)
    return config


def _sound(config, options):
    """Returns the `SoundFrames` of a run on recordings, if they fit its options."""
    _check_keys("sound", config, ("spectra", "scale", "normalizer"))
    known = [field.name for field in dataclasses.fields(audio.Spectra)]
    _check_keys("spectra", config["spectra"], (), known)
    sound = SoundFrames.from_config(config)
    scale, kind = FRAMES[options["visibles"] or "bernoulli"]
    settings, rate = sound.settings, options["sample_rate"] or sound.settings.sample_rate
    ours = sound.scale, sound.normalizer.clipped, len(sound.normalizer.shift)
    sizes = settings.frame_length, settings.hop_length, settings.sample_rate
    if (*ours, *sizes) != (scale, kind == "unit", NUM_BINS, FRAME_LENGTH, HOP_LENGTH, rate):
        raise ValueError("`sound` does not fit the options of the run")
    return sound


def _check_about(about):
    optional = ("files", "files_skipped", "file_sha256")
    _check_keys("data", about, ("sequences", "frames", "sha256"), optional)
    for name in ("sequences", "frames"):
        _check_keys(name, about[name], SPLITS)
        for split in SPLITS:
            check_integer(f"{name} of {split}", about[name][split], 0)
    of_files = _dictionary("file_sha256", about.get("file_sha256", {}))
    for sha256 in (about["sha256"], *of_files.values()):
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError(f"`sha256` must be 64 hexadecimal digits. Received: {sha256!r}")
    if ("files" in about) != ("files_skipped" in about):
        raise ValueError("`files` and `files_skipped` go together")
    if "files" in about:
        check_integer("files_skipped", about["files_skipped"], 0)
        names = about["files"]
        if isinstance(names, dict):
            _check_keys("files", names, SPLITS)
        for part in names.values() if isinstance(names, dict) else [names]:
            if not isinstance(part, list) or not all(isinstance(name, str) for name in part):
                raise ValueError("`files` must hold lists of names")


def _dictionary(name, value):
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` must be an object. Received: a {type(value).__name__}")
    return value


def _check_keys(name, value, keys, optional=()):
    unlike = set(_dictionary(name, value)).symmetric_difference(keys) - set(optional)
    for key in sorted(unlike):
        raise ValueError(f"`{name}` {'has an unknown' if key in value else 'lacks its'} {key!r}")
