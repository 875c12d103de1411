"""A service author's double: methods called as the router would call them, without a router.

    from ionman.testing import Service, User

    def test_method1():
        service = Service("demo.py")
        assert service.call("app.demo.method1", user="alice") == {"status": "OK", "result": "User alice called method1"}
        assert service.call("app.demo.method1")["status"] == "FAIL"

`service.call(..., progress=seen.append)` collects progressive results.

What arrives and what is answered goes through the same code as in a running service: a parameter that is not
JSON-shaped, a method that raises, hangs or returns something else than JSON fails here with the same
`ionman.errors.WampError`.
"""

from ionman.runtime.classes import User
from ionman.runtime.double import Published, Service

__all__ = ["Published", "Service", "User"]
