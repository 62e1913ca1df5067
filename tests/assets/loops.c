/* Loops of several shapes: nested, with a break, over bytes, with calls in the body. */
unsigned checksum(const unsigned char *data, unsigned length) {
    unsigned a = 1, b = 0;
    for (unsigned i = 0; i < length; i++) {
        a = (a + data[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

int find(const int *values, int n, int wanted) {
    for (int i = 0; i < n; i++)
        if (values[i] == wanted) return i;
    return -1;
}

void sort(int *values, int n) {
    for (int i = 1; i < n; i++) {
        int value = values[i], j = i - 1;
        while (j >= 0 && values[j] > value) {
            values[j + 1] = values[j];
            j--;
        }
        values[j + 1] = value;
    }
}

void transpose(float *out, const float *in, int rows, int columns) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) out[c * rows + r] = in[r * columns + c];
}

int classify(int c) {
    switch (c) {
        case '0' ... '9': return 1;
        case 'a' ... 'z': return 2;
        case 'A' ... 'Z': return 3;
        case ' ':
        case '\t':
        case '\n': return 4;
        case '_': return 2;
        default: return 0;
    }
}
