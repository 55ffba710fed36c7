"""What `python -m vae_notes` says."""

import subprocess
import sys

import torch

import vae_notes
from vae_notes.__main__ import main


def test_the_version_names_what_runs(capsys):
    main(["--version"])
    words = capsys.readouterr().out.split()
    assert words[:2] == ["vae-notes", vae_notes.__version__]
    assert words[-1] == f"{torch.__version__})" and sys.version.split()[0] in words[3]


def test_without_arguments_it_says_what_there_is(capsys):
    main([])
    assert "--version" in capsys.readouterr().out


def test_it_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "vae_notes", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"vae-notes {vae_notes.__version__} ")
