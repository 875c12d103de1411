"""Round-robin over three instances: in turn, exactly, however many call."""

from collections import Counter

import ionman
from ionman import naming
from tests.crossbar import Crossbar
from tests.probe.fleet import SERVICE, Instances


def test_three_instances_answer_in_turn(instances: Instances, router: Crossbar) -> None:
    names = [instances.start("aaaaaaaa") for _ in range(3)]
    uri = naming.probe(SERVICE)
    with ionman.connect([router.address], user="ops", password=router.users["ops"], ca=router.ca) as client:
        turns = [client.call(uri, {"n": n})["instance"] for n in range(30)]
        assert sorted(turns[:3]) == sorted(names)
        assert turns == turns[:3] * 10
        replies = [client.submit(uri, {"n": n}) for n in range(300)]
        assert set(Counter(reply.result(30)["instance"] for reply in replies).values()) == {100}
        instances.start("aaaaaaaa")
        shares = Counter(client.call(uri, {"n": n})["instance"] for n in range(40))
        assert set(shares.values()) == {10}, "the shares follow the count"
