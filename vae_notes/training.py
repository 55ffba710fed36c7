"""One training loop, for any module whose loss returns its parts.

The loop knows nothing of variational autoencoders: it asks for loss(batch, generator), a dict of tensors (B,)
with one value per datum, and takes the mean over the batch in one place (`_batch_means`). The data lie on the
device as a whole, and no step waits for a GPU. Whatever happens, the checkpoint on disk is whole and good,
and a call with the same arguments goes on from it: on a CPU bit for bit.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from vae_notes import checks
from vae_notes.checkpoints import fingerprint, read_checkpoint, write_checkpoint
from vae_notes.interrupts import HeldSignals
from vae_notes.progress import progress_wanted, tqdm_class

__all__ = ["History", "NonFiniteLossError", "fit"]

_EVALUATION_ROWS = 1024  # rows of held-out data (or of data to check) that are handled at once
_CHEAP_TO_READ = ("cpu",)  # devices on which reading a number does not hold up the next steps
_LOOK_SECONDS = 0.25  # how often the record of the steps is read for the progress bar and, on a GPU, for NaN


class NonFiniteLossError(FloatingPointError):
    """A part of the loss, or a parameter, became NaN or infinite.

    Examples
    --------
    >>> line = nn.Linear(1, 1)
    >>> try:
    ...     fit(line, torch.ones(4, 1), epochs=1, loss=lambda x, generator: {"loss": line(x)[:, 0] / 0})
    ... except NonFiniteLossError as error:
    ...     print(str(error).split(":")[0])
    the loss is not finite at epoch 1, step 1 of 1 (counted from 1)
    """


@dataclass(frozen=True, eq=False)
class History:
    """What a training run did, one entry per epoch.

    ``parts`` maps each part of the loss to its average over the training data, (epochs,), each datum measured
    at the step that used it; ``held_out`` the same over the held-out data at the end of each epoch (empty
    without such data); ``seconds`` (epochs,) is the time each epoch took. ``history["elbo"]`` is short for
    ``history.parts["elbo"]``.

    Examples
    --------
    >>> history = History({"loss": np.array([3.0, 2.0])}, {}, np.array([0.1, 0.1]))
    >>> history["loss"]
    array([3., 2.])
    """

    parts: dict[str, np.ndarray]
    held_out: dict[str, np.ndarray]
    seconds: np.ndarray

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.parts:
            raise KeyError(f"the loss has no part {name!r}; its parts: {', '.join(self.parts) or 'none'}")
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)


def fit(
    model: nn.Module,
    data: Tensor,
    *,
    epochs: int,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    max_grad_norm: float | None = None,
    seed: int = 0,
    held_out: Tensor | None = None,
    transform: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    loss: Callable[[Tensor, torch.Generator], dict[str, Tensor]] | None = None,
    device: torch.device | str | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_seconds: float = 60.0,
    bfloat16: bool = False,
    progress: bool | None = None,
) -> History:
    r"""Minimise the average loss of a model over data with AdamW, and report every part of the loss.

    .. math:: \theta \leftarrow \mathrm{AdamW}\Big(\theta,\
              \nabla_\theta \frac{1}{B} \sum_{n=1}^{B} \mathrm{loss}_\theta(x_n)\Big)

    Modules are in training mode while they train, in evaluation mode for the held-out data, and afterwards in
    the mode they had. PyTorch's global random state is seeded for the run and put back afterwards.

    Parameters
    ----------
    model : nn.Module
        Trained in place. If it has a method ``check_data`` and no ``loss`` is given, that method sees all
        data once, and then the package's checks of values are off while it trains. Else they stay on.
    data : Tensor
        (N, ...), one row per datum, finite. Moved to the device as a whole.
    epochs : int
        Passes over the data, counted from the very start, also when a checkpoint is resumed.
    batch_size : int
        Rows per step, B. The last, smaller batch of an epoch is used too. More than N means one batch of N.
    learning_rate, weight_decay : float
        Of AdamW. Without weight decay it is Adam.
    max_grad_norm : float, optional
        Shorten the gradient to this norm where it is longer.
    seed : int
        Decides the order of the data, and all noise. The order depends on nothing else.
    held_out : Tensor, optional
        (M, ...), evaluated after each epoch, with the same noise each time, never under autocast. Training is
        the same with and without it.
    transform : callable, optional
        transform(batch, generator) -> batch, applied to each batch of ``data`` and ``held_out``, for example
        ``lambda x, generator: binarize(x, "dynamic", generator=generator)``.
    loss : callable, optional
        loss(batch, generator) -> dict of tensors (B,), one value per datum, among them ``"loss"``, which is
        minimised. Default: ``model.loss``. Every part must stay finite.
    device : torch.device or str, optional
        Where to train; the model is moved there. Default: where the model is.
    checkpoint : path, optional
        The run is resumed from this file if it exists. It is written every ``checkpoint_seconds``, on Ctrl-C,
        on SIGTERM and at the end, each time as a whole, so that a kill never leaves half a file. Resumed runs
        give the parameters and the history of an uninterrupted one (on a CPU with as many threads, bit for
        bit). Only ``epochs`` may be raised; other settings that differ are refused, as far as they can be
        seen (code inside ``loss`` or ``transform`` cannot).
    checkpoint_seconds : float
        The most training time that a kill can cost.
    bfloat16 : bool
        Compute the loss under bfloat16 autocast. Parameters stay in their dtype.
    progress : bool, optional
        Show a progress bar with the parts of the loss. Default: what the environment variable
        ``VAE_NOTES_PROGRESS`` says (0 or 1); without it, only in a terminal or a notebook.

    Returns
    -------
    History
        Averages per epoch, in the units of the parts (nats per datum for a bound). Empty for 0 epochs.

    Raises
    ------
    TypeError, ValueError
        If an argument, a part of the loss or the checkpoint is not as described.
    NonFiniteLossError
        If a part of the loss turns NaN or infinite: on a CPU before that step changes a parameter, on a GPU
        within moments. The checkpoint on disk stays the last good one.
    KeyboardInterrupt
        On Ctrl-C, after the step has ended and the checkpoint is written. A second Ctrl-C does not wait.
        SIGTERM ends the program in the same orderly way, with status 143.

    Source: Kingma & Ba (2015), algorithm 1; Loshchilov & Hutter (2019), algorithm 2.

    Examples
    --------
    >>> line = nn.Linear(1, 1)
    >>> def squared_error(batch, generator):
    ...     return {"loss": (line(batch[:, :1]) - batch[:, 1:]).square().sum(1)}
    >>> x = torch.linspace(-1, 1, 64).reshape(64, 1)
    >>> data = torch.cat([x, 3 * x + 1], dim=1)
    >>> history = fit(line, data, epochs=60, batch_size=16, learning_rate=0.1, loss=squared_error)
    >>> history["loss"].shape, bool(history["loss"][-1] < 1e-3)
    ((60,), True)
    """
    checks.check_count(batch_size=batch_size)
    _check_numbers(epochs, learning_rate, weight_decay, max_grad_norm, seed, checkpoint_seconds)
    _check_data(data, held_out)
    if loss is None and not hasattr(model, "loss"):
        raise TypeError(f"loss must be given, because the model ({type(model).__name__}) has no method loss")
    if device is not None:
        model.to(device)
    run = _Run(model, data, held_out, transform, model.loss if loss is None else loss, epochs, batch_size)
    run.set_up(learning_rate, weight_decay, max_grad_norm, seed, bfloat16)
    values_checked = loss is None and hasattr(model, "check_data")
    if values_checked:
        run.check_values()
    quiet = checks.value_checks_off() if values_checked else nullcontext()
    with _modes_kept(model), _own_global_noise(run.seeds["global"], run.device), quiet, run.signals:
        if checkpoint is not None:
            run.resume(Path(checkpoint), checkpoint_seconds)
        with _Bar(progress, run) as run.bar:
            return run.train()


def _batch_means(parts: dict[str, Tensor], rows: int) -> dict[str, Tensor]:
    """The mean over the batch of every part: the only place where a batch becomes one number."""
    if not isinstance(parts, dict):
        raise TypeError(f"loss must return a dict of tensors, got {type(parts).__name__}")
    if "loss" not in parts:
        raise ValueError(f'loss must return a dict with the key "loss", got the keys {list(parts)}')
    means = {}
    for name, values in parts.items():
        if not isinstance(values, Tensor) or not values.is_floating_point():
            found = values.dtype if isinstance(values, Tensor) else type(values).__name__
            raise TypeError(f"part {name!r} of the loss must be a floating tensor, got {found}")
        if values.shape != (rows,):
            raise ValueError(
                f"part {name!r} of the loss must hold one value per datum, shape ({rows},), got "
                f"{tuple(values.shape)}: sum over dimensions, and leave the mean over the batch to the loop"
            )
        means[name] = values.mean(dtype=torch.promote_types(values.dtype, torch.float32))
    return means


class _Run:
    """The state of one training run, and the steps that change it.

    Everything that decides the future of the run is an attribute that `_state` saves and `resume` restores.
    """

    def __init__(self, model, data, held_out, transform, loss, epochs, batch_size):
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not self.parameters:
            raise ValueError("model must have a parameter that requires a gradient, got none")
        self.device = next(iter(self.parameters.values())).device
        self.model, self.transform, self.loss = model, transform, loss
        self.data = data.detach().to(self.device).contiguous()
        self.held_out = None if held_out is None else held_out.detach().to(self.device).contiguous()
        self.epochs, self.batch_size = epochs, batch_size
        self.steps = math.ceil(len(data) / batch_size)  # per epoch
        self.path: Path | None = None  # of the checkpoint
        self.save_at = self.look_at = math.inf
        self.signals = HeldSignals()

    def set_up(self, learning_rate, weight_decay, max_grad_norm, seed, bfloat16) -> None:
        """The state at the very start: optimiser, streams of noise, an empty record."""
        self.max_grad_norm, self.bfloat16 = max_grad_norm, bfloat16
        self.optimizer = _adamw(list(self.parameters.values()), learning_rate, weight_decay)
        self.shuffle = torch.Generator().manual_seed(seed)
        # Every stream has a seed of its own: two generators with one seed would give the same noise twice.
        streams = ("noise", "global", "held-out noise", "held-out global")
        drawn = torch.randint(2**31, (len(streams),), generator=self.shuffle).tolist()
        self.seeds = dict(zip(streams, drawn, strict=True))
        self.noise = torch.Generator(self.device).manual_seed(self.seeds["noise"])
        self.epoch = self.step = 0  # how many epochs, and steps of the current epoch, are done
        self.names: list[str] = []  # of the parts
        self.trace: Tensor | None = None  # (steps, parts), the batch means of this epoch, on the device
        self.order_state = self.shuffle.get_state()  # regenerates the current epoch's order
        self.averages: list[list[float]] = []  # one row per epoch
        self.held_out_averages: list[list[float]] = []
        self.seconds: list[float] = []
        self.seconds_before = 0.0  # what earlier calls spent on the current epoch
        self.settings = self._settings(learning_rate, weight_decay, seed)

    # Training

    def train(self) -> History:
        self.model.train()
        if self.bar.visible or self.device.type not in _CHEAP_TO_READ:
            self.look_at = 0.0
        while self.epoch < self.epochs:
            self.started = time.perf_counter() - self.seconds_before
            self.order = torch.randperm(len(self.data), generator=self.shuffle).to(self.device)
            while self.step < self.steps:
                self._take_step()
                self._between_steps()
            self._end_epoch()
            self._between_steps()
        self._between_steps(last=True)
        self.optimizer.zero_grad()
        return self._history()

    def _take_step(self) -> None:
        rows = self.order[self.step * self.batch_size : (self.step + 1) * self.batch_size]
        batch = self._transformed(self.data.index_select(0, rows), self.noise)
        with torch.autocast(self.device.type, torch.bfloat16) if self.bfloat16 else nullcontext():
            parts = self.loss(batch, self.noise)
        means = _batch_means(parts, len(rows))
        if not means["loss"].requires_grad:
            raise ValueError(
                "loss must depend on a parameter: it was detached, or computed without gradients"
            )
        self._record(means)
        self.step += 1
        if self.device.type in _CHEAP_TO_READ:
            self._check_trace(self.step - 1, batch)
        self.optimizer.zero_grad()
        means["loss"].backward()
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters.values(), self.max_grad_norm)
        self.optimizer.step()

    def _transformed(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        return batch if self.transform is None else self.transform(batch, generator)

    def _record(self, means: dict[str, Tensor]) -> None:
        """Write the means of a step into the trace, without waiting for the device."""
        if self.trace is None:
            self.names = list(means)
            self.trace = torch.zeros(self.steps, len(means), dtype=_widest(self.device), device=self.device)
        self.trace[self.step] = self._row(means)

    def _row(self, means: dict[str, Tensor]) -> Tensor:
        if list(means) != self.names:
            raise ValueError(
                f"loss must return the same parts at every step, got {list(means)} after {self.names}"
            )
        return torch.stack([mean.detach() for mean in means.values()])

    def _end_epoch(self) -> None:
        self._check_trace()
        sizes = torch.full((self.steps, 1), float(self.batch_size), dtype=torch.float64)
        sizes[-1] = len(self.data) - (self.steps - 1) * self.batch_size  # the last batch may be smaller
        self.averages.append(((self.trace.cpu() * sizes).sum(0) / len(self.data)).tolist())
        if self.held_out is not None:
            self.held_out_averages.append(self._evaluate(self.held_out))
        self.order_state = self.shuffle.get_state()
        self.seconds.append(time.perf_counter() - self.started)
        self.epoch, self.step, self.seconds_before = self.epoch + 1, 0, 0.0

    @torch.no_grad()
    def _evaluate(self, data: Tensor) -> list[float]:
        """Averages of the parts over held-out data; noise of its own, the same after each epoch."""
        generator = torch.Generator(self.device).manual_seed(self.seeds["held-out noise"])
        total = torch.zeros(len(self.names), dtype=_widest(self.device), device=self.device)
        self.model.eval()
        with _own_global_noise(self.seeds["held-out global"], self.device):
            for rows in data.split(_EVALUATION_ROWS):
                parts = self.loss(self._transformed(rows, generator), generator)
                total += self._row(_batch_means(parts, len(rows))) * len(rows)
        self.model.train()
        return (total / len(data)).tolist()

    def check_values(self) -> None:
        """Show all data, as the loss will see them, to the model's own check."""
        generator = torch.Generator(self.device).manual_seed(self.seeds["held-out noise"])
        with _own_global_noise(self.seeds["held-out global"], self.device):
            for data in (self.data, self.held_out):
                for rows in () if data is None else data.split(_EVALUATION_ROWS):
                    self.model.check_data(self._transformed(rows, generator))

    def _history(self) -> History:
        def columns(rows):
            return dict(zip(self.names, np.array(rows, dtype=np.float64).T, strict=True)) if rows else {}

        return History(columns(self.averages), columns(self.held_out_averages), np.array(self.seconds))

    # Between two steps

    def _between_steps(self, last: bool = False) -> None:
        """Look, save and stop, where it is time to."""
        now = time.perf_counter()
        stop = self.signals.pending is not None
        save = self.path is not None and (stop or last or now >= self.save_at)
        if not (save or stop or last or now >= self.look_at):
            return
        self._check_trace()
        self.bar.show()
        if self.look_at < math.inf:
            self.look_at = now + _LOOK_SECONDS
        if save or last:
            self._check_parameters()
        if save:
            write_checkpoint(self.path, self._state())
            self.save_at = time.perf_counter() + self.checkpoint_seconds
        if stop:
            self.signals.deliver(f"stopped {self._place()}; {self._how_to_go_on()}")

    def _place(self) -> str:
        return f"after {self.epoch} epochs and {self.step} of {self.steps} steps"

    def _how_to_go_on(self) -> str:
        if self.path is None:
            return "no checkpoint was asked for, so a new call starts anew"
        return f"call fit again with checkpoint={str(self.path)!r} to go on"

    def _check_trace(self, first: int = 0, batch: Tensor | None = None) -> None:
        """Raise if a part is not finite in the steps of this epoch from ``first`` on."""
        if self.step == 0:
            return
        finite = self.trace[first : self.step].isfinite()
        if finite.all():  # reads the device
            return
        step = first + int((~finite).any(1).nonzero()[0])
        values = zip(self.names, self.trace[step].tolist(), strict=True)
        bad = ", ".join(f"{name} = {value}" for name, value in values if not math.isfinite(value))
        if batch is None:
            batch = self.data[self.order[step * self.batch_size : (step + 1) * self.batch_size]]
        raise NonFiniteLossError(
            f"the loss is not finite at epoch {self.epoch + 1}, step {step + 1} of {self.steps} "
            f"(counted from 1): {bad}. The inputs of that batch lie between {batch.min().item():g} "
            f"and {batch.max().item():g}. {self._what_is_left()}"
        )

    def _check_parameters(self) -> None:
        """Raise if a parameter is not finite: a finite loss can have a gradient that is not."""
        bad = [name for name, p in self.parameters.items() if not p.isfinite().all()]
        if bad:
            raise NonFiniteLossError(
                f"parameters are not finite {self._place()}, though the loss is: {', '.join(bad)}. "
                f"A gradient was NaN or infinite. {self._what_is_left()}"
            )

    def _what_is_left(self) -> str:
        if self.path is None or not self.path.exists():
            return "There is no checkpoint."
        return f"The last good checkpoint is kept: {self.path}"

    # Checkpoints

    def _settings(self, learning_rate: float, weight_decay: float, seed: int) -> dict[str, str]:
        """What must agree when a checkpoint is resumed, except the data (see `resume`)."""
        settings = {
            "batch_size": self.batch_size,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
            "max_grad_norm": self.max_grad_norm,
            "seed": seed,
            "bfloat16": self.bfloat16,
            "device": self.device.type,
            "loss": _name_of(self.loss),
            "transform": _name_of(self.transform),
        }
        for name, value in self.model.state_dict().items():
            if isinstance(value, Tensor):
                settings[f"model's {name}"] = f"{value.dtype} {tuple(value.shape)}"
        return {name: str(value) for name, value in settings.items()}

    def resume(self, path: Path, checkpoint_seconds: float) -> None:
        """Save to ``path`` from now on, and go on from there if the file exists."""
        if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise ValueError(f"checkpoint must lie in an existing folder that can be written, got {path}")
        self.path, self.checkpoint_seconds = path, checkpoint_seconds
        self.save_at = time.perf_counter() + checkpoint_seconds
        self.settings |= {"data": fingerprint(self.data), "held_out": fingerprint(self.held_out)}
        if path.exists():
            state = read_checkpoint(path)
            self._compare(state)
            self._restore(state)

    def _compare(self, state: dict) -> None:
        saved = state["settings"]
        differ = [
            f"{name} (checkpoint: {saved.get(name, 'absent')}, now: {self.settings.get(name, 'absent')})"
            for name in saved | self.settings
            if saved.get(name) != self.settings.get(name)
        ]
        if differ:
            raise ValueError(
                f"checkpoint {self.path} belongs to a run with different settings: {'; '.join(differ)}. "
                "Give the same settings, or another checkpoint path to start anew"
            )
        if state["epoch"] + (state["step"] > 0) > self.epochs:
            raise ValueError(
                f"checkpoint {self.path} has {state['epoch']} epochs and {state['step']} steps behind it, "
                f"more than epochs={self.epochs}"
            )

    def _state(self) -> dict:
        return {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "names": self.names,
            "trace": self.trace,
            "averages": self.averages,
            "held_out_averages": self.held_out_averages,
            "seconds": self.seconds,
            "seconds_before": time.perf_counter() - self.started if self.step else 0.0,
            "order": self.order_state,
            "noise": self.noise.get_state(),
            "global_noise": _global_noise(self.device),
        }

    def _restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("epoch", "step", "names", "averages", "held_out_averages", "seconds", "seconds_before"):
            setattr(self, name, state[name])
        self.trace = None if state["trace"] is None else state["trace"].to(self.device)
        self.order_state = state["order"]
        self.shuffle.set_state(self.order_state)
        self.noise.set_state(state["noise"])
        _set_global_noise(self.device, state["global_noise"])


# --- Small parts of the loop --------------------------------------------------------------------------


def _adamw(parameters: list[nn.Parameter], learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW in its fused form (one kernel for all parameters) where PyTorch has it."""
    try:
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    except RuntimeError:  # not for this device or dtype
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)


def _widest(device: torch.device) -> torch.dtype:
    return torch.float32 if device.type == "mps" else torch.float64


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Put every module back into the mode (training or evaluation) that it had."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _global_noise(device: torch.device) -> list[Tensor]:
    """PyTorch's global random state, which dropout and its like draw from."""
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def _set_global_noise(device: torch.device, states: list[Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


@contextmanager
def _own_global_noise(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global random state for a while, then put it back."""
    before = _global_noise(device)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    try:
        yield
    finally:
        _set_global_noise(device, before)


def _name_of(function) -> str:
    return str(getattr(function, "__qualname__", None if function is None else type(function).__name__))


# --- Checks of the arguments --------------------------------------------------------------------------


def _check_numbers(epochs, learning_rate, weight_decay, max_grad_norm, seed, checkpoint_seconds) -> None:
    for name, value in (("epochs", epochs), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an int, got {type(value).__name__}")
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value}")
    for name, value in (("learning_rate", learning_rate), ("max_grad_norm", max_grad_norm)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be a positive finite number, got {value}")
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay must be finite and not negative, got {weight_decay}")
    if not checkpoint_seconds >= 0:
        raise ValueError(f"checkpoint_seconds must not be negative, got {checkpoint_seconds}")


def _check_data(data: Tensor, held_out: Tensor | None) -> None:
    tensors = {"data": data} if held_out is None else {"data": data, "held_out": held_out}
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
        if value.ndim == 0 or value.numel() == 0:
            raise ValueError(f"{name} must hold at least one row, got shape {tuple(value.shape)}")
        low, high = value.detach().aminmax()  # one quick pass; both are NaN if a value is
        if not math.isfinite(low) or not math.isfinite(high):
            checks.check_finite(**{name: value})
            raise ValueError(f"{name} must be finite")  # also where the checks of values are off
    if held_out is not None and (held_out.shape[1:] != data.shape[1:] or held_out.dtype != data.dtype):
        raise ValueError(
            f"held_out must have rows like those of data, {data.dtype} {tuple(data.shape[1:])}, "
            f"got {held_out.dtype} {tuple(held_out.shape[1:])}"
        )


class _Bar:
    """A progress bar that shows the averages of the current epoch so far; nothing where none is wanted."""

    def __init__(self, progress: bool | None, run: _Run):
        self.visible = progress_wanted(progress)
        self.run, self.bar = run, None

    def __enter__(self) -> Self:
        if self.visible:
            total = self.run.epochs * self.run.steps
            self.bar = tqdm_class()(total=total, initial=self._steps_done(), unit="step", mininterval=0)
        return self

    def _steps_done(self) -> int:
        return self.run.epoch * self.run.steps + self.run.step

    def show(self) -> None:
        run = self.run
        if self.bar is None or not run.names:
            return
        averages = run.trace[: run.step].mean(0).tolist() if run.step else run.averages[-1]
        values = {name: f"{value:.4g}" for name, value in zip(run.names, averages, strict=True)}
        if len(values) > 1:
            del values["loss"]  # its parts say more
        self.bar.set_description(f"epoch {min(run.epoch + 1, run.epochs)}/{run.epochs}", refresh=False)
        self.bar.set_postfix(values, refresh=False)
        self.bar.update(self._steps_done() - self.bar.n)

    def __exit__(self, kind, error, traceback) -> None:
        if self.bar is not None:
            self.bar.close()
