import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2
from tensorflow_serving.config import model_server_config_pb2

from tf_scenes.errors import UserError
from tf_scenes.serving.server_config import add_to_server_config


def _message(name, **fields):
    """A message as TensorFlow Serving's sources define it, which its package leaves out: fields by name and type."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", dependency=["google/protobuf/wrappers.proto"])
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        message.field.add(name=field, number=number, label=1, **kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))()


def _served(folder):
    text = (folder / "models.config").read_text()
    models = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    return [(model.name, model.base_path) for model in models]


def test_the_server_s_own_formats_hold_all_models(tmp_path):
    for run in ("b", "a", "b"):  # The second export of b adds nothing.
        add_to_server_config(str(tmp_path / run))
    assert _served(tmp_path) == [
        ("b_encoder", "/models/b/encoder"),
        ("b_decoder", "/models/b/decoder"),
        ("a_encoder", "/models/a/encoder"),
        ("a_decoder", "/models/a/decoder"),
    ]


def test_what_a_user_wrote_stays(tmp_path):
    mine = 'model_config_list {\n  config { name: "mine" base_path: "/elsewhere" model_platform: "tensorflow" }\n}\n'
    (tmp_path / "models.config").write_text(mine)
    for name in ("batching.config", "monitoring.config"):
        (tmp_path / name).write_text("# mine\n")
    add_to_server_config(str(tmp_path / "a"))
    assert [name for name, _ in _served(tmp_path)] == ["mine", "a_encoder", "a_decoder"]
    assert [(tmp_path / name).read_text() for name in ("batching.config", "monitoring.config")] == ["# mine\n"] * 2


def test_a_model_that_a_user_removed_is_not_added_again(tmp_path):
    for version in (1, 2):
        for part in ("encoder", "decoder"):
            (tmp_path / "a" / part / str(version)).mkdir(parents=True)
        add_to_server_config(str(tmp_path / "a"))
        assert [name for name, _ in _served(tmp_path)] == ["a_encoder", "a_decoder"][: 4 - 2 * version]
        (tmp_path / "models.config").write_text("model_config_list {\n}\n")
    (tmp_path / "models.config").unlink()
    add_to_server_config(str(tmp_path / "a"))
    assert [name for name, _ in _served(tmp_path)] == ["a_encoder", "a_decoder"]


def test_a_file_that_lists_no_models_is_one_line(tmp_path):
    (tmp_path / "models.config").write_text("nothing")
    with pytest.raises(UserError, match=r"models\.config is not a list of models"):
        add_to_server_config(str(tmp_path / "a"))
    assert (tmp_path / "models.config").read_text() == "nothing"


def test_batching_and_monitoring_are_in_the_server_s_words(tmp_path):
    add_to_server_config(str(tmp_path / "a"))
    # session_bundle_config.proto, BatchingParameters.
    number = {"type": 11, "type_name": ".google.protobuf.Int64Value"}
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    batching = _message("BatchingParameters", **dict.fromkeys(names, number))
    text_format.Parse((tmp_path / "batching.config").read_text(), batching)
    assert batching.max_batch_size.value == 64
    # monitoring_config.proto, MonitoringConfig; its one field is a message of a flag and a path.
    text = (tmp_path / "monitoring.config").read_text()
    inner = text[text.index("{") + 1 : text.rindex("}")]
    assert text.startswith("prometheus_config {")
    prometheus = _message("PrometheusConfig", enable={"type": 8}, path={"type": 9})
    text_format.Parse(inner, prometheus)
    assert prometheus.enable
    assert prometheus.path == "/monitoring/prometheus/metrics"
