"""Command line of an installed tf_scenes: python -m tf_scenes --flagfile=configs/lavae.cfg."""

from tf_scenes.app.command_line import run

if __name__ == "__main__":
    run()
