"""Pictures are written whole or not at all."""

import pytest
from matplotlib.figure import Figure

from seqlayers import plotting


@pytest.mark.parametrize("name, begins", [("waves", b"\x89PNG"), ("a.b.SVG", b"<?xml")])
def test_a_picture_is_written_under_its_own_name(tmp_path, name, begins):
    plotting.save(plotting.learning_curve([1, 2], {"a": [3.0, 4.0]}), tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("path", [None, 3, "waves.v2", "waves.txt"])
def test_a_path_that_is_no_picture_is_refused_by_name(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"`path` must .*Received: path={path}"):
        plotting.save(Figure(), path)
    with pytest.raises(ValueError, match="`figure` must be a Matplotlib figure.*list"):
        plotting.save([Figure()], "waves.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(tmp_path):
    path = tmp_path / "curve.png"
    path.write_bytes(b"old")

    class Broken(Figure):
        def savefig(self, path, **_):
            path.write_bytes(b"half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        plotting.save(Broken(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_figures_become_pages(tmp_path):
    made = []

    def figures():
        for n in range(3):
            made.append(n)
            yield plotting.learning_curve([1, 2], {"a": [n, 4.0]})

    plotting.save_pages(figures(), tmp_path / "a.pdf")
    text = (tmp_path / "a.pdf").read_bytes()
    assert text.startswith(b"%PDF") and text.count(b"/Type /Page ") == 3 and made == [0, 1, 2]


@pytest.mark.parametrize(
    "figures, name, reason",
    [
        ([Figure()], "a.png", "`path` must be a file name that ends as .pdf.*a.png"),
        ([Figure()], None, "`path` must be a file name.*None"),
        (Figure(), "a.pdf", "`figures` must be an iterable.*Figure"),
        ([Figure(), 3], "a.pdf", "`figures` must be Matplotlib figures.*int at 1"),
        ([], "a.pdf", "`figures` must hold at least one figure"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*keep_empty")
def test_what_is_no_page_is_refused(tmp_path, monkeypatch, figures, name, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=reason):
        plotting.save_pages(figures, name)
    assert list(tmp_path.iterdir()) == []
