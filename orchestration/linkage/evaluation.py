"""How well clusters of linked records match the truth, at every weight that one may link from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

Link = tuple[str, str, float]


@dataclass(frozen=True)
class Accuracy:
    """Clusters of the links from a weight on, by pairs of records in one cluster.

    `found` is the number of pairs in one cluster, `right` how many of them are one person,
    `existing` how many pairs of one person there are.
    """

    weight: float
    found: int
    right: int
    existing: int

    @property
    def precision(self) -> float:
        """Of the pairs that were found, the right ones; 1 when none was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Of the pairs that exist, those that were found."""
        return self.right / self.existing if self.existing else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return self.f(1)

    def f(self, beta: float) -> float:
        """Weighted harmonic mean, in which recall counts `beta` times as much as precision."""
        total = self.precision * beta**2 + self.recall
        return (1 + beta**2) * self.precision * self.recall / total if total else 0.0


def cluster_accuracy(truth: Mapping[str, str], links: Iterable[Link]) -> list[Accuracy]:
    """The accuracy at each weight of `links`, the highest first.

    `truth` has the person of every record. What is linked to one record is one cluster, also over
    others: that raises recall and costs precision, so a weight is judged by clusters, not by pairs.
    """
    clusters = {record: [record] for record in truth}
    persons = {record: Counter([person]) for record, person in truth.items()}
    existing = sum(count * (count - 1) // 2 for count in Counter(truth.values()).values())
    found = right = 0
    curve = []
    for weight, of_weight in groupby(
        sorted(links, key=lambda link: -link[2]), lambda link: link[2]
    ):
        for one, other, _ in of_weight:
            small, large = sorted((clusters[one], clusters[other]), key=len)
            if small is large:
                continue
            small_persons, large_persons = persons[small[0]], persons[large[0]]
            found += len(small) * len(large)
            right += sum(count * large_persons[person] for person, count in small_persons.items())
            large_persons.update(small_persons)
            large.extend(small)
            clusters.update(dict.fromkeys(small, large))
        curve.append(Accuracy(weight, found, right, existing))
    return curve


def _weight(link: Link) -> float:
    return link[2]


def at_weight(curve: Sequence[Accuracy], weight: float) -> Accuracy:
    """The accuracy of linking from a weight on, which some link reaches."""
    return [accuracy for accuracy in curve if accuracy.weight >= weight][-1]


def best_weight(curve: Sequence[Accuracy]) -> float:
    """The weight from which on linking is best, when precision counts twice as much as recall."""
    return max(curve, key=lambda accuracy: (accuracy.f(0.5), accuracy.weight)).weight
