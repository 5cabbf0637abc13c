"""What is shown while a pipeline runs on this machine."""

import os
import threading

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is missing: pip install 'tf_scenes[beam]'")

from tf_scenes.beam.progress import Progress
from tf_scenes.beam.this_machine import shown_progress


def test_files_are_counted_by_all_workers_together_and_shown(capsys):
    def work(progress):
        for _ in range(50):
            progress.add_found()
            progress.add_read()

    with shown_progress() as progress:
        workers = [threading.Thread(target=work, args=(Progress(progress.folder),)) for _ in range(4)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        progress.add_found()
        assert progress.count() == (201, 200)
    assert "200/201" in capsys.readouterr().err
    assert not os.path.exists(progress.folder)


def test_elsewhere_nothing_is_counted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Progress().add_found()
    assert not os.listdir(tmp_path)
