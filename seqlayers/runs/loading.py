"""Models loaded from runs and from `.keras` files, and refused if they are of another run."""

from seqlayers import loading
from seqlayers.models import FrameLabeller, SequenceModel
from seqlayers.runs import checkpoints
from seqlayers.runs.building import build_model
from seqlayers.runs.folder import BEST, LAST, RunError


def load_model(source, labels=False):
    """Loads a model.

    Args:
        source: A `.keras` file, or the folder of a run, whose best model is loaded.
        labels: Whether the model must be a `FrameLabeller`, else a `SequenceModel`; None for
            either.

    Returns:
        `(model, file)`.

    Raises:
        RunError: If there is no model, the file is damaged, holds another kind of model, or is of
            another run than the `config.json` beside it.
        OSError: If the disk or the memory does not suffice.
    """
    checkpoint, file, config = checkpoints.check(source)
    model = loading.load(file, RunError)
    kinds = {True: (FrameLabeller,), False: (SequenceModel,)}.get(
        labels, (SequenceModel, FrameLabeller)
    )
    if not isinstance(model, kinds):
        wanted = " or a ".join(f"`{kind.__name__}`" for kind in kinds)
        raise RunError(f"the model must be a {wanted}. Received: a `{type(model).__name__}`.", file)
    if config is not None and checkpoint.run is None and file.name in (BEST, LAST):
        checkpoints.refuse_other(file, _difference(model, config["options"]))
    return model, file


def _difference(model, options):
    """Returns in what a model of an earlier version differs from the options of its run, or None.

    Such a model does not tell its options: it is compared with a new one.
    """
    new = build_model(options, num_steps=1)
    parts = [("other layers", model, new), ("another optimizer", model.optimizer, new.optimizer)]
    for part, ours, theirs in parts:
        if type(ours) is not type(theirs) or _settings(ours) != _settings(theirs):
            return part
    return None


def _settings(part):
    """Returns a config without names, which count objects, and without the rate of a schedule."""

    def plain(value):
        if isinstance(value, dict):
            settings = {k: plain(v) for k, v in value.items() if k not in ("name", "build_config")}
            if isinstance(settings.get("learning_rate"), dict):
                settings.pop("learning_rate")
            return settings
        return [plain(each) for each in value] if isinstance(value, list | tuple) else value

    return None if part is None else plain(part.get_config())
