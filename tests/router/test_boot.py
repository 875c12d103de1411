def test_the_router_answers(router):
    assert router.answers()
