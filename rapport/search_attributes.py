"""What a workflow is found by in Temporal's UI, whoever starts it."""

from __future__ import annotations

from typing import Final

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

ACCOUNT: Final = SearchAttributeKey.for_keyword("RapportAccount")
STAGE: Final = SearchAttributeKey.for_keyword("RapportStage")


def found_by(account: str) -> TypedSearchAttributes:
    """What Temporal's UI finds a workflow of an account by."""
    return TypedSearchAttributes([SearchAttributePair(ACCOUNT, account)])
