/* Fixed-capacity unsigned big integers: decimal text, add, subtract, multiply, divide, powers mod n. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIG_LIMBS 32

/* Little-endian limbs; `used` never counts leading zero limbs, so zero has used == 0. */
typedef struct {
    uint32_t limb[BIG_LIMBS];
    size_t used;
} bignum;

static void trim(bignum *a)
{
    while (a->used > 0 && a->limb[a->used - 1] == 0)
        a->used--;
}

void big_set(bignum *a, uint64_t value)
{
    memset(a, 0, sizeof *a);
    a->limb[0] = (uint32_t)value;
    a->limb[1] = (uint32_t)(value >> 32);
    a->used = 2;
    trim(a);
}

int big_compare(const bignum *a, const bignum *b)
{
    if (a->used != b->used)
        return a->used < b->used ? -1 : 1;
    for (size_t i = a->used; i-- > 0;) {
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/* a = a * factor + addend, the step that both parsing and small products need. */
bool big_scale(bignum *a, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;

    for (size_t i = 0; i < a->used; i++) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        if (a->used == BIG_LIMBS)
            return false;
        a->limb[a->used++] = (uint32_t)carry;
    }
    trim(a);
    return true;
}

bool big_parse(bignum *a, const char *text)
{
    big_set(a, 0);
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '_')
            continue;
        if (*text < '0' || *text > '9' || !big_scale(a, 10, (uint32_t)(*text - '0')))
            return false;
    }
    return true;
}

bool big_add(bignum *sum, const bignum *a, const bignum *b)
{
    size_t n = a->used > b->used ? a->used : b->used;
    uint64_t carry = 0;
    bignum r = {{0}, 0};

    for (size_t i = 0; i < n; i++) {
        carry += (uint64_t)a->limb[i] + b->limb[i];
        r.limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    r.used = n;
    if (carry != 0) {
        if (n == BIG_LIMBS)
            return false;
        r.limb[r.used++] = 1;
    }
    *sum = r;
    return true;
}

/* Needs a >= b, since there is no sign; answers false otherwise. */
bool big_subtract(bignum *difference, const bignum *a, const bignum *b)
{
    uint32_t borrow = 0;
    bignum r = {{0}, 0};

    if (big_compare(a, b) < 0)
        return false;
    for (size_t i = 0; i < a->used; i++) {
        uint64_t t = (uint64_t)a->limb[i] - b->limb[i] - borrow;
        r.limb[i] = (uint32_t)t;
        borrow = t >> 63;
    }
    r.used = a->used;
    trim(&r);
    *difference = r;
    return true;
}

bool big_multiply(bignum *product, const bignum *a, const bignum *b)
{
    bignum r = {{0}, 0};

    if (a->used + b->used > BIG_LIMBS)
        return false;
    for (size_t i = 0; i < a->used; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < b->used; j++) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + r.limb[i + j];
            r.limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        r.limb[i + b->used] = (uint32_t)carry;
    }
    r.used = a->used + b->used;
    trim(&r);
    *product = r;
    return true;
}

/* Schoolbook binary division: one quotient bit per step, simple and never overflows. */
bool big_divide(bignum *quotient, bignum *remainder, const bignum *a, const bignum *b)
{
    bignum q = {{0}, 0}, r = {{0}, 0};

    /* The remainder is doubled before it is reduced, so it needs one spare limb. */
    if (b->used == 0 || b->used == BIG_LIMBS)
        return false;
    for (size_t bit = a->used * 32; bit-- > 0;) {
        uint32_t next = a->limb[bit / 32] >> (bit % 32) & 1;
        if (r.used == 0)
            big_set(&r, next);
        else if (!big_scale(&r, 2, next))
            return false;
        if (big_compare(&r, b) >= 0) {
            big_subtract(&r, &r, b);
            q.limb[bit / 32] |= UINT32_C(1) << (bit % 32);
        }
    }
    q.used = a->used;
    trim(&q);
    *quotient = q;
    *remainder = r;
    return true;
}

/* base ** exponent mod modulus by repeated squaring. */
bool big_power_mod(bignum *result, const bignum *base, const bignum *exponent, const bignum *modulus)
{
    bignum q, square, acc;

    big_set(&acc, 1);
    if (!big_divide(&q, &square, base, modulus) || !big_divide(&q, &acc, &acc, modulus))
        return false;
    for (size_t bit = 0; bit < exponent->used * 32; bit++) {
        if (exponent->limb[bit / 32] >> (bit % 32) & 1) {
            if (!big_multiply(&acc, &acc, &square) || !big_divide(&q, &acc, &acc, modulus))
                return false;
        }
        if (!big_multiply(&square, &square, &square) || !big_divide(&q, &square, &square, modulus))
            return false;
    }
    *result = acc;
    return true;
}

/* Decimal text into `out`; returns its length, or 0 when `capacity` is too small. */
size_t big_format(const bignum *a, char *out, size_t capacity)
{
    bignum rest = *a;
    size_t n = 0;

    do {
        uint64_t remainder = 0;
        for (size_t i = rest.used; i-- > 0;) {
            remainder = remainder << 32 | rest.limb[i];
            rest.limb[i] = (uint32_t)(remainder / 10);
            remainder %= 10;
        }
        trim(&rest);
        if (n + 1 >= capacity)
            return 0;
        out[n++] = (char)('0' + remainder);
    } while (rest.used > 0);
    for (size_t i = 0; i < n / 2; i++) {
        char c = out[i];
        out[i] = out[n - 1 - i];
        out[n - 1 - i] = c;
    }
    out[n] = '\0';
    return n;
}

#ifdef SELF_TEST
#include <stdio.h>

static void show(const char *label, const bignum *a)
{
    char text[400];
    size_t n = big_format(a, text, sizeof text);
    printf("%s = %s (%zu)\n", label, text, n);
}

int main(void)
{
    bignum a, b, c, d;
    char tiny[3];

    printf("%d", big_parse(&a, "123456789012345678901234567890123456789"));
    printf("%d", big_parse(&b, "987_654_321_000_000_007"));
    printf("%d%d\n", big_parse(&c, ""), big_parse(&c, "12x"));
    big_add(&c, &a, &b);
    show("a+b", &c);
    printf("%d %d %d\n", big_compare(&a, &b), big_compare(&b, &a), big_compare(&a, &a));
    printf("%d\n", big_subtract(&c, &b, &a));
    big_subtract(&c, &a, &b);
    show("a-b", &c);
    big_multiply(&c, &a, &b);
    show("a*b", &c);
    big_divide(&c, &d, &a, &b);
    show("a/b", &c);
    show("a%b", &d);
    big_set(&c, 1);
    for (uint32_t i = 2; i <= 60; i++)
        big_scale(&c, i, 0);
    show("60!", &c);
    big_power_mod(&c, &a, &b, &d);
    show("a^b mod r", &c);
    big_set(&d, 0);
    show("zero", &d);
    printf("%d %zu\n", big_divide(&c, &d, &a, &d), big_format(&a, tiny, sizeof tiny));
    return 0;
}
#endif
