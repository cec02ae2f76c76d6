"""`seqlayers generate`."""

import functools
from pathlib import Path

import click

from seqlayers import audio
from seqlayers.commands.cli import (
    FOLDER,
    POSITIVE,
    SEED,
    SIZE,
    debug,
    import_runs,
    naming,
    option,
    source,
    step_option,
    writing,
)
from seqlayers.commands.run_data import config_of, step_in_beats_of
from seqlayers.datasets import midi as midi_files
from seqlayers.datasets import piano_roll
from seqlayers.runs import sound as recordings

MAX_STEPS = 100_000  # of a generated sequence: as many as `midi.read` takes
STEPS, SECONDS = 64, 2.0  # of music and of sound, if neither is given


@click.command()
@source
@click.option("--out", type=FOLDER, help="Folder for MIDI files.")
@click.option("--wav", type=FOLDER, help="Folder for WAV files, of a run on recordings.")
@option("--num", type=SIZE, default=4, help="Number of sequences.")
@option(
    "--steps",
    type=click.IntRange(1, MAX_STEPS),
    help=f"Time steps of each.  [default: {STEPS} of music]",
)
@option("--seconds", type=POSITIVE, help=f"Length of each sound instead.  [default: {SECONDS:g}]")
@option("--temperature", type=POSITIVE, default=1.0, help="Above 1 bolder, below 1 safer.")
@option("--seed", type=SEED, default=0, help="Sequence n of a seed is the same whatever --num.")
@option(
    "--prime",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin after it, a MIDI file or a recording.",
)
@step_option
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
@debug
def generate(
    source, out, wav, num, steps, seconds, temperature, seed, prime, step_in_beats, overwrite
):
    """Draw new music or sound and write it as files, without what --prime plays.

    SOURCE is a run's folder, of which best.keras is taken, or a .keras file. A run on recordings
    draws spectra, as many as it is asked for, and --wav makes sound of them by the fast algorithm
    of Griffin and Lim: WAV files of 16 bits, at the rate of the run.

    \b
    Examples:
      seqlayers generate runs/jsb --out songs
      seqlayers generate runs/jsb --out songs --seed 1 --num 2 --steps 128 --temperature 0.9
      seqlayers generate runs/jsb --out songs --seed 2 --prime song.mid --step-in-beats 1
      seqlayers generate runs/birds --wav sounds
      seqlayers generate runs/birds --wav sounds --seed 1 --seconds 1 --prime evening.wav
    """
    if (out is None) == (wav is None):
        came = "none" if out is None else "both"
        raise click.UsageError(f"Give --out or --wav, one of them. Received: {came}.")
    if wav and step_in_beats:
        raise click.UsageError("--step-in-beats has a part in MIDI files only.")
    if out and seconds:
        raise click.UsageError("--seconds has a part in --wav only; give --steps.")
    if steps and seconds:
        raise click.UsageError("--steps and --seconds do not go together; give one of them.")
    folder, ending = (out, "mid") if out else (wav, "wav")
    names = [f"seed{seed}_{n:0{len(str(num))}}.{ending}" for n in range(1, num + 1)]
    there = [folder / name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise click.UsageError(
            f"{'--out' if out else '--wav'} must not hold files of these names; add --overwrite or "
            f"another --seed. Received: {there[0]}."
        )

    runs = import_runs()
    config = config_of(runs, source)
    drawing = {"num_sequences": num, "temperature": temperature, "seed": seed}
    if out:
        writers = _music(runs, source, config, prime, step_in_beats, steps, drawing)
    else:
        writers = _sounds(runs, source, config, prime, seconds, steps, drawing)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, write in zip(names, writers, strict=True):
            write(folder / name)
            click.echo(str(folder / name))


def _music(runs, source, config, prime, step_in_beats, steps, drawing):
    """Functions of a path, each of which writes a piece."""
    if config and "sound" in config:
        raise click.UsageError(
            f"--out is for MIDI files; give --wav. Received: {source}, a run on recordings."
        )
    step = step_in_beats_of(runs, config, step_in_beats)
    with naming("--prime"):
        roll = None if prime is None else midi_files.read(prime, step)
    model, _ = runs.load_model(source)
    if model.head.visible_units != piano_roll.NUM_KEYS or model.head.visibles != "bernoulli":
        raise click.UsageError(
            f"MIDI files need a model of {piano_roll.NUM_KEYS} Bernoulli units. "
            f"Received: {source}, with {model.head.visible_units} {model.head.visibles} ones."
        )
    rolls = model.generate(steps or STEPS, roll, **drawing)
    return [functools.partial(midi_files.write, roll=roll, step_in_beats=step) for roll in rolls]


def _sounds(runs, source, config, prime, seconds, steps, drawing):
    """Functions of a path, each of which makes a sound and writes it."""
    if not config or "sound" not in config:
        raise click.UsageError(
            "--wav needs a run on recordings, whose config.json tells how sound is made; music is "
            f"written by --out. Received: {source}."
        )
    sound = config["sound"]
    settings, num_samples = sound.settings, None
    if steps is None:
        num_samples = max(1, round((seconds or SECONDS) * settings.sample_rate))
        steps = settings.num_frames(num_samples)
    if not settings.num_frames(1) <= steps <= MAX_STEPS:
        raise click.UsageError(
            f"A sound has {settings.num_frames(1)} to {MAX_STEPS} steps, of "
            f"{settings.hop_length / settings.sample_rate:g} s each. Received: {steps}."
        )
    frames = None
    if prime is not None:
        with naming("--prime"):
            frames = recordings.prime(prime, sound, config["options"]["channel"])
    model, _ = runs.load_model(source)
    drawn = model.generate(steps, frames, **drawing)

    def write(path, frames):
        samples = recordings.to_sound(frames, sound, num_samples, drawing["seed"])
        audio.write(path, samples, settings.sample_rate)

    return [functools.partial(write, frames=frames) for frames in drawn]
