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
        (Phase.RECIPIENT, 503, "5.5.1 need MAIL command", Meaning.LATER),
        (Phase.MESSAGE, 503, "Bad sequence of commands", Meaning.LATER),
        (Phase.SIGN_IN, 503, "5.5.1 Error: authentication not enabled", Meaning.FAULT),
        (Phase.MESSAGE, 450, "4.7.26 unauthenticated", Meaning.LATER),
    ],
)
def test_a_refusal_is_held_against_whom_it_is_about(phase: Phase, code: int, text: str, about: Meaning) -> None:
    """The sender, before any mail is named or by the codes of RFC 7372 and of the large providers; else this mail."""
    assert meaning(phase, code, text) is about


TOO_FAST = [
    (421, "4.7.0 mail.example Error: too many connections from 192.0.2.1"),
    (450, "4.7.1 Error: too much mail from 192.0.2.1"),
    (450, "4.7.1 Error: too many recipients from 192.0.2.1"),
    (450, "Too many recipient attempts"),
    (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail"),
    (550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits, see"),
    (550, "5.7.1 Daily SMTP relay limit exceeded for customer"),
    (454, "4.7.0 Too many login attempts, please try again later."),
    (452, "4.5.3 Your message has too many recipients"),
    (432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"),
    (421, "4.3.2 The maximum number of concurrent server connections has exceeded a limit, closing channel"),
    (421, "4.4.2 Message submission rate for this client has exceeded the configured limit"),
    (451, "4.7.500 Server busy. Please try again later from [192.0.2.1]"),
    (550, "5.1.90 Your message can't be sent because you've reached your daily limit for message recipients"),
    (554, "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message"),
    (454, "Throttling failure: Maximum sending rate exceeded."),
    (454, "Throttling failure: Daily message quota exceeded."),
    (550, "sorry, too many emails (#5.7.1)"),
    (553, "SASL login name rejected: You are sending too many emails too fast."),
]


@pytest.mark.parametrize(("code", "text"), TOO_FAST)
@pytest.mark.parametrize("phase", Phase)
def test_whoever_sends_too_fast_is_told_so_by_no_one_code(phase: Phase, code: int, text: str) -> None:
    """What the large providers, Postfix and Exchange say of a mailbox's limits fails no mail and is no fault."""
    assert meaning(phase, code, text) is Meaning.TOO_FAST


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
        (450, "4.2.1 The user you are trying to contact is receiving mail too quickly."),
        (552, "5.2.2 The email account that you tried to reach is over quota"),
        (552, "5.3.4 Message size exceeds fixed limit"),
        (552, "Message exceeds fixed maximum message size"),
        (554, "5.4.6 Too many hops, message may be looping"),
        (450, "4.2.0 Recipient address rejected: Greylisted"),
        (451, "4.7.1 Greylisting in action, please come back later"),
        (552, "Requested mail action aborted: exceeded storage allocation"),
        (452, "4.3.1 Insufficient system storage"),
    ],
)
def test_what_is_one_readers_or_one_mails_slows_nobody_down(code: int, text: str) -> None:
    """A full or busy mailbox, a large mail, a loop and greylisting say nothing of how fast we may send."""
    assert meaning(Phase.RECIPIENT, code, text) is not Meaning.TOO_FAST


@given(PHASES, st.integers(200, 499) | st.integers(600, 999), TEXTS)
def test_what_is_no_refusal_for_good_is_patience(phase: Phase, code: int, text: str) -> None:
    """Nothing but a 5xx fails a mail, or is a fault of the installation, whatever words come with it."""
    assert meaning(phase, code, text) in (Meaning.LATER, Meaning.TOO_FAST)


@given(PHASES, st.integers(500, 599), TEXTS)
def test_no_mail_is_blamed_before_it_is_named(phase: Phase, code: int, text: str) -> None:
    """Until MAIL is through no 5xx is one mail's; after that none stops all sending without a mail to ourselves."""
    about = meaning(phase, code, text)
    if phase in EARLY:
        assert about in (Meaning.FAULT, Meaning.LATER, Meaning.TOO_FAST)
    else:
        assert about in (Meaning.OWN, Meaning.DOUBT, Meaning.TOO_FAST)
