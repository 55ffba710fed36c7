"""The same training in pythae and in Lightning, as their users write it. Both are extras of the benchmark alone."""

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import torch
from torch import Tensor

from tests.benchmarks.loops import (
    BATCH,
    LEARNING_RATE,
    X_DIM,
    Z_DIM,
    as_floats,
    new_vae,
    plain_loss,
)
from vae_notes import models


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """No bars, notes and warnings: they would stand in the table, and cost time."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            try:
                yield
            finally:
                logging.disable(level)


def run_pythae(images: Tensor, epochs: int, device: str = "cpu") -> models.VAE:
    """pythae's own VAE, loss and trainer, around the benchmark's layers."""
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        class Encoder(BaseEncoder):
            def __init__(self, layers):
                super().__init__()
                self.layers = layers

            def forward(self, x):
                loc, log_variance = self.layers(x)
                return ModelOutput(embedding=loc, log_covariance=log_variance)

        class Decoder(BaseDecoder):
            def __init__(self, layers):
                super().__init__()
                self.layers = layers

            def forward(self, z):
                return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

        vae = new_vae()
        config = VAEConfig(input_dim=(X_DIM,), latent_dim=Z_DIM, reconstruction_loss="bce")
        model = VAE(config, encoder=Encoder(vae.encoder), decoder=Decoder(vae.decoder))
        settings = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_epochs=epochs,
            learning_rate=LEARNING_RATE,
            optimizer_cls="AdamW",
            optimizer_params={"weight_decay": 0.0},
            no_cuda=device == "cpu",
        )
        train = BaseDataset(as_floats(images), torch.zeros(len(images)))
        BaseTrainer(model, train, training_config=settings).train()
    return vae


def run_lightning(images: Tensor, epochs: int, device: str = "cpu") -> models.VAE:
    """Lightning's Trainer, with its logger, bars and checkpoints switched off."""
    with _quietly():
        import lightning

        class Module(lightning.LightningModule):
            def __init__(self, vae):
                super().__init__()
                self.vae = vae

            def training_step(self, batch, index):
                return plain_loss(self.vae, batch[0])

            def configure_optimizers(self):
                return torch.optim.AdamW(self.parameters(), lr=LEARNING_RATE, weight_decay=0.0)

        vae = new_vae()
        train = torch.utils.data.TensorDataset(as_floats(images))
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu" if device == "cpu" else "gpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        loader = torch.utils.data.DataLoader(train, batch_size=BATCH, shuffle=True)
        trainer.fit(Module(vae), loader)
    return vae


def installed() -> tuple[dict[str, Callable], list[str]]:
    """The loops of the peers that are installed, and the names of those that are not."""
    loops = {"pythae": run_pythae, "lightning": run_lightning}
    missing = [name for name in loops if find_spec(name) is None]
    return {f"{name}'s trainer": loop for name, loop in loops.items() if name not in missing}, missing
