r"""From LaTeX as it stands in a chapter to something that can be evaluated.

sympy's LaTeX parser reads the algebra: sums, products, fractions, powers, logarithms, sums and products over an
index, limits. What it misreads (text in subscripts, ``\mathrm``, densities with a bar, expectations, integrals over
the whole line, transposes, ``e``) is taken out before and put back after: each such piece becomes a numbered symbol
that the parser cannot misunderstand, and is read on its own. What a piece means is the check's to say:

    value = read(tokens, Meaning(
        names={r"\mu": 0.3, r"p_\theta(x)": evidence},        # a symbol, or any piece of LaTeX, and its value
        functions={"f": lambda z: z**2,                       # f(z); arguments end at , ; | and ||
                   r"p\mid": lambda x, z: table[x, z],        # p(x | z), where p(x, z) is another function
                   "w_": lambda k: weights[k],                # w_k: a subscript is an argument
                   r"\mathrm{KL}": divergence},
        operators={r"\mathbb{E}_q": ("z", average_under_q),   # E_q[...]: gets the body as a function of z
                   r"\mathbb{E}_{q_x}": ("z", average, "x"),  # and the value of x, which a sum around it binds
                   r"\nabla_\theta": ((), slope)},            # without a bracket: reaches to the next + or -
        ranges={"k": (1, 5), "z": (-oo, oo)},                 # of a sum without bounds, of an integral without them
    ))

Values may be sympy expressions, numbers, numpy arrays or torch tensors: the tree is evaluated with Python's own
operators, and ``log`` and the like are those of the value's own library. Symbols without a meaning stay real sympy
symbols; an unknown command is an error that names it. A relation in a bracket, ``P(x > 2)``, is true or false, an array
of these, or sympy's relation where a symbol is free; in the index of a sum, ``k \ne j``, it says which terms count.
``a^+`` is the next number above a.
"""

import operator
from dataclasses import dataclass, field

import sympy

from equations.evaluating import CannotRead, Node, algebra, evaluate
from equations.tokens import OPEN, closing, plain, split
from equations.values import combine, determinant, holds, largest, own, power, smallest, step_aside, transpose


@dataclass(frozen=True)
class Meaning:
    """What the pieces of an equation stand for; keys are LaTeX, spaces and sizes of brackets do not matter."""

    names: dict = field(default_factory=dict)
    functions: dict = field(default_factory=dict)
    operators: dict = field(default_factory=dict)
    ranges: dict = field(default_factory=dict)
    integral: object = None  # (body as a function, variable, lower, upper) -> value; sympy's Integral by default

    def __post_init__(self):
        for kind in ("names", "functions", "operators", "ranges"):
            object.__setattr__(self, kind, {tuple(plain(key)): value for key, value in getattr(self, kind).items()})


@dataclass(frozen=True)
class Depends:
    r"""A name or function that depends on what a sum around it binds: ``{"m_k": Depends(point, "k")}`` for ``m_k(t)``.

    The function gets its own arguments first, then the values of the names that are ``given``.
    """

    function: object
    given: object

    def __call__(self, *arguments):
        return self.function(*arguments)


def outer(value, bound):
    """The values of the names on which a value depends, as they are bound around it."""
    given = getattr(value, "given", ()) if isinstance(value, Depends) else ()
    return [bound[tuple(plain(name))] for name in listed(given)]


GREEK = {rf"\{name}" for name in ["alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "varrho", "sigma", "varsigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega", "ell", "pi"]}  # fmt: skip
ACCENTS = {r"\hat", r"\bar", r"\tilde", r"\widehat", r"\overline", r"\dot"}
FONTS = ("\\mathrm{", "\\mathcal{", "\\mathbb{", "\\mathbf{", "\\mathsf{", "\\text{")
CONSTANTS = {("e",): sympy.E, (r"\pi",): sympy.pi, (r"\infty",): sympy.oo}
# The commands whose argument sympy's parser finds by itself, also without brackets.
PREFIX = {r"\log", r"\ln", r"\exp", r"\sin", r"\cos", r"\tan", r"\sinh", r"\cosh", r"\tanh"}
RELATIONS = {"=", r"\ne", r"\le", r"\ge", "<", ">", r"\in"}
INFIX = {"+": "+", "-": "-", "/": "/", r"\cdot": r"\cdot", r"\times": r"\cdot"}
BUILT_IN = {
    (r"\max",): largest,
    (r"\min",): smallest,
    (r"\Gamma",): lambda value: sympy.gamma(value),
    (r"\det",): determinant,
}


class Reader:
    """Reads one side of a statement; `pieces` are what was taken out of it."""

    def __init__(self, tokens, meaning):
        self.tokens, self.meaning = list(tokens), meaning
        self.place, self.pieces, self.out = 0, {}, []
        self.open = True  # does what comes next begin a product, or follow a command that takes it?

    # ---- small steps

    def ahead(self, count=0):
        place = self.place + count
        return self.tokens[place] if place < len(self.tokens) else None

    def wrong(self, what):
        near = " ".join(self.tokens[max(0, self.place - 3) : self.place + 6])
        return CannotRead(f"`{self.ahead()}`: {what} (near `{near}`)")

    def child(self, tokens):
        """Another side, read on its own, as a node."""
        reader = Reader(tokens, self.meaning)
        return reader.node()

    def argument(self):
        """The tokens of the next argument of a command, ``_`` or ``^``: a group, or one token (of 12 the 1)."""
        token = self.ahead()
        if token is None:
            raise CannotRead(f"`{' '.join(self.tokens)}` ends where an argument is needed")
        if token == "{":
            end = closing(self.tokens, self.place)
            inside = self.tokens[self.place + 1 : end]
            self.place = end + 1
            return inside
        if token.isdigit() and len(token) > 1:
            self.tokens[self.place : self.place + 1] = [token[0], token[1:]]
        if self.ahead() in ACCENTS or self.ahead() == r"\frac":
            raise self.wrong("stands bare as an argument; put it in braces")
        self.place += 1
        return [self.tokens[self.place - 1]]

    def group(self):
        """The tokens between a bracket and its partner."""
        end = closing(self.tokens, self.place)
        inside = self.tokens[self.place + 1 : end]
        self.place = end + 1
        return inside

    def bars(self):
        """The tokens between two equal bars."""
        bar = self.ahead()
        depth, end = 0, self.place + 1
        while end < len(self.tokens) and (self.tokens[end] != bar or depth):
            depth += self.tokens[end] in OPEN
            depth -= self.tokens[end] in OPEN.values()
            end += 1
        if end == len(self.tokens):
            raise self.wrong("is never closed")
        inside = self.tokens[self.place + 1 : end]
        self.place = end + 1
        return inside

    # ---- what is put into the skeleton

    def factor(self, text):
        """A factor of a product: with a dot before it where two factors meet, which sympy else takes for f(x).

        None before a function, though: ``\\log x \\log y`` is a product of two logarithms, while
        ``\\log\\frac1K\\sum_k w_k`` is the logarithm of a mean.
        """
        if not self.open and not text.startswith(tuple(PREFIX)):
            self.out.append(r"\cdot")
        self.out.append(text)
        self.open = False

    def piece(self, node):
        """A numbered symbol that stands for a node."""
        while self.ahead() == "^" and self.transposed():
            inner = node
            node = Node(lambda bound, inner=inner: transpose(inner.value(bound)))
        side = self.one_sided()
        if side:
            middle = node
            node = Node(lambda bound: step_aside(middle.value(bound), side))
        name = f"x_{{{len(self.pieces) + 1}}}"
        self.pieces[name] = node
        self.factor(name)

    def one_sided(self):
        """The + or - of ``a^+`` or ``a^{-}``: just right or left of a."""
        for after in (["^", "+"], ["^", "-"], ["^", "{", "+", "}"], ["^", "{", "-", "}"]):
            if self.tokens[self.place : self.place + len(after)] == after:
                self.place += len(after)
                return after[-1] if len(after) == 2 else after[2]
        return None

    def transposed(self):
        if self.ahead(1) == r"\top":
            self.place += 2
            return True
        if self.tokens[self.place + 1 : self.place + 4] == ["{", r"\top", "}"]:
            self.place += 4
            return True
        return False

    # ---- longer pieces

    def matching(self, table):
        """The longest key of a table that stands here."""
        best = ()
        for key in table:
            if len(key) > len(best) and tuple(self.tokens[self.place : self.place + len(key)]) == key:
                best = key
        return best

    def whole(self, key):
        """Is a key a whole symbol here, not the beginning of ``\\sigma_x`` or ``z'``?"""
        after = self.tokens[self.place + len(key) : self.place + len(key) + 3]
        if key[-1] in OPEN.values() or not after:
            return True
        star = after[0] == "^" and (after[1:2] in (["*"], [r"\prime"]) or after[1:3] == ["{", "*"])
        return after[0] not in ("_", "'") and not star

    def known(self):
        """A name, function or operator that the check gave a meaning; True when one was read."""
        name = self.matching({key: 0 for key in self.meaning.names if self.whole_at(key)})
        call = self.matching({key: 0 for key in self.functions() if self.called(key)})
        over = self.matching({key: 0 for key in self.meaning.operators if self.operates(key)})
        longest = max((name, call, over), key=len)
        if not longest:
            return False
        if longest == over:
            self.place += len(over)
            self.piece(binding(*self.meaning.operators[over], body=self.child(self.operand(over))))
        elif longest == call:
            self.place += len(call)
            self.call(call)
        else:
            self.place += len(name)
            value = self.meaning.names[name]
            self.piece(Node(lambda bound: value(*outer(value, bound)) if isinstance(value, Depends) else bound.get(name, value)))
        return True

    def call(self, key):
        """A function's value; with a bar in its argument that of its key with ``\\mid``, where there is one."""
        if key[-1] == "_":
            parts = self.subscripts()
        else:
            parts, separators = split(self.inside(), {",", ";", r"\mid", r"\Vert", "|"})
            if r"\mid" in separators and (*key, r"\mid") in self.meaning.functions:
                key = (*key, r"\mid")
        nodes = [self.child(split(part, {"="})[0][-1]) for part in parts if part]  # of p(z = k) the k
        function = self.functions()[key]

        def value(bound):
            known = bound.get(key, function)
            if known is None:
                raise CannotRead(f"`{''.join(key)}` has no meaning here")
            return known(*(node.value(bound) for node in nodes), *outer(function, bound))

        self.piece(Node(value))

    def functions(self):
        """What is built in, what the check gave, and what an operator binds: ``f_`` in an average over all ``f_k``."""
        bound = {tuple(plain(name)): None for names, *_ in self.meaning.operators.values() for name in listed(names)}
        barred = {key[:-1]: None for key in self.meaning.functions if key[-1] == r"\mid"}
        return {**BUILT_IN, **{key: None for key in bound if key[-1] == "_"}, **barred, **self.meaning.functions}

    def operates(self, key):
        """Does an operator stand here, and not the beginning of a longer one, such as E of ``E_q``?"""
        end = self.place + len(key)
        return tuple(self.tokens[self.place : end]) == key and self.tokens[end : end + 1] not in ([], ["_"], ["^"], ["'"])

    def whole_at(self, key):
        return tuple(self.tokens[self.place : self.place + len(key)]) == key and self.whole(key)

    def called(self, key):
        """Does a function's key stand here, and an argument after it?"""
        if key[-1] == r"\mid":
            return False  # `call` finds it
        if tuple(self.tokens[self.place : self.place + len(key)]) != key:
            return False
        after = self.ahead(len(key))
        if key[-1] == "_":
            return after is not None
        if key == (r"\det",):
            return True
        if key in ((r"\Vert",), ("|",)):
            return True
        return after in ("(", "[", r"\{")

    def operand(self, key):
        """What an operator applies to: a bracket, a norm with its power, or all that stands before the next + or -."""
        if self.ahead() in ("(", "[", r"\{") and not extreme(key):
            return self.group()
        return self.norm() if self.ahead() in (r"\Vert", "|") else self.rest_of_product()

    def norm(self):
        r"""The tokens of a norm with its bars and its power: ``\mathbb{E}\Vert z\Vert^2`` is the mean of the square."""
        start = self.place
        self.bars()
        if self.ahead() == "^":
            self.place += 1
            self.argument()
        return self.tokens[start : self.place]

    def subscripts(self):
        """The arguments that a subscript holds: i and j of ``ij`` and of ``i,j``."""
        tokens = self.argument()
        if "," in tokens:
            return split(tokens, {","})[0]
        simple = all(token.isalnum() or token in GREEK for token in tokens)
        return [[token] for token in tokens] if simple else [tokens]

    def inside(self):
        """The tokens of a function's argument; of ``\\det M`` the M, of a norm what stands between its bars."""
        before = self.tokens[self.place - 1]
        if before in (r"\Vert", "|"):
            self.place -= 1
            return self.bars()
        if self.ahead() in ("(", "[", r"\{"):
            return self.group()
        name = self.matching({key: 0 for key in self.meaning.names if self.whole_at(key)})
        if name and name[0] == r"\frac":
            self.place += len(name)
            return list(name)
        return self.matrix_product()

    def matrix_product(self):
        """The symbol that stands here, and what a transpose ties to it: of ``W^\\top W x`` the ``W^\\top W``."""
        start = self.place
        if tuple(self.symbol_tokens()) in self.functions() and self.ahead() == "(":
            self.group()
        while self.ahead() == "^" and self.transposed():
            after = self.ahead()
            if after and (after.isalpha() or after in GREEK):
                self.symbol_tokens()
        return self.tokens[start : self.place]

    def symbol_tokens(self):
        """The tokens of the symbol that stands here, with accents, primes, subscripts and stars."""
        start = self.place
        token = self.ahead()
        if token in ACCENTS:
            self.place += 1
            self.argument()
        elif token is not None and (token.isalpha() or token in GREEK or token.startswith(FONTS)):
            self.place += 1
        else:
            raise self.wrong("is no symbol, number or command that this module knows")
        while self.ahead() in ("_", "'", "^"):
            if self.ahead() == "^":
                after = self.tokens[self.place + 1 : self.place + 4]
                if not (after[:1] in (["*"], [r"\prime"]) or after == ["{", "*", "}"]):
                    break
            self.place += 1
            if self.tokens[self.place - 1] != "'":
                self.argument()
        return self.tokens[start : self.place]

    def symbol(self):
        key = tuple(self.symbol_tokens())
        value = CONSTANTS.get(key)
        if value is None:
            value = sympy.Symbol("".join(key), real=True)
        node = Node(lambda bound: bound.get(key, value))
        node.key = key
        self.piece(node)

    # ---- commands

    def fraction(self):
        derivative = self.derivative()
        if derivative:
            return
        self.place += 1
        above, below = self.child(self.argument()), self.child(self.argument())
        self.piece(Node(lambda bound: combine(operator.mul, above.value(bound), power(below.value(bound), -1))))

    def derivative(self):
        r"""``\frac{\partial f}{\partial x}``, or ``\frac{d}{dx}`` before what it differentiates: sympy's derivative."""
        start = self.place
        self.place += 1
        above, below = self.argument(), self.argument()
        if above[:1] not in (["d"], [r"\partial"]) or below[:1] != above[:1]:
            self.place = start
            return False
        self.differentiated(above[1:] or self.rest_of_product(), tuple(below[1:]))
        return True

    def quotient(self):
        r"""``\partial f/\partial x`` in a line."""
        start, bars = self.place, [place for place, token in enumerate(self.tokens) if token == "/"]
        bar = next((place for place in bars if place > start and self.tokens[place + 1 :][:1] == [r"\partial"]), None)
        if bar is None:
            raise self.wrong(r"is no derivative: `/\partial` is missing")
        body = self.tokens[start + 1 : bar]
        self.place = bar + 2
        self.differentiated(body, tuple(self.symbol_tokens()))

    def differentiated(self, body, variable):
        node, names = self.child(body), self.meaning.names

        def value(bound):
            symbol = bound.get(variable, names.get(variable, sympy.Symbol("".join(variable), real=True)))
            return sympy.diff(node.value(bound), symbol)

        self.piece(Node(value))

    def rest_of_product(self):
        start, depth, norm = self.place, 0, False
        while self.place < len(self.tokens):
            token = self.ahead()
            if not depth and not norm and token in ("+", "-") and self.place > start:
                break
            depth += (token in OPEN) - (token in OPEN.values())
            norm ^= token == r"\Vert" and not depth
            self.place += 1
        return self.tokens[start : self.place]

    def root(self):
        self.place += 1
        inside = self.child(self.argument())
        self.piece(Node(lambda bound: own("sqrt", inside.value(bound))))

    def bounds(self):
        """Lower and upper bound after a sum or an integral, as tokens, or None for each that is missing."""
        found = {"_": None, "^": None}
        while self.ahead() in found:
            kind = self.ahead()
            self.place += 1
            found[kind] = self.argument()
        return found["_"], found["^"]

    def indexed(self):
        """A sum or a product over an index: sympy's parser decides how far it reaches."""
        command = self.ahead()
        self.place += 1
        low, high = self.bounds()
        if low is None:
            raise CannotRead(f"`{command}` in `{' '.join(self.tokens)}` has no index")
        key, start, keep = tuple(low), None, None
        if RELATIONS & set(low) - {"="}:
            keep = self.child(low)
            key = tuple(split(low, RELATIONS)[0][0])
        elif "=" in low:
            (key, start), _ = split(low, {"="})
            key = tuple(key)
        if start is not None and high is not None:
            low, high = self.child(start), self.child(high)
        elif key in self.meaning.ranges:
            low, high = (Node(lambda bound, v=v: sympy.sympify(v)) for v in self.meaning.ranges[key])
        else:
            raise CannotRead(f"`{command}` over `{''.join(key)}` has no range here; give ranges={{...}}")
        names = []
        for node in (Node(lambda bound: bound[key]), low, high):
            names.append(f"x_{{{len(self.pieces) + 1}}}")
            self.pieces[names[-1]] = node
        self.pieces[names[0]].key, self.pieces[names[0]].keep = key, keep
        self.factor(f"{command}_{{{names[0]} = {names[1]}}}^{{{names[2]}}}")
        self.open = True

    def limit(self):
        self.place += 1
        (variable, point), _ = split(self.argument_after("_"), {r"\to"})
        key = tuple(variable)
        letter = "uvwyz"[sum(name in "uvwyz" for name in self.pieces)]  # after lim, sympy reads a letter only
        self.pieces[letter] = Node(lambda bound: bound[key])
        self.pieces[letter].key = key
        name = f"x_{{{len(self.pieces) + 1}}}"
        self.pieces[name] = self.child(point)
        self.factor(rf"\lim_{{{letter} \to {name}}}")
        self.open = True

    def argument_after(self, sign):
        if self.ahead() != sign:
            raise self.wrong(f"`{sign}` is missing")
        self.place += 1
        return self.argument()

    def integral(self):
        """From the integral sign to the d of its variable."""
        self.place += 1
        low, high = self.bounds()
        start, depth = self.place, 0
        while self.place < len(self.tokens):
            token = self.ahead()
            after = self.ahead(1)
            if not depth and token == "d" and after and (after.isalpha() or after in GREEK):
                break
            depth += (token in OPEN) - (token in OPEN.values())
            self.place += 1
        else:
            raise CannotRead(f"the integral in `{' '.join(self.tokens)}` has no variable: no d at its end")
        body = self.child(self.tokens[start : self.place] or ["1"])
        self.place += 1
        key = tuple(self.symbol_tokens())
        if high is not None:
            ends = self.child(low), self.child(high)
        elif low is not None and tuple(low) not in self.meaning.ranges:
            raise CannotRead(f"the integral over `{' '.join(low)}` has no range here; give ranges={{...}}")
        else:
            where = key if low is None else tuple(low)
            ends = tuple(Node(lambda bound, v=v: v) for v in self.meaning.ranges.get(where, (-sympy.oo, sympy.oo)))
        rule = self.meaning.integral or symbolic_integral

        def value(bound):
            low, high = (end.value(bound) for end in ends)
            return rule(lambda point: body.value({**bound, key: point}), "".join(key), low, high)

        self.piece(Node(value))

    def matrix(self):
        """A matrix in round brackets."""
        self.place += 1
        start, name = self.place, self.tokens[self.place - 1].replace("begin", "end")
        self.place = self.tokens.index(name, start) + 1
        rows = split(self.tokens[start : self.place - 1], {r"\\"})[0]
        nodes = [[self.child(cell) for cell in split(row, {"&"})[0]] for row in rows]
        self.piece(Node(lambda bound: sympy.Matrix([[node.value(bound) for node in row] for row in nodes])))

    def cases(self):
        """The value in the one row whose condition holds, or else in a row without one; numbers only."""
        self.place += 1
        start = self.place
        self.place = self.tokens.index(r"\end{cases}", start) + 1
        rows = []
        for row in split(self.tokens[start : self.place - 1], {r"\\"})[0]:
            value, *condition = split([token for token in row if token not in (",", ".")], {"&"})[0]
            words = [token for token in (condition or [[]])[0] if not token.startswith(r"\text{")]
            rows.append((self.child(value), self.child(words) if words else None))

        def value(bound):
            held = [node for node, condition in rows if condition and condition.value(bound)]
            held = held or [node for node, condition in rows if not condition]
            if len(held) != 1:
                raise CannotRead(f"{len(held)} rows of the cases hold, needed is one")
            return held[0].value(bound)

        self.piece(Node(value))

    # ---- the loop

    def step(self):
        token = self.ahead()
        if self.known():
            return
        if token in INFIX:
            self.out.append(INFIX[token])
            self.open = True
            self.place += 1
        elif token[0].isdigit():
            self.factor(token)
            self.place += 1
        elif token == "^":
            self.place += 1
            exponent = self.child(self.argument())
            name = f"x_{{{len(self.pieces) + 1}}}"
            self.pieces[name] = exponent
            self.out[-1] += f"^{{{name}}}"
        elif token in ("(", "[", "{"):
            self.piece(self.child(self.group()))
        elif token == "|":
            node = self.child(self.bars())
            self.piece(Node(lambda bound: abs(node.value(bound))))
        elif token in PREFIX:
            self.prefix(token)
        elif token == r"\frac":
            self.fraction()
        elif token == r"\sqrt":
            self.root()
        elif token in (r"\sum", r"\prod"):
            self.indexed()
        elif token == r"\lim":
            self.limit()
        elif token == r"\int":
            self.integral()
        elif token.startswith((r"\begin{pmatrix", r"\begin{bmatrix")):
            self.matrix()
        elif token == r"\begin{cases}":
            self.cases()
        elif token == r"\partial":
            self.quotient()
        elif token == r"\lfloor":
            node = self.child(self.group())
            self.piece(Node(lambda bound: own("floor", node.value(bound))))
        elif token == r"\infty":
            self.place += 1
            self.piece(Node(lambda bound: sympy.oo))
        else:
            self.symbol()

    def remainder(self, parts):
        r"""``s \bmod f``, when that is all that stands between two brackets."""
        if len(parts) > 2 or any(sign in part for part in parts for sign in "+-"):
            raise CannotRead(rf"`{' '.join(self.tokens)}`: what \bmod belongs to is not clear; put it in brackets")
        left, right = map(self.child, parts)
        return Node(lambda bound: left.value(bound) % right.value(bound))

    def prefix(self, token):
        self.place += 1
        base = ""
        if self.ahead() == "_" and token == r"\log":
            self.place += 1
            base = f"_{{{''.join(self.argument())}}}"
        if self.ahead() in ("(", "["):
            node = self.child(self.group())  # log(x) y is log(x) times y
            name = f"x_{{{len(self.pieces) + 1}}}"
            self.pieces[name] = node
            self.factor(f"{token}{base}({name})")
        else:
            self.factor(f"{token}{base}")
            self.open = True

    def relation(self):
        """``x > 2`` as a node that is true or false, or None where there is no such sign."""
        sides, signs = split(self.tokens, RELATIONS)
        if not signs:
            return None
        nodes = [self.child(side) for side in sides]
        return Node(lambda bound: holds([node.value(bound) for node in nodes], signs))

    def node(self):
        if not self.tokens:
            raise CannotRead("an empty piece where a formula is needed")
        relation = self.relation()
        if relation:
            return relation
        parts, signs = split(self.tokens, {r"\bmod"})
        if signs:
            return self.remainder(parts)
        while self.place < len(self.tokens):
            self.step()
        skeleton = " ".join(self.out)
        try:
            expression = algebra(skeleton)
        except Exception as error:
            raise CannotRead(f"sympy cannot read `{' '.join(self.tokens)}` (as `{skeleton}`): {error}") from error
        pieces = self.pieces
        return Node(lambda bound: evaluate(expression, pieces, bound))


def symbolic_integral(body, variable, low, high):
    """sympy's integral, not yet done; the check does it."""
    symbol = sympy.Symbol(variable, real=True)
    return sympy.Integral(body(symbol), (symbol, low, high))


def listed(variables):
    return [variables] if isinstance(variables, str) else list(variables)


def extreme(key):
    r"""Is an operator one of ``\arg\min_\theta`` and the like, which need no brackets and reach to the next plus?"""
    return key[0] in (r"\arg", r"\min", r"\max", r"\sup", r"\inf") and "_" in key


def binding(variables, rule, given=(), *, body):
    """A node for ``E[body]``: the rule gets the body as a function of the operator's own variables.

    ``given`` are names bound further out, of which the operator depends; the rule gets their values after the body.
    """
    keys = [tuple(plain(name)) for name in listed(variables)]

    def value(bound):
        def function(*points):
            return body.value({**bound, **dict(zip(keys, points, strict=True))})

        return rule(function, *outer(Depends(rule, given), bound))

    return Node(value)


def read(tokens, meaning):
    """The value of one side of a statement (a list of tokens, or LaTeX)."""
    if isinstance(tokens, str):
        tokens = plain(tokens)
    return Reader(tokens, meaning).node().value({})
