"""The score card as text and as JSON, with and without intervals."""

from __future__ import annotations

from artgen.metrics.estimate import Estimate
from artgen.metrics.scorecard import ScoreCard


def test_an_interval_stands_beside_its_figure_with_the_numbers_of_pictures() -> None:
    card = ScoreCard("title")
    card.add("kid", "KID", Estimate(0.012345, 0.01, 0.02, 256, 128), "", "0.0001 for real ones")
    card.add("twins", "samples with a twin", Estimate(0.5, 0.25, 0.75, 1256), "share")
    card.add("copies", "copies", 1200, "samples")
    assert card.as_text().splitlines() == [
        "title",
        "KID                      0.0123 0.0100 to 0.0200, 256 against 128                0.0001 for real ones",
        "samples with a twin      0.5000 0.2500 to 0.7500, 1,256            share",
        "copies                    1,200                                    samples",
    ]
    facts = card.as_dict()
    assert facts["kid"] == {"value": 0.012345, "low": 0.01, "high": 0.02, "n": 256, "n_real": 128}
    assert facts["copies"] == 1200


def test_without_intervals_there_is_no_column_for_them() -> None:
    card = ScoreCard("title")
    card.add("loss", "loss", 1.5, "nats", "lower is better")
    card.add("none", "nothing", None)
    assert card.as_text().splitlines() == ["title", "loss         1.5000 nats          lower is better", "nothing           -"]


def test_a_card_without_figures_is_its_title_and_pages() -> None:
    assert ScoreCard("title", pages=["page"]).as_text() == "title\n\npage"
