from tests.crossbar import Crossbar


def test_the_router_answers(router: Crossbar) -> None:
    assert router.answers()
    assert router.registrations() == {}
