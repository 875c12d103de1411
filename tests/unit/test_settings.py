"""config.ini: every case in tests/cases/settings, and what files and environment add."""

from pathlib import Path

import pytest

from ionman import settings
from ionman.errors import ConfigurationError

CASES = Path(__file__).parents[1] / "cases" / "settings"


def expected(text: str, mark: str) -> list[str]:
    return [line.removeprefix(mark).strip() for line in text.splitlines() if line.startswith(mark)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words.key").write_text("these are words\n")
    return tmp_path


def shown(chosen: settings.Settings, folder: Path, name: str) -> str:
    value = getattr(chosen, name)
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value)
    return str(value.relative_to(folder) if isinstance(value, Path) else value)


@pytest.mark.parametrize("case", sorted(CASES.glob("*.ini")), ids=lambda path: path.stem)
def test_case(case: Path, folder: Path) -> None:
    text = case.read_text()
    problems, values = expected(text, "#?"), expected(text, "#!")
    assert bool(problems) != bool(values), "a case says what is wrong, or what is right"
    path = folder / "config.ini"
    if values:
        chosen = settings.parse(text, path, "demo", {})
        for line in values:
            name, _, value = line.partition(" = ")
            assert shown(chosen, folder, name) == value
        return
    with pytest.raises(ConfigurationError) as caught:
        settings.parse(text, path, "demo", {})
    said = caught.value.message.replace(str(folder) + "/missing", "FOLDER/missing")
    said = said.replace(f"{folder}/words", "FOLDER/words")
    assert sorted(said.splitlines()) == sorted(
        f"{path}, {problem}" if problem.startswith("line") else f"{path}: {problem}" for problem in problems
    )
    assert caught.value.status == 78
    assert caught.value.remedy


def test_secrets_are_not_shown() -> None:
    text = (CASES / "seed.ini").read_text()
    chosen = settings.parse(text, Path("config.ini"), "demo", {})
    assert "myservicepassword" not in repr(chosen)
    assert "myservicepassword" not in str(chosen.public())


def test_a_secret_on_a_line_of_its_own_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings.parse("password = one\ntwo-of-it\n", Path("config.ini"), "demo", {})
    assert "two-of-it" not in str(caught.value)


def test_key_file(folder: Path) -> None:
    (folder / "k").write_text("ab" * 32 + "\n")
    text = "realm = ionman\nuser = u\nkey = k\nrouters = h:1\n"
    assert settings.parse(text, folder / "config.ini", "demo", {}).key == "ab" * 32


def test_ca_from_the_environment(folder: Path) -> None:
    text = (CASES / "seed.ini").read_text()
    with pytest.raises(ConfigurationError, match=r"IONMAN_CA: .*gone"):
        settings.parse(text, folder / "config.ini", "demo", {"IONMAN_CA": str(folder / "gone.pem")})
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert (
        settings.parse(text, folder / "config.ini", "demo", {"IONMAN_CA": f"{folder}/ca.pem"}).ca == folder / "ca.pem"
    )


def test_a_byte_order_mark_is_no_part_of_the_first_key(folder: Path) -> None:
    (folder / "config.ini").write_bytes(b"\xef\xbb\xbf" + (CASES / "seed.ini").read_bytes())
    assert settings.read(folder / "config.ini", "demo", {}).realm == "ionman"


def test_a_value_goes_to_the_end_of_its_line_and_not_to_what_unicode_calls_one(folder: Path) -> None:
    text = (CASES / "seed.ini").read_text().replace("myservicepassword", "my\u2028service\x85password")
    assert settings.parse(text, folder / "config.ini", "demo", {}).password == "my\u2028service\x85password"


def test_not_text(folder: Path) -> None:
    (folder / "config.ini").write_bytes(b"realm = \xff\n")
    with pytest.raises(ConfigurationError, match="it is not plain text"):
        settings.read(folder / "config.ini", "demo", {})


@pytest.mark.parametrize(
    ("file", "name"), [("demo.py", "demo"), ("My Service.py", "my_service"), ("2go.py", "s_2go"), ("a-b.py", "a-b")]
)
def test_service_name(file: str, name: str) -> None:
    assert settings.service_name(Path(file)) == name
