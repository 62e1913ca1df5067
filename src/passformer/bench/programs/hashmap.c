/* A string-keyed hash map with open addressing, Robin Hood probing and backward-shift deletion. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *key; /* NULL marks a free slot */
    uint32_t hash;
    int64_t value;
} map_slot;

typedef struct {
    map_slot *slots;
    size_t capacity; /* zero or a power of two */
    size_t used;
} hashmap;

typedef struct {
    size_t longest_probe;
    double mean_probe;
    double load;
} map_statistics;

typedef bool (*map_visitor)(const char *key, int64_t *value, void *context);

/* FNV with a final mix, since only the low bits pick the slot. */
uint32_t map_hash(const char *key)
{
    uint32_t h = UINT32_C(2166136261);

    while (*key != '\0') {
        h ^= (uint8_t)*key++;
        h *= UINT32_C(16777619);
    }
    h ^= h >> 15;
    h *= UINT32_C(0x2c1b3c6d);
    h ^= h >> 12;
    return h;
}

static size_t distance(const hashmap *m, size_t at)
{
    return (at - m->slots[at].hash) & (m->capacity - 1);
}

/* Places a slot known to be absent; the richer of two slots gives way. */
static void place(hashmap *m, map_slot entry)
{
    size_t mask = m->capacity - 1;
    size_t at = entry.hash & mask;

    for (size_t travelled = 0; m->slots[at].key != NULL; at = (at + 1) & mask, travelled++) {
        size_t theirs = distance(m, at);
        if (theirs < travelled) {
            map_slot evicted = m->slots[at];
            m->slots[at] = entry;
            entry = evicted;
            travelled = theirs;
        }
    }
    m->slots[at] = entry;
    m->used++;
}

bool map_resize(hashmap *m, size_t capacity)
{
    hashmap bigger = {NULL, 8, 0};

    while (bigger.capacity < capacity || bigger.capacity * 7 / 8 < m->used)
        bigger.capacity *= 2;
    bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].key != NULL)
            place(&bigger, m->slots[i]);
    }
    free(m->slots);
    *m = bigger;
    return true;
}

static map_slot *find(const hashmap *m, const char *key)
{
    if (m->used == 0)
        return NULL;
    uint32_t hash = map_hash(key);
    size_t mask = m->capacity - 1;
    size_t at = hash & mask;
    for (size_t travelled = 0; m->slots[at].key != NULL; travelled++, at = (at + 1) & mask) {
        map_slot *slot = &m->slots[at];
        if (slot->hash == hash && strcmp(slot->key, key) == 0)
            return slot;
        /* The key would have evicted this slot, so it is not in the map. */
        if (distance(m, at) < travelled)
            return NULL;
    }
    return NULL;
}

/* The value's place, made with `initial` when the key is new; NULL when memory runs out. */
int64_t *map_get_or_insert(hashmap *m, const char *key, int64_t initial)
{
    map_slot *slot = find(m, key);

    if (slot != NULL)
        return &slot->value;
    if ((m->capacity == 0 || m->used + 1 > m->capacity * 7 / 8) && !map_resize(m, m->capacity * 2))
        return NULL;
    size_t bytes = strlen(key) + 1;
    map_slot entry = {malloc(bytes), map_hash(key), initial};
    if (entry.key == NULL)
        return NULL;
    memcpy(entry.key, key, bytes);
    place(m, entry);
    slot = find(m, key);
    return slot == NULL ? NULL : &slot->value;
}

bool map_get(const hashmap *m, const char *key, int64_t *value)
{
    const map_slot *slot = find(m, key);

    if (slot == NULL)
        return false;
    if (value != NULL)
        *value = slot->value;
    return true;
}

/* Moves the followers back by one rather than leaving a tombstone. */
bool map_remove(hashmap *m, const char *key)
{
    map_slot *slot = find(m, key);

    if (slot == NULL)
        return false;
    free(slot->key);
    size_t mask = m->capacity - 1;
    size_t hole = (size_t)(slot - m->slots);
    for (;;) {
        size_t next = (hole + 1) & mask;
        if (m->slots[next].key == NULL || distance(m, next) == 0)
            break;
        m->slots[hole] = m->slots[next];
        hole = next;
    }
    m->slots[hole].key = NULL;
    m->used--;
    return true;
}

/* Calls `visit` on each pair until it answers false; returns how many were visited. */
size_t map_each(hashmap *m, map_visitor visit, void *context)
{
    size_t visited = 0;

    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].key == NULL)
            continue;
        visited++;
        if (!visit(m->slots[i].key, &m->slots[i].value, context))
            break;
    }
    return visited;
}

map_statistics map_measure(const hashmap *m)
{
    map_statistics s = {0, 0.0, 0.0};
    size_t total = 0;

    for (size_t i = 0; i < m->capacity; i++) {
        if (m->slots[i].key == NULL)
            continue;
        size_t d = distance(m, i);
        total += d;
        if (d > s.longest_probe)
            s.longest_probe = d;
    }
    if (m->used > 0) {
        s.mean_probe = (double)total / (double)m->used;
        s.load = (double)m->used / (double)m->capacity;
    }
    return s;
}

void map_clear(hashmap *m)
{
    for (size_t i = 0; i < m->capacity; i++)
        free(m->slots[i].key);
    free(m->slots);
    m->slots = NULL;
    m->capacity = 0;
    m->used = 0;
}

#ifdef SELF_TEST
#include <stdio.h>

static bool add_up(const char *key, int64_t *value, void *context)
{
    *(int64_t *)context += *value * (int64_t)strlen(key);
    return *value != 77;
}

int main(void)
{
    hashmap m = {NULL, 0, 0};
    char key[16];
    int64_t value = 0, sum = 0;

    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "key%d", i * 37 % 300);
        int64_t *count = map_get_or_insert(&m, key, i);
        if (count != NULL)
            *count += 1;
    }
    for (int i = 0; i < 300; i += 3) {
        snprintf(key, sizeof key, "key%d", i);
        if (!map_remove(&m, key))
            printf("missing %s\n", key);
    }
    printf("%zu of %zu, %d %d\n", m.used, m.capacity, map_get(&m, "key3", NULL), map_get(&m, "key4", &value));
    printf("%lld %08lx\n", (long long)value, (unsigned long)map_hash("key4"));
    size_t visited = map_each(&m, add_up, &sum);
    printf("%zu %lld %d\n", visited, (long long)sum, map_remove(&m, "nothing"));
    map_statistics s = map_measure(&m);
    printf("%zu %.4f %.4f\n", s.longest_probe, s.mean_probe, s.load);
    bool resized = map_resize(&m, 1000);
    printf("%d %zu\n", resized, m.capacity);
    map_clear(&m);
    printf("%d\n", map_get(&m, "key4", NULL));
    return 0;
}
#endif
