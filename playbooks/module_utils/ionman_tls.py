"""What is wrong with the certificate of an https server. Runs on a host: standard library only.

apt says of a wrong authority and of a self-signed certificate the same, so it is asked here once more, with OpenSSL.
"""

import re
import socket
import ssl

TIMEOUT = 15  # s
STRANGER = ("is from another authority than those that are trusted here", "deploy repo, which gives this host its CA")
NAMES = ("reach it by one of those (repo_name, host_repository), or renew it with this one (certificate_extra_names)",)
# X509_V_ERR_* (openssl/x509_vfy.h) -> what follows "its certificate", and what to do (ionman/certificates/refused.py).
REASONS = {
    2: STRANGER,
    9: ("is not valid yet", "compare the clocks of this host and of the repository's"),
    10: ("has expired", "renew it: playbooks/certificate.yml; if it was, its authority has expired"),
    18: ("is self-signed", "give it one by an authority: playbooks/repo.yml"),
    19: STRANGER,
    20: STRANGER,
    62: ("is made out for other names", *NAMES),
    64: ("is made out for other addresses", *NAMES),
}


def refused(url, cafile):
    """(what is wrong, what to do) with the certificate that the server of `url` shows; None when it is accepted."""
    found = re.match(r"https://(?:\[([0-9A-Fa-f:.]+)\]|([^/:]+))(?::(\d+))?", url)
    if not found:
        return None
    host, port = found.group(1) or found.group(2), int(found.group(3) or 443)
    context = ssl.create_default_context(cafile=cafile)
    try:
        with socket.create_connection((host, port), TIMEOUT) as plain, context.wrap_socket(plain, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        what, remedy = REASONS.get(error.verify_code, (f"is refused: {error.verify_message}", "have it made anew"))
        return f"not to be trusted: its certificate {what}", remedy
    except OSError:
        return None
