"""Schedules against the papers' formulas, step by step."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae import schedules
from keras_vae.schedules import Constant, Cyclical, LinearWarmup

EVERY = [
    Constant(3.0),
    LinearWarmup(10),
    LinearWarmup(7, end=25.0, start=1.0),
    Cyclical(20),
    Cyclical(23, num_cycles=3, ratio=0.7, end=2.0),
]


@settings(max_examples=100, deadline=None)
@given(
    num_steps=st.integers(1, 1000),
    step=st.integers(0, 2000),
    start=st.floats(0, 10),
    end=st.floats(0, 10),
)
def test_linear_warmup_is_linear_interpolation(num_steps, step, start, end):
    expected = np.interp(step, [0, num_steps], [start, end])
    value = float(LinearWarmup(num_steps, end=end, start=start)(step))
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-5)


def fu_et_al(t, total, cycles, ratio):
    """Equations 6 and 7 of the paper, where t counts from 1."""
    tau = ((t - 1) % math.ceil(total / cycles)) / (total / cycles)
    return tau / ratio if tau <= ratio else 1.0


@pytest.mark.parametrize(("total", "cycles", "ratio"), [(100, 4, 0.5), (60, 3, 0.8)])
def test_cyclical_is_the_paper_s(total, cycles, ratio):
    schedule = Cyclical(total, num_cycles=cycles, ratio=ratio)
    values = [float(schedule(step)) for step in range(total)]
    expected = [fu_et_al(t, total, cycles, ratio) for t in range(1, total + 1)]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert float(schedule(total)) == 1.0  # and stays there
    assert float(schedule(10 * total)) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 9), st.floats(0.01, 1), st.integers(0, 1000))
def test_cyclical_stays_within_its_range(num_steps, num_cycles, ratio, step):
    if num_cycles > num_steps:
        num_cycles = num_steps
    schedule = Cyclical(num_steps, num_cycles=num_cycles, ratio=ratio, end=3.0)
    assert 0 <= float(schedule(step)) <= 3.0 + 1e-6
    if step >= schedule.num_steps:
        assert float(schedule(step)) == 3.0


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
def test_the_laws_of_every_schedule(schedule):
    """The same in a graph and under XLA, float32, settled from `num_steps` on, and
    back from its config."""
    steps = tf.Variable(0, dtype=tf.int64)
    graph = tf.function(lambda: schedule(steps))
    xla = tf.function(lambda: schedule(steps), jit_compile=True)
    config = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(config)
    assert repr(again) == repr(schedule)
    for step in (0, 1, 5, 9, 10, 22, 23, 10**7):
        steps.assign(step)
        value = float(schedule(step))
        assert graph().dtype == tf.float32
        assert float(graph()) == pytest.approx(value, rel=1e-6)
        assert float(xla()) == pytest.approx(value, rel=1e-6)
        assert float(again(step)) == value
        if step >= schedule.num_steps:
            assert value == float(schedule(10**9))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LinearWarmup(0), "`num_steps`.*>= 1"),
        (lambda: LinearWarmup(2.5), "`num_steps`.*2.5"),
        (lambda: LinearWarmup(10, end=math.nan), "`end`.*finite"),
        (lambda: Cyclical(10, ratio=0), "`ratio`"),
        (lambda: Cyclical(10, num_cycles=11), "`num_cycles`"),
        (lambda: schedules.get("linear"), "`beta`.*LinearWarmup"),
        (lambda: schedules.get(-1.0, "capacity"), "`capacity`.*-1.0"),
        (lambda: schedules.get(math.inf), "`beta`.*inf"),
    ],
)
def test_errors_name_the_argument(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_get_takes_numbers_schedules_and_configs():
    warmup = LinearWarmup(5)
    assert schedules.get(warmup) is warmup
    assert schedules.get(2).value == 2.0
    config = keras.saving.serialize_keras_object(warmup)
    assert repr(schedules.get(config)) == repr(warmup)
