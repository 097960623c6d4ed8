"""Matrix of roles and routes: which role may call which route of the API and open which page.

The scope of an account decides the communities; the matrix decides what may be done there. `docs/roles.md` is written
from it, and a test walks all of it.
"""

from collections.abc import Mapping

from accounts.principal import Role

_PROPERTY, _STREET, _BUREAU, _UTILITY, _ADMIN, _DEVELOPER = Role

_ALL = frozenset(Role)
_ALERTS = frozenset({_PROPERTY, _UTILITY, _STREET, _DEVELOPER, _ADMIN})
_HOUSEHOLDS = frozenset({_PROPERTY, _UTILITY, _ADMIN})
"""Consumption of a household: its property company and utility, and nobody else but an administrator."""
_WORK = frozenset({_PROPERTY, _ADMIN})

RIGHTS: Mapping[str, frozenset[Role]] = {
    "read_me": _ALL,
    "sign_out": _ALL,
    "change_my_password": _ALL,
    "enrol_second_factor": _ALL,
    "give_second_factor": _ALL,
    "end_token": _ALL,
    "list_accounts": frozenset({_ADMIN}),
    "create_account": frozenset({_ADMIN}),
    "change_account": frozenset({_ADMIN}),
    "reset_account_password": frozenset({_ADMIN}),
    "remove_account_second_factor": frozenset({_ADMIN}),
    "list_keys": _ALL,
    "issue_key": _ALL,
    "revoke_key": _ALL,
    "list_communities": _ALL,
    "read_community": _ALL,
    "list_devices": _ALERTS,
    "read_device": _HOUSEHOLDS,
    "list_events": _HOUSEHOLDS,
    "list_rejections": _HOUSEHOLDS | {_DEVELOPER},
    "read_series": _HOUSEHOLDS,
    "list_device_replacements": _HOUSEHOLDS | {_STREET},
    "create_replacement": _HOUSEHOLDS,
    "withdraw": _HOUSEHOLDS,
    "stream": _ALERTS,
    "list_alerts": _ALERTS,
    "read_alert": _ALERTS,
    "list_notices_of": _WORK,
    "act_on_many": _WORK,
    "acknowledge": _WORK,
    "assign": _WORK,
    "start": _WORK,
    "resolve": _WORK,
    "close": _WORK,
    "comment": _HOUSEHOLDS | {_STREET},
    "list_contacts": _WORK,
    "list_alert_contacts": _WORK,
    "set_contact": _WORK,
    "remove_contact": _WORK,
    "list_alert_attachments": _HOUSEHOLDS,
    "read_attachment": _HOUSEHOLDS,
    "create_attachment": _HOUSEHOLDS,
    "remove_attachment": _WORK,
    "shelve": _WORK,
    "unshelve": _WORK,
    "list_silences": _ALERTS,
    "read_silence": _ALERTS,
    "create_silence": _WORK,
    "end_silence": _WORK,
    "list_audit": frozenset({_ADMIN}),
    "list_bad_actors": _ALERTS,
    "read_alert_statistics": _ALL,
    "read_people_statistics": _WORK,
    "export_statistics": _ALL,
    "read_work_order_of": _WORK,
    "print_work_order": _WORK,
    "list_duty": _ALERTS,
    "create_duty": _WORK,
    "end_shift": _WORK,
    "read_shift_handover": _WORK | {_STREET},
    "create_handover_note": _WORK,
    "list_rules": _ALERTS,
    "run_backtest": frozenset({_DEVELOPER, _ADMIN}),
    "list_tests": frozenset({_PROPERTY, _STREET, _BUREAU, _ADMIN}),
    "read_test": frozenset({_PROPERTY, _STREET, _BUREAU, _ADMIN}),
    "create_test": frozenset({_PROPERTY, _STREET, _ADMIN}),
    "withdraw_test": frozenset({_PROPERTY, _STREET, _ADMIN}),
}
"""Roles by the name of a route below `/api/v1`. A route without a line here does not start."""

UNFINISHED = frozenset({"read_me", "change_my_password", "enrol_second_factor", "give_second_factor", "end_token"})
"""Routes of a login that still has a step to take."""

CITY_WIDE = frozenset({
    "list_audit", "list_accounts", "create_account", "change_account", "reset_account_password",
    "remove_account_second_factor",
})  # fmt: skip
"""Routes about the whole installation, which a key of fewer communities does not open."""

PAGES: Mapping[str, frozenset[Role]] = {
    "me_page": _ALL,
    "my_password_page": _ALL,
    "sign_out_page": _ALL,
    "devices_page": _ALERTS,
    "maintenance_page": _ALERTS,
    "new_window_page": _WORK,
    "create_window_page": _WORK,
    "end_window_page": _WORK,
    "inbox_page": _ALERTS,
    "alerts_stream_page": _ALERTS,
    "alert_page": _ALERTS,
    "work_order_page": _WORK,
    "act_on_alert_page": _HOUSEHOLDS | {_STREET},
    "act_on_alerts_page": _WORK,
}
"""Roles by the name of a page of the console; the pages of a login are open to all."""
