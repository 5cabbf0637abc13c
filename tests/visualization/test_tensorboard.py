from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from tf_scenes.config import training_flag_names
from tf_scenes.visualization.tensorboard import write_results


def _written(folder):
    """What the tab HPARAMS is told: the columns, and the run's own flags."""
    events = EventAccumulator(str(folder / "validation")).Reload()
    assert {"results/test_elbo", "results/test_7_elbo"} <= set(events.Tags()["tensors"])
    assert "results/test_mse" not in events.Tags()["tensors"]
    contents = events.PluginTagToContent(metadata.PLUGIN_NAME)
    experiment = metadata.parse_experiment_plugin_data(contents[metadata.EXPERIMENT_TAG])
    session = metadata.parse_session_start_info_plugin_data(contents[metadata.SESSION_START_INFO_TAG])
    return experiment, session


def test_runs_of_different_models_stand_in_one_table_of_flags_and_measures(tmp_path, make_config):
    written = {}
    for name in ("lavae", "vae"):
        flags = make_config(f"--model={name}").training_flags()
        splits = {"test": {"elbo": -100.0, "mse": None}, "test_7": {"elbo": -200.0, "images": 10}}
        write_results(str(tmp_path / name), flags, training_flag_names(), splits, step=7)
        experiment, session = written[name] = _written(tmp_path / name)
        columns = {each.name for each in experiment.hparam_infos}
        assert set(session.hparams) == set(flags) <= columns
        assert session.hparams["model"].string_value == name
        metrics = {each.name.tag for each in experiment.metric_infos}
        assert {"results/test_elbo", "results/test_7_elbo", "results/validation_count_accuracy"} <= metrics
    # TensorBoard takes the columns of whichever run it reads first.
    columns = [[each.name for each in experiment.hparam_infos] for experiment, _ in written.values()]
    assert columns[0] == columns[1] and {"lavae.latent_dim", "vae.channels"} <= set(columns[0])
