/* Dense matrices: products, LU, eigenvalues; and integer kin: convolution, closure, recurrences. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAT_MAX 16

typedef struct {
    int rows, columns;
    double at[MAT_MAX][MAT_MAX];
} matrix;

typedef struct {
    matrix factors; /* L below the diagonal, U on and above it */
    int order[MAT_MAX];
    int swaps;
} mat_lu;

bool mat_multiply(matrix *out, const matrix *a, const matrix *b)
{
    matrix r = {a->rows, b->columns, {{0}}};

    if (a->columns != b->rows)
        return false;
    for (int i = 0; i < a->rows; i++) {
        /* The middle loop is over k, so that both inner accesses run along rows. */
        for (int k = 0; k < a->columns; k++)
            for (int j = 0; j < b->columns; j++)
                r.at[i][j] += a->at[i][k] * b->at[k][j];
    }
    *out = r;
    return true;
}

void mat_transpose(matrix *m)
{
    int n = m->rows > m->columns ? m->rows : m->columns;

    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            double t = m->at[i][j];
            m->at[i][j] = m->at[j][i];
            m->at[j][i] = t;
        }
    }
    int rows = m->rows;
    m->rows = m->columns;
    m->columns = rows;
}

/* Factors a square matrix with partial pivoting; false if it is singular to working precision. */
bool mat_factor(mat_lu *lu, const matrix *m)
{
    int n = m->rows;

    if (n != m->columns)
        return false;
    lu->factors = *m;
    lu->swaps = 0;
    for (int i = 0; i < n; i++)
        lu->order[i] = i;
    for (int column = 0; column < n; column++) {
        int pivot = column;
        for (int i = column + 1; i < n; i++) {
            if (fabs(lu->factors.at[i][column]) > fabs(lu->factors.at[pivot][column]))
                pivot = i;
        }
        if (fabs(lu->factors.at[pivot][column]) < 1e-12)
            return false;
        if (pivot != column) {
            double row[MAT_MAX];
            memcpy(row, lu->factors.at[pivot], sizeof row);
            memcpy(lu->factors.at[pivot], lu->factors.at[column], sizeof row);
            memcpy(lu->factors.at[column], row, sizeof row);
            int t = lu->order[pivot];
            lu->order[pivot] = lu->order[column];
            lu->order[column] = t;
            lu->swaps++;
        }
        for (int i = column + 1; i < n; i++) {
            double factor = lu->factors.at[i][column] /= lu->factors.at[column][column];
            for (int j = column + 1; j < n; j++)
                lu->factors.at[i][j] -= factor * lu->factors.at[column][j];
        }
    }
    return true;
}

/* Solves A x = b for a factored A: forward through L, then back through U. */
void mat_solve(const mat_lu *lu, const double *b, double *x)
{
    int n = lu->factors.rows;

    for (int i = 0; i < n; i++) {
        x[i] = b[lu->order[i]];
        for (int j = 0; j < i; j++)
            x[i] -= lu->factors.at[i][j] * x[j];
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int j = i + 1; j < n; j++)
            x[i] -= lu->factors.at[i][j] * x[j];
        x[i] /= lu->factors.at[i][i];
    }
}

double mat_determinant(const matrix *m)
{
    mat_lu lu;

    if (!mat_factor(&lu, m))
        return 0.0;
    double product = lu.swaps % 2 == 0 ? 1.0 : -1.0;
    for (int i = 0; i < m->rows; i++)
        product *= lu.factors.at[i][i];
    return product;
}

/* The dominant eigenvalue of a square matrix; `vector` gets its eigenvector, of unit length. */
double mat_dominant(const matrix *m, double *vector, int steps)
{
    double next[MAT_MAX], value = 0.0;
    int n = m->rows;

    for (int i = 0; i < n; i++)
        vector[i] = 1.0;
    while (steps-- > 0) {
        double square = 0.0, dot = 0.0, length = 0.0;
        for (int i = 0; i < n; i++) {
            next[i] = 0.0;
            for (int j = 0; j < n; j++)
                next[i] += m->at[i][j] * vector[j];
            square += next[i] * next[i];
            dot += next[i] * vector[i];
            length += vector[i] * vector[i];
        }
        if (square == 0.0)
            return 0.0;
        /* The Rayleigh quotient keeps the sign, which a norm would lose. */
        double before = value;
        value = dot / length;
        for (int i = 0; i < n; i++)
            vector[i] = next[i] / sqrt(square);
        if (fabs(value - before) <= 1e-13 * fabs(value))
            break;
    }
    return value;
}

/* Convolves a grey image with a 3 by 3 kernel; pixels beyond the border repeat the edge; divisor > 0. */
void image_convolve(const uint8_t *in, uint8_t *out, int width, int height, const int16_t kernel[9], int divisor)
{
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            int32_t sum = 0;
            for (int k = 0; k < 9; k++) {
                int sx = x + k % 3 - 1, sy = y + k / 3 - 1;
                sx = sx < 0 ? 0 : sx >= width ? width - 1 : sx;
                sy = sy < 0 ? 0 : sy >= height ? height - 1 : sy;
                sum += kernel[k] * in[sy * width + sx];
            }
            sum /= divisor;
            out[y * width + x] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
        }
    }
}

/* Warshall on rows of bits: row[i] ends up with each node that i can reach. Returns the pairs. */
int closure(uint32_t *row, int nodes)
{
    int pairs = 0;

    for (int k = 0; k < nodes; k++) {
        for (int i = 0; i < nodes; i++) {
            if (row[i] >> k & 1)
                row[i] |= row[k];
        }
    }
    for (int i = 0; i < nodes; i++)
        for (uint32_t bits = row[i]; bits != 0; bits &= bits - 1)
            pairs++;
    return pairs;
}

/* The n-th number of a linear recurrence by squaring its 2 by 2 step matrix, modulo `modulus`. */
uint32_t recurrence(uint32_t p, uint32_t q, uint64_t n, uint32_t modulus)
{
    uint64_t step[4] = {p % modulus, q % modulus, 1 % modulus, 0};
    uint64_t power[4] = {1 % modulus, 0, 0, 1 % modulus};

    for (; n > 0; n >>= 1) {
        uint64_t next[4];
        for (int which = n & 1 ? 0 : 1; which < 2; which++) {
            uint64_t *left = which == 0 ? power : step;
            for (int i = 0; i < 4; i++) {
                const uint64_t *row = left + (i & 2);
                next[i] = (row[0] * step[i & 1] % modulus + row[1] * step[(i & 1) + 2] % modulus) % modulus;
            }
            memcpy(left, next, sizeof next);
        }
    }
    return (uint32_t)power[2];
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    matrix a = {5, 5, {{0}}}, b = {5, 3, {{0}}}, c, zero = {3, 3, {{0}}};
    double x[MAT_MAX], rhs[MAT_MAX];
    uint8_t image[48], blurred[48];
    static const int16_t sharpen[9] = {0, -1, 0, -1, 5, -1, 0, -1, 0}, box[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    uint32_t row[12];
    mat_lu lu;

    for (int i = 0; i < 5; i++) {
        rhs[i] = i * 2 - 3;
        for (int j = 0; j < 5; j++) {
            a.at[i][j] = (i * 7 + j * 3) % 11 - 4 + (i == j ? 0.5 : 0.0);
            b.at[i][j] = i - j * 1.25;
        }
    }
    printf("%d", mat_multiply(&c, &b, &a));
    mat_multiply(&c, &a, &b);
    mat_transpose(&c);
    for (int i = 0; i < c.rows * 5; i++)
        printf(" %g", c.at[i / 5][i % 5]);
    printf("\n%d %.8g\n", mat_factor(&lu, &zero), mat_determinant(&a));
    if (mat_factor(&lu, &a))
        mat_solve(&lu, rhs, x);
    printf("%.6f %.6f", x[0], x[4]);
    c = a;
    mat_transpose(&c);
    mat_multiply(&c, &c, &a);
    double value = mat_dominant(&c, x, 500);
    printf("\n%.6f %.4f %.4f\n", value, x[0], x[4]);
    for (int i = 0; i < 48; i++)
        image[i] = (uint8_t)(i * i * 5);
    image_convolve(image, blurred, 8, 6, box, 9);
    image_convolve(blurred, image, 8, 6, sharpen, 1);
    for (int i = 0; i < 48; i++)
        printf("%d%s", image[i], i % 8 == 7 ? "\n" : " ");
    for (int i = 0; i < 12; i++)
        row[i] = UINT32_C(1) << (i * 5 + 2) % 12;
    printf("%d ", closure(row, 12));
    printf("%03x %u\n", (unsigned)row[11], (unsigned)recurrence(3, 4000000000, 123456789012345, 4294967291));
    return 0;
}
#endif
