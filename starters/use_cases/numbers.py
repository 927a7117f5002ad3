"""Numbers for what is put on record: none that a workflow has had already."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.orm import InstrumentedAttribute

from rapport.model.base import UserError
from rapport.storage.numbers import GivenMeanwhileError, next_number
from starters.services import Services, answered

T = TypeVar("T")


async def numbered(
    services: Services,
    column: InstrumentedAttribute[int],
    id_of: Callable[[int], str],
    add: Callable[[int], Awaitable[T]],
) -> T:
    """Put something on record under the next number of which Temporal has no workflow.

    A database that was put back from a backup older than Temporal gives numbers again that it gave before. What then
    got one would join the workflow of somebody else's. Where Temporal is silent, the next number has to do.

    Args:
        id_of: The workflow of a number.
        add: Writes it down under a number, in a transaction of its own; raises as `take` does.
    """
    while True:
        async with services.store.reading() as connection:
            number = await next_number(connection, column)
        while await _had(services, id_of(number)):
            number += 1
        try:
            return await add(number)
        except GivenMeanwhileError:
            continue


async def _had(services: Services, id_: str) -> bool:
    """Whether Temporal has a workflow, running or over."""
    try:
        await answered(services.client.get_workflow_handle(id_).describe(), id_)
    except UserError:
        return False
    return True
