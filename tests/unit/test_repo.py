import itertools
import shutil
import subprocess

import pytest

from ionman.errors import InputError
from ionman.repo import Deb, Plan, application, from_list, order, plan, release

VERSIONS = [
    "0.1.0-1",
    "0.1.0~rc1-1",
    "0.1.0~rc2-1",
    "0.1.0-2",
    "1.0-1",
    "1.0.0-1",
    "1.0.0-10",
    "1.0.0~~-1",
    "1.0.0~-1",
    "1:0.9-1",
    "1.0a-1",
    "1.0+b-1",
    "1.10.0-1",
    "1.9.0-1",
    "26.10.1-1",
    "1.0",
    "1.0.0a1-1",
    "2.0.0.post1-1",
    "2.0.0+g12-1",
    "2.0.0-1",
]


def deb(package: str, version: str, digest: str = "a", path: str = "", architecture: str = "amd64") -> Deb:
    return Deb(package, version, architecture, digest * 64, path)


def demo(release: str, digest: str = "a") -> Deb:
    return deb(f"demo-{release}", f"{release}-1", digest)


def test_the_order_is_dpkgs() -> None:
    dpkg = shutil.which("dpkg")
    assert dpkg, "dpkg is what packages are made with"
    for one, other in itertools.combinations(VERSIONS, 2):
        older = subprocess.run([dpkg, "--compare-versions", one, "lt", other], check=False).returncode == 0
        assert (order(one) < order(other)) is older, (one, other)


@pytest.mark.parametrize(
    ("package", "version", "app", "number"),
    [
        ("demo-1.0.0", "1.0.0-1", "demo", "1.0.0"),
        ("my-demo-2-1.0.0-rc1", "1.0.0~rc1-1", "my-demo-2", "1.0.0~rc1"),
        ("crossbar-26.10.1", "26.10.1-1", "crossbar", "26.10.1"),
        ("demo-1.0.0-rc1", "1.0.0~rc1-1", "demo", "1.0.0~rc1"),
        ("ionman", "0.1.0-1", "ionman", "0.1.0-1"),
    ],
)
def test_a_release_is_known_by_the_name_of_its_package(package: str, version: str, app: str, number: str) -> None:
    assert application(package) == app
    assert release(package, version) == number


def test_only_what_is_missing_is_included() -> None:
    todo, after = plan([demo("1.0.0"), demo("1.1.0")], [demo("1.0.0")])
    assert todo == Plan(include=(demo("1.1.0"),))
    assert [one.package for one in after] == ["demo-1.0.0", "demo-1.1.0"]


def test_the_same_again_is_nothing() -> None:
    offered = [deb("demo-1.0.0", "1.0.0-1", path="dist/demo.deb"), deb("ionman", "0.1.0-1", path="dist/ionman.deb")]
    rows = [
        {"package": one.package, "version": one.version, "architecture": one.architecture, "sha256": one.sha256}
        for one in offered
    ]
    assert plan(offered, from_list(rows + rows))[0] == Plan()


def test_other_bytes_of_the_same_version_are_refused() -> None:
    with pytest.raises(InputError, match=r"demo-1\.0\.0_1\.0\.0-1_amd64\.deb differs") as caught:
        plan([demo("1.0.0", "b")], [demo("1.0.0")])
    assert "new version" in caught.value.remedy


def test_a_package_that_is_not_side_by_side_is_replaced_even_by_an_older_one() -> None:
    older, newer = deb("ionman", "0.1.0-1"), deb("ionman", "0.2.0-1")
    assert plan([older], [newer])[0] == Plan((older,), (("ionman", "amd64"),))
    assert plan([older, newer], [newer])[0] == Plan()


def test_the_last_three_releases_stay_and_those_that_are_held() -> None:
    releases = [demo(f"1.{minor}.0") for minor in (0, 1, 2, 9, 10)]
    todo, after = plan(releases[4:], releases[:4], keep=3, hold=["demo-1.0.0"])
    assert todo.remove == (("demo-1.1.0", "amd64"),)
    assert {one.package for one in after} == {"demo-1.0.0", "demo-1.2.0", "demo-1.9.0", "demo-1.10.0"}


def test_offered_releases_beyond_the_last_three_are_not_included_again_and_again() -> None:
    releases = [demo(f"1.{minor}.0") for minor in range(5)]
    first, after = plan(releases, [])
    assert [one.package for one in first.include] == ["demo-1.2.0", "demo-1.3.0", "demo-1.4.0"]
    assert plan(releases, after)[0] == Plan()


def test_architectures_count_apart() -> None:
    arm = deb("demo-1.0.0", "1.0.0-1", "b", architecture="arm64")
    assert plan([arm], [demo("1.0.0")])[0] == Plan((arm,))


def test_keep_counts_releases_of_each_application() -> None:
    others = [deb("crossbar-26.7.1", "26.7.1-1"), deb("ionman", "0.1.0-1")]
    assert plan([demo("1.0.0")], others, keep=1)[0] == Plan((demo("1.0.0"),))
