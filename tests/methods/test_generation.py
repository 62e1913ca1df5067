"""Whole answers: written behind a list, read strictly, judged by LLVM."""

import pytest

from passformer.dataset.prompt import Answer, parse_answer
from passformer.llvm.passlist import OZ, PassList
from passformer.methods.generation import Truth, bleu, judge, kind_of_error, mean_error, measures, write_on
from passformer.model.decoding import best_first
from passformer.model.package import open_package

IR = "define i32 @f(i32 %0) {\n%2 = add i32 %0, 1\nret i32 %2\n}\n"
TRUTH = Truth(10, 2, IR)


def answer(ir: str = IR, before: int = 10, after: int = 2) -> str:
    return str(Answer(OZ, before, after, ir))


def test_answers_are_judged_by_llvm(sandbox):
    right = judge(answer(), TRUTH, sandbox)
    assert right.compiles and right.exact and right.error == ""
    other = judge(answer(IR.replace("1", "2").replace("%2", "%3").replace("%22", "%2")), TRUTH, sandbox)
    assert not other.exact
    broken = judge(answer(IR.replace("%2\n", "%7\n")), TRUTH, sandbox)
    assert not broken.compiles and "use of undefined value '%7'" in broken.error
    nothing = judge("Run passes -Oz and hope", TRUTH, sandbox)
    assert nothing.answer is None and not nothing.compiles and not nothing.exact


def test_measures_are_shares_of_all_answers(sandbox):
    texts = [answer(), answer(before=12), answer(IR.replace("%2\n", "%7\n"), after=3), "nonsense"]
    figures = measures([judge(text, TRUTH, sandbox) for text in texts])
    assert (figures["answers"], figures["well_formed"]) == (4, 75)
    assert (figures["compiles"], figures["exact_match"]) == (50, 50)
    assert figures["before_error"] == pytest.approx(20 / 3) and figures["after_error"] == pytest.approx(50 / 3)
    assert 0 < figures["bleu"] < 100 and measures([]) == {}
    assert measures([judge("nonsense", TRUTH, sandbox)])["well_formed"] == 0
    assert bleu([IR], [IR]) == pytest.approx(100) and mean_error([(1, 2), (3, 2)]) == 50


def test_messages_are_sorted_by_kind(sandbox):
    unlike = [judge(answer(IR.replace("@f", name)), TRUTH, sandbox) for name in ("@6bad", "@7worse")]
    assert {kind_of_error(j.error) for j in unlike} == {"expected '...' in function argument list"}
    assert kind_of_error("<stdin>:3:5: error: use of undefined value '%7'") == "use of undefined value '...'"
    assert kind_of_error("error: '%3' defined with type 'i64' but expected 'i32'") == kind_of_error(
        "error: '%8' defined with type 'ptr' but expected 'i1'"
    )
    assert kind_of_error("invalid module: 17 things") == "invalid module: N things"


def test_what_is_written_goes_on_from_the_list(package):
    opened = open_package(package)
    (best,) = best_first(opened.model, opened.writer.encode(IR).tolist(), opened.grammar, 1)
    text = write_on(opened.model, opened.tokenizer, opened.grammar, best, 5)
    assert text.startswith(f"Run passes {PassList(best.names)} to")
    longer = write_on(opened.model, opened.tokenizer, opened.grammar, best, 20)
    assert longer.startswith(text)
    assert parse_answer(answer()).ir == IR
