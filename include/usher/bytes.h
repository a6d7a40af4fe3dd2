/* SPDX-License-Identifier: Apache-2.0 */
/* module: base */
/* Borrowed byte ranges, a reading cursor that latches errors, and the usual text codings. */
#ifndef USHER_BYTES_H
#define USHER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed range; `data` may be NULL when `len` is 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

struct bytes bytes_of(const void *data, size_t len);
struct bytes bytes_of_text(const char *text); /* without the final NUL */
bool bytes_equal(struct bytes a, struct bytes b);
/* Time depends on the lengths only. For secrets and cookies. */
bool bytes_equal_constant_time(struct bytes a, struct bytes b);
/* Order of memcmp, shorter first on a tie. */
int bytes_compare(struct bytes a, struct bytes b);
/* Well-formed UTF-8 (RFC 3629) without NUL. */
bool bytes_is_utf8(struct bytes text);

/* Wipes memory in a way that the compiler does not remove. */
void bytes_wipe(void *data, size_t len);
/* Frees memory that came from malloc after wiping all of it; NULL accepted. For libraries that take
 * an allocator and may hold keys. */
void bytes_wipe_free(void *memory);

/* Fills `data` from the kernel's random source; aborts when the kernel has none (a machine
 * without randomness must not make keys). Any thread. */
void bytes_random(void *data, size_t len);

/* SipHash-2-4 under a 16-byte key: for hash tables whose keys a peer chooses. */
uint64_t bytes_hash(const uint8_t key[static 16], struct bytes data);

/* Reading cursor: after the first read past the end `failed` stays set and reads give zero. */
struct reader {
    const uint8_t *next;
    const uint8_t *end;
    bool failed;
};

void reader_init(struct reader *reader, struct bytes data);
size_t reader_left(const struct reader *reader);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader); /* network order, as all below */
uint32_t reader_u24(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
struct bytes reader_take(struct reader *reader, size_t len); /* empty on failure */
void reader_skip(struct reader *reader, size_t len);

/* Text codings. The encoders write a final NUL and need hex_size / base64_size bytes in `out`.
 * The decoders return false on any bad character, odd length, or when `cap` is too small. */
#define BYTES_HEX_SIZE(len)    ((len) * 2 + 1)
#define BYTES_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void bytes_to_hex(struct bytes data, char *out);
/* A number in decimal digits, with a final NUL; how many digits. */
#define BYTES_DECIMAL_SIZE 21
size_t bytes_to_decimal(uint64_t number, char out[static BYTES_DECIMAL_SIZE]);
int bytes_hex_digit(char c); /* its value; -1: it is none */
bool bytes_from_hex(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len);
/* `url`: RFC 4648 section 5 without padding; else section 4 with padding. The decoder takes both
 * alphabets, with or without padding, since clients mix them. */
void bytes_to_base64(struct bytes data, bool url, char *out);
bool bytes_from_base64(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len);

#endif
