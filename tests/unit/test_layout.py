"""Where everything lies."""

from pathlib import Path

from ionman.hosts.layout import Layout


def test_a_host() -> None:
    layout = Layout()
    assert layout.confined
    assert layout.release("demo", "1.0.0") == Path("/opt/demo/1.0.0")
    assert layout.generation("demo", "ab12cd34") == Path("/etc/ionman/service/demo/ab12cd34")
    assert layout.control("demo.ab12cd34.1") == Path("/run/ionman/demo.ab12cd34.1/control.sock")
    assert layout.records == Path("/var/lib/ionman/record")
    assert layout.scanned == Path("/etc/service")
    assert (layout.user("demo"), layout.router_user, layout.log_user) == ("ionman-demo", "ionman-router", "ionman-log")


def test_a_folder_of_ones_own_has_no_accounts() -> None:
    layout = Layout(Path("/home/me/ionman"))
    assert not layout.confined
    assert layout.release("demo", "1.0.0") == Path("/home/me/ionman/opt/demo/1.0.0")
    assert (layout.user("demo"), layout.router_user, layout.log_user) == (None, None, None)
