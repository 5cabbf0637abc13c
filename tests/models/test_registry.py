import dataclasses
import pathlib

import pytest

from tests.conftest import ROOT
from tf_scenes.models import registry
from tf_scenes.models.entry import ModelEntry
from tf_scenes.models.scene_model import SceneModel
from tf_scenes.models.vae.options import VaeOptions
from tf_scenes.options import Options

ROOMS = sorted(path.parent.name for path in pathlib.Path(ROOT, "tf_scenes", "models").glob("*/__init__.py"))


def _entry(name):
    return ModelEntry(name, (VaeOptions,), "tf_scenes.models.vae.model:VAE", summary="One of my own.", limits=())


@pytest.fixture
def own_entry():
    registry.register(_entry("my_own"))
    yield
    registry.unregister("my_own")


def test_every_room_is_found():
    assert len(ROOMS) == 4
    assert sorted(registry.names()) == ROOMS
    assert all(registry.entry(name).name == name for name in ROOMS)


@pytest.mark.parametrize("name", registry.names())
def test_an_entry_says_what_is_needed_before_a_model_is_built(name):
    entry = registry.entry(name)
    assert issubclass(entry.model_class(), SceneModel)
    assert entry.model_class().__module__.startswith(f"tf_scenes.models.{name}.")
    assert entry.summary and entry.limits
    assert all(registry.sections()[options.section] is options for options in entry.options)
    assert entry.options[-1].section == name


def test_options_that_two_models_share_stand_once():
    assert sorted(registry.sections()) == sorted([*ROOMS, "attention"])
    shared = registry.entry("air").options[0]
    assert shared is registry.entry("discrete_air").options[0] is registry.sections()["attention"]


@pytest.mark.parametrize("name", registry.names())
def test_a_name_that_is_taken_is_refused(name):
    before = registry.entry(name)
    with pytest.raises(ValueError, match=f"'{name}'"):
        registry.register(_entry(name))
    assert registry.entry(name) is before


def test_a_model_from_elsewhere_is_one_of_the_flag_s_values(own_entry, make_config):
    assert sorted(registry.names()) == sorted([*ROOMS, "my_own"])
    assert make_config("--model=my_own").own_model_options() == (VaeOptions(),)
    with pytest.raises(ValueError, match="'my_own'"):
        registry.register(_entry("my_own"))


def test_what_was_taken_out_is_gone():
    registry.register(_entry("passing"))
    registry.unregister("passing")
    assert sorted(registry.names()) == ROOMS


def test_a_section_of_another_model_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Stranger(Options, section="lavae"):
        """Options under a name that is taken."""

    stranger = ModelEntry("stranger", (Stranger,), "tests:none", summary="A stranger.", limits=())
    with pytest.raises(ValueError, match="the section 'lavae' belongs to another model"):
        registry.register(stranger)
    assert "stranger" not in registry.names()
