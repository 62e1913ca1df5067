/* A JSON tokenizer without allocation: flat tokens, strict numbers, string decoding, path look-up. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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
    size_t at, len;
    json_token *tokens;
    size_t capacity, count;
    int depth;
} json_parser;

void json_skip_blanks(json_parser *p)
{
    while (p->at < p->len) {
        switch (p->text[p->at]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            p->at++;
            break;
        default:
            return;
        }
    }
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
        char c = text[i];
        value *= 16;
        if (c >= '0' && c <= '9')
            value += c - '0';
        else if (c >= 'a' && c <= 'f')
            value += c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            value += c - 'A' + 10;
        else
            return -1;
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
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        switch (peek(p)) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            p->at++;
            break;
        case 'u':
            if (json_hex4(p->text + p->at + 1, p->len - p->at - 1) < 0)
                return false;
            p->at += 5;
            break;
        default:
            return false;
        }
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

static bool scan_word(json_parser *p, const char *word)
{
    size_t len = strlen(word);

    if (p->len - p->at < len || memcmp(p->text + p->at, word, len) != 0)
        return false;
    p->at += len;
    return true;
}

bool json_scan_value(json_parser *p)
{
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
        t->type = JSON_TRUE;
        good = scan_word(p, "true");
        break;
    case 'f':
        t->type = JSON_FALSE;
        good = scan_word(p, "false");
        break;
    case 'n':
        good = scan_word(p, "null");
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
    json_parser p = {text, 0, len, tokens, capacity, 0, 0};
    bool good = len <= UINT32_MAX && json_scan_value(&p);

    if (good)
        json_skip_blanks(&p);
    if (good && p.at == p.len)
        return p.count;
    *error_at = p.at;
    return 0;
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t extra = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    for (size_t i = extra; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 63));
    out[0] = (char)((0xf00u >> extra & 0xffu) | c);
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
            n += put_utf8(c, out + n);
        } else {
            out[n++] = text[i];
        }
    }
    out[n] = '\0';
    return n;
}

/* Follows a path such as "users.2.name" from the first token; NULL if it leads nowhere. */
const json_token *json_follow(const char *text, const json_token *tokens, const char *path)
{
    const json_token *at = tokens;

    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        const json_token *child = at + 1;
        uint32_t left = at->children;
        if (at->type == JSON_ARRAY) {
            char *end;
            unsigned long index = strtoul(path, &end, 10);
            if (end != path + len || index >= left)
                return NULL;
            while (index-- > 0)
                child = tokens + child->skip;
        } else if (at->type == JSON_OBJECT) {
            for (; left > 0; left--, child = tokens + child[1].skip) {
                if (child->end - child->start - 2 == len && memcmp(text + child->start + 1, path, len) == 0)
                    break;
            }
            if (left == 0)
                return NULL;
            child++;
        } else {
            return NULL;
        }
        at = child;
        path += len + (path[len] == '.');
    }
    return at;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char text[] = " {\"name\": \"a\\n\\u00e9\\ud83d\\ude00\\ud83dz\", \"list\": [1, -2.5e3, [], {}, "
                               "true, {\"deep\": {\"x\": null}}],\n\t\"no\": false}";
    static const char *const broken[] = {"",        "[1,]",   "{\"a\" 1}",   "01",     "1.",     "\"\\x\"", "\"\\u12g4\"",
                                         "nul",     "[1 2]",  "\"a\nb\"",    "[",      "-",      "1 1",     "{1:2}",
                                         "\"\\u12", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"};
    static const char *const paths[] = {"", "list", "list.1", "list.5.deep.x", "list.6", "name.x", "list.5.deep.y", "no"};
    json_token tokens[64];
    char out[64];
    size_t error_at = 0;
    size_t n = json_tokenize(text, sizeof text - 1, tokens, 64, &error_at);

    for (size_t i = 0; i < n; i++)
        printf("%d %lu-%lu %lu %lu\n", (int)tokens[i].type, (unsigned long)tokens[i].start,
               (unsigned long)tokens[i].end, (unsigned long)tokens[i].children, (unsigned long)tokens[i].skip);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const json_token *t = json_follow(text, tokens, paths[i]);
        printf("%s: %d\n", paths[i], t == NULL ? -1 : (int)(t - tokens));
    }
    size_t len = json_decode_string(text, json_follow(text, tokens, "name"), out);
    for (size_t i = 0; i < len; i++)
        printf("%02x ", (unsigned)(unsigned char)out[i]);
    printf("\n%g\n", strtod(text + json_follow(text, tokens, "list.1")->start, NULL));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        n = json_tokenize(broken[i], strlen(broken[i]), tokens, 64, &error_at);
        printf("%zu@%zu ", n, error_at);
    }
    printf("\n%zu\n", json_tokenize("[1,2,3]", 7, tokens, 3, &error_at));
    return 0;
}
#endif
