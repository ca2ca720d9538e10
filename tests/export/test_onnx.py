"""The ONNX files compute what was trained, under onnxruntime."""

import json
import re
import sys

import numpy as np
import pytest

from keras_vae import VAE, networks
from keras_vae.export import exported_models, onnx
from keras_vae.export.onnx import export_onnx

DATA_SHAPE = (6, 5, 2)


def make_vae(seed=0):
    encoder, decoder = networks.convolutional(
        DATA_SHAPE, 3, filters=(4, 8), hidden_units=(16,), seed=seed
    )
    return VAE(encoder, decoder)


@pytest.fixture(scope="module")
def vae():
    return make_vae()


@pytest.fixture
def runtime():
    reason = "the extra onnx is not installed"
    pytest.importorskip("tf2onnx", reason=reason)
    return pytest.importorskip("onnxruntime", reason=reason)


@pytest.mark.parametrize("batch", [1, 9])
def test_answers_what_was_trained(vae, runtime, tmp_path, batch):
    folder = tmp_path / "onnx"
    report = export_onnx(vae, folder, version=5)
    assert json.loads((folder / "report.json").read_text()) == report
    assert [row["file"] for row in report["files"]] == ["encoder.onnx", "decoder.onnx"]
    assert all(row["deviation"] <= 1e-5 for row in report["files"])

    assert report["kind"] == "onnx"

    session = runtime.InferenceSession(folder / "encoder.onnx")
    assert [(i.name, i.shape) for i in session.get_inputs()] == [
        ("x", ["batch", *DATA_SHAPE])
    ]
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["latent_dim"], metadata["version"]) == ("3", "5")
    x = np.random.default_rng(0).random((batch, *DATA_SHAPE), "float32")
    answer = session.run(["z_mean", "z_log_var"], {"x": x})
    np.testing.assert_allclose(answer, vae.encode(x), rtol=0, atol=1e-5)

    session = runtime.InferenceSession(folder / "decoder.onnx")
    (answer,) = session.run(["reconstruction"], {"z": vae.encode(x)[0]})
    np.testing.assert_allclose(answer, vae.reconstruct(x), rtol=0, atol=1e-5)


def test_a_file_that_deviates_is_not_put_in_place(vae, runtime, tmp_path, monkeypatch):
    # The file of another model stands for whatever a converter may get wrong.
    models, other = (exported_models(v)["decoder"] for v in (vae, make_vae(seed=1)))
    mixed = {"decode": models["decode"]._replace(function=other["decode"].function)}
    monkeypatch.setattr(onnx, "exported_models", lambda _: {"decoder": mixed})
    with pytest.raises(RuntimeError, match=r"decoder\.onnx deviates"):
        export_onnx(vae, tmp_path / "onnx")
    assert not list(tmp_path.iterdir())


def test_somebody_elses_folder_is_left_alone(vae, runtime, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="something else"):
        export_onnx(vae, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("kind", [{}, {"kind": "tflite"}])
def test_a_tflite_export_is_left_alone(vae, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(onnx, "_require", lambda: (None, None))
    (tmp_path / "encoder.tflite").write_text("of a phone")
    report = {"keras_vae": "0.1.0", "files": [{"file": "encoder.tflite"}], **kind}
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(FileExistsError, match="earlier onnx export.*the kind tflite"):
        export_onnx(vae, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("package", ["tf2onnx", "onnxruntime"])
def test_without_the_extra_the_error_says_what_to_install(
    vae, tmp_path, monkeypatch, package
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=re.escape("pip install 'keras-vae[onnx]'")):
        export_onnx(vae, tmp_path / "onnx")
