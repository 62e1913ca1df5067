"""Pass lists: text to value and back, and the pipeline that opt takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passformer.llvm.catalog import catalog
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ, PassList
from passformer.llvm.protocol import Protocol

META = [name for name, p in catalog().items() if p.kind == "meta"]
ORDINARY = [name for name, p in catalog().items() if p.kind != "meta"]


@st.composite
def pass_lists(draw):
    names = draw(st.lists(st.sampled_from(ORDINARY), max_size=20))
    for meta in draw(st.lists(st.sampled_from(META), unique=True)):
        names.insert(draw(st.integers(0, len(names))), meta)
    return PassList(tuple(names))


@given(pass_lists())
def test_text_round_trip(pass_list):
    assert PassList.parse(str(pass_list)) == pass_list
    assert len(pass_list) == len(pass_list.names) == len(str(pass_list).split())
    assert hash(PassList.parse(str(pass_list))) == hash(pass_list)


def test_white_space_does_not_matter():
    assert PassList.parse("  -sroa\t-Oz\n") == PassList(("sroa", "Oz"))
    assert PassList.parse("") == PassList(())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-instcombin -Oz", "'instcombin': did you mean -instcombine?"),
        ("-gvnhoist", "did you mean -gvn-hoist?"),
        ("-o3", "did you mean -O3?"),
        ("--sroa", "did you mean -sroa?"),
        ("-qqqqqqqq", "no pass is called 'qqqqqqqq'; "),
        ("-", "no pass is called ''"),
        ("sroa", "'sroa' in the pass list has no dash: write it as -sroa"),
        ("-Oz -sroa -Oz", "-Oz stands more than once"),
        ("-O1 -O1", "-O1 stands more than once"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, complaint):
    with pytest.raises(InputError) as caught:
        PassList.parse(text)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ordinary_passes_and_different_meta_flags_may_be_repeated():
    assert len(PassList.parse("-sroa -O1 -sroa -Oz -sroa -O3")) == 6


@pytest.mark.parametrize(
    ("text", "pipeline"),
    [
        ("", ""),
        ("-Oz", "default<O2>"),
        ("-sroa", "function(sroa)"),
        ("-sroa -early-cse", "function(sroa,early-cse)"),
        ("-loop-rotate", "function(loop(loop-rotate))"),
        ("-licm", "function(loop-mssa(licm))"),
        ("-inline -function-attrs", "cgscc(inline,function-attrs)"),
        ("-globaldce -constmerge", "globaldce,constmerge"),
        ("-O1 -globaldce -O3", "default<O1>,globaldce,default<O3>"),
        ("-sroa -Oz -sroa", "function(sroa),default<O2>,function(sroa)"),
        ("-sroa -inline -gvn", "function(sroa),cgscc(inline),function(gvn)"),
        (
            "-sroa -licm -lnicm -loop-rotate -indvars -gvn",
            "function(sroa,loop-mssa(licm,lnicm),loop(loop-rotate,indvars),gvn)",
        ),
        ("-licm -loop-rotate -licm", "function(loop-mssa(licm),loop(loop-rotate),loop-mssa(licm))"),
        (
            "-instcombine -gvn-load-pre -loop-guard-widening",
            "function(instcombine<no-verify-fixpoint>,gvn<load-pre;split-backedge-load-pre>,loop(guard-widening))",
        ),
    ],
)
def test_pipeline(text, pipeline):
    assert PassList.parse(text).pipeline(22) == pipeline


def test_only_oz_depends_on_the_protocol():
    pass_list = PassList.parse("-sroa -Oz -O1")
    assert pass_list.pipeline(22) == pass_list.pipeline(22, Protocol.CLANG) == "function(sroa),default<O2>,default<O1>"
    assert pass_list.pipeline(22, Protocol.PAPER) == "function(sroa),default<Oz>,default<O1>"


@pytest.mark.parametrize(
    ("text", "major", "versions"),
    [
        ("-sroa -mergereturn", 23, "-mergereturn is in LLVM 19 to 22 only, and this is LLVM 23"),
        ("-Os", 23, "19 to 22"),
        ("-gvn-no-scalar-pre", 22, "-gvn-no-scalar-pre is in LLVM 23 only"),
        ("-unreachableblockelim", 20, "21 to 23"),
    ],
)
def test_a_pass_of_another_version_is_refused(text, major, versions):
    with pytest.raises(InputError, match=versions):
        PassList.parse(text).pipeline(major)


def test_searched_means_every_pass_of_it():
    assert OZ.searched and PassList.parse("-sroa -Oz").searched and PassList(()).searched
    assert not PassList.parse("-sroa -structurizecfg -Oz").searched
