"""What apt says, and what to do about it. Runs on a host: standard library only."""

import re

# What apt writes when a repository must not be used -> (what it means, what to do). apt has one exit status for all of
# them, so its words are all there is; apt's own lines are always shown below ours. Order matters: the first that fits.
REFUSALS = (
    (r"[Cc]ertificate verif|handshake", "not proven by its certificate",
     "the repository's certificate is not by the CA that this host has for it: deploy certificate and repo again"),
    (r"is expired|invalid since|Valid-Until", "expired",
     "the repository's signature is out of date: run the deploy's repo playbook, which signs it again,"
     " and check ionman-repo-export.timer on its host (or this host's clock)"),
    (r"not yet valid|Not live until", "signed in the future", "check the clocks of this host and of the repository's"),
    (r"NO_PUBKEY|EXPKEYSIG|KEYEXPIRED|REVKEYSIG|couldn't be verified|keyring",
     "not signed by the key in the keyring",
     "compare this host's keyring with the repository's key; after a planned change of key deploy repo, then host"),
    (r"BADSIG|Hash Sum mismatch|unexpected size|Clearsigned file isn't valid|does not match|Splitting up", "altered",
     "what the repository sends is not what was signed: look at its host before anything else"),
    (r"is not signed|NO_DATA|NODATA|unsigned|no longer signed", "unsigned",
     "the repository gives no signature: do not install from it; run the deploy's repo playbook, which signs it again"),
    (r"Could not resolve|Could not connect|Connection (?:refused|failed|timed out)|unreachable|No route|timed out|"
     r"Temporary failure|Failed to fetch.*404|does not have a Release file|503|502", "unreachable",
     "is the repository's host up (systemctl status ionman-repo), its address right, its port open from here?"),
)  # fmt: skip


def complaints(output):
    """The error and warning lines of apt's output, each once; with dpkg's, the reason on the next line."""
    found = re.findall(r"^ *((?:E|W|Err|dpkg: error)\b(?:.*:\n +.*|.*))", output, re.MULTILINE)
    return list(dict.fromkeys(" ".join(one.split()) for one in found))[:8]


def refusal(output):
    """(what it means, what to do) for the output of an apt that refused a repository."""
    for pattern, meaning, remedy in REFUSALS:
        if re.search(pattern, output):
            return meaning, remedy
    return "refused by apt", "read apt's lines below"


def sentence(text):
    """`text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def fits(wanted, actual):
    """Whether a package's version (None: not there) is the one asked for: exact, or without Debian's revision."""
    return actual is not None and (not wanted or actual == wanted or actual.rpartition("-")[0] == wanted)


def stanzas(text):
    """The stanzas of a Packages file, as dictionaries of their one-line fields."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if re.match(r"[A-Za-z0-9-]+: ", line))
        if "Package" in fields:
            yield fields
