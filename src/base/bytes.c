/* Byte ranges: comparing, wiping, randomness, keyed hash. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/bytes.h"

#include <endian.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){.data = data, .len = len};
}

struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_constant_time(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    /* volatile: the compiler must not leave the loop at the first difference. */
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

void bytes_wipe(void *data, size_t len)
{
    if (len > 0)
        explicit_bzero(data, len);
}

void bytes_wipe_free(void *memory)
{
    if (memory == NULL)
        return;
    bytes_wipe(memory, malloc_usable_size(memory));
    free(memory);
}

void bytes_random(void *data, size_t len)
{
    uint8_t *next = data;
    while (len > 0) {
        ssize_t got = getrandom(next, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        next += got;
        len -= (size_t)got;
    }
}

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* At most 8 bytes, least significant first, as SipHash reads them. */
static inline uint64_t read_little_endian(const uint8_t *data, size_t len)
{
    uint64_t word = 0;

    if (len > 0)
        memcpy(&word, data, len);
    return le64toh(word);
}

uint64_t bytes_hash(const uint8_t key[static 16], struct bytes data)
{
    uint64_t k0 = read_little_endian(key, 8), k1 = read_little_endian(key + 8, 8);
    struct sip_state s = {
        .v0 = k0 ^ 0x736f6d6570736575u,
        .v1 = k1 ^ 0x646f72616e646f6du,
        .v2 = k0 ^ 0x6c7967656e657261u,
        .v3 = k1 ^ 0x7465646279746573u,
    };
    uint64_t last = (uint64_t)data.len << 56;
    while (data.len >= 8) {
        sip_word(&s, read_little_endian(data.data, 8));
        data.data += 8;
        data.len -= 8;
    }
    sip_word(&s, last | read_little_endian(data.data, data.len));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
