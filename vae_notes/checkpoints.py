"""Checkpoint files that are never half written and never believed when damaged."""

import hashlib
import io
import os
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["fingerprint", "read_checkpoint", "write_checkpoint", "write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file as a whole: written beside it, forced to disk, then renamed.

    Parameters
    ----------
    path : Path
        The file. Whatever happens, it holds either its old content or the new one.
    content : bytes
        What it will hold.

    Raises
    ------
    OSError
        If the folder cannot be written or is full; the old file is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.json"
    ...     write_whole(path, b"{}")
    ...     path.read_text(), [one.name for one in path.parent.iterdir()]
    ('{}', ['run.json'])
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_checkpoint(path: Path, state: dict) -> None:
    """Write a state into a file, as `write_whole` does, under a line by which damage is noticed.

    Parameters
    ----------
    path : Path
        The file. Whatever happens, it holds either its old content or the new one.
    state : dict
        Tensors, numbers, strings and containers of them: what ``torch.load(weights_only=True)`` reads back.

    Raises
    ------
    OSError
        If the folder cannot be written or is full; the old file is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.pt"
    ...     write_checkpoint(path, {"epoch": 3, "weight": torch.zeros(2)})
    ...     read_checkpoint(path)["epoch"]
    3
    """
    packed = io.BytesIO()
    torch.save(state, packed)
    content = packed.getvalue()
    write_whole(path, _first_line(content) + content)


def read_checkpoint(path: Path) -> dict:
    """Read what `write_checkpoint` wrote, and notice every flipped bit.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        The state, with its tensors on the CPU.

    Raises
    ------
    ValueError
        If the file is damaged or was not written by `write_checkpoint`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.pt"
    ...     write_checkpoint(path, {"epoch": 3})
    ...     _ = path.write_bytes(path.read_bytes()[:-1])
    ...     read_checkpoint(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: checkpoint ...run.pt is damaged, or was not written by vae_notes.training.fit. Delete it, ...
    """
    first, end, content = path.read_bytes().partition(b"\n")
    if first + end != _first_line(content):  # torch.load alone would not notice a flipped bit in a weight
        raise ValueError(
            f"checkpoint {path} is damaged, or was not written by vae_notes.training.fit. "
            "Delete it, or give another path, to start anew"
        )
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _first_line(content: bytes) -> bytes:
    return f"vae_notes.training checkpoint 1, SHA-256 {hashlib.sha256(content).hexdigest()}\n".encode()


def fingerprint(data: Tensor | None) -> str:
    """Say in one line which data these are: dtype, shape and a hash of the content.

    Parameters
    ----------
    data : Tensor, optional
        Any tensor on any device.

    Returns
    -------
    str
        Equal for equal data, different for others.

    Examples
    --------
    >>> fingerprint(torch.zeros(2, 3))
    'torch.float32 (2, 3) with SHA-256 9d908ecfb6b256de'
    """
    if data is None:
        return "None"
    content = data.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return f"{data.dtype} {tuple(data.shape)} with SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"
