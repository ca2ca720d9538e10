"""What the benchmarks compute of what they measure; the measuring is theirs alone."""

import runpy
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def representations():
    return runpy.run_path(str(FOLDER / "representations.py"))


def test_labels_are_drawn_as_many_of_each_class(representations):
    labels = np.random.default_rng(0).integers(0, 3, 100) * 2
    rows = representations["draw"](labels, 5, seed=1)
    assert len({*rows.tolist()}) == 15
    assert np.bincount(labels[rows]).tolist() == [5, 0, 5, 0, 5]
    np.testing.assert_array_equal(rows, representations["draw"](labels, 5, seed=1))
    assert {*rows} != {*representations["draw"](labels, 5, seed=2)}


def test_a_size_is_chosen_by_labelled_images_and_not_by_those_of_the_test(
    representations,
):
    def readout(accuracy, cross_validated):
        return {"accuracy": accuracy, "cross_validated": cross_validated}

    found = {
        "raw": readout(0.7, 0.6),
        "pca_4": readout(0.9, 0.5),
        "pca_8": readout(0.8, 0.55),
        "vae_4": readout(0.85, 0.9),
        "vae_8": readout(0.95, 0.8),
    }
    chosen = representations["chosen"]({"10": found})
    assert chosen == {"10": {"raw": 0.7, "pca_8": 0.8, "vae_4": 0.85}}


def test_a_mean_over_draws_has_a_deviation_but_for_one(representations):
    summary = representations["summary"]
    assert summary([0.5, 0.7]) == pytest.approx(
        {"accuracy": 0.6, "standard_deviation": 0.02**0.5}
    )
    assert summary([0.5])["standard_deviation"] is None


@pytest.fixture(scope="module")
def who_wins():
    return runpy.run_path(str(FOLDER / "who_wins.py"))


def entry(values, **settings):
    return {
        "settings": {"seed": 0, **settings},
        "marginal_log_likelihood": float(np.mean(values)),
        "standard_error": 0.5,
    }


def test_differences_are_paired_and_of_the_same_images(who_wins):
    rng = np.random.default_rng(0)
    vae = rng.normal(-90, 20, size=400)
    values = {"vae": vae, "iwae": vae + rng.normal(0.5, 1, 400), "vamp": vae + 0.5}
    entries = {name: entry(of, epochs=3) for name, of in values.items()}
    entries["flow"] = entry(vae, epochs=4)
    who_wins["differences"](entries, {name: [*of] for name, of in values.items()})
    iwae = entries["iwae"]["difference_to_vae"]
    difference = values["iwae"] - vae
    assert iwae["mean"] == pytest.approx(difference.mean())
    assert iwae["standard_error"] == pytest.approx(difference.std(ddof=1) / 20)
    assert iwae["standard_error"] < 0.06  # of the images themselves it is 1
    assert iwae["reached"]
    vamp = entries["vamp"]["difference_to_vae"]
    assert vamp["wanted"] == 1.0 and not vamp["reached"]
    assert "difference_to_vae" not in entries["flow"]  # trained otherwise
    table = who_wins["table"](entries)
    assert f"{iwae['mean']:+.2f} ± {iwae['standard_error']:.2f}" in table


def curve(points):
    names = ("reconstruction_loss", "total_correlation")
    names += ("total_correlation_standard_error",)
    return [dict(zip(names, point, strict=True)) for point in points]


def test_total_correlations_are_compared_at_equal_reconstruction(who_wins):
    compare = who_wins["compare_curves"]
    # Two straight lines, 0.5 apart where both are known: from 80 to 90.
    base = curve([(90, 1.0, 0.1), (70, 3.0, 0.1), (80, 2.0, 0.1)])
    other = curve([(100, -0.5, 0.2), (80, 1.5, 0.2)])
    result = compare(base, other)
    assert result["reconstruction_range"] == [80.0, 90.0]
    assert result["total_correlation_difference"] == pytest.approx(0.5)
    # Of the mean over 80 to 90: half of each point of the first, 3/4 and 1/4.
    error = np.sqrt(2 * (0.5 * 0.1) ** 2 + (0.75 * 0.2) ** 2 + (0.25 * 0.2) ** 2)
    assert result["total_correlation_difference_standard_error"] == pytest.approx(error)
    apart = compare(base, curve([(100, 0.0, 0.1), (110, 0.0, 0.1)]))
    assert apart["total_correlation_difference"] is None


def test_errors_of_few_labels_are_means_over_choices(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # of what lies beside it
    few_labels = runpy.run_path(str(FOLDER / "few_labels.py"))
    errors = [3.0, 3.5, 2.5]
    choices = {
        str(i): {"m1_m2": {"error": error, "ece": 0.01 * i, "minutes": 1}}
        for i, error in enumerate(errors)
    }
    choices["0"]["m2"] = {"error": 12.0, "ece": 0.1, "minutes": 1}
    result = few_labels["summary"]({"100": choices, "1000": {}})
    found = result["100"]["m1_m2"]
    assert found["error_mean"] == pytest.approx(3.0)
    assert found["error_standard_deviation"] == pytest.approx(0.5)
    assert found["ece_mean"] == pytest.approx(0.01) and found["choices"] == 3
    assert found["goal_reached"] and result["1000"] == {}
    assert result["100"]["m2"]["error_standard_deviation"] is None
