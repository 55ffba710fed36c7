"""Tests of the training loop. The model here is no VAE, which shows that the loop knows nothing of them."""

import builtins
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import types
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vae_notes import checkpoints, checks, data, likelihoods, models, training
from vae_notes import progress as progress_module
from vae_notes.training import NonFiniteLossError, fit


class Noisy(nn.Module):
    """A small regression with every source of randomness: generator noise, dropout, running averages."""

    def __init__(self, width: int = 3):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Linear(width, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, width)
        )

    def loss(self, x: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        error = (self.layers(x + 0.1 * noise) - x).square().sum(1)
        size = x.abs().sum(1)
        return {"loss": error + 0.1 * size, "elbo": -error, "size": size}


def rows(n: int = 23, width: int = 3) -> Tensor:
    return torch.randn(n, width, generator=torch.Generator().manual_seed(5))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_same(a: nn.Module | dict, b: nn.Module | dict) -> None:
    """Bit for bit the same parameters and buffers."""
    a, b = (x.state_dict() if isinstance(x, nn.Module) else x for x in (a, b))
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def assert_same_history(a: training.History, b: training.History) -> None:
    for x, y in ((a.parts, b.parts), (a.held_out, b.held_out)):
        assert x.keys() == y.keys()
        for name in x:
            np.testing.assert_array_equal(x[name], y[name])


@pytest.fixture(autouse=True)
def usual_handlers():
    """Python's own handlers, also where the tests run in the background, with SIGINT ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SETTINGS = {"epochs": 3, "batch_size": 5, "learning_rate": 0.01, "held_out": rows(7), "progress": False}


# --- What a step does ---------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay, max_grad_norm", [(0.0, None), (0.1, None), (0.0, 0.5)])
def test_the_same_as_a_loop_written_out(weight_decay, max_grad_norm):
    batches = []

    def spy(x, generator):  # keeps what the loop fed to the model, and the noise it was given
        if model.training:
            batches.append((x.clone(), generator.get_state(), torch.get_rng_state()))
        return x

    model = Noisy()
    fit(model, rows(), weight_decay=weight_decay, max_grad_norm=max_grad_norm, transform=spy, **SETTINGS)

    plain = Noisy()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=weight_decay, fused=True)
    with torch.random.fork_rng(devices=[]):
        for x, noise, global_noise in batches:
            generator = torch.Generator()
            generator.set_state(noise)
            torch.set_rng_state(global_noise)
            plain.loss(x, generator)["loss"].mean().backward()
            if max_grad_norm is not None:
                nn.utils.clip_grad_norm_(plain.parameters(), max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
    assert len(batches) == 15
    assert_same(model, plain)


def order_of(seed=0, model=None, n=23, epochs=2, **settings) -> list[int]:
    seen = []
    model = model or nn.Linear(1, 1)

    def loss(x, generator):
        if model.training:
            seen.extend(x[:, 0].to(torch.int64).tolist())
        return {"loss": model(x).square().sum(1)}

    x = torch.arange(float(n)).reshape(n, 1)
    fit(model, x, epochs=epochs, seed=seed, loss=loss, **settings)
    return seen


def test_the_order_depends_on_the_seed_only():
    order = order_of(batch_size=4)
    assert sorted(order[:23]) == sorted(order[23:]) == list(range(23))
    assert order[:23] != order[23:]
    assert order_of(seed=1, batch_size=4) != order
    torch.manual_seed(99)
    noisy = {"transform": lambda x, g: x + 0 * torch.rand(x.shape, generator=g) + 0 * torch.rand(())}
    assert order_of(batch_size=7, learning_rate=0.5, model=nn.Linear(1, 2)) == order
    assert order_of(batch_size=4, held_out=torch.zeros(2, 1), progress=True, **noisy) == order


def test_the_streams_of_noise_are_unrelated():
    drawn = {}

    class Draws(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def loss(self, x, generator):
            drawn.setdefault((self.training, "own"), torch.rand(50, generator=generator))
            drawn.setdefault((self.training, "global"), torch.rand(50))
            return {"loss": self.weight + x[:, 0]}

    fit(Draws(), torch.zeros(4, 1), epochs=1, held_out=torch.zeros(4, 1))
    assert len({tuple(values.tolist()) for values in drawn.values()}) == 4


def test_the_global_random_state_is_left_alone_and_has_no_influence():
    torch.manual_seed(1)
    model = Noisy()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    fit(model, rows(), **SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = Noisy()
    torch.manual_seed(3)
    fit(other, rows(), **SETTINGS)
    assert_same(model, other)


def test_data_and_gradients_are_left_alone():
    x, model = rows(), Noisy()
    x.requires_grad_()
    before = x.detach().clone()
    fit(model, x, **SETTINGS)
    assert torch.equal(x, before) and x.grad is None
    assert all(p.grad is None for p in model.parameters())


def test_frozen_parameters_stay():
    model = Noisy()
    model.layers[0].weight.requires_grad_(False)
    before = model.layers[0].weight.clone()
    fit(model, rows(), **SETTINGS)
    assert torch.equal(model.layers[0].weight, before)


def test_modes_in_the_loop_and_afterwards():
    model = Noisy()
    model.layers[1].eval()
    modes = []

    def loss(x, generator):
        modes.append(model.layers[2].training)
        return model.loss(x, generator)

    fit(model, rows(10), loss=loss, epochs=2, batch_size=5, held_out=rows(4))
    assert modes == [True, True, False, True, True, False]
    assert model.training and not model.layers[1].training
    with pytest.raises(ValueError, match="key"):
        fit(model, rows(10), loss=lambda x, g: {}, epochs=1)
    assert not model.layers[1].training


def test_uint8_rows_with_a_transform():
    levels = torch.randint(256, (40, 6), dtype=torch.uint8)
    seen = []

    def loss(x, generator):
        seen.append(x)
        return {"loss": (model(x) - x).square().sum(1)}

    def binarized(x, generator):
        return data.binarize(x.to(torch.float32) / 255, "dynamic", generator=generator)

    model = nn.Linear(6, 6)
    fit(model, levels, epochs=2, batch_size=16, transform=binarized, loss=loss)
    assert [len(x) for x in seen] == [16, 16, 8, 16, 16, 8]
    assert all(x.dtype == torch.float32 and set(x.unique().tolist()) == {0.0, 1.0} for x in seen)


def test_bfloat16_runs_under_autocast_and_keeps_the_dtypes():
    model, x = nn.Linear(8, 8), rows(64, 8)
    dtypes = set()

    def loss(batch, generator):
        output = model(batch)
        dtypes.add((model.training, output.dtype))
        return {"loss": (output.to(batch.dtype) - batch).square().sum(1), "low": output.sum(1)}

    history = fit(model, x, epochs=2, loss=loss, bfloat16=True, held_out=x)
    assert dtypes == {(True, torch.bfloat16), (False, torch.float32)}
    assert model.weight.dtype == torch.float32
    assert history["loss"][1] < history["loss"][0]


def test_float64_models_train_in_float64():
    model = Noisy().double()
    history = fit(model, rows().double(), **SETTINGS | {"held_out": rows(7).double()})
    assert model.layers[0].weight.dtype == torch.float64
    assert history["loss"][-1] < history["loss"][0]


# --- History ------------------------------------------------------------------------------------------


def test_history_is_the_average_over_the_data():
    kept = {True: [], False: []}
    model = Noisy()

    def loss(x, generator):
        parts = model.loss(x, generator)
        kept[model.training].append({name: value.detach().double().numpy() for name, value in parts.items()})
        return parts

    history = fit(model, rows(), loss=loss, **SETTINGS)  # 23 rows in batches of 5: the last one has 3
    assert list(history) == list(history.parts) == ["loss", "elbo", "size"] == list(history.held_out)
    assert "elbo" in history and "kl" not in history
    for name in history.parts:
        for epoch in range(3):
            values = np.concatenate([parts[name] for parts in kept[True][5 * epoch : 5 * epoch + 5]])
            assert len(values) == 23
            np.testing.assert_allclose(history[name][epoch], values.mean(), rtol=1e-6)
            held_out = kept[False][epoch][name]
            assert len(held_out) == 7
            np.testing.assert_allclose(history.held_out[name][epoch], held_out.mean(), rtol=1e-6)
        assert history[name].shape == (3,) and history[name].dtype == np.float64
    assert history.seconds.shape == (3,) and (history.seconds > 0).all()


def test_the_last_batch_counts_by_its_rows():
    model = nn.Linear(1, 1)

    def loss(x, generator):
        return {"loss": 0 * model(x)[:, 0] + x[:, 0]}

    x = torch.arange(10.0).reshape(10, 1)
    for batch_size in (1, 3, 4, 9, 10, 1000):
        history = fit(model, x, epochs=1, batch_size=batch_size, loss=loss, held_out=x[:5])
        np.testing.assert_allclose(history["loss"], [4.5], rtol=1e-6)
        np.testing.assert_allclose(history.held_out["loss"], [2.0], rtol=1e-6)


def test_held_out_data_in_chunks_with_the_same_noise_each_time(monkeypatch):
    monkeypatch.setattr(training, "_EVALUATION_ROWS", 4)
    model = nn.Linear(1, 1)
    x = torch.arange(10.0).reshape(10, 1)
    sizes = []

    def loss(batch, generator):
        if not model.training:
            sizes.append(len(batch))
            assert not torch.is_grad_enabled()
        noise = torch.rand(len(batch), generator=generator) + torch.rand(len(batch)) - 0.5
        return {"loss": 0 * model(batch)[:, 0] + batch[:, 0] + noise}

    history = fit(model, x, epochs=3, loss=loss, held_out=x)
    assert sizes == [4, 4, 2] * 3
    assert len(set(history.held_out["loss"])) == 1
    assert len(set(history["loss"])) == 3
    assert 4.5 < history.held_out["loss"][0] < 5.5


def test_held_out_data_have_no_influence():
    without, with_it = Noisy(), Noisy()
    a = fit(without, rows(), **SETTINGS | {"held_out": None})
    b = fit(with_it, rows(), **SETTINGS)
    assert_same(without, with_it)
    np.testing.assert_array_equal(a["loss"], b["loss"])
    assert a.held_out == {}


def test_no_epochs():
    model = Noisy()
    before = state(model)
    history = fit(model, rows(), epochs=0)
    assert_same(model, before)
    assert history.parts == {} and history.held_out == {} and history.seconds.shape == (0,)
    with pytest.raises(KeyError, match="no part 'elbo'; its parts: none"):
        history["elbo"]


# --- Resuming -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> tuple[dict, training.History]:
    """The run without interruption."""
    model = Noisy()
    history = fit(model, rows(), **SETTINGS)
    return state(model), history


class InterruptAt:
    """Noisy's loss, which at the given calls does something first."""

    def __init__(self, model: nn.Module, calls, what):
        self.model, self.calls, self.what, self.count = model, set(calls), what, 0

    def __call__(self, x, generator):
        self.count += 1
        if self.count in self.calls:
            self.what()
        return self.model.loss(x, generator)


def raise_interrupt():
    raise KeyboardInterrupt


# 18 calls of the loss: three epochs of five steps and one evaluation
@pytest.mark.parametrize("call", range(1, 19))
def test_resumed_after_an_exception_at_any_step(call, whole, tmp_path):
    settings = SETTINGS | {"checkpoint": tmp_path / "run.pt", "checkpoint_seconds": 0}
    model = Noisy()
    with pytest.raises(KeyboardInterrupt):
        fit(model, rows(), loss=InterruptAt(model, [call], raise_interrupt), **settings)
    model = Noisy()
    if call > 1:  # something was saved, and so the parameters that the second call begins with do not matter
        with torch.no_grad():
            model.layers[0].weight.mul_(7)
    rest = InterruptAt(model, [], None)
    history = fit(model, rows(), loss=rest, **settings)
    assert rest.count == 18 - (call - 1), "what was done is not done again"
    assert_same(model, whole[0])
    assert_same_history(history, whole[1])
    assert history.seconds.shape == (3,) and (history.seconds > 0).all()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("call", [1, 4, 5, 6, 7, 18])
def test_a_signal_waits_for_the_step_and_leaves_a_checkpoint(call, number, whole, tmp_path):
    settings = SETTINGS | {"checkpoint": tmp_path / "run.pt"}  # no periodic checkpoint within a test
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    model = Noisy()
    loss = InterruptAt(model, [call], lambda: signal.raise_signal(number))
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as stopped:
        fit(model, rows(), loss=loss, **settings)
    assert loss.count == call
    if number == signal.SIGINT:
        epochs, steps = divmod(call - call // 6, 5) if call % 6 else (call // 6, 0)
        if call % 6 == 5:  # the step is done, the evaluation at the end of the epoch is not
            epochs, steps = call // 6, 5
        assert f"after {epochs} epochs and {steps} of 5 steps" in str(stopped.value)
        assert f"checkpoint={str(tmp_path / 'run.pt')!r}" in str(stopped.value)
    else:
        assert stopped.value.code == 143
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    model = Noisy()
    rest = InterruptAt(model, [], None)
    history = fit(model, rows(), loss=rest, **settings)
    assert rest.count == 18 - call
    assert_same(model, whole[0])
    assert_same_history(history, whole[1])


def test_interrupted_again_and_again(whole, tmp_path):
    settings = SETTINGS | {"checkpoint": tmp_path / "run.pt"}
    for _ in range(18):
        model = Noisy()
        loss = InterruptAt(model, [1], lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            fit(model, rows(), loss=loss, **settings)
    history = fit(model, rows(), loss=loss, **settings)
    assert loss.count == 1, "nothing was left to do"
    assert_same(model, whole[0])
    assert_same_history(history, whole[1])


def test_an_interrupt_without_a_checkpoint_says_so():
    model = Noisy()
    loss = InterruptAt(model, [3], lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="no checkpoint was asked for, so a new call starts anew"):
        fit(model, rows(), loss=loss, **SETTINGS)


def test_a_second_interrupt_does_not_wait():
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was held back")

    model = Noisy()
    with pytest.raises(KeyboardInterrupt, match="second Ctrl-C"):
        fit(model, rows(), loss=InterruptAt(model, [3], twice), **SETTINGS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_at_the_very_end_is_not_lost(monkeypatch, tmp_path):
    history = training._Run._history

    def signalled(run):
        signal.raise_signal(signal.SIGINT)
        return history(run)

    monkeypatch.setattr(training._Run, "_history", signalled)
    with pytest.raises(KeyboardInterrupt, match="training had ended"):
        fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", **SETTINGS)


def test_sigterm_is_not_lost_beside_an_error():
    def both():
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("of the loss")

    model = Noisy()
    with pytest.raises(SystemExit) as stopped:
        fit(model, rows(), loss=InterruptAt(model, [3], both), **SETTINGS)
    assert stopped.value.code == 143 and isinstance(stopped.value.__context__, RuntimeError)


def test_an_interrupt_does_not_replace_a_wish_to_terminate():
    def both():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    model = Noisy()
    with pytest.raises(SystemExit):
        fit(model, rows(), loss=InterruptAt(model, [3], both), **SETTINGS)


def test_handlers_of_the_caller_are_called_after_the_step(tmp_path):
    seen = []

    def own(number, frame):
        seen.append((number, loss.count, (tmp_path / "run.pt").exists()))

    model = Noisy()
    loss = InterruptAt(model, [2], lambda: signal.raise_signal(signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, own)
    try:
        history = fit(model, rows(), loss=loss, checkpoint=tmp_path / "run.pt", **SETTINGS)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [(signal.SIGTERM, 2, True)]
    assert history["loss"].shape == (3,), "a handler that returns lets the training go on"


def test_an_ignored_signal_stays_ignored():
    model = Noisy()
    loss = InterruptAt(model, [2], lambda: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        fit(model, rows(), loss=loss, **SETTINGS)
    finally:
        signal.signal(signal.SIGINT, before)
    assert loss.count == 18


def test_in_a_thread(whole):
    model, done = Noisy(), []
    thread = threading.Thread(target=lambda: done.append(fit(model, rows(), **SETTINGS)))
    thread.start()
    thread.join()
    assert_same(model, whole[0])
    assert_same_history(done[0], whole[1])


# One process that forks a child per case, so that PyTorch is imported once. A child tells each step it
# begins and waits for leave to go on. The parent gives it up to the step it chose, and sends the signal a
# random part of a step later; the child cannot be farther than the next step, however slow the machine is.
KILLER = """
import json, os, random, signal, sys, time
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import test_training as t
folder, chance = sys.argv[2], random.Random(int(sys.argv[3]))
t.fit(t.Noisy(), t.rows(), **t.SETTINGS)  # PyTorch imports much at the first step

def child(path, steps, leave):
    model = t.Noisy()
    def tell():
        os.write(steps, b".")
        os.read(leave, 1)
    loss = t.InterruptAt(model, range(1, 99), tell)
    history = t.fit(model, t.rows(), loss=loss, checkpoint=path, checkpoint_seconds=0, **t.SETTINGS)
    parts = {name: values.tolist() for name, values in history.parts.items()}
    held_out = history.held_out["elbo"].tolist()
    torch.save({"model": model.state_dict(), "parts": parts, "held_out": held_out}, path + ".end")

def run(path, number=None, after=0):
    steps_read, steps_write = os.pipe()
    leave_read, leave_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 99
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(steps_read)
        os.close(leave_write)
        try:
            sys.stderr = open(os.devnull, "w")
            child(path, steps_write, leave_read)
            code = 0
        except KeyboardInterrupt:
            code = 130
        except SystemExit as stop:
            code = stop.code
        finally:
            os._exit(code)
    os.close(steps_write)
    os.close(leave_read)
    steps = 0
    while steps < after and os.read(steps_read, 1):
        os.write(leave_write, b".")
        steps += 1
    if number is not None and steps == after:
        time.sleep(chance.random() * 0.006)
        os.kill(pid, number)
    os.close(leave_write)  # the child no longer waits
    status = os.waitpid(pid, 0)[1]
    os.close(steps_read)
    return os.waitstatus_to_exitcode(status)

codes = {}
for name in ("SIGINT", "SIGTERM", "SIGKILL"):
    for after in (1, 6, 17):
        path = f"{folder}/{name}-{after}"
        codes[f"{name}-{after}"] = [run(path, getattr(signal, name), after), run(path)]
path, killed = f"{folder}/again", []
while len(killed) < 200 and (not killed or killed[-1] != 0):
    killed.append(run(path, signal.SIGKILL, chance.randint(1, 3)))
codes["again"] = killed
print(json.dumps(codes))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which this system does not have")
def test_killed_processes_resume_bit_for_bit(whole, tmp_path):
    here = os.path.dirname(__file__)
    seed = str(random.randrange(10**6))
    out = subprocess.run(
        [sys.executable, "-c", KILLER, here, str(tmp_path), seed],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    codes = json.loads(out.stdout)
    expected = {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -signal.SIGKILL}
    for case, (first, second) in ((case, pair) for case, pair in codes.items() if case != "again"):
        assert first == expected[case.split("-")[0]], f"{case} (seed {seed})"
        assert second == 0, f"{case} (seed {seed})"
    assert codes["again"][-1] == 0 and codes["again"][0] == -signal.SIGKILL, codes["again"]
    for case in codes:
        end = torch.load(tmp_path / f"{case}.end", weights_only=True)
        assert_same(end["model"], whole[0])
        for name, values in end["parts"].items():
            assert values == whole[1][name].tolist(), f"{case} (seed {seed})"
        assert end["held_out"] == whole[1].held_out["elbo"].tolist()


# --- Checkpoints --------------------------------------------------------------------------------------


def test_more_epochs_go_on_where_the_checkpoint_ends(whole, tmp_path):
    path = tmp_path / "run.pt"
    first = fit(Noisy(), rows(), checkpoint=path, **SETTINGS | {"epochs": 1})
    assert first["loss"].shape == (1,)
    model = Noisy()
    history = fit(model, rows(), checkpoint=path, **SETTINGS)
    assert_same(model, whole[0])
    assert_same_history(history, whole[1])
    assert history.seconds[0] == first.seconds[0]
    with pytest.raises(ValueError, match="has 3 epochs and 0 steps behind it, more than epochs=2"):
        fit(Noisy(), rows(), checkpoint=path, **SETTINGS | {"epochs": 2})
    model = Noisy()
    assert_same_history(fit(model, rows(), checkpoint=path, **SETTINGS), whole[1])
    assert_same(model, whole[0])


def test_fewer_epochs_than_the_one_in_progress_are_refused(tmp_path):
    model = Noisy()
    loss = InterruptAt(model, [8], lambda: signal.raise_signal(signal.SIGINT))
    settings = SETTINGS | {"checkpoint": tmp_path / "run.pt", "loss": loss}
    with pytest.raises(KeyboardInterrupt):
        fit(model, rows(), **settings)
    with pytest.raises(ValueError, match="has 1 epochs and 2 steps behind it, more than epochs=1"):
        fit(model, rows(), **settings | {"epochs": 1})


def other_rows() -> Tensor:
    x = rows()
    x[22, 2] += 1e-3
    return x


@pytest.mark.parametrize(
    "change, text",
    [
        ({"batch_size": 6}, r"batch_size \(checkpoint: 5, now: 6\)"),
        ({"learning_rate": 0.02}, r"learning_rate \(checkpoint: 0.01, now: 0.02\)"),
        ({"weight_decay": 0.1}, r"weight_decay \(checkpoint: 0.0, now: 0.1\)"),
        ({"max_grad_norm": 1.0}, r"max_grad_norm \(checkpoint: None, now: 1.0\)"),
        ({"seed": 1}, r"seed \(checkpoint: 0, now: 1\)"),
        ({"bfloat16": True}, r"bfloat16 \(checkpoint: False, now: True\)"),
        ({"held_out": None}, r"held_out \(checkpoint: torch.float32 \(7, 3\) with SHA-256 .*, now: None\)"),
        ({"transform": lambda x, g: x}, r"transform \(checkpoint: None, now: .*<lambda>\)"),
        ({"loss": lambda x, g: None}, r"loss \(checkpoint: Noisy.loss, now: .*<lambda>\)"),
        ({"data": rows(24)}, r"data \(checkpoint: torch.float32 \(23, 3\) .*, now: torch.float32 \(24, 3\)"),
        (
            {"data": other_rows()},
            r"different settings: data \(.*SHA-256 \w{16}, now: .*SHA-256 \w{16}\)\. Give",
        ),
        ({"model": Noisy().double(), "data": rows().double(), "held_out": rows(7).double()}, "torch.float64"),
    ],
)
def test_other_settings_are_refused_by_name(change, text, tmp_path):
    settings = {"model": Noisy(), "data": rows(), "checkpoint": tmp_path / "run.pt"} | SETTINGS
    fit(**settings)
    content = (tmp_path / "run.pt").read_bytes()
    model = change.get("model") or Noisy()
    before = state(model)
    with pytest.raises(ValueError, match="belongs to a run with different settings: ") as error:
        fit(**settings | {"model": model} | change)
    assert error.match(text)
    assert (tmp_path / "run.pt").read_bytes() == content
    assert_same(model, before)


def test_another_model_is_refused_by_name(tmp_path):
    fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", **SETTINGS)

    class Wider(Noisy):
        def __init__(self):
            super().__init__()
            self.layers[3] = nn.Linear(5, 3, bias=False)

    with pytest.raises(ValueError, match=r"model's layers.3.bias \(checkpoint: .*\(3,\), now: absent\)"):
        fit(Wider(), rows(), checkpoint=tmp_path / "run.pt", **SETTINGS)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit(Noisy(), rows(), checkpoint=path, **SETTINGS)
    content = path.read_bytes()
    chance = random.Random(0)
    places = [0, 10, len(content) - 1, *chance.sample(range(len(content)), 20)]
    flipped = [content[:i] + bytes([content[i] ^ 16]) + content[i + 1 :] for i in places]
    for bad in (b"", b"\n", content[:-1], content[: len(content) // 2], content + b"\0", *flipped):
        path.write_bytes(bad)
        model = Noisy()
        with pytest.raises(ValueError, match="run.pt is damaged, or was not written by .* to start anew"):
            fit(model, rows(), checkpoint=path, **SETTINGS)
        assert_same(model, Noisy())
        assert path.read_bytes() == bad, "nothing is overwritten"
    torch.save({"model": 1}, path)
    with pytest.raises(ValueError, match="was not written by vae_notes.training.fit"):
        fit(Noisy(), rows(), checkpoint=path, **SETTINGS)


@pytest.mark.parametrize("broken", ["write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_checkpoint(broken, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    fit(Noisy(), rows(), checkpoint=path, **SETTINGS | {"epochs": 1})
    content = path.read_bytes()

    def fail(*args):
        raise OSError("no space left")

    class Half:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            fail()

    if broken == "write":
        real_open = builtins.open

        def half(name, *mode):
            return Half(real_open(name, *mode)) if str(name).endswith(".part") else real_open(name, *mode)

        monkeypatch.setattr(builtins, "open", half)
    else:
        monkeypatch.setattr(checkpoints.os, broken, fail)
    with pytest.raises(OSError, match="no space left"):
        fit(Noisy(), rows(), checkpoint=path, **SETTINGS)
    monkeypatch.undo()
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


def test_checkpoints_are_written_in_time(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        training, "write_checkpoint", lambda path, state: written.append((state["epoch"], state["step"]))
    )
    fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", checkpoint_seconds=1000, **SETTINGS)
    assert written == [(3, 0)]
    written.clear()
    fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", checkpoint_seconds=0, **SETTINGS)
    every = [(epoch, step) for epoch in range(3) for step in range(1, 6)]
    assert written == sorted(every + [(1, 0), (2, 0), (3, 0), (3, 0)])

    clock = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: clock[0])

    def ten_seconds():
        clock[0] += 10

    model = Noisy()
    loss = InterruptAt(model, range(1, 99), ten_seconds)
    written.clear()
    settings = SETTINGS | {"held_out": None, "checkpoint": tmp_path / "run.pt", "checkpoint_seconds": 25}
    history = fit(model, rows(), loss=loss, **settings)
    assert written == [(0, 3), (1, 1), (1, 4), (2, 2), (2, 5), (3, 0)], "every 30 seconds, and at the end"
    assert history.seconds.tolist() == [50, 50, 50]


def test_the_seconds_of_an_interrupted_epoch_add_up(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: clock[0])
    calls = []

    def ten_seconds_and_stop():
        clock[0] += 10
        calls.append(clock[0])
        if len(calls) in (3, 4, 9):
            signal.raise_signal(signal.SIGINT)

    settings = SETTINGS | {"held_out": None, "checkpoint": tmp_path / "run.pt"}
    for _ in range(3):
        model = Noisy()
        with pytest.raises(KeyboardInterrupt):
            fit(model, rows(), loss=InterruptAt(model, range(1, 99), ten_seconds_and_stop), **settings)
        clock[0] += 1000  # between the calls
    model = Noisy()
    history = fit(model, rows(), loss=InterruptAt(model, range(1, 99), ten_seconds_and_stop), **settings)
    assert history.seconds.tolist() == [50, 50, 50]


def test_the_folder_of_the_checkpoint_must_exist(tmp_path):
    with pytest.raises(
        ValueError, match="checkpoint must lie in an existing folder that can be written, got .*nowhere"
    ):
        fit(Noisy(), rows(), checkpoint=tmp_path / "nowhere" / "run.pt", **SETTINGS)


# --- NaN and infinity ---------------------------------------------------------------------------------


def spoiled(model: nn.Module, call: int, value: float, part: str = "loss"):
    """Noisy's loss with one value of one part replaced at one call."""
    loss = InterruptAt(model, [], None)

    def with_a_bad_value(x, generator):
        parts = loss(x, generator)
        if loss.count == call:
            parts[part] = torch.cat([parts[part][:-1], parts[part][-1:] * value])
        return parts

    return with_a_bad_value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_at_once(value, tmp_path):
    model = Noisy()
    loss = spoiled(model, 9, value)  # the third step of the second epoch
    kept = InterruptAt(Noisy(), [9], raise_interrupt)
    path = tmp_path / "run.pt"
    settings = SETTINGS | {"checkpoint": path, "checkpoint_seconds": 0, "loss": loss}
    with pytest.raises(NonFiniteLossError) as error:
        fit(model, rows(), **settings)
    assert isinstance(error.value, FloatingPointError)
    text = str(error.value)
    assert "at epoch 2, step 3 of 5 (counted from 1): loss = " in text
    assert f"The last good checkpoint is kept: {path}" in text
    assert "elbo =" not in text
    with pytest.raises(KeyboardInterrupt):
        fit(kept.model, rows(), loss=kept, **SETTINGS)
    parameters = dict(kept.model.named_parameters())
    for name, p in model.named_parameters():
        assert torch.equal(p, parameters[name]), f"{name} was changed by the bad step"
    fit(model, rows(), **settings | {"loss": spoiled(model, 0, 0)})  # the checkpoint is good
    clean = Noisy()
    fit(clean, rows(), **SETTINGS)
    assert_same(model, clean)


def test_the_error_names_every_bad_part_and_the_range_of_the_inputs():
    model = nn.Linear(2, 1)

    def loss(x, generator):
        kl = model(x)[:, 0].square()
        kl = torch.where((x[:, 0] == 7).any(), kl / 0, kl)
        return {"loss": kl, "elbo": -kl, "fine": x.sum(1)}

    x = torch.zeros(8, 2)
    x[5] = torch.tensor([7.0, -3.0])
    text = (
        r"epoch 1, step 1 of 1 .*: loss = inf, elbo = -inf\. The inputs .* lie between -3 and 7\. There is no"
    )
    with pytest.raises(NonFiniteLossError, match=text):
        fit(model, x, epochs=1, loss=loss)


def test_a_part_that_is_not_finite_stops_too():
    model = Noisy()
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, step 2 of 5 \(counted from 1\): size = nan\."):
        fit(model, rows(), loss=spoiled(model, 2, math.nan, "size"), **SETTINGS)


@pytest.mark.parametrize("call, place", [(1, "1, step 1"), (9, "2, step 3"), (17, "3, step 5")])
def test_on_a_device_that_must_not_be_waited_for(call, place, tmp_path, monkeypatch):
    """The steps are then looked at now and then, and always before a checkpoint, an average and the end."""
    monkeypatch.setattr(training, "_CHEAP_TO_READ", ())
    path = tmp_path / "run.pt"
    saved = []
    write = training.write_checkpoint

    def spy(path, state):
        saved.append({name: value.clone() for name, value in state["model"].items()})
        write(path, state)

    monkeypatch.setattr(training, "write_checkpoint", spy)
    for seconds in (0, 1000):
        model = Noisy()
        path.unlink(missing_ok=True)
        settings = SETTINGS | {"checkpoint": path, "checkpoint_seconds": seconds}
        lies = r"The inputs of that batch lie between -\d\.\d+ and \d\.\d+"
        with pytest.raises(NonFiniteLossError, match=rf"epoch {place} of 5 .*: loss = nan\. {lies}"):
            fit(model, rows(), loss=spoiled(model, call, math.nan), **settings)
    assert all(value.isfinite().all() for model in saved for value in model.values())


def test_no_step_waits_for_the_device(monkeypatch):
    """Counts the reads of a number from a tensor, which on a GPU wait for all work before."""
    monkeypatch.setattr(training, "_CHEAP_TO_READ", ())
    monkeypatch.setattr(training, "_LOOK_SECONDS", 1000.0)

    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            name = function.overloadpacket.__name__
            self.count += name in ("_local_scalar_dense", "is_nonzero", "nonzero", "equal")
            return function(*args, **(kwargs or {}))

    def reads(n: int, evaluate: bool = False, **settings) -> int:
        encoder, decoder = models.Encoder(6, 8, 2), models.Decoder(2, 8, 6)
        vae = models.VAE(encoder, decoder, likelihoods.BernoulliLikelihood())
        x = torch.bernoulli(torch.full((n, 6), 0.5))
        options = {"loss": vae.loss, "held_out": x} if evaluate else {}  # no check of all data beforehand
        monkeypatch.setattr(training, "_EVALUATION_ROWS", 4 if evaluate else 1024)  # 100 pieces, or one
        with Reads() as mode, checks.value_checks_off() if evaluate else nullcontext():
            mode.count = 0
            fit(vae, x, epochs=2, batch_size=4, **settings, **options)
        return mode.count

    for settings in ({}, {"max_grad_norm": 1.0}, {"bfloat16": True}, {"progress": True}, {"evaluate": True}):
        assert 0 < reads(8, **settings) == reads(400, **settings), settings


@pytest.mark.parametrize("cheap", [True, False])
def test_a_gradient_that_is_not_finite_never_reaches_the_checkpoint(cheap, tmp_path, monkeypatch):
    if not cheap:
        monkeypatch.setattr(training, "_CHEAP_TO_READ", ())

    def loss(x, generator):
        loss.count += 1
        bad = 0.0 if loss.count == loss.bad else 1.0
        return {
            "loss": (model.weight.sum() * bad).abs().sqrt() * bad + x[:, 0]
        }  # finite, but sqrt'(0) is not

    text = (
        r"parameters are not finite after (0 epochs and 4|1 epochs and 0) of 4 steps, .*: weight\. A gradient"
    )
    path = tmp_path / "run.pt"
    for saved in ({"checkpoint": path, "checkpoint_seconds": 0}, {"checkpoint": path}, {}):
        path.unlink(missing_ok=True)
        model = nn.Linear(3, 1, bias=False)
        loss.count, loss.bad = 0, 4
        with pytest.raises(NonFiniteLossError, match=text):
            fit(model, rows(20), epochs=1, batch_size=5, loss=loss, **saved)
        if "checkpoint_seconds" in saved:
            kept = training.read_checkpoint(path)
            assert kept["step"] == 3 and kept["model"]["weight"].isfinite().all()
        else:
            assert not path.exists()


# --- Checks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, error, text",
    [
        ({"epochs": -1}, ValueError, "epochs must not be negative, got -1"),
        ({"epochs": 1.0}, TypeError, "epochs must be an int, got float"),
        ({"epochs": True}, TypeError, "epochs must be an int, got bool"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an int, got float"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be a positive finite number, got 0.0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be a positive finite number, got nan"),
        ({"weight_decay": -0.1}, ValueError, "weight_decay must be finite and not negative, got -0.1"),
        ({"max_grad_norm": 0}, ValueError, "max_grad_norm must be a positive finite number, got 0"),
        ({"seed": -3}, ValueError, "seed must not be negative, got -3"),
        ({"seed": "a"}, TypeError, "seed must be an int, got str"),
        ({"checkpoint_seconds": -1}, ValueError, "checkpoint_seconds must not be negative, got -1"),
        ({"data": np.zeros((3, 3))}, TypeError, "data must be a torch.Tensor, got ndarray"),
        ({"data": torch.zeros(0, 3)}, ValueError, r"data must hold at least one row, got shape \(0, 3\)"),
        ({"data": torch.tensor(1.0)}, ValueError, r"data must hold at least one row, got shape \(\)"),
        ({"data": torch.full((4, 3), math.nan)}, ValueError, "data must be finite, but 12 of 12 .* 12 NaN"),
        (
            {"data": torch.tensor([[1.0, math.inf, 0]])},
            ValueError,
            "data must be finite, but 1 of 3 .* 1 inf",
        ),
        ({"held_out": torch.tensor([[1.0, math.inf, 0]])}, ValueError, "held_out must be finite"),
        ({"held_out": torch.zeros(0, 3)}, ValueError, "held_out must hold at least one row"),
        (
            {"held_out": torch.zeros(4, 2)},
            ValueError,
            r"held_out must have rows .*\(3,\), got torch.float32 \(2,\)",
        ),
        (
            {"held_out": torch.zeros(4, 3).double()},
            ValueError,
            r"held_out must have rows .* got torch.float64",
        ),
        (
            {"model": nn.ReLU(), "loss": lambda x, g: {}},
            ValueError,
            "must have a parameter that requires a grad",
        ),
        (
            {"model": nn.Linear(3, 3)},
            TypeError,
            r"loss must be given, because the model \(Linear\) has no method",
        ),
    ],
)
def test_bad_arguments(change, error, text):
    with pytest.raises(error, match=text):
        fit(**{"model": Noisy(), "data": rows(), "epochs": 1} | change)


def test_data_that_are_not_finite_are_found_even_without_checks_of_values():
    with checks.value_checks_off(), pytest.raises(ValueError, match="data must be finite"):
        fit(Noisy(), torch.full((4, 3), math.nan), epochs=1)


LINE = nn.Linear(3, 3)


@pytest.mark.parametrize(
    "parts, error, text",
    [
        (lambda x: LINE(x).mean(), TypeError, "loss must return a dict of tensors, got Tensor"),
        (lambda x: {"elbo": LINE(x).sum(1)}, ValueError, r'with the key "loss", got the keys \[\'elbo\'\]'),
        (
            lambda x: {"loss": LINE(x).sum(1).mean()},
            ValueError,
            r"'loss' .* one value per datum, shape \(4,\), got \(\)",
        ),
        (
            lambda x: {"loss": LINE(x)},
            ValueError,
            r"'loss' .* one value per datum, shape \(4,\), got \(4, 3\)",
        ),
        (
            lambda x: {"loss": LINE(x).sum(1, True)},
            ValueError,
            r"one value per datum, shape \(4,\), got \(4, 1\)",
        ),
        (
            lambda x: {"loss": LINE(x).sum(1), "kl": x.mean()},
            ValueError,
            "'kl' .* leave the mean over the batch",
        ),
        (
            lambda x: {"loss": LINE(x).sum(1), "n": x.sum(1).int()},
            TypeError,
            "'n' .* floating tensor, got torch.int",
        ),
        (lambda x: {"loss": LINE(x).sum(1), "n": 3.0}, TypeError, "'n' .* floating tensor, got float"),
        (lambda x: {"loss": LINE(x).sum(1).detach()}, ValueError, "loss must depend on a parameter"),
    ],
)
def test_bad_parts(parts, error, text):
    before = state(LINE)
    with pytest.raises(error, match=text):
        fit(LINE, torch.ones(4, 3), epochs=1, loss=lambda x, generator: parts(x))
    assert_same(LINE, before)


def test_parts_that_change_are_refused():
    names = iter(["a", "b"])

    def loss(x, generator):
        value = LINE(x).square().sum(1)
        return {"loss": value, next(names): value}

    with pytest.raises(
        ValueError, match=r"same parts at every step, got \['loss', 'b'\] after \['loss', 'a'\]"
    ):
        fit(LINE, torch.ones(4, 3), epochs=1, batch_size=2, loss=loss)


class Checked(nn.Linear):
    """A model that wants targets below 10, and notes whether the checks of values are on."""

    def __init__(self):
        super().__init__(3, 3)
        self.seen, self.on = [], set()

    def check_data(self, x):
        self.seen.append(x.clone())
        checks.check_range(0, 10, x=x)

    def loss(self, x, generator):
        self.on.add(checks.value_checks_are_on())
        return {"loss": (self(x) - x).square().sum(1)}


def test_the_model_checks_the_data_once_and_as_the_loss_sees_them():
    model = Checked()
    x, held_out = torch.rand(2000, 3), torch.rand(5, 3)
    fit(model, x, epochs=2, held_out=held_out, transform=lambda x, generator: x + 1)
    assert model.on == {False}
    assert torch.equal(torch.cat(model.seen), torch.cat([x, held_out]) + 1)
    assert checks.value_checks_are_on()
    for name in ("data", "held_out"):
        tensors = {"data": x, "held_out": held_out} | {name: torch.full((4, 3), 9.5)}
        before = state(model)
        with pytest.raises(ValueError, match="x must lie between 0 and 10"):
            fit(model, epochs=1, transform=lambda x, generator: x + 1, **tensors)
        assert_same(model, before)


def test_checks_of_values_stay_on_for_a_loss_of_ones_own():
    model = Checked()
    fit(model, torch.full((4, 3), 20.0), epochs=1, loss=lambda x, generator: model.loss(x, generator))
    assert model.on == {True} and model.seen == []


# --- Progress -----------------------------------------------------------------------------------------


def test_silent_when_nobody_watches(capfd, monkeypatch):
    monkeypatch.delenv("VAE_NOTES_PROGRESS", raising=False)
    fit(Noisy(), rows(), **SETTINGS | {"progress": None})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "variable, terminal, progress, shown",
    [
        ("1", False, None, True),
        ("0", True, None, False),
        (None, True, None, True),
        ("1", False, False, False),
        ("0", False, True, True),
    ],
)
def test_who_decides_about_the_bar(variable, terminal, progress, shown, capsys, monkeypatch):
    monkeypatch.delenv("VAE_NOTES_PROGRESS", raising=False)
    if variable is not None:
        monkeypatch.setenv("VAE_NOTES_PROGRESS", variable)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    fit(Noisy(), rows(), **SETTINGS | {"progress": progress})
    out, err = capsys.readouterr()
    assert out == "" and bool(err) == shown


def test_the_bar_shows_the_parts_and_changes_nothing(capsys, whole):
    model = Noisy()
    history = fit(model, rows(), **SETTINGS | {"progress": True})
    last = capsys.readouterr().err.replace("\r", "\n").strip().splitlines()[-1]
    assert "epoch 3/3: 100%" in last and "15/15" in last
    assert f"elbo={history['elbo'][-1]:.4g}, size={history['size'][-1]:.4g}]" in last and "loss=" not in last
    assert_same(model, whole[0])
    assert_same_history(history, whole[1])


def test_the_bar_shows_the_loss_if_that_is_all(capsys):
    history = fit(LINE, torch.ones(4, 3), epochs=1, loss=lambda x, g: {"loss": LINE(x).sum(1)}, progress=True)
    assert f"loss={history['loss'][-1]:.4g}]" in capsys.readouterr().err


def test_the_bar_of_a_resumed_run_begins_where_it_was(capsys, tmp_path):
    fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", **SETTINGS | {"epochs": 2})
    capsys.readouterr()
    fit(Noisy(), rows(), checkpoint=tmp_path / "run.pt", **SETTINGS | {"progress": True})
    shown = capsys.readouterr().err
    assert " 10/15 " in shown and " 15/15 " in shown and " 9/15 " not in shown


def test_in_a_notebook_without_ipywidgets_no_warning_is_shown(capsys, monkeypatch):
    monkeypatch.delenv("VAE_NOTES_PROGRESS", raising=False)
    kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    find_spec = progress_module.importlib.util.find_spec
    monkeypatch.setattr(
        progress_module.importlib.util,
        "find_spec",
        lambda name: None if name == "ipywidgets" else find_spec(name),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(Noisy(), rows(), **SETTINGS | {"progress": None})
    assert " 15/15 " in capsys.readouterr().err


def test_the_bar_is_closed_by_an_error(capsys):
    with pytest.raises(ValueError, match="key"):
        fit(Noisy(), rows(), loss=lambda x, g: {}, epochs=1, progress=True)
    assert capsys.readouterr().err.endswith("\n")


# --- With the package's own model ---------------------------------------------------------------------


def test_a_vae_learns_the_digits():
    digits = data.load("digits")
    torch.manual_seed(0)
    vae = models.VAE(models.Encoder(64, 64, 2), models.Decoder(2, 64, 64), likelihoods.BernoulliLikelihood())

    def binarized(x, generator):
        return data.binarize(x, "dynamic", generator=generator)

    settings = {"epochs": 8, "learning_rate": 5e-3, "held_out": digits.test, "transform": binarized}
    history = fit(vae, digits.train, **settings)
    assert list(history.parts) == ["loss", "elbo", "reconstruction", "kl"]
    np.testing.assert_allclose(history["elbo"], history["reconstruction"] - history["kl"], rtol=1e-5)
    assert history.held_out["elbo"][-1] > history.held_out["elbo"][0] + 3
    assert history.held_out["elbo"][-1] > -32  # 64 fair coins would cost 44 nats
