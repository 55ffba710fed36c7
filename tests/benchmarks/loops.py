"""The loops that the benchmark compares: each trains the same model from the same start and returns it.

The model is 784-512-(32, 32) and 32-512-784 with a Bernoulli likelihood, the batch 128, the optimiser AdamW at
2e-3. A loop is a function of the images (N, 784), uint8 0 or 255, of the number of epochs and of the device.
Below the loops stand the floors, which train nothing: the matrix products of the steps, the launches of their
operations, and one large matrix product.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vae_notes import checks, data, likelihoods, models, training

BATCH, LEARNING_RATE = 128, 2e-3
X_DIM, HIDDEN, Z_DIM = 784, 512, 32


def new_vae(z_dim: int = Z_DIM) -> models.VAE:
    torch.manual_seed(0)
    encoder = models.Encoder(X_DIM, HIDDEN, z_dim)
    return models.VAE(encoder, models.Decoder(z_dim, HIDDEN, X_DIM), likelihoods.BernoulliLikelihood())


def plain_loss(vae: models.VAE, x: Tensor) -> Tensor:
    """The same loss written with PyTorch alone, with no check: the mean over the batch."""
    hidden = F.relu(vae.encoder.hidden(x))
    loc, log_variance = vae.encoder.loc(hidden), vae.encoder.log_variance(hidden)
    z = loc + torch.exp(0.5 * log_variance) * torch.randn_like(loc)
    logits = vae.decoder.output(F.relu(vae.decoder.hidden(z)))
    cross_entropy = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    kl = 0.5 * (loc**2 + log_variance.exp() - 1 - log_variance).sum(-1)
    return (cross_entropy + kl).mean()


def package_loss(vae: models.VAE, x: Tensor) -> Tensor:
    return vae.loss(x)["loss"].mean()


def as_floats(images: Tensor, device: str = "cpu") -> Tensor:
    return images.to(device).to(torch.float32) / 255


# --- Loops --------------------------------------------------------------------------------------------


def run_fit(images: Tensor, epochs: int, device: str = "cpu", bfloat16: bool = False) -> models.VAE:
    vae = new_vae()
    settings = {"batch_size": BATCH, "learning_rate": LEARNING_RATE, "device": device, "progress": False}
    training.fit(vae, as_floats(images, device), epochs=epochs, bfloat16=bfloat16, **settings)
    return vae


def run_fit_bfloat16(images: Tensor, epochs: int, device: str = "cpu") -> models.VAE:
    return run_fit(images, epochs, device, bfloat16=True)


def run_bare(images: Tensor, epochs: int, device: str = "cpu", loss=package_loss) -> models.VAE:
    """The shortest quick loop: data in memory, nothing measured, nothing checked."""
    vae = new_vae().to(device)
    x = as_floats(images, device)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    with checks.value_checks_off():
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).to(device).split(BATCH):
                value = loss(vae, x.index_select(0, rows))
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
    return vae


def run_bare_plain(images: Tensor, epochs: int, device: str = "cpu") -> models.VAE:
    return run_bare(images, epochs, device, loss=plain_loss)


class ImagesOneByOne(torch.utils.data.Dataset):
    """An image through PIL and into floats each time it is asked for: what torchvision's MNIST and ToTensor do."""

    def __init__(self, images: Tensor):
        self.images = images.reshape(-1, 28, 28)
        self.labels = torch.zeros(len(images), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        image = torch.from_numpy(np.array(picture, np.uint8, copy=True)).view(28, 28, 1)
        image = image.permute(2, 0, 1).contiguous()
        return image.to(torch.float32).div(255), int(self.labels[index])


def run_dataloader(images: Tensor, epochs: int, device: str = "cpu", workers: int = 0) -> models.VAE:
    """The loop of most tutorials: DataLoader, conversion per image, default optimiser, .item() per step."""
    vae = new_vae().to(device)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    settings = {"batch_size": BATCH, "shuffle": True, "num_workers": workers}
    loader = torch.utils.data.DataLoader(ImagesOneByOne(images), **settings)
    total = 0.0
    for _ in range(epochs):
        for x, _labels in loader:
            value = plain_loss(vae, x.view(-1, X_DIM).to(device))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item()
    return vae


def run_dataloader_with_workers(images: Tensor, epochs: int, device: str = "cpu") -> models.VAE:
    """The loop of the notes: two more processes convert the images and send them over."""
    return run_dataloader(images, epochs, device, workers=2)


def run_cuda_graph(images: Tensor, epochs: int, device: str = "cuda") -> models.VAE:
    """The bare loop with each step launched as one recorded graph; a last, smaller batch is left out."""
    vae = new_vae().to(device)
    x, batch = as_floats(images, device), torch.zeros(BATCH, X_DIM, device=device)
    settings = {"lr": LEARNING_RATE, "weight_decay": 0.0, "fused": True, "capturable": True}
    optimizer = torch.optim.AdamW(vae.parameters(), **settings)
    start = {name: value.clone() for name, value in vae.state_dict().items()}

    def step():
        optimizer.zero_grad()
        package_loss(vae, batch).backward()
        optimizer.step()

    with checks.value_checks_off():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # as PyTorch asks for before a capture: buffers and moments come to be
                step()
        torch.cuda.current_stream().wait_stream(side)
        optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
    vae.load_state_dict(start)  # the steps above do not count
    for state in optimizer.state.values():
        for value in state.values():
            value.zero_()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).to(device).split(BATCH):
            if len(rows) == BATCH:
                torch.index_select(x, 0, rows, out=batch)
                graph.replay()
    return vae


# --- Floors -------------------------------------------------------------------------------------------


def steps_of(images: Tensor, epochs: int) -> int:
    return epochs * -(-len(images) // BATCH)


def run_matrix_products(images: Tensor, epochs: int, device: str = "cpu") -> None:
    """The 11 matrix products of a step (forward, by weight, by input) and nothing else: the arithmetic floor.

    The encoder's two heads count as one layer of 64; the input of the first layer needs no gradient.
    """
    x = as_floats(images[:BATCH], device).contiguous()
    widths = ((X_DIM, HIDDEN), (HIDDEN, 2 * Z_DIM), (Z_DIM, HIDDEN), (HIDDEN, X_DIM))
    inputs = [x] + [torch.randn(len(x), n, device=device) for n, _ in widths[1:]]
    weights = [torch.randn(m, n, device=device) for n, m in widths]
    gradients = [torch.randn(len(x), m, device=device) for _, m in widths]
    for _ in range(steps_of(images, epochs)):
        for layer, (a, w, g) in enumerate(zip(inputs, weights, gradients, strict=True)):
            F.linear(a, w)
            g.t() @ a
            if layer > 0:
                g @ w


class _Operations(TorchDispatchMode):
    """Counts the operations that start work: views and the like only rename what is there."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.count += not (func.is_view or "empty" in func.name() or "detach" in func.name())
        return result


def operations_per_step() -> int:
    """How many operations one step of the bare loop starts; each is at least one launch on a GPU."""
    images = torch.zeros(2 * BATCH, X_DIM, dtype=torch.uint8)
    counts = []
    for n in (BATCH, 2 * BATCH):
        with _Operations() as operations:
            run_bare(images[:n], epochs=1)
        counts.append(operations.count)
    return counts[1] - counts[0]


def run_launches(images: Tensor, epochs: int, device: str = "cpu") -> None:
    """As many operations as the steps start, each with next to nothing to do: the launch-bound floor."""
    count, one = operations_per_step(), torch.zeros(1, device=device)
    for _ in range(steps_of(images, epochs) * count):
        one.add_(1)


def run_large_product(images: Tensor, epochs: int, device: str = "cpu", size: int = 2048) -> None:
    """Products of two large matrices, with about the multiplications of the steps: the peak."""
    a, b = torch.randn(2, size, size, device=device)
    for _ in range(max(1, round(flops(images, epochs) / (2 * size**3)))):
        a @ b


def flops(images: Tensor, epochs: int) -> float:
    """Floating-point operations of the matrix products of all steps: a multiplication and an addition each."""
    widths = (X_DIM * HIDDEN, HIDDEN * 2 * Z_DIM, Z_DIM * HIDDEN, HIDDEN * X_DIM)
    return 2.0 * len(images) * epochs * (3 * sum(widths) - widths[0])


# --- Data ---------------------------------------------------------------------------------------------


def load_images(n: int) -> tuple[Tensor, Tensor, str]:
    """n binary training images and up to 2,000 for the test, as uint8 0 or 255, and where they come from."""
    folder = Path(os.environ.get("VAE_NOTES_DATA", "")) / "mnist"
    if any((folder / f"train-images-idx3-ubyte{end}").is_file() for end in ("", ".gz")):
        mnist = data.load("mnist")
        binary = [data.binarize(x, "fixed") for x in (mnist.train[:n], mnist.test[:2000])]
        source = "images of MNIST"
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
    """The mean ELBO in nats, with the same noise for every model."""
    generator = torch.Generator().manual_seed(1)
    return vae.to("cpu").loss(as_floats(images), generator)["elbo"].mean().item()


test_elbo.__test__ = False  # for pytest: it tests a model, not the code
