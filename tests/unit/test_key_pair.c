/* Key pairs: read in every form, kept in one, given in either; what does not belong together. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "usher/key_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char file_text[8192];

static struct bytes read_data(const char *name)
{
    const char *top = getenv("USHER_TEST_SOURCE");
    char path[512];
    snprintf(path, sizeof path, "%s/tests/data/%s", top != NULL ? top : ".", name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(file_text, 1, sizeof file_text, file);
    fclose(file);
    return bytes_of(file_text, len);
}

static void read_device_key(struct secret *out)
{
    struct err err;
    if (key_pair_read_private(read_data("device.key"), out, &err) != ERR_OK)
        fail_msg("%s", err.text);
}

/* PKCS#8 starts with version 0, SEC1 with version 1. */
static void a_private_key_in_both_forms(void **state)
{
    static const uint8_t pkcs8[] = {0x02, 0x01, 0x00}, sec1[] = {0x02, 0x01, 0x01, 0x04, 0x20};
    struct secret key = {0}, other = {0}, again = {0};
    struct err err;
    read_device_key(&key);
    assert_memory_equal(key.data + 3, pkcs8, sizeof pkcs8);
    assert_true(key_pair_to_sec1(&key, &other));
    assert_memory_equal(other.data + 2, sec1, sizeof sec1);
    /* DER of either form is read, and gives the same. */
    assert_int_equal(ERR_OK, key_pair_read_private(secret_bytes(&other), &again, &err));
    assert_true(secret_equal(&again, &key));
    assert_int_equal(ERR_OK, key_pair_read_private(secret_bytes(&key), &again, &err));
    assert_true(secret_equal(&again, &key));
}

static void what_is_no_private_key(void **state)
{
    struct secret key = {0};
    struct err err;
    assert_int_equal(ERR_INVALID, key_pair_read_private(read_data("server.pub.pem"), &key, &err));
    assert_int_equal(ERR_INVALID, key_pair_read_private(bytes_of("", 0), &key, &err));
    assert_int_equal(ERR_INVALID, key_pair_read_private(bytes_of("0\x03\x02\x01", 4), &key, &err));
    assert_int_equal(0, key.len);
    secret_set(&key, bytes_of("no key", 6));
    assert_false(key_pair_to_sec1(&key, &key));
}

static void certificates_come_in_order(void **state)
{
    struct secret key = {0};
    struct buf der;
    struct err err;
    read_device_key(&key);
    buf_init(&der, 4096);
    assert_int_equal(ERR_OK, key_pair_read_certificates(read_data("device.pem"), &der, &err));
    struct bytes all = buf_bytes(&der), first = key_pair_first(all);
    assert_true(first.len > 200 && first.len < all.len);
    assert_int_equal(0x30, all.data[first.len]);
    struct bytes second = bytes_of(all.data + first.len, all.len - first.len);
    assert_int_equal(second.len, key_pair_first(second).len);
    assert_int_equal(ERR_OK, key_pair_check(&key, all, &err));
    assert_int_equal(ERR_CONFLICT, key_pair_check(&key, second, &err));
    buf_clear(&der);
    buf_init(&der, 100);
    assert_int_equal(ERR_TOO_LARGE, key_pair_read_certificates(read_data("ca.pem"), &der, &err));
    buf_clear(&der);
    buf_init(&der, 4096);
    assert_int_equal(ERR_OK, key_pair_read_certificates(read_data("ca.pem"), &der, &err));
    struct buf again; /* DER is read as well */
    buf_init(&again, 4096);
    assert_int_equal(ERR_OK, key_pair_read_certificates(buf_bytes(&der), &again, &err));
    assert_true(bytes_equal(buf_bytes(&der), buf_bytes(&again)));
    buf_clear(&again);
    buf_clear(&der);
    buf_init(&der, 4096);
    assert_int_equal(ERR_INVALID, key_pair_read_certificates(read_data("device.key"), &der, &err));
    buf_clear(&der);
}

static void the_public_half_follows_from_the_private(void **state)
{
    struct secret key = {0};
    struct buf der;
    struct err err;
    read_device_key(&key);
    buf_init(&der, 4096);
    assert_int_equal(ERR_OK, key_pair_public_of(&key, &der, &err));
    assert_int_equal(91, der.len); /* P-256 */
    buf_clear(&der);
}

static void the_first_of_what_is_none(void **state)
{
    assert_int_equal(0, key_pair_first(bytes_of(NULL, 0)).len);
    assert_int_equal(3, key_pair_first(bytes_of("0\x82\x01", 3)).len);
    assert_int_equal(3, key_pair_first(bytes_of("0\x01\x02\x03", 4)).len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_key_in_both_forms),
        cmocka_unit_test(what_is_no_private_key),
        cmocka_unit_test(certificates_come_in_order),
        cmocka_unit_test(the_public_half_follows_from_the_private),
        cmocka_unit_test(the_first_of_what_is_none),
    };
    return cmocka_run_group_tests_name("key_pair", tests, NULL, NULL);
}
