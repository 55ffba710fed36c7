"""Small images and toy sets, with explicit binarisation.

``load("digits")`` needs no network. ``mnist`` and ``fashion_mnist`` are downloaded once, checked against the
SHA-256 of their decompressed content, and kept in the user's cache folder or read from the folder that the
environment variable ``VAE_NOTES_DATA`` names. Images come as grey values in [0, 1], one flat row per image.
"""

import gzip
import hashlib
import io
import math
import os
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vae_notes import checks
from vae_notes.progress import progress_wanted

__all__ = ["ImageData", "binarize", "eight_gaussians", "load", "pinwheel", "two_moons"]


@dataclass(frozen=True)
class ImageData:
    """A set of grey images, cut into a part to train on and a part that is held out.

    ``train`` and ``test`` are (N, H * W) float32 in [0, 1], on the grid j / (levels - 1); ``shape`` is
    (H, W); ``train_labels`` and ``test_labels`` are (N,) int64, or None where the set has no labels.

    Examples
    --------
    >>> digits = load("digits")
    >>> first = digits.train[0].reshape(digits.shape) * (digits.levels - 1)
    >>> first[0].tolist(), digits.train_labels[0].item()
    ([0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0], 0)
    """

    train: Tensor
    test: Tensor
    train_labels: Tensor | None
    test_labels: Tensor | None
    shape: tuple[int, int]
    levels: int


# --- Files: where they are, and how we know that they are right ---------------------------------------

# Tried in this order; "/" and the file's name with ".gz" are appended.
_ADDRESSES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://raw.githubusercontent.com/fgnt/mnist/master",
    ),
    "fashion_mnist": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
}

# SHA-256 of the content after decompression: every mirror packs the same bytes in a gzip file of its own.
# The order is the one in which `_load_idx` wants the files.
_SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    "frey_faces": {
        "frey_1965x28x20_u8.npy": "2177ea074dc1d5ce35294c687dfce79ced65db6d7b745d95a2e1757fcfbe41c0",
    },
}


class _WrongContent(Exception):
    """A file whose decompressed bytes are not the expected ones."""


def _content(path: Path, key: str) -> bytes:
    """The decompressed bytes of a file, or _WrongContent."""
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):  # by content, not by name: some servers unpack what they send
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as err:
            raise _WrongContent(f"it does not decompress ({err})") from err
    name, file = key.split("/")
    expected, found = _SHA256[name][file], hashlib.sha256(raw).hexdigest()
    if found != expected:
        raise _WrongContent(f"its content has SHA-256 {found}, expected {expected}")
    return raw


def _data_folder() -> Path | None:
    """The folder that VAE_NOTES_DATA names, which may be read-only; None where it is not set."""
    value = os.environ.get("VAE_NOTES_DATA")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise ValueError(f"VAE_NOTES_DATA must name an existing folder, got {folder}")
    return folder


def _from_data_folder(key: str) -> bytes | None:
    """The content of ``key`` (unpacked or .gz) under VAE_NOTES_DATA, or None where it is not there."""
    folder = _data_folder()
    for path in () if folder is None else (folder / key, folder / f"{key}.gz"):
        if path.is_file():
            try:
                return _content(path, key)
            except _WrongContent as err:
                raise ValueError(
                    f"{path} (found through VAE_NOTES_DATA) is damaged, or another file: {err}. "
                    "Replace or remove it; this package overwrites nothing in that folder"
                ) from err
    return None


def _from_cache(key: str) -> bytes | None:
    """The content of ``key`` from the user's cache folder, or None where it is missing or damaged."""
    path = _cache_folder() / f"{key}.gz"
    try:
        return _content(path, key)
    except (FileNotFoundError, _WrongContent):
        return None  # a damaged file of our own is simply fetched again


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("vae-notes"))


def _from_network(key: str) -> bytes:
    """The content of ``key`` from the first address that has it, kept for the next time."""
    folder = _data_folder()
    keep_in = folder if folder is not None and os.access(folder, os.W_OK) else _cache_folder()
    path = keep_in / f"{key}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    name, file = key.split("/")
    failures = []
    for base in _ADDRESSES[name]:
        url = f"{base}/{file}.gz"
        try:
            return _download(url, path, key)
        except (OSError, _WrongContent) as err:  # the network's errors are OSErrors; try the next address
            failures.append(f"  {url}: {type(err).__name__}: {err}")
    raise RuntimeError(
        f"could not get {key}: no address gave the right file.\n" + "\n".join(failures) + "\n"
        f"Without a network, put it at FOLDER/{key}.gz (or unpacked, without .gz) and set the environment "
        f"variable VAE_NOTES_DATA to FOLDER (now {folder or 'not set'}); the cache folder {_cache_folder()} "
        'has the same layout. load("digits") needs no download.'
    )


def _download(url: str, path: Path, key: str) -> bytes:
    """Fetch one address into a file of our own beside ``path``, check it, then move it there at once."""
    import pooch

    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # others may fetch the same file now
    try:
        pooch.HTTPDownloader(progressbar=progress_wanted(None), timeout=30)(url, str(part), None)
        content = _content(part, key)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return content


# --- Loaders ------------------------------------------------------------------------------------------


def _parse_idx(raw: bytes) -> Tensor:
    """The uint8 tensor in a file of the idx format: magic (0, 0, 8, ndim), big-endian sizes, the bytes."""
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"an idx file of bytes begins with 00 00 08, got {raw[:3].hex(' ') or 'nothing'}")
    ndim = raw[3]
    start = 4 + 4 * ndim
    if ndim < 1 or len(raw) < start:
        raise ValueError(f"the idx header promises {ndim} dimensions, but the file has {len(raw)} bytes")
    sizes = [int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4)]
    found = len(raw) - start
    if found != math.prod(sizes):
        raise ValueError(f"the idx header promises {sizes}, {math.prod(sizes)} bytes, got {found}")
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=start).reshape(sizes).copy())


def _grey(images: Tensor, levels: int) -> Tensor:
    """(N, H, W) integers 0..levels-1 -> (N, H * W) float32 in [0, 1]."""
    return images.flatten(1).to(torch.float32) / (levels - 1)


def _load_digits() -> ImageData:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    held_out = torch.arange(len(images)) % 5 == 4
    grey = _grey(images, levels=17)
    return ImageData(grey[~held_out], grey[held_out], labels[~held_out], labels[held_out], (8, 8), 17)


def _load_idx(name: str) -> ImageData:
    keys = [f"{name}/{file}" for file in _SHA256[name]]
    contents = (_from_data_folder(key) or _from_cache(key) or _from_network(key) for key in keys)
    train, train_labels, test, test_labels = (_parse_idx(content) for content in contents)
    shape = (train.shape[1], train.shape[2])
    return ImageData(_grey(train, 256), _grey(test, 256), train_labels.long(), test_labels.long(), shape, 256)


def _load_frey_faces() -> ImageData:
    key = "frey_faces/frey_1965x28x20_u8.npy"
    content = _from_data_folder(key)
    if content is None:
        raise FileNotFoundError(
            f"frey_faces is read from a local file only: FOLDER/{key}, a uint8 array of shape "
            f"(1965, 28, 20), where VAE_NOTES_DATA names FOLDER (now {_data_folder() or 'not set'}). "
            "It is not downloaded: no dependable public address serves it, and its licence is not known"
        )
    images = torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False))
    grey = _grey(images, 256)
    cut = len(grey) - len(grey) // 5
    return ImageData(grey[:cut], grey[cut:], None, None, (images.shape[1], images.shape[2]), 256)


_LOADERS = {
    "digits": _load_digits,
    "mnist": lambda: _load_idx("mnist"),
    "fashion_mnist": lambda: _load_idx("fashion_mnist"),
    "frey_faces": _load_frey_faces,
}


def load(name: str) -> ImageData:
    r"""Load a set of grey images: x = level / (levels - 1), in [0, 1].

    ============== ============ ====== ====== =====================================================
    name           train + test (H, W) levels held out
    ============== ============ ====== ====== =====================================================
    digits         1438 + 359   8, 8   17     every fifth image (the set has no split of its own)
    mnist          60000 + 10000 28, 28 256   the published test set
    fashion_mnist  60000 + 10000 28, 28 256   the published test set
    frey_faces     1572 + 393   28, 20 256    the last fifth of the film (neighbouring frames are alike)
    ============== ============ ====== ====== =====================================================

    Parameters
    ----------
    name : str
        ``"digits"`` ships with scikit-learn. ``"mnist"`` and ``"fashion_mnist"`` are looked for in the folder
        that the environment variable ``VAE_NOTES_DATA`` names (``mnist/train-images-idx3-ubyte``, with or
        without ``.gz``), then in the user's cache folder. Else they are downloaded, and kept in the first of
        these two that can be written. Every file is checked by the SHA-256 of its content.
        ``"frey_faces"`` is read from ``frey_faces/frey_1965x28x20_u8.npy`` in ``VAE_NOTES_DATA`` only.

    Returns
    -------
    ImageData
        ``train``, ``test``, ``train_labels``, ``test_labels``, ``shape``, ``levels``.

    Raises
    ------
    ValueError
        If the name is unknown, or ``VAE_NOTES_DATA`` names no folder, or a file in it is damaged.
    RuntimeError
        If no address gave the right file; the text lists each attempt and what to do.
    FileNotFoundError
        If frey_faces is not in ``VAE_NOTES_DATA``.

    Source: Alpaydin & Kaynak (1998) for digits; LeCun et al. (1998); Xiao, Rasul & Vollgraf (2017).

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.train.shape, digits.test.shape, digits.shape, digits.levels
    (torch.Size([1438, 64]), torch.Size([359, 64]), (8, 8), 17)
    """
    if name not in _LOADERS:
        raise ValueError(f"name must be one of {', '.join(_LOADERS)}, got {name!r}")
    return _LOADERS[name]()


# --- Binarisation -------------------------------------------------------------------------------------


def binarize(x: Tensor, how: str, *, generator: torch.Generator | None = None) -> Tensor:
    r"""Turn grey values into the targets of a Bernoulli likelihood, in one of four ways.

    .. math:: x'_j \sim \mathrm{Bernoulli}(x_j) \quad\text{or}\quad x'_j = [x_j > 1/2]

    A bound in nats means something only together with this choice: numbers from two of the four ways below
    must not stand in one column.

    Parameters
    ----------
    x : Tensor
        Grey values in [0, 1], floating, any shape.
    how : str
        ``"dynamic"``: each pixel is 1 with probability x, drawn anew at each call; call it for every batch.
        The data are then "pick an image, flip its coins": log p(x') is a true log probability of binary
        images, and each epoch shows new ones, which works against overfitting.

        ``"fixed"``: the same draw, made once and kept; call it once on the whole set, before training.
        log p(x') is a true log probability of one binary data set, and a model can overfit to its noise.
        Without a generator a seed of its own makes the same set at each call and on each device. (It is
        not the file that Larochelle made, which some papers use.)

        ``"threshold"``: 1 where x > 1/2. Without noise at the edges there is less to encode: a true log
        probability of easier images, many nats higher.

        ``"grey"``: x itself. A Bernoulli likelihood knows no values between 0 and 1; the usual cross-entropy
        on them is :math:`E_{x' \sim \mathrm{Bernoulli}(x)} \log p(x')`, the average over all images that
        ``"dynamic"`` could draw. It is no log density of x, and it stays below minus the entropy of the
        coins however good the model is. The package asks for ``soft_targets=True`` before it computes it.
    generator : torch.Generator, optional
        Source of the draws of ``"dynamic"`` and ``"fixed"``, on the device of x.

    Returns
    -------
    Tensor
        The shape, dtype and device of x.

    Raises
    ------
    TypeError, ValueError
        If x is not floating, holds NaN or leaves [0, 1], or ``how`` is unknown.

    Source: Salakhutdinov & Murray (2008) for the fixed draw; Burda, Grosse & Salakhutdinov (2016), section 5.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.5, 1.0]])
    >>> binarize(x, "threshold")
    tensor([[0., 0., 1.]])
    >>> torch.equal(binarize(x, "fixed"), binarize(x, "fixed"))
    True
    """
    checks.check_floating(x=x)
    checks.check_range(0.0, 1.0, x=x)
    if how == "dynamic":
        return (torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device) < x).to(x.dtype)
    if how == "fixed":
        if generator is not None:
            return binarize(x, "dynamic", generator=generator)
        seeded = torch.Generator().manual_seed(0)
        return (torch.rand(x.shape, generator=seeded).to(x.device) < x).to(x.dtype)
    if how == "threshold":
        return (x > 0.5).to(x.dtype)
    if how == "grey":
        return x
    raise ValueError(f"how must be one of dynamic, fixed, threshold, grey, got {how!r}")


# --- Toy sets -----------------------------------------------------------------------------------------


def two_moons(n: int, *, generator: torch.Generator | None = None) -> Tensor:
    r"""n points on two interleaved half circles, plus normal noise.

    .. math:: (\cos t, \sin t) \;\text{or}\; (1 - \cos t, 1/2 - \sin t), \quad t \sim U(0, \pi),
              \quad \text{noise of standard deviation } 0.1

    Parameters
    ----------
    n : int
        How many points; each lies on either moon with probability 1/2.
    generator : torch.Generator, optional
        Source of the draws, on the CPU.

    Returns
    -------
    Tensor
        (n, 2), of the default dtype of torch.

    Raises
    ------
    TypeError, ValueError
        If n is not an int of at least 1.

    Source: the same curves as scikit-learn's ``make_moons``.

    Examples
    --------
    >>> two_moons(4, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([4, 2])
    """
    checks.check_count(n=n)
    angle = math.pi * torch.rand(n, generator=generator)
    lower = torch.rand(n, generator=generator) < 0.5
    x = torch.where(lower, 1 - angle.cos(), angle.cos())
    y = torch.where(lower, 0.5 - angle.sin(), angle.sin())
    return torch.stack([x, y], dim=1) + 0.1 * torch.randn(n, 2, generator=generator)


def eight_gaussians(n: int, *, generator: torch.Generator | None = None) -> Tensor:
    r"""n points from eight equal normal clusters on a circle.

    .. math:: p(x) = \tfrac18 \sum_{k=0}^{7}
              N\big(x;\, 2 (\cos \tfrac{k\pi}{4}, \sin \tfrac{k\pi}{4}),\, 0.2^2 I\big)

    Parameters
    ----------
    n : int
        How many points.
    generator : torch.Generator, optional
        Source of the draws, on the CPU.

    Returns
    -------
    Tensor
        (n, 2), of the default dtype of torch.

    Raises
    ------
    TypeError, ValueError
        If n is not an int of at least 1.

    Examples
    --------
    >>> eight_gaussians(4, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([4, 2])
    """
    checks.check_count(n=n)
    angle = torch.randint(8, (n,), generator=generator) * (math.pi / 4)
    centre = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return centre + 0.2 * torch.randn(n, 2, generator=generator)


def pinwheel(n: int, *, generator: torch.Generator | None = None) -> Tensor:
    r"""n points from five arms of a wheel, each twisted in proportion to its distance from the centre.

    .. math:: r = 1 + 0.3\,\epsilon_1, \quad t = 0.1\,\epsilon_2, \quad
              x = R\big(\tfrac{2\pi k}{5} + \tfrac14 e^{r}\big) (r, t), \quad k \sim U\{0..4\}

    Here :math:`\epsilon_1, \epsilon_2` are standard normal and R(a) turns by the angle a.

    Parameters
    ----------
    n : int
        How many points.
    generator : torch.Generator, optional
        Source of the draws, on the CPU.

    Returns
    -------
    Tensor
        (n, 2), of the default dtype of torch.

    Raises
    ------
    TypeError, ValueError
        If n is not an int of at least 1.

    Source: the form of Johnson et al. (2016).

    Examples
    --------
    >>> pinwheel(4, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([4, 2])
    """
    checks.check_count(n=n)
    arm = torch.randint(5, (n,), generator=generator) * (2 * math.pi / 5)
    radius = 1 + 0.3 * torch.randn(n, generator=generator)
    offset = 0.1 * torch.randn(n, generator=generator)
    angle = arm + 0.25 * radius.exp()
    x = radius * angle.cos() - offset * angle.sin()
    y = radius * angle.sin() + offset * angle.cos()
    return torch.stack([x, y], dim=1)
