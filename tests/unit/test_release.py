"""What is taken from a release, and which digest is trusted: every case is in tests/cases/release."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman.errors import InputError
from ionman.release import (
    Choice,
    checksum,
    checksum_files,
    checksum_names,
    choose,
    digest,
    mismatch,
    parse,
    repository_name,
    trust,
    version,
)

CASES = Path(__file__).parents[1] / "cases" / "release"


def cases(name: str) -> list[Any]:
    listed = yaml.safe_load((CASES / name).read_text())
    return [pytest.param(case, id=str(case.get("why", case.get("tag")))) for case in listed]


def body(*names: str) -> dict[str, Any]:
    return {
        "tag_name": "v1.0.0",
        "html_url": "https://github.com/acme/demo/releases/tag/v1.0.0",
        "tarball_url": "https://api.github.com/repos/acme/demo/tarball/v1.0.0",
        "assets": [{"name": name, "url": f"https://x/{name}", "size": 1, "digest": None} for name in names],
    }


@pytest.mark.parametrize("case", cases("versions.yml"))
def test_version(case: dict[str, Any]) -> None:
    if case["name"] is None:
        with pytest.raises(InputError, match="is no version"):
            version(str(case["tag"]))
    else:
        found = version(str(case["tag"]))
        assert (found.name, found.debian) == (case["name"], case["debian"])


@pytest.mark.parametrize("case", cases("choices.yml"))
def test_choice(case: dict[str, Any]) -> None:
    release = parse(body(*case["assets"]), "acme/demo")
    if "error" in case:
        with pytest.raises(InputError) as caught:
            choose(release, case.get("asset"))
        assert case["error"] in str(caught.value)
        assert "source" in caught.value.remedy
    else:
        found = choose(release, case.get("asset"))
        assert found.name == case["takes"]
        assert found.source == found.name.endswith("-source.tar.gz")


@pytest.mark.parametrize("case", cases("checksums.yml"))
def test_checksums(case: dict[str, Any]) -> None:
    assert checksum(case["text"], ["demo.tar.gz"]) == case["gives"]


@pytest.mark.parametrize("case", cases("trust.yml"))
def test_trust(case: dict[str, Any]) -> None:
    choice = Choice("demo.tar.gz", "https://x", 1, case.get("api"), source=False)
    if "error" in case:
        with pytest.raises(InputError, match=case["error"]):
            trust(choice, pin=case.get("pin"), checksums=case.get("checksums"))
        return
    found = trust(choice, pin=case.get("pin"), checksums=case.get("checksums"))
    assert (found.digest if found else None) == case["digest"]
    assert (found.by if found else None) == case.get("by")


def test_the_most_particular_checksums_file_is_asked_first() -> None:
    release = parse(
        body("demo-1.0.0.tar.gz", "SHA256SUMS", "demo_checksums.txt", "demo-1.0.0.tar.gz.sha256"), "acme/demo"
    )
    names = [asset.name for asset in checksum_files(release, choose(release, None))]
    assert names == ["demo-1.0.0.tar.gz.sha256", "SHA256SUMS", "demo_checksums.txt"]


def test_the_source_goes_by_several_names_in_a_checksums_file() -> None:
    release = parse(body(), "acme/demo")
    assert "v1.0.0.tar.gz" in checksum_names(release, choose(release, "source"))


def test_an_asset_that_is_not_uploaded_yet_does_not_count() -> None:
    half = body("demo-1.0.0.tar.gz")
    half["assets"][0]["state"] = "starter"
    assert parse(half, "acme/demo").assets == ()


@pytest.mark.parametrize("payload", [None, [], {}, {"message": "hello"}, {"assets": [1]}, {"assets": [{"name": "x"}]}])
def test_an_answer_that_is_no_release(payload: Any) -> None:
    with pytest.raises(InputError, match="is no GitHub release"):
        parse(payload, "acme/demo")


@pytest.mark.parametrize("text", ["demo", "acme/", "acme/demo/x", "../demo", "acme/..", "https://github.com/acme/demo"])
def test_a_repository_is_owner_and_name(text: str) -> None:
    with pytest.raises(InputError, match="is not owner/name"):
        repository_name(text)


def test_a_mismatch_names_both_digests_and_what_to_do() -> None:
    expected = trust(Choice("x", "u", 1, None, source=False), pin=f"sha256:{'a' * 64}", checksums=None)
    assert expected is not None
    error = mismatch("demo.tar.gz of acme/demo v1.0.0", expected, f"sha256:{'b' * 64}")
    assert "a" * 64 in error.message
    assert "b" * 64 in error.message
    assert "pinned in the inventory" in error.message
    assert "pin the new digest" in error.remedy


def test_a_digest_says_where_it_is_wrong() -> None:
    with pytest.raises(InputError, match=r"releases\[0\]: digest: 'md5:12' is no digest"):
        digest("md5:12", "releases[0]: digest")
