/* Growable bit sets: membership, set algebra, range fills, rank and select, and a prime sieve on top. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BITS_NONE ((size_t)-1)

typedef struct {
    uint64_t *words;
    size_t count; /* words allocated */
} bitset;

typedef enum { BITS_UNION, BITS_INTERSECTION, BITS_DIFFERENCE, BITS_SYMMETRIC } bits_operation;

static unsigned popcount64(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

/* Position of the lowest set bit; `x` must not be zero. */
static unsigned lowest_bit(uint64_t x)
{
    return popcount64((x & (~x + 1)) - 1);
}

bool bits_reserve(bitset *s, size_t bits)
{
    size_t need = bits / 64 + (bits % 64 != 0);

    if (need <= s->count)
        return true;
    size_t grown = s->count * 2 > need ? s->count * 2 : need;
    uint64_t *words = realloc(s->words, grown * sizeof *words);
    if (words == NULL)
        return false;
    memset(words + s->count, 0, (grown - s->count) * sizeof *words);
    s->words = words;
    s->count = grown;
    return true;
}

void bits_free(bitset *s)
{
    free(s->words);
    s->words = NULL;
    s->count = 0;
}

/* Sets or clears one bit; clearing past the end needs no memory. */
bool bits_assign(bitset *s, size_t bit, bool value)
{
    if (bit / 64 >= s->count) {
        if (!value)
            return true;
        if (!bits_reserve(s, bit + 1))
            return false;
    }
    uint64_t mask = UINT64_C(1) << (bit % 64);
    if (value)
        s->words[bit / 64] |= mask;
    else
        s->words[bit / 64] &= ~mask;
    return true;
}

bool bits_has(const bitset *s, size_t bit)
{
    return bit / 64 < s->count && (s->words[bit / 64] >> (bit % 64) & 1) != 0;
}

/* Sets every bit in [first, last), a word at a time. */
bool bits_fill(bitset *s, size_t first, size_t last)
{
    if (first >= last)
        return true;
    if (!bits_reserve(s, last))
        return false;
    size_t low = first / 64, high = (last - 1) / 64;
    uint64_t head = ~UINT64_C(0) << (first % 64);
    uint64_t tail = ~UINT64_C(0) >> (63 - (last - 1) % 64);
    if (low == high) {
        s->words[low] |= head & tail;
        return true;
    }
    s->words[low] |= head;
    for (size_t i = low + 1; i < high; i++)
        s->words[i] = ~UINT64_C(0);
    s->words[high] |= tail;
    return true;
}

/* a = a OP b; a missing word counts as zeros. */
bool bits_combine(bitset *a, const bitset *b, bits_operation operation)
{
    if (operation != BITS_INTERSECTION && !bits_reserve(a, b->count * 64))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        uint64_t other = i < b->count ? b->words[i] : 0;
        switch (operation) {
        case BITS_UNION:
            a->words[i] |= other;
            break;
        case BITS_INTERSECTION:
            a->words[i] &= other;
            break;
        case BITS_DIFFERENCE:
            a->words[i] &= ~other;
            break;
        case BITS_SYMMETRIC:
            a->words[i] ^= other;
            break;
        }
    }
    return true;
}

/* How many members lie below `bit`. */
size_t bits_rank(const bitset *s, size_t bit)
{
    size_t total = 0;
    size_t whole = bit / 64 < s->count ? bit / 64 : s->count;

    for (size_t i = 0; i < whole; i++)
        total += popcount64(s->words[i]);
    if (whole < s->count && bit % 64 != 0)
        total += popcount64(s->words[whole] & ((UINT64_C(1) << (bit % 64)) - 1));
    return total;
}

/* The member that has `index` smaller ones, or BITS_NONE. */
size_t bits_select(const bitset *s, size_t index)
{
    for (size_t i = 0; i < s->count; i++) {
        uint64_t word = s->words[i];
        unsigned members = popcount64(word);
        if (index >= members) {
            index -= members;
            continue;
        }
        while (index-- > 0)
            word &= word - 1;
        return i * 64 + lowest_bit(word);
    }
    return BITS_NONE;
}

/* The smallest member that is at least `from`, or BITS_NONE. */
size_t bits_next(const bitset *s, size_t from)
{
    size_t i = from / 64;

    if (i >= s->count)
        return BITS_NONE;
    uint64_t word = s->words[i] & ~UINT64_C(0) << (from % 64);
    while (word == 0) {
        if (++i == s->count)
            return BITS_NONE;
        word = s->words[i];
    }
    return i * 64 + lowest_bit(word);
}

/* Leaves the primes below `limit` in `s`. */
bool bits_sieve(bitset *s, size_t limit)
{
    if (s->count > 0)
        memset(s->words, 0, s->count * sizeof *s->words);
    if (!bits_fill(s, 2, limit))
        return false;
    for (size_t p = 2; p != BITS_NONE && p <= limit / p; p = bits_next(s, p + 1)) {
        for (size_t multiple = p * p; multiple < limit; multiple += p)
            bits_assign(s, multiple, false);
    }
    return true;
}

#ifdef SELF_TEST
#include <stdio.h>

static void show(const char *label, const bitset *s)
{
    printf("%s:", label);
    for (size_t i = bits_next(s, 0); i != BITS_NONE; i = bits_next(s, i + 1))
        printf(" %zu", i);
    printf("\n");
}

int main(void)
{
    bitset a = {NULL, 0}, b = {NULL, 0};

    bits_sieve(&a, 150);
    show("primes", &a);
    printf("rank %zu %zu %zu\n", bits_rank(&a, 64), bits_rank(&a, 100), bits_rank(&a, 5000));
    printf("select %zu %zu %d\n", bits_select(&a, 0), bits_select(&a, 30), bits_select(&a, 35) == BITS_NONE);
    bits_fill(&b, 60, 70);
    bits_fill(&b, 130, 130);
    bits_fill(&b, 120, 300);
    printf("b holds %zu, has %d %d %d\n", bits_rank(&b, 1000), bits_has(&b, 60), bits_has(&b, 70), bits_has(&b, 9999));
    bits_combine(&b, &a, BITS_DIFFERENCE);
    printf("b less primes %zu\n", bits_rank(&b, 1000));
    bits_combine(&a, &b, BITS_SYMMETRIC);
    printf("symmetric %zu\n", bits_rank(&a, 1000));
    bits_combine(&a, &b, BITS_UNION);
    printf("union %zu\n", bits_rank(&a, 1000));
    for (size_t i = 0; i < 300; i += 2)
        bits_assign(&b, i, false);
    bits_combine(&a, &b, BITS_INTERSECTION);
    bits_assign(&a, 4000, true);
    bits_assign(&b, 9000, false);
    printf("next %zu, last %zu\n", bits_next(&a, 128), bits_next(&a, 300));
    show("a", &a);
    bits_free(&a);
    bits_free(&b);
    return 0;
}
#endif
