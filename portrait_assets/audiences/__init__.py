"""Audiences: groups of users chosen by their tags and numbers in one published export. Nothing here opens the warehouse."""

from portrait_assets.audiences.members import Audience, audience

__all__ = ["Audience", "audience"]
