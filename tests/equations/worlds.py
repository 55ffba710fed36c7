"""Small worlds in which everything can be counted: tables of probabilities for x and z, as torch tensors.

Every table has the two axes (x, z), of length 1 where it does not vary. So an expectation in a displayed formula
is a sum over one or both axes, and a density such as ``q(z \\mid x)`` is a table, whatever is bound where:

    world = World(seed=0)
    equation.agrees(names=world.names({r"\\mathcal{L}(x)": world.elbo}), **world.meaning)
"""

import torch


def random_tables(generator, *shape):
    """Laws over the last axis, none of them near a corner."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64).mul(0.8).softmax(-1)


def total(weights, values):
    """Sum of weights times values: over z for each x if the weights are laws over z, else over all pairs."""
    product = weights * values
    over_z = torch.allclose(weights.sum(1), torch.ones(1, dtype=torch.float64))
    return product.sum(1, keepdim=True) if over_z else product.sum()


def relative_entropy(q, p):
    """KL(q || p) by its definition, for each x or over the pairs; p need not sum to 1."""
    return total(q, (q / p).log())


def entropy(p):
    return total(p, -p.log())


class World:
    """A model p(z) p(x|z), an encoder q(z|x) and data of the law p_hat, all random."""

    def __init__(self, seed, n_x=4, n_z=3):
        generator = torch.Generator().manual_seed(seed)
        self.p_z = random_tables(generator, 1, n_z)
        self.p_x_given_z = random_tables(generator, n_z, n_x).T
        self.q = random_tables(generator, n_x, n_z)
        self.p_hat = random_tables(generator, 1, n_x).T
        self.derive()

    def derive(self):
        """What follows from the four tables; call it again when one of them was replaced."""
        self.joint = self.p_z * self.p_x_given_z
        self.p_x = self.joint.sum(1, keepdim=True)
        self.posterior = self.joint / self.p_x
        self.q_z = (self.p_hat * self.q).sum(0, keepdim=True)
        self.elbo = self.under_q(self.joint.log() - self.q.log())  # its definition, the mean log weight
        pairs = self.p_hat * self.q
        self.information = (pairs * (pairs / self.p_hat / self.q_z).log()).sum()

    def under_q(self, values):
        return (self.q * values).sum(1, keepdim=True)

    def under_data(self, values):
        return (self.p_hat * values).sum(0, keepdim=True)

    @property
    def distortion(self):
        return self.under_data(self.under_q(-self.p_x_given_z.log()))

    @property
    def rate(self):
        return self.under_data(self.under_q(self.q.log() - self.p_z.log()))

    def names(self, more=None):
        """What densities and symbols mean here, with and without the indices of the parameters."""
        names = {
            "p(z)": self.p_z, "q(z)": self.q_z, r"q(z\mid x)": self.q, r"q_\phi(z\mid x)": self.q,
            r"p_\theta(x\mid z)": self.p_x_given_z, r"p_\theta(z\mid x)": self.posterior,
            r"p_\theta(x, z)": self.joint, r"p_\theta(x)": self.p_x,
            r"\hat p(x)": self.p_hat, r"\hat p": self.p_hat, "q": self.q,
        }  # fmt: skip
        return names | (more or {})

    @property
    def meaning(self):
        """Divergence, entropy and the expectations; an operator's body is a table, no variable is bound."""
        return {
            "functions": {r"\mathrm{KL}": relative_entropy, "H": entropy},
            "operators": {
                r"\mathbb{E}_q": ((), lambda body: self.under_q(body())),
                r"\mathbb{E}_{q}": ((), lambda body: self.under_q(body())),
                r"\mathbb{E}_{q(z)}": ((), lambda body: (self.q_z * body()).sum(1, keepdim=True)),
                r"\mathbb{E}_{\hat p}": ((), lambda body: self.under_data(body())),
                r"\mathbb{E}_{\hat p}\,\mathbb{E}_{q}": (
                    (),
                    lambda body: self.under_data(self.under_q(body())),
                ),
            },
        }
