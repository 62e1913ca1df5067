"""Where programs come from: each layout on a small example of it, and what is changed in the text."""

import gzip
import json

import pytest

from passformer.llvm.errors import InputError
from passformer.verify.prepare import prepare
from passformer.verify.sources import DEFAULT, KINDS, read_spec
from passformer.verify.sources.jotai import with_buffers_printed
from passformer.verify.sources.transcoder import driver, second

JOTAI = r"""#include "stdio.h"
#include "stdlib.h"
void usage() {
    printf("%s", "Usage:\n\
    prog [ARGS]\n\
\nARGS:\n\
       0            int-bounds\n\
       1            big-arr\n\
\n\
");
}
typedef int DWORD;
void fill(DWORD n, unsigned char *out) { for (int i = 0; i < n; i++) out[i] = i * 7; }
int main(int argc, char *argv[]) {
    if (argc != 2) { usage(); return 1; }
    switch (atoi(argv[1])) {
    case 0:
    {
          int _len_out0 = 20;
          unsigned char * out = (unsigned char *) malloc(_len_out0*sizeof(unsigned char));
          for(int _i0 = 0; _i0 < _len_out0; _i0++) { out[_i0] = 3; }
          fill(9, out);
          free(out);
        break;
    }
    case 1:
    {
          int _len_out0 = 40;
          unsigned char * out = (unsigned char *) malloc(_len_out0*sizeof(unsigned char));
          for(int _i0 = 0; _i0 < _len_out0; _i0++) { out[_i0] = 4; }
          fill(30, out);
          free(out);
        break;
    }
    default: usage();
    }
    return 0;
}
"""
GFG_C = """#include <stdio.h>
int len (int arr [ ]) {return 2;}
int f_gold ( int x, int y ) {
  if ( y == 0 ) return x;
  return f_gold ( y, x % y );
}


int f_filled ( int x, int y ) {}

int main(void) {
    int n_success = 0;
    int param0[] = {56,17};
    int param1[] = {60,44};
    for(int i = 0; i < len(param0); ++i)
    {
        if(f_filled(param0[i],param1[i]) == f_gold(param0[i],param1[i]))
        {
            n_success+=1;
        }
    }
    printf("#Results:", " ", n_success, ", ", len(param0));
    return 0;
}
"""
GFG_CPP = """#include <iostream>
#include <bits/stdc++.h>
using namespace std;
int f_gold ( vector<int> v ) {
  return accumulate(v.begin(), v.end(), 0);
}

//TOFILL

int main() {
    int n_success = 0;
    vector<vector<int>> param0 {{1,2},{3}};
    for(int i = 0; i < param0.size(); ++i)
        if(f_filled(param0[i]) == f_gold(param0[i])) n_success+=1;
    cout << "#Results:" << " " << n_success << ", " << param0.size();
    return 0;
}"""
HUMANEVAL = {
    "task_id": "CPP/7",
    "declaration": "#include<vector>\nusing namespace std;\nint twice(int x){\n",
    "canonical_solution": "    return 2 * x;\n}\n",
    "test": "#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (twice(4)==8);\n}\n",
}


@pytest.fixture
def trees(tmp_path):
    (tmp_path / "jotai" / "benchmarks" / "leaves").mkdir(parents=True)
    (tmp_path / "jotai" / "benchmarks" / "leaves" / "extr_linux_fill_Final.c").write_text(JOTAI)
    gfg = tmp_path / "gfg" / "data" / "transcoder_evaluation_gfg"
    (gfg / "c").mkdir(parents=True)
    (gfg / "cpp").mkdir()
    (gfg / "c" / "GCD.c").write_text(GFG_C)
    (gfg / "cpp" / "SUM.cpp").write_text(GFG_CPP)
    data = tmp_path / "humaneval" / "codegeex" / "benchmark" / "humaneval-x" / "cpp" / "data"
    data.mkdir(parents=True)
    (data / "humaneval_cpp.jsonl.gz").write_bytes(gzip.compress(json.dumps(HUMANEVAL).encode() + b"\n"))
    return tmp_path


def test_every_layout_gives_programs_that_show_what_they_do(trees, tmp_path, pool):
    specs = (f"jotai:{trees / 'jotai'}", f"transcoder:{trees / 'gfg'}", f"humaneval:{trees / 'humaneval'}")
    candidates = [c for spec in (*specs, "shipped:crc", "random:1") for c in read_spec(spec)]
    programs, left_out = prepare(candidates, tmp_path / "prepared", pool)
    assert left_out == {}
    shown = {f"{p.source}/{p.name}": [o.stdout.decode() for o in p.expected] for p in programs}
    fill = shown.pop("jotai/extr_linux_fill_Final.c")
    assert len(fill) == 2 and all(len(text) > 8 for text in fill) and fill[0] != fill[1], "the buffers are printed"
    assert shown["transcoder/c/GCD.c"] == ["#Results: 2, 2"]
    assert shown["transcoder/c++/SUM.cpp"] == ["#Results: 2, 2"]
    assert shown["humaneval/CPP/7"] == ["passed\n"]
    assert len(shown["random/seed 1"]) == 3 and len(shown) == 5


def test_buffers_of_structs_and_pointers_are_not_printed():
    text = "int main() { struct s * p = (struct s *) malloc(_len_p*sizeof(struct s)); free(p); }"
    assert "print_buffer(p" not in with_buffers_printed(text)
    text = "int main() { char ** p = (char **) malloc(_len_p*sizeof(char *)); free(p); }"
    assert "print_buffer(p" not in with_buffers_printed(text)


def test_the_driver_compares_with_the_second_source():
    assert "int f_filled ( int x, int y );" in driver(GFG_C) and "f_filled ( int x, int y ) {}" not in driver(GFG_C)
    assert 'printf("#Results: %d, %d", n_success, len(param0))' in driver(GFG_C)
    assert "int f_filled ( vector<int> v );" in driver(GFG_CPP)
    for text in (GFG_C, GFG_CPP):
        assert "f_gold" not in second(text) and "main" not in second(text) and "f_filled" in second(text)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nonsense:x", "names no programs"),
        ("jotai", "names no programs"),
        ("jotai:{}", "expected"),
        ("transcoder:{}", "expected"),
        ("humaneval:{}", "expected HumanEval-X"),
        ("random:many", "how many programs"),
    ],
)
def test_a_wrong_place_is_named(tmp_path, spec, said):
    with pytest.raises(InputError, match=said):
        read_spec(spec.format(tmp_path))


def test_damaged_data_is_named(trees):
    file = next(trees.rglob("*.gz"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        read_spec(f"humaneval:{trees / 'humaneval'}")


def test_the_default_needs_nothing_else():
    assert {spec.partition(":")[0] for spec in DEFAULT} <= {"shipped", "random"} < set(KINDS)
    assert sum(len(read_spec(spec)) for spec in DEFAULT) > 150
