"""`seqlayers generate`."""

import functools
import os
from pathlib import Path

import click

from seqlayers import audio, files
from seqlayers.commands.cli import naming, writing
from seqlayers.commands.parameters import (
    debug,
    option,
    output,
    step_in_beats_option,
    switch,
)
from seqlayers.commands.sources import source
from seqlayers.datasets import midi as midi_files
from seqlayers.datasets import piano_roll
from seqlayers.runs import sound as run_sound
from seqlayers.runs.options.schema import Integer, Number, flag

MAX_STEPS = 100_000  # of a generated sequence: as many as `midi.read` accepts
STEPS, SECONDS = 64, 2.0  # of music and of sound, if neither is given


@click.command()
@source
@output("--out", "Write MIDI files to this folder.")
@output("--wav", "Write WAV files to this folder, with a run on recordings.")
@option("--num", Integer(1, 10_000), "Number of sequences.", default=4)
@option("--steps", Integer(1, MAX_STEPS), f"Number of time steps.  [default: {STEPS} for music]")
@option(
    "--seconds",
    Number(above=0),
    f"Length of each sound, in place of --steps.  [default: {SECONDS:g}]",
    metavar="SECONDS",
)
@option(
    "--temperature",
    Number(above=0),
    "Draw bolder sequences above 1, safer ones below 1.",
    default=1.0,
)
@option(
    "--seed",
    Integer(0, 2**31 - 1),
    "Seed of the draws. Sequence n of a seed does not depend on --num.",
    default=0,
)
@click.option(
    "--prime",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Continue this MIDI file or recording.",
)
@step_in_beats_option
@option(
    "--tempo", Number(least=4, metavar="BPM"), "Beats per minute of MIDI files.  [default: 120]"
)
@option(
    "--programme",
    Integer(1, 128),
    "Instrument of MIDI files, a number of General MIDI: 1 is a piano, 20 an organ, 41 a violin. "
    "Without it, the player chooses.",
)
@switch(
    "--articulate",
    "In MIDI files, strike notes that go on again where another one begins. Without it they are "
    "held: piano-rolls do not show which notes are repeated.",
)
@switch("--overwrite", "Replace files with the same names.")
@debug
def generate(
    source,
    out,
    wav,
    num,
    steps,
    seconds,
    temperature,
    seed,
    prime,
    step_in_beats,
    tempo,
    programme,
    articulate,
    overwrite,
):
    """Draw new music or sound and write it to files.

    SOURCE is the folder of a run, whose best.keras is used, or a .keras file; --preset takes its
    place. A run on recordings draws spectra, and --wav turns them into sound by the fast algorithm
    of Griffin and Lim: WAV files of 16 bits, at the sample rate of the run. The frames of --prime
    are not written.

    \b
    Examples:
      seqlayers generate --preset tied-nade-jsb --out bach
      seqlayers generate runs/jsb --out songs
      seqlayers generate runs/jsb --out songs --seed 1 --num 2 --steps 128 --temperature 0.9
      seqlayers generate runs/jsb --out songs --seed 2 --prime song.mid --step-in-beats 1
      seqlayers generate runs/jsb --out songs --seed 3 --tempo 90 --programme 20 --articulate
      seqlayers generate runs/birds --wav sounds
      seqlayers generate runs/birds --wav sounds --seed 1 --seconds 1 --prime evening.wav
    """
    if (out is None) == (wav is None):
        came = "none" if out is None else "both"
        raise click.UsageError(f"Give one of --out and --wav. Received: {came}.")
    source.refuse_labels("seqlayers generate")
    playing = {"tempo": tempo, "programme": programme, "articulate": articulate or None}
    playing = {name: value for name, value in playing.items() if value is not None}
    for name in ["step_in_beats"] * (step_in_beats is not None) + [*playing]:
        if wav:
            raise click.UsageError(f"`{flag(name)}` has no effect with `--wav`; remove it.")
    if out and seconds:
        raise click.UsageError("`--seconds` has no effect with `--out`; give --steps.")
    if steps and seconds:
        raise click.UsageError("--steps and --seconds exclude each other; give one of them.")
    target, ending = (out, "mid") if out else (wav, "wav")
    names = [f"seed{seed}_{n:0{len(str(num))}}.{ending}" for n in range(1, num + 1)]
    there = [target / name for name in names if os.path.lexists(target / name)]
    for path in there:
        files.check_own(path)  # a link may lead out of the folder
    if there and not overwrite:
        raise click.UsageError(
            f"{'--out' if out else '--wav'} must not hold files of these names; add --overwrite or "
            f"another --seed. Received: {there[0]}."
        )

    drawing = {"num_sequences": num, "temperature": temperature, "seed": seed}
    if out:
        writers = _music(source, prime, step_in_beats, steps, drawing, playing)
    else:
        writers = _sounds(source, prime, seconds, steps, drawing)
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        for name, write in zip(names, writers, strict=True):
            with files.replacing(target / name, follow=False) as temporary:
                write(temporary)
            click.echo(files.printable(target / name))


def _music(source, prime, step_in_beats, steps, drawing, playing):
    """Returns a function for each piece, which writes it to a path.

    Args:
        drawing: Arguments of `SequenceModel.generate`.
        playing: Arguments of `midi.write`.
    """
    if source.sound:
        raise click.UsageError(
            f"--out needs a model of music; give --wav. Received: {source}, a run on recordings."
        )
    step = source.step_in_beats(step_in_beats)
    with naming("--prime"):
        roll = None if prime is None else midi_files.read(prime, step)
    model, _ = source.load()
    if model.head.visible_units != piano_roll.NUM_KEYS or model.head.visibles != "bernoulli":
        raise click.UsageError(
            f"MIDI files need a model with {piano_roll.NUM_KEYS} Bernoulli units. "
            f"Received: {source}, with {model.head.visible_units} {model.head.visibles} units."
        )
    rolls = model.generate(steps or STEPS, roll, **drawing)
    playing = {"step_in_beats": step} | playing
    return [functools.partial(midi_files.write, roll=roll, **playing) for roll in rolls]


def _sounds(source, prime, seconds, steps, drawing):
    """Returns a function for each sound, which makes it and writes it to a path."""
    if not source.sound:
        raise click.UsageError(
            "--wav needs a run on recordings, whose config.json has the settings of sound; give "
            f"--out for music. Received: {source}."
        )
    sound = source.sound
    settings, num_samples = sound.settings, None
    if steps is None:
        num_samples = max(1, round((seconds or SECONDS) * settings.sample_rate))
        steps = settings.num_frames(num_samples)
    if not settings.num_frames(1) <= steps <= MAX_STEPS:
        raise click.UsageError(
            f"A sound must have {settings.num_frames(1)} to {MAX_STEPS} steps of "
            f"{settings.hop_length / settings.sample_rate:g} s each. Received: {steps}."
        )
    frames = None
    if prime is not None:
        with naming("--prime"):
            frames = run_sound.prime(prime, sound, source.config["options"]["channel"])
    model, _ = source.load()
    drawn = model.generate(steps, frames, **drawing)

    def write(path, frames):
        samples = run_sound.to_sound(frames, sound, num_samples, drawing["seed"])
        audio.write(path, samples, settings.sample_rate)

    return [functools.partial(write, frames=frames) for frames in drawn]
