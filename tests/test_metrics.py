"""A likelihood says what it is."""

from seqlayers.metrics import Likelihood


def test_an_exact_likelihood_reads_as_one_line():
    text = str(Likelihood(-7.12345, 0.0, "exact", 4725, 77))
    assert text == "-7.123 nats per frame (exact; per_frame, 4,725 frames of 77 sequences)"


def test_an_estimate_shows_its_error_and_the_other_side():
    text = str(Likelihood(-7.1, 0.0012, "estimate", 10, 2, reverse_nats=-7.15))
    assert "estimate, standard error 0.0012, from the other side -7.150" in text
