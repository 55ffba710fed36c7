"""The tested companion package of VAE Notes.

Import the modules you need, for example ``from vae_notes import densities, plots``.
"""

__version__ = "0.1.0"
