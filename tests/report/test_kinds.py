"""The page of kinds: its data, and the map in a real browser, heard by mouse and keyboard."""

import base64
import json
import re

import browser
import numpy as np
import pytest

from seqlayers import report

RATE = 8000
BAD = "</script><script>alert(1)</script> & \x1b"
LENGTHS = [800, 400, 400, 0, 1600]
PLACES = [[0, 0], [10, 0], [0, 10], [10, 10], [20, 0]]


def page_of(text="a.wav", **changes):
    """Five segments of two kinds and of none, the fourth without sound."""
    t = np.arange(max(LENGTHS)) / RATE
    tones = [np.sin(2 * np.pi * 500 * (n + 1) * t[:length]) for n, length in enumerate(LENGTHS)]
    starts = np.arange(5.0)
    parts = {
        "title": text,
        "summary": text,
        "numbers": [1, 1, 2, 2, 0],
        "places": PLACES,
        "confidence": [1.0, 0.5, 1.0, 0.2, 0.0],
        "times": np.stack([starts, starts + 0.1], axis=1),
        "recordings": [text],
        "owners": [0] * 5,
        "sounds": [tone if len(tone) else None for tone in tones],
        "sample_rate": RATE,
        "commands": [text],
        "facts": [(text, text)],
    }
    return report.KindsPage(**parts | changes)


def test_the_page_is_as_safe_as_others_and_holds_what_it_was_given():
    rendered = report.render_kinds(page_of(BAD))
    assert rendered.count(b"<script") == rendered.count(b"</script>") == 2
    assert b"alert(1)</" not in rendered and b"innerHTML" not in rendered
    assert b"default-src 'none'" in rendered and not re.search(rb"\son\w+=\"| style=", rendered)
    assert rendered == report.render_kinds(page_of(BAD))
    text = re.search(rb'id="data">(.*?)</script>', rendered, re.S)[1]
    data = json.loads(text)
    assert data["recordings"] == [BAD]
    lengths = np.frombuffer(base64.b64decode(data["lengths"]), "<i4")
    assert lengths.tolist() == LENGTHS
    pcm = np.frombuffer(base64.b64decode(data["sound"]["data"]), "<i2")
    assert len(pcm) == sum(LENGTHS) and np.abs(pcm).max() > 32000


def test_parts_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="`sounds` must have an item for each of 5.*4"):
        page_of(sounds=[None] * 4)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "kinds.html"
    report.write_kinds(path, page_of())
    with browser.started() as page:
        page.open(path)
        yield page
        assert page.errors == []
        assert page.requests == [path.as_uri()]


def chosen(page):
    """The number of the segment that is chosen, and whether its own part of the sound is played."""
    page.wait_for("report.player.playing || report.player.at > 0")
    n, start, end = page.evaluate(
        "[report.state.chosen.n, report.player.from, report.player.until]"
    )
    bounds = np.cumsum([0, *LENGTHS]) / RATE
    assert [start, end] == pytest.approx([bounds[n], bounds[n + 1]])
    return n


def test_a_click_and_keys_play_the_nearest_segment_with_sound(page):
    page.click("#map", x=0.99, y=0.99)
    assert chosen(page) == 4
    page.press("ArrowLeft")
    assert chosen(page) == 1
    page.press("ArrowUp")  # to the left of the one without sound, within 45 degrees
    assert chosen(page) == 2
    page.press("ArrowDown")
    assert chosen(page) == 0
    page.press(" ")
    assert chosen(page) == 0
    assert "Kind 1 · a.wav, 0.000 to 0.100 s" in page.evaluate(
        "document.querySelector('#now').textContent"
    )


def test_kinds_are_listed_with_examples_and_shown_alone(page):
    titles = "[...document.querySelectorAll('#list .title')]"
    assert page.evaluate(f"{titles}.map((each) => each.textContent)") == [
        *("Kind 1", "Kind 2", "No kind"),
    ]
    buttons = "[...document.querySelectorAll('#list .examples button')]"
    assert page.evaluate(f"{buttons}.length") == 4
    page.evaluate(f"{buttons}[1].click()")
    assert chosen(page) == 1
    # A tone of 1 kHz is brightest at a quarter of the picture's height.
    bright = page.evaluate(
        "(() => { const canvas = document.querySelectorAll('#list canvas')[1];"
        "const { width, height } = canvas, context = canvas.getContext('2d');"
        "const sums = Array.from({ length: height }, (_, y) => "
        "context.getImageData(0, y, width, 1).data.reduce((a, b) => a + b, 0));"
        "return 1 - sums.indexOf(Math.max(...sums)) / height; })()"
    )
    assert bright == pytest.approx(0.25, abs=0.05)
    page.evaluate(f"{titles}[1].click()")
    faint = "[...document.querySelectorAll('#map .faint')].map((each) => each.dataset.kind)"
    assert page.evaluate(faint) == ["1", "0"]
    page.click("#map", x=0.99, y=0.99)
    assert chosen(page) == 2  # of kind 2 alone
    page.press("Escape")
    assert page.evaluate(faint) == []


def test_the_page_fits_a_narrow_screen_in_the_dark(page):
    page.set_size(400, dark=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.set_size(1280)
