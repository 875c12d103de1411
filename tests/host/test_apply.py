"""`ionman host apply` under a real svscan."""

from tests.host.conftest import Host, processes


def test_starts_keeps_replaces_and_removes(host: Host) -> None:
    assert host.apply(host.document(instances=2)).changed
    first = host.pids()
    assert len(first) == 2
    assert not host.apply(host.document(instances=2)).changed
    assert host.pids() == first
    assert all("nothing to do" in line for line in host.lines)

    assert host.apply(host.document("1.1.0")).changed
    assert len(host.pids()) == 1
    assert not set(host.pids()) & set(first)

    assert host.apply('{"services": []}').changed
    assert host.programs == []
    assert list(host.layout.configuration.iterdir()) == []
    assert list(host.layout.scanned.iterdir()) == []
    assert [path.name for path in host.layout.runs.iterdir()] == ["apply.lock"]
    assert len(processes(host.layout.root)) == 1  # svscan
