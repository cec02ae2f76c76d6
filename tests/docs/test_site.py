"""The site in a browser: what a reader does first works, from files and without a network."""

import browser
import pytest


@pytest.fixture(scope="module")
def page(site):
    with browser.started() as page:
        yield page


def test_every_page_is_read_on_a_phone_without_scrolling_sideways_and_without_errors(page, site):
    page.set_size(400, 800)
    wide, pages = {}, sorted(set(site.rglob("*.html")) - {site / "404.html"})
    for path in pages:
        page.open(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 400:
            wide[path.relative_to(site).as_posix()] = width
    assert len(pages) > 50 and wide == {} and page.errors == []


def test_the_reference_has_equations_arguments_returns_and_an_example(page, site):
    page.set_size(1280, 900)
    page.open(site / "docs/api/layers/SFM.html")
    text = page.evaluate("document.querySelector('article').innerText")
    for part in ("f_ste = sigmoid(", "num_frequencies", "Call arguments", "Returns", ">>> SFM(8"):
        assert part in text


def test_the_search_box_answers_from_a_file(page, site):
    page.set_size(1280, 900)
    page.open(site / "index.html")
    page.click("[data-md-component=search-query]")
    for key in "sfm":
        page.press(key)
    page.wait_for("!!document.querySelector('.md-search-result__link')", seconds=20)
    assert "docs/api/layers/SFM.html" in page.evaluate(
        "document.querySelector('.md-search-result__link').href"
    )
    assert page.errors == []


def test_nothing_comes_from_another_host(page, site):
    page.open(site / "index.html")
    assert {address.split(":")[0] for address in page.requests} == {"file"}
