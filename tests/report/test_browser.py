"""The page in a real browser: one that is started once plays, seeks and is looked at."""

import re

import browser
import numpy as np
import pytest

from seqlayers import report

RATE, SECONDS, TONE = 44100, 4, 200
SEGMENTS = [(0.5, 0.8), (1.2, 1.4), (2.0, 2.6)]

# The loudness of the recording grows in step with time: it tells which sample is heard. Returns how
# far the cursor is away from that sample, in seconds, each time that both are looked at.
DRIFTS = f"""(async () => {{
  const player = report.player, analyser = player.context.createAnalyser(), found = [];
  analyser.fftSize = 4096;
  player.output.connect(analyser);
  const block = new Float32Array(4096), rate = player.context.sampleRate;
  await new Promise((resolve) => setTimeout(resolve, 400));
  for (let n = 0; n < 60; n++) {{
    await new Promise((resolve) => setTimeout(resolve, 7 + (n % 10)));
    const cursor = player.position;
    analyser.getFloatTimeDomainData(block);
    const square = block.reduce((sum, x) => sum + x * x, 0) / block.length;
    const last = {SECONDS} * Math.sqrt(2 * square) + block.length / rate / 2;
    found.push(last - player.context.outputLatency - cursor);
  }}
  return found;
}})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(0)
    t = np.arange(SECONDS * RATE) / RATE
    ramp = t / SECONDS * np.sin(2 * np.pi * TONE * t)
    roll = np.zeros((16, 88))
    roll[4:8, 48] = roll[10, 50] = 1  # A4 for two seconds
    labels = rng.integers(0, 3, 100)
    pieces = [
        report.Piece("piece", "Real", roll, 0.5, 21, hidden=rng.random((16, 5))),
        report.Piece("far", "", roll, 0.5, 21, nats=-np.arange(16.0), start=100),
        report.Piece(
            *("ramp", "Sound", rng.random((100, 9)), SECONDS / 100),
            sound=(ramp, RATE),
            top=22050.0,
            segments=SEGMENTS,
            labels=(labels, labels[::-1]),
        ),
        report.Piece("mute", "Other", rng.random((9, 3)), 0.1),
    ]
    history = [{"epoch": n, "loss": np.nan if n == 2 else 1 / n} for n in range(1, 5)]
    path = tmp_path_factory.mktemp("page") / "<b> & page.html"
    report.write(
        path,
        report.Page(
            "<script>alert(1)</script>",
            pieces=pieces,
            worst=[(1, 15), (1, 9)],
            charts=[*report.charts(history), *report.charts([{"epoch": 1, "loss": np.nan}])],
            scores=[report.Score("a", -1.0, "estimate", 0.1, own=True), report.Score("b", -2.0)],
            label_names=["a", "b", "c"],
            confusion=report.Confusion(["a", "b", "c"], np.eye(3) * 9 + 1),
            commands=["seqlayers train"],
            facts=[("seed", "0")],
        ),
    )
    with browser.started() as page:
        page.open(path)
        yield page
        assert page.errors == []
        assert page.requests == [path.as_uri()]


def choose(page, title):
    """Puts a piece on the stage by its button."""
    page.evaluate("report.player.stop()")
    page.evaluate(
        "[...document.querySelectorAll('#pieces button')]"
        f".find((button) => button.textContent === '{title}').click()"
    )


def plays(page):
    """Waits until it plays, and returns where it began and where it will end."""
    page.wait_for("report.player.playing")
    return page.evaluate("[report.player.from, report.player.until]")


def test_the_cursor_is_where_the_sound_is(page):
    choose(page, "ramp")
    page.click("#play")
    page.wait_for("report.player.playing")
    drifts = np.array(page.evaluate(DRIFTS))
    assert np.abs(np.median(drifts)) < 0.02, drifts
    assert np.mean(np.abs(drifts) < 0.02) > 0.9, drifts
    assert page.evaluate("report.player.playing")
    left = "document.querySelector('#cursor').getBoundingClientRect().left"
    before = page.evaluate(left)
    page.wait_for(f"{left} > {before} + 5")


def test_keys_play_stop_and_seek(page):
    choose(page, "piece")
    page.click("#tracks canvas", x=0.5)
    page.evaluate("document.activeElement.blur()")
    middle = page.evaluate("report.player.at")
    assert 3 < middle < 5 and not page.evaluate("report.player.playing")
    page.press("ArrowRight")
    assert page.evaluate("report.player.at") == pytest.approx(middle + 0.5)
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert page.evaluate("report.player.at") == pytest.approx(middle - 0.5)
    page.press(" ")
    assert plays(page) == pytest.approx([middle - 0.5, 8])
    assert page.evaluate("document.querySelector('#play').textContent") == "Stop"
    page.press("ArrowRight")  # also while it plays
    assert plays(page)[0] > middle - 0.1
    page.press(" ")
    assert not page.evaluate("report.player.playing")
    page.press("Home")
    assert page.evaluate("report.player.at") == 0
    assert page.evaluate("document.querySelector('#time').textContent") == "0:00.0 / 0:08.0"
    page.press("End")
    page.press(" ")
    assert plays(page)[0] == 0  # from the end it starts anew
    page.press(" ")


def test_keys_count_while_the_sound_is_about_to_start(page):
    def press_before_it_starts(*keys):
        page.evaluate(
            "(async () => { await report.player.context.suspend();"
            f" for (const key of {list(keys)}) document.body.dispatchEvent("
            "new KeyboardEvent('keydown', { key, bubbles: true })); })()"
        )

    choose(page, "piece")
    page.evaluate("document.activeElement.blur()")
    page.press(" ")
    plays(page)
    page.press(" ")
    page.press("Home")
    press_before_it_starts(" ", " ")
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 300))")
    assert not page.evaluate("report.player.playing")
    assert page.evaluate("report.player.position") == 0
    press_before_it_starts(" ", "ArrowRight")
    assert plays(page)[0] == pytest.approx(0.5)
    page.press(" ")


def test_the_space_bar_is_that_of_a_chosen_button_when_nothing_plays(page):
    choose(page, "piece")
    page.click("#worst button:nth-child(2)")
    plays(page)
    page.press(" ")
    assert not page.evaluate("report.player.playing")
    page.press(" ")
    assert plays(page)[0] == pytest.approx(3.5)  # the frame again, not on from where it stopped
    choose(page, "ramp")
    assert page.evaluate("document.querySelectorAll('#worst [aria-pressed=true]').length") == 0
    page.click("#segments button:nth-child(2)")
    plays(page)
    page.wait_for("!report.player.playing")
    page.press(" ")
    assert plays(page) == pytest.approx(SEGMENTS[1])


def test_a_click_on_one_of_the_worst_frames_goes_there_and_plays(page):
    for number, frame in ((0, 15), (1, 9)):
        page.click(f"#worst button:nth-child({number + 1})")
        start, end = plays(page)
        assert page.evaluate("report.stage.piece.title") == "far"
        assert start == pytest.approx(frame * 0.5 - 1) and end == pytest.approx(8)
        marked, cursor = page.evaluate(
            "['mark', 'cursor'].map((id) => document.getElementById(id).getBoundingClientRect())"
            ".map((box) => box.left)"
        )
        assert marked > cursor and page.evaluate("report.stage.mark") == frame
    text = page.evaluate("document.querySelector('#worst').textContent")
    assert "far, frame 115: −15.00" in text


def test_a_click_on_a_segment_plays_it_alone(page):
    choose(page, "ramp")
    page.click("#segments button:nth-child(2)")
    assert plays(page) == pytest.approx(SEGMENTS[1])
    page.wait_for("!report.player.playing")
    assert page.evaluate("report.player.at") == pytest.approx(SEGMENTS[1][1])
    strip = "#tracks figure:nth-of-type(2) canvas"
    inner = page.evaluate(f"1 - 46 / document.querySelector('{strip}').clientWidth")
    page.click(strip, x=1 - inner + inner * 2.1 / SECONDS)
    assert plays(page) == pytest.approx(SEGMENTS[2])


def test_the_synthesiser_sounds_where_notes_are_and_nowhere_else(page):
    rate, samples = page.evaluate(
        "(() => { const buffer = report.bufferOf(report.page.pieces[0]);"
        " return [buffer.sampleRate, Array.from(buffer.getChannelData(0))]; })()"
    )
    samples = np.array(samples)
    assert len(samples) == 8 * rate and np.abs(samples).max() == pytest.approx(0.7, abs=0.01)
    loud = [np.abs(part).max() > 0.05 for part in samples.reshape(16, -1)]
    assert np.flatnonzero(loud).tolist() == [4, 5, 6, 7, 10]
    spectrum = np.abs(np.fft.rfft(samples[2 * rate : 3 * rate]))
    assert spectrum.argmax() == pytest.approx(440, abs=1)


def test_a_piece_without_sound_is_shown_and_cannot_play(page):
    choose(page, "mute")
    assert page.evaluate("document.querySelector('#play').disabled")
    page.press(" ")
    page.press("ArrowRight")
    assert not page.evaluate("report.player.playing")
    assert page.evaluate("document.querySelector('#now').textContent") == "frame 1"


def test_a_number_that_is_not_finite_leaves_a_gap_in_its_curve(page):
    curve = page.evaluate("document.querySelector('#charts svg path.curve').getAttribute('d')")
    assert re.findall("[ML]", curve) == ["M", "M", "L"]  # the second of four is NaN
    assert page.evaluate("document.querySelectorAll('#charts svg circle').length") == 3


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_its_window(page, width, dark):
    page.set_size(width, dark=dark)
    for title in ("piece", "ramp"):
        choose(page, title)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = page.evaluate(
            "[...document.querySelectorAll('button')].filter((each) => each.offsetHeight < 24"
            " || each.offsetWidth < 24).map((each) => each.textContent)"
        )
        assert small == []
    painted = page.evaluate(
        "(() => { const canvas = document.querySelector('#tracks canvas');"
        " const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        " return new Set(new Uint32Array(data.buffer)).size; })()"
    )
    assert painted > 5  # colours of the spectrogram
    assert page.evaluate("document.querySelectorAll('#charts svg[role=img]').length") == 1
    assert "There is no finite number yet." in page.evaluate("document.body.innerText")
    assert page.evaluate("document.querySelector('h1').textContent") == "<script>alert(1)</script>"


def test_what_can_be_pressed_has_a_name_and_shows_focus(page):
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, canvas')].filter((each) =>"
        " !(each.getAttribute('aria-label') || each.textContent).trim()).length"
    )
    assert nameless == 0
    page.evaluate("document.querySelector('#play').focus()")
    page.press("Tab")
    style = "getComputedStyle(document.activeElement)"
    assert page.evaluate("document.activeElement.id") == "seek"
    assert page.evaluate(f"{style}.outlineStyle + {style}.outlineWidth") == "solid3px"
