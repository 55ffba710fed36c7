"""What the training loop costs, beside a bare loop, a DataLoader loop and the matrix products alone.

    python tests/benchmarks/bench_training.py [--images 12800] [--blocks 9] [--epochs 1] [--threads 2]

Every row trains the same model (784-512-(32, 32) and 32-512-784, Bernoulli, batch 128, AdamW at 2e-3) from
the same start on the same binary images. The rows are interleaved: one block runs each of them once, and a
ratio compares two runs of one block, so that a slow moment of the machine hits both. Of seconds and of ratios
the 25th percentile over blocks is shown, in brackets the 75th. On a busy machine the CPU seconds of one
thread tell more than the clock. MNIST is used where VAE_NOTES_DATA has it.
"""

import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vae_notes import checks, data, likelihoods, models, training

BATCH, LEARNING_RATE = 128, 2e-3
X_DIM, HIDDEN, Z_DIM = 784, 512, 32


def new_vae() -> models.VAE:
    torch.manual_seed(0)
    encoder = models.Encoder(X_DIM, HIDDEN, Z_DIM)
    return models.VAE(encoder, models.Decoder(Z_DIM, HIDDEN, X_DIM), likelihoods.BernoulliLikelihood())


def plain_loss(vae: models.VAE, x: Tensor) -> Tensor:
    """The same loss written with PyTorch alone, with no check: the mean over the batch."""
    hidden = F.relu(vae.encoder.hidden(x))
    loc, log_variance = vae.encoder.loc(hidden), vae.encoder.log_variance(hidden)
    z = loc + torch.exp(0.5 * log_variance) * torch.randn_like(loc)
    logits = vae.decoder.output(F.relu(vae.decoder.hidden(z)))
    cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    kl = 0.5 * (loc**2 + log_variance.exp() - 1 - log_variance).sum(-1)
    return (cross_entropy + kl).mean()


# --- The loops: each trains a new model and returns it ------------------------------------------------


def run_fit(images: Tensor, epochs: int, bfloat16: bool = False) -> models.VAE:
    vae = new_vae()
    x = images.to(torch.float32) / 255
    settings = {"batch_size": BATCH, "learning_rate": LEARNING_RATE, "progress": False}
    training.fit(vae, x, epochs=epochs, bfloat16=bfloat16, **settings)
    return vae


def run_fit_bfloat16(images: Tensor, epochs: int) -> models.VAE:
    return run_fit(images, epochs, bfloat16=True)


def run_bare(images: Tensor, epochs: int, loss=lambda vae, x: vae.loss(x)["loss"].mean()) -> models.VAE:
    """The shortest quick loop: data in memory, nothing measured, nothing checked."""
    vae = new_vae()
    x = images.to(torch.float32) / 255
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    with checks.value_checks_off():
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(BATCH):
                value = loss(vae, x.index_select(0, rows))
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
    return vae


def run_bare_plain(images: Tensor, epochs: int) -> models.VAE:
    return run_bare(images, epochs, loss=plain_loss)


class ImagesOneByOne(torch.utils.data.Dataset):
    """Converts an image each time it is asked for, by the operations of torchvision's ToTensor."""

    def __init__(self, images: Tensor):
        self.images = images.reshape(-1, 28, 28, 1).numpy()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        image = torch.from_numpy(self.images[index]).permute(2, 0, 1).contiguous()
        return image.to(torch.float32).div(255).view(-1)


def run_dataloader(images: Tensor, epochs: int) -> models.VAE:
    """The loop of most tutorials: DataLoader, conversion per image, default optimizer, .item() per step."""
    vae = new_vae()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    loader = torch.utils.data.DataLoader(ImagesOneByOne(images), batch_size=BATCH, shuffle=True)
    total = 0.0
    for _ in range(epochs):
        for x in loader:
            value = plain_loss(vae, x)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item()
    return vae


def run_matrix_products(images: Tensor, epochs: int) -> None:
    """The 11 matrix products of a step (forward, by weight, by input) and nothing else: the floor.

    The encoder's two heads count as one layer of 64; the input of the first layer needs no gradient.
    """
    x = (images[:BATCH].to(torch.float32) / 255).contiguous()
    widths = ((X_DIM, HIDDEN), (HIDDEN, 2 * Z_DIM), (Z_DIM, HIDDEN), (HIDDEN, X_DIM))
    inputs = [x] + [torch.randn(len(x), n) for n, _ in widths[1:]]
    weights = [torch.randn(m, n) for n, m in widths]
    gradients = [torch.randn(len(x), m) for _, m in widths]
    for _ in range(epochs * -(-len(images) // BATCH)):
        for layer, (a, w, g) in enumerate(zip(inputs, weights, gradients, strict=True)):
            F.linear(a, w)
            g.t() @ a
            if layer > 0:
                g @ w


LOOPS = {
    "bare loop, same model": run_bare,
    "vae_notes.training.fit": run_fit,
    "fit, bfloat16": run_fit_bfloat16,
    "bare loop, loss in plain PyTorch": run_bare_plain,
    "DataLoader, image by image": run_dataloader,
    "matrix products alone": run_matrix_products,
}
BARE, FLOOR = "bare loop, same model", "matrix products alone"


# --- Measuring ----------------------------------------------------------------------------------------


def load_images(n: int) -> tuple[Tensor, Tensor, str]:
    """n binary training images and up to 2,000 for the test, as uint8 0 or 255, and where they come from."""
    folder = Path(os.environ.get("VAE_NOTES_DATA", "")) / "mnist"
    if any((folder / f"train-images-idx3-ubyte{end}").is_file() for end in ("", ".gz")):
        mnist = data.load("mnist")
        binary = [data.binarize(x, "fixed") for x in (mnist.train[:n], mnist.test[:2000])]
        source = "MNIST"
    else:
        generator = torch.Generator().manual_seed(0)
        z = torch.randn(n + 2000, 8, generator=generator)
        logits = z @ torch.randn(8, X_DIM, generator=generator) - 3
        binary = torch.bernoulli(logits.sigmoid(), generator=generator).split([n, 2000])
        source = "synthetic images of MNIST's shape (VAE_NOTES_DATA does not hold MNIST)"
    train, test = ((x * 255).to(torch.uint8) for x in binary)
    return train, test, source


@torch.no_grad()
def test_elbo(vae: models.VAE, images: Tensor) -> float:
    generator = torch.Generator().manual_seed(1)
    return vae.loss(images.to(torch.float32) / 255, generator)["elbo"].mean().item()


def measure(train: Tensor, test: Tensor, blocks: int, epochs: int) -> list[dict]:
    """One row per loop: percentiles of seconds and ratios, CPU seconds, and the last block's test ELBO."""
    seconds = {name: [] for name in LOOPS}
    cpu = {name: [] for name in LOOPS}
    elbo = dict.fromkeys(LOOPS, float("nan"))
    names = list(LOOPS)
    for block in range(-1, blocks):  # block -1 warms up and is not counted
        for name in names[block % len(names) :] + names[: block % len(names)]:  # no fixed place in a block
            wall, used = time.perf_counter(), time.process_time()
            vae = LOOPS[name](train, epochs)
            wall, used = time.perf_counter() - wall, time.process_time() - used
            if block >= 0:
                seconds[name].append(wall)
                cpu[name].append(used)
            if vae is not None and block == blocks - 1:
                elbo[name] = test_elbo(vae, test)
    return [_row(name, seconds, cpu, elbo, len(train) * epochs) for name in LOOPS]


def _row(name: str, seconds: dict, cpu: dict, elbo: dict, samples: int) -> dict:
    own = np.array(seconds[name])
    low, high = np.percentile(own, [25, 75])
    ratio_low, ratio_high = np.percentile(own / np.array(seconds[BARE]), [25, 75])
    return {
        "loop": name,
        "seconds": (low, high),
        "CPU seconds": np.percentile(cpu[name], 25),
        "images/s": samples / low,
        "to bare loop": (ratio_low, ratio_high),
        "CPU to bare": np.percentile(np.array(cpu[name]) / np.array(cpu[BARE]), 25),
        "share of floor": np.percentile(np.array(seconds[FLOOR]) / own, 25),
        "test ELBO": elbo[name],
    }


def table(rows: list[dict]) -> str:
    head = f"{'loop':34}{'seconds':>17}{'CPU s':>8}{'images/s':>10}{'to bare loop':>16}"
    lines = [head + f"{'CPU to bare':>13}{'of floor':>10}{'test ELBO':>11}"]
    for row in rows:
        seconds = "{:.3f} ({:.3f})".format(*row["seconds"])
        ratio = "{:.2f} ({:.2f})".format(*row["to bare loop"])
        elbo = "-" if math.isnan(row["test ELBO"]) else f"{row['test ELBO']:.2f}"
        lines.append(
            f"{row['loop']:34}{seconds:>17}{row['CPU seconds']:>8.3f}{row['images/s']:>10.0f}{ratio:>16}"
            f"{row['CPU to bare']:>13.2f}{row['share of floor']:>10.0%}{elbo:>11}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12_800, help="training images per epoch")
    parser.add_argument("--blocks", type=int, default=9, help="how often every loop is run")
    parser.add_argument("--epochs", type=int, default=1, help="epochs per run")
    parser.add_argument("--threads", type=int, default=None, help="threads of PyTorch")
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    train, test, source = load_images(options.images)
    print(
        f"{len(train)} {source}; {options.epochs} epoch(s), {options.blocks} blocks, "
        f"{torch.get_num_threads()} thread(s), PyTorch {torch.__version__}"
    )
    rows = measure(train, test, options.blocks, options.epochs)
    print(table(rows))
    return rows


if __name__ == "__main__":
    main()
