from types import SimpleNamespace

import pytest

from tests.serving.test_model_card import REPORT
from tf_scenes.app import modes
from tf_scenes.files import read_json


@pytest.mark.parametrize("split", ["test", "validation", None])
def test_an_export_has_a_report_and_a_card_if_any_held_out_split_was_measured(
    make_config, monkeypatch, tmp_path, split
):
    monkeypatch.setattr(modes, "export", lambda *arguments: {})
    report = {name: value for name, value in REPORT.items() if not name.startswith("test")}
    report = {**report, **({split: REPORT["test"]} if split else {})}
    run = SimpleNamespace(
        config=make_config("--warm_up_images=0", f"--export_dir={tmp_path / 'mine'}"),
        model=SimpleNamespace(finds_objects=True),
        dataset=SimpleNamespace(image_shape=(64, 64, 1)),
        read_report=lambda: report,
    )
    modes._export(run)
    card = tmp_path / "mine" / "README.md"
    assert card.exists() == (split is not None)
    if split:
        assert f"|  | {split} |" in card.read_text()
        assert read_json(str(tmp_path / "mine" / "report.json")) == {**report, "notes": []}


def test_onnx_files_are_exported_where_the_flag_asks_for_them(make_config, monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(modes, "export", lambda *arguments: asked.append(arguments[-1]) or {"encoder": "encoder/1"})
    for flags in ((), ("--export_onnx",)):
        run = SimpleNamespace(
            config=make_config("--warm_up_images=0", f"--export_dir={tmp_path / 'mine'}", *flags),
            model=SimpleNamespace(finds_objects=True),
            dataset=SimpleNamespace(image_shape=(64, 64, 1)),
            read_report=dict,
        )
        modes._export(run)
        assert ("Exported encoder to ONNX: encoder/1/onnx" in capsys.readouterr().out) == bool(flags)
    assert asked == [False, True]
