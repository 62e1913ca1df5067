"""Prompts and answers: what they show, and that what is written is what is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passformer.dataset.prompt import ANSWER, COUNTS, IR, OZ_IR, Answer, Form, parse_answer, write_prompt
from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import PassList

PLAIN = [name for name, p in catalog().items() if p.kind != "meta"]


@given(
    st.lists(st.sampled_from(PLAIN), max_size=9),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.text(),
)
def test_answers_round_trip(names, before, after, ir):
    answer = Answer(PassList(tuple(names)), before, after, ir)
    assert parse_answer(str(answer)) == answer


def test_an_answer_reads_as_in_the_paper():
    answer = Answer(PassList.parse("-mem2reg -Oz"), 14, 7, "define i32 @f()")
    assert str(answer).startswith(
        "Run passes -mem2reg -Oz to reduce instruction count from 14 to 7:\n\ndefine i32 @f()"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Run passes -sroa",
        "Run passes -sroa to reduce instruction count from 3 to x:\n\n",
        "Run passes -sroa to reduce instruction count from 3 to 2:\n",
        "run passes -sroa to reduce instruction count from 3 to 2:\n\n",
        "Run passes -no-such-pass to reduce instruction count from 3 to 2:\n\n",
        "Run passes -Oz -Oz to reduce instruction count from 3 to 2:\n\n",
        " Run passes -sroa to reduce instruction count from 3 to 2:\n\n",
        "Run passes -sroa to reduce instruction count from 3 to -2:\n\n",
    ],
)
def test_anything_else_is_no_answer(text):
    with pytest.raises(InputError):
        parse_answer(text)


def test_what_the_forms_show():
    assert write_prompt(Form.PAPER, "before\n", "after\n") == f"{IR}before\n{ANSWER}"
    assert write_prompt(Form.BOTH, "before\n", "after\n") == f"{OZ_IR}after\n{IR}before\n{ANSWER}"
    ir = "define void @f() {\nret void\n}\n"
    assert write_prompt(Form.COUNTED, ir, "after\n") == f"{COUNTS}1: block*1 ret*1\n0:\n{OZ_IR}after\n{IR}{ir}{ANSWER}"
    assert write_prompt(Form.BARE, ir, "after\n") == f"{COUNTS}1: block*1 ret*1\n{IR}{ir}{ANSWER}"
    assert [form for form in Form if not form.shows_oz] == [Form.PAPER, Form.BARE]
    assert write_prompt(Form.COMPACT, ir, "after\n") == f"{COUNTS}1: block*1 ret*1\n0:\n{OZ_IR}after\n{ANSWER}"
