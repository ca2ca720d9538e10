"""`encode`, `reconstruct`, `sample`, `interpolate`, `traverse`."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae
from keras_vae import plots, runs


@pytest.fixture(scope="module")
def vae(run):
    return runs.Run(run).vae


@pytest.fixture(scope="module")
def test_split(run):
    return runs.Run(run).dataset().test


def read(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_encode(call, run, vae, test_split, tmp_path):
    parameters = vae.encode(test_split.x)
    result = call("encode", run, "--output", tmp_path / "z.npz")
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path / "z.npz"))
    arrays = np.load(tmp_path / "z.npz")
    for name, expected in zip(("z_mean", "z_log_var"), parameters, strict=True):
        np.testing.assert_allclose(arrays[name], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(arrays["label"].astype(int), test_split.labels)
    assert call("encode", run, "--output", tmp_path / "z.csv").exit_code == 0
    header, rows = read(tmp_path / "z.csv")
    names = [f"{n}_{j}" for n in ("z_mean", "z_log_var") for j in range(3)]
    assert header == [*names, "label"]
    np.testing.assert_allclose(
        np.array(rows)[:, :3].astype(float), parameters[0], rtol=1e-5, atol=1e-6
    )


@pytest.fixture(scope="module")
def members():
    """A model of each kind of posterior, not trained, of images 4 x 4."""
    images = keras_vae.networks.quantized_convolutional((4, 4, 1), 2, filters=(4, 4))
    networks = keras_vae.networks.dense((4, 4, 1), 2, hidden_units=(4,))
    levels = keras_vae.networks.hierarchical_dense(
        (4, 4, 1), (1, 2), hidden_units=((4,), (4,))
    )
    encoder = keras.Model(networks[0].input, networks[0].outputs[0])
    flow = keras_vae.layers.InverseAutoregressiveFlow(hidden_units=(4,))
    return [
        keras_vae.VAE(*networks),
        keras_vae.VAE(*networks, flow=flow),
        keras_vae.HierarchicalVAE(*levels),
        keras_vae.Autoencoder(encoder, networks[1]),
        keras_vae.VQVAE(*images, quantizer=4),
    ]


def test_help_of_encode_names_the_columns_of_every_member(call, members):
    words = call("encode", "--help").stdout.replace(",", " ").replace(";", " ").split()
    for vae in members:
        assert {*vae.posterior(tf.zeros((1, 4, 4, 1))).parameters} <= {*words}


def test_encode_writes_a_column_for_each_number_of_any_member(call, members, tmp_path):
    x = np.random.default_rng(0).uniform(size=(3, 4, 4, 1)).astype("float32")
    np.savez(tmp_path / "x.npz", x_train=x, y_train=["a, b", "c", "a, b"])
    for vae in members:
        vae.save(tmp_path / "model.keras")
        arguments = ["--input", tmp_path / "x.npz", "--output", tmp_path / "z.csv"]
        result = call("encode", tmp_path / "model.keras", *arguments)
        assert result.exit_code == 0, result.output
        header, rows = read(tmp_path / "z.csv")
        names = [*vae.posterior(tf.zeros((1, 4, 4, 1))).parameters]
        parameters = dict(zip(names, vae.encode(x), strict=True))
        flat = {name: np.reshape(array, (3, -1)) for name, array in parameters.items()}
        expected = [f"{n}_{j}" for n in flat for j in range(flat[n].shape[1])]
        assert header == [*expected, "label"]
        assert [row[-1] for row in rows] == ["a, b", "c", "a, b"]
        values = np.concatenate([*flat.values()], axis=1)
        found = np.array([row[:-1] for row in rows], "float32")
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)
        # Integers are written as such.
        codes = [j for j, name in enumerate(header) if name.startswith("codes")]
        assert all(row[j].isdecimal() for row in rows for j in codes)


def test_encode_carries_the_labels_of_a_table(call, table, tmp_path):
    arguments = ["--split", "train", "--output", tmp_path / "z.csv"]
    assert call("encode", table[0], *arguments).exit_code == 0
    header, rows = read(tmp_path / "z.csv")
    assert header[-1] == "label"
    assert {row[-1] for row in rows} == {"x", "y"}


def test_a_model_file_alone_on_other_data(call, run, vae, test_split, tmp_path):
    np.save(tmp_path / "x.npy", test_split.x[:7])
    for suffix in ("npy", "npz", "csv", "png", "pdf"):
        output = tmp_path / f"r.{suffix}"
        result = call(
            *("reconstruct", run / "model.keras", "--input", tmp_path / "x.npy"),
            *("--output", output, "--batch-size", 3),
        )
        assert result.exit_code == 0, result.output
    expected = vae.reconstruct(test_split.x[:7])
    np.testing.assert_allclose(np.load(tmp_path / "r.npy"), expected, rtol=1e-5)
    found = np.load(tmp_path / "r.npz")["reconstruction"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_columns_have_the_names_of_the_table(call, table, tmp_path):
    run, _ = table
    for command in ("reconstruct", "sample"):
        result = call(command, run, "--output", tmp_path / "t.csv")
        assert result.exit_code == 0, result.output
        assert read(tmp_path / "t.csv")[0] == ["height", "width", "depth"]


def test_columns_of_other_data_are_matched_by_name(call, table, tmp_path):
    """D6: the same columns in another order gave other numbers and status 0."""
    run, source = table
    header, rows = read(source)
    order = [header.index(name) for name in ("depth", "kind", "height", "width")]
    lines = [",".join(row[i] for i in order) for row in [header, *rows]]
    (tmp_path / "other.csv").write_text("\n".join(lines))
    for name, given in (("a", source), ("b", tmp_path / "other.csv")):
        result = call(
            "score", run, "--input", given, "--output", tmp_path / f"{name}.csv"
        )
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n3,4\n")
    result = call("encode", run, "--input", tmp_path / "other.csv", "--output", "z.csv")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1


def test_new_data_need_not_have_labels(call, table, tmp_path):
    run, source = table
    header, rows = read(source)
    kind = header.index("kind")
    lines = [",".join(row[:kind] + row[kind + 1 :]) for row in [header, *rows]]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    scores = []
    for given in (source, tmp_path / "new.csv"):
        output = tmp_path / "scores.csv"
        result = call("score", run, "--input", given, "--output", output)
        assert result.exit_code == 0, result.output
        header, rows = read(output)
        scores.append([row[header.index("elbo")] for row in rows])
    assert scores[0] == scores[1]


@pytest.mark.parametrize("command", ["encode", "reconstruct", "evaluate", "traverse"])
def test_data_outside_the_support_are_refused(call, run, tmp_path, command):
    """D11: floats from 0 to 255 were encoded and reconstructed silently."""
    np.save(tmp_path / "x.npy", np.full((9, 8, 8, 1), 200.0, "float32"))
    output = {"encode": "z.csv", "evaluate": "m.json"}.get(command, "r.npy")
    result = call(
        *(command, run, "--input", tmp_path / "x.npy", "--output", tmp_path / output)
    )
    assert result.exit_code == 1
    assert "support" in result.stderr and "`" not in result.stderr
    assert not (tmp_path / output).exists()


def test_samples_are_those_of_the_model(call, run, vae, tmp_path):
    arguments = ["--num-samples", 5, "--seed", 3, "--batch-size", 2]
    for suffix in ("npy", "npz", "csv", "png"):
        result = call("sample", run, *arguments, "--output", tmp_path / f"s.{suffix}")
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == str(tmp_path / f"s.{suffix}")
    expected = vae.sample(5, seed=3)
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), expected, rtol=1e-6)
    np.testing.assert_allclose(np.load(tmp_path / "s.npz")["x"], expected, rtol=1e-6)
    header, rows = read(tmp_path / "s.csv")
    assert header[:2] == ["x_0", "x_1"]
    values = np.array(rows).astype("float32")
    np.testing.assert_allclose(values, expected.reshape(5, 64), rtol=1e-6)


def test_draws_are_draws(call, run, vae, tmp_path):
    """U1: of a Bernoulli they are 0 and 1; its means are not."""
    result = call("sample", run, "--draws", "--output", tmp_path / "s.npy")
    assert result.exit_code == 0, result.output
    found = np.load(tmp_path / "s.npy")
    assert set(np.unique(found)) == {0.0, 1.0}
    np.testing.assert_array_equal(found, vae.sample(64, seed=0, draws=True))


def test_tables_get_draws_unless_means_are_asked_for(call, table, tmp_path):
    run, _ = table
    vae = runs.Run(run).vae
    for options, draws in (([], True), (["--means"], False)):
        result = call("sample", run, *options, "--output", tmp_path / "s.csv")
        assert result.exit_code == 0, result.output
        found = np.array(read(tmp_path / "s.csv")[1]).astype("float32")
        expected = vae.sample(64, seed=0, draws=draws)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_seed_that_is_no_32_bit_word_is_refused(call, run, tmp_path):
    """D18: 2**32 was folded to 0 silently."""
    arguments = ["sample", run, "--num-samples", 2, "--output", tmp_path / "s.npy"]
    for seed in (2**32, -1):
        result = call(*arguments, "--seed", seed)
        assert result.exit_code == 2 and "--seed" in result.stderr
    assert call(*arguments, "--seed", 2**32 - 1).exit_code == 0


def test_interpolate(call, run, vae, test_split, tmp_path):
    arguments = ["--from", "0,3", "--to", "9,130", "--num-steps", 4]
    for suffix in ("npy", "npz", "csv", "png"):
        output = tmp_path / f"i.{suffix}"
        result = call("interpolate", run, *arguments, "--output", output)
        assert result.exit_code == 0, result.output
    x = test_split.x
    expected = vae.interpolate(x[[0, 3]], x[[9, 130]], num_steps=4)
    found = np.load(tmp_path / "i.npy")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    header, rows = read(tmp_path / "i.csv")
    assert header[:3] == ["pair", "t", "reconstruction_0"]
    table = np.array(rows).astype(float)
    np.testing.assert_array_equal(table[:, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(table[:4, 1], [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(
        table[:, 2:], expected.reshape(8, 64), rtol=1e-4, atol=1e-6
    )


def test_interpolate_says_what_is_wrong(call, run, tmp_path):
    output = ["--output", tmp_path / "i.npy"]
    result = call("interpolate", run, "--from", "0,1", "--to", "2", *output)
    assert result.exit_code == 2 and "--from names 2" in result.stderr
    result = call("interpolate", run, "--to", "180", *output)
    assert result.exit_code == 2
    assert "--to" in result.stderr and "180 examples" in result.stderr


def test_traverse(call, run, vae, test_split, tmp_path):
    arguments = ["--num-steps", 3, "--max-dimensions", 2, "--example", 150]
    for suffix in ("npy", "npz", "csv", "png"):
        output = tmp_path / f"t.{suffix}"
        result = call("traverse", run, *arguments, "--output", output)
        assert result.exit_code == 0, result.output
    x = test_split.x
    expected = plots.traverse(vae, x, x[150], num_steps=3, max_dimensions=2)
    arrays = np.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(arrays["dimension"], expected.dimensions)
    np.testing.assert_array_equal(arrays["value"], [-3, 0, 3])
    for found in (arrays["reconstruction"], np.load(tmp_path / "t.npy")):
        np.testing.assert_allclose(found, expected.reconstruction, rtol=1e-4, atol=1e-6)
    header, rows = read(tmp_path / "t.csv")
    assert header[:3] == ["dimension", "value", "reconstruction_0"]
    assert [row[1] for row in rows] == ["-3.0", "0.0", "3.0"] * 2
