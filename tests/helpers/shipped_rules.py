"""The rules that come with Anju, read once for all tests."""

from app.rule_files import rules_folder
from rules.language.loader import load_rules

SHIPPED = load_rules(rules_folder(None))
