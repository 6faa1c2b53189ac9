"""Customer lifetime without a contract: how often and how much a customer will still buy, and whether they are still there.

BG/NBD (Fader, Hardie and Lee, Marketing Science 2005): purchases come at a rate of the customer's own until, after any of them,
the customer drops out unseen; rates are gamma(r, alpha) and drop-out chances beta(a, b) distributed over customers.
Gamma-Gamma (Fader and Hardie 2013): amounts vary about a mean of the customer's own, gamma(p, nu), nu being gamma(q, gamma).
Both are fitted by maximum likelihood. Time may be in any unit, as long as it is one.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

NODES = 24
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
    """BG/NBD. `alpha` has the unit of time."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, s: Summary) -> np.ndarray:
        """(N,) of each customer's purchase times."""
        r, alpha, a, b = astuple(self)
        x = s.repeats
        start = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        stayed = -(r + x) * np.log(alpha + s.age)
        left = np.log(a / np.maximum(b + x - 1, 1e-300)) - (r + x) * np.log(alpha + s.last)
        return start + np.where(x > 0, np.logaddexp(stayed, left), stayed)

    def alive(self, s: Summary) -> np.ndarray:
        """(N,) probability of not having dropped out by the last day observed; 1 before a first repeat."""
        r, alpha, a, b = astuple(self)
        x = s.repeats
        odds = np.log(a / np.maximum(b + x - 1, 1e-300)) + (r + x) * (np.log(alpha + s.age) - np.log(alpha + s.last))
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700))), np.where(np.isnan(x), np.nan, 1.0))

    def purchases(self, s: Summary, ahead: float) -> np.ndarray:
        """(N,) expected purchases in the next `ahead` units of time.

        One who is there, buys at a rate l and leaves after a purchase with chance p makes (1 - exp(-l p ahead)) / p of them; the mean
        over l is closed, that over p is taken at NODES points. The published closed form in hypergeometric functions is the
        same number, but overflows for some customers of hundreds of purchases.
        """
        r, alpha, a, b = astuple(self)
        known = np.where(np.isnan(s.repeats), 0.0, s.repeats)
        kinds, kind = np.unique(known, return_inverse=True)
        points, weights = beta_points(a, b + kinds)
        p, weight = points[kind], weights[kind]  # (N, NODES)
        shape, scale = (r + known)[:, None], (alpha + s.age)[:, None]
        made = -np.expm1(-shape * np.log1p(p * ahead / scale)) / p
        return (made * weight).sum(1) * self.alive(s)


@dataclass(frozen=True)
class AmountModel:
    """Gamma-Gamma. `gamma` has the unit of money; q > 1, so that the mean over customers exists."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, s: Summary) -> np.ndarray:
        """(N,) of each customer's mean amount; every row must have a repeat and a positive amount."""
        p, q, gamma = astuple(self)
        x, mean = s.repeats, s.amount
        start = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
        return start + (p * x - 1) * np.log(mean) + p * x * np.log(x) - (p * x + q) * np.log(gamma + x * mean)

    def amounts(self, s: Summary) -> np.ndarray:
        """(N,) expected amount of a purchase day: between the customer's own mean and that of all."""
        p, q, gamma = astuple(self)
        x = np.where(s.amount > 0, s.repeats, np.where(np.isnan(s.repeats), np.nan, 0.0))
        return p * (gamma + x * np.where(s.amount > 0, s.amount, 0.0)) / (p * x + q - 1)


@dataclass(frozen=True)
class Lifetime:
    """Both models, of one set of customers; `spend` assumes that how often and how much are independent."""

    purchases: PurchaseModel
    amounts: AmountModel

    def spend(self, s: Summary, ahead: float) -> np.ndarray:
        """(N,) expected amount in the next `ahead` units of time."""
        return self.purchases.purchases(s, ahead) * self.amounts.amounts(s)


def beta_points(a: float, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, NODES) points and weights that take means over beta(a, b[k]) distributions: Gauss-Jacobi quadrature (Golub and Welsch)."""
    left, right, k = a - 1, (b - 1)[:, None], np.arange(1, NODES)
    both = 2 * k + left + right  # (K, NODES - 1)
    centre = np.concatenate([(left - right) / (left + right + 2), (left**2 - right**2) / (both * (both + 2))], axis=1)
    first = 4 * (1 + left) * (1 + right) / ((2 + left + right) ** 2 * (3 + left + right))
    k, both = k[1:], both[:, 1:]
    rest = 4 * k * (k + left) * (k + right) * (k + left + right) / (both**2 * (both**2 - 1))
    beside = np.sqrt(np.concatenate([first, rest], axis=1))
    matrix = np.zeros((len(b), NODES, NODES))
    place = np.arange(NODES)
    matrix[:, place, place] = centre
    matrix[:, place[1:], place[:-1]] = beside
    value, vector = np.linalg.eigh(matrix)  # reads the lower triangle
    return np.maximum((1 + value) / 2, 1e-12), vector[:, 0, :] ** 2


def fit_purchases(s: Summary) -> PurchaseModel:
    """Maximum likelihood over customers with a first purchase; without any, ones: nobody is told by them."""
    s = s.of(~np.isnan(s.repeats))
    if not len(s.repeats):
        return PurchaseModel(1.0, 1.0, 1.0, 1.0)
    unit = max(float(s.age.mean()), 1e-9)  # so that the search does not depend on the unit of time
    scaled = Summary(s.repeats, s.last / unit, s.age / unit, s.amount)
    r, alpha, a, b = search(lambda log: PurchaseModel(*np.exp(log)).log_likelihood(scaled), np.zeros(4))
    return PurchaseModel(r, alpha * unit, a, b)


def fit_amounts(s: Summary) -> AmountModel:
    """Maximum likelihood over customers with a repeat of positive amount; without any, an amount of nothing."""
    s = s.of((s.repeats > 0) & (s.amount > 0))
    if not len(s.repeats):
        return AmountModel(1.0, 2.0, 0.0)
    unit = float(s.amount.mean())
    scaled = Summary(s.repeats, s.last, s.age, s.amount / unit)
    p, q, gamma = search(lambda log: AmountModel(*(np.exp(log) + ABOVE_ONE)).log_likelihood(scaled), np.array([1.0, 1.0, 1.0]))
    return AmountModel(p, q + 1, gamma * unit)


def fit(s: Summary) -> Lifetime:
    """Both models."""
    return Lifetime(fit_purchases(s), fit_amounts(s))


def search(log_likelihood: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> list[float]:
    """The parameters (not their logs) of greatest mean log likelihood."""
    bounds = [(-LOG_BOUND, LOG_BOUND)] * len(start)
    found = minimize(lambda log: -float(log_likelihood(log).mean()), start, method="L-BFGS-B", bounds=bounds, tol=1e-12)
    return [float(value) for value in np.exp(found.x)]
