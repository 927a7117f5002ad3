"""What tests of activities share."""

from __future__ import annotations

from tests.mail_fixtures import empty, imported, relay, store

__all__ = ["empty", "imported", "relay", "store"]
