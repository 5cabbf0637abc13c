"""tools/reproduce.py with runs that take no time."""

import os
import shutil
import subprocess
import sys
import threading

import pytest
import tensorflow as tf

from tests.conftest import ROOT, load_tool
from tests.serving.test_model_card import REPORT
from tf_scenes.config import config_of
from tf_scenes.errors import UserError
from tf_scenes.evaluation.results import OUTLINE_MEASURES
from tf_scenes.files import read_json, write_json, write_text

MEASURED = {"bound": -80.0, "bound_standard_error": 1.0, "elbo": -90.0, "samples": 100, "images": 10000}
TRAINED = {name: value for name, value in REPORT.items() if name != "likelihood"}
SECTIONS = {
    "train": TRAINED,
    "evaluate": {},
    "likelihood": {"likelihood": {"test": MEASURED}},
    "factors": {"factors": {"test": {"label_linear": 0.5}}},
}


@pytest.fixture
def reproduce():
    return load_tool("reproduce")


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Stands in for main.py: writes what a mode writes, unless it is killed before; gives what was started."""
    started, killed = [], []

    def run(command, **_):
        flags = dict(word[2:].split("=", 1) for word in command if word.startswith("--"))
        mode, folder = flags["mode"], flags["run_dir"]
        started.append((int(flags["seed"]), mode))
        if len(started) in killed:
            return subprocess.CompletedProcess(command, -9)
        path, config = os.path.join(folder, "report.json"), config_of(command[2:])
        flags = {"flags": config.training_flags(), "inference_flags": config.inference_flags()}
        write_json(path, {**read_json(path), **SECTIONS[mode], **flags})
        if mode == "train":
            write_text(os.path.join(folder, "figures", "prior_samples.png"), "a picture")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    folders = [f"--runs={tmp_path / 'runs'}", f"--page={tmp_path / 'results.md'}"]
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "--configs=vae", "--seeds=2", *folders])
    return started, killed


def test_a_killed_reproduction_goes_on_where_it_stopped(reproduce, runs, tmp_path):
    started, killed = runs
    killed.append(3)
    with pytest.raises(SystemExit, match="vae with seed 0 stopped in --mode=factors"):
        reproduce.main()
    assert started == [(0, "train"), (0, "likelihood"), (0, "factors")]
    assert not (tmp_path / "results.md").exists()
    reproduce.main()
    assert started[3:] == [(0, "factors"), (1, "train"), (1, "likelihood"), (1, "factors")]
    page = (tmp_path / "results.md").read_text()
    assert "| `vae` | test | 2 | -80.0 ± 0.0 | -80.0, -80.0 | 1.0 |" in page and "images/vae_prior_samples.png" in page
    reproduce.main()
    assert len(started) == 7 and "earlier recipe" not in page


def test_a_run_of_another_recipe_is_not_taken_for_todays(reproduce, runs, tmp_path):
    started, _ = runs
    reproduce.main()
    report = tmp_path / "runs" / "vae" / "seed_1" / "report.json"
    kept = read_json(report)
    write_json(report, {**kept, "flags": {**kept["flags"], "learning_rate": 0.5}})
    with pytest.raises(SystemExit, match=r"seed_1/report\.json is of a run with other flags than vae"):
        reproduce.main()
    write_json(report, {**kept, "inference_flags": {**kept["inference_flags"], "max_inferred_objects": 99}})
    reproduce.main()
    assert started[6:] == [(1, "evaluate"), (1, "likelihood"), (1, "factors")]


def test_a_page_has_the_runs_of_earlier_days_whose_reports_were_kept(reproduce, runs, monkeypatch, tmp_path):
    keep = f"--keep={tmp_path / 'kept'}"
    monkeypatch.setattr(sys, "argv", [*sys.argv, keep])
    reproduce.main()
    shutil.rmtree(tmp_path / "runs")
    made = len(runs[0])
    reproduce.main()
    assert len(runs[0]) == made
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--configs=vae_multi_mnist", "--seeds=1"])
    reproduce.main()
    page = (tmp_path / "results.md").read_text()
    assert (
        "| `vae` | test | 2 | -80.0 ± 0.0 | -80.0, -80.0 | 1.0 |" in page
        and "| `vae_multi_mnist` | test | 1 | -80.0 | -80.0 | 1.0 |" in page
    )
    assert "images/vae_prior_samples.png" in page and "earlier recipe" not in page
    report = tmp_path / "kept" / "vae" / "seed_1" / "report.json"
    kept = read_json(report)
    write_json(report, {**kept, "flags": {**kept["flags"], "learning_rate": 0.5}})
    (tmp_path / "runs" / "vae" / "seed_1").mkdir(parents=True)  # It has begun to be made again.
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--only_page"])
    reproduce.main()
    page = (tmp_path / "results.md").read_text()
    assert "Of an earlier recipe than their flagfiles have today: `vae`." in page
    assert "| `vae` | test | 2 | -80.0 ± 0.0 | -80.0, -80.0 | 1.0 |" in page


def test_a_run_takes_the_place_of_its_kept_report_once_it_is_whole(reproduce, runs, monkeypatch, tmp_path):
    started, killed = runs
    kept = tmp_path / "kept" / "vae" / "seed_1" / "report.json"
    monkeypatch.setattr(sys, "argv", [*sys.argv, f"--keep={kept.parents[2]}"])
    reproduce.main()
    whole = read_json(kept)
    write_json(kept, {**whole, "flags": {**whole["flags"], "learning_rate": 0.5}})
    earlier = kept.read_bytes()
    shutil.rmtree(tmp_path / "runs")
    killed.append(8)
    with pytest.raises(SystemExit, match="vae with seed 1 stopped in --mode=likelihood"):
        reproduce.main()
    arguments = sys.argv
    monkeypatch.setattr(sys, "argv", [*arguments, "--only_page"])
    reproduce.main()
    assert kept.read_bytes() == earlier
    assert "| `vae` | test | 2 | -80.0 ± 0.0 | -80.0, -80.0 | 1.0 |" in (tmp_path / "results.md").read_text()
    monkeypatch.setattr(sys, "argv", arguments)
    reproduce.main()
    assert started[6:] == [(1, "train"), (1, "likelihood"), (1, "likelihood"), (1, "factors")]
    assert read_json(kept) == whole


def test_a_report_is_kept_as_soon_as_its_run_is_whole(reproduce, runs, monkeypatch, tmp_path):
    started, killed = runs
    killed.append(4)
    monkeypatch.setattr(sys, "argv", [*sys.argv, f"--keep={tmp_path / 'kept'}"])
    with pytest.raises(SystemExit, match="vae with seed 1 stopped in --mode=train"):
        reproduce.main()
    shutil.rmtree(tmp_path / "runs")  # The machine is lost.
    reproduce.main()
    assert started[4:] == [(1, "train"), (1, "likelihood"), (1, "factors")]


def test_real_images_are_trained_with_three_seeds_and_have_no_experiments(reproduce, runs, monkeypatch):
    started, _ = runs
    monkeypatch.setattr(
        sys, "argv", [*(word for word in sys.argv if not word.startswith("--seeds")), "--configs=nuclei"]
    )
    reproduce.main()
    # The figure of the page, which the stand-in does not write, is drawn with the first seed.
    assert started == [(0, "train"), (0, "evaluate"), (1, "train"), (2, "train")]


def test_the_likelihood_of_lavae_and_its_baseline_is_that_of_whole_test_splits(reproduce, runs, monkeypatch):
    commands, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command: commands.append(command) or run(command))
    reproduce.main()
    of_mode = {word: command for command in commands for word in command if word.startswith("--mode=")}
    assert "--experiment_size=10000" in of_mode["--mode=likelihood"]
    assert "--experiment_size_many_objects=250" in of_mode["--mode=likelihood"]
    assert not any("experiment_size" in word for word in of_mode["--mode=factors"])


def test_a_likelihood_of_too_few_images_is_measured_again(reproduce, runs, tmp_path):
    started, _ = runs
    reproduce.main()
    report = tmp_path / "runs" / "vae" / "seed_0" / "report.json"
    kept = read_json(report)
    write_json(report, {**kept, "likelihood": {"test": {**MEASURED, "images": 1000}}})
    reproduce.main()
    assert started[6:] == [(0, "likelihood")]


def test_runs_side_by_side_share_the_cores_and_write_to_files_of_their_own(reproduce, runs, monkeypatch, tmp_path):
    started, _ = runs
    together, run, calls = threading.Barrier(2, timeout=60), subprocess.run, []

    def run_together(command, env, stdout, **_):
        """Waits for the other run in training."""
        calls.append((env["OMP_NUM_THREADS"], env["TF_NUM_INTRAOP_THREADS"], stdout.name))
        if "--mode=train" in command:
            together.wait()
        return run(command)

    monkeypatch.setattr(subprocess, "run", run_together)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--side_by_side=2"])
    reproduce.main()
    assert sorted(started) == sorted((seed, mode) for seed in (0, 1) for mode in ("train", "likelihood", "factors"))
    said = [str(tmp_path / "runs" / "said" / f"vae_seed_{seed}.txt") for seed in (0, 1)]
    assert set(calls) == {("3", "3", name) for name in said} and all(map(os.path.exists, said))
    assert "| `vae` | test | 2 |" in (tmp_path / "results.md").read_text()


def test_after_a_failure_no_further_run_is_begun(reproduce, runs, monkeypatch):
    started, killed = runs
    killed += [1, 2]
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--side_by_side=2", "--seeds=5"])
    with pytest.raises(SystemExit, match=r"vae with seed \d stopped in --mode=train"):
        reproduce.main()
    assert len(started) < 5


def test_a_page_has_the_curves_of_all_seeds_where_their_logs_are(reproduce, runs, monkeypatch, tmp_path):
    reproduce.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--only_page"])
    page = tmp_path / "results.md"
    shutil.copytree(tmp_path / "runs" / "vae", tmp_path / "runs" / "lavae")
    for config in ("lavae", "vae"):
        assert "images/shapes_elbo.png" not in page.read_text()
        for seed in range(2):
            run = tmp_path / "runs" / config / f"seed_{seed}"
            folder = run / "logs" / "validation"
            with tf.summary.create_file_writer(str(folder)).as_default():
                for step in (250, 500):
                    tf.summary.scalar("elbo/elbo", -100.0 * seed - step, step=step)
                    tf.summary.scalar("counts/count_accuracy", 0.5, step=step)
        report = tmp_path / "runs" / config / "seed_1" / "report.json"
        report.rename(report.with_name("kept.json"))  # As long as a run is not finished.
        reproduce.main()
        assert "images/shapes_elbo.png" not in page.read_text()
        report.with_name("kept.json").rename(report)
        reproduce.main()
    assert "images/shapes_elbo.png" in page.read_text() and "images/digits_elbo.png" not in page.read_text()
    drawn = tmp_path / "images" / "shapes_elbo.png"
    before = drawn.read_bytes()
    monkeypatch.setattr(sys, "argv", [*sys.argv, f"--keep={tmp_path / 'kept'}"])
    reproduce.main()
    shutil.rmtree(tmp_path / "runs")
    drawn.unlink()
    reproduce.main()
    assert len(before) > 1000 and drawn.read_bytes() == before


def test_a_report_without_todays_measures_of_outlines_is_made_again(reproduce, runs, tmp_path):
    started, _ = runs
    reproduce.main()
    report = tmp_path / "runs" / "vae" / "seed_1" / "report.json"
    whole = read_json(report)
    todays = dict.fromkeys(OUTLINE_MEASURES, 0.9)
    write_json(report, {**whole, "test": {**whole["test"], **todays}})
    reproduce.main()
    assert len(started) == 6
    del todays["box_ap"]
    write_json(report, {**whole, "test": {**whole["test"], **todays}})
    reproduce.main()
    assert started[6:] == [(1, "evaluate"), (1, "likelihood"), (1, "factors")]


def test_every_config_of_the_plan_exists(reproduce):
    for name in reproduce.PLAN:
        assert os.path.exists(os.path.join(ROOT, "configs", f"{name}.cfg"))
    assert {name for name, *_ in reproduce.FIGURES} <= set(reproduce.PLAN)
    assert {name for _, _, configs, _ in reproduce.CURVES for name in configs} <= set(reproduce.PLAN)


def test_a_damaged_report_or_archive_is_named(reproduce, runs, monkeypatch, tmp_path):
    reproduce.main()
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--only_page"])
    folder = tmp_path / "runs" / "vae" / "seed_0"
    (folder / "likelihood.npz").write_text("garbage")
    with pytest.raises(UserError, match=r"likelihood\.npz is not an \.npz archive"):
        reproduce.main()
    (folder / "report.json").write_text('{"test": {}}')
    with pytest.raises(UserError, match=r"report\.json is damaged: it is no report of a run"):
        reproduce.main()


@pytest.mark.parametrize(("flag", "message"), [("--page={}/mine/page.md", "--page="), ("--keep={}/mine", "--keep=")])
def test_places_are_checked_before_runs(reproduce, runs, monkeypatch, tmp_path, flag, message):
    (tmp_path / "mine").write_text("a file")
    monkeypatch.setattr(sys, "argv", [*sys.argv, flag.format(tmp_path)])
    with pytest.raises(UserError, match=f"{message}.*mine cannot be written to"):
        reproduce.main()
    assert not runs[0]


@pytest.mark.parametrize("flag", ["--seeds=0", "--side_by_side=0"])
def test_numbers_of_seeds_and_of_runs_are_checked(reproduce, monkeypatch, capsys, flag):
    monkeypatch.setattr(sys, "argv", ["reproduce.py", flag])
    with pytest.raises(SystemExit, match="2"):
        reproduce.main()
    assert f"{flag} must be at least 1" in capsys.readouterr().err


def test_an_unknown_config_is_named(reproduce, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "--configs=vae,gan"])
    with pytest.raises(SystemExit, match="--configs names gan, allowed are nuclei, lavae, "):
        reproduce.main()
