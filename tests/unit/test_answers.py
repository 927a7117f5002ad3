"""What a refusal of the relay is about: all that we send, this one mail, or nobody can say yet."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from rapport.mail.answers import Meaning, Phase, meaning

EARLY = (Phase.GREETING, Phase.ENCRYPTION, Phase.SIGN_IN, Phase.SENDER)
PHASES = st.sampled_from(Phase)
TEXTS = st.text(max_size=40) | st.from_regex(r"[245]\.\d{1,3}\.\d{1,3} \w*", fullmatch=True)


@pytest.mark.parametrize(
    ("phase", "code", "text", "about"),
    [
        (Phase.GREETING, 421, "4.3.2 busy", Meaning.LATER),
        (Phase.GREETING, 554, "5.7.1 no service", Meaning.FAULT),
        (Phase.SIGN_IN, 535, "5.7.8 wrong", Meaning.FAULT),
        (Phase.SIGN_IN, 454, "4.7.0 later", Meaning.LATER),
        (Phase.ENCRYPTION, 502, "5.5.1 unknown", Meaning.FAULT),
        (Phase.SENDER, 503, "5.5.1 nested MAIL", Meaning.LATER),
        (Phase.SENDER, 550, "no", Meaning.FAULT),
        (Phase.RECIPIENT, 550, "5.1.1 no such user", Meaning.OWN),
        (Phase.RECIPIENT, 550, "no", Meaning.OWN),
        (Phase.RECIPIENT, 554, "5.7.1 blocked", Meaning.DOUBT),
        (Phase.RECIPIENT, 530, "sign in first", Meaning.DOUBT),
        (Phase.RECIPIENT, 550, "5.1.8 sender's domain not found", Meaning.DOUBT),
        (Phase.MESSAGE, 550, "5.7.26 This mail is unauthenticated", Meaning.DOUBT),
        (Phase.MESSAGE, 550, "5.7.1 sender not allowed", Meaning.DOUBT),
        (Phase.MESSAGE, 550, "5.7.509 Access denied, sending domain does not pass DMARC", Meaning.DOUBT),
        (Phase.MESSAGE, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", Meaning.DOUBT),
        (Phase.MESSAGE, 554, "5.2.252 SendAsDenied", Meaning.DOUBT),
        (Phase.MESSAGE, 530, "5.7.57 Client not authenticated to send mail", Meaning.DOUBT),
        (Phase.MESSAGE, 554, "Message rejected: Email address is not verified.", Meaning.DOUBT),
        (Phase.MESSAGE, 554, "5.6.0 malformed", Meaning.OWN),
        (Phase.MESSAGE, 552, "5.3.4 too large", Meaning.OWN),
        (Phase.MESSAGE, 552, "too large", Meaning.OWN),
        (Phase.MESSAGE, 550, "5.1.1 no such user", Meaning.OWN),
        (Phase.MESSAGE, 550, "5.2.1 mailbox disabled", Meaning.OWN),
        (Phase.MESSAGE, 550, "5.7.17 mailbox owner has changed", Meaning.OWN),
        (Phase.MESSAGE, 450, "4.7.26 unauthenticated", Meaning.LATER),
    ],
)
def test_a_refusal_is_held_against_whom_it_is_about(phase: Phase, code: int, text: str, about: Meaning) -> None:
    """The sender, before any mail is named or by the codes of RFC 7372 and of the large providers; else this mail."""
    assert meaning(phase, code, text) is about


@given(PHASES, st.integers(200, 499) | st.integers(600, 999), TEXTS)
def test_what_is_no_refusal_for_good_is_patience(phase: Phase, code: int, text: str) -> None:
    """Nothing but a 5xx fails a mail, or is a fault of the installation, whatever words come with it."""
    assert meaning(phase, code, text) is Meaning.LATER


@given(PHASES, st.integers(500, 599), TEXTS)
def test_no_mail_is_blamed_before_it_is_named(phase: Phase, code: int, text: str) -> None:
    """Until MAIL is through no 5xx is one mail's; after that none stops all sending without a mail to ourselves."""
    about = meaning(phase, code, text)
    if phase in EARLY:
        assert about in (Meaning.FAULT, Meaning.LATER)
    else:
        assert about in (Meaning.OWN, Meaning.DOUBT)
