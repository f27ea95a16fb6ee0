"""Recipes: how the letter of each kind is drawn when it is delivered, a module per subject."""

from services.notifications.recipes import (
    access,
    accounts,
    addresses,
    factors,
    mailings,
    payments,
    questions,
)
from services.notifications.recipes.frame import RECIPES, Asking, Contact, Draft, recipe
from services.notifications.recipes.kept import is_still_needed

__all__ = [
    "RECIPES",
    "Asking",
    "Contact",
    "Draft",
    "access",
    "accounts",
    "addresses",
    "factors",
    "is_still_needed",
    "mailings",
    "payments",
    "questions",
    "recipe",
]
