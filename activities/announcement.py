"""Telling the review channel what happens to a tech review: in Slack, by mail, or both; without either, nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.clock import heartbeats, now
from activities.message import Messages
from activities.webhooks import HOOK_GIVES_UP, Hook, Later, Turned, post
from rapport.mail import tech_review as tech_review_mail
from rapport.model.announcement import Announce, Announced, AnnouncingStart
from rapport.model.delivery import DeliveryState
from rapport.model.ids import review_id
from rapport.model.message import CHANNEL, AnnouncementFacts, MessageRequest, MessageState, Purpose
from rapport.model.scenario import scenario_titles
from rapport.model.tech_review_facts import Remark
from rapport.rules import announcement as announcement_rules, tech_review as tech_review_rules
from rapport.storage import account as accounts, announcement, tech_review, timeline
from rapport.storage.database import Connection, Store


@dataclass(frozen=True)
class Announcements:
    """Mirrors reviews into their channel.

    Attributes:
        slack: Slack's incoming webhook, if there is one; it knows no signatures.
    """

    store: Store
    http: httpx.AsyncClient
    messages: Messages
    slack: Hook | None = None

    @activity.defn(name="announcements.announce")
    async def announce(self, start: AnnouncingStart) -> None:
        """Tell the channel all that it was not told yet of a review, one after the other. Safe to repeat.

        Raises:
            ApplicationError: As `tell`.
        """
        async with heartbeats():
            async with self.store.reading() as connection:
                untold = await announcement.untold(connection, start.ref)
            for order in untold:
                await self.tell(order)
                async with self.store.writing() as connection:
                    await announcement.end(connection, order.key, now())

    async def tell(self, order: Announce) -> Announced:
        """Tell the channel one thing, in Slack and by mail as this installation is set up.

        Safe to repeat: what was posted is on record under the announcement's key and is not posted again, and the mail
        goes through the outbox, which sends a key once. Slack itself knows no keys, so its promise is at least once:
        where the process dies after Slack has taken a message and before that is on record, or Slack's answer is lost,
        the channel reads the same message twice. It never misses one silently: what Slack refuses for good, or does not
        take within 48 hours, is on record as failed, and so is what cannot be mailed; `rapport doctor` tells it. A
        failure is no error: this returns then, and what comes after it is told.

        Raises:
            ApplicationError: `ChannelSilent`, where another attempt is worth it; `MailStopped`, `Deferred` or
                `Misconfigured` as sending mail does. None of their texts holds the channel's address.
        """
        facts = await self._facts(order)
        async with self.store.writing() as connection:
            before = await announcement.begin(connection, order, now())
        later: ApplicationError | None = None
        slack: Literal["off", "posted", "failed"] = "off"
        try:
            slack = await self._tell_slack(order, facts, before)
        except ApplicationError as patience:
            # The mail need not wait for it.
            later = patience
        mail = await self._tell_by_mail(order, facts)
        if later is not None:
            raise later
        return Announced(slack=slack, mail=mail)

    async def _facts(self, order: Announce) -> AnnouncementFacts:
        """The words, as SQL has them at this moment."""
        async with self.store.reading() as connection:
            account = await accounts.account(connection, order.account)
            said = None
            if order.submission is not None:
                said = (await timeline.submissions(connection, [order.submission])).get(order.submission)
            names = await accounts.names(connection, order.account)
            review = await tech_review.review(connection, order.ref)
            remarks = await tech_review.remarks(connection, order.ref)
            text = announcement_rules.quoted(
                said.text if said else None, scenario_titles(self.messages.mail_settings.data)
            )
            if review is not None:
                zone = (await accounts.member(connection, review.submitter)).schedule.zone
                more = await self._beside(connection, order, review, zone)
                text = "\n".join(one for one in (text, more) if one) or None
            if order.what == "decided" and review is not None:
                text = await self._reasons(connection, review, remarks, names)
            if said is not None and said.verified == "reported":
                text = "\n".join(filter(None, (text, f"Entered by {said.entered_by}")))
        spoke = next((one for one in remarks if one.submission == order.submission and one.by), None)
        who = names.get(said.actor) if said else None
        on_behalf_of = names.get(said.on_behalf_of) if said and said.on_behalf_of else None
        return AnnouncementFacts(
            ref=order.ref,
            account=account.name,
            headline=announcement_rules.headline(
                order.what,
                order.ref,
                account.name,
                who,
                on_behalf_of,
                order.option,
                title=review.title if review else None,
                seat=tech_review_mail.seat_of(spoke) if spoke and order.submission else None,
            ),
            text=text,
            url=f"{self.messages.mail_settings.public_url}/reviews/{order.ref}",
        )

    async def _beside(
        self, connection: Connection, order: Announce, review: tech_review.KnownReview, zone: str
    ) -> str | None:
        """What is told beside what somebody said: who is heard or was told, and by when; when a meeting is."""
        if order.what in ("submitted", "edited", "revisit"):
            return announcement_rules.hearing(tech_review_rules.heard(review.stage), order.until, zone)
        if order.what == "leadership_told":
            leaders = [
                one.name
                for one in await accounts.members(connection)
                if one.left_at is None and one.roles & tech_review_rules.LEADERS
            ]
            return announcement_rules.leadership(leaders, review.needed_by, zone)
        if order.what in ("meeting_booked", "meeting_moved") and order.until is not None:
            return announcement_rules.moment(order.until, zone)
        return None

    async def _reasons(
        self,
        connection: Connection,
        review: tech_review.KnownReview,
        remarks: Sequence[Remark],
        names: Mapping[str, str],
    ) -> str:
        """By which rule it was decided, and what those said who did."""
        of_round = [one for one in remarks if one.round == review.round]
        deciding = [one for one in of_round if one.kind in ("recommendation", "commitment", "vote")]
        texts = await timeline.words(connection, [one.submission for one in deciding if one.submission])
        spoken = [tech_review_mail.spoken(one, texts, names) for one in deciding]
        return announcement_rules.decision(tech_review_rules.rule(review.ask, [one.kind for one in of_round]), spoken)

    async def _tell_slack(
        self, order: Announce, facts: AnnouncementFacts, before: announcement.AnnouncementRecord
    ) -> Literal["off", "posted", "failed"]:
        """Post an announcement to the Slack channel.

        Raises:
            ApplicationError: `ChannelSilent`.
        """
        if self.slack is None:
            return "off"
        present = now()
        if before.state != DeliveryState.WAITING:
            return "posted" if before.state == DeliveryState.POSTED else "failed"
        words = announcement_rules.slack(facts.headline, facts.text, facts.url)
        content = json.dumps({"text": words, "unfurl_links": False}).encode()
        try:
            await post(self.http, self.slack, order.key, content, present)
        except Turned as refusal:
            return await self._fail(order, str(refusal))
        except Later as patience:
            if present - (before.first_tried_at or present) >= HOOK_GIVES_UP:
                return await self._fail(order, f"given up after 48 hours: {patience}")
            async with self.store.writing() as connection:
                await announcement.settle(connection, order.key, DeliveryState.WAITING, str(patience), present)
            raise ApplicationError(
                f"Slack cannot take it now: {patience}",
                type="ChannelSilent",
                next_retry_delay=patience.wait,
                category=ApplicationErrorCategory.BENIGN,
            ) from None
        async with self.store.writing() as connection:
            await announcement.settle(connection, order.key, DeliveryState.POSTED, None, present)
        return "posted"

    async def _fail(self, order: Announce, reason: str) -> Literal["failed"]:
        async with self.store.writing() as connection:
            await announcement.settle(connection, order.key, DeliveryState.FAILED, reason, now())
        return "failed"

    async def _tell_by_mail(self, order: Announce, facts: AnnouncementFacts) -> Literal["off", "sent", "failed"]:
        """Mail an announcement to the channel's address, once; the mails of one review make one thread."""
        if self.messages.mail_settings.channel is None:
            return "off"
        occasion = MessageRequest(
            step=f"{order.what}.{order.submission or order.now.isoformat()}",
            title=facts.headline,
            workflow_id=review_id(order.ref),
            purpose=Purpose.NOTICE,
            email="review_announcement",
            to=(CHANNEL,),
            now=order.now,
            announcement=facts,
        )
        try:
            outcomes = await self.messages.send(occasion)
        except ApplicationError as refusal:
            if not refusal.non_retryable:
                raise
            async with self.store.writing() as connection:
                await announcement.unwritten(connection, order)
            return "failed"
        return "sent" if set(outcomes.states.values()) == {MessageState.SENT} else "failed"
