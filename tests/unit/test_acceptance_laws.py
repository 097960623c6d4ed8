"""Laws of verdicts: their independence of the order of rows, and of more or less evidence."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from acceptance.criteria import MEASURED
from acceptance.criterion import Coverage, OnlineRate, ReadSuccess
from acceptance.document import canonical_text, document
from acceptance.measure import slot_question
from acceptance.result import Reason, Verdict
from judged_community import WINDOW, evidence, judge, measured, slots_of, verdicts
from store.telemetry.evidence import DeliveryAnswer, Evidence

SLOT_MEASURES = (Coverage, ReadSuccess, OnlineRate)


@st.composite
def answers(draw: st.DrawFn) -> Evidence:
    """Draw the faultless community with arbitrary counts, within the possible answers of the store."""
    facts = evidence(households=6)
    slots = {
        question: tuple(
            replace(each, filled=draw(st.integers(0, slots_of(question)), label=question.kind))
            for each in rows
            if draw(st.booleans())
        )
        for question, rows in facts.slots.items()
    }
    deliveries = {
        question: tuple(DeliveryAnswer(each.device_id, 40, draw(st.integers(0, 40))) for each in rows)
        for question, rows in facts.deliveries.items()
    }
    witnessed = tuple(
        replace(test, arrived_at=test.arrived_at if draw(st.booleans()) else None)
        for test in facts.witnessed
        if draw(st.booleans())
    )
    return replace(facts, slots=slots, deliveries=deliveries, witnessed=witnessed)


@given(answers(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(facts, random):
    def shuffled(rows):
        return tuple(random.sample(rows, len(rows)))

    other = Evidence(
        facts.window,
        facts.community,
        shuffled(facts.households),
        shuffled(facts.devices),
        dict(shuffled([(question, shuffled(rows)) for question, rows in facts.slots.items()])),
        dict(shuffled([(question, shuffled(rows)) for question, rows in facts.deliveries.items()])),
        shuffled(facts.witnessed),
    )
    assert canonical_text(document(judge(facts))) == canonical_text(document(judge(other)))


@given(answers(), st.timedeltas(timedelta(0), timedelta(days=400)))
def test_the_time_of_generation_changes_no_byte_once_the_window_is_over(facts, later):
    assert canonical_text(document(judge(facts))) == canonical_text(
        document(judge(facts, generated_at=WINDOW.end + later))
    )


@given(answers(), st.data())
def test_more_success_never_turns_a_pass_into_anything_else(facts, data):
    slots = {
        question: tuple(replace(each, filled=data.draw(st.integers(each.filled, slots_of(question)))) for each in rows)
        for question, rows in facts.slots.items()
    }
    deliveries = {
        question: tuple(replace(each, in_time=data.draw(st.integers(each.in_time, each.total))) for each in rows)
        for question, rows in facts.deliveries.items()
    }
    witnessed = tuple(
        replace(test, arrived_at=test.arrived_at or data.draw(st.sampled_from([None, test.triggered_at])))
        for test in facts.witnessed
    )
    before, after = judge(facts), judge(replace(facts, slots=slots, deliveries=deliveries, witnessed=witnessed))
    for name, verdict in verdicts(before).items():
        assert verdict is not Verdict.PASS or verdicts(after)[name] is Verdict.PASS


@given(answers())
def test_one_more_reporting_device_never_turns_a_pass_into_anything_else(facts):
    full = evidence(households=6)
    slots = {
        question: rows
        + tuple(each for each in full.slots[question] if each.device_id not in {r.device_id for r in rows})
        for question, rows in facts.slots.items()
    }
    before, after = verdicts(judge(facts)), verdicts(judge(replace(facts, slots=slots)))
    assert all(after[name] is Verdict.PASS for name, verdict in before.items() if verdict is Verdict.PASS)


@given(answers())
def test_a_verdict_follows_from_its_figure(facts):
    for result in measured(judge(facts)).values():
        if result.figure is None:
            assert result.reason is Reason.NO_TESTS
            continue
        assert 0 <= result.figure.passed <= result.figure.total
        reached = result.figure.passed / result.figure.total >= float(result.criterion.target.at_least)
        assert (result.verdict is Verdict.PASS) == (reached and result.reason is None)
        assert sum(each.passed for each in result.shortfalls) <= result.figure.passed


@given(answers(), st.sampled_from([each for each in MEASURED if isinstance(each.measure, SLOT_MEASURES)]))
def test_removing_evidence_never_makes_a_pass(facts, criterion):
    question = slot_question(criterion.measure)
    result = measured(judge(replace(facts, slots={**facts.slots, question: ()})))[criterion.id]
    assert result.verdict is not Verdict.PASS
