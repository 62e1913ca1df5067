"""The 56 counts on modules small enough to be counted by hand; what is not named must be 0."""

import pytest

from passformer.baselines.autophase.features import FEATURES
from passformer.baselines.autophase.session import looker
from passformer.llvm.sandbox import Sandbox

LOOP = b"""
declare i32 @get(i64)
declare void @put(i32)
define i32 @sum(ptr %p, i32 %n) {
entry:
  %room = alloca i32
  %enter = icmp sgt i32 %n, 0
  br i1 %enter, label %loop, label %end
loop:
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %s = phi i32 [ 1, %entry ], [ %more, %loop ]
  %at = getelementptr i32, ptr %p, i32 %i
  %x = load i32, ptr %at
  %y = call i32 @get(i64 7)
  call void @put(i32 %y)
  %more = add i32 %s, %x
  %next = add i32 %i, 1
  %again = icmp slt i32 %next, %n
  br i1 %again, label %loop, label %end
end:
  %r = phi i32 [ 0, %entry ], [ %more, %loop ]
  store i32 %r, ptr %room
  store i32 %r, ptr %p
  ret i32 %r
}
"""
LOOP_COUNTS = {
    "BBNumArgsLo": 2,  # 4 incoming values in loop, 2 in end
    # entry has no predecessor; loop has 2 (entry, itself), end has 2
    "twoPred": 2,
    "twoEach": 1,
    "twoSuccessor": 2,
    "BB03Phi": 2,
    "BBNoPhi": 1,
    "BeginPhi": 2,
    "BranchCount": 2,
    "returnInt": 1,
    "CriticalCount": 4,
    "NumEdges": 4,
    "const32Bit": 6,  # of alloca (its number of elements), icmp, three phis, add
    "const64Bit": 1,
    "numConstZeroes": 3,
    "numConstOnes": 3,  # alloca's, phi's, add's
    "binaryConstArg": 1,
    "NumAddInst": 2,
    "NumAllocaInst": 1,
    "BlockLow": 3,
    "NumBrInst": 2,
    "NumCallInst": 2,
    "NumGetElementPtrInst": 1,
    "NumICmpInst": 2,
    "NumLoadInst": 1,
    "NumPHIInst": 3,
    "NumRetInst": 1,
    "NumStoreInst": 2,
    "TotalBlocks": 3,
    "TotalInsts": 17,
    "TotalMemInst": 7,  # alloca, getelementptr, load, two calls, two stores
    "TotalFuncs": 1,
    "ArgsPhi": 6,
    "testUnary": 2,  # alloca, load
}

MANY = b"""
define i64 @many(i32 %k, i8 %b, ptr %f, double %d) {
entry:
  switch i32 %k, label %far [ i32 3, label %one
                              i32 4, label %two
                              i32 5, label %two ]
one:
  br label %meet
two:
  %c = call i32 %f(i64 0)
  br label %meet
far:
  br label %meet
meet:
  %p = phi i64 [ 1, %one ], [ 2, %two ], [ 0, %far ]
  %q = phi i64 [ 1, %one ], [ 2, %two ], [ 0, %far ]
  %u = phi i8 [ 1, %one ], [ 2, %two ], [ %b, %far ]
  %v = phi i8 [ %b, %one ], [ %b, %two ], [ %b, %far ]
  %a01 = ashr i64 %p, 3
  %a02 = and i64 %a01, %q
  %a03 = lshr i64 %a02, %p
  %a04 = mul i64 %a03, %q
  %a05 = or i64 4, %a04
  %a06 = shl i64 %a05, %a01
  %a07 = sub i64 %a06, %a01
  %a08 = xor i64 %a07, %a01
  %a09 = sext i8 %u to i64
  %a10 = zext i8 %v to i64
  %a11 = trunc i64 %a08 to i8
  %a12 = select i1 true, i64 %a09, i64 %a10
  %a13 = bitcast double %d to i64
  %a14 = freeze i64 %a12
  ret i64 %a14
}
define internal void @wide(i128 %w) {
  %x = add i128 %w, 18446744073709551617
  %y = add i128 %x, 1
  %z = mul <2 x i32> <i32 1, i32 1>, zeroinitializer
  unreachable
}
"""
MANY_COUNTS = {
    "BBNumArgsHi": 1,
    # preds: entry 0, one 1, two 2 (both cases), far 1, meet 3, wide 0; successors: 4, 1, 1, 1, 0, 0
    "onePred": 2,
    "onePredOneSuc": 2,
    "oneSuccessor": 3,
    "twoPred": 1,
    "twoPredOneSuc": 1,
    "morePreds": 1,
    "BBHiPhi": 1,
    "BBNoPhi": 5,
    "BeginPhi": 1,
    "BranchCount": 3,
    "CriticalCount": 2,
    "NumEdges": 7,
    "const32Bit": 3,  # the cases
    "const64Bit": 9,  # one of the call, three a phi, ashr, or
    "numConstZeroes": 3,  # of the call and the phis; not the zero vector
    "numConstOnes": 5,  # of three phis, the 128-bit one, and `true`; not 2^64 + 1, not the vector
    "UncondBranches": 3,
    "binaryConstArg": 5,  # ashr, or, two wide adds, the vectors' mul
    "NumAShrInst": 1,
    "NumAddInst": 2,
    "NumAndInst": 1,
    "BlockMid": 1,
    "BlockLow": 5,
    "NumBitCastInst": 1,
    "NumBrInst": 3,
    "NumCallInst": 1,
    "NumLShrInst": 1,
    "NumMulInst": 2,
    "NumOrInst": 1,
    "NumPHIInst": 4,
    "NumRetInst": 1,
    "NumSExtInst": 1,
    "NumSelectInst": 1,
    "NumShlInst": 1,
    "NumSubInst": 1,
    "NumTruncInst": 1,
    "NumXorInst": 1,
    "NumZExtInst": 1,
    "TotalBlocks": 6,
    "TotalInsts": 28,
    "TotalMemInst": 1,
    "TotalFuncs": 2,
    "ArgsPhi": 12,
    "testUnary": 5,  # sext, zext, trunc, bitcast, freeze
}


def test_there_are_56():
    assert len(FEATURES) == 56 and list(FEATURES)[:2] == ["BBNumArgsHi", "BBNumArgsLo"]
    assert list(FEATURES)[-1] == "testUnary" and all(FEATURES.values())


def count(ir: bytes, sandbox: Sandbox) -> dict[str, int]:
    (sight,) = sandbox.map(looker, ir, [()])
    return dict(zip(FEATURES, sight.features, strict=True))


@pytest.mark.parametrize(("ir", "expected"), [(LOOP, LOOP_COUNTS), (MANY, MANY_COUNTS), (b"declare i32 @f()", {})])
def test_counts_by_hand(ir, expected, any_llvm):
    with Sandbox() as sandbox:
        counted = count(ir, sandbox)
    assert {name: number for name, number in counted.items() if number} == expected


@pytest.mark.parametrize(("size", "bounds"), [(14, (1, 0)), (15, (0, 1)), (500, (0, 1)), (501, (0, 0))])
def test_where_blocks_are_large(size, bounds, sandbox):
    counted = count(f"define void @f() {{ {'fence seq_cst ' * (size - 1)} ret void }}".encode(), sandbox)
    assert counted["TotalInsts"] == size and (counted["BlockLow"], counted["BlockMid"]) == bounds


@pytest.mark.parametrize(("num_phis", "num_incoming"), [(1, 5), (1, 6), (3, 1), (4, 1)])
def test_where_phis_are_many(num_phis, num_incoming, sandbox):
    cases = " ".join(f"i8 {i}, label %end" for i in range(1, num_incoming))
    phis = " ".join(f"%p{i} = phi i8 {', '.join(['[ %x, %0 ]'] * num_incoming)}" for i in range(num_phis))
    ir = f"define void @f(i8 %x) {{ switch i8 %x, label %end [ {cases} ] end: {phis} ret void }}"
    counted = count(ir.encode(), sandbox)
    assert (counted["NumPHIInst"], counted["ArgsPhi"]) == (num_phis, num_phis * num_incoming)
    assert (counted["BB03Phi"], counted["BBHiPhi"]) == (num_phis <= 3, num_phis > 3)
    assert (counted["BBNumArgsLo"], counted["BBNumArgsHi"]) == (
        num_phis * num_incoming <= 5,
        num_phis * num_incoming > 5,
    )
