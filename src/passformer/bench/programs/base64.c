/* Base64 and hexadecimal encoding of byte buffers, with strict and streaming decoders. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define B64_INVALID (-1)
#define B64_ERROR ((size_t)-1)

typedef enum { B64_STANDARD, B64_URL_SAFE } b64_variant;

typedef struct {
    uint32_t bits;
    unsigned count; /* sextets gathered in `bits`, 0 to 3 */
    unsigned padding;
    bool failed;
} b64_stream;

static const char STANDARD_ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Accepts both alphabets: their two differing symbols never collide. */
int b64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    switch (c) {
    case '+':
    case '-':
        return 62;
    case '/':
    case '_':
        return 63;
    default:
        return B64_INVALID;
    }
}

static char symbol(unsigned sextet, b64_variant variant)
{
    if (variant == B64_URL_SAFE && sextet >= 62)
        return sextet == 62 ? '-' : '_';
    return STANDARD_ALPHABET[sextet];
}

/* `out` needs 4 * ceil(len / 3) + 1 bytes; the URL-safe form is written without padding. */
size_t b64_encode(const uint8_t *data, size_t len, char *out, b64_variant variant)
{
    size_t n = 0;
    size_t i = 0;

    for (; len - i >= 3; i += 3) {
        uint32_t group = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        out[n++] = symbol(group >> 18, variant);
        out[n++] = symbol(group >> 12 & 63, variant);
        out[n++] = symbol(group >> 6 & 63, variant);
        out[n++] = symbol(group & 63, variant);
    }
    if (i < len) {
        bool two = len - i == 2;
        uint32_t group = (uint32_t)data[i] << 16;
        if (two)
            group |= (uint32_t)data[i + 1] << 8;
        out[n++] = symbol(group >> 18, variant);
        out[n++] = symbol(group >> 12 & 63, variant);
        if (two)
            out[n++] = symbol(group >> 6 & 63, variant);
        if (variant == B64_STANDARD) {
            out[n++] = '=';
            if (!two)
                out[n++] = '=';
        }
    }
    out[n] = '\0';
    return n;
}

void b64_stream_init(b64_stream *s)
{
    memset(s, 0, sizeof *s);
}

/* Feeds any slice of the text; whitespace is skipped so that wrapped lines decode too. */
size_t b64_stream_feed(b64_stream *s, const char *text, size_t len, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len && !s->failed; i++) {
        char c = text[i];
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
            continue;
        if (c == '=') {
            s->padding++;
            continue;
        }
        int v = b64_value(c);
        if (v == B64_INVALID || s->padding > 0) {
            s->failed = true;
            break;
        }
        s->bits = s->bits << 6 | (uint32_t)v;
        if (++s->count == 4) {
            out[n++] = (uint8_t)(s->bits >> 16);
            out[n++] = (uint8_t)(s->bits >> 8);
            out[n++] = (uint8_t)s->bits;
            s->bits = 0;
            s->count = 0;
        }
    }
    return n;
}

/* Writes the last 0 to 2 bytes, or returns B64_ERROR when the text was not a whole encoding. */
size_t b64_stream_finish(b64_stream *s, uint8_t *out)
{
    if (s->failed)
        return B64_ERROR;
    switch (s->count) {
    case 0:
        return s->padding == 0 ? 0 : B64_ERROR;
    case 2:
        /* Leftover bits must be zero, or two texts would decode to the same bytes. */
        if ((s->bits & 15) != 0 || (s->padding != 0 && s->padding != 2))
            return B64_ERROR;
        out[0] = (uint8_t)(s->bits >> 4);
        return 1;
    case 3:
        if ((s->bits & 3) != 0 || s->padding > 1)
            return B64_ERROR;
        out[0] = (uint8_t)(s->bits >> 10);
        out[1] = (uint8_t)(s->bits >> 2);
        return 2;
    default:
        return B64_ERROR;
    }
}

size_t b64_decode(const char *text, size_t len, uint8_t *out)
{
    b64_stream s;

    b64_stream_init(&s);
    size_t n = b64_stream_feed(&s, text, len, out);
    size_t tail = b64_stream_finish(&s, out + n);
    return tail == B64_ERROR ? B64_ERROR : n + tail;
}

/* Breaks `text` into lines of `width` symbols; `out` must hold the extra newlines. */
size_t b64_wrap(const char *text, size_t len, size_t width, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (width > 0 && i > 0 && i % width == 0)
            out[n++] = '\n';
        out[n++] = text[i];
    }
    out[n] = '\0';
    return n;
}

size_t hex_encode(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
    return 2 * len;
}

size_t hex_decode(const char *text, size_t len, uint8_t *out)
{
    if (len % 2 != 0)
        return B64_ERROR;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        unsigned nibble;
        if (c >= '0' && c <= '9')
            nibble = (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            nibble = (unsigned)((c | 32) - 'a') + 10;
        else
            return B64_ERROR;
        if (i % 2 == 0)
            out[i / 2] = (uint8_t)(nibble << 4);
        else
            out[i / 2] |= (uint8_t)nibble;
    }
    return len / 2;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char *const samples[] = {"", "f", "fo", "foo", "foobar", "\xff\xfe\xfd>>??", "The quick brown fox"};
    static const char *const broken[] = {"Zg=", "Zh==", "Z", "Zm9v!", "Zg==Zg==", "Zm8=", "Zm\n8"};
    char text[128], wrapped[160], hex[128];
    uint8_t bytes[128];

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t len = strlen(samples[i]);
        size_t plain = b64_encode((const uint8_t *)samples[i], len, text, B64_STANDARD);
        size_t back = b64_decode(text, plain, bytes);
        printf("%s %zu %d\n", text, back, memcmp(bytes, samples[i], len) == 0);
        size_t lines = b64_wrap(text, plain, 5, wrapped);
        printf("  wrapped %zu, decoded %zu\n", lines, b64_decode(wrapped, lines, bytes));
        size_t url = b64_encode((const uint8_t *)samples[i], len, text, B64_URL_SAFE);
        printf("  %s %zu\n", text, b64_decode(text, url, bytes));
        size_t digits = hex_encode((const uint8_t *)samples[i], len, hex);
        printf("  %s %zu\n", hex, hex_decode(hex, digits, bytes));
    }
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        printf("%d ", (int)b64_decode(broken[i], strlen(broken[i]), bytes));
    printf("\n%d %d %d %d\n", (int)hex_decode("abc", 3, bytes), (int)hex_decode("AFxg", 4, bytes), b64_value('_'),
           b64_value('*'));
    return 0;
}
#endif
