/* An indexed binary heap of priorities, and its uses: heap sort, the k smallest, Dijkstra. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HEAP_MAX 64
#define HEAP_ABSENT (-1)
#define GRAPH_UNREACHABLE UINT32_MAX

/* Items are small integers, so that a queued item can be found again and its priority changed. */
typedef struct {
    uint32_t priority[HEAP_MAX];
    int item[HEAP_MAX];     /* heap order */
    int position[HEAP_MAX]; /* of an item in the heap, or HEAP_ABSENT */
    int count;
} heap;

typedef struct {
    int to;
    uint32_t weight;
    int next; /* index of the next edge from the same node, or -1 */
} graph_edge;

typedef struct {
    int first[HEAP_MAX];
    graph_edge edges[4 * HEAP_MAX];
    int nodes;
    int edge_count;
} graph;

void heap_init(heap *h)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < HEAP_MAX; i++)
        h->position[i] = HEAP_ABSENT;
}

/* Ties go to the smaller item, which makes every order of removal deterministic. */
static bool before(const heap *h, int a, int b)
{
    if (h->priority[a] != h->priority[b])
        return h->priority[a] < h->priority[b];
    return a < b;
}

static void put(heap *h, int at, int item)
{
    h->item[at] = item;
    h->position[item] = at;
}

/* Moves the item at `at` to where it belongs, upwards or downwards. */
static void settle(heap *h, int at)
{
    int item = h->item[at];

    while (at > 0 && before(h, item, h->item[(at - 1) / 2])) {
        put(h, at, h->item[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        int child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h, h->item[child + 1], h->item[child]))
            child++;
        if (!before(h, h->item[child], item))
            break;
        put(h, at, h->item[child]);
        at = child;
    }
    put(h, at, item);
}

/* Adds an item, or changes the priority of one that is queued. */
bool heap_push(heap *h, int item, uint32_t priority)
{
    if (item < 0 || item >= HEAP_MAX)
        return false;
    h->priority[item] = priority;
    if (h->position[item] == HEAP_ABSENT)
        put(h, h->count++, item);
    settle(h, h->position[item]);
    return true;
}

bool heap_remove(heap *h, int item)
{
    if (item < 0 || item >= HEAP_MAX || h->position[item] == HEAP_ABSENT)
        return false;
    int hole = h->position[item];
    int last = h->item[--h->count];
    h->position[item] = HEAP_ABSENT;
    if (last != item) {
        put(h, hole, last);
        settle(h, hole);
    }
    return true;
}

/* Takes the item of the lowest priority, or answers HEAP_ABSENT. */
int heap_pop(heap *h, uint32_t *priority)
{
    if (h->count == 0)
        return HEAP_ABSENT;
    int item = h->item[0];
    if (priority != NULL)
        *priority = h->priority[item];
    heap_remove(h, item);
    return item;
}

/* Ascending, in place, on a max-heap that lives in the array itself. */
void heap_sort(int32_t *values, size_t count)
{
    size_t build = count / 2, end = count;

    while (end > 1) {
        int32_t moving;
        size_t at;
        if (build > 0) {
            at = --build;
            moving = values[at];
        } else {
            moving = values[--end];
            values[end] = values[0];
            at = 0;
        }
        for (size_t child; (child = 2 * at + 1) < end; at = child) {
            if (child + 1 < end && values[child] < values[child + 1])
                child++;
            if (values[child] <= moving)
                break;
            values[at] = values[child];
        }
        values[at] = moving;
    }
}

/* Copies the `k` smallest of `values` to `out` in order; k is cut to `count`. */
size_t heap_smallest(const int32_t *values, size_t count, size_t k, int32_t *out)
{
    size_t held = 0;

    /* An insertion-ordered window: for the small k that callers use it beats a heap. */
    for (size_t i = 0; i < count && k > 0; i++) {
        if (held == k && values[i] >= out[held - 1])
            continue;
        if (held < k)
            held++;
        size_t at = held - 1;
        for (; at > 0 && out[at - 1] > values[i]; at--)
            out[at] = out[at - 1];
        out[at] = values[i];
    }
    return held;
}

void graph_init(graph *g, int nodes)
{
    memset(g, 0, sizeof *g);
    g->nodes = nodes < HEAP_MAX ? nodes : HEAP_MAX;
    for (int i = 0; i < HEAP_MAX; i++)
        g->first[i] = -1;
}

bool graph_connect(graph *g, int from, int to, uint32_t weight, bool both_ways)
{
    int capacity = (int)(sizeof g->edges / sizeof *g->edges);

    if (from < 0 || to < 0 || from >= g->nodes || to >= g->nodes || g->edge_count == capacity)
        return false;
    g->edges[g->edge_count] = (graph_edge){to, weight, g->first[from]};
    g->first[from] = g->edge_count++;
    return !both_ways || graph_connect(g, to, from, weight, false);
}

/* Dijkstra: fills `distance` and `previous` for each node, and returns how many can be reached. */
int graph_shortest(const graph *g, int source, uint32_t *distance, int *previous)
{
    heap queue;
    int reached = 0, node;
    uint32_t so_far;

    for (int i = 0; i < g->nodes; i++) {
        distance[i] = GRAPH_UNREACHABLE;
        previous[i] = -1;
    }
    if (source < 0 || source >= g->nodes)
        return 0;
    heap_init(&queue);
    distance[source] = 0;
    heap_push(&queue, source, 0);
    while ((node = heap_pop(&queue, &so_far)) != HEAP_ABSENT) {
        reached++;
        for (int e = g->first[node]; e >= 0; e = g->edges[e].next) {
            const graph_edge *edge = &g->edges[e];
            /* A sum that would wrap is as good as no way at all. */
            if (edge->weight >= GRAPH_UNREACHABLE - so_far || so_far + edge->weight >= distance[edge->to])
                continue;
            distance[edge->to] = so_far + edge->weight;
            previous[edge->to] = node;
            heap_push(&queue, edge->to, distance[edge->to]);
        }
    }
    return reached;
}

#ifdef SELF_TEST
#include <stdio.h>

int main(void)
{
    heap h;
    graph g;
    uint32_t priority = 0, distance[HEAP_MAX];
    int previous[HEAP_MAX], item;
    int32_t values[40], least[5];

    heap_init(&h);
    for (int i = 0; i < 20; i++)
        heap_push(&h, i, (uint32_t)(i * 7919 % 101));
    heap_push(&h, 5, 1);
    heap_push(&h, 0, 90);
    bool removed = heap_remove(&h, 9);
    printf("%d %d %d\n", removed, heap_remove(&h, 9), heap_push(&h, HEAP_MAX, 0));
    while ((item = heap_pop(&h, &priority)) != HEAP_ABSENT)
        printf("%d:%lu ", item, (unsigned long)priority);
    printf("\n");

    for (int i = 0; i < 40; i++)
        values[i] = i * i * 31 % 211 - 100;
    size_t n = heap_smallest(values, 40, 5, least);
    printf("%zu %d %d\n", n, (int)least[0], (int)least[4]);
    heap_sort(values, 40);
    for (int i = 0; i < 40; i++)
        printf("%d%s", (int)values[i], i < 39 ? " " : "\n");
    graph_init(&g, 12);
    for (int i = 0; i < 10; i++) {
        graph_connect(&g, i, (i * 3 + 1) % 10, (uint32_t)(i + 2), true);
        graph_connect(&g, i, (i + 1) % 10, 9, false);
    }
    printf("%d %d\n", graph_connect(&g, 0, 12, 1, true), graph_shortest(&g, 0, distance, previous));
    for (int i = 0; i < 12; i++)
        printf("%d<-%d %lu\n", i, previous[i], (unsigned long)distance[i]);
    return 0;
}
#endif
