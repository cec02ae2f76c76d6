"""The HTML file: what is in it, what is escaped, how large it is. Without TensorFlow."""

import base64
import hashlib
import json
import re

import numpy as np
import pytest

from seqlayers import report

BAD = '</script><script>alert(1)</script> & "quoted" \u2028\udcff\x1b'


def everything(text="a", seed=0):
    """A page with all its parts, whose texts are all `text`."""
    rng = np.random.default_rng(seed)
    roll = (rng.random((40, 88)) < 0.05).astype("uint8")
    nats = -rng.random(40)
    labels = rng.integers(0, 2, 40)
    pieces = [
        report.Piece(text, text, roll, 0.5, 21, hidden=rng.random((40, 5)), hidden_name=text),
        report.Piece(text, "", roll, 0.5, 21, nats=nats, note=text, start=7),
        report.Piece(
            *(text, text, rng.normal(size=(40, 9)), 0.01),
            sound=(rng.normal(size=3200), 8000),
            top=4000.0,
            segments=[(0.1, 0.2)],
            labels=(labels, 1 - labels),
        ),
    ]
    return report.Page(
        title=text,
        summary=text,
        pieces=pieces,
        worst=[(1, 3)],
        worst_of=text,
        charts=[report.Chart(text, text, [report.Curve(text, [1, 2], [3.0, 4.0])], [(text, 3.5)])],
        scores=[report.Score(text, -3.0, text, 0.1, -3.2, True), report.Score(text, -4.0)],
        scores_of=text,
        label_names=[text, text],
        confusion=report.Confusion([text, text], [[5, 1], [2, 6]]),
        commands=[text],
        facts=[(text, text)],
        notes=[text],
    )


def data_of(rendered):
    text = re.search(rb'<script type="application/json" id="data">(.*?)</script>', rendered, re.S)
    return json.loads(text[1])


def unpacked(image):
    return np.frombuffer(base64.b64decode(image["data"]), "uint8").reshape(image["shape"])


def test_text_is_escaped_wherever_it_stands():
    rendered = report.render(everything(BAD))
    assert rendered.count(b"<script") == rendered.count(b"</script>") == 2
    assert b"alert(1)</" not in rendered and b"\x1b" not in rendered
    assert data_of(rendered)["pieces"][0]["title"] == BAD  # which the script sets as text
    assert b"innerHTML" not in rendered and b"insertAdjacentHTML" not in rendered


def test_the_policy_allows_the_script_and_the_style_of_the_page_alone():
    rendered = report.render(everything()).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', rendered)[1]
    assert policy.startswith("default-src 'none'; ")
    for kind, pattern in (
        ("script", r"<script>(.*?)</script>"),
        ("style", r"<style>(.*?)</style>"),
    ):
        text = re.search(pattern, rendered, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert " style=" not in rendered and not re.search(r"\son\w+=\"", rendered)
    addresses = set(re.findall(r"https?://[^\"' ]+", rendered))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of a language, never opened


def test_equal_pages_give_equal_bytes():
    assert report.render(everything()) == report.render(everything())
    assert report.render(everything(seed=1)) != report.render(everything())


def test_arrays_come_back_as_they_were():
    page = everything()
    packed = data_of(report.render(page))["pieces"]
    np.testing.assert_array_equal(unpacked(packed[0]["frames"]), 255 * page.pieces[0].frames)
    image, given = packed[2]["frames"], page.pieces[2].frames
    restored = given.min() + unpacked(image) / 255 * np.ptp(given)
    np.testing.assert_allclose(restored, given, atol=np.ptp(given) / 500)
    nats = np.frombuffer(base64.b64decode(packed[1]["nats"]), "<f4")
    np.testing.assert_allclose(nats, page.pieces[1].nats, rtol=1e-6)
    sound = np.frombuffer(base64.b64decode(packed[2]["sound"]["data"]), "<i2") / 32767
    np.testing.assert_allclose(sound, np.clip(page.pieces[2].sound[0], -1, 1), atol=1e-4)


def test_numbers_that_are_not_finite_leave_gaps():
    curve = report.Curve("loss", [1, 2, 3], [np.nan, -np.inf, 1.0])
    piece = report.Piece("a", "b", np.full((3, 2), np.nan), 1.0, nats=[np.nan, -np.inf, -1.0])
    scores = [report.Score("a", np.nan, "not_converged", np.inf, -np.inf), report.Score("b", -1.0)]
    page = report.Page(
        "t", charts=[report.Chart("c", "", [curve], [("x", np.nan)])], pieces=[piece], scores=scores
    )
    rendered = report.render(page)
    chart = data_of(rendered)["charts"][0]
    assert chart["curves"][0]["y"] == [None, None, 1.0] and chart["levels"] == []
    text = rendered.decode()
    assert "not finite" in text and "not converged; from the other side not converged" in text


def test_a_page_that_is_too_large_is_refused_and_nothing_is_written(tmp_path):
    sound = np.zeros(1_200_000), 8000
    page = report.Page("t", pieces=[report.Piece("a", "b", np.zeros((9, 2)), 1.0, sound=sound)])
    with pytest.raises(ValueError, match=r"at most 3,000,000 bytes; .* Received: 3,2\d\d,\d\d\d"):
        report.write(tmp_path / "page.html", page)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_place_of_a_page_is_followed_or_refused(tmp_path):
    link, page = tmp_path / "link.html", report.Page("t")
    link.symlink_to(tmp_path / "page.html")
    with pytest.raises(ValueError, match="regular file"):
        report.write(link, page, follow=False)
    assert not (tmp_path / "page.html").exists()
    report.write(link, page)
    assert (tmp_path / "page.html").read_bytes() == report.render(page) and link.is_symlink()


def test_a_piece_has_as_many_rows_in_each_part_as_frames():
    with pytest.raises(ValueError, match="`nats` must have a row for each frame.*2 rows, and 3"):
        report.Piece("a", "b", np.zeros((3, 2)), 1.0, nats=[0, 0])
    with pytest.raises(ValueError, match=r"`labels\[1\]` must have a row"):
        report.Piece("a", "b", np.zeros((3, 2)), 1.0, labels=([0, 0, 0], [0]))
    with pytest.raises(ValueError, match=r"`frames` must be an array .* shape \(0, 2\)"):
        report.Piece("a", "b", np.zeros((0, 2)), 1.0)
    with pytest.raises(ValueError, match="`seconds`.*above 0"):
        report.Piece("a", "b", np.zeros((3, 2)), 0.0)


def test_an_empty_page_is_a_page():
    assert b"<h1>nothing yet</h1>" in report.render(report.Page("nothing yet"))


def contrast(one, other):
    """The contrast of two colours by WCAG 2."""

    def luminance(colour):
        parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_curves_stand_out_from_what_is_behind_them(scheme):
    style = re.search(r"<style>(.*?)</style>", report.render(report.Page("t")).decode(), re.S)[1]
    light, dark = re.findall(r":root \{(.*?)\}", style, re.S)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", light if scheme == "light" else dark))
    for text in ("ink", "quiet", "accent"):
        for behind in ("card", "paper"):
            assert contrast(colours[text], colours[behind]) >= 4.5
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
    assert contrast(colours["ink"], colours["strip"]) >= 4.5
    assert contrast(colours["card"], colours["bad"]) >= 4.5
    assert contrast(colours["card"], colours["unit"]) >= 4.5
    for mark in ("note", "bad", "nats", "curve-0", "curve-1", "curve-2", "curve-3"):
        assert contrast(colours[mark], colours["card"]) >= 3
