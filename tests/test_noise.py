"""The generator: published answers, the right distributions, one result everywhere."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from scipy import special, stats

from keras_vae import noise

MASK = 0xFFFFFFFF
EXTREMES = np.int32([0, 1, -1, -2, 2**31 - 1, 2**31 - 2, -(2**31), 1 - 2**31, 511, 512])


def int32(words):
    return np.asarray(words, "uint32").view("int32")


def uint32(words):
    return np.asarray(words).view("uint32")


def random_rows(num_rows, seed=0):
    words = np.random.default_rng(seed).integers(2**32, size=(num_rows, 2))
    return int32(words)


def threefry_in_python(key, counter):
    """Threefry-2x32-20 once more, from the paper, with Python's integers."""
    keys = [*key, 0x1BD11BDA ^ key[0] ^ key[1]]
    x, y = (counter[0] + key[0]) & MASK, (counter[1] + key[1]) & MASK
    for i, distance in enumerate([13, 15, 26, 6, 17, 29, 16, 24] * 2 + [13, 15, 26, 6]):
        x = (x + y) & MASK
        y = ((y << distance | y >> (32 - distance)) & MASK) ^ x
        if i in (3, 7, 11, 15, 19):
            n = i // 4 + 1
            x = (x + keys[n % 3]) & MASK
            y = (y + keys[(n + 1) % 3] + n) & MASK
    return x, y


# The words themselves.


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((MASK, MASK), (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
        (
            (0x243F6A88, 0x85A308D3),
            (0x13198A2E, 0x03707344),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_known_answers(counter, key, answer):
    # `threefry2x32 20` in the file kat_vectors of the authors' library Random123.
    block = noise.threefry2x32(int32(key), int32(counter))
    assert [hex(word) for word in uint32(block)] == [hex(word) for word in answer]
    assert threefry_in_python(key, counter) == answer


def test_words_agree_with_plain_python():
    edges = np.array(np.meshgrid(EXTREMES, EXTREMES)).reshape(2, -1).T
    keys = np.concatenate([random_rows(200), edges])
    counters = np.concatenate([random_rows(200, seed=1), edges[::-1]])
    expected = [
        threefry_in_python(key, counter)
        for key, counter in zip(
            uint32(keys).tolist(), uint32(counters).tolist(), strict=True
        )
    ]
    np.testing.assert_array_equal(
        uint32(noise.threefry2x32(keys, counters)), np.array(expected)
    )


def test_words_agree_with_the_threefry_of_xla():
    @tf.function(jit_compile=True)
    def xla(key):
        return tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=[14],
            key=key,
            counter=tf.zeros(1, tf.uint64),
            alg=tf.random.Algorithm.THREEFRY.value,
            dtype=tf.uint32,
        )

    counters = np.stack([np.arange(7), np.zeros(7)], axis=-1).astype("int32")
    for key in random_rows(5):
        np.testing.assert_array_equal(
            uint32(noise.threefry2x32(key, counters)).ravel(), xla(key.view("uint64"))
        )


def test_leading_axes_broadcast():
    keys, counters = random_rows(3)[:, np.newaxis], random_rows(4, seed=1)
    blocks = noise.threefry2x32(keys, counters).numpy()
    assert blocks.shape == (3, 4, 2)
    for i in range(3):
        for j in range(4):
            one = noise.threefry2x32(keys[i, 0], counters[j])
            np.testing.assert_array_equal(blocks[i, j], one)


def words_of(seed, num_values):
    """What a row is made of: the words of the blocks 0, 1, 2, …, in this order."""
    counters = [(j, 0) for j in range((num_values + 1) // 2)]
    rows = [
        [word for counter in counters for word in threefry_in_python(key, counter)]
        for key in uint32(seed).tolist()
    ]
    return np.array(rows)[:, :num_values]


# From words to numbers: the closed forms, in float64.


def uniform_of(words):
    return ((words >> 9) + 0.5) / 2**23


def normal_of(words):
    negative = words >= 2**31
    magnitude = np.where(negative, MASK - words, words) >> 1
    tail = (magnitude + 0.5) / 2**31
    return np.where(negative, 1, -1) * special.ndtri(tail)


def assert_rounded(z, exact):
    """Each z within its float32 rounding, and 1e-7, of the exact value."""
    half_a_unit = np.spacing(np.abs(exact).astype("float32")) / 2
    assert np.all(np.abs(z - exact) <= half_a_unit + 1e-7)


def test_uniform_is_its_formula_exactly():
    seed = random_rows(50)
    u = noise.uniform(seed, 21).numpy()
    assert u.dtype == np.float32
    np.testing.assert_array_equal(u.astype("float64"), uniform_of(words_of(seed, 21)))


def test_normal_is_its_formula():
    seed = random_rows(50)
    z = noise.normal(seed, 21).numpy()
    assert z.dtype == np.float32
    assert_rounded(z, normal_of(words_of(seed, 21)))


@pytest.fixture
def chosen_words(monkeypatch):
    """Lets `uniform` and `normal` see chosen words instead of random ones."""

    def choose(words):
        chosen = tf.constant(int32(words)[np.newaxis])
        monkeypatch.setattr(noise, "_random_words", lambda seed, num_values: chosen)

    return choose


def test_uniform_never_reaches_its_ends(chosen_words):
    words = np.array([0, 511, 512, 2**31 - 1])
    words = np.concatenate([words, MASK - words[::-1]])
    chosen_words(words)
    u = noise.uniform(None, None).numpy()[0]
    np.testing.assert_array_equal(u.astype("float64"), uniform_of(words))
    assert u[0] == 2**-24 and u[-1] == 1 - 2**-24
    np.testing.assert_array_equal(u[::-1], 1 - u)


def test_normal_is_right_where_its_segments_meet_and_at_its_ends(chosen_words):
    edges = 2.0 ** np.arange(31)[:, np.newaxis] * (1 + np.arange(16) / 16)
    near = edges.astype("int64").ravel()[:, np.newaxis] + np.arange(-3, 4)
    words = np.append(np.unique(np.clip(near, 0, 2**31 - 1)), 2**31 - 1)
    chosen_words(np.concatenate([words, MASK - words]))
    z = noise.normal(None, None).numpy()[0]
    positive, negative = np.split(z, 2)
    assert_rounded(positive, normal_of(words))
    np.testing.assert_array_equal(negative, -positive)
    # The further out, the larger, and as far as P = 2^-32.
    assert np.all(np.diff(positive.astype("float64")) <= 2e-7)
    assert positive[0] == pytest.approx(-special.ndtri(2.0**-32), abs=3e-7)
    assert positive[-1] == pytest.approx(0, abs=1e-7) and positive[-1] > 0


def test_the_table_is_the_same_on_every_machine():
    # Computed by another quantile function and another way to interpolate. Nothing
    # lies within 1e-4 of the half where rounding turns, so float64 cannot tip it.
    nodes = np.polynomial.chebyshev.chebpts1(4) / 2
    expected = []
    for octave in range(31):
        for part in range(16):
            tail = (1 + (part + 0.5 + nodes) / 16) * 2.0 ** (octave - 32)
            cubic = np.polynomial.Polynomial.fit(
                nodes, -special.ndtri(tail), 3, domain=[-1, 1]
            )
            expected.append(cubic.coef[::-1] * 2**27)
    distance_to_half = np.abs(np.mod(expected, 1) - 0.5)
    assert distance_to_half.min() > 1e-4
    table = noise._quantile_table()
    np.testing.assert_array_equal(table[:-1], np.rint(expected))
    assert not table[-1].any()


# The distributions. Seeds are fixed, so that each test has one outcome.


@pytest.fixture(scope="module")
def z():
    return noise.normal(noise.example_seeds(0, 0, 50_000), 40).numpy().astype("float64")


@pytest.fixture(scope="module")
def u():
    return (
        noise.uniform(noise.example_seeds(1, 0, 20_000), 40).numpy().astype("float64")
    )


def test_normal_has_the_moments_of_the_normal_distribution(z):
    # E z^k and Var z^k = E z^2k − (E z^k)^2: four standard errors.
    for k, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs(np.mean(z**k) - moment) < 4 * np.sqrt(variance / z.size)


def test_uniform_has_the_moments_of_the_uniform_distribution(u):
    for k in range(1, 5):
        moment, variance = 1 / (k + 1), 1 / (2 * k + 1) - 1 / (k + 1) ** 2
        assert abs(np.mean(u**k) - moment) < 4 * np.sqrt(variance / u.size)


def test_kolmogorov_smirnov(z, u):
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(u.ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("threshold", [1.0, 2.0, 3.0, 4.0, 4.5])
def test_tails_are_as_heavy_as_they_should_be(z, threshold):
    probability = stats.norm.sf(threshold)
    standard_error = np.sqrt(probability / z.size)
    for beyond in (z > threshold, z < -threshold):
        assert abs(np.mean(beyond) - probability) < 4 * standard_error


def neighbours():
    rows = random_rows(20_000)
    return {
        "the next position": (rows, rows + np.int32([0, 1])),
        "the next seed": (rows, rows + np.int32([1, 0])),
        "positions of one seed": (
            noise.example_seeds(3, 0, 20_000),
            noise.example_seeds(3, 20_000, 20_000),
        ),
        "one seed and the next": (
            noise.example_seeds(3, 0, 20_000),
            noise.example_seeds(4, 0, 20_000),
        ),
        "the words exchanged": (rows, rows[:, ::-1]),
    }


def assert_independent(a, b):
    """Neither the values nor their squares correlate, and no cell stands out."""
    n = a.size
    for power in (1, 2):
        correlation = np.corrcoef(a.ravel() ** power, b.ravel() ** power)[0, 1]
        assert abs(correlation) < 4 / np.sqrt(n)
    bins = np.linspace(0, 1, 17)[1:-1]
    cells = [np.digitize(stats.norm.cdf(values.ravel()), bins) for values in (a, b)]
    counts = np.histogram2d(*cells, bins=np.arange(17) - 0.5)[0]
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("neighbour", neighbours())
def test_neighbouring_seeds_are_independent(neighbour):
    a, b = (noise.normal(rows, 8).numpy() for rows in neighbours()[neighbour])
    assert_independent(a, b)


@pytest.mark.parametrize("distance", [1, 2, 3, 20])
def test_the_numbers_of_a_row_are_independent(z, distance):
    assert_independent(z[:, :-distance], z[:, distance:])


def test_a_bit_of_the_seed_turns_half_the_bits():
    rows = random_rows(2_000)
    words = uint32(noise._random_words(rows, 2))
    for bit in range(32):
        for word in range(2):
            turned = uint32(rows).copy()
            turned[:, word] ^= np.uint32(1 << bit)
            other = uint32(noise._random_words(int32(turned), 2))
            mean = np.mean(np.bitwise_count(words ^ other))
            # 32 fair coins each: variance 8. 64 comparisons: five standard errors.
            assert abs(mean - 16) < 5 * np.sqrt(8 / words.size)


# One result, wherever it is computed.

NUM_VALUES = 7
BATCHES = [1, 2, 7, 128]


def everything(seed):
    z = noise.normal(seed, NUM_VALUES)
    u = noise.uniform(seed, NUM_VALUES)
    return {"block": noise.threefry2x32(seed, seed), "u": u, "z": z}


def assert_same(results, seed):
    for name, expected in everything(tf.constant(seed)).items():
        # Bit by bit.
        np.testing.assert_array_equal(
            uint32(np.asarray(results[name])), uint32(expected), name
        )


def save(function, path):
    """Writes a function of a seed as the one signature of a SavedModel."""
    module = tf.Module()
    module.function = tf.function(
        function, input_signature=[tf.TensorSpec((None, 2), tf.int32, name="seed")]
    )
    tf.saved_model.save(module, str(path), signatures=module.function)
    return str(path)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    return save(everything, tmp_path_factory.mktemp("noise"))


@pytest.fixture(scope="module")
def tflite(saved_model):
    return tf.lite.TFLiteConverter.from_saved_model(saved_model).convert()


def test_one_row_is_the_same_alone_and_in_any_batch():
    seed = random_rows(max(BATCHES))
    together = noise.normal(seed, NUM_VALUES).numpy()
    for i in range(len(seed)):
        alone = noise.normal(seed[i : i + 1], NUM_VALUES)
        np.testing.assert_array_equal(uint32(alone[0]), uint32(together[i]))
    backwards = noise.normal(seed[::-1], NUM_VALUES)
    np.testing.assert_array_equal(together[::-1], backwards)


@pytest.mark.parametrize("function", [noise.uniform, noise.normal])
def test_a_shorter_row_begins_a_longer_one(function):
    seed = random_rows(3)
    longest = function(seed, 40).numpy()
    for num_values in range(1, 40):
        row = function(seed, num_values)
        assert row.shape == (3, num_values)
        np.testing.assert_array_equal(row, longest[:, :num_values])


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_same_in_a_compiled_function(jit_compile):
    signature = [tf.TensorSpec((None, 2), tf.int32)]
    compiled = tf.function(
        everything, input_signature=signature, jit_compile=jit_compile
    )
    assert compiled.get_concrete_function().outputs[2].shape.as_list() == [None, 7]
    for batch in BATCHES:
        seed = random_rows(batch)
        assert_same(compiled(tf.constant(seed)), seed)


def test_same_in_a_reloaded_saved_model(saved_model):
    function = tf.saved_model.load(saved_model).signatures["serving_default"]
    for batch in BATCHES:
        seed = random_rows(batch)
        assert_same(function(seed=tf.constant(seed)), seed)


@pytest.mark.parametrize(
    "resolver",
    [OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES],
    ids=["with the CPU delegate", "without"],
)
def test_same_in_a_tflite_file(tflite, resolver):
    interpreter = Interpreter(
        model_content=tflite, experimental_op_resolver_type=resolver
    )
    run = interpreter.get_signature_runner()
    for batch in BATCHES:
        seed = random_rows(batch)
        assert_same(run(seed=seed), seed)
    # One row alone against the same row within the batch.
    alone = [run(seed=seed[i : i + 1])["z"] for i in range(len(seed))]
    np.testing.assert_array_equal(np.concatenate(alone), run(seed=seed)["z"])


def test_a_tflite_file_needs_built_in_operators_only_and_takes_any_batch(tflite):
    interpreter = Interpreter(model_content=tflite)
    operators = {op["op_name"] for op in interpreter._get_ops_details()}
    assert {"BITWISE_XOR", "RIGHT_SHIFT"} <= operators
    assert not {name for name in operators if name.startswith(("Flex", "Custom"))}
    details = interpreter.get_input_details() + interpreter.get_output_details()
    assert all(detail["shape_signature"][0] == -1 for detail in details)


def dynamic(converter):
    pass


def float16(converter):
    converter.target_spec.supported_types = [tf.float16]


def int8(converter):
    def rows():
        for row in random_rows(20, seed=1):
            yield {"seed": row[np.newaxis]}

    converter.representative_dataset = rows


# What calibrates for int8 is the converter's own, and still the old interpreter.
@pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("quantization", [dynamic, float16, int8])
def test_no_quantization_touches_the_noise(tmp_path, quantization):
    kernel = np.random.default_rng(0).normal(size=(NUM_VALUES, 400)).astype("float32")

    def sample(seed):
        results = everything(seed)
        return {**results, "reconstruction": results["z"] @ kernel}

    converter = tf.lite.TFLiteConverter.from_saved_model(save(sample, tmp_path))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    quantization(converter)
    interpreter = Interpreter(model_content=converter.convert())
    types = {np.dtype(t["dtype"]).name for t in interpreter.get_tensor_details()}
    assert ("float16" if quantization is float16 else "int8") in types
    seed = random_rows(64)
    assert_same(interpreter.get_signature_runner()(seed=seed), seed)


def test_the_numbers_of_a_seed_stay_from_version_to_version():
    seed = noise.example_seeds(2026, 0, 2)
    np.testing.assert_array_equal(
        noise.uniform(seed, 3),
        np.float32(
            [[0.3179285, 0.7459666, 0.23963171], [0.7903015, 0.96939665, 0.85457]]
        ),
    )
    np.testing.assert_array_equal(
        noise.normal(seed, 3),
        np.float32(
            [[0.47349924, -0.6618508, 0.7074878], [-0.80746776, -1.8719991, -1.056237]]
        ),
    )


# Seeds and arguments.


@pytest.mark.parametrize(
    ("seed", "word"),
    [(0, 0), (7, 7), (2**31, -(2**31)), (2**32 - 1, -1), (-1, -1), (2**40 + 3, 3)],
)
def test_any_python_integer_is_a_seed(seed, word):
    rows = noise.example_seeds(seed, 5, 2)
    assert rows.dtype == tf.int32
    assert rows.numpy().tolist() == [[word, 5], [word, 6]]


def test_positions_go_on_past_the_largest_int32():
    rows = noise.example_seeds(0, 2**31 - 1, 2).numpy()
    assert rows.tolist() == [[0, 2**31 - 1], [0, -(2**31)]]


def test_seed_start_and_number_may_be_tensors():
    compiled = tf.function(
        noise.example_seeds, input_signature=[tf.TensorSpec((), tf.int32)] * 3
    )
    for arguments in [(7, 0, 3), (-7, 100, 1), (0, 5, 0)]:
        np.testing.assert_array_equal(
            compiled(*(tf.constant(a) for a in arguments)),
            noise.example_seeds(*arguments),
        )
    assert noise.example_seeds(np.int64(7), np.int64(1), np.int64(2)).shape == (2, 2)


@pytest.mark.parametrize(
    ("seed", "received"),
    [
        (np.zeros((3, 2)), "float64 of shape (3, 2)"),
        (np.zeros((3, 2), "int64"), "int64 of shape (3, 2)"),
        (np.zeros((3, 3), "int32"), "int32 of shape (3, 3)"),
        (np.zeros(2, "int32"), "int32 of shape (2,)"),
        (np.int32(2), "int32 of shape ()"),
    ],
)
def test_a_seed_of_another_kind_is_refused(seed, received):
    with pytest.raises(
        ValueError, match=r"seed must be .*\(batch, 2\).*example_seeds"
    ) as e:
        noise.normal(seed, 3)
    assert received in str(e.value)


def test_a_key_or_counter_of_another_kind_is_refused():
    good = np.zeros(2, "int32")
    with pytest.raises(ValueError, match="key must be an int32 tensor"):
        noise.threefry2x32(good.astype("uint32"), good)
    with pytest.raises(ValueError, match="counter must be an int32 tensor"):
        noise.threefry2x32(good, np.int32([1, 2, 3]))


@pytest.mark.parametrize("num_values", [0, -1, 2.0, None])
def test_a_row_has_at_least_one_number(num_values):
    with pytest.raises(ValueError, match="num_values must be a positive Python int"):
        noise.uniform(random_rows(1), num_values)


def test_a_seed_that_is_no_integer_is_refused():
    with pytest.raises(ValueError, match="seed must be a Python int or an int32"):
        noise.example_seeds(1.5, 0, 3)
    with pytest.raises(ValueError, match="start must be a Python int or an int32"):
        noise.example_seeds(1, np.int32([0, 1]), 3)
