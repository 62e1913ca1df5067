/* INI configuration text: line parsing, typed look-up, editing and writing back. */
#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INI_ENTRIES 64
#define INI_NAME 32
#define INI_VALUE 96

typedef struct {
    char section[INI_NAME];
    char key[INI_NAME];
    char value[INI_VALUE];
} ini_entry;

typedef struct {
    ini_entry entries[INI_ENTRIES];
    size_t count;
    int bad_line; /* the first that could not be read, or 0 */
} ini_file;

typedef enum { INI_BLANK, INI_SECTION, INI_PAIR, INI_BAD } ini_line;

/* Copies [from, to) without the blanks around it; false if it is too long. */
static bool copy_trimmed(char *out, size_t capacity, const char *from, const char *to)
{
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    size_t len = (size_t)(to - from);
    if (len >= capacity)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static bool same(const char *a, const char *b)
{
    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Undoes quotes and escapes in place; text without quotes loses its trailing comment instead. */
bool ini_unquote(char *value)
{
    char *out = value;

    if (*value != '"') {
        for (char *p = value; *p != '\0'; p++) {
            if ((*p == ';' || *p == '#') && (p == value || isspace((unsigned char)p[-1]))) {
                while (p > value && isspace((unsigned char)p[-1]))
                    p--;
                *p = '\0';
                break;
            }
        }
        return true;
    }
    for (const char *in = value + 1; *in != '\0'; in++) {
        if (*in == '"') {
            *out = '\0';
            in++;
            while (isspace((unsigned char)*in))
                in++;
            return *in == '\0' || *in == ';' || *in == '#';
        }
        bool escaped = *in == '\\';
        if (escaped && *++in == '\0')
            return false;
        *out++ = escaped && *in == 'n' ? '\n' : escaped && *in == 't' ? '\t' : *in;
    }
    return false;
}

/* Reads one line into `e`; a section line changes e->section, which later pairs inherit. */
ini_line ini_parse_line(const char *line, size_t len, ini_entry *e)
{
    const char *end = line + len;

    while (line < end && isspace((unsigned char)*line))
        line++;
    if (line == end || *line == ';' || *line == '#')
        return INI_BLANK;
    if (*line == '[') {
        const char *close = memchr(line, ']', (size_t)(end - line));
        if (close == NULL || !copy_trimmed(e->section, sizeof e->section, line + 1, close))
            return INI_BAD;
        return INI_SECTION;
    }
    const char *equals = memchr(line, '=', (size_t)(end - line));
    if (equals == NULL || equals == line)
        return INI_BAD;
    if (!copy_trimmed(e->key, sizeof e->key, line, equals) ||
        !copy_trimmed(e->value, sizeof e->value, equals + 1, end))
        return INI_BAD;
    return ini_unquote(e->value) ? INI_PAIR : INI_BAD;
}

const ini_entry *ini_find(const ini_file *f, const char *section, const char *key)
{
    for (size_t i = 0; i < f->count; i++) {
        if (same(f->entries[i].section, section) && same(f->entries[i].key, key))
            return &f->entries[i];
    }
    return NULL;
}

/* Changes or adds a pair; a new one goes behind the last of its section, or in front if it has none. */
bool ini_set(ini_file *f, const char *section, const char *key, const char *value)
{
    const ini_entry *found = ini_find(f, section, key);
    size_t at = f->count;

    if (strlen(section) >= INI_NAME || strlen(key) >= INI_NAME || strlen(value) >= INI_VALUE)
        return false;
    if (found != NULL) {
        at = (size_t)(found - f->entries);
    } else {
        if (f->count == INI_ENTRIES)
            return false;
        while (at > 0 && !same(f->entries[at - 1].section, section))
            at--;
        if (at == 0 && *section != '\0')
            at = f->count;
        memmove(&f->entries[at + 1], &f->entries[at], (f->count - at) * sizeof *f->entries);
        f->count++;
        strcpy(f->entries[at].section, section);
        strcpy(f->entries[at].key, key);
    }
    strcpy(f->entries[at].value, value);
    return true;
}

/* Reads a whole text; bad lines are skipped and the first is noted. */
bool ini_parse(ini_file *f, const char *text)
{
    ini_entry e = {"", "", ""};
    int number = 0;

    memset(f, 0, sizeof *f);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        number++;
        ini_line kind = ini_parse_line(text, len, &e);
        bool good = kind == INI_PAIR ? ini_set(f, e.section, e.key, e.value) : kind != INI_BAD;
        if (!good && f->bad_line == 0)
            f->bad_line = number;
        text += len + (text[len] == '\n');
    }
    return f->bad_line == 0;
}

/* An integer with an optional k, M or G; `otherwise` if it is missing, malformed or out of range. */
long ini_get_integer(const ini_file *f, const char *section, const char *key, long otherwise)
{
    const ini_entry *e = ini_find(f, section, key);
    char *end;

    if (e == NULL || e->value[0] == '\0')
        return otherwise;
    long value = strtol(e->value, &end, 0), scale = 1;
    switch (*end) {
    case 'k':
        scale = 1000L;
        break;
    case 'M':
        scale = 1000000L;
        break;
    case 'G':
        scale = 1000000000L;
        break;
    case '\0':
        return value;
    default:
        return otherwise;
    }
    if (end == e->value || end[1] != '\0' || value > LONG_MAX / scale || value < LONG_MIN / scale)
        return otherwise;
    return value * scale;
}

/* Writes the file as text that reads back the same; returns the length, or 0 if it does not fit. */
size_t ini_write(const ini_file *f, char *out, size_t capacity)
{
    const char *section = "";
    size_t n = 0;

    for (size_t i = 0; i < f->count; i++) {
        const ini_entry *e = &f->entries[i];
        /* Room for the worst case: each character of the value escaped. */
        if (n + strlen(e->section) + strlen(e->key) + 2 * strlen(e->value) + 12 > capacity)
            return 0;
        if (!same(section, e->section)) {
            n += (size_t)sprintf(out + n, "[%s]\n", e->section);
            section = e->section;
        }
        n += (size_t)sprintf(out + n, "%s = \"", e->key);
        for (const char *p = e->value; *p != '\0'; p++) {
            if (strchr("\n\t\"\\", *p) != NULL)
                out[n++] = '\\';
            out[n++] = *p == '\n' ? 'n' : *p == '\t' ? 't' : *p;
        }
        out[n++] = '"';
        out[n++] = '\n';
        out[n] = '\0';
    }
    return n;
}

#ifdef SELF_TEST
int main(void)
{
    static const char text[] = "top = 1 ; first\n\n[Server]\nport= 0x1F90\n host =example.org\n# note\nlimit = 64M\n"
                               "bad line\n[log]\nfile = \"C:\\\\tmp\\t\\\"x\\\"\" # quoted\ncolour = Yes\n[ broken\n"
                               "=3\nSIZE = 12q\nneg = -7k\n[server]\nPORT = 81\nopen = \"never\n";
    static ini_file f, again;
    static char out[1000], line[] = "\"tab\\t\" ; end";
    ini_entry e = {"", "", ""};

    bool good = ini_parse(&f, text);
    printf("%d, line %d\n", good, f.bad_line);
    printf("%ld %ld %ld %ld %ld\n", ini_get_integer(&f, "server", "port", -1), ini_get_integer(&f, "", "top", -1),
           ini_get_integer(&f, "Server", "limit", -1), ini_get_integer(&f, "log", "size", -1),
           ini_get_integer(&f, "log", "neg", -1));
    ini_set(&f, "server", "extra", "a\nb");
    printf("%d\n", ini_set(&f, "a name that is much too long for this", "k", "v"));
    size_t n = ini_write(&f, out, sizeof out);
    printf("%zu\n%s", n, out);
    good = ini_parse(&again, out);
    printf("%d %zu %zu %zu\n", good, f.count, again.count, ini_write(&f, out, 50));
    ini_line kind = ini_parse_line("[ x y ]", 7, &e);
    good = ini_unquote(line);
    printf("%d %s %d '%s' %d\n", (int)kind, e.section, good, line, ini_find(&f, "log", "none") == NULL);
    return 0;
}
#endif
