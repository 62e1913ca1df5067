/* Canonical, length-limited Huffman coding of bytes, with a compact header and an entropy estimate. */
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HUFF_SYMBOLS 256
#define HUFF_LIMIT 15
#define HUFF_ERROR ((size_t)-1)

typedef struct {
    uint8_t length[HUFF_SYMBOLS]; /* 0: the symbol does not occur */
    uint16_t code[HUFF_SYMBOLS];
} huff_code;

typedef struct {
    uint16_t count[HUFF_LIMIT + 1];
    uint8_t symbol[HUFF_SYMBOLS]; /* in canonical order */
} huff_decoder;

typedef struct {
    uint8_t *bytes;
    size_t capacity, bit;
    bool full;
} huff_writer;

void huff_count(const uint8_t *data, size_t len, uint32_t counts[HUFF_SYMBOLS])
{
    memset(counts, 0, HUFF_SYMBOLS * sizeof *counts);
    for (size_t i = 0; i < len; i++)
        counts[data[i]]++;
}

/* The bits per byte that no coder of single symbols can beat. */
double huff_entropy(const uint32_t counts[HUFF_SYMBOLS])
{
    double total = 0.0, bits = 0.0;

    for (int i = 0; i < HUFF_SYMBOLS; i++)
        total += counts[i];
    for (int i = 0; i < HUFF_SYMBOLS; i++) {
        if (counts[i] > 0)
            bits -= counts[i] * log2(counts[i] / total);
    }
    return total > 0.0 ? bits / total : 0.0;
}

/* The lightest node without a parent, other than `except`; ties go to the lower index. */
static int lightest(const uint64_t *weight, const int *parent, int nodes, int except)
{
    int best = -1;

    for (int i = 0; i < nodes; i++) {
        bool open = weight[i] > 0 && parent[i] < 0 && i != except;
        if (open && (best < 0 || weight[i] < weight[best]))
            best = i;
    }
    return best;
}

/* Code lengths; counts are flattened and the tree is built anew while a code is too long. */
int huff_lengths(const uint32_t counts[HUFF_SYMBOLS], uint8_t length[HUFF_SYMBOLS])
{
    uint64_t weight[2 * HUFF_SYMBOLS];
    int parent[2 * HUFF_SYMBOLS];
    int longest = HUFF_LIMIT + 1;

    for (int flatten = 0; longest > HUFF_LIMIT; flatten++) {
        int nodes = HUFF_SYMBOLS;
        for (int i = 0; i < HUFF_SYMBOLS; i++)
            weight[i] = counts[i] == 0 ? 0 : ((uint64_t)counts[i] >> flatten) + 1;
        memset(parent, -1, sizeof parent);
        for (;;) {
            int a = lightest(weight, parent, nodes, -1);
            int b = a < 0 ? -1 : lightest(weight, parent, nodes, a);
            if (b < 0)
                break;
            weight[nodes] = weight[a] + weight[b];
            parent[a] = parent[b] = nodes++;
        }
        longest = 0;
        for (int i = 0; i < HUFF_SYMBOLS; i++) {
            int depth = 0;
            for (int at = i; parent[at] >= 0; at = parent[at])
                depth++;
            /* A lone symbol has no parent, but still needs a bit. */
            if (depth == 0 && counts[i] > 0)
                depth = 1;
            length[i] = (uint8_t)depth;
            longest = depth > longest ? depth : longest;
        }
    }
    return longest;
}

/* Gives out codes by length, then symbol, so that the lengths alone describe the code. */
bool huff_assign(huff_code *c)
{
    uint32_t count[HUFF_LIMIT + 1] = {0}, next[HUFF_LIMIT + 2] = {0};

    for (int i = 0; i < HUFF_SYMBOLS; i++) {
        if (c->length[i] > HUFF_LIMIT)
            return false;
        count[c->length[i]]++;
    }
    count[0] = 0;
    for (int bits = 1; bits <= HUFF_LIMIT; bits++) {
        if (next[bits] + count[bits] > UINT32_C(1) << bits)
            return false;
        next[bits + 1] = (next[bits] + count[bits]) << 1;
    }
    for (int i = 0; i < HUFF_SYMBOLS; i++)
        c->code[i] = c->length[i] == 0 ? 0 : (uint16_t)next[c->length[i]]++;
    return true;
}

void huff_put(huff_writer *w, uint32_t value, unsigned bits)
{
    while (bits-- > 0) {
        size_t at = w->bit / 8;
        w->full = at >= w->capacity;
        if (w->full)
            return;
        if (w->bit % 8 == 0)
            w->bytes[at] = 0;
        w->bytes[at] |= (uint8_t)((value >> bits & 1) << (7 - w->bit % 8));
        w->bit++;
    }
}

/* Layout: 32-bit length, then the 4-bit code lengths with runs of zeros shortened, then the codes. */
size_t huff_compress(const uint8_t *data, size_t len, uint8_t *out, size_t capacity)
{
    uint32_t counts[HUFF_SYMBOLS];
    huff_writer w = {out, capacity, 0, false};
    huff_code c;

    if (len > UINT32_MAX)
        return HUFF_ERROR;
    huff_count(data, len, counts);
    huff_lengths(counts, c.length);
    if (!huff_assign(&c))
        return HUFF_ERROR;
    huff_put(&w, (uint32_t)len, 32);
    for (int i = 0; i < HUFF_SYMBOLS;) {
        int run = 0;
        huff_put(&w, c.length[i], 4);
        while (i + run < HUFF_SYMBOLS && run < 32 && c.length[i + run] == 0)
            run++;
        if (run > 0)
            huff_put(&w, (uint32_t)run - 1, 5);
        i += run > 0 ? run : 1;
    }
    for (size_t i = 0; i < len && !w.full; i++)
        huff_put(&w, c.code[data[i]], c.length[data[i]]);
    return w.full ? HUFF_ERROR : (w.bit + 7) / 8;
}

static bool take(const uint8_t *data, size_t len, size_t *bit, unsigned bits, uint32_t *value)
{
    uint32_t v = 0;

    for (; bits > 0; bits--, ++*bit) {
        if (*bit / 8 >= len)
            return false;
        v = v << 1 | (data[*bit / 8] >> (7 - *bit % 8) & 1u);
    }
    *value = v;
    return true;
}

/* Walks the canonical code one length at a time: no tree and no table of codes. */
int huff_next_symbol(const huff_decoder *d, const uint8_t *data, size_t len, size_t *bit)
{
    uint32_t code = 0, first = 0, index = 0, next;

    for (int bits = 1; bits <= HUFF_LIMIT; bits++) {
        if (!take(data, len, bit, 1, &next))
            return -1;
        code = code << 1 | next;
        if (code - first < d->count[bits])
            return d->symbol[index + (code - first)];
        index += d->count[bits];
        first = (first + d->count[bits]) << 1;
    }
    return -1;
}

size_t huff_expand(const uint8_t *data, size_t len, uint8_t *out, size_t capacity)
{
    huff_decoder d = {{0}, {0}};
    huff_code c = {{0}, {0}};
    uint32_t total, bits, run;
    size_t bit = 0, n = 0;

    if (!take(data, len, &bit, 32, &total) || total > capacity)
        return HUFF_ERROR;
    for (uint32_t i = 0; i < HUFF_SYMBOLS; i += bits == 0 ? run + 1 : 1) {
        if (!take(data, len, &bit, 4, &bits) || (bits == 0 && !take(data, len, &bit, 5, &run)))
            return HUFF_ERROR;
        c.length[i] = (uint8_t)bits;
    }
    if (!huff_assign(&c))
        return HUFF_ERROR;
    for (int length = 1; length <= HUFF_LIMIT; length++) {
        for (int i = 0; i < HUFF_SYMBOLS; i++) {
            if (c.length[i] != length)
                continue;
            d.symbol[n++] = (uint8_t)i;
            d.count[length]++;
        }
    }
    for (n = 0; n < total; n++) {
        int symbol = huff_next_symbol(&d, data, len, &bit);
        if (symbol < 0)
            return HUFF_ERROR;
        out[n] = (uint8_t)symbol;
    }
    return n;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char *const samples[] = {"", "aaaaaaa", "abracadabra", "she sells sea shells by the sea shore"};
    static uint8_t data[4000], packed[6000], back[4000];
    uint32_t counts[HUFF_SYMBOLS];
    uint8_t length[HUFF_SYMBOLS];

    for (int i = 0; i < 5; i++) {
        size_t len = i < 4 ? strlen(samples[i]) : sizeof data;
        for (size_t j = 0; j < len; j++)
            data[j] = (uint8_t)(i < 4 ? (size_t)samples[i][j] : j % 7 == 0 ? 0 : j * j >> 5);
        huff_count(data, len, counts);
        int longest = huff_lengths(counts, length);
        size_t n = huff_compress(data, len, packed, sizeof packed), m = huff_expand(packed, n, back, sizeof back);
        printf("%zu -> %zu -> %zu %d, longest %d, entropy %.5f, cut %d\n", len, n, m, memcmp(data, back, len) == 0,
               longest, huff_entropy(counts), (int)huff_expand(packed, n - 3, back, sizeof back));
    }
    /* Fibonacci counts make the deepest trees, so they show the limit at work. */
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < 40; i++)
        counts[i] = i < 2 ? 1 : counts[i - 1] + counts[i - 2];
    printf("limited to %d\n", huff_lengths(counts, length));
    return 0;
}
#endif
