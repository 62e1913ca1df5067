/* An AVL tree of integer keys with subtree sizes: insertion, removal, rank, selection, ranges and checking. */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

typedef struct tree_node {
    struct tree_node *child[2]; /* smaller keys, larger keys */
    int key;
    int height;
    size_t size; /* nodes in this subtree */
} tree_node;

typedef void (*tree_visitor)(int key, void *context);

static int height(const tree_node *n)
{
    return n == NULL ? 0 : n->height;
}

static size_t size(const tree_node *n)
{
    return n == NULL ? 0 : n->size;
}

static void refresh(tree_node *n)
{
    int left = height(n->child[0]), right = height(n->child[1]);

    n->height = 1 + (left > right ? left : right);
    n->size = 1 + size(n->child[0]) + size(n->child[1]);
}

/* Lifts the child on `side` above `n`. */
static tree_node *rotate(tree_node *n, int side)
{
    tree_node *top = n->child[side];

    n->child[side] = top->child[!side];
    top->child[!side] = n;
    refresh(n);
    refresh(top);
    return top;
}

/* Restores the balance of a node whose subtrees are balanced, and returns the new top. */
tree_node *tree_balance(tree_node *n)
{
    int lean = height(n->child[1]) - height(n->child[0]);

    refresh(n);
    if (lean >= -1 && lean <= 1)
        return n;
    int heavy = lean > 0;
    tree_node *child = n->child[heavy];
    /* A child that leans the other way would only swap the imbalance: turn it first. */
    if (height(child->child[!heavy]) > height(child->child[heavy]))
        n->child[heavy] = rotate(child, !heavy);
    return rotate(n, heavy);
}

/* `added` tells whether the key is new; when memory runs out nothing changes. */
tree_node *tree_insert(tree_node *root, int key, bool *added)
{
    if (root == NULL) {
        tree_node *n = malloc(sizeof *n);
        *added = n != NULL;
        if (n != NULL) {
            n->child[0] = n->child[1] = NULL;
            n->key = key;
            refresh(n);
        }
        return n;
    }
    if (key == root->key) {
        *added = false;
        return root;
    }
    int side = key > root->key;
    root->child[side] = tree_insert(root->child[side], key, added);
    return *added ? tree_balance(root) : root;
}

/* Unlinks the smallest node of a tree that has one, and hands it back in `smallest`. */
static tree_node *detach_smallest(tree_node *root, tree_node **smallest)
{
    if (root->child[0] == NULL) {
        *smallest = root;
        return root->child[1];
    }
    root->child[0] = detach_smallest(root->child[0], smallest);
    return tree_balance(root);
}

tree_node *tree_remove(tree_node *root, int key, bool *removed)
{
    if (root == NULL) {
        *removed = false;
        return NULL;
    }
    if (key != root->key) {
        int side = key > root->key;
        root->child[side] = tree_remove(root->child[side], key, removed);
        return *removed ? tree_balance(root) : root;
    }
    tree_node *left = root->child[0], *right = root->child[1], *successor;
    *removed = true;
    free(root);
    if (right == NULL)
        return left;
    right = detach_smallest(right, &successor);
    successor->child[0] = left;
    successor->child[1] = right;
    return tree_balance(successor);
}

/* How many keys are smaller than `key`. */
size_t tree_rank(const tree_node *root, int key)
{
    size_t rank = 0;

    while (root != NULL) {
        if (key <= root->key) {
            root = root->child[0];
        } else {
            rank += size(root->child[0]) + 1;
            root = root->child[1];
        }
    }
    return rank;
}

/* The key that has `index` smaller ones; false when there are not so many. */
bool tree_select(const tree_node *root, size_t index, int *key)
{
    while (root != NULL) {
        size_t left = size(root->child[0]);
        if (index == left) {
            *key = root->key;
            return true;
        }
        if (index < left) {
            root = root->child[0];
        } else {
            index -= left + 1;
            root = root->child[1];
        }
    }
    return false;
}

/* Visits the keys from `low` to `high` in order, without recursion: an AVL path is short. */
size_t tree_range(const tree_node *root, int low, int high, tree_visitor visit, void *context)
{
    const tree_node *stack[64];
    size_t depth = 0, visited = 0;

    for (;;) {
        while (root != NULL) {
            if (root->key < low) {
                root = root->child[1];
                continue;
            }
            stack[depth++] = root;
            root = root->child[0];
        }
        if (depth == 0)
            return visited;
        root = stack[--depth];
        if (root->key > high)
            return visited;
        visit(root->key, context);
        visited++;
        root = root->child[1];
    }
}

/* The height of a sound tree with all keys within [low, high], or -1 if an invariant is broken. */
int tree_check(const tree_node *root, long long low, long long high)
{
    if (root == NULL)
        return 0;
    if (root->key < low || root->key > high)
        return -1;
    int left = tree_check(root->child[0], low, (long long)root->key - 1);
    int right = tree_check(root->child[1], (long long)root->key + 1, high);
    if (left < 0 || right < 0 || left - right > 1 || right - left > 1)
        return -1;
    int expected = 1 + (left > right ? left : right);
    bool sized = root->size == 1 + size(root->child[0]) + size(root->child[1]);
    return root->height == expected && sized ? expected : -1;
}

void tree_free(tree_node *root)
{
    /* Rotating the left side away keeps the stack flat. */
    while (root != NULL) {
        tree_node *left = root->child[0];
        if (left != NULL) {
            root->child[0] = left->child[1];
            left->child[1] = root;
            root = left;
        } else {
            tree_node *right = root->child[1];
            free(root);
            root = right;
        }
    }
}

#ifdef SELF_TEST
#include <stdio.h>

static void show(int key, void *context)
{
    *(long *)context += key;
    printf("%d ", key);
}

int main(void)
{
    tree_node *root = NULL;
    int added = 0, removed = 0, key = 0;
    bool change;
    long sum = 0;

    for (int i = 0; i < 500; i++) {
        root = tree_insert(root, i * 7919 % 1009 - 300, &change);
        added += change;
    }
    for (int i = -300; i < 300; i += 2) {
        root = tree_remove(root, i, &change);
        removed += change;
    }
    printf("%d %d %zu height %d\n", added, removed, size(root), tree_check(root, INT_MIN, INT_MAX));
    size_t visited = tree_range(root, -20, 60, show, &sum);
    printf("| %zu %ld\n", visited, sum);
    for (int probe = -400; probe <= 800; probe += 150) {
        bool found = tree_select(root, tree_rank(root, probe), &key);
        printf("%d: rank %zu next %d\n", probe, tree_rank(root, probe), found ? key : 9999);
    }
    root->height++;
    printf("%d ", tree_check(root, INT_MIN, INT_MAX));
    root = tree_balance(root);
    printf("%d %d\n", tree_check(root, INT_MIN, INT_MAX), tree_check(root, 0, INT_MAX));
    tree_free(root);
    return 0;
}
#endif
