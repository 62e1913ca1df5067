/* What makes splitting and measuring hard: computed goto, statics, an alias, sections, tables, a mutable global. */
static const char *const names[] = {"push", "add", "mul", "halt"};
static const unsigned char weights[16] = {1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 7, 9, 11, 15};
const int visible_limits[4] = {10, 100, 1000, 10000};
int num_steps;
static int last_result = -1;

static int weigh(unsigned index) {
    return weights[index & 15] + visible_limits[index & 3];
}

int run(const unsigned char *code, int length) {
    static const void *const labels[] = {&&push, &&add, &&mul, &&halt};
    int stack[32], top = 0, at = 0;
    if (length <= 0) return 0;
    goto *labels[code[at] & 3];
push:
    stack[top++ & 31] = weigh(code[at]);
    goto next;
add:
    stack[top & 31] += stack[(top - 1) & 31];
    goto next;
mul:
    stack[top & 31] *= stack[(top - 1) & 31];
next:
    num_steps++;
    if (++at < length) goto *labels[code[at] & 3];
halt:
    return last_result = stack[(top - 1) & 31];
}

const char *name_of(unsigned opcode) {
    return opcode < 4 ? names[opcode] : "unknown";
}

int last(void) {
    return last_result;
}

__attribute__((section("startup"), noinline)) int boot(int *counts, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += counts[i] * weigh((unsigned)i);
    return sum;
}

int start(const unsigned char *code, int length) __attribute__((alias("run")));

int start_twice(const unsigned char *code, int length) {
    return start(code, length) + start(code, length / 2);
}
