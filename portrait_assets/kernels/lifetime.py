"""Customer lifetime without a contract: how often and how much a customer will still buy, and whether they are still there.

Pareto/NBD (Schmittlein, Morrison and Colombo, Management Science 1987; the notation is Fader and Hardie's): purchases come at a rate of
the customer's own until the customer leaves unseen, at any moment, the first purchase's included; rates of buying are gamma(r, alpha) and
rates of leaving gamma(s, beta) distributed over customers.
Gamma-Gamma (Fader and Hardie 2013): amounts vary about a mean of the customer's own, gamma(p, nu), nu being gamma(q, gamma).
Both are fitted by maximum likelihood. Time may be in any unit, as long as it is one.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

NODES, WEIGHTS = (np.polynomial.legendre.leggauss(32) * np.array([[0.5], [0.5]])) + np.array(
    [[0.5], [0.0]]
)  # of means over [0, 1]
NEGLIGIBLE = 40.0  # nats: what an integrand has fallen by where it counts no more
LEAST_REPEATERS = 10  # customers with a repeat purchase that a fit needs
ABOVE_ONE = np.array([0.0, 1.0, 0.0])  # q, the second amount parameter
LOG_BOUND = 12.0  # of log parameters: data without repeat purchases would push them to infinity


@dataclass(frozen=True)
class Summary:
    """Each of N customers at an instant, float64: what the two models need to know of them. NaN before a first purchase."""

    repeats: np.ndarray  # purchase days after the first
    last: np.ndarray  # time from the first to the last purchase day; 0 without a repeat
    age: np.ndarray  # time from the first purchase day to the last day observed
    amount: np.ndarray  # mean amount of a repeat purchase day; NaN without one

    def of(self, rows: np.ndarray) -> "Summary":
        return Summary(self.repeats[rows], self.last[rows], self.age[rows], self.amount[rows])

    def later(self, ahead: float) -> "Summary":
        """The same customers after `ahead` more units of time without a purchase."""
        return replace(self, age=self.age + ahead)


def summarise(user: np.ndarray, day: np.ndarray, amount: np.ndarray, users: int, end: int) -> Summary:
    """From purchases (N,) with user number, day number and amount, those of days < `end`; several of one day are one."""
    keep = day < end
    width = int(end - day[keep].min()) if keep.any() else 1
    code, place = np.unique(user[keep] * width + (end - 1 - day[keep].astype(np.int64)), return_inverse=True)
    of, ago, paid = code // width, code % width, np.bincount(place, weights=amount[keep], minlength=len(code))
    count, total = np.bincount(of, minlength=users), np.bincount(of, weights=paid, minlength=users)
    newest, oldest, first_paid = np.full(users, np.nan), np.full(users, np.nan), np.zeros(users)
    newest[of[::-1]], oldest[of], first_paid[of] = ago[::-1], ago, paid  # by user, the newest day first
    repeats = np.where(count > 0, count - 1.0, np.nan)
    mean = np.divide(total - first_paid, repeats, out=np.full(users, np.nan), where=repeats > 0)
    return Summary(repeats, oldest - newest, oldest, mean)


@dataclass(frozen=True)
class PurchaseModel:
    """Pareto/NBD. `alpha` and `beta` have the unit of time."""

    r: float
    alpha: float
    s: float
    beta: float

    def log_likelihood(self, c: Summary) -> np.ndarray:
        """(N,) of each customer's purchase times."""
        start = gammaln(self.r + c.repeats) - gammaln(self.r) + self.r * np.log(self.alpha)
        return start + np.logaddexp(self._stayed(c), self._left(c))

    def alive(self, c: Summary) -> np.ndarray:
        """(N,) probability of not having left by the last day observed."""
        return 1 / (1 + np.exp(np.minimum(self._left(c) - self._stayed(c), 700)))

    def purchases(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected purchases in the next `ahead` units of time: of who is there, at their rate for as long as they stay."""
        shape, ratio = self.s - 1, np.log1p(ahead / (self.beta + c.age))
        # the limit is the logarithm where s is 1
        stay = -np.expm1(-shape * ratio) / shape if abs(shape) > 1e-9 else ratio
        return (self.r + c.repeats) * (self.beta + c.age) / (self.alpha + c.age) * stay * self.alive(c)

    def silent(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) probability of no purchase in the next `ahead` units of time: how much less likely the same purchases are by then."""
        return np.exp(self.log_likelihood(c.later(ahead)) - self.log_likelihood(c))

    def left_if_silent(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) probability of having left by the last day observed, were it known that no purchase comes in the next `ahead`.

        Whoever has left makes none, so that `alive` is 1 less `silent` times this, however far ahead.
        """
        later = c.later(ahead)
        return np.exp(self._left(c) - np.logaddexp(self._stayed(later), self._left(later)))

    def _stayed(self, c: Summary) -> np.ndarray:
        """(N,) log of the part of the likelihood in which the customer is still there."""
        return -self.s * np.log1p(c.age / self.beta) - (self.r + c.repeats) * np.log(self.alpha + c.age)

    def _left(self, c: Summary) -> np.ndarray:
        """(N,) log of the part in which the customer left at some time u since the last purchase: the integral of
        s / beta (1 + u / beta)^-(s + 1) (alpha + u)^-(r + x) over u from c.last to c.age.

        By Gauss-Legendre on log(u + the smaller of alpha and beta), as far as it counts. The published closed form, a hypergeometric
        function, is the same number but overflows for customers of hundreds of purchases.
        """
        shape, least = self.r + c.repeats, min(self.alpha, self.beta)
        # by then, one of the two factors has fallen by so much
        bought = (self.alpha + c.last) * np.exp(np.minimum(NEGLIGIBLE / shape, 600)) - self.alpha
        stayed = (self.beta + c.last) * np.exp(min(NEGLIGIBLE / (self.s + 1), 600)) - self.beta
        end = np.minimum(np.minimum(bought, stayed), c.age)
        low, high = np.log(least + c.last), np.log(least + end)
        place = low[:, None] + (high - low)[:, None] * NODES  # (N, nodes)
        u = np.maximum(np.exp(place) - least, 0.0)
        value = place - (self.s + 1) * np.log1p(u / self.beta) - shape[:, None] * np.log(self.alpha + u)
        with np.errstate(divide="ignore"):  # nobody left in no time
            return np.log(self.s / self.beta) + logsumexp(value, axis=1, b=WEIGHTS) + np.log(high - low)


@dataclass(frozen=True)
class AmountModel:
    """Gamma-Gamma. `gamma` has the unit of money; q > 1, so that the mean over customers exists."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, c: Summary) -> np.ndarray:
        """(N,) of each customer's mean amount; every row must have a repeat and a positive amount."""
        p, q, gamma = astuple(self)
        x, mean = c.repeats, c.amount
        start = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
        return start + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * mean)

    def amounts(self, c: Summary) -> np.ndarray:
        """(N,) expected amount of a purchase day: between the customer's own mean and that of all."""
        p, q, gamma = astuple(self)
        x = np.where(c.amount > 0, c.repeats, np.where(np.isnan(c.repeats), np.nan, 0.0))
        return p * (gamma + x * np.where(c.amount > 0, c.amount, 0.0)) / (p * x + q - 1)


@dataclass(frozen=True)
class Lifetime:
    """Both models, of one set of customers; None of what too few customers show: then nothing is known of anybody, NaN."""

    purchases: PurchaseModel | None
    amounts: AmountModel | None

    def alive(self, c: Summary) -> np.ndarray:
        """(N,) probability of not having left."""
        return self.purchases.alive(c) if self.purchases else unknown(c)

    def silent(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) probability of no purchase in the next `ahead` units of time."""
        return self.purchases.silent(c, ahead) if self.purchases else unknown(c)

    def left_if_silent(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) probability of having left by now, were no purchase to come in the next `ahead` units of time."""
        return self.purchases.left_if_silent(c, ahead) if self.purchases else unknown(c)

    def bought(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected purchases in the next `ahead` units of time."""
        return self.purchases.purchases(c, ahead) if self.purchases else unknown(c)

    def amount(self, c: Summary) -> np.ndarray:
        """(N,) expected amount of a purchase day."""
        return self.amounts.amounts(c) if self.amounts else unknown(c)

    def spend(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected amount in the next `ahead` units of time: how often and how much are taken as independent."""
        return self.bought(c, ahead) * self.amount(c)


def unknown(c: Summary) -> np.ndarray:
    """(N,) NaN."""
    return np.full(len(c.repeats), np.nan)


def fit_purchases(c: Summary) -> PurchaseModel | None:
    """Maximum likelihood over customers with a first purchase; None with fewer than LEAST_REPEATERS that have a second."""
    c = c.of(~np.isnan(c.repeats))
    if np.count_nonzero(c.repeats > 0) < LEAST_REPEATERS:
        return None
    unit = max(float(c.age.mean()), 1e-9)  # so that the search does not depend on the unit of time
    rows, count = np.unique(np.stack([c.repeats, c.last / unit, c.age / unit], axis=1), axis=0, return_counts=True)
    alike = Summary(rows[:, 0], rows[:, 1], rows[:, 2], np.full(len(rows), np.nan))  # customers alike are asked once
    r, alpha, s, beta = search(lambda log: PurchaseModel(*np.exp(log)).log_likelihood(alike), np.zeros(4), count)
    return PurchaseModel(r, alpha * unit, s, beta * unit)


def fit_amounts(c: Summary) -> AmountModel | None:
    """Maximum likelihood over customers with a repeat of positive amount; None with fewer than LEAST_REPEATERS of them."""
    c = c.of((c.repeats > 0) & (c.amount > 0))
    if len(c.repeats) < LEAST_REPEATERS:
        return None
    unit = float(c.amount.mean())
    scaled = Summary(c.repeats, c.last, c.age, c.amount / unit)
    p, q, gamma = search(
        lambda log: AmountModel(*(np.exp(log) + ABOVE_ONE)).log_likelihood(scaled), np.ones(3), np.ones(len(c.repeats))
    )
    return AmountModel(p, q + 1, gamma * unit)


def fit(c: Summary) -> Lifetime:
    """Both models."""
    return Lifetime(fit_purchases(c), fit_amounts(c))


def search(log_likelihood: Callable[[np.ndarray], np.ndarray], start: np.ndarray, count: np.ndarray) -> list[float]:
    """The parameters (not their logs) of greatest mean log likelihood over rows (N,) that each stand for `count` (N,) customers."""
    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(start)
    found = minimize(
        lambda log: -float(np.average(log_likelihood(log), weights=count)), start, method="L-BFGS-B", bounds=bounds, tol=1e-12
    )
    return [float(value) for value in np.exp(found.x)]
