"""Pages of the reference, as they are made."""

import api_pages
import pytest

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def pages():
    return api_pages.pages()


def test_every_page_of_the_navigation_is_made(pages):
    def targets(entries):
        for entry in entries:
            for target in entry.values():
                yield from targets(target) if isinstance(target, list) else [target]

    assert sorted(targets(api_pages.navigation())) == sorted(pages)


def test_equations_stand_once_on_a_page(pages):
    assert "## Equations" not in pages["docs/api/layers/SFM.md"]  # the docstring has them
    assert "## Equations\n\n    p(v_t, h_t" in pages["docs/api/heads/ConditionalRBM.md"]


def test_a_class_shows_its_own_methods_and_links_to_those_of_its_bases(pages):
    page = pages["docs/api/models/RNNRBM.md"]
    assert "'for_spectrograms'" in page and "'score'" not in page
    assert "[`score`][seqlayers.models.SequenceModel.score]" in page


def test_the_first_mention_of_a_name_on_a_page_is_a_link():
    text = (
        "`heads.NADE` and `NADE`, `unknown`\n`heads.NADE`\n# `SFM`\n    `SFM`\n[`SFM`](lstm.md)\n"
    )
    assert api_pages.Linker("docs/lstm.md").linked(text) == text.replace(
        "`heads.NADE` and `NADE`",
        "[`heads.NADE`][seqlayers.heads.NADE] and [`NADE`][seqlayers.heads.NADE]",
    )
