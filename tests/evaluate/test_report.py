"""The report's figures are those of the rows: Tables III and IV are recomputed here from raw rows."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from passformer.corpus.store import write_table
from passformer.dataset.prompt import Answer
from passformer.document import Code, Heading, Table, Text, to_html, to_markdown
from passformer.evaluate.generation import SCHEMA
from passformer.evaluate.report import write_report
from passformer.evaluate.results import Result, summarise, write_results
from passformer.evaluate.runs import SEARCHES
from passformer.llvm.errors import InputError
from passformer.llvm.passlist import OZ

LISTS = ["-gvn-hoist -Oz", "-O1", "-Oz -sroa", "-Oz", "-O3 -Oz", "-mergefunc -Oz"]


def written(i: int, after: int, error: str = "") -> dict[str, object]:
    """A generated answer; every third says a wrong count."""
    ir = f"define i32 @f{i}() {{\nret i32 {i}\n}}\n"
    predicted = after + (i % 3 == 0)
    return {
        "function_id": f"{i:032x}",
        "pass_list": "-Oz",
        "text": str(Answer(OZ, 40, predicted, ir)),
        "predicted_before": 40,
        "before": 50,
        "predicted_after": predicted,
        "after": after,
        "baseline": 20,
        "expected_ir": ir if i % 2 else ir.replace("ret", "br"),
        "error": error,
        "compiles": not error,
        "exact": bool(i % 2),
        "behaviour": None if i % 2 or error else ("equivalent", "different", "untested", "untested")[i % 8 // 2],
    }


GENERATED = [written(i, 18 + i % 5, "error: use of undefined value '%9'" if i % 4 == 0 else "") for i in range(40)]


def made_up(method: str, budget: int, seed: int, num: int = 80) -> list[Result]:
    """Rows as an evaluation leaves them; a larger seed saves more."""
    rows = []
    for i in range(num):
        known, own = random.Random(i), random.Random(f"{method} {budget} {i}")
        baseline, gain = known.randint(5, 400), known.choice([0, 0, 0, 4, 12])
        lists = own.sample(LISTS, 1 if method in SEARCHES else min(max(budget, 1), len(LISTS)))
        counts = [baseline - own.choice([-3, 0, min(gain, seed), gain]) for _ in lists]
        options = [("-Oz", baseline)] if budget else []
        pass_list, result = min([*options, *zip(lists, counts, strict=True)], key=lambda o: o[1])
        if not budget:
            pass_list, result = lists[0], counts[0]
        rows.append(
            Result(
                method=method,
                budget=budget,
                function_id=f"{i:032x}",
                source=known.choice(["jotai", "poj-104"]),
                instructions=3 * baseline,
                pass_list=pass_list,
                baseline=baseline,
                result=result,
                compilations=len(lists) if budget else 0,
                best=baseline - gain + (1 if gain == 12 and i % 5 == 0 else 0),
                baseline_text=4 * baseline,
                result_text=4 * result,
                cpu_seconds=0.01 * (budget + 1),
                proposed=tuple(zip(lists, counts, strict=True)),
            )
        )
    return rows


TRYING = ["coreset-nvp, 6 passes", "autophase, 45 passes", "autotuner, 40 lists"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluated")
    runs = [("model", 0, 8), ("model", 1, 8), ("model", 6, 8), ("coreset", 0, 3), ("coreset", 6, 3), ("oz", 0, 0)]
    for method, budget, seed in [*runs, ("autotuner", 40, 12), ("autophase", 45, 5), ("coreset-nvp", 6, 6)]:
        write_run(root / "evaluations" / f"{method}-{budget}", made_up(method, budget, seed))
    rows = pa.Table.from_pylist(GENERATED, schema=SCHEMA)
    write_table(root / "evaluations" / "model-0" / "generated.parquet", rows)
    win = {
        name: {"pass_list": name, "instructions": n, "ir": f"code {n}"} for n, name in enumerate(("-Oz", "-O1", "-O2"))
    }
    text = json.dumps([{"function_id": "0", "source": "jotai", "lists": win}])
    (root / "evaluations" / "model-0" / "wins.json").write_text(text)
    write_report(root, root / "report")
    return root


def write_run(where: Path, rows: list[Result]) -> None:
    where.mkdir(parents=True)
    write_results(where / "results.parquet", rows)
    head = {"method": rows[0].method, "budget": rows[0].budget, "llvm": 22, "protocol": "clang", "split": "test"}
    (where / "summary.json").write_text(json.dumps({**head, **summarise(rows), "folder": str(where)}))


def table_after(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    lines = text[text.index(heading) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [rows[0], *rows[2:]]


def number(cell: str) -> float:
    return float(re.match(r"-?[\d,.]+", cell)[0].replace(",", ""))


def test_table_three_is_what_the_rows_say(folder):
    table = table_after((folder / "report" / "report.md").read_text(), "## Table III")
    assert [row[0] for row in table[1:]] == ["model", "coreset", "oz", *TRYING]
    for row, (method, budget, seed) in zip(table[1:3], [("model", 0, 8), ("coreset", 0, 3)], strict=True):
        rows = made_up(method, budget, seed)
        saved = [r.baseline - r.result for r in rows]
        expected = [
            0,
            sum(s > 0 for s in saved),
            sum(s < 0 for s in saved),
            sum(s for s in saved if s > 0),
            -sum(s for s in saved if s < 0),
        ]
        assert [number(cell) for cell in row[1:6]] == expected
        assert number(row[6]) == pytest.approx(100 * sum(saved) / sum(r.baseline for r in rows), abs=0.006)
        gain = sum(r.baseline - r.best for r in rows)
        assert number(row[8]) == pytest.approx(100 * sum(saved) / gain, abs=0.06)
        assert number(row[9]) == 4 * sum(saved)


def test_what_tries_is_judged_by_its_best_with_and_without_oz_as_back_up(folder):
    text = (folder / "report" / "report.md").read_text()
    three, four = table_after(text, "## Table III"), table_after(text, "## Table IV")
    lost = 0
    for name, rows in ((TRYING[0], made_up("coreset-nvp", 6, 6)), (TRYING[1], made_up("autophase", 45, 5))):
        alone = [r.baseline - min(count for _, count in r.proposed) for r in rows]
        lost -= min(alone)
        for table, saved in ((three, alone), (four, [max(s, 0) for s in alone])):
            (row,) = [row for row in table if row[0] == name]
            assert number(row[4]) == sum(s for s in saved if s > 0)
            assert number(row[5]) == -sum(s for s in saved if s < 0)
    assert lost > 0, "without -Oz something got larger"


def test_table_four_is_what_the_rows_say(folder):
    table = table_after((folder / "report" / "report.md").read_text(), "## Table IV")
    assert [row[0] for row in table[1:]] == ["model", "coreset", "coreset-nvp", *TRYING]
    for row, rows in zip(table[1:3], (made_up("model", 1, 8), made_up("coreset", 6, 3)), strict=True):
        results = [min(r.baseline, r.proposed[0][1]) for r in rows]
        saved = [r.baseline - result for r, result in zip(rows, results, strict=True)]
        assert number(row[2]) == sum(s > 0 for s in saved) and number(row[3]) == 0
        assert number(row[4]) == sum(saved) and number(row[5]) == 0
        assert number(row[6]) == pytest.approx(100 * sum(saved) / sum(r.baseline for r in rows), abs=0.006)
    assert table[1][9] and not table[2][9], "bytes are known where budget 1 itself was run"


def test_more_lists_are_what_the_rows_say(folder):
    text = (folder / "report" / "report.md").read_text()
    improvements = table_after(text, "Improvement in percent with the first K lists")
    shares = table_after(text, "The share of the autotuner's gain")
    assert improvements[0] == shares[0] == ["K", "model", "coreset", "coreset-nvp"]
    rows = made_up("model", 6, 8)
    for k, improvement, share in zip((1, 2, 3, 5), improvements[1:], shares[1:], strict=False):
        saved = sum(r.baseline - min(r.baseline, *(count for _, count in r.proposed[:k])) for r in rows)
        assert number(improvement[1]) == pytest.approx(100 * saved / sum(r.baseline for r in rows), abs=0.006)
        assert number(share[1]) == pytest.approx(100 * saved / sum(r.baseline - r.best for r in rows), abs=0.06)
        value, low, high = map(float, re.findall(r"-?[\d.]+", improvement[1]))
        assert low < value < high
    assert [row[0] for row in improvements[1:]] == ["1", "2", "3", "5"], "no run has more lists"


def test_groups_are_what_the_rows_say(folder):
    table = table_after((folder / "report" / "report.md").read_text(), "## Figure 4")
    assert [row[0] for row in table[1:3]] == ["model, budget 0", "model, budget 1"] and table[-1][
        0
    ] == "best list known"
    rows = [r for r in made_up("model", 0, 8) if r.source == "jotai"]
    assert table[0][1] == f"jotai ({len(rows)})"
    expected = 100 * sum(r.baseline - r.result for r in rows) / sum(r.baseline for r in rows)
    assert number(table[1][1]) == pytest.approx(expected, abs=0.006)


def test_missing_methods_and_an_unknown_best_are_no_harm(tmp_path):
    write_run(tmp_path / "coreset-6", [replace(r, best=None) for r in made_up("coreset", 6, 3)])
    text = Path(write_report(tmp_path, tmp_path / "out")["markdown"]).read_text()
    assert "## Table IV" in text and "## Table III" not in text and "Figure 3" not in text
    assert "autotuner's gain:" not in text and "The share of the autotuner's gain" not in text


def test_generated_code_is_counted(folder):
    text = (folder / "report" / "report.md").read_text()
    first = table_after(text, "## Generated code")[1]
    assert [number(cell) for cell in first[1:4]] == [40, 75.0, 50.0]
    assert number(first[5]) == pytest.approx(20) and 0 < number(first[6]) < 5
    assert "10 answers compile and differ" in text and "0 equivalent, 5 different, 5 untested" in text
    assert table_after(text, "Table V")[1] == ["use of undefined value '...'", "10", "100.0 %"]


def test_the_page_needs_nothing_else_and_pictures_are_there(folder):
    page = (folder / "report" / "report.html").read_text()
    assert "http" not in page and page.count("data:image/png;base64,") >= 5
    for file in (folder / "report").glob("*.png"):
        assert file.read_bytes().startswith(b"\x89PNG") and file.stat().st_size > 5000
    linked = re.findall(r"!\[.*?\]\((.*?)\)", (folder / "report" / "report.md").read_text())
    assert {p.name for p in (folder / "report").glob("*.png")} == set(linked)


def test_functions_on_which_the_model_beats_the_search_are_shown(folder):
    text = (folder / "report" / "report.md").read_text()
    table = table_after(text, "## Where the model beats the autotuner")
    assert all(number(row[4]) < number(row[3]) for row in table[1:]) and len(table) > 2
    assert "-O1: 1 instructions, `-O1`\n\n```\ncode 1\n```" in text


def test_what_cannot_be_reported_is_said(folder, tmp_path):
    with pytest.raises(InputError, match="holds no finished evaluation"):
        write_report(tmp_path / "nothing", tmp_path / "out")
    write_run(tmp_path / "a", made_up("model", 0, 1))
    write_run(tmp_path / "b", made_up("model", 1, 1, num=70))
    with pytest.raises(InputError, match="other functions"):
        write_report(tmp_path, tmp_path / "out")


def test_documents_are_escaped():
    blocks = [Heading("a < b"), Text("`x<y>` & z"), Table(("n", "m"), (("`<i>`", "1"),)), Code(("t",), ("a < b",))]
    page = to_html("T & U", blocks)
    assert "<code>x&lt;y&gt;</code> &amp; z" in page and "<h2>a &lt; b</h2>" in page and "T &amp; U" in page
    markdown = to_markdown("T", blocks)
    assert "| n | m |\n|---|---:|\n| `<i>` | 1 |" in markdown and "```\na < b\n```" in markdown
