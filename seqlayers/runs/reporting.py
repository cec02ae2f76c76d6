"""The page of a run, made from its folder, its data and its model.

`RunReport` has what music and recordings share; `Rolls` shows music, and `Recordings` of
`seqlayers.runs.recordings` sound.
"""

import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqlayers import presets, report
from seqlayers.callbacks import PageFile
from seqlayers.datasets import roll_baselines
from seqlayers.models.likelihood import likelihood_and_frames
from seqlayers.runs.data import step_in_beats
from seqlayers.runs.folder import REPORT
from seqlayers.runs.history import best_row
from seqlayers.runs.loading import load_model
from seqlayers.runs.options import OPTIONS, arguments, written
from seqlayers.runs.options.rules import source
from seqlayers.runs.options.schema import Lines, flag
from seqlayers.runs.recordings import Recordings
from seqlayers.runs.registry import MODELS

_BEAT = 0.5  # seconds: 120 beats a minute, as in the files of `seqlayers generate`
_STEPS = 64  # of a piece of music that is drawn
_SECONDS = 30  # least time between two pages while a run trains
_MOST_MUSIC, _MOST_SOUND = 4, 60  # sequences on these pages: pieces, and segments of recordings


class Drawing(NamedTuple):
    """Draws from the model that a page shows: number of pieces, temperature and seed."""

    num: int = 4
    temperature: float = 1.0
    seed: int = 0


class RunReport:
    """Makes the `report.Page` of a run. All that does not change in training is made once.

    Args:
        folder: The run's folder.
        options: All options of the run.
        data: Its `Data`.
        drawing: `Drawing`.
        split: Split to show and to score, or the training split if it is empty. If None, the first
            one of test, valid and train that is not empty.
        most: While the run trains, the largest number of sequences of the split to show and to
            score. None for the page of its best model, which has all of them.
        versions: Versions of the libraries by name, as in `config.json`.
        out: File of the page, as in the command that makes it again; None for the one in `folder`.
    """

    def __init__(
        self,
        folder,
        options,
        data,
        drawing=None,
        split=None,
        most=None,
        versions=None,
        out=None,
    ):
        self.folder, self.options, self.data = Path(folder), options, data
        self.drawing, self.versions, self.out = drawing or Drawing(), versions or {}, out
        splits = [split, "train"] if split else ["test", "valid", "train"]
        self.split = next(s for s in splits if data.splits[s] or s == "train")
        self.sequences = data.splits[self.split][:most]
        self.partly = most is not None
        if data.sound:
            places = data.places[self.split][:most]
            others = [p for s in data.places if s != self.split for p in data.places[s]]
            self.shown = Recordings(
                options, data.sound, places, self.sequences, self.drawing.num, others
            )
        else:
            names = data.files and data.files[self.split]
            self.shown = Rolls(step_in_beats(options), self.split, self.sequences, names)
        self.levels = self._baselines(data.valid)
        beside = [report.Score(*each, "exact") for each in self._baselines(self.sequences)]
        self.beside = beside + (self._presets() if self.split == "test" and not most else [])

    def page(self, history, model=None):
        """Returns the page.

        Args:
            history: The history of the epochs that are done.
            model: The model of the run; None if there is none yet.
        """
        notes, likelihood, nats, drawn = [], None, None, []
        weights = "" if model is None else f"{model.count_params():,} weights, "
        if model is None:
            notes.append("There is no model yet: the run has not finished an epoch.")
        else:
            try:
                both = not self.partly and model.head.kind == "estimate"
                likelihood, nats = likelihood_and_frames(model, self.sequences, bracket=both)
                drawn = self.shown.drawn(model, *self.drawing)
            except ValueError as error:  # the weights, or what they give, are not finite
                lacks = "scored or played" if likelihood is None else "played"
                notes.append(f"The model cannot be {lacks}. {error}")
                model = None if likelihood is None else model
        pieces, worst = self.shown.real(model, nats) if self.sequences else ([], [])
        scores = [] if likelihood is None else self._scores(likelihood)
        part = f"the first {len(self.sequences)} sequences of " if self.partly else ""
        return report.Page(
            title=f"{MODELS[self.options['model']].title} on {self._source_name()}",
            summary=f"{weights}{len(history)} of {self.options['epochs']} epochs"
            f"{self._shown(history)}.",
            pieces=[*pieces, *drawn],
            worst=worst,
            worst_of=f"{part}the {self.split} split" if not self.data.sound else "what is shown",
            charts=report.charts(history, self.levels),
            scores=scores,
            scores_of=f"{part}the {self.split} split",
            commands=self._commands(),
            facts=self._facts(),
            notes=notes,
        )

    def _shown(self, history):
        """Returns words on the epoch whose weights the page shows."""
        best = best_row(history)
        if not self.partly:
            return f", best on the validation split after epoch {best['epoch']}" if best else ""
        so_far = f"; best so far: epoch {best['epoch']}" if best else ""
        return f"; shown: epoch {len(history)}{so_far}" if history else ""

    def _scores(self, likelihood):
        own = likelihood.kind, likelihood.standard_error, likelihood.reverse_nats
        return [*self.beside, report.Score("this run", likelihood.nats, *own, own=True)]

    def _presets(self):
        """Returns the scores of the presets on the data set of the run, from their cards."""
        cards = {name: presets.read(name).card for name in presets.names()}
        return [
            report.Score(f"preset {name}", card.test["nats"], card.test["kind"])
            for name, card in cards.items()
            if card.dataset == self.options["dataset"]
        ]

    def _baselines(self, rolls):
        """Returns pairs of the name and the nats per frame of each baseline of music."""
        data = self.data
        if data.sound or not rolls:
            return []
        found = {
            "independent keys": roll_baselines.independent_keys(data.train, rolls),
            "held chord": roll_baselines.held_chord(data.train, rolls),
        }
        if data.valid:
            found["frame table"] = roll_baselines.frame_table(data.train, data.valid, rolls)
        return [(name, float(np.concatenate(nats).mean())) for name, nats in found.items()]

    def _source_name(self):
        name = source(self.options)
        return self.options[name] if name == "dataset" else Path(self.options[name]).name

    def _commands(self):
        train = ["seqlayers", "train", *arguments(self.options), "--out", str(self.folder)]
        shown = ["seqlayers", "report", str(self.folder)]
        for name, value in self.drawing._asdict().items():
            shown += [flag(name), str(value)]
        if self.out is not None:
            shown += ["--out", str(self.out)]
        return [shlex.join(train), shlex.join(shown)]

    def _facts(self):
        options = {name: value for name, value in self.options.items() if value is not None}
        facts = [(flag(name), _fact(name, value)) for name, value in options.items()]
        for split, sequences in self.data.splits.items():
            frames = sum(map(len, sequences))
            facts.append((f"{split} split", f"{len(sequences):,} sequences, {frames:,} frames"))
        if self.data.skipped:
            facts.append(("skipped files", f"{len(self.data.skipped):,}"))
        return facts + [(f"version of {name}", number) for name, number in self.versions.items()]


def _fact(name, value):
    """Returns the value of an option as text. A list that a file holds is given in full."""
    words = " ".join(written(name, value))
    if isinstance(OPTIONS[name].type, Lines):
        words += f", a text file to make, with a line for each of: {', '.join(value)}"
    return words


def page_of_run(folder, config, data, history, drawing=None, out=None):
    """Returns the page of a run with its best model.

    Args:
        folder: The run's folder.
        config: Its configuration, as `read_config` returns it.
        data, drawing, out: As in `RunReport`.
        history: The history of the epochs that are done.
    """
    options, versions = config["options"], config["versions"]
    run = RunReport(folder, options, data, drawing, versions=versions, out=out)
    return run.page(history, load_model(folder)[0] if history else None)


class Refreshed(PageFile):
    """Keeps the page of a run in its folder while it trains.

    It shows and judges a few sequences of the validation split, or of the training split if that is
    empty, and none of the test split.

    Args:
        folder, options, data, versions: As in `RunReport`.
        history: The history of the run, which grows meanwhile.
    """

    follow = False

    def __init__(self, folder, options, data, history, versions):
        super().__init__(Path(folder) / REPORT, seconds=_SECONDS)
        most = _MOST_SOUND if data.sound else _MOST_MUSIC
        self.run = RunReport(folder, options, data, Drawing(num=2), "valid", most, versions)
        self.whole = history

    def page(self, history):
        return self.run.page(self.whole, self.model)


class Rolls:
    """Shows music: pieces of a split, and drawn ones."""

    def __init__(self, step_in_beats, split, rolls, names):
        self.form, self.split = report.Music(step_in_beats * _BEAT), split
        self.rolls, self.names = rolls, names

    def real(self, model, nats):
        """Returns pieces of the split and the least probable frames, see `report.pieces`."""
        return report.pieces(model, self.rolls, self.form, nats, f"{self.split} piece", self.names)

    def drawn(self, model, num, temperature, seed):
        """Returns pieces that the model draws."""
        return report.drawn(model, self.form, num, _STEPS, temperature, seed)
