"""Customer lifetime without a contract: how often and how much a customer will still buy, and whether they are still there.

MBG/NBD (Batislam, Denizel and Filiztekin, International Journal of Research in Marketing 2007): purchases come at a rate of the
customer's own until, after any of them, the first included, the customer drops out unseen; rates are gamma(r, alpha) and drop-out chances
beta(a, b) distributed over customers. (In BG/NBD nobody drops out before a repeat purchase, so who bought once is there for ever.)
Gamma-Gamma (Fader and Hardie 2013): amounts vary about a mean of the customer's own, gamma(p, nu), nu being gamma(q, gamma).
Both are fitted by maximum likelihood. Time may be in any unit, as long as it is one.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

NODES = 24
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
    """MBG/NBD. `alpha` has the unit of time."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, c: Summary) -> np.ndarray:
        """(N,) of each customer's purchase times."""
        start = gammaln(self.r + c.repeats) - gammaln(self.r) + self.r * np.log(self.alpha) - betaln(self.a, self.b)
        return start + np.logaddexp(*self._parts(c))

    def alive(self, c: Summary) -> np.ndarray:
        """(N,) probability of not having dropped out by the last day observed."""
        stayed, left = self._parts(c)
        return 1 / (1 + np.exp(np.minimum(left - stayed, 700)))

    def silent(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) probability of no purchase in the next `ahead` units of time: how much less likely the same purchases are by then."""
        return np.exp(self.log_likelihood(c.later(ahead)) - self.log_likelihood(c))

    def purchases(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected purchases in the next `ahead` units of time.

        One who is there, buys at a rate l and leaves after a purchase with chance p makes (1 - exp(-l p ahead)) / p of them; the mean
        over l is closed, that over p is taken at NODES points. The published closed form in hypergeometric functions is the
        same number, but overflows for some customers of hundreds of purchases.
        """
        known = np.where(np.isnan(c.repeats), 0.0, c.repeats)
        kinds, kind = np.unique(known, return_inverse=True)
        points, weights = beta_points(self.a, self.b + kinds + 1)
        p, weight = points[kind], weights[kind]  # (N, NODES)
        shape, scale = (self.r + known)[:, None], (self.alpha + c.age)[:, None]
        made = -np.expm1(-shape * np.log1p(p * ahead / scale)) / p
        return (made * weight).sum(1) * self.alive(c)

    def _parts(self, c: Summary) -> tuple[np.ndarray, np.ndarray]:
        """(N,) logs of the two parts of the likelihood: the customer is still there, or dropped out after the last purchase."""
        shape = self.r + c.repeats
        stayed = betaln(self.a, self.b + c.repeats + 1) - shape * np.log(self.alpha + c.age)
        return stayed, betaln(self.a + 1, self.b + c.repeats) - shape * np.log(self.alpha + c.last)


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

    def bought(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected purchases in the next `ahead` units of time."""
        return self.purchases.purchases(c, ahead) if self.purchases else unknown(c)

    def bought_if_any(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) the same of who makes at least one: never fewer."""
        some = np.maximum(1 - self.silent(c, ahead), 1e-9)
        return np.maximum(self.bought(c, ahead) / some, 1.0)

    def amount(self, c: Summary) -> np.ndarray:
        """(N,) expected amount of a purchase day."""
        return self.amounts.amounts(c) if self.amounts else unknown(c)

    def spend(self, c: Summary, ahead: float) -> np.ndarray:
        """(N,) expected amount in the next `ahead` units of time: how often and how much are taken as independent."""
        return self.bought(c, ahead) * self.amount(c)


def unknown(c: Summary) -> np.ndarray:
    """(N,) NaN."""
    return np.full(len(c.repeats), np.nan)


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


def fit_purchases(c: Summary) -> PurchaseModel | None:
    """Maximum likelihood over customers with a first purchase; None with fewer than LEAST_REPEATERS that have a second."""
    c = c.of(~np.isnan(c.repeats))
    if np.count_nonzero(c.repeats > 0) < LEAST_REPEATERS:
        return None
    unit = max(float(c.age.mean()), 1e-9)  # so that the search does not depend on the unit of time
    rows, count = np.unique(np.stack([c.repeats, c.last / unit, c.age / unit], axis=1), axis=0, return_counts=True)
    alike = Summary(rows[:, 0], rows[:, 1], rows[:, 2], np.full(len(rows), np.nan))  # customers alike are asked once
    r, alpha, a, b = search(lambda log: PurchaseModel(*np.exp(log)).log_likelihood(alike), np.zeros(4), count)
    return PurchaseModel(r, alpha * unit, a, b)


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
