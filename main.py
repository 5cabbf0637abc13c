"""Command line of tf_scenes: python main.py --flagfile=configs/lavae.cfg."""

from tf_scenes.app.command_line import run

if __name__ == "__main__":
    run()
