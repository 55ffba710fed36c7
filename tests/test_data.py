"""Tests of the data sets. The downloader is tested against a server on this machine and asks no other."""

import gzip
import hashlib
import math
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from sklearn.datasets import load_digits

from vae_notes import checks, data

# --- Digits -------------------------------------------------------------------------------------------


def test_digits_are_those_of_scikit_learn_with_every_fifth_held_out():
    bunch = load_digits()
    digits = data.load("digits")
    assert digits.shape == (8, 8) and digits.levels == 17
    assert digits.train.shape == (1438, 64) and digits.test.shape == (359, 64)
    held_out = [i for i in range(1797) if i % 5 == 4]
    kept = [i for i in range(1797) if i % 5 != 4]
    for images, labels, rows in (
        (digits.train, digits.train_labels, kept),
        (digits.test, digits.test_labels, held_out),
    ):
        np.testing.assert_array_equal(images.numpy() * 16, bunch.data[rows])
        np.testing.assert_array_equal(labels.numpy(), bunch.target[rows])
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        assert images.min() == 0 and images.max() == 1


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="name must be one of digits, mnist, .*, frey_faces, got 'cifar'"):
        data.load("cifar")


# --- Files in the idx format --------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 2), (300, 2)])
def test_idx_files_are_read(shape):
    array = np.random.default_rng(0).integers(0, 256, shape)
    found = data._parse_idx(idx(array))
    assert found.dtype == torch.uint8
    np.testing.assert_array_equal(found.numpy(), array)


@pytest.mark.parametrize(
    "raw, text",
    [
        (b"", "begins with 00 00 08, got nothing"),
        (b"\0\0\x08", "begins with 00 00 08, got 00 00 08"),
        (b"\0\0\x0d\1" + bytes(8), "begins with 00 00 08, got 00 00 0d"),
        (b"\1\0\x08\1" + bytes(8), "begins with 00 00 08, got 01 00 08"),
        (b"\0\0\x08\0", "promises 0 dimensions"),
        (b"\0\0\x08\3" + bytes(11), "promises 3 dimensions, but the file has 15 bytes"),
        (idx(np.zeros((2, 3)))[:-1], r"promises \[2, 3\], 6 bytes, got 5"),
        (idx(np.zeros((2, 3))) + b"\0", r"promises \[2, 3\], 6 bytes, got 7"),
    ],
)
def test_bad_idx_files_are_refused(raw, text):
    with pytest.raises(ValueError, match=text):
        data._parse_idx(raw)


# --- Downloads, from a server on this machine ---------------------------------------------------------

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def small_set() -> dict[str, bytes]:
    """The four files of a set like MNIST, with 20 and 6 images of 4 by 3 pixels."""
    chance = np.random.default_rng(1)
    arrays = (
        chance.integers(0, 256, (20, 4, 3)),
        np.arange(20) % 10,
        chance.integers(0, 256, (6, 4, 3)),
        np.arange(6),
    )
    return {name: idx(array) for name, array in zip(FILES, arrays, strict=True)}


class Site:
    """Answers requests for /folder/name by a rule per folder, and counts what was asked for."""

    def __init__(self):
        self.rules, self.asked = {}, Counter()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                folder, _, name = self.path.lstrip("/").partition("/")
                site.asked[folder] += 1
                status, content, promised = site.rules[folder](name)
                self.send_response(status)
                if promised is not None:
                    self.send_header("Content-Length", str(promised))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def addresses(self, **rules) -> tuple[str, ...]:
        self.rules |= rules
        return tuple(f"{self.address}/{folder}" for folder in rules)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def good(name):
    content = gzip.compress(small_set()[name.removesuffix(".gz")])
    return 200, content, len(content)


def missing(name):
    return 404, b"", 0


def corrupted(name):
    """A right gzip file of wrong bytes: only the checksum can tell."""
    content = bytearray(small_set()[name.removesuffix(".gz")])
    content[-1] ^= 1
    content = gzip.compress(bytes(content))
    return 200, content, len(content)


def truncated(name):
    """The connection ends before the promised length."""
    _, content, length = good(name)
    return 200, content[: length // 2], length


def truncated_silently(name):
    """Half a file, with no length promised."""
    _, content, length = good(name)
    return 200, content[: length // 2], None


def unpacked(name):
    """What a server sends that decompresses on the way."""
    content = small_set()[name.removesuffix(".gz")]
    return 200, content, len(content)


def a_page(name):
    return 200, b"<html>Please log in</html>", 26


@pytest.fixture
def site(monkeypatch, tmp_path):
    """The server, a small set behind the name mnist, an empty cache folder, and no VAE_NOTES_DATA."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in small_set().items()}
    monkeypatch.setitem(data._SHA256, "mnist", digests)
    monkeypatch.setattr(data, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("VAE_NOTES_DATA", raising=False)
    for name in ("NO_PROXY", "no_proxy"):  # a proxy has no business on this machine
        monkeypatch.setenv(name, "127.0.0.1")
    site = Site()

    def serve(**rules):
        monkeypatch.setitem(data._ADDRESSES, "mnist", site.addresses(**rules))

    site.serve = serve
    yield site
    site.close()


def assert_is_small_set(found: data.ImageData) -> None:
    for images, labels, name in (
        (found.train, found.train_labels, "train"),
        (found.test, found.test_labels, "t10k"),
    ):
        raw = small_set()
        expected = np.frombuffer(raw[f"{name}-images-idx3-ubyte"][16:], np.uint8)
        np.testing.assert_array_equal((images * 255).round().numpy().ravel(), expected)
        assert images.shape[1] == 12 and images.dtype == torch.float32 and images.max() <= 1
        np.testing.assert_array_equal(labels, np.frombuffer(raw[f"{name}-labels-idx1-ubyte"][8:], np.uint8))
        assert labels.dtype == torch.int64
    assert found.shape == (4, 3) and found.levels == 256


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


KEPT = sorted(f"mnist/{name}.gz" for name in FILES)


def test_addresses_are_tried_in_order_and_the_file_is_kept(site, tmp_path):
    site.serve(first=missing, second=corrupted, third=good, fourth=good)
    assert_is_small_set(data.load("mnist"))
    assert site.asked == {"first": 4, "second": 4, "third": 4}
    assert files_in(tmp_path / "cache") == KEPT
    assert_is_small_set(data.load("mnist"))
    assert site.asked.total() == 12, "the second time nothing is asked"


@pytest.mark.parametrize("bad", [missing, corrupted, truncated, truncated_silently, a_page])
def test_a_bad_address_is_passed_over(bad, site, tmp_path):
    site.serve(bad=bad, good=good)
    assert_is_small_set(data.load("mnist"))
    assert site.asked == {"bad": 4, "good": 4}
    assert files_in(tmp_path / "cache") == KEPT


def test_a_server_that_unpacks_is_understood(site, tmp_path):
    site.serve(unpacked=unpacked)
    assert_is_small_set(data.load("mnist"))
    assert_is_small_set(data.load("mnist"))
    assert site.asked == {"unpacked": 4}


def test_when_all_fail_the_error_says_what_was_tried_and_what_to_do(site, tmp_path):
    site.serve(a=missing, b=corrupted, c=truncated, d=truncated_silently)
    data._ADDRESSES["mnist"] += ("http://127.0.0.1:9/nobody",)
    with pytest.raises(RuntimeError) as error:
        data.load("mnist")
    text = str(error.value)
    name = "train-images-idx3-ubyte.gz"
    assert "could not get mnist/train-images-idx3-ubyte: no address gave the right file" in text
    for folder, reason in (
        ("a", "404"),
        ("b", "its content has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}"),
        ("c", r"ChunkedEncodingError|ConnectionError|IncompleteRead|does not decompress"),
        ("d", r"it does not decompress \("),
    ):
        assert re.search(rf"{re.escape(site.address)}/{folder}/{name}: .*({reason})", text), folder
    assert re.search(rf"http://127.0.0.1:9/nobody/{name}: \w*Error", text)
    assert f"put it at FOLDER/mnist/{name} (or unpacked, without .gz)" in text
    assert "VAE_NOTES_DATA to FOLDER (now not set)" in text and 'load("digits") needs no download' in text
    assert files_in(tmp_path) == [], "nothing half or wrong is left"


@pytest.mark.parametrize("damage", [lambda x: x[:-20], lambda x: b"", lambda x: x[:30] + b"?" + x[31:]])
def test_a_damaged_file_in_the_cache_is_fetched_again(damage, site, tmp_path):
    site.serve(good=good)
    data.load("mnist")
    path = tmp_path / "cache" / KEPT[0]
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert_is_small_set(data.load("mnist"))
    assert site.asked == {"good": 5}
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(whole)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder of VAE_NOTES_DATA with the small set in it, two files unpacked and two not."""
    folder = tmp_path / "data"
    (folder / "mnist").mkdir(parents=True)
    for i, (name, content) in enumerate(small_set().items()):
        if i % 2:
            (folder / "mnist" / name).write_bytes(content)
        else:
            (folder / "mnist" / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("VAE_NOTES_DATA", str(folder))
    return folder


def test_the_folder_of_vae_notes_data_comes_first(site, folder, tmp_path):
    site.serve(good=good)
    before = files_in(folder)
    assert_is_small_set(data.load("mnist"))
    assert site.asked.total() == 0 and files_in(folder) == before and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file_in_vae_notes_data_is_named_and_left(number, site, folder, monkeypatch):
    site.serve(good=good)
    monkeypatch.delenv("VAE_NOTES_DATA")
    data.load("mnist")  # a good copy in the cache must not hide the damage
    monkeypatch.setenv("VAE_NOTES_DATA", str(folder))
    path = folder / files_in(folder)[number]
    bad = path.read_bytes()[:-10]
    path.write_bytes(bad)
    text = (
        rf"{re.escape(str(path))} \(found through VAE_NOTES_DATA\) is damaged, or another file: it.* Replace"
    )
    with pytest.raises(ValueError, match=text):
        data.load("mnist")
    assert path.read_bytes() == bad and site.asked.total() == 4


@pytest.mark.parametrize("writable", [True, False])
def test_what_vae_notes_data_lacks_is_kept_there_if_possible(writable, site, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: writable or Path(path) != folder)
    site.serve(good=good)
    (folder / "mnist" / f"{FILES[0]}.gz").unlink()
    before = files_in(folder)
    for _ in range(2):
        assert_is_small_set(data.load("mnist"))
        assert site.asked == {"good": 1}
    new = f"mnist/{FILES[0]}.gz"
    assert files_in(folder) == (sorted([*before, new]) if writable else before)
    assert files_in(tmp_path / "cache") == ([] if writable else [new])


def test_vae_notes_data_must_be_a_folder(site, monkeypatch, tmp_path):
    site.serve(good=good)
    monkeypatch.setenv("VAE_NOTES_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="VAE_NOTES_DATA must name an existing folder, got .*nowhere"):
        data.load("mnist")
    assert data.load("digits").levels == 17


SECOND_PROCESS = """
import sys
from pathlib import Path
from vae_notes import data
print(*(name for name in ("sklearn", "pooch", "matplotlib") if name in sys.modules))
cache, address, digests = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])
data._SHA256["mnist"], data._ADDRESSES["mnist"] = digests, (address,)
data._cache_folder = lambda: cache
print(data.load("mnist").train.sum().item())
"""


def test_two_processes_at_once(site, tmp_path):
    """Each file is sent only when both have asked for it, so that the downloads overlap for certain."""
    both = threading.Barrier(2, timeout=60)

    def together(name):
        both.wait()
        return good(name)

    site.serve(together=together)
    arguments = [str(tmp_path / "cache"), f"{site.address}/together", repr(data._SHA256["mnist"])]
    command = [sys.executable, "-c", SECOND_PROCESS, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        found = data.load("mnist")
        out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    loaded, total = out.split("\n")[:2]
    assert loaded == "", "importing the module must not import what only some functions need"
    assert float(total) == found.train.sum().item()
    assert_is_small_set(found)
    assert files_in(tmp_path / "cache") == KEPT


def test_a_progress_bar_only_where_someone_watches(site, capsys, monkeypatch):
    site.serve(good=good)
    monkeypatch.setenv("VAE_NOTES_PROGRESS", "0")
    data._from_network(f"mnist/{FILES[0]}")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("VAE_NOTES_PROGRESS", "1")
    data._from_network(f"mnist/{FILES[0]}")
    assert "100%" in capsys.readouterr().err


def test_the_cache_is_the_users_own():
    assert data._cache_folder() == Path(pooch.os_cache("vae-notes"))


def test_every_file_has_a_checksum_and_every_set_several_addresses():
    for name in ("mnist", "fashion_mnist"):
        assert tuple(data._SHA256[name]) == FILES
        assert len({address.split("/")[2] for address in data._ADDRESSES[name]}) >= 3
        assert all(re.fullmatch(r"https?://[\w./-]+[^/]", address) for address in data._ADDRESSES[name])
    digests = [digest for files in data._SHA256.values() for digest in files.values()]
    assert len(digests) == len(set(digests)) == 9
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)


# --- The real sets ------------------------------------------------------------------------------------


def full_size(name: str) -> data.ImageData:
    """The set from VAE_NOTES_DATA; the test is skipped where it is not there."""
    folder = os.environ.get("VAE_NOTES_DATA")
    if not folder:
        pytest.skip(f"VAE_NOTES_DATA is not set, so {name} is not read in full size")
    for file in data._SHA256[name]:
        if not any((Path(folder) / name / f"{file}{end}").is_file() for end in ("", ".gz")):
            pytest.skip(f"VAE_NOTES_DATA holds no {name}/{file}, so {name} is not read in full size")
    return data.load(name)


@pytest.mark.parametrize("name, mean, std", [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)])
def test_full_size(name, mean, std):
    found = full_size(name)
    assert found.train.shape == (60000, 784) and found.test.shape == (10000, 784)
    assert found.shape == (28, 28) and found.levels == 256
    assert found.train.min() == 0 and found.train.max() == 1
    assert found.train.mean().item() == pytest.approx(mean, abs=5e-5)
    assert found.train.std().item() == pytest.approx(std, abs=5e-5)
    assert found.train_labels.unique().tolist() == found.test_labels.unique().tolist() == list(range(10))
    assert found.train_labels.shape == (60000,) and found.test_labels.shape == (10000,)
    if name == "mnist":
        assert found.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert found.test_labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_full_size_frey_faces():
    found = full_size("frey_faces")
    assert found.train.shape == (1572, 560) and found.test.shape == (393, 560)
    assert found.shape == (28, 20) and found.levels == 256
    assert found.train_labels is None and found.test_labels is None
    assert 0.5 < found.train.mean() < 0.7


def test_frey_faces_are_never_downloaded(monkeypatch, tmp_path):
    text = (
        r"local file only: FOLDER/frey_faces/frey_1965x28x20_u8.npy, .* \(now not set\).*licence is not known"
    )
    monkeypatch.delenv("VAE_NOTES_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=text):
        data.load("frey_faces")
    monkeypatch.setenv("VAE_NOTES_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=re.escape(f"(now {tmp_path})")):
        data.load("frey_faces")


def test_frey_faces_hold_out_the_end_of_the_film(monkeypatch, tmp_path):
    frames = np.arange(20 * 28 * 20, dtype=np.uint32).astype(np.uint8).reshape(20, 28, 20)
    path = tmp_path / "frey_faces" / "frey_1965x28x20_u8.npy"
    path.parent.mkdir()
    np.save(path, frames)
    monkeypatch.setenv("VAE_NOTES_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="is damaged, or another file: its content has SHA-256"):
        data.load("frey_faces")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(data._SHA256, "frey_faces", {path.name: digest})
    found = data.load("frey_faces")
    both = torch.cat([found.train, found.test])
    np.testing.assert_array_equal((both * 255).round().numpy(), frames.reshape(20, 560))
    assert len(found.test) == 4 and found.shape == (28, 20)


# --- Binarisation -------------------------------------------------------------------------------------


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dynamic_draws_a_coin_per_pixel(dtype):
    probabilities = torch.tensor([0.0, 0.01, 0.3, 0.5, 0.9, 1.0], dtype=dtype)
    n = 100_000
    x = probabilities.expand(n, 6)
    drawn = data.binarize(x, "dynamic", generator=seeded())
    assert drawn.dtype == dtype and drawn.shape == x.shape and set(drawn.unique().tolist()) == {0.0, 1.0}
    assert not drawn[:, 0].any() and drawn[:, 5].all(), "0 and 1 are certain"
    # Six standard errors: about 1e-8 for a false alarm over these six columns.
    error = (probabilities * (1 - probabilities) / n).sqrt()
    assert ((drawn.mean(0) - probabilities).abs() <= 6 * error).all()


def test_dynamic_is_new_at_each_call_and_follows_the_generator():
    x = torch.full((10, 10), 0.5)
    generator = seeded(3)
    first, second = (data.binarize(x, "dynamic", generator=generator) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, data.binarize(x, "dynamic", generator=seeded(3)))
    torch.manual_seed(0)
    assert not torch.equal(data.binarize(x, "dynamic"), data.binarize(x, "dynamic"))


@pytest.mark.parametrize("how", ["dynamic", "fixed"])
def test_a_pixel_of_zero_stays_zero_even_at_the_smallest_draw(how, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.zeros(shape))
    assert data.binarize(torch.tensor([0.0, 1e-30, 1.0]), how).tolist() == [0, 1, 1]


def test_fixed_is_one_draw_for_everyone():
    x = data.load("digits").train
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = data.binarize(x, "fixed")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, data.binarize(x, "fixed"))
    assert torch.equal(first, data.binarize(x.double(), "fixed").float())
    assert not torch.equal(first, data.binarize(x, "fixed", generator=seeded(4)))
    assert torch.equal(
        data.binarize(x, "fixed", generator=seeded(4)), data.binarize(x, "fixed", generator=seeded(4))
    )
    # Six standard errors of the sum of all coins: a false alarm once in 5e8 draws.
    error = (x * (1 - x)).sum().sqrt()
    assert (first.sum() - x.sum()).abs() < 6 * error
    assert (first[x == 0] == 0).all() and (first[x == 1] == 1).all()


def test_threshold_and_grey():
    x = torch.tensor([0.0, 0.5 - 1e-6, 0.5, 0.5 + 1e-6, 1.0])
    assert data.binarize(x, "threshold").tolist() == [0, 0, 0, 1, 1]
    assert data.binarize(x, "threshold").dtype == torch.float32
    assert torch.equal(data.binarize(x, "grey"), x)


@pytest.mark.parametrize("how", ["dynamic", "fixed", "threshold", "grey"])
def test_binarize_takes_every_layout(how):
    x = torch.rand(6, 4, generator=seeded())
    for value in (x.t(), x[::2, 1:], x[:0], x[0, 0], x.double()):
        out = data.binarize(value, how, generator=seeded())
        assert out.shape == value.shape and out.dtype == value.dtype


@pytest.mark.parametrize("how", ["dynamic", "fixed", "threshold", "grey"])
@pytest.mark.parametrize(
    "x, error, text",
    [
        (torch.zeros(3, dtype=torch.uint8), TypeError, "x must be floating, got torch.uint8"),
        ([0.0, 1.0], TypeError, "x must be a torch.Tensor, got list"),
        (torch.tensor([0.0, 255.0]), ValueError, "x must lie between 0.0 and 1.0, but .* 0 and 255"),
        (torch.tensor([-0.1, 0.5]), ValueError, "x must lie between 0.0 and 1.0, but .* -0.1 and 0.5"),
        (torch.tensor([math.nan]), ValueError, "x must not hold NaN"),
    ],
)
def test_bad_targets_are_refused(how, x, error, text):
    with pytest.raises(error, match=text):
        data.binarize(x, how)


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="how must be one of dynamic, fixed, threshold, grey, got 'static'"):
        data.binarize(torch.zeros(2), "static")


def test_the_check_of_values_can_be_switched_off():
    with checks.value_checks_off():
        assert data.binarize(torch.tensor([2.0]), "threshold").tolist() == [1.0]


# --- Toy sets -----------------------------------------------------------------------------------------

TOYS = [data.two_moons, data.eight_gaussians, data.pinwheel]


@pytest.mark.parametrize("toy", TOYS)
def test_toy_sets(toy):
    x = toy(500, generator=seeded(1))
    assert x.shape == (500, 2) and x.dtype == torch.float32 and x.isfinite().all()
    assert torch.equal(x, toy(500, generator=seeded(1)))
    assert not torch.equal(x, toy(500, generator=seeded(2)))
    assert toy(1).shape == (1, 2)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        toy(0)
    with pytest.raises(TypeError, match="n must be an int, got float"):
        toy(2.0)


# In what follows n = 20,000 and the bounds lie six standard errors away: below 1e-7 for a false alarm each.


def test_two_moons_lie_on_two_half_circles():
    x = data.two_moons(20_000, generator=seeded()).double()
    t = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    moons = [torch.stack(m, 1) for m in ((t.cos(), t.sin()), (1 - t.cos(), 0.5 - t.sin()))]
    distance = torch.stack([torch.cdist(x, moon).min(1).values for moon in moons])
    nearest = distance.min(0)
    assert nearest.values.max() < 0.6, "six standard deviations of the noise"
    assert (
        0.05 < nearest.values.square().mean().sqrt() < 0.1
    )  # the distance is one of the noise's two directions
    assert abs((nearest.indices == 0).double().mean() - 0.5) < 6 * 0.5 / math.sqrt(20_000)
    assert x[:, 0].min() < -0.9 and x[:, 0].max() > 1.9, "both moons in full"


def test_eight_gaussians_have_their_centres_weights_and_width():
    n = 20_000
    x = data.eight_gaussians(n, generator=seeded()).double()
    angle = torch.arange(8, dtype=torch.float64) * math.pi / 4
    centres = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    nearest = torch.cdist(x, centres).argmin(1)
    for k in range(8):
        own = x[nearest == k]
        assert abs(len(own) / n - 1 / 8) < 6 * math.sqrt(1 / 8 * 7 / 8 / n)
        assert ((own.mean(0) - centres[k]).abs() < 6 * 0.2 / math.sqrt(len(own))).all()
        assert ((own.std(0) - 0.2).abs() < 6 * 0.2 / math.sqrt(2 * len(own))).all()


def test_the_pinwheel_untwisted_has_five_straight_arms():
    n = 20_000
    x = data.pinwheel(n, generator=seeded()).double()
    # The length of (r, t) survives the turn; with it close to r, turning back by e^r / 4 shows the arm.
    radius = x.norm(dim=1)
    angle = torch.atan2(x[:, 1], x[:, 0]) - 0.25 * radius.exp()
    arm = torch.remainder(angle / (2 * math.pi / 5) + 0.5, 5).floor()
    away = radius > 0.7  # near the centre the arms meet
    for k in range(5):
        assert abs((arm[away] == k).double().mean() - 1 / 5) < 6 * math.sqrt(0.16 / away.sum())
    offset = torch.remainder(angle + math.pi / 5, 2 * math.pi / 5) - math.pi / 5
    assert (radius * offset.sin())[away].std() == pytest.approx(0.1, abs=0.01)
    assert radius.mean() == pytest.approx(1.0, abs=0.02)
    assert radius.std() == pytest.approx(0.3, abs=0.02)
