"""Program graphs of small modules against nodes and edges counted by hand."""

from passformer.baselines.coreset_nvp.graph import MAX_INSTRUCTIONS, MAX_POSITION, Flow, Kind, program_graph
from passformer.llvm.sandbox import Failure, Sandbox

STRAIGHT = b"""
define i32 @f(i32 %x, i32 %unused) {
  %a = add i32 %x, 7
  %b = mul i32 %a, %a
  %c = add i32 %b, 7
  ret i32 %c
}
"""
LOOP = b"""
define void @f(i1 %p, ptr %q) {
entry:
  br i1 %p, label %body, label %end
body:
  %i = phi i64 [ 0, %entry ], [ %j, %body ]
  %j = add i64 %i, 1
  store i64 %j, ptr %q
  %s = icmp eq i64 %j, 10
  br i1 %s, label %end, label %body
end:
  ret void
}
"""
CALLS = b"""
@g = global [4 x i8] zeroinitializer
declare i32 @outside(ptr, i32)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define internal i32 @inside(i32 %x) {
  ret i32 %x
}
define i32 @f(ptr %indirect) {
  %a = call i32 @inside(i32 1)
  %b = call i32 @outside(ptr @g, i32 1)
  %c = call i32 %indirect()
  call void @llvm.memset.p0.i64(ptr @g, i8 0, i64 4, i1 false)
  call void asm sideeffect "nop", ""()
  ret i32 %a
}
"""
SWITCH = b"""
define i8 @f(i8 %x) {
  switch i8 %x, label %other [ i8 3, label %three
                               i8 5, label %other ]
three:
  ret i8 1
other:
  ret i8 2
}
"""
TYPES = b"""
%pair = type { i32, double }
define <4 x float> @f(<4 x float> %v, ptr %p) {
  %a = alloca [3 x i16]
  %s = alloca %pair
  %i = insertelement <4 x float> %v, float 1.0, i32 0
  store ptr null, ptr %a
  store i128 poison, ptr %s
  unreachable
}
"""


def nodes(graph, kind):
    """Texts of the nodes of a kind, in order."""
    return [graph.texts[t] for t, k in zip(graph.node_texts, graph.node_kinds, strict=True) if k == kind]


def edges(graph, flow):
    """(from, to, position) of the edges of a flow, sorted."""
    rows = zip(*graph.edges.tolist(), graph.positions.tolist(), graph.flows.tolist(), strict=True)
    return sorted((source, target, position) for source, target, position, f in rows if f == flow)


def test_straight_code(any_llvm):
    with Sandbox() as sandbox:
        graph = sandbox.call(program_graph, STRAIGHT)
    assert nodes(graph, Kind.INSTRUCTION) == ["add i32", "mul i32", "add i32", "ret i32"]
    # x is 4, 7 is 5, and results follow as they are used: a is 6, b is 7, c is 8
    assert nodes(graph, Kind.VARIABLE) == ["variable i32"] * 4 and nodes(graph, Kind.CONSTANT) == ["constant i32"]
    assert graph.node_kinds.tolist() == [0, 0, 0, 0, 1, 2, 1, 1, 1]
    assert edges(graph, Flow.CONTROL) == [(0, 1, 0), (1, 2, 0), (2, 3, 0)]
    defined = [(0, 6, 0), (1, 7, 0), (2, 8, 0)]
    used = [(4, 0, 0), (5, 0, 1), (6, 1, 0), (6, 1, 1), (7, 2, 0), (5, 2, 1), (8, 3, 0)]
    assert edges(graph, Flow.DATA) == sorted(defined + used)
    assert edges(graph, Flow.CALL) == []


def test_branches_and_phis(any_llvm):
    with Sandbox() as sandbox:
        graph = sandbox.call(program_graph, LOOP)
    # br 0, phi 1, add 2, store 3, icmp 4, br 5, ret 6
    expected = ["br i1", "phi i64", "add i64", "store i64", "icmp i1", "br i1", "ret void"]
    assert nodes(graph, Kind.INSTRUCTION) == expected
    control = [(0, 1, 0), (0, 6, 1), (1, 2, 0), (2, 3, 0), (3, 4, 0), (4, 5, 0), (5, 6, 0), (5, 1, 1)]
    assert edges(graph, Flow.CONTROL) == sorted(control)
    # p 7; 0 8; j 9 (used by the phi before it is defined); i 10; 1 11; q 12; 10 13; s 14
    assert graph.node_kinds.tolist()[7:] == [1, 2, 1, 1, 2, 1, 2, 1]
    data = [(7, 0, 0), (8, 1, 0), (9, 1, 1), (2, 9, 0), (1, 10, 0), (10, 2, 0), (11, 2, 1), (9, 3, 0), (12, 3, 1)]
    assert edges(graph, Flow.DATA) == sorted([*data, (9, 4, 0), (13, 4, 1), (4, 14, 0), (14, 5, 0)])


def test_calls(any_llvm):
    with Sandbox() as sandbox:
        graph = sandbox.call(program_graph, CALLS)
    # ret 0 of inside; calls 1 to 5 and ret 6 of f
    assert nodes(graph, Kind.INSTRUCTION)[1:6] == ["call i32", "call i32", "call i32", "call void", "call void"]
    constants = {text: i for i, text in enumerate(graph.texts[t] for t in graph.node_texts) if graph.node_kinds[i] == 2}
    outside, memset = constants["function ptr"], constants["llvm.memset"]
    assert edges(graph, Flow.CALL) == sorted([(1, 0, 0), (0, 1, 0), (2, outside, 0), (4, memset, 0)])
    into = {target: [s for s, t, _ in edges(graph, Flow.DATA) if t == target] for target in (1, 2, 3, 4, 5)}
    assert [len(sources) for sources in into.values()] == [1, 2, 1, 4, 0]
    assert into[1][0] in into[2], "the constant 1 is one node"
    assert constants["global ptr"] in into[2] and constants["global ptr"] in into[4]
    assert graph.node_kinds[into[3][0]] == Kind.VARIABLE, "what an indirect call calls is its operand"
    assert sum(t == 1 for _, t, _ in edges(graph, Flow.CALL)) == 1, "the return of inside leads to its call"


def test_the_cases_of_a_switch_have_the_positions_of_their_successors(any_llvm):
    with Sandbox() as sandbox:
        graph = sandbox.call(program_graph, SWITCH)
    assert edges(graph, Flow.CONTROL) == [(0, 1, 1), (0, 2, 0), (0, 2, 2)]
    # x 3, case 3 is 4, case 5 is 5
    into_switch = [edge for edge in edges(graph, Flow.DATA) if edge[1] == 0]
    assert into_switch == [(3, 0, 0), (4, 0, 1), (5, 0, 2)]


def test_texts_name_types(any_llvm):
    with Sandbox() as sandbox:
        graph = sandbox.call(program_graph, TYPES)
    assert nodes(graph, Kind.INSTRUCTION) == [
        *("alloca [i16]", "alloca struct", "insertelement <4 x float>", "store ptr", "store i128", "unreachable void")
    ]
    assert set(nodes(graph, Kind.CONSTANT)) == {"constant i32", "constant float", "null ptr", "poison i128"}
    assert "variable <4 x float>" in nodes(graph, Kind.VARIABLE)


def test_of_a_huge_module_the_first_instructions_are_taken(sandbox):
    chain = "\n".join(f"  %v{i + 1} = add i32 %v{i}, %v{i // 2}" for i in range(MAX_INSTRUCTIONS - 2))
    late = "  br label %end\nend:\n  %r = phi i32 [ %v9, %entry ]\n  %z = call i32 @f(i32 %r)\n  ret i32 %z"
    text = f"define i32 @f(i32 %v0) {{\nentry:\n{chain}\n{late}\n}}\ndefine i32 @g() {{\n  ret i32 1\n}}"
    graph = sandbox.call(program_graph, text.encode())
    assert len(nodes(graph, Kind.INSTRUCTION)) == MAX_INSTRUCTIONS
    assert nodes(graph, Kind.INSTRUCTION)[-2:] == ["br label", "phi i32"]
    assert graph.edges.max() < len(graph.node_texts)
    assert len(edges(graph, Flow.CONTROL)) == MAX_INSTRUCTIONS - 1 and not edges(graph, Flow.CALL)


def test_what_is_left_out_has_no_edges(sandbox):
    chain = "\n".join(f"  %v{i + 1} = add i32 %v{i}, 1" for i in range(MAX_INSTRUCTIONS - 3))
    loop = f"loop:\n  %v0 = phi i32 [ %x, %entry ], [ %late, %end ]\n{chain}\n  br label %end"
    end = "end:\n  %late = add i32 %x, 1\n  br label %loop"
    text = f"define void @f(i32 %x) {{\nentry:\n  br label %loop\n{loop}\n{end}\n}}"
    graph = sandbox.call(program_graph, text.encode())
    assert edges(graph, Flow.CONTROL) == [(i, i + 1, 0) for i in range(MAX_INSTRUCTIONS - 1)], "none from the last"
    into_phi = [graph.texts[graph.node_texts[s]] for s, target, _ in edges(graph, Flow.DATA) if target == 1]
    assert into_phi == ["variable i32"], "x alone"


def test_late_positions_count_as_one(sandbox):
    arguments = ", ".join(f"i32 {i}" for i in range(300))
    text = f"declare void @g(...)\ndefine void @f() {{\n  call void (...) @g({arguments})\n  ret void\n}}"
    positions = [p for _, _, p in edges(sandbox.call(program_graph, text.encode()), Flow.DATA)]
    assert sorted(positions) == [*range(MAX_POSITION), *[MAX_POSITION] * (300 - MAX_POSITION)]


def test_what_is_no_ir_is_refused(sandbox):
    assert isinstance(sandbox.call(program_graph, b"nothing"), Failure)


def test_a_module_without_functions_is_an_empty_graph(sandbox):
    graph = sandbox.call(program_graph, b"@a = global i32 1")
    assert len(graph.node_texts) == 0 and graph.edges.shape == (2, 0)
