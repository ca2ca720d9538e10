"""The rates of codecs as bars."""

import pytest

from keras_vae import plots


def test_bars_are_the_rates_and_the_lowest_is_above():
    rates = {"gzip": 0.33, "keras_vae": 0.17, "bz2": 0.25}
    (axes,) = plots.compression_rates(rates, "bits/pixel", bound=0.168).axes
    assert [bar.get_width() for bar in axes.patches] == [0.17, 0.25, 0.33]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == ["keras_vae", "bz2", "gzip"]
    tops = [bar.get_y() for bar in axes.patches]
    assert axes.yaxis_inverted() and tops == sorted(tops)
    ours, *others = [bar.get_facecolor() for bar in axes.patches]
    assert ours not in others and len({*others}) == 1
    (line,) = axes.lines
    assert set(line.get_xdata()) == {0.168}
    assert axes.get_xlabel() == "bits/pixel"
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] > 0.33


def test_one_codec_alone_and_none():
    (axes,) = plots.compression_rates({"gzip": 0.3}).axes
    assert not axes.lines and axes.get_legend() is None
    with pytest.raises(ValueError, match="`rates` should hold one codec"):
        plots.compression_rates({})
