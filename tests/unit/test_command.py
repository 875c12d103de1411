"""The command line's edge: help for every verb, errors as messages with their statuses."""

import pytest

from ionman.command import main as command
from ionman.errors import ConfigurationError, IonmanError


@pytest.mark.parametrize("verb", command.VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([verb, "--help"])
    assert ended.value.code == 0
    assert "Usage: ionman " in capsys.readouterr().out


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in command.VERBS)


@pytest.mark.parametrize(
    ("raised", "status", "says"),
    [
        (ConfigurationError("config.ini: port is 99999", remedy="take 1 to 65535"), 78, "take 1 to 65535"),
        (KeyboardInterrupt(), 130, "run the same command again"),
        (OSError(28, "No space left on device", "log"), 71, "log: No space left on device\n  free some space"),
        (OSError(13, "Permission denied", "key"), 71, "key: Permission denied\n"),
    ],
)
def test_what_goes_wrong_is_a_message_and_a_status(
    raised: BaseException,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(command.ionman, "main", fail)
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == status
    assert says in capsys.readouterr().err


def test_an_error_shows_its_remedy_on_a_line_of_its_own() -> None:
    assert str(IonmanError("it failed", remedy="do this")) == "it failed\n  do this"
