"""The line between grader and student: values arrive as they were, objects stay, and nothing that arrives is executed."""

import contextlib
import io
import math
import multiprocessing
import pickle
import threading

import numpy as np
import pytest
import torch

from homework.messages import pack, plain, unpack
from homework.peer import Peer, Remote, RemoteError


class Thing:
    """Something that cannot be sent."""

    size = 3

    def double(self, x):
        return 2 * x


def echo(value):
    return value


def is_thing(value):
    return type(value) is Thing


def call_back(function, *args):
    return function(*args)


def fails(name):
    raise {"value": ValueError, "exit": FileNotFoundError, "own": type("Own", (Exception,), {})}[name](f"it is {name}")


@pytest.fixture
def peer():
    """An end of a line whose other end is served by a thread."""
    ours, theirs = multiprocessing.Pipe()
    names = {"echo": echo, "call_back": call_back, "fails": fails, "thing": Thing(), "is_thing": is_thing}
    thread = threading.Thread(target=Peer(theirs, names).serve_forever)
    thread.start()
    yield Peer(ours)
    ours.close()
    thread.join(timeout=10)


VALUES = [
    None, True, 3, -(2**70), 1.5, math.inf, 1 + 2j, "text \n ü", [1, [2.0, None]], (1, "a"), {"a": [1], 2: (3,)}, torch.float64,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_plain_values_arrive_as_they_were(peer, value):
    found = peer.ask("name", "echo")(value)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_tensors_arrive_whole_and_without_graph(peer, dtype):
    tensor = torch.arange(6).reshape(2, 3).t().to(dtype)
    sent = plain(tensor, lambda value: 0)
    assert sent.data_ptr() != tensor.data_ptr()  # not the same memory, which could change on its way
    found = peer.ask("name", "echo")(tensor)
    assert found.dtype == dtype and found.shape == (3, 2) and torch.equal(found, tensor)
    graph = (2 * torch.ones(2, requires_grad=True)).sum()
    assert not peer.ask("name", "echo")(graph).requires_grad


def test_arrays_and_numbers_of_numpy(peer):
    array = np.arange(6.0).reshape(2, 3)[:, ::-1]
    found = peer.ask("name", "echo")(array)
    assert isinstance(found, np.ndarray) and np.array_equal(found, array)
    assert peer.ask("name", "echo")(np.float32(0.5)) == 0.5


def test_a_generator_arrives_in_its_state(peer):
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    found = peer.ask("name", "echo")(generator)
    assert torch.equal(torch.rand(4, generator=found), torch.rand(4, generator=generator))


def test_an_open_question_is_none(peer):
    assert peer.ask("name", "echo")(...) is None


def test_objects_stay_where_they_are(peer):
    thing = peer.ask("name", "thing")
    assert type(thing) is Remote and thing.size == 3 and thing.double(torch.ones(2)).tolist() == [2.0, 2.0]
    assert peer.ask("name", "is_thing")(thing) is True  # over there it is itself again
    assert type(peer.ask("name", "echo")(thing)) is Remote
    with pytest.raises(AttributeError):
        _ = thing._private
    with pytest.raises(AttributeError):
        _ = thing.absent


def test_a_function_that_was_handed_over_is_called_here(peer):
    seen = []

    def here(x):
        seen.append(x)
        return x + 1

    assert peer.ask("name", "call_back")(here, 3) == 4 and seen == [3]
    nested = peer.ask("name", "call_back")
    assert nested(lambda x: nested(here, x) * 10, 1) == 20


def test_errors_arrive_under_their_names(peer):
    with pytest.raises(ValueError, match="it is value"):
        peer.ask("name", "fails")("value")
    for other in ("exit", "own"):
        with pytest.raises(RemoteError, match=f"it is {other}"):
            peer.ask("name", "fails")(other)
    with pytest.raises(KeyError):
        peer.ask("name", "absent")
    with pytest.raises(ValueError, match="unknown request"):
        peer.ask("attribute", peer.ask("name", "thing"), "__dict__")


def test_what_is_gone_is_an_error():
    ours, theirs = multiprocessing.Pipe()
    theirs.close()
    with pytest.raises(RemoteError, match="the program has ended"):
        Peer(ours).ask("name", "anything")


class Attack:
    """What would run code if it were read as a pickle."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Attack()),
        b"",
        b"nonsense" * 1000,
        pytest.param(lambda: (buffer := io.BytesIO(), torch.save([Attack()], buffer))[0].getvalue(), id="saved"),
        pytest.param(lambda: pack([]), id="empty"),
        pytest.param(lambda: pack(7), id="number"),
        pytest.param(lambda: pack(["answer"]), id="short"),
        pytest.param(lambda: pack([{"a": 1}, 2]), id="kind"),
        pytest.param(lambda: pack(["answer", {"vae_notes.homework": "yours", "number": 10**6}]), id="unknown-number"),
        pytest.param(lambda: pack(["answer", {"vae_notes.homework": "new", "number": 1}]), id="unknown-kind"),
    ],
)
def test_whatever_is_sent_is_an_error_and_nothing_more(content):
    ours, theirs = multiprocessing.Pipe()

    def answer():
        theirs.recv_bytes()
        theirs.send_bytes(content() if callable(content) else content)
        with contextlib.suppress(EOFError, OSError):
            if theirs.poll(1):  # a complaint, or the end
                theirs.recv_bytes()
        theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    with pytest.raises((RemoteError, ValueError, IndexError)):
        Peer(ours).ask("name", "anything")
    ours.close()
    thread.join()


def test_containers_that_contain_themselves_are_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="nested at most"):
        plain(loop, lambda value: 0)
    assert unpack(pack(plain([[1]], lambda value: 0))) == [[1]]
