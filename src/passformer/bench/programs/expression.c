/* A recursive-descent calculator: numbers, variables, functions, comparison and the ternary operator. */
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EXPR_VARIABLES 16
#define EXPR_NAME 16
#define EXPR_DEPTH 64

typedef enum { EXPR_OK, EXPR_SYNTAX, EXPR_UNKNOWN, EXPR_ARGUMENTS, EXPR_DIVISION, EXPR_TOO_DEEP } expr_error;

typedef struct {
    char name[EXPR_NAME];
    double value;
} expr_variable;

typedef struct {
    const char *start, *at;
    expr_error error;
    size_t error_offset;
    int depth;
    expr_variable variables[EXPR_VARIABLES];
    size_t variable_count;
} expr_state;

double expr_ternary(expr_state *s);

/* Keeps only the first error: the ones after it are its consequences. */
static double fail(expr_state *s, expr_error error)
{
    if (s->error == EXPR_OK) {
        s->error = error;
        s->error_offset = (size_t)(s->at - s->start);
    }
    return 0.0;
}

/* Skips blanks, then takes `token` if it is next. */
bool expr_accept(expr_state *s, const char *token)
{
    size_t len = strlen(token);

    while (isspace((unsigned char)*s->at))
        s->at++;
    if (strncmp(s->at, token, len) != 0)
        return false;
    /* "<" must not take the front of "<=". */
    if (len == 1 && strchr("<>", token[0]) != NULL && s->at[1] == '=')
        return false;
    s->at += len;
    return true;
}

static expr_variable *find(expr_state *s, const char *name)
{
    for (size_t i = 0; i < s->variable_count; i++) {
        if (strcmp(s->variables[i].name, name) == 0)
            return &s->variables[i];
    }
    return NULL;
}

bool expr_assign(expr_state *s, const char *name, double value)
{
    expr_variable *v = find(s, name);

    if (v == NULL) {
        if (strlen(name) >= EXPR_NAME || s->variable_count == EXPR_VARIABLES)
            return false;
        v = &s->variables[s->variable_count++];
        strcpy(v->name, name);
    }
    v->value = value;
    return true;
}

/* Called after the opening parenthesis. */
double expr_call(expr_state *s, const char *name)
{
    double args[4];
    size_t count = 0;

    if (!expr_accept(s, ")")) {
        do {
            if (count == sizeof args / sizeof *args)
                return fail(s, EXPR_ARGUMENTS);
            args[count++] = expr_ternary(s);
        } while (expr_accept(s, ","));
        if (!expr_accept(s, ")"))
            return fail(s, EXPR_SYNTAX);
    }
    if (count > 0 && (strcmp(name, "min") == 0 || strcmp(name, "max") == 0)) {
        bool smaller = name[1] == 'i';
        double best = args[0];
        for (size_t i = 1; i < count; i++)
            best = (smaller ? args[i] < best : args[i] > best) ? args[i] : best;
        return best;
    }
    if (count != 1)
        return fail(s, EXPR_ARGUMENTS);
    if (strcmp(name, "sqrt") == 0)
        return args[0] < 0.0 ? fail(s, EXPR_ARGUMENTS) : sqrt(args[0]);
    if (strcmp(name, "floor") == 0)
        return floor(args[0]);
    return fail(s, EXPR_UNKNOWN);
}

double expr_primary(expr_state *s)
{
    if (expr_accept(s, "(")) {
        double value = expr_ternary(s);
        return expr_accept(s, ")") ? value : fail(s, EXPR_SYNTAX);
    }
    if (isdigit((unsigned char)*s->at) || *s->at == '.') {
        char *end;
        double value = strtod(s->at, &end);
        bool empty = end == s->at;
        s->at = end;
        return empty ? fail(s, EXPR_SYNTAX) : value;
    }
    if (isalpha((unsigned char)*s->at)) {
        char name[EXPR_NAME];
        size_t len = 0;
        while (isalnum((unsigned char)*s->at)) {
            if (len + 1 == sizeof name)
                return fail(s, EXPR_UNKNOWN);
            name[len++] = *s->at++;
        }
        name[len] = '\0';
        if (expr_accept(s, "("))
            return expr_call(s, name);
        const expr_variable *v = find(s, name);
        return v == NULL ? fail(s, EXPR_UNKNOWN) : v->value;
    }
    return fail(s, EXPR_SYNTAX);
}

/* Unary signs bind looser than a power: -2^2 is -4, and 2^-1 still works. */
double expr_unary(expr_state *s)
{
    double value;

    /* Every nesting passes here, so this one count bounds the stack. */
    if (++s->depth > EXPR_DEPTH) {
        value = fail(s, EXPR_TOO_DEEP);
    } else if (expr_accept(s, "-")) {
        value = -expr_unary(s);
    } else if (expr_accept(s, "!")) {
        value = expr_unary(s) == 0.0;
    } else {
        value = expr_primary(s);
        if (expr_accept(s, "^"))
            value = pow(value, expr_unary(s));
    }
    s->depth--;
    return value;
}

double expr_term(expr_state *s)
{
    double value = expr_unary(s);

    while (s->error == EXPR_OK) {
        if (expr_accept(s, "*")) {
            value *= expr_unary(s);
        } else if (expr_accept(s, "/") || expr_accept(s, "%")) {
            bool modulo = s->at[-1] == '%';
            double divisor = expr_unary(s);
            if (divisor == 0.0)
                return fail(s, EXPR_DIVISION);
            value = modulo ? fmod(value, divisor) : value / divisor;
        } else {
            break;
        }
    }
    return value;
}

double expr_sum(expr_state *s)
{
    double value = expr_term(s);

    while (s->error == EXPR_OK && (expr_accept(s, "+") || expr_accept(s, "-")))
        value += s->at[-1] == '+' ? expr_term(s) : -expr_term(s);
    return value;
}

double expr_ternary(expr_state *s)
{
    double value = expr_sum(s);

    if (expr_accept(s, "<="))
        value = value <= expr_sum(s);
    else if (expr_accept(s, ">="))
        value = value >= expr_sum(s);
    else if (expr_accept(s, "<"))
        value = value < expr_sum(s);
    else if (expr_accept(s, ">"))
        value = value > expr_sum(s);
    if (s->error != EXPR_OK || !expr_accept(s, "?"))
        return value;
    /* Both branches are evaluated: there are no side effects to avoid. */
    double yes = expr_ternary(s);
    if (!expr_accept(s, ":"))
        return fail(s, EXPR_SYNTAX);
    double no = expr_ternary(s);
    return value != 0.0 ? yes : no;
}

expr_error expr_evaluate(expr_state *s, const char *text, double *result)
{
    s->start = s->at = text;
    s->error = EXPR_OK;
    s->error_offset = 0;
    s->depth = 0;
    *result = expr_ternary(s);
    expr_accept(s, ""); /* only to skip trailing blanks */
    if (*s->at != '\0')
        fail(s, EXPR_SYNTAX);
    return s->error;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    static const char *const texts[] = {
        "1 + 2 * 3", "-2 ^ 2", "2^3^2", "2^-1 ", "(1 + x) / 4", "max(3, 8.5, -pi) % 3", "sqrt(2) * sqrt(2) - 2 < 1e-9",
        "x >= 7 ? 1:2", "!0 - -3", "1 / (x - 7)", "2 +", "nope * 2", "floor(-1.5) - min(2, pi)", "(1, 2)", "sqrt(-1)",
        "max()", "3 4", "averyveryverylongname", "min(1,2,3,4,5)", "1 <= 2 ? 2 > 3 ? 4 : 5 : 6", "  ", ".",
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!1", "1 / 0", "1.5e3 - .5",
    };
    expr_state s = {0};
    double value;

    expr_assign(&s, "x", 1);
    expr_assign(&s, "pi", 3.141592653589793);
    printf("%d\n", expr_assign(&s, "x", 7));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        expr_error error = expr_evaluate(&s, texts[i], &value);
        printf("%s = %.9g, %d at %zu\n", texts[i], error == EXPR_OK ? value : 0.0, (int)error, s.error_offset);
    }
    return 0;
}
#endif
