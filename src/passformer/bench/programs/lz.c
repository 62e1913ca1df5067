/* An LZ77-like byte compressor: hash-chain matching, lazy parsing, variable-length integers, checked decoding. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LZ_WINDOW 4096u
#define LZ_HASH_BITS 10
#define LZ_MIN_MATCH 4u
#define LZ_MAX_MATCH 1024u
#define LZ_CHAIN 32
#define LZ_ERROR ((size_t)-1)
#define LZ_NOWHERE UINT32_MAX

typedef struct {
    uint32_t head[1u << LZ_HASH_BITS];
    uint32_t previous[LZ_WINDOW]; /* by position modulo the window */
} lz_index;

typedef struct {
    uint32_t length; /* 0: nothing worth taking */
    uint32_t distance;
} lz_match;

typedef struct {
    uint8_t *bytes;
    size_t capacity, used;
    bool full;
} lz_output;

void lz_index_reset(lz_index *index)
{
    for (size_t i = 0; i < sizeof index->head / sizeof *index->head; i++)
        index->head[i] = LZ_NOWHERE;
    for (size_t i = 0; i < LZ_WINDOW; i++)
        index->previous[i] = LZ_NOWHERE;
}

static uint32_t hash4(const uint8_t *p)
{
    uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

    return word * UINT32_C(2654435761) >> (32 - LZ_HASH_BITS);
}

/* Enters the positions [from, to); those too close to the end can start no match. */
void lz_index_add(lz_index *index, const uint8_t *data, size_t len, size_t from, size_t to)
{
    for (; from < to && from + LZ_MIN_MATCH <= len; from++) {
        uint32_t h = hash4(data + from);
        index->previous[from % LZ_WINDOW] = index->head[h];
        index->head[h] = (uint32_t)from;
    }
}

uint32_t lz_common_length(const uint8_t *a, const uint8_t *b, size_t limit)
{
    uint32_t n = 0;

    /* Whole words first: memcpy is the portable way to read them unaligned. */
    while (limit - n >= sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a + n, sizeof x);
        memcpy(&y, b + n, sizeof y);
        if (x != y)
            break;
        n += sizeof(uint64_t);
    }
    while (n < limit && a[n] == b[n])
        n++;
    return n;
}

/* The longest earlier copy of what starts at `at`; the nearest one among equals. */
lz_match lz_find(const lz_index *index, const uint8_t *data, size_t len, size_t at)
{
    lz_match best = {0, 0};
    size_t limit = len - at < LZ_MAX_MATCH ? len - at : LZ_MAX_MATCH;

    if (limit < LZ_MIN_MATCH)
        return best;
    uint32_t candidate = index->head[hash4(data + at)];
    for (int tries = 0; tries < LZ_CHAIN && candidate != LZ_NOWHERE; tries++) {
        if (at - candidate >= LZ_WINDOW)
            break;
        uint32_t length = lz_common_length(data + candidate, data + at, limit);
        if (length >= LZ_MIN_MATCH && length > best.length) {
            best.length = length;
            best.distance = (uint32_t)(at - candidate);
            if (length == limit)
                break;
        }
        /* A slot that was written over leads forward: the chain ends there. */
        uint32_t next = index->previous[candidate % LZ_WINDOW];
        if (next == LZ_NOWHERE || next >= candidate)
            break;
        candidate = next;
    }
    return best;
}

static void put_byte(lz_output *o, uint8_t byte)
{
    if (o->used < o->capacity)
        o->bytes[o->used++] = byte;
    else
        o->full = true;
}

void lz_put_number(lz_output *o, uint32_t value)
{
    while (value >= 0x80) {
        put_byte(o, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    put_byte(o, (uint8_t)value);
}

bool lz_take_number(const uint8_t *data, size_t len, size_t *at, uint32_t *value)
{
    uint32_t v = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (*at >= len)
            return false;
        uint8_t byte = data[(*at)++];
        /* Only four bits are left for the fifth byte. */
        if (shift == 28 && byte > 15)
            return false;
        v |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = v;
            return true;
        }
    }
    return false;
}

/* A stream of (literal count, literals, match length, distance); a match length of 0 ends it. */
size_t lz_compress(lz_index *index, const uint8_t *data, size_t len, uint8_t *out, size_t capacity)
{
    lz_output o = {out, capacity, 0, false};
    size_t at = 0, pending = 0;

    if (len >= LZ_NOWHERE)
        return LZ_ERROR;
    lz_index_reset(index);
    while (!o.full) {
        lz_match m = {0, 0};
        if (at < len) {
            m = lz_find(index, data, len, at);
            lz_index_add(index, data, len, at, at + 1);
            if (m.length > 0 && m.length < 32) {
                /* Lazy parsing: one literal is worth paying if the next match is longer. */
                lz_match next = lz_find(index, data, len, at + 1);
                if (next.length > m.length + 1)
                    m.length = 0;
            }
            if (m.length == 0) {
                at++;
                continue;
            }
        }
        lz_put_number(&o, (uint32_t)(at - pending));
        for (; pending < at; pending++)
            put_byte(&o, data[pending]);
        if (m.length == 0) {
            lz_put_number(&o, 0);
            break;
        }
        lz_put_number(&o, m.length);
        lz_put_number(&o, m.distance);
        lz_index_add(index, data, len, at + 1, at + m.length);
        at += m.length;
        pending = at;
    }
    return o.full ? LZ_ERROR : o.used;
}

/* Never reads or writes out of bounds, whatever the input; LZ_ERROR if it is not a whole stream. */
size_t lz_expand(const uint8_t *data, size_t len, uint8_t *out, size_t capacity)
{
    size_t at = 0, n = 0;
    uint32_t literals, length, distance;

    for (;;) {
        if (!lz_take_number(data, len, &at, &literals))
            return LZ_ERROR;
        if (literals > len - at || literals > capacity - n)
            return LZ_ERROR;
        memcpy(out + n, data + at, literals);
        n += literals;
        at += literals;
        if (!lz_take_number(data, len, &at, &length))
            return LZ_ERROR;
        if (length == 0)
            return at == len ? n : LZ_ERROR;
        if (!lz_take_number(data, len, &at, &distance) || distance == 0 || distance > n || length > capacity - n)
            return LZ_ERROR;
        /* Byte by byte on purpose: a copy may overlap itself to repeat a short run. */
        for (const uint8_t *from = out + n - distance; length > 0; length--)
            out[n++] = *from++;
    }
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char *const samples[] = {"", "abc", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                          "a man a plan a canal panama, a man a plan a canal, panama",
                                          "xbcde_abcdefgh_yabcd_abcdefgh"};
    static uint8_t data[20000], packed[30000], back[20000];
    static lz_index index;

    for (int i = 0; i < 7; i++) {
        size_t len = sizeof data;
        if (i < 5)
            memcpy(data, samples[i], len = strlen(samples[i]));
        else
            for (size_t j = 0; j < len; j++)
                data[j] = (uint8_t)(i == 5 ? j * j / 97 : (j % 5003) * 2654435761u >> 13);
        size_t n = lz_compress(&index, data, len, packed, sizeof packed);
        size_t m = lz_expand(packed, n, back, sizeof back);
        unsigned sum = 0;
        for (size_t j = 0; j < n; j++)
            sum = sum * 31 + packed[j];
        printf("%zu -> %zu (%08x) -> %zu %d\n", len, n, sum, m, memcmp(data, back, len) == 0);
        int rejected = 0;
        for (size_t cut = 1; cut <= n && cut < 50; cut++)
            rejected += lz_expand(packed, n - cut, back, sizeof back) == LZ_ERROR;
        printf("  rejected %d, no room %d\n", rejected, lz_compress(&index, data, len, packed, 1) == LZ_ERROR);
    }
    lz_output o = {packed, 16, 0, false};
    size_t at = 0;
    uint32_t value = 0;
    lz_put_number(&o, 300);
    lz_put_number(&o, UINT32_MAX);
    while (lz_take_number(packed, o.used, &at, &value))
        printf("%lu ", (unsigned long)value);
    printf("%zu %lu\n", at, (unsigned long)lz_common_length(data, data + 5003, 12000));
    lz_index_reset(&index);
    lz_index_add(&index, (const uint8_t *)"banana_banana", 13, 0, 7);
    lz_match m = lz_find(&index, (const uint8_t *)"banana_banana", 13, 7);
    printf("%lu %lu\n", (unsigned long)m.length, (unsigned long)m.distance);
    return 0;
}
#endif
