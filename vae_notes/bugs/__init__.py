"""Mistakes that still train: pairs of functions, one correct and one with a mistake under which the loss falls.

`vae_notes.bugs.objective`, `likelihood`, `sampling`, `discrete` and `evaluation` hold one family each.
"""

from vae_notes.bugs import discrete, evaluation, likelihood, objective, sampling
from vae_notes.bugs.bug import Bug
from vae_notes.bugs.trial import Trial, trial

__all__ = ["Bug", "Trial", "all_bugs", "bug", "trial"]


def all_bugs() -> tuple[Bug, ...]:
    """Every bug, family by family, always in the same order.

    Examples
    --------
    >>> from vae_notes.bugs import all_bugs
    >>> len({bug.name for bug in all_bugs()}) == len(all_bugs())
    True
    """
    families = (objective, likelihood, sampling, discrete, evaluation)
    return tuple(one for family in families for one in family.bugs())


def bug(name: str) -> Bug:
    """The bug of this name.

    Raises
    ------
    ValueError
        If there is none; the text lists the names.

    Examples
    --------
    >>> from vae_notes.bugs import bug
    >>> bug("kl-rewarded").chapter
    5
    """
    for one in all_bugs():
        if one.name == name:
            return one
    raise ValueError(f"name must be one of {', '.join(one.name for one in all_bugs())}, got {name!r}")
