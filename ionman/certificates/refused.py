"""Why a peer's certificate is refused, in one wording for callers, services, hosts and links.

The codes are OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h), which Python's ssl and pyOpenSSL hand on. The part of it that
runs on hosts without ionman, for apt, is playbooks/module_utils/ionman_tls.py: a test holds both to the same words.
"""

from typing import NamedTuple

OTHER_NAMES, OTHER_ADDRESSES = 62, 64


class Reason(NamedTuple):
    """`what` follows the words "its certificate"; `remedy` is what to do."""

    what: str
    remedy: str


_STRANGER = Reason("is from another authority than those that are trusted here", "set ca to its authority's file")

REASONS = {
    2: _STRANGER,  # its signer is not there
    9: Reason("is not valid yet", "compare the clocks"),
    10: Reason("has expired", "renew it: playbooks/certificate.yml; if it was, its authority has expired"),
    18: Reason("is self-signed", "give it one by an authority, or set ca to that very certificate"),
    19: _STRANGER,  # the authority came along, and is not trusted
    20: _STRANGER,
    OTHER_NAMES: Reason("is made out for other names", "reach it by one of those, or renew it with this one"),
    OTHER_ADDRESSES: Reason("is made out for other addresses", "reach it by one of those, or renew it with this one"),
}


def explain(code: int, words: str = "") -> Reason:
    """The reason that `code` stands for; for one that is not known here, with OpenSSL's own `words`."""
    return REASONS.get(code) or Reason(f"is refused: {words or f'X509_V_ERR {code}'}", "have it made anew")
