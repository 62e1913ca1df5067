"""Random C programs for differential testing: whatever the passes and their order, a program must print the same.

Each program is C11 without undefined, unspecified or implementation-defined behaviour that could reach its output, by
construction: arithmetic is unsigned or in ranges that cannot overflow, shifts and indices are masked, divisors are not
zero, everything is initialised, expressions have no side effects, every loop and recursion is bounded. So a difference
between two builds is a wrong compiler. Assumed: `int` has 32 bits, and the attribute `noinline` is known (gcc, clang).

Not covered, so that a pass that breaks only these is not found: floating point beyond small whole numbers, vectors,
atomics and threads, C++ (exceptions, virtual calls), setjmp, variable arguments, computed goto, heap memory,
`restrict`, bytes of an object read as another type, and what only large or slow programs show.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_PRELUDE = """\
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

struct record {
  uint32_t x;
  uint64_t y;
  uint8_t z[8];
  unsigned low : 3, mode : 13;
  int32_t v;
};

static uint32_t g0, table[16], state;
uint32_t g1;
uint64_t wide;
static uint8_t bytes[32];
struct record shared;
static volatile uint32_t port;
static uint64_t total;

/* Conversion to signed and shifts of signed numbers without the implementation-defined cases. */
static int32_t s32(uint32_t x) { return x <= INT32_MAX ? (int32_t)x : -(int32_t)(UINT32_MAX - x) - 1; }
static int32_t sar(int32_t x, uint32_t n) { return x < 0 ? -1 - ((-1 - x) >> (n & 31)) : x >> (n & 31); }
static uint32_t rotl(uint32_t x, uint32_t n) { return x << (n & 31) | x >> (-n & 31); }
static uint32_t min(uint32_t x, uint32_t y) { return x < y ? x : y; }
static uint32_t add_sat(uint32_t x, uint32_t y) { return x + y < x ? UINT32_MAX : x + y; }
static uint32_t sub_sat(uint32_t x, uint32_t y) { return x > y ? x - y : 0; }
static int32_t smax(int32_t x, int32_t y) { return x > y ? x : y; }

/* Numbers of all magnitudes. */
static NOINLINE uint32_t noise(void) {
  state = state * 1664525u + 1013904223u;
  return state >> (state >> 27);
}

static NOINLINE void setup(uint32_t input) {
  state += input * 2654435769u;
  for (int i = 0; i < 16; i++) table[i] = noise();
  for (int i = 0; i < 32; i++) bytes[i] = (uint8_t)(noise() >> 3);
  for (int i = 0; i < 8; i++) shared.z[i] = (uint8_t)noise();
  g0 = noise(), g1 = noise(), port = noise(), wide = noise(), wide = wide << 32 | noise();
  shared.x = noise(), shared.y = wide * 3, shared.low = noise() & 7, shared.mode = noise() & 8191;
  shared.v = s32(noise());
}

static NOINLINE void report(const char *name, uint64_t locals) {
  uint64_t record = shared.x + shared.y * 3 + shared.low * 5u + shared.mode * 7u + (uint32_t)shared.v;
  uint32_t words = 0, text = 0;
  for (int i = 0; i < 8; i++) record = record * 31 + shared.z[i];
  for (int i = 0; i < 16; i++) words = words * 31 + table[i];
  for (int i = 0; i < 32; i++) text = text * 31 + bytes[i];
  printf("%s locals %016" PRIx64 " g0 %08" PRIx32 " g1 %08" PRIx32 " wide %016" PRIx64, name, locals, g0, g1, wide);
  printf(" table %08" PRIx32 " bytes %08" PRIx32 " shared %016" PRIx64 "\\n", words, text, record);
  total = total * 31 + (words ^ text ^ g0 ^ g1 ^ record ^ locals ^ wide);
}
"""

# A line is a symbol and its alternatives, two or more spaces apart; likelier ones stand there more than once. Where no
# depth is left, `u0` takes the place of `u`. Expressions, without side effects: u (uint32_t), w (uint64_t), i
# (int32_t), c (condition), v (a scalar to index with). Objects to assign to: x (uint32_t), z (the same, where the
# address does not depend on what a call may change), y (uint64_t). Statements: s, b (a block) and the kinds of s.
# `live` is what a function may leave behind at its end; the rest is dead there. All functions have the names of
# _LOCALS; q leads to 16 bytes or more. Bound anew in each template, by _Function.bind: @j a counter, @n its limit, @L a
# label that statements within may jump to, so it stands at the very end, @K a private label.
_ALTERNATIVES = """
u   @u0  (@u + @u)  (@u - @u)  (@u * @u)  (@u & @u)  (@u | @u)  (@u ^ @u)  ~@u  (@u << (@u & 31))  (@u >> (@u & 31))
    (@u + @u0)  (@u / (@u | 1))  (@u % (@u | 1))  (@c ? @u : @u)  (@c ? @u0 : @u0)  (uint32_t)@w  (uint32_t)(@w >> 32)
    (uint32_t)@i  (uint32_t)(@c)  (uint32_t)(uint8_t)@u  (uint32_t)(uint16_t)@u  rotl(@u, @u)  add_sat(@u, @u)
    sub_sat(@u, @u)  min(@u, @u)
u0  a  a  b  b  c  c  g0  g1  *p  s->x  r.x  t[@v & 7]  table[@v & 15]  (uint32_t)q[@v & 15]  (uint32_t)h  (uint32_t)k
    (uint32_t)s->mode  (uint32_t)r.z[@v & 7]  @number  @number  @counter  @counter
w   @w0  (@w + @w)  (@w - @w)  (@w * @w)  (@w & @w)  (@w ^ @w)  (@w << (@u & 63))  (@w >> (@u & 63))  (@w / (@w | 1))
    (@w % (@w | 1))  (@c ? @w : @w)  ((uint64_t)@u * @u)  ((uint64_t)@u << 32 | @u)  (uint64_t)((int64_t)@i * @i)
w0  d  e  wide  s->y  r.y  (uint64_t)@u0  (uint64_t)@number
i   @i0  s32(@u)  (@i / 7)  (@i % 100)  (@i / s32((@u & 63) + 1))  (@i / 2 + @i / 2)  (@i % 4096 * (@i % 4096))
    -(@i / 3)  sar(@i, @u)  (@c ? @i : @i)  smax(@i, @i)  s32(((@u & 255) ^ 128) - 128)
i0  m  m  s32(a)  s32(*p)  (int32_t)h  (int32_t)k  s->v  r.v  (-1)
c   @c0  @u < @u  @u == @u  @u != @u  @u <= @u  @w > @w  @i < @i  @i >= @i  (@u & @u) == 0  (@c && @c)  (@c || @c)
    !(@c)  memcmp(buf, bytes, 16) < 0  memcmp(q, r.z, 8) != 0
c0  @u0 < @u0  @u0 > @u0  (@v & 1) == 0  (@v & 3) != 1  a > b  @i0 < 0  h < k
v   a  b  c  g0  h  k  s->x  @counter  @counter
x   a  b  c  g0  g1  *p  s->x  r.x  t[@v & 7]  table[@v & 15]
z   a  b  c  g0  g1  *p  s->x  r.x
y   d  e  wide  s->y  r.y

s   @assign  @assign  @assign  @branch  @branch  @loop  @loop  @irregular  @irregular  @idiom  @idiom  @call  @leave
s0  @assign
b   { @s }  { @s @s }  { @s @s }  { @s @s @s }
b0  { @assign }  { @assign @assign }  { @leave @assign }  { @call }
assign  @x = @u;  @x = @u;  @x += @u;  @x -= @u;  @x ^= @u;  @x *= @u;  @x >>= @u & 31;  @y = @w;  @y += @w;  @y ^= @w;
    m = @i;  m = @i;  h = (uint8_t)@u;  k = (uint16_t)(k + @u);  s->mode = @u & 8191;  r.low = @u & 7;  s->v = @i;
    q[@v & 15] = (uint8_t)@u;  buf[@v & 15] = (uint8_t)@u;  r.z[@v & 7] = (uint8_t)@u;  p = &@x;  s = &r;  s = &shared;
    q = buf;  q = bytes + (@u & 15);  r = *s;  @x = port;  port = @u;
branch  if (@c) @b  if (@c) @b else @b  if (@c) @b else if (@c) @b else @b  if (@c) @b if (@c) @b
    switch (@u & 3) { case 0: @s @fall case 1: @s @fall case 2: @s @fall default: @s }
    switch (@v % 7) { default: @s @fall case 1: case 4: @s @fall case 5: @s @leave @fall case 6: @s }
fall    break;  break;  /* fall through */;
leave   if (@c) goto @exit;  if (@c) goto @exit;  if (@c) { @s goto @exit; }  if (@c) { @s @return }
loop    for (@j = 0; @j < @n; @j++) @b
    for (@j = @n; @j > 0; @j--) @b
    for (@j = @u & 3; @j < @n && @c; @j += 2) @b
    for (@j = 0; @j < @n; @j++) { @s if (@c) break; @s }
    for (@j = 0; @j < @n; @j++) { @s if (@c) continue; @s if (@c) { @s break; } }
    for (@j = 0; @j < @n; @j++) { @b @b @L:; }
    for (@j = 0; @j < @n; @j++) @b @L:;
    @j = 0; while (@c && @j < @n) { @j++; @s if (@c) continue; @s }
    @j = @n; do @b while (--@j > 0);
    @j = @n; do { @s if (@c) continue; @s if (@c) break; @s } while (--@j > 0 && @c);
    for (@j = 0; @j < @n; @j++) switch (k & 3) { case 0: @s k = @c ? 1 : 2; break; case 1: if (@c) @b k++; break; \
case 2: @s k = 0; @fall default: k = (uint16_t)@u; }
irregular   { @s @s @L:; }
    { @b @b @L:; }
    if (@c) { @s goto @K; } @s @K:; @s
    if (@c) goto @K; if (@c) { @s @K:; @s } else @b
    if (@c) goto @K; for (@j = 0; @j < @n; @j++) { @s @K:; @s }
    @j = 0; @K:; @b if (++@j < @n && @c) goto @K;
    @j = 0; switch (@u & 3) { case 0: do { @s case 1: @s default: @s } while (++@j < @n); }
idiom   { uint32_t y = @u, z = 0; for (; y; y &= y - 1) z++; @x = z; }
    { uint32_t y = @u, z = 0; while (y >>= 1) z++; @x = z; }
    { uint32_t y = @u | 65536, z = 0; while (!(y & 1)) { y >>= 1; z++; } @x = z; }
    { uint32_t y = @u, z = 0; for (int i = 0; i < 32; i++) { z = z << 1 | (y & 1); y >>= 1; } @x = z; }
    { uint32_t y = @u; for (int i = 0; i < 8; i++) y = y & 1 ? y >> 1 ^ 0xedb88320u : y >> 1; @x ^= y; }
    { uint32_t y = @u, x = @u, z = 0; for (; y; y >>= 1, x <<= 1) if (y & 1) z += x; @x = z; }
    { uint32_t y = @u, z = @u; while (z) { uint32_t x = y % z; y = z; z = x; } @x = y; }
    { uint32_t y = @u, z = y + @u; @x = z < y ? UINT32_MAX : z; }
    { uint32_t y = table[0]; for (int i = 1; i < 16; i++) if (table[i] > y) y = table[i]; @x = y; }
    { int32_t y = m; for (int i = 0; i < 8; i++) { int32_t z = s32(t[i]); y = z < y ? z : y; } m = y; }
    { uint64_t y = 0; for (int i = 0; i < 16; i++) y += (uint64_t)table[i] * t[i & 7]; @y += y; }
    { uint32_t i = 0, y = @u; while (i < 16 && table[i] != y) i++; @x = i; }
    { for (int i = 0; i < 32; i++) if (bytes[i] > h) { @x = (uint32_t)i; break; } }
    { double y = (double)(@u & 4095); for (int i = 0; i < 8; i++) y += (double)(t[i] & 1023); @x = (uint32_t)y; }
    { char y[12] = ""; uint32_t i = 11, z = @u; do y[--i] = (char)('0' + z % 10); while (z /= 10); @x = i; h ^= y[i]; }
    { char y[17] = ""; for (int i = 0; i < 16; i++) y[i] = (char)('a' + q[i] % 16); y[@v & 15] = 0; k += strlen(y); }
    { const uint8_t *y = memchr(bytes, h & 31, 32); @x = y ? (uint32_t)(y - bytes) : 99; }
    { uint32_t y = 5381; for (const uint8_t *z = q; z != q + 16; z++) y = y * 33 ^ *z; @x = y; }
    for (int i = 1; i < 16; i++) table[i] += table[i - 1];
    for (int i = 0; i < 8; i++) { uint32_t y = table[i]; table[i] = table[15 - i]; table[15 - i] = y; }
    for (int i = 1; i < 8; i++) for (int z = i; z > 0 && t[z - 1] > t[z]; z--) \
{ uint32_t y = t[z]; t[z] = t[z - 1]; t[z - 1] = y; }
    for (int i = 0; i < 4; i++) for (int z = 0; z < 4; z++) table[4 * i + z] += t[i] * t[z + 4];
    for (int i = 0; i < 16; i++) if (@v > 9) table[i]++; else t[i & 7] ^= table[i];
    for (int i = 0; i < 16; i++) buf[i] = bytes[i];
    for (int i = 0; i < 16; i++) q[i] = h;
    for (int i = 0; i < 32; i++) t[bytes[i] & 7]++;
    @x = (uint32_t)q[0] | (uint32_t)q[1] << 8 | (uint32_t)q[2] << 16 | (uint32_t)q[3] << 24;
    { uint32_t y = @u; for (int i = 0; i < 4; i++) q[i] = (uint8_t)(y >> (8 * i)); }
    memset(q, h, @u & 15);
    memcpy(buf, bytes + (@u & 15), 16);
    memmove(bytes + (@u & 7), bytes + (@u & 7), @u & 15);
buffer  buf  bytes  bytes + (@v & 15)
record  &r  &shared
place   &b  &c  &g0  &r.x  &s->x  &t[b & 7]  &table[c & 15]
live    a  b * 3  c  d  e >> 9  h  k  (uint32_t)m  t[3]  buf[9]  r.x  r.y  r.mode  *p  q[1]
"""
_GRAMMAR = {
    symbol: alternatives
    for symbol, *alternatives in (re.split(r"\s{2,}", lines) for lines in re.split(r"\n+(?=\S)", _ALTERNATIVES.strip()))
}

_LOCALS = {
    "a": "uint32_t a = g0;",
    "d": "uint64_t d = wide;",
    "r": "struct record r = shared;",
    "b": "uint32_t b = table[3], c = @number, t[8]; memcpy(t, table, sizeof t);",
    "e": "uint64_t e = @number; int32_t m = s32(g1);",
    "h": "uint8_t h = bytes[5], buf[16]; uint16_t k = (uint16_t)b; memcpy(buf, bytes, sizeof buf);",
    "s": "struct record *s = @record;",
    "q": "uint8_t *q = @buffer;",
    "p": "uint32_t *p = @place;",
}
"""Declarations of what every function has, by the name that may be a parameter instead."""


@dataclass(frozen=True, slots=True)
class _Signature:
    """A kind of function: what it takes and returns, and templates of its body and of a call, F being its name."""

    result: str
    parameters: str
    value: str
    call: str
    body: str = "@s @s @s"


_OPERATION = _Signature("uint32_t", "uint32_t a, uint64_t d", "@u", "@z = F(@u, @w);")
_RECURSIVE_BODY = "if (n == 0) { @return } @s @z = F(@u, n - 1); @s if (@c) { @z = F(@u, n - 1); } @s"
_SIGNATURES = (
    _OPERATION,
    _Signature("uint32_t", "uint32_t a, uint32_t n", "@u", "@z = F(@u, @u & 3);", _RECURSIVE_BODY),
    _Signature("uint64_t", "struct record *s, uint32_t a", "@w", "@y = F(@record, @u);"),
    _Signature("struct record", "struct record r, uint32_t *p", "r", "r = F(*s, &@z);"),
    _Signature("void", "uint32_t *p, uint8_t *q", "", "F(&@z, @buffer);"),
    _Signature("uint8_t", "uint8_t *q, uint32_t a", "(uint8_t)@u", "h = F(@buffer, @u);"),
)

_SEEN = "a ^ b ^ c ^ d ^ e ^ h ^ k ^ (uint32_t)m ^ r.y ^ t[2] ^ buf[2]"
_MAIN = """\
int main(int argc, char **argv) {
  state = %du;
  setup(argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0);
  run();
  return (int)(total %% 61);
}
"""

_EXPRESSIONS = frozenset("uwic")
_NUMBERS = (0, 1, 2, 3, 5, 7, 8, 31, 32, 63, 127, 255, 256, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_COSTS = {"assign": 4, "branch": 4, "leave": 4, "loop": 4, "irregular": 4, "call": 8, "idiom": 64}
_MAX_RECURSION = 16
"""Runs of a recursive body in one call: two calls in it, three deep."""
_MAX_WEIGHT = 200
"""Runs of a statement in one call of its function, by the limits of the loops around it."""
_MAX_COST = 20_000
"""Of one call with all that it calls, times the weight of where it stands, in simple statements about."""
_SYMBOL = re.compile(r"@(\w+)")


def random_program(seed: int) -> str:
    """The program of this seed: a C11 source text, 200 to 400 lines long.

    Run it with the number of its input (0, 1, 2; without one, 0). It prints a line of checksums after each call and
    exits with a status below 61 made from them. It runs for some milliseconds at most.
    """
    rng = random.Random(f"program {seed}")
    signatures = [_OPERATION, _OPERATION, *rng.choices(_SIGNATURES, k=rng.randint(1, 2))]
    parts, calls = [_PRELUDE], list[_Call]()
    for i, signature in enumerate(signatures):
        if i == 2:
            parts.append("static uint32_t (*ops[2])(uint32_t, uint64_t) = {f0, f1};")
            calls.append(_Call("ops[0] = ops[@v & 1]; @z = ops[@v & 1](@u, @w);", max(call.cost for call in calls)))
        function = _Function(rng, f"f{i}", signature, calls)
        parts.append(function.text())
        calls.append(function.call())
    steps = " ".join(f'{call.template} report("{i}", {_SEEN});' for i, call in enumerate(calls))
    parts.append(_Function(rng, "run", _Signature("void", "void", "", "", steps), calls).text())
    return "\n\n".join([*parts, _MAIN % rng.getrandbits(32)])


@dataclass(frozen=True, slots=True)
class _Call:
    """How to call a function that is written, and what a call costs."""

    template: str
    cost: int


class _Function:
    """Expands the grammar to one function, and keeps what must hold from template to template: names, limits, cost."""

    def __init__(self, rng: random.Random, name: str, signature: _Signature, calls: Sequence[_Call]) -> None:
        self.rng = rng
        self.name = name
        self.signature = signature
        self.calls = calls
        self.counters: list[str] = []
        self.num_labels = 0
        self.exits = ["end"]  # labels further down, around the place that is written
        self.weight = 1
        self.cost = 0
        self.room = 8  # for statements that are not simple assignments

    def text(self) -> str:
        signature = self.signature
        parameters = re.findall(r"(\w+)(?:,|$)", signature.parameters)
        names = self.fill(" ".join(line for name, line in _LOCALS.items() if name not in parameters))
        live = " ^ ".join(self.rng.sample(_GRAMMAR["live"], 8))
        body = self.fill(f"{signature.body} end:; wide = wide * 5 + ({live}); g1 ^= (uint32_t)wide; @return")
        counters = "".join(f"uint32_t {counter} = 0; " for counter in self.counters)
        linkage = self.rng.choice(("", "static ", "static ", "NOINLINE ", "static NOINLINE "))
        head = f"{linkage}{signature.result} {self.name}({signature.parameters})"
        return _layout(f"{head} {{ {names} {counters}{body.replace('F(', f'{self.name}(')} }}")

    def call(self) -> _Call:
        """After text()."""
        recursive = self.signature.body == _RECURSIVE_BODY
        return _Call(
            self.signature.call.replace("F(", f"{self.name}("), self.cost * (_MAX_RECURSION if recursive else 1)
        )

    def fill(self, template: str, symbol: str = "", depth: int = 3) -> str:
        """The template, an alternative of `symbol`, with everything in it expanded from left to right."""
        outer = self.weight, self.exits
        names = _SYMBOL.findall(template)
        bound = {name: self.bind(name) for name in "jnLK" if name in names}

        def expansion(match: re.Match[str]) -> str:
            child = match[1]
            if child in _EXPRESSIONS and symbol not in _EXPRESSIONS:
                return self.expand(child, self.rng.choice((0, 0, 1, 1, 2)))
            return bound.get(child) or self.expand(child, depth - (symbol in _EXPRESSIONS or symbol == "b"))

        text = _SYMBOL.sub(expansion, template)
        self.weight, self.exits = outer
        return text

    def bind(self, name: str) -> str:
        """The counter, limit or label of one template; a limit holds for what is written until the template ends."""
        if name == "n":
            limit = self.rng.randint(2, max(2, min(12, _MAX_WEIGHT // self.weight)))
            self.weight *= limit
            return str(limit)
        if name == "j":
            self.counters.append(f"j{len(self.counters)}")
            return self.counters[-1]
        self.num_labels += 1
        label = f"{name}{self.num_labels}"
        if name == "L":
            self.exits = [*self.exits, label]
        return label

    def expand(self, symbol: str, depth: int) -> str:
        """One of the alternatives of `symbol`; a final one where no depth is left, or no room for statements."""
        self.cost += self.weight * _COSTS.get(symbol, 0)
        match symbol:
            case "number":
                return f"{self.rng.choice((*_NUMBERS, self.rng.getrandbits(32)))}u"
            case "counter":
                return self.rng.choice(self.counters or ["c"])
            case "exit":
                return self.rng.choice(self.exits)
            case "return":
                return self.fill(f"return {self.signature.value};".replace(" ;", ";"))
            case "call":
                calls = [call for call in self.calls if call.cost * self.weight < _MAX_COST]
                call = self.rng.choice(calls or [_Call("@x = @u;", 0)])
                self.cost += call.cost * self.weight
                return self.fill(call.template)
            case "s":
                self.room -= 1
        final = self.room < 0 if symbol == "s" else depth <= 0
        alternatives = (final and _GRAMMAR.get(f"{symbol}0")) or _GRAMMAR[symbol]
        return self.fill(self.rng.choice(alternatives), symbol, depth)


def _layout(code: str) -> str:
    """One statement a line, indented."""
    lines, line, indent, parentheses = [], "", 0, 0
    for token in re.findall(r"[(){};]|[^(){};]+", code):
        line += token
        parentheses += (token == "(") - (token == ")")
        if token in "{};" and not parentheses:
            indent -= token == "}"
            lines.append("  " * indent + line.strip())
            indent += token == "{"
            line = ""
    return re.sub(r"\}\n\s*(else|while)\b", r"} \1", "\n".join(lines))
