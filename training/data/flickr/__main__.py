"""``python -m training.data.flickr``."""

from training.data.flickr.cli import command

if __name__ == "__main__":
    command(prog_name="python -m training.data.flickr")
