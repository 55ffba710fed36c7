"""The equations of the book as they stand in its chapters: found, read, checked and broken on purpose.

- `sources`: every display equation with its label, its place and its LaTeX;
- `tokens`: LaTeX in pieces, without layout; statements and their signs;
- `reading`: from LaTeX to something that can be evaluated, by sympy's parser (`evaluating`, `values`);
- `checking`: `@checks("eq-...")`, with which a test in tests/equations is tied to an equation, and what it reports;
- `mutants`: the same equations with a mistake put in, to see that the checks find it.
"""
