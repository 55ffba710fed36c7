"""The command line of the package: ``python -m vae_notes --version``."""

import argparse
import platform
from collections.abc import Sequence

from vae_notes import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Say which version this is, and with what it runs."""
    parser = argparse.ArgumentParser(
        prog="python -m vae_notes",
        description="The companion package of VAE Notes. Recorded runs: python -m vae_notes.reproduce",
    )
    parser.add_argument("--version", action="store_true", help="print the versions of the package, Python and torch")
    if not parser.parse_args(arguments).version:
        parser.print_help()
        return
    import torch

    print(f"vae-notes {__version__} (Python {platform.python_version()}, torch {torch.__version__})")


if __name__ == "__main__":
    main()
