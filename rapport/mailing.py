"""What mails take from the settings."""

from __future__ import annotations

from rapport.mail.context import MailSettings
from rapport.model.resources import library
from rapport.settings import Settings


def mail_settings(settings: Settings) -> MailSettings:
    """What every mail has in common, from the settings.

    Raises:
        UserError: No secret is set, or the installation's own resources are wrong.
    """
    return MailSettings(
        sender=settings.mail_from,
        public_url=settings.public_url.rstrip("/"),
        secret=settings.secret_bytes,
        library=library(settings.data),
        channel=settings.review_channel_mail,
        data=settings.data,
    )
