import numpy as np
import pytest
import tensorflow as tf

from tf_scenes.errors import UserError
from tf_scenes.visualization.curves import has_curves, keep_curves, read_curve, read_curves


def _write(run, *parts):
    """Writes the logs of a run that was taken up again: each part is a file of its own."""
    for part in parts:
        writer = tf.summary.create_file_writer(str(run / "logs" / "validation"))
        with writer.as_default():
            for step, value in part.items():
                tf.summary.scalar("counts/count_accuracy", value, step=step)
        writer.close()


def test_a_curve_is_read_back_in_order_of_steps(tmp_path):
    _write(tmp_path, {500: 0.25, 1000: 0.5, 1500: 0.75})
    steps, values = read_curve(str(tmp_path), "count_accuracy")
    np.testing.assert_array_equal(steps, [500, 1000, 1500])
    np.testing.assert_array_equal(values, [0.25, 0.5, 0.75])


def test_of_a_step_written_twice_the_later_value_counts(tmp_path):
    _write(tmp_path, {10: 0.1, 20: 0.2}, {20: 0.3, 30: 0.4})
    steps, values = read_curve(str(tmp_path), "count_accuracy")
    np.testing.assert_array_equal(steps, [10, 20, 30])
    np.testing.assert_allclose(values, [0.1, 0.3, 0.4], rtol=1e-6)


def test_what_is_not_a_run_or_has_no_such_curve_is_reported(tmp_path):
    with pytest.raises(UserError, match="no TensorBoard logs"):
        read_curve(str(tmp_path), "count_accuracy")
    _write(tmp_path, {1: 0.5})
    with pytest.raises(UserError, match="no correspondence"):
        read_curve(str(tmp_path), "correspondence")


def test_runs_in_a_folder_are_read_at_the_steps_that_all_have(tmp_path):
    _write(tmp_path / "seed_0", {500: 0.25, 1000: 0.5, 1500: 0.75})
    _write(tmp_path / "seed_1", {500: 0.125, 1250: 1.0, 1500: 0.625})
    (tmp_path / "notes").mkdir()
    steps, values = read_curves(str(tmp_path), "count_accuracy")
    np.testing.assert_array_equal(steps, [500, 1500])
    np.testing.assert_array_equal(values, [[0.25, 0.75], [0.125, 0.625]])
    steps, values = read_curves(str(tmp_path / "seed_1"), "count_accuracy")
    np.testing.assert_array_equal(steps, [500, 1250, 1500])
    np.testing.assert_array_equal(values, [[0.125, 1.0, 0.625]])


def test_kept_curves_are_read_as_those_of_logs(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "kept"
    _write(run, {500: 0.1, 1000: 0.5})
    assert not has_curves(str(kept))
    keep_curves(str(run), ("count_accuracy", "elbo"), str(kept / "seed_0"))
    assert has_curves(str(kept))
    for ours, theirs in zip(read_curve(str(kept / "seed_0"), "count_accuracy"), read_curve(str(run), "count_accuracy")):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(read_curves(str(kept), "count_accuracy")[0], [500, 1000])
    with pytest.raises(UserError, match=r"curves\.json has no elbo: allowed are count_accuracy"):
        read_curve(str(kept / "seed_0"), "elbo")
    (kept / "seed_0" / "curves.json").write_text('{"elbo": {"steps": ["a"], "values": [1]}}')
    with pytest.raises(UserError, match=r"curves\.json is damaged: elbo is not a list of steps"):
        read_curve(str(kept / "seed_0"), "elbo")


def test_runs_without_a_common_step_or_none_at_all_are_reported(tmp_path):
    with pytest.raises(UserError, match="no TensorBoard logs"):
        read_curves(str(tmp_path), "count_accuracy")
    _write(tmp_path / "seed_0", {500: 0.25})
    _write(tmp_path / "seed_1", {400: 0.25})
    with pytest.raises(UserError, match="count_accuracy at no common step"):
        read_curves(str(tmp_path), "count_accuracy")
