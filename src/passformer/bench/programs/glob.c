/* File-name patterns: *, ?, [classes], {alternatives} and **, and path clean-up. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define GLOB_BRACE_DEPTH 8

enum { GLOB_PATHNAME = 1, GLOB_NOCASE = 2, GLOB_PERIOD = 4 };

/* Where to go on from when a star has to take one more character. */
typedef struct {
    const char *pattern;
    const char *text;
} glob_mark;

static char fold(char c, int flags)
{
    return (flags & GLOB_NOCASE) && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Matches `c` against the class after '['. Returns the rest of the pattern, or NULL if it never closes. */
const char *glob_class(const char *pattern, char c, int flags, bool *matched)
{
    bool negated = *pattern == '!' || *pattern == '^';
    bool found = false;

    c = fold(c, flags);
    if (negated)
        pattern++;
    /* A closing bracket that comes first stands for itself. */
    for (bool first = true; first || *pattern != ']'; first = false) {
        if (*pattern == '\\' && pattern[1] != '\0')
            pattern++;
        if (*pattern == '\0')
            return NULL;
        char low = fold(*pattern++, flags), high = low;
        if (*pattern == '-' && pattern[1] != ']' && pattern[1] != '\0') {
            high = fold(pattern[1], flags);
            pattern += 2;
        }
        if (low <= c && c <= high)
            found = true;
    }
    *matched = found != negated;
    return pattern + 1;
}

/* Without braces. A later star of the same kind makes an earlier one's choices final: a mark each will do. */
bool glob_match(const char *pattern, const char *text, int flags)
{
    glob_mark within = {NULL, NULL}, across = {NULL, NULL};
    const char *start = text;

    for (;;) {
        bool hidden = (flags & GLOB_PERIOD) && *text == '.' && (text == start || text[-1] == '/');
        bool step = false;
        if (*pattern == '*' && !hidden) {
            bool crosses = !(flags & GLOB_PATHNAME) || pattern[1] == '*';
            while (*pattern == '*')
                pattern++;
            within = (glob_mark){pattern, text};
            if (crosses) {
                across = within;
                within.pattern = NULL;
            }
            continue;
        }
        if (*text == '\0' && *pattern == '\0')
            return true;
        if (*text != '\0') {
            bool slash = *text == '/' && (flags & GLOB_PATHNAME);
            const char *next = pattern + 1;
            switch (*pattern) {
            case '\0':
                break;
            case '?':
                step = !slash && !hidden;
                break;
            case '[':
                next = glob_class(pattern + 1, *text, flags, &step);
                if (next == NULL)
                    return false;
                if (slash || hidden)
                    step = false;
                break;
            case '\\':
                if (pattern[1] != '\0')
                    next++;
                step = fold(next[-1], flags) == fold(*text, flags);
                break;
            default:
                step = fold(*pattern, flags) == fold(*text, flags);
                break;
            }
            if (step) {
                pattern = next;
                text++;
                continue;
            }
        }
        if (within.pattern != NULL && *within.text != '\0' && *within.text != '/') {
            text = ++within.text;
            pattern = within.pattern;
        } else if (across.pattern != NULL && *across.text != '\0') {
            within.pattern = NULL;
            text = ++across.text;
            pattern = across.pattern;
        } else {
            return false;
        }
    }
}

/* Finds the brace that closes the one at `open`, or NULL; escapes and nesting are honoured. */
const char *glob_brace_end(const char *open)
{
    int depth = 0;

    for (const char *p = open; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '{')
            depth++;
        else if (*p == '}' && --depth == 0)
            return p;
    }
    return NULL;
}

static bool match_level(const char *pattern, const char *text, int flags, int level)
{
    const char *open = pattern, *close;
    char expanded[256];

    while (*open != '\0' && *open != '{')
        open += *open == '\\' && open[1] != '\0' ? 2 : 1;
    if (*open == '\0' || level >= GLOB_BRACE_DEPTH || (close = glob_brace_end(open)) == NULL)
        return glob_match(pattern, text, flags);
    size_t head = (size_t)(open - pattern), tail = strlen(close + 1);
    for (const char *item = open + 1; item <= close;) {
        const char *end = item;
        for (int depth = 0; end < close && (depth > 0 || *end != ','); end++) {
            if (*end == '\\')
                end++;
            else
                depth += (*end == '{') - (*end == '}');
        }
        size_t len = (size_t)(end - item);
        if (head + len + tail >= sizeof expanded)
            return false;
        memcpy(expanded, pattern, head);
        memcpy(expanded + head, item, len);
        memcpy(expanded + head + len, close + 1, tail + 1);
        if (match_level(expanded, text, flags, level + 1))
            return true;
        item = end + 1;
    }
    return false;
}

bool glob_match_braces(const char *pattern, const char *text, int flags)
{
    return match_level(pattern, text, flags, 0);
}

/* A literal prefix lets a caller skip whole folders without matching each name. */
size_t glob_literal_prefix(const char *pattern)
{
    size_t last_slash = 0;

    for (size_t i = 0; pattern[i] != '\0'; i++) {
        switch (pattern[i]) {
        case '*':
        case '?':
        case '[':
        case '{':
        case '\\':
            return last_slash;
        case '/':
            last_slash = i + 1;
            break;
        default:
            break;
        }
    }
    return strlen(pattern);
}

/* Removes ".", ".." and doubled slashes in place; never climbs above the root. */
size_t path_normalize(char *path)
{
    bool absolute = path[0] == '/';
    size_t out = absolute, floor = out;
    const char *in = path;

    while (*in != '\0') {
        size_t len = strcspn(in, "/");
        if (len == 2 && in[0] == '.' && in[1] == '.' && out > floor) {
            while (out > floor && path[out - 1] != '/')
                out--;
            if (out > floor)
                out--;
        } else if (len > 0 && !(len == 1 && in[0] == '.') && !(absolute && len == 2 && in[0] == '.' && in[1] == '.')) {
            bool climbs = len == 2 && in[0] == '.' && in[1] == '.';
            if (out > absolute)
                path[out++] = '/';
            memmove(path + out, in, len);
            out += len;
            if (climbs)
                floor = out; /* a kept ".." can not be cancelled by a later one */
        }
        in += len;
        while (*in == '/')
            in++;
    }
    path[out] = '\0';
    return out;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const struct { const char *pattern, *text; int flags; } cases[] = {
        {"*.c", "main.c", 0},       {"*.c", "src/main.c", GLOB_PATHNAME}, {"**.c", "src/main.c", GLOB_PATHNAME},
        {"[a-f]?[!0-9]", "bz_", 0}, {"[]x]*", "]ab", 0},                  {"*a*b*c", "xxaybbzc", 0},
        {"*", ".git", GLOB_PERIOD}, {"READ*", "readme", GLOB_NOCASE},     {"\\*x", "*x", 0},
        {"[abc", "a", 0},           {"{a,b{c,d}}*.{h,hpp}", "bdx.hpp", 0}, {"{a,b}", "c", 0},
        {"**/*.c", "a/b/c.c", GLOB_PATHNAME}, {"s*/*.c", "src/x/y.c", GLOB_PATHNAME},
        {"a{,b}c", "ac", 0},        {"a\\{b", "a{b", 0},                  {"", "", 0},
    };
    char paths[][40] = {"/a/./b//../c/", "../../x/../y", "a/..", "/../..", "a/b/../../../c", "", "./a/b/.."};
    bool matched = false;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        printf("%s %s %d %d %zu\n", cases[i].pattern, cases[i].text,
               glob_match(cases[i].pattern, cases[i].text, cases[i].flags),
               glob_match_braces(cases[i].pattern, cases[i].text, cases[i].flags),
               glob_literal_prefix(cases[i].pattern));
    printf("%s", glob_class("^a-c]rest", 'd', 0, &matched));
    printf(" %d %s %zu\n", matched, glob_brace_end("{a{b}\\},c}tail"), glob_literal_prefix("usr/lib/lib*.so"));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t n = path_normalize(paths[i]);
        printf("'%s' %zu\n", paths[i], n);
    }
    return 0;
}
#endif
