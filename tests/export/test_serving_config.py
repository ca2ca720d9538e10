"""TensorFlow Serving parses the configuration files and accepts what they say."""

import itertools
import stat

import pytest
from google.protobuf import text_format

from keras_vae.export.serving_config import write_serving_config
from tests import serving_protos


def parse(path, message):
    return text_format.Parse(path.read_text(), serving_protos.message(message)())


def test_both_models_with_their_label(tmp_path):
    config, _ = write_serving_config(tmp_path, version=12)
    models = parse(config.models, "ModelServerConfig").model_config_list.config
    assert [model.name for model in models] == ["encoder", "decoder"]
    assert [model.base_path for model in models] == [
        "/models/encoder",
        "/models/decoder",
    ]
    for model in models:
        assert model.model_platform == "tensorflow"
        # The version before stays loaded: a label may name nothing else.
        assert model.model_version_policy.latest.num_versions == 2
        assert dict(model.version_labels) == {"stable": 12}


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("/srv/vae/", "/srv/vae/encoder"),
        ("/", "/encoder"),
        ("gs://bucket/models", "gs://bucket/models/encoder"),
        ("s3://bucket", "s3://bucket/encoder"),
        ('/a "quoted" \\path', '/a "quoted" \\path/encoder'),
        ("/modèles/{0}", "/modèles/{0}/encoder"),
    ],
)
def test_base_paths_as_the_server_sees_them(tmp_path, base, expected):
    config, _ = write_serving_config(tmp_path, 1, model_base_path=base)
    models = parse(config.models, "ModelServerConfig").model_config_list.config
    assert models[0].base_path == expected


@pytest.mark.parametrize("base", ["models", "./models", "", "C:\\models"])
def test_relative_base_paths_are_refused(tmp_path, base):
    with pytest.raises(
        ValueError, match="`model_base_path` should be an absolute path"
    ):
        write_serving_config(tmp_path, 1, model_base_path=base)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 2, 3, 64, 100, 128, 1000])
def test_allowed_batch_sizes_rise_to_the_largest(tmp_path, size):
    config, _ = write_serving_config(tmp_path, 1, max_batch_size=size)
    batching = parse(config.batching, "BatchingParameters")
    assert batching.max_batch_size.value == size
    allowed = list(batching.allowed_batch_sizes)
    assert allowed[0] == 1
    assert allowed[-1] == size
    # No batch is filled up to more than twice its size.
    for smaller, larger in itertools.pairwise(allowed):
        assert smaller < larger <= 2 * smaller
    assert batching.batch_timeout_micros.value >= 0
    assert batching.num_batch_threads.value >= 1
    assert batching.max_enqueued_batches.value >= batching.num_batch_threads.value


def version(directory, model, number, about):
    path = directory / model / str(number) / "assets.extra" / "keras_vae.json"
    path.parent.mkdir(parents=True)
    path.write_text(about)


def largest_batch(config):
    return parse(config.batching, "BatchingParameters").max_batch_size.value


def test_the_largest_batch_is_what_the_versions_there_need(tmp_path):
    version(tmp_path, "encoder", 1, '{"max_batch_size": 128}')
    version(tmp_path, "decoder", 1, '{"max_batch_size": 100}')
    version(tmp_path, "cats", 1, '{"max_batch_size": 4096}')
    config, notes = write_serving_config(tmp_path, 2, max_batch_size=16)
    assert (largest_batch(config), notes) == (128, [])
    assert parse(config.batching, "BatchingParameters").allowed_batch_sizes[-1] == 128
    config, notes = write_serving_config(tmp_path, 3, max_batch_size=300)
    assert largest_batch(config) == 300
    assert "was 128 and is 300" in notes[0] and "start" in notes[0] and len(notes) == 1
    # Back to what is needed, when the version that needed more is gone.
    config, notes = write_serving_config(tmp_path, 4, max_batch_size=16)
    assert (largest_batch(config), notes) == (128, [])


@pytest.mark.parametrize("about", ["{}", "no json", '{"max_batch_size": null}', "[]"])
def test_of_a_version_that_does_not_say_the_file_there_does(tmp_path, about):
    write_serving_config(tmp_path, 1, max_batch_size=64)
    version(tmp_path, "encoder", 1, about)
    config, notes = write_serving_config(tmp_path, 2, max_batch_size=16)
    assert (largest_batch(config), notes) == (64, [])
    config.batching.write_text("# keras_vae wrote this file\n max_batch_size {")
    config, notes = write_serving_config(tmp_path, 2, max_batch_size=16)
    assert (largest_batch(config), notes) == (16, [])


def test_monitoring_is_on(tmp_path):
    config, _ = write_serving_config(tmp_path, 1)
    monitoring = parse(config.monitoring, "MonitoringConfig").prometheus_config
    assert monitoring.enable
    assert monitoring.path == "/monitoring/prometheus/metrics"


def test_comments_say_why_and_fit_a_terminal(tmp_path):
    for path in write_serving_config(tmp_path, 1)[0]:
        lines = path.read_text().splitlines()
        assert lines[0].startswith("# ")
        assert max(map(len, lines)) <= 88
        assert "{{" not in path.read_text()


def test_files_are_replaced_whole_and_readable(tmp_path):
    for version in (1, 2):
        config, _ = write_serving_config(tmp_path, version)
    assert "value: 2 }" in config.models.read_text()
    names = ["batching.config", "models.config", "monitoring.config"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for path in config:
        assert path.stat().st_mode & stat.S_IRUSR


FOREIGN = """\
# Ours: do not touch.  model_config_list {
model_config_list: {
  config { name: 'cats' base_path: '/models/cats'  # "{" in a comment
           model_version_policy: < latest { num_versions: 3 } >; }
  # The old decoder.
  config: { base_path: "/models" "/decoder/", name: "decoder" }
}  # the end
"""


def test_foreign_models_stay_byte_for_byte(tmp_path):
    (tmp_path / "models.config").write_bytes(FOREIGN.replace("\n", "\r\n").encode())
    for name in ("batching.config", "monitoring.config"):
        (tmp_path / name).write_text("# somebody else's\n")
    config, notes = write_serving_config(tmp_path, 7, max_batch_size=50)
    written = config.models.read_bytes().decode()
    foreign = FOREIGN.replace("\n", "\r\n")
    begin, middle = foreign.split("config: { base_path")[0], "}  # the end\r\n"
    assert written.startswith(begin) and written.endswith(middle)
    models = parse(config.models, "ModelServerConfig").model_config_list.config
    assert {model.name: model.base_path for model in models} == {
        "cats": "/models/cats",
        "decoder": "/models/decoder",
        "encoder": "/models/encoder",
    }
    assert [dict(model.version_labels) for model in models[1:]] == [{"stable": 7}] * 2
    # What is not ours is left as it is, and said so.
    for path, note in zip((config.monitoring, config.batching), notes, strict=True):
        assert path.read_text() == "# somebody else's\n"
        assert str(path) in note and "left as it is" in note
    assert "50 or more" in notes[1]
    # Once more, with another label: only numbers change.
    write_serving_config(tmp_path, 8, max_batch_size=50)
    again = config.models.read_bytes().decode()
    assert again.replace("value: 8", "value: 7") == written


@pytest.mark.parametrize("content", ["", "# nothing yet", "model_config_list {}"])
def test_models_are_added_to_a_list_without_any(tmp_path, content):
    (tmp_path / "models.config").write_text(content)
    config, _ = write_serving_config(tmp_path, 1)
    assert config.models.read_text().startswith(content.rstrip("}"))
    models = parse(config.models, "ModelServerConfig").model_config_list.config
    assert [model.name for model in models] == ["encoder", "decoder"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"models: [encoder]\n- yaml", "line 2"),
        (b'{"model_config_list": []}', "line 1"),
        (b"model_config_list {\n config { name: 'a'", "line 2: the end"),
        (b"custom_model_config { }", "custom_model_config"),
        (b"model_config_list { config: [{}] }", "no list of models"),
        (b"\xff\xfe", "utf-8"),
        (b"a {" * 10_000, "brackets within brackets"),
    ],
)
def test_what_is_no_model_configuration_is_refused(tmp_path, content, reason):
    (tmp_path / "models.config").write_bytes(content)
    with pytest.raises(FileExistsError, match=rf"(?s){reason}.*Mend: mv .*\.old"):
        write_serving_config(tmp_path, 1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [content]


def test_a_foreign_model_of_the_same_name_is_refused(tmp_path):
    config, _ = write_serving_config(tmp_path, 1, model_base_path="/elsewhere")
    ours = config.models.read_text()
    foreign = ours.partition("\n")[2]  # without the line by which it is ours
    config.models.write_text(foreign)
    with pytest.raises(FileExistsError, match="'encoder'.*'/elsewhere/encoder'"):
        write_serving_config(tmp_path, 2)
    assert config.models.read_text() == foreign
    config.models.write_text(ours)
    write_serving_config(tmp_path, 2)
    assert "/elsewhere" not in config.models.read_text()


def test_the_classes_of_tensorflow_serving_read_the_same(tmp_path):
    module = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="the extra `serving` (tensorflow-serving-api) is not installed",
    )
    path = write_serving_config(tmp_path, 3)[0].models
    real = text_format.Parse(path.read_text(), module.ModelServerConfig())
    assert str(real) == str(parse(path, "ModelServerConfig"))
