"""The exported SavedModels answer what the trained model answers, and nothing else.

One fresh process, which never imports `keras_vae`, loads every export and answers the
requests of this file. To hostile images it answers as TensorFlow Serving does: in a
session, on the graph tagged `serve`.
"""

import contextlib
import errno
import io
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_vae import VAE, memory, networks, noise
from keras_vae.export import (
    Endpoint,
    export_saved_models,
    exported_models,
    saved_model,
    verify,
)
from keras_vae.layers import Standardize
from keras_vae.models.float32 import float32_copy

BATCH = 7


def small(network, data_shape, likelihood, standardize=None, **options):
    encoder, decoder = getattr(networks, network)(
        data_shape, 3, likelihood, seed=0, **options
    )
    return VAE(encoder, decoder, likelihood=likelihood, standardize=standardize, seed=0)


def mixed(*arguments, **options):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return small(*arguments, **options)
    finally:
        keras.config.set_dtype_policy("float32")


TINY = {"hidden_units": (8,)}
COLUMNS = Standardize(mean=[100.0, -3.0, 0.0, 9.0], scale=[20.0, 0.1, 1.0, 50.0])
KINDS = {
    "dense": lambda: small("dense", (6, 5, 1), "bernoulli", **TINY),
    "convolutional": lambda: small(
        "convolutional", (9, 11, 3), "discretized_logistic", filters=(4, 4)
    ),
    "residual": lambda: small(
        "residual", (8, 13, 4), "continuous_bernoulli", filters=(4, 4), **TINY
    ),
    "tabular": lambda: small("dense", (4,), "gaussian", COLUMNS, **TINY),
    "laplace": lambda: small("dense", (5, 2), "laplace", **TINY),
    "categorical": lambda: small("dense", (5, 3), "categorical", **TINY),
    "poisson": lambda: small("dense", (4,), "poisson", **TINY),
    "mixed": lambda: mixed("dense", (6, 5, 1), "bernoulli", **TINY),
}


# What lies in the support, of 256 levels.
DATA = {
    "categorical": lambda levels: np.eye(3)[levels[..., 0] % 3],
    "poisson": lambda levels: levels,
}


class Trained:
    """A model, its export, requests, and the answers of the model's own methods."""

    def __init__(self, vae, directory):
        self.vae = vae
        self.export = export_saved_models(vae, directory)
        rng = np.random.default_rng(0)
        levels = rng.integers(0, 256, (BATCH, *vae.data_shape)).astype("uint8")
        x = DATA.get(vae.likelihood.identifier, lambda levels: levels / 255)(levels)
        x = x.astype("float32")
        z = rng.normal(size=(BATCH, 3)).astype("float32")
        seed = noise.example_seeds(5, 0, BATCH).numpy()
        z_mean, z_log_var = float32_copy(vae).encode(x)
        posterior = {"z_mean": z_mean, "z_log_var": z_log_var}
        draws = noise.normal(seed, 3).numpy()
        sampled = {"z": z_mean + np.exp(z_log_var / 2) * draws}
        reconstruction = float32_copy(vae).decode(z)
        samples = {
            "z": draws,
            "reconstruction": float32_copy(vae).sample(BATCH, seed=5),
        }
        self.requests = {
            "encoder": {
                "serving_default": ({"x": x}, posterior),
                "encode": ({"x": x}, posterior),
                "encode_sample": ({"x": x, "seed": seed}, {**posterior, **sampled}),
            },
            "decoder": {
                "serving_default": ({"z": z}, {"reconstruction": reconstruction}),
                "decode": ({"z": z}, {"reconstruction": reconstruction}),
                "sample": ({"seed": seed}, samples),
            },
        }
        if "encode_bytes" in exported_models(vae)["encoder"]:
            files = np.array([tf.io.encode_png(image).numpy() for image in levels])
            self.requests["encoder"] |= {
                "encode_uint8": ({"x": levels}, posterior),
                "encode_bytes": ({"image_bytes": files}, posterior),
            }
            eight_bits = np.rint(np.clip(reconstruction, 0, 1) * 255)
            self.requests["decoder"]["decode_uint8"] = (
                {"z": z},
                {"reconstruction": eight_bits},
            )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return {
        kind: Trained(build(), tmp_path_factory.mktemp(kind))
        for kind, build in KINDS.items()
    }


# --- A process without keras_vae --------------------------------------------------

FRESH_PROCESS = """
import json, resource, sys
import numpy as np
import tensorflow as tf

folder = sys.argv[1]
jobs = json.load(open(folder + "/jobs.json"))
tensors, answers = np.load(folder + "/tensors.npz"), {}
for job in jobs["signatures"]:
    loaded = tf.saved_model.load(job["path"])
    for signature, inputs in job["inputs"].items():
        for rows in (7, 1):
            given = {k: tf.constant(tensors[v][:rows]) for k, v in inputs.items()}
            for name, tensor in loaded.signatures[signature](**given).items():
                answers[f"{job['name']}/{signature}/{name}/{rows}"] = tensor.numpy()
np.savez(folder + "/answers.npz", **answers)

blob, ends, start, outcomes = tensors["hostile"].tobytes(), tensors["ends"], 0, []
files = [blob[a:b] for a, b in zip([0, *ends[:-1]], ends)]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    model = tf.compat.v1.saved_model.load(session, ["serve"], jobs["images"])
    signature = model.signature_def["encode_bytes"]
    fetch = signature.outputs["z_mean"].name
    def encode(*contents):
        return session.run(fetch, {signature.inputs["image_bytes"].name: contents})
    good = bytes(tensors["good"])
    before, peak_before = encode(good), peak()
    for file in files:
        try:
            outcomes.append(bool(np.isfinite(encode(file)).all()))
        except tf.errors.InvalidArgumentError as error:
            outcomes.append(error.message)
    try:
        encode(good, files[0])
        raise SystemExit("a batch with a damaged image was answered")
    except tf.errors.InvalidArgumentError:
        pass
    unharmed = bool((encode(good) == before).all())
result = {
    "modules": sorted(name for name in sys.modules if name.startswith("keras_vae")),
    "outcomes": outcomes,
    "unharmed": unharmed,
    "megabytes": peak() - peak_before,
}
json.dump(result, open(folder + "/result.json", "w"))
"""


@pytest.fixture(scope="module")
def fresh_process(trained, tmp_path_factory):
    """Answers, and outcomes of the hostile images, of a process without `keras_vae`."""
    folder = tmp_path_factory.mktemp("fresh")
    tensors, signatures = {}, []
    for kind, model in trained.items():
        for part, requests in model.requests.items():
            inputs = {}
            for signature, (given, _) in requests.items():
                inputs[signature] = {}
                for name, array in given.items():
                    key = f"{kind}/{part}/{signature}/{name}"
                    tensors[key] = array
                    inputs[signature][name] = key
            path = str(getattr(model.export, part))
            signatures.append(
                {"name": f"{kind}/{part}", "path": path, "inputs": inputs}
            )
    files = hostile_images()
    tensors["hostile"] = np.frombuffer(b"".join(files), "uint8")
    tensors["ends"] = np.cumsum([len(file) for file in files])
    tensors["good"] = np.frombuffer(good_file(), "uint8")
    np.savez(folder / "tensors.npz", **tensors)
    images = str(trained["convolutional"].export.encoder)
    jobs = {"signatures": signatures, "images": images}
    (folder / "jobs.json").write_text(json.dumps(jobs))
    # -I: neither this folder nor PYTHONPATH is where it looks for modules.
    command = [sys.executable, "-I", "-c", FRESH_PROCESS, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert run.returncode == 0, run.stderr[-3000:]
    result = json.loads((folder / "result.json").read_text())
    return dict(np.load(folder / "answers.npz")), result, files


def test_the_process_never_imports_the_package(fresh_process):
    assert fresh_process[1]["modules"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_signature_answers_what_the_model_answers(trained, fresh_process, kind):
    answers = fresh_process[0]
    for part, requests in trained[kind].requests.items():
        for signature, (_, expected) in requests.items():
            for name, rows in itertools.product(expected, (BATCH, 1)):
                result = answers[f"{kind}/{part}/{signature}/{name}/{rows}"]
                assert result.shape == expected[name][:rows].shape
                np.testing.assert_allclose(
                    result, expected[name][:rows], rtol=1e-6, atol=1e-6
                )
            prefix = f"{kind}/{part}/{signature}/"
            named = {key.split("/")[3] for key in answers if key.startswith(prefix)}
            assert named == set(expected)


def test_a_model_trained_in_mixed_precision_is_exported_in_float32(trained):
    model = trained["mixed"]
    x = model.requests["encoder"]["encode"][0]["x"]
    exact = model.requests["encoder"]["encode"][1]["z_mean"]
    assert np.abs(model.vae.encode(x)[0] - exact).max() > 1e-6  # it does round
    graph = tf.saved_model.load(model.export.encoder).signatures["encode"].graph
    types = {tensor.dtype for op in operations(graph) for tensor in op.outputs}
    assert not types & {tf.float16, tf.bfloat16}


# --- Nothing hidden ---------------------------------------------------------------


def operations(graph):
    """All operations that a signature can reach, those of its functions included."""
    found, waiting = [], [graph]
    seen = set()
    while waiting:
        graph = waiting.pop()
        found += graph.get_operations()
        for name, function in graph._functions.items():
            if name not in seen:
                seen.add(name)
                waiting.append(function.graph)
    return found


STATE = re.compile("Assign|Random|Multinomial|PyFunc")


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_no_signature_changes_a_variable_or_draws_from_hidden_state(trained, part):
    for model in trained.values():
        signatures = tf.saved_model.load(getattr(model.export, part)).signatures
        for name, signature in signatures.items():
            kinds = {op.type for op in operations(signature.graph)}
            assert len(kinds) > 5, name
            assert not {kind for kind in kinds if STATE.search(kind)}, name


def test_the_rule_of_state_itself():
    generator = keras.random.SeedGenerator(0)
    variable = tf.Variable(0.0)

    @tf.function(input_signature=[])
    def hidden():
        variable.assign_add(1.0)
        return keras.random.normal((2,), seed=generator) + tf.random.normal((2,))

    kinds = {op.type for op in operations(hidden.get_concrete_function().graph)}
    found = {kind for kind in kinds if STATE.search(kind)}
    assert {"AssignAddVariableOp", "RandomStandardNormal"} <= found
    assert any(kind.startswith("StatelessRandom") for kind in found)


def test_only_the_weights_that_are_used_are_saved(trained):
    vae, export = trained["dense"].vae, trained["dense"].export
    for part, path in (("encoder", export.encoder), ("decoder", export.decoder)):
        saved = tf.train.load_checkpoint(str(path / "variables" / "variables"))
        shapes = saved.get_variable_to_shape_map()
        numbers = sum(np.prod(shape, dtype=int) for shape in shapes.values() if shape)
        assert numbers == getattr(vae, part).count_params()


def test_no_path_of_this_machine_is_in_the_files(trained):
    here = [str(Path(__file__).resolve().parents[2]), str(Path.home()), sys.prefix]
    for path in trained["convolutional"].export.encoder.parents[1].rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [place for place in here if place.encode() in content], path


# --- Hostile images ---------------------------------------------------------------


def image_file(pixels, kind, mode=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(buffer, kind, **options)
    return buffer.getvalue()


def good_file():
    return image_file(np.arange(256, dtype="uint8").reshape(16, 16), "PNG")


def png(width, height, rows=b""):
    """A PNG file of one grey channel, with these compressed rows."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bomb(width, height):
    """A whole PNG file of a hundred kilobytes that decodes to this many pixels."""
    squeeze = zlib.compressobj(1)
    rows = [squeeze.compress(bytes((width + 1) * 32)) for _ in range(height // 32)]
    return png(width, height, b"".join(rows) + squeeze.flush())


def hostile_images():
    """1,000 files; the first is damaged."""
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (20, 30, 3), dtype="uint8")
    frames = [Image.fromarray(colour), Image.fromarray(colour[::-1])]
    animation = io.BytesIO()
    frames[0].save(animation, "PNG", save_all=True, append_images=frames[1:])
    whole = [
        image_file(colour, "PNG"),
        image_file(colour, "PNG", "L"),
        image_file(colour, "PNG", "P"),
        image_file(colour, "PNG", "RGBA"),
        image_file(rng.integers(0, 65536, (9, 9)).astype("uint16"), "PNG"),
        image_file(colour, "JPEG"),
        image_file(colour, "JPEG", "L"),
        image_file(colour, "JPEG", "CMYK"),
        image_file(colour, "JPEG", progressive=True),
        image_file(colour[:1, :1], "PNG"),
        image_file(colour[:1, :1], "JPEG"),
        animation.getvalue(),
    ]
    other = [
        *(image_file(colour, kind) for kind in ("GIF", "BMP", "TIFF", "WEBP", "PPM")),
        b"",
        b"\0" * 1000,
        b"GIF89a",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ]
    large = [
        bomb(12_000, 12_000),  # 144 million pixels, for a kilobyte in a thousand
        bomb(4_096, 4_096),  # as large as may be
        png(20_000, 20_000),
        png(2**31 - 1, 1),
        png(2**32 - 1, 2**32 - 1),
        png(0, 0),
    ]
    files = [whole[0][:100], *whole, *other, *large]
    while len(files) < 1000:
        content = bytearray(whole[rng.integers(len(whole))])
        match rng.integers(4):
            case 0:  # truncated
                content = content[: rng.integers(len(content))]
            case 1:  # some bytes changed
                for _ in range(rng.integers(1, 6)):
                    content[rng.integers(len(content))] = rng.integers(256)
            case 2:  # the size, and whatever else the header says
                content[8:40] = rng.bytes(32)
            case 3:  # noise behind the first bytes of an image
                content = content[:12] + rng.bytes(rng.integers(200))
        files.append(bytes(content))
    return files


def test_hostile_images_are_answered_or_refused(fresh_process):
    _, result, files = fresh_process
    outcomes = result["outcomes"]
    assert len(outcomes) == len(files) == 1000
    refused = [outcome for outcome in outcomes if isinstance(outcome, str)]
    answered = [outcome for outcome in outcomes if outcome is True]
    assert len(refused) + len(answered) == 1000  # no answer is NaN
    assert len(refused) > 500
    assert all(re.search("PNG|JPEG|jpeg|pixels", message) for message in refused)
    assert outcomes[1:13] == [True] * 12, "a whole image was refused"
    assert all(isinstance(outcome, str) for outcome in outcomes[13:23])
    sizes = ["12000] [12000]", None, "20000] [20000]", "2147483647] [1]", "-1]", "[0]"]
    for outcome, size in zip(outcomes[23:29], sizes, strict=True):
        if size is None:
            assert outcome is True
        else:
            assert size in outcome.replace("\n", " ")
            assert "16777216 pixels" in outcome


def test_hostile_images_take_no_memory_and_harm_nothing(fresh_process):
    _, result, _ = fresh_process
    assert result["unharmed"]
    # The largest image that is allowed takes 100 MB; the bomb would take 860.
    assert result["megabytes"] < 300


# --- Versions ---------------------------------------------------------------------


@pytest.fixture
def vae():
    return small("dense", (2,), "bernoulli", hidden_units=(2,))


def tree(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_the_next_version_is_free_in_both_folders(vae, tmp_path):
    assert export_saved_models(vae, tmp_path).version == 1
    (tmp_path / "decoder" / "4").mkdir()
    (tmp_path / "encoder" / "notes-9").mkdir()
    export = export_saved_models(vae, tmp_path)
    assert export.version == 5
    assert export.encoder == tmp_path / "encoder" / "5"
    assert export.decoder == tmp_path / "decoder" / "5"
    names = {path.name for path in (tmp_path / "encoder").iterdir()}
    assert names == {"1", "5", "notes-9"}


def test_a_version_may_be_given(vae, tmp_path):
    assert export_saved_models(vae, tmp_path / "a" / "b", version=30).version == 30
    assert export_saved_models(vae, tmp_path / "a" / "b", version=7).version == 7
    # The label stays with what the server takes for the newest.
    assert "value: 30" in (tmp_path / "a" / "b" / "models.config").read_text()


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_version_that_exists_is_never_overwritten(vae, tmp_path, part):
    kept = tmp_path / part / "3" / "kept"
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match=r"version=3.*Mend: version=4"):
        export_saved_models(vae, tmp_path, version=3)
    assert tree(tmp_path) == before


def test_a_server_that_polls_sees_no_version_before_it_is_whole(
    vae, tmp_path, monkeypatch
):
    seen, versions = [], []

    def watch(function):
        def watched(*arguments, **options):
            result = function(*arguments, **options)
            seen.append(tree(tmp_path))
            return result

        return watched

    for name in ("_save", "_add_extra", "_check_answers"):
        monkeypatch.setattr(saved_model, name, watch(getattr(saved_model, name)))
    rename = Path.rename

    def renamed(source, target):
        contents = tree(source)
        rename(source, target)
        assert tree(target) == contents
        if target.name == "1":
            assert "assets.extra/tf_serving_warmup_requests" in contents
            # The proof is there before what it proves, the configuration after it.
            assert (tmp_path / "parity.npz").exists()
            assert not (tmp_path / "models.config").exists()
            versions.append(target.parent.name)

    monkeypatch.setattr(Path, "rename", renamed)
    export_saved_models(vae, tmp_path)
    assert len(seen) == 5 and sorted(versions) == ["decoder", "encoder"]
    for paths in seen:
        # A server takes a folder for a version if its name is a number.
        assert not [path for path in paths if re.match(r"(en|de)coder/\d", path)]


@pytest.mark.parametrize("broken", ["_save", "rename", "serving_config"])
def test_a_failure_leaves_nothing_behind(vae, tmp_path, monkeypatch, broken):
    export_saved_models(vae, tmp_path / "old")
    config = (tmp_path / "old" / "models.config").read_text()
    parity = (tmp_path / "old" / "parity.npz").read_bytes()
    before = tree(tmp_path)
    owner, name = saved_model, broken
    if broken == "rename":
        owner = Path
    elif broken == "serving_config":
        owner, name = saved_model.serving_config, "write_serving_config"
    original = getattr(owner, name)

    def fail(*arguments, **options):
        # The first of two succeeds: what it did has to be undone.
        if next(calls) == (2 if broken in ("_save", "rename") else 1):
            raise OSError("no space left")
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, fail)
    for directory in ("old", "new/folder"):
        calls = itertools.count(1)
        with pytest.raises(OSError, match="no space left"):
            export_saved_models(vae, tmp_path / directory)
        assert tree(tmp_path) == before
    assert (tmp_path / "old" / "models.config").read_text() == config
    assert (tmp_path / "old" / "parity.npz").read_bytes() == parity


@pytest.mark.parametrize(
    ("full_at", "earlier"),
    [
        ("monitoring.config", False),
        ("batching.config", False),
        ("models.config", False),
        ("batching.config", True),
        ("models.config", True),
    ],
)
def test_a_disk_that_is_full_at_the_end_leaves_all_as_it_was(
    vae, tmp_path, monkeypatch, full_at, earlier
):
    directory = tmp_path / "models"
    directory.mkdir()
    if earlier:
        export_saved_models(vae, directory, max_batch_size=16)
        (directory / "monitoring.config").unlink()
        os.mkfifo(directory / "monitoring.config")  # of others, and no file
    before = {
        path: path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }
    original = saved_model.serving_config.files.atomic
    written = []

    @contextlib.contextmanager
    def atomic(path):
        if not written and path.name == full_at:
            written.append(path)
            raise OSError(errno.ENOSPC, "no space left")
        with original(path) as temporary:
            yield temporary

    monkeypatch.setattr(saved_model.serving_config.files, "atomic", atomic)
    options = {"model_base_path": "/elsewhere", "max_batch_size": 32}
    with pytest.raises(OSError, match="no space left"):
        export_saved_models(vae, directory, **options)
    after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert after == before
    assert (directory / "monitoring.config").exists() == earlier


def test_a_denoising_model_is_proven_with_its_noisy_inputs(tmp_path):
    vae = small("dense", (2,), "bernoulli", hidden_units=(4,))
    x = np.random.default_rng(0).random((8, 2), "float32")
    noisy = x + 2
    vae.compile("adam")
    vae.fit((noisy, x), epochs=1, verbose=0)
    export = export_saved_models(vae, tmp_path, data=noisy)
    with np.load(export.parity) as file:
        np.testing.assert_array_equal(file["encoder/encode/input/x"], noisy)


def test_an_earlier_version_keeps_its_batch_size(vae, tmp_path):
    export = export_saved_models(vae, tmp_path, max_batch_size=128)
    about = json.loads((export.encoder / "assets.extra/keras_vae.json").read_text())
    assert about["max_batch_size"] == 128
    export = export_saved_models(vae, tmp_path, max_batch_size=16)
    assert "max_batch_size { value: 128 }" in export.config.batching.read_text()


@pytest.mark.parametrize(("usable", "fits"), [(1.0, False), (1.5, True)])
def test_the_memory_is_that_of_the_control_group(
    vae, tmp_path, monkeypatch, usable, fits
):
    # Four fifths of the memory may be used: of 1000 examples', none for all of them.
    size = max(
        saved_model._bytes_of_example(endpoint)
        for endpoints in exported_models(vae).values()
        for endpoint in endpoints.values()
    )
    monkeypatch.setattr(memory, "machine_memory", lambda: usable * 1000 * size)
    models = exported_models(vae)
    if fits:
        saved_model._check_memory(models, 1000)
    else:
        with pytest.raises(ValueError, match="`max_batch_size`.*smaller max_batch"):
            export_saved_models(vae, tmp_path, max_batch_size=1000)
        assert tree(tmp_path) == []


def test_nothing_is_published_that_verify_would_fail(vae, tmp_path, monkeypatch):
    # A table with another decoder in it stands for a mistake in any endpoint.
    other = small("dense", (2,), "bernoulli", hidden_units=(3,))
    wrong = exported_models(vae)
    decode = wrong["decoder"]["decode"]
    function = exported_models(other)["decoder"]["decode"].function
    wrong["decoder"]["decode"] = decode._replace(function=function)
    monkeypatch.setattr(saved_model, "exported_models", lambda _: wrong)
    with pytest.raises(RuntimeError, match="decoder/decode .*deviates"):
        export_saved_models(vae, tmp_path / "a" / "b")
    vae.encoder.weights[0].assign(tf.fill(vae.encoder.weights[0].shape, np.nan))
    with pytest.raises(ValueError, match="`vae` should have weights that are finite"):
        export_saved_models(vae, tmp_path / "a" / "b")
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": 0}, "`version`"),
        ({"version": -1}, "`version`"),
        ({"version": 1.5}, "`version`"),
        ({"version": True}, "`version`"),
        ({"version": 2**63}, "`version`.*to 9223372036854775807"),
        ({"version": 99999999999999999999}, "`version`"),
        ({"max_batch_size": 99_999_999_999}, "`max_batch_size`.*fits in memory"),
        ({"max_batch_size": 0}, "`max_batch_size`"),
        ({"feature_names": ["one"]}, "`feature_names` should hold 2 names"),
        ({"model_base_path": "here"}, "`model_base_path`"),
        ({"data": np.full((3, 2), 7.0)}, "`data`.*support"),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(
    vae, tmp_path, monkeypatch, options, message
):
    monkeypatch.setattr(saved_model, "_save", None)
    with pytest.raises(ValueError, match=message):
        export_saved_models(vae, tmp_path / "new", **options)
    assert tree(tmp_path) == []


def test_a_configuration_of_others_is_refused_before_the_work(
    vae, tmp_path, monkeypatch
):
    (tmp_path / "models.config").write_text("- of another program")
    monkeypatch.setattr(saved_model, "_save", None)
    with pytest.raises(FileExistsError, match=r"models\.config should be a model conf"):
        export_saved_models(vae, tmp_path)
    assert tree(tmp_path) == ["models.config"]


def test_what_a_killed_export_left_is_removed(vae, tmp_path):
    left = tmp_path / "encoder" / ".keras_vae-tmp-killed"
    (left / "1" / "variables").mkdir(parents=True)
    (left / ".keras_vae-lock").touch()
    (tmp_path / "encoder" / ".exporting-by-others").mkdir()
    export_saved_models(vae, tmp_path)
    names = {path.name for path in (tmp_path / "encoder").iterdir()}
    assert names == {"1", ".exporting-by-others"}


def test_what_stands_beside_a_saved_model(vae, tmp_path):
    export = export_saved_models(vae, tmp_path, feature_names=["height", "weight"])
    for name, folder in export.models.items():
        about = json.loads((folder / "assets.extra/keras_vae.json").read_text())
        assert (about["model"], about["version"]) == (name, 1)
        assert about["feature_names"] == ["height", "weight"]
        assert (about["data_shape"], about["latent_shape"]) == ([2], [3])
        assert about["support"] == "[0, 1]"
        loaded = tf.saved_model.load(folder).signatures
        assert set(about["signatures"]) == set(loaded) - {"serving_default"}
    with np.load(export.parity) as file:
        assert file["version"] == 1


class Scored(VAE):
    """What a later model may be: a VAE that answers a question of its own."""


@exported_models.register(Scored)
def _(vae):
    def score(inputs):
        z = vae.posterior(vae.prepare(inputs["x"])).mean
        return {"distance": tf.reduce_sum(z**2, axis=-1)}

    def reference(inputs):
        return {"distance": (vae.codes(inputs["x"]) ** 2).sum(-1)}

    endpoint = Endpoint(
        "score",
        score,
        {"x": tf.TensorSpec((None, *vae.data_shape), tf.float32, name="x")},
        reference,
        lambda data, seeds: {"x": data["x"]},
    )
    models = exported_models.dispatch(VAE)(vae)
    return models | {"scorer": {"score": endpoint}}


def test_a_further_model_is_one_entry_in_the_table(tmp_path):
    encoder, decoder = networks.dense((2,), 3, hidden_units=(2,), seed=0)
    export = export_saved_models(Scored(encoder, decoder), tmp_path)
    assert list(export.models) == ["encoder", "decoder", "scorer"]
    assert 'base_path: "/models/scorer"' in export.config.models.read_text()
    assert (export.models["scorer"] / saved_model.METADATA).is_file()
    results = {result.signature: result for result in verify(tmp_path)}
    assert results["scorer/score"].verdict == "equal"


def test_others_may_read_what_the_umask_lets_them(vae, tmp_path):
    export = export_saved_models(vae, tmp_path)
    (tmp_path / "plain").mkdir()
    assert export.encoder.stat().st_mode == (tmp_path / "plain").stat().st_mode
