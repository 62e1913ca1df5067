/* A JSON tokenizer without allocation: flat tokens, strict numbers, string decoding. */
#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_DEPTH 32

typedef enum { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL } json_type;

/* A value and where it lies in the text; `skip` is the index of the token behind its last descendant. */
typedef struct {
    json_type type;
    uint32_t start, end;
    uint32_t children; /* pairs count once */
    uint32_t skip;
} json_token;

typedef struct {
    const char *text;
    size_t at, len, capacity, count;
    json_token *tokens;
    int depth;
} json_parser;

void json_skip_blanks(json_parser *p)
{
    while (p->at < p->len && p->text[p->at] != '\0' && strchr(" \t\r\n", p->text[p->at]) != NULL)
        p->at++;
}

static char peek(const json_parser *p)
{
    return p->at < p->len ? p->text[p->at] : '\0';
}

static bool accept(json_parser *p, char c)
{
    json_skip_blanks(p);
    if (peek(p) != c || p->at == p->len)
        return false;
    p->at++;
    return true;
}

/* The value of four hexadecimal digits, or -1. */
int json_hex4(const char *text, size_t len)
{
    int value = 0;

    if (len < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!isxdigit(c))
            return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return value;
}

/* Checks a string and passes its closing quote; the contents are decoded only on demand. */
bool json_scan_string(json_parser *p)
{
    p->at++;
    while (p->at < p->len) {
        unsigned char c = (unsigned char)p->text[p->at++];
        if (c == '"')
            return true;
        if (c >= 0x20 && c != '\\')
            continue;
        char escape = peek(p);
        if (c < 0x20 || escape == '\0' || strchr("\"\\/bfnrtu", escape) == NULL)
            return false;
        p->at++;
        if (escape == 'u' && json_hex4(p->text + p->at, p->len - p->at) < 0)
            return false;
    }
    return false;
}

static size_t digits(json_parser *p)
{
    size_t from = p->at;

    while (peek(p) >= '0' && peek(p) <= '9')
        p->at++;
    return p->at - from;
}

/* Stricter than strtod: no plus sign, no leading zeros, digits on both sides of the point. */
bool json_scan_number(json_parser *p)
{
    if (peek(p) == '-')
        p->at++;
    bool zero = peek(p) == '0';
    size_t whole = digits(p);
    if (whole == 0 || (zero && whole > 1))
        return false;
    if (peek(p) == '.') {
        p->at++;
        if (digits(p) == 0)
            return false;
    }
    if (peek(p) == 'e' || peek(p) == 'E') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        return digits(p) > 0;
    }
    return true;
}

bool json_scan_value(json_parser *p)
{
    static const char *const words[] = {"true", "false", "null"};

    json_skip_blanks(p);
    if (p->count == p->capacity || p->depth == JSON_DEPTH)
        return false;
    json_token *t = &p->tokens[p->count++];
    bool good = true;
    *t = (json_token){JSON_NULL, (uint32_t)p->at, 0, 0, 0};
    char open = peek(p);
    switch (open) {
    case '{':
    case '[':
        t->type = open == '{' ? JSON_OBJECT : JSON_ARRAY;
        p->at++;
        p->depth++;
        if (!accept(p, open == '{' ? '}' : ']')) {
            do {
                json_skip_blanks(p);
                if (t->type == JSON_OBJECT)
                    good = peek(p) == '"' && json_scan_value(p) && accept(p, ':');
                good = good && json_scan_value(p);
                t->children++;
            } while (good && accept(p, ','));
            good = good && accept(p, open == '{' ? '}' : ']');
        }
        p->depth--;
        break;
    case '"':
        t->type = JSON_STRING;
        good = json_scan_string(p);
        break;
    case 't':
    case 'f':
    case 'n':
        t->type = open == 't' ? JSON_TRUE : open == 'f' ? JSON_FALSE : JSON_NULL;
        for (const char *word = words[t->type - JSON_TRUE]; good && *word != '\0'; word++)
            good = peek(p) == *word && p->at++ < p->len;
        break;
    default:
        t->type = JSON_NUMBER;
        good = json_scan_number(p);
        break;
    }
    t->end = (uint32_t)p->at;
    t->skip = (uint32_t)p->count;
    return good;
}

/* Returns how many tokens were made, or 0; `error_at` then tells where the text goes wrong. */
size_t json_tokenize(const char *text, size_t len, json_token *tokens, size_t capacity, size_t *error_at)
{
    json_parser p = {text, 0, len, capacity, 0, tokens, 0};
    bool good = len <= UINT32_MAX && json_scan_value(&p);

    if (good)
        json_skip_blanks(&p);
    if (good && p.at == p.len)
        return p.count;
    *error_at = p.at;
    return 0;
}

size_t json_put_utf8(uint32_t c, char *out)
{
    size_t extra = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;

    for (size_t i = extra; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 63));
    /* The lead byte counts the bytes in ones, unless there is only it. */
    out[0] = (char)(extra == 0 ? c : (0xff00u >> (extra + 1) & 0xff) | c);
    return extra + 1;
}

/* Decodes a string token into `out`; a decoded string is never longer than its source. */
size_t json_decode_string(const char *text, const json_token *t, char *out)
{
    size_t n = 0;

    for (size_t i = t->start + 1; i + 1 < t->end; i++) {
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        if (text[i] != '\\') {
            out[n++] = text[i];
            continue;
        }
        const char *plain = strchr(from, text[++i]);
        if (plain != NULL) {
            out[n++] = to[plain - from];
        } else if (text[i] == 'u') {
            int low = -1, unit = json_hex4(text + i + 1, 4);
            uint32_t c = (uint32_t)unit;
            i += 4;
            if (unit >= 0xd800 && unit < 0xdc00 && i + 7 < t->end && text[i + 1] == '\\' && text[i + 2] == 'u')
                low = json_hex4(text + i + 3, 4);
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000u + ((c & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);
                i += 6;
            } else if (unit >= 0xd800 && unit < 0xe000) {
                c = 0xfffd; /* half of a pair means nothing alone */
            }
            n += json_put_utf8(c, out + n);
        } else {
            out[n++] = text[i];
        }
    }
    out[n] = '\0';
    return n;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char text[] = " {\"name\": \"a\\n\\u00e9\\ud83d\\ude00\\ud83dz\", \"list\": [1, -2.5e3, [], "
                               "{\"x\": null}, true],\n\t\"no\": false}";
    static const char *const broken[] = {"", "[1,]", "{\"a\" 1}", "01", "1.", "\"\\x\"", "\"\\u12g4\"", "nul", "[1 2]",
                                         "\"a\nb\"", "[", "-", "1 1", "{1:2}", "\"\\u12", "\"\\"};
    json_token tokens[32];
    char out[64];
    size_t error_at = 0, n = json_tokenize(text, sizeof text - 1, tokens, 32, &error_at);

    for (size_t i = 0; i < n; i++)
        printf("%d %u-%u %u %u\n", (int)tokens[i].type, (unsigned)tokens[i].start, (unsigned)tokens[i].end,
               (unsigned)tokens[i].children, (unsigned)tokens[i].skip);
    size_t len = json_decode_string(text, &tokens[2], out);
    for (size_t i = 0; i < len; i++)
        printf("%02x ", (unsigned)(unsigned char)out[i]);
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        n = json_tokenize(broken[i], strlen(broken[i]), tokens, 32, &error_at);
        printf("%zu@%zu ", n, error_at);
    }
    return 0;
}
#endif
