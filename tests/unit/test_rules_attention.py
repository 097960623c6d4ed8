"""The attention axis: the state after each action, and the message about an impossible one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.model.attention import Action, Attention, AttentionError, next_attention
from rules.model.rule import RulesError


def go(*actions, state=Attention.UNACKNOWLEDGED):
    for action in actions:
        state = next_attention(state, action)
    return state


def test_an_alert_goes_from_hand_to_hand_until_it_is_closed():
    course = (Action.ACKNOWLEDGE, Action.ASSIGN, Action.START, Action.RESOLVE, Action.CLOSE)
    reached = [go(*course[:count]) for count in range(1, 6)]
    assert reached == ["acknowledged", "assigned", "in_progress", "resolved", "closed"]


@pytest.mark.parametrize("action", [Action.ACKNOWLEDGE, Action.ASSIGN, Action.START, Action.RESOLVE])
def test_steps_may_be_left_out(action):
    assert go(action) != Attention.UNACKNOWLEDGED


def test_an_assigned_alert_may_be_assigned_to_somebody_else():
    assert go(Action.ASSIGN, Action.ASSIGN) == go(Action.START, Action.ASSIGN) == Attention.ASSIGNED


def test_an_unacknowledged_alert_cannot_be_closed():
    with pytest.raises(AttentionError):
        go(Action.CLOSE)


def test_a_resolved_alert_cannot_be_acknowledged_and_the_person_is_told_why():
    with pytest.raises(AttentionError) as refused:
        go(Action.RESOLVE, Action.ACKNOWLEDGE)
    assert str(refused.value) == "报警已解决，不能再“确认”；可以“关闭”。"
    assert isinstance(refused.value, RulesError)


@pytest.mark.parametrize("action", list(Action))
def test_nothing_reopens_a_closed_alert(action):
    with pytest.raises(AttentionError, match="新的报警"):
        next_attention(Attention.CLOSED, action)


_ORDER = list(Attention)


@given(st.lists(st.sampled_from(list(Action)), max_size=12))
def test_no_sequence_of_actions_goes_back_except_by_assigning_or_leaves_a_closed_alert(actions):
    state = Attention.UNACKNOWLEDGED
    for action in actions:
        try:
            reached = next_attention(state, action)
        except AttentionError as refused:
            offered = re.findall("“(.*?)”", str(refused))[1:]
            assert bool(offered) == (state is not Attention.CLOSED)
            assert len(offered) == sum(possible(state, other) for other in Action)
            continue
        assert state is not Attention.CLOSED
        assert _ORDER.index(reached) > _ORDER.index(state) or action is Action.ASSIGN
        state = reached


def possible(state, action):
    try:
        next_attention(state, action)
    except AttentionError:
        return False
    return True
