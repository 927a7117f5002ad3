"""Any email as an account's people would get it, out of invented facts."""

from __future__ import annotations

from rapport.mail import compose, emails
from rapport.mail.context import AccountContext
from rapport.mail.preview import preview
from rapport.mailing import mail_settings
from rapport.model.access import Action
from rapport.model.base import Refused, UserError, WireModel
from starters.rights import requires
from starters.services import Services, present


class PreviewShown(WireModel):
    """An email as one of an account's people would get it.

    Attributes:
        to, name: Whose it would be.
        html: A whole page; personal links in it lead nowhere.
    """

    email: str
    to: str
    name: str
    subject: str
    text: str
    html: str


@requires(Action.READ)
async def show(services: Services, email: str, account: str, to: str | None = None) -> PreviewShown:
    """An email for one of an account's people.

    Args:
        to: Whose address; else the champion's, or whoever else it is for.

    Raises:
        UserError: There is no such email or account, nobody has this address, or the email is not for them.
    """
    emails.known(email)
    async with services.store.reading() as connection:
        company = await AccountContext.read(connection, account)
    people = {one.email.lower(): one.id for one in company.contacts.values()}
    people |= {one.email.lower(): one.id for one in company.members.values()}
    if to is not None and to.lower() not in people:
        fix = f"use one of {', '.join(people)}"
        raise UserError("nobody of this account has this address", field="to", fix=fix, kind=Refused.NOT_FOUND)
    found = preview(email, mail_settings(services.settings), company, present(), people[to.lower()] if to else None)
    words = found.words
    return PreviewShown(
        email=email,
        to=found.to.email,
        name=found.to.name,
        subject=words.subject,
        text=compose.masked(words.text),
        html=compose.masked(words.html),
    )
