"""What may pass between the grader and the process that runs a student's code: plain values, and nothing that acts.

Messages are read with `torch.load(weights_only=True)`, which builds tensors, numbers, text and containers, and never
runs code that came with them. Whatever is no plain value stays where it is and is named by a number instead.
"""

import io
from collections.abc import Callable

import numpy as np
import torch

__all__ = ["LARGEST", "Reference", "pack", "plain", "rebuilt", "unpack"]

LARGEST = 2**28  # bytes of one message
_DEEPEST = 20
_KIND = "vae_notes.homework"  # marks the dictionaries that stand for something else


class Reference:
    """Something that lives on the other side: it has a number there.

    Parameters
    ----------
    number
        Under which the other side keeps it.
    """

    def __init__(self, number: int):
        self.number = number


def pack(message) -> bytes:
    """The bytes of a message made of plain values.

    Raises
    ------
    ValueError
        If it is larger than the largest message.
    """
    buffer = io.BytesIO()
    torch.save(message, buffer)
    if buffer.tell() > LARGEST:
        raise ValueError(f"a message must have at most {LARGEST} bytes, got {buffer.tell()}")
    return buffer.getvalue()


def unpack(content: bytes):
    """The message again, and nothing run that it may hold.

    Raises
    ------
    Exception
        Whatever `torch.load` makes of bytes that are no message.
    """
    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def plain(value, keep: Callable[[object], int], depth: int = 0):
    """A value as it may be sent.

    Parameters
    ----------
    value
        Anything.
    keep
        keep(object) -> number: remembers what cannot be sent.
    depth
        How deep in containers the value lies.

    Returns
    -------
    object
        Numbers, text and tensors as they are (tensors without their graph), containers of them; arrays,
        generators and dtypes as marked dictionaries; for anything else a marked dictionary with its number.

    Raises
    ------
    ValueError
        If containers are nested too deeply.
    """
    if depth > _DEEPEST:
        raise ValueError(f"containers must be nested at most {_DEEPEST} deep")
    if value is ...:  # the placeholder of a question that was left open
        return None
    if value is None or type(value) in (bool, int, float, complex, str):
        return value
    if type(value) in (torch.Tensor, torch.nn.Parameter) and value.layout == torch.strided:
        return value.detach().cpu().clone()
    if type(value) in (list, tuple, torch.Size):
        items = [plain(item, keep, depth + 1) for item in value]
        return items if type(value) is list else tuple(items)
    if type(value) is dict and all(type(key) in (str, int, float, bool) for key in value) and _KIND not in value:
        return {key: plain(item, keep, depth + 1) for key, item in value.items()}
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return value.item()
    if type(value) is np.ndarray and value.dtype.kind in "biufc":
        return {_KIND: "array", "value": torch.from_numpy(np.ascontiguousarray(value).copy())}
    if type(value) is torch.Generator:
        return {_KIND: "generator", "state": value.get_state()}
    if type(value) is torch.dtype:
        return {_KIND: "dtype", "name": str(value).removeprefix("torch.")}
    if isinstance(value, Reference):
        return {_KIND: "yours", "number": value.number}
    return {_KIND: "mine", "number": keep(value)}


def rebuilt(value, theirs: Callable[[int], object], mine: Callable[[int], object]):
    """What `plain` made, turned back.

    Parameters
    ----------
    value
        A received value.
    theirs
        theirs(number) -> what stands here for an object of the other side.
    mine
        mine(number) -> the object that was sent there by its number.
    """
    if isinstance(value, list):
        return [rebuilt(item, theirs, mine) for item in value]
    if isinstance(value, tuple):
        return tuple(rebuilt(item, theirs, mine) for item in value)
    if not isinstance(value, dict):
        return value
    match value.get(_KIND):
        case None:
            return {key: rebuilt(item, theirs, mine) for key, item in value.items()}
        case "array":
            return value["value"].numpy()
        case "generator":
            return torch.Generator().set_state(value["state"])
        case "dtype":
            return getattr(torch, value["name"])
        case "mine":
            return theirs(value["number"])
        case "yours":
            return mine(value["number"])
    raise ValueError(f"a message holds an unknown kind of value: {value.get(_KIND)!r}")
