/* Checksums of byte buffers: CRC-8, CRC-16, CRC-32 with combination, Adler-32, Fletcher-16, FNV-1a, Luhn. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRC32_POLYNOMIAL UINT32_C(0xedb88320)
#define ADLER_MODULUS 65521u

typedef struct {
    uint32_t table[256];
    uint32_t state;
} crc32_context;

/* Bit by bit: the message is too short for a table to pay off. */
uint8_t crc8(const uint8_t *data, size_t len)
{
    uint8_t crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (uint8_t)(crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1);
    }
    return crc;
}

/* CRC-16/CCITT, a nibble at a time: a 16-entry table is a fair trade of space for speed. */
uint16_t crc16(const uint8_t *data, size_t len)
{
    static const uint16_t nibbles[16] = {
        0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
        0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    };
    uint16_t crc = 0xffff;

    while (len-- > 0) {
        uint8_t byte = *data++;
        crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ byte >> 4]);
        crc = (uint16_t)(crc << 4 ^ nibbles[crc >> 12 ^ (byte & 15)]);
    }
    return crc;
}

void crc32_begin(crc32_context *c)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ CRC32_POLYNOMIAL : value >> 1;
        c->table[i] = value;
    }
    c->state = UINT32_C(0xffffffff);
}

void crc32_update(crc32_context *c, const uint8_t *data, size_t len)
{
    uint32_t crc = c->state;

    for (; len >= 4; len -= 4, data += 4) {
        crc = crc >> 8 ^ c->table[(crc ^ data[0]) & 255];
        crc = crc >> 8 ^ c->table[(crc ^ data[1]) & 255];
        crc = crc >> 8 ^ c->table[(crc ^ data[2]) & 255];
        crc = crc >> 8 ^ c->table[(crc ^ data[3]) & 255];
    }
    while (len-- > 0)
        crc = crc >> 8 ^ c->table[(crc ^ *data++) & 255];
    c->state = crc;
}

uint32_t crc32_end(const crc32_context *c)
{
    return c->state ^ UINT32_C(0xffffffff);
}

static uint32_t apply(const uint32_t matrix[32], uint32_t vector)
{
    uint32_t sum = 0;

    for (int i = 0; vector != 0; i++, vector >>= 1) {
        if (vector & 1)
            sum ^= matrix[i];
    }
    return sum;
}

/* CRC of A followed by B from the two CRCs: advance A's by `second_len` zero bytes, then add B's. */
uint32_t crc32_combine(uint32_t first, uint32_t second, uint64_t second_len)
{
    uint32_t step[32], square[32];

    /* `step` is the operator for one zero bit; three squarings make it one zero byte. */
    step[0] = CRC32_POLYNOMIAL;
    for (int i = 1; i < 32; i++)
        step[i] = UINT32_C(1) << (i - 1);
    for (int round = 0; second_len != 0; round++) {
        if (round >= 3) {
            if (second_len & 1)
                first = apply(step, first);
            second_len >>= 1;
        }
        for (int i = 0; i < 32; i++)
            square[i] = apply(step, step[i]);
        for (int i = 0; i < 32; i++)
            step[i] = square[i];
    }
    return first ^ second;
}

uint32_t adler32(uint32_t adler, const uint8_t *data, size_t len)
{
    uint32_t a = adler & 0xffff, b = adler >> 16;

    while (len > 0) {
        /* 5552 is the longest run whose sums cannot pass 32 bits. */
        size_t run = len < 5552 ? len : 5552;
        len -= run;
        while (run-- > 0) {
            a += *data++;
            b += a;
        }
        a %= ADLER_MODULUS;
        b %= ADLER_MODULUS;
    }
    return b << 16 | a;
}

uint16_t fletcher16(const uint8_t *data, size_t len)
{
    unsigned low = 0, high = 0;

    for (size_t i = 0; i < len; i++) {
        low = (low + data[i]) % 255;
        high = (high + low) % 255;
    }
    return (uint16_t)(high << 8 | low);
}

uint64_t fnv1a64(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    while (*text != '\0') {
        hash ^= (uint8_t)*text++;
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Whether a card-like number passes the Luhn check; spaces and dashes are ignored. */
bool luhn_valid(const char *text, size_t len)
{
    unsigned sum = 0, digits = 0;

    for (size_t i = len; i-- > 0;) {
        if (text[i] == ' ' || text[i] == '-')
            continue;
        if (text[i] < '0' || text[i] > '9')
            return false;
        unsigned digit = (unsigned)(text[i] - '0');
        if (digits++ % 2 == 1) {
            digit *= 2;
            if (digit > 9)
                digit -= 9;
        }
        sum += digit;
    }
    return digits > 1 && sum % 10 == 0;
}

#ifdef SELF_TEST
#include <stdio.h>
#include <string.h>

int main(void)
{
    static const char *const texts[] = {"", "a", "123456789", "The quick brown fox jumps over the lazy dog"};
    static const char *const cards[] = {"4539 1488 0343 6467", "8273-1232-7352-0569", "79927398713", "0", "12a4"};
    static uint8_t big[20000];
    crc32_context c;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const uint8_t *data = (const uint8_t *)texts[i];
        size_t len = strlen(texts[i]), half = len / 2;
        crc32_begin(&c);
        crc32_update(&c, data, half);
        uint32_t first = crc32_end(&c);
        crc32_update(&c, data + half, len - half);
        uint32_t whole = crc32_end(&c);
        crc32_begin(&c);
        crc32_update(&c, data + half, len - half);
        uint32_t joined = crc32_combine(first, crc32_end(&c), len - half);
        printf("%02x %04x %08lx %d %08lx %04x %016llx\n", crc8(data, len), crc16(data, len), (unsigned long)whole,
               joined == whole, (unsigned long)adler32(1, data, len), fletcher16(data, len),
               (unsigned long long)fnv1a64(texts[i]));
    }
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 ^ i >> 5);
    printf("%08lx\n", (unsigned long)adler32(1, big, sizeof big));
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++)
        printf("%d", luhn_valid(cards[i], strlen(cards[i])));
    printf("\n");
    return 0;
}
#endif
