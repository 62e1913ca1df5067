"""Opcode counts of a text are those of the module."""

from itertools import islice

from passformer.corpus.normalize import normalize
from passformer.dataset.examples import read_texts
from passformer.dataset.opcodes import count_lines, count_words, opcode_counts
from passformer.dataset.tokenizer import load_tokenizer

IR = """
%pair = type { ptr, i32 }
@g = global i32 7
declare void @h(i32)
declare i32 @__gxx_personality_v0(...)
define i32 @f(i32 %x) personality ptr @__gxx_personality_v0 {
entry:
  switch i32 %x, label %other [
    i32 1, label %one
    i32 2, label %one
  ]
one:
  invoke void @h(i32 1)
          to label %end unwind label %bad
bad:
  %0 = landingpad { ptr, i32 }
          cleanup
          catch ptr null
  resume { ptr, i32 } %0
other:
  tail call void @h(i32 2)
  %y = add i32 %x, 1
  store i32 %y, ptr @g
  br label %end
end:
  ret i32 0
}
define void @"two; ] words"() {
  ret void
}
"""


def test_every_instruction_counts_once():
    expected = {
        "switch": 1,
        "invoke": 1,
        "landingpad": 1,
        "resume": 1,
        "call": 1,
        "add": 1,
        "store": 1,
        "br": 1,
        "ret": 2,
    }
    assert opcode_counts(normalize(IR)) == expected


def test_words_round_numbers_down():
    many = "define void @f() {\n" + "%a = add i32 1, 2\n" * 13 + "store i32 1, ptr null\nret void\n}\n"
    line = "10: add*1 block*6 br*1 call*1 invoke*1 landingpad*1 resume*1 ret*2 store*1 switch*1\n"
    assert count_lines(normalize(IR), many) == line + "15: oz.add*12 oz.block*1 oz.ret*1 oz.store*1\n"
    assert count_lines("", "") == "0:\n0:\n"


def test_every_word_is_a_token(dataset):
    tokenizer = load_tokenizer(dataset / "tokenizer.json")
    for text in islice(read_texts(dataset, ["train"]), 50):
        lines = count_lines(text.unoptimised, text.after_oz)
        tokens = tokenizer.encode(lines).tokens
        assert sum("*" in token for token in tokens) == lines.count("*")
    assert all(len(tokenizer.encode(word).ids) == 1 for word in count_words()[::37])


def test_the_totals_are_llvms(dataset):
    for text in read_texts(dataset, ["train", "test"]):
        assert opcode_counts(text.unoptimised).total() == text.before
        assert opcode_counts(text.after_oz).total() == text.oz_count
