"""Quantities with their time derivatives, so that a trajectory written once gives velocity and acceleration exactly."""

from collections.abc import Callable

import numpy as np


class Jet:
    """A quantity over time and its derivatives: `d[0]` value, `d[1]` first, `d[2]` second, each (N,) float64.

    Sums, products and compositions keep as many derivatives as both sides have (at most two).
    """

    def __init__(self, *d: np.ndarray) -> None:
        self.d = d

    def __add__(self, other: "Jet | float") -> "Jet":
        if not isinstance(other, Jet):
            return Jet(self.d[0] + other, *self.d[1:])
        return Jet(*(a + b for a, b in zip(self.d, other.d)))

    def __mul__(self, other: "Jet | float") -> "Jet":
        if not isinstance(other, Jet):
            return Jet(*(a * other for a in self.d))
        a, b = self.d, other.d
        terms = [a[0] * b[0]]
        if min(len(a), len(b)) > 1:
            terms.append(a[1] * b[0] + a[0] * b[1])
        if min(len(a), len(b)) > 2:
            terms.append(a[2] * b[0] + 2.0 * a[1] * b[1] + a[0] * b[2])
        return Jet(*terms)

    def __sub__(self, other: "Jet | float") -> "Jet":
        return self + other * -1.0

    def rate(self) -> "Jet":
        """The derivative with respect to time, one order shorter."""
        return Jet(*self.d[1:])


def compose(derivative: Callable[[np.ndarray, int], np.ndarray], inner: Jet) -> Jet:
    """`f(inner)` by the chain rule, where `derivative(x, k)` is the k-th derivative of f at x (N,)."""
    x = inner.d[0]
    out = [derivative(x, 0)]
    if len(inner.d) > 1:
        first = derivative(x, 1)
        out.append(first * inner.d[1])
    if len(inner.d) > 2:
        out.append(derivative(x, 2) * inner.d[1] ** 2 + first * inner.d[2])
    return Jet(*out)


def sin(angle: Jet) -> Jet:
    """Sine."""
    return compose(lambda x, k: np.sin(x + 0.5 * np.pi * k), angle)


def cos(angle: Jet) -> Jet:
    """Cosine."""
    return compose(lambda x, k: np.cos(x + 0.5 * np.pi * k), angle)
