/* Text helpers: UTF-8 decoding, trimming, splitting, case folding, edit distance, number parsing. */
#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STR_REPLACEMENT UINT32_C(0xfffd)

typedef struct {
    const char *start;
    size_t len;
} str_slice;

/* Decodes one character and moves on; each malformed byte yields a replacement character. */
uint32_t utf8_next(const char **text, const char *end)
{
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)*text;
    size_t left = (size_t)(end - *text), extra;
    uint32_t c = p[0];

    ++*text;
    if (c < 0x80)
        return c;
    extra = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c < 0xc2 || c > 0xf4 || left <= extra)
        return STR_REPLACEMENT;
    c &= 0x3fu >> extra;
    for (size_t i = 1; i <= extra; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return STR_REPLACEMENT;
        c = c << 6 | (p[i] & 0x3fu);
    }
    /* Overlong forms, surrogates and what lies beyond Unicode. */
    if (c < smallest[extra] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        return STR_REPLACEMENT;
    *text += extra;
    return c;
}

/* Simple lower-case mapping for Latin, Greek and Cyrillic. */
uint32_t utf8_fold(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c >= 0xc0 && c <= 0xde)
        return c == 0xd7 ? c : c + 32;
    /* Upper and lower case alternate here, but not always from an even start. */
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + c % 2;
    if (c >= 0x100 && c <= 0x177 && c != 0x130 && c != 0x131 && c != 0x138)
        return c | 1;
    if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2)
        return c + 32;
    if (c == 0x3c2)
        return 0x3c3;
    if (c >= 0x410 && c <= 0x42f)
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    return c;
}

/* Orders two texts without regard to case: below zero, zero or above. */
int str_compare_folded(const char *a, const char *b)
{
    const char *a_end = a + strlen(a), *b_end = b + strlen(b);

    while (a < a_end && b < b_end) {
        uint32_t x = utf8_fold(utf8_next(&a, a_end));
        uint32_t y = utf8_fold(utf8_next(&b, b_end));
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a < a_end) - (b < b_end);
}

str_slice str_trim(const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    while (len > 0 && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    return (str_slice){text, len};
}

/* Fields between `separator`; a field in double quotes may hold it, as in CSV. The rest stays in the last. */
size_t str_split(const char *text, char separator, str_slice *fields, size_t capacity)
{
    size_t count = 0;

    if (capacity == 0)
        return 0;
    for (;;) {
        const char *start = text;
        bool quoted = false, last = count + 1 == capacity;
        for (; *text != '\0'; text++) {
            if (*text == '"')
                quoted = !quoted;
            else if (*text == separator && !quoted && !last)
                break;
        }
        fields[count++] = str_trim(start, (size_t)(text - start));
        if (*text == '\0')
            return count;
        text++;
    }
}

/* Damerau-Levenshtein (adjacent swaps cost one) by bytes; SIZE_MAX when `b` is over 127 bytes long. */
size_t str_distance(const char *a, const char *b)
{
    uint16_t rows[3][128];
    uint16_t *before = rows[0], *above = rows[1], *row = rows[2];
    size_t n = strlen(b);

    if (n >= sizeof rows[0] / sizeof *rows[0] || strlen(a) > UINT16_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = (uint16_t)j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        uint16_t *spare = before;
        before = above;
        above = row;
        row = spare;
        row[0] = (uint16_t)i;
        for (size_t j = 1; j <= n; j++) {
            unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1u < best)
                best = above[j] + 1u;
            if (row[j - 1] + 1u < best)
                best = row[j - 1] + 1u;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1u < best)
                best = before[j - 2] + 1u;
            row[j] = (uint16_t)best;
        }
    }
    return row[n];
}

/* A whole number in base 2 to 36; base 0 is 10, or 16 after 0x. False on overflow or leftovers. */
bool str_parse_integer(str_slice s, unsigned base, int64_t *value)
{
    uint64_t magnitude = 0;
    size_t i = 0;
    bool negative = s.len > 0 && s.start[0] == '-';

    if (negative || (s.len > 0 && s.start[0] == '+'))
        i++;
    if (base == 0) {
        bool prefixed = s.len - i > 2 && s.start[i] == '0' && s.start[i + 1] == 'x';
        base = prefixed ? 16 : 10;
        i += prefixed ? 2 : 0;
    }
    if (i == s.len)
        return false;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    for (; i < s.len; i++) {
        int c = tolower((unsigned char)s.start[i]);
        unsigned digit = isdigit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
        if (digit >= base || magnitude > (limit - digit) / base)
            return false;
        magnitude = magnitude * base + digit;
    }
    /* INT64_MIN has no positive counterpart to negate. */
    *value = !negative ? (int64_t)magnitude : magnitude == limit ? INT64_MIN : -(int64_t)magnitude;
    return true;
}

/* A decimal fraction with an optional exponent; exact for up to 15 digits and small exponents, 0 if subnormal. */
bool str_parse_double(str_slice s, double *value)
{
    double digits = 0.0;
    int64_t exponent = 0;
    size_t i = 0, seen = 0;
    bool negative = s.len > 0 && s.start[0] == '-', fraction = false;

    if (negative || (s.len > 0 && s.start[0] == '+'))
        i++;
    for (; i < s.len; i++) {
        char c = s.start[i];
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (isdigit((unsigned char)c)) {
            digits = digits * 10.0 + (c - '0');
            exponent -= fraction;
            seen++;
        } else {
            break;
        }
    }
    if (seen == 0)
        return false;
    if (i < s.len) {
        int64_t given;
        str_slice rest = {s.start + i + 1, s.len - i - 1};
        if ((s.start[i] != 'e' && s.start[i] != 'E') || !str_parse_integer(rest, 10, &given))
            return false;
        /* Beyond this the result is zero or infinite anyway. */
        exponent += given > 9999 ? 9999 : given < -9999 ? -9999 : given;
    }
    double scale = 1.0, power = 10.0;
    for (uint64_t n = exponent < 0 ? (uint64_t)-exponent : (uint64_t)exponent; n > 0; n >>= 1, power *= power) {
        if (n & 1)
            scale *= power;
    }
    /* Zero must not meet an infinite scale, which would give a NaN. */
    if (digits != 0.0)
        digits = exponent < 0 ? digits / scale : digits * scale;
    *value = negative ? -digits : digits;
    return true;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char mixed[] = "A\xc3\x89\xe2\x82\xac\xf0\x9f\x98\x80\xc0\xaf\xed\xa0\x80\xff\xe2\x82";
    static const char *const numbers[] = {"42", "-9223372036854775808", "9223372036854775808", "0x7f", "5e",
                                          "+2.75E-2", "1e400", "0e9999999", "-.5", "", ".", "-", "1e3", "3.1415926"};
    static const char *const words[] = {"kitten", "sitting", "ab", "ba", "", "\xc3\x84pfel", "\xc3\xa4PFEL"};
    const char *at = mixed, *end = mixed + sizeof mixed - 1;
    str_slice fields[4];

    while (at < end)
        printf("%lx ", (unsigned long)utf8_fold(utf8_next(&at, end)));
    printf("\n");
    for (size_t i = 0; i < 49; i++)
        printf("%zu,%d ", str_distance(words[i / 7], words[i % 7]), str_compare_folded(words[i / 7], words[i % 7]));
    printf("\n");
    size_t n = str_split(" one, \"two, 2\" ,,  rest, and more ", ',', fields, 4);
    for (size_t i = 0; i < n; i++)
        printf("[%.*s]\n", (int)fields[i].len, fields[i].start);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        str_slice s = str_trim(numbers[i], strlen(numbers[i]));
        int64_t integer = 0;
        double real = 0.0;
        bool whole = str_parse_integer(s, 0, &integer), fraction = str_parse_double(s, &real);
        printf("%s: %d %lld, %d %.15g\n", numbers[i], whole, (long long)integer, fraction, real);
    }
    for (uint32_t c = 0xc0; c < 0x450; c += 13)
        printf("%lx%s", (unsigned long)utf8_fold(c), c + 13 < 0x450 ? " " : "\n");
    return 0;
}
#endif
