"""What a member's pages share: who looks, how a page is drawn for them, and how a form is taken."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from rapport.model.base import UserError
from starters.http.auth import Session, SignedIn, TheServices, check_form
from starters.http.deciding import acting, inbox_of
from starters.http.pages.rendering import disk_of, fields, member_context, page, see_other
from starters.http.problems import status_of
from starters.rights import allowed
from starters.services import Actor, Services
from starters.use_cases import mail_switch, task

SETTLE_SECONDS: Final = 3.0
"""How long a page waits until what was accepted can be seen before it shows what stands."""


@dataclass(frozen=True)
class RefusedForm:
    """A form that was refused, with what was typed in it.

    Attributes:
        step: Which step's it is, where a page has the same form for several.
    """

    name: str
    refusal: UserError
    typed: Mapping[str, str] = field(default_factory=dict)
    step: str | None = None

    @property
    def at(self) -> frozenset[str]:
        """The fields that are at fault."""
        return frozenset(one.field for one in (self.refusal, *self.refusal.others))


@dataclass(frozen=True)
class Visit:
    """A signed-in person at a page."""

    request: Request
    services: Services
    session: Session

    async def page(
        self,
        template: str,
        failed: RefusedForm | None = None,
        *,
        about: str | None = None,
        refusal: UserError | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """A page for them; it says where mail stands, and how much waits for them.

        Args:
            failed: A form of the page that was refused.
            about: The account that it is about, by key: what its reader may not do there, it doesn't offer.
            refusal: Why the page shows something else than was asked for.
        """
        frame = member_context(self.request, self.session) | {
            "may": await allowed(self.services, about),
            "reader": self.acting("").email or None,
            "disk": await disk_of(self.services),
            "mail": await mail_switch.status(self.services),
            "inbox": await task.waiting(self.services, inbox_of(self.services, self.session)),
            "failed": failed,
            "refusal": refusal,
        }
        wrong = failed.refusal if failed is not None else refusal
        return page(template, status=status_of(wrong) if wrong is not None else 200, **(frame | context))

    def acting(self, otherwise: str) -> Actor:
        """Who acts: a member as themself; an operator as the member of the settings, or else as this one."""
        return acting(self.session, self.services.settings.as_ or otherwise)


async def _visit(request: Request, services: TheServices, session: SignedIn) -> Visit:
    return Visit(request, services, session)


TheVisit = Annotated[Visit, Depends(_visit)]


async def _typed(visit: TheVisit) -> dict[str, str]:
    await check_form(visit.request, visit.services, visit.session)
    return await fields(visit.request)


Typed = Annotated[dict[str, str], Depends(_typed)]
"""What was typed into a form that was drawn for this session. Stands first where other parameters look things up."""

Taking = Callable[..., Awaitable[str]]


def form(
    router: APIRouter, path: str, *, again: Callable[..., Awaitable[Response]], name: str | None = None
) -> Callable[[Taking], Taking]:
    """Take a form as a function does that takes `typed: Typed` and gives the path to go on at.

    Args:
        name: The form's, where that is neither the function's nor said by the path as `verb`.
        again: Draws the page anew with `failed`, the refused form; of the function's arguments it gets those it names.
    """

    def decorate(work: Taking) -> Taking:
        named = inspect.signature(again).parameters

        async def take(**given: Any) -> Response:
            try:
                path = await work(**given)
            except UserError as refusal:
                failed = RefusedForm(
                    given.get("verb", name or work.__name__), refusal, given["typed"], given.get("step")
                )
                return await again(**{name: of for name, of in given.items() if name in named}, failed=failed)
            return see_other(path)

        take.__signature__ = inspect.signature(work, eval_str=True)  # type: ignore[attr-defined]
        take.__doc__ = work.__doc__
        router.post(path, name=work.__name__)(take)
        return work

    return decorate
