"""How well clusters of linked records match the truth, at every weight that one may link from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import duckdb

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
        """Of the pairs that exist, those that were found; 1 when none exists."""
        return self.right / self.existing if self.existing else 1.0

    def f(self, beta: float) -> float:
        """Weighted harmonic mean of both, in which recall counts `beta` times as much."""
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
    for weight, of_weight in groupby(sorted(links, key=_weight, reverse=True), _weight):
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


def clusters(links: Iterable[Link]) -> list[list[str]]:
    """The records that links bring together, each cluster once."""
    found: dict[str, list[str]] = {}
    for one, other, _ in links:
        small, large = sorted((found.get(one, [one]), found.get(other, [other])), key=len)
        if small is not large:
            large.extend(small)
            found.update(dict.fromkeys(large, large))
    return list({id(cluster): cluster for cluster in found.values()}.values())


def _weight(link: Link) -> float:
    return link[2]


def at_weight(curve: Sequence[Accuracy], weight: float) -> Accuracy:
    """The accuracy of linking from a weight on, which some link reaches."""
    return [accuracy for accuracy in curve if accuracy.weight >= weight][-1]


def best_weight(curve: Sequence[Accuracy], least: float) -> float:
    """From where on linking is best, at `least` or above; precision counts twice as much.

    Of weights that are equally good the highest.
    """
    return max(
        (accuracy for accuracy in curve if accuracy.weight >= least),
        key=lambda accuracy: (accuracy.f(0.5), accuracy.weight),
    ).weight


def hide_identifiers(
    connection: duckdb.DuckDBPyConnection, profiles: str
) -> duckdb.DuckDBPyRelation:
    """Records whose customer is known, as if each were a customer who shares no identifier.

    `profiles` is the name of the relation linkage.profiles. The column customer_id names the
    record, truth the customer; an e-mail or phone that stands on several records is hidden on all
    of them. Customers of one record are left out: with them would come many whom identity takes
    for two, and what linkage finds of those would count as wrong.
    """
    return connection.sql(_HIDDEN.format(profiles=profiles))


_HIDDEN = """
with counted as (
    select
        *,
        count(*) over (partition by customer_id) as records,
        count(*) over (partition by email_name, email_domain) as email_records,
        count(*) over (partition by phone) as phone_records
    from {profiles}
)

select
    record_key as customer_id,
    customer_id as truth,
    given_name,
    family_name,
    birth_date,
    case when email_records = 1 then email_name end as email_name,
    case when email_records = 1 then email_domain end as email_domain,
    case when phone_records = 1 then phone end as phone,
    street,
    postal_code,
    city
from counted
where records > 1
"""
