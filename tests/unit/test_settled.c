/* Credentials in one cell: what may go there, and what comes out of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "settled_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct slot *add_active(struct slot_set *set, uint16_t ssid, const char *identity,
                               const char *key)
{
    struct slots *server = slot_set_insert(set, ssid);
    struct slot *active = &server->slot[CREDENTIAL_ACTIVE];
    server->generation = active->generation = 7;
    server->changed_ms = 1795672213619;
    assert_true(identity_set(&active->identity, bytes_of_text(identity)));
    assert_true(secret_set(&active->key, bytes_of_text(key)));
    return active;
}

static void make_set(struct slot_set *set)
{
    slot_set_init(set);
    add_active(set, 202, "meter-7@202", "another key that is long enough");
    add_active(set, 101, "meter-7", "a key");
}

static void test_comes_out_as_it_went_in(void **state)
{
    struct slot_set set, out;
    struct secret packed;
    make_set(&set);
    slot_set_init(&out);
    assert_true(settled_pack(&set, &packed));
    assert_true(settled_unpack(secret_bytes(&packed), &out));
    assert_true(out.has_settled);
    assert_int_equal(out.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct slots *was = &set.servers[i], *is = &out.servers[i];
        const struct slot *before = &was->slot[CREDENTIAL_ACTIVE];
        const struct slot *after = &is->slot[CREDENTIAL_ACTIVE];
        assert_int_equal(is->ssid, i == 0 ? 101 : 202);
        assert_int_equal(is->stored_ssid, is->ssid);
        assert_true(is->is_settled);
        assert_false(is->dirty);
        assert_int_equal(is->generation, 7);
        assert_int_equal(is->changed_ms, 1795672213619);
        assert_int_equal(is->retire_at_ms, 0);
        assert_int_equal(after->generation, 7);
        assert_int_equal(after->kind, CREDENTIAL_KIND_PSK);
        assert_true(
            bytes_equal(identity_bytes(&before->identity), identity_bytes(&after->identity)));
        assert_true(secret_equal(&before->key, &after->key));
        assert_int_equal(is->slot[CREDENTIAL_PENDING].generation, 0);
        assert_int_equal(is->slot[CREDENTIAL_RETIRING].generation, 0);
    }
}

static void test_none_is_an_empty_cell(void **state)
{
    struct slot_set set;
    struct secret packed;
    slot_set_init(&set);
    assert_true(settled_pack(&set, &packed));
    assert_int_equal(packed.len, 0);
    assert_true(settled_unpack(secret_bytes(&packed), &set));
    assert_int_equal(set.count, 0);
    assert_false(set.has_settled);
}

static void refuse(struct slot_set *set)
{
    struct secret packed;
    assert_false(settled_pack(set, &packed));
    assert_int_equal(packed.len, 0);
    make_set(set);
    assert_true(settled_pack(set, &packed));
}

/* One server that is not settled keeps all of them out. */
static void test_what_is_under_way_does_not_go_there(void **state)
{
    struct slot_set set;
    make_set(&set);
    struct slots *server = &set.servers[1];
    server->slot[CREDENTIAL_PENDING].generation = 8;
    refuse(&set);
    server->slot[CREDENTIAL_RETIRING].generation = 6;
    refuse(&set);
    server->retire_at_ms = 1;
    refuse(&set);
    server->generation = 8; /* one was given out that is gone */
    refuse(&set);
    server->slot[CREDENTIAL_ACTIVE].generation = 0;
    refuse(&set);
    strcpy(server->slot[CREDENTIAL_ACTIVE].place, "north");
    refuse(&set);
    server->slot[CREDENTIAL_ACTIVE].kind = CREDENTIAL_KIND_RPK;
    refuse(&set);
    server->slot[CREDENTIAL_ACTIVE].public_part = blob_new(bytes_of_text("a point"));
    struct blob *part = server->slot[CREDENTIAL_ACTIVE].public_part;
    refuse(&set);
    blob_unref(part);
    slot_set_init(&set);
    add_active(&set, 0, "me", "the bootstrap account's");
    refuse(&set);
}

static void test_more_than_fits_does_not_go_there(void **state)
{
    struct slot_set set;
    struct secret packed;
    char name[IDENTITY_MAX + 1], key[65];
    memset(name, 'n', IDENTITY_MAX);
    name[IDENTITY_MAX] = '\0';
    memset(key, 'k', 64);
    key[64] = '\0';
    slot_set_init(&set);
    add_active(&set, 101, name, key); /* the longest there is */
    assert_true(settled_pack(&set, &packed));
    add_active(&set, 102, name, key);
    refuse(&set);
}

static void assert_damaged(struct bytes packed)
{
    struct slot_set set;
    slot_set_init(&set);
    assert_false(settled_unpack(packed, &set));
    slot_set_clear(&set);
}

static void test_damage_is_found(void **state)
{
    struct slot_set set;
    struct secret packed;
    make_set(&set);
    assert_true(settled_pack(&set, &packed));
    size_t first = 1 + 2 + 8 + 8 + 1 + strlen("meter-7") + 1 + strlen("a key");
    for (size_t len = 1; len < packed.len; len++) {
        if (len != first)
            assert_damaged(bytes_of(packed.data, len));
    }
    struct secret bad = packed;
    bad.data[0] = 2; /* a version of another day */
    assert_damaged(secret_bytes(&bad));
    bad = packed;
    bad.data[1] = bad.data[2] = 0; /* no server */
    assert_damaged(secret_bytes(&bad));
    bad = packed;
    memcpy(bad.data + first, bad.data + 1, 2); /* the same server twice */
    assert_damaged(secret_bytes(&bad));
    bad = packed;
    memset(bad.data + 3, 0, 8); /* generation 0 */
    assert_damaged(secret_bytes(&bad));
    bad = packed;
    bad.data[19] = 255; /* a longer identity than there is */
    assert_damaged(secret_bytes(&bad));
}

/* Nine servers are more than a device may have, however short they are. */
static void test_too_many_servers_are_damage(void **state)
{
    uint8_t packed[1 + (SERVERS_MAX + 1) * 20] = {1};
    struct slot_set set;
    for (uint8_t i = 0; i <= SERVERS_MAX; i++) {
        packed[1 + 20 * i + 1] = (uint8_t)(i + 1); /* its id */
        packed[1 + 20 * i + 9] = 1;                /* generation */
    }
    slot_set_init(&set);
    assert_true(settled_unpack(bytes_of(packed, sizeof packed - 20), &set));
    assert_int_equal(set.count, SERVERS_MAX);
    assert_damaged(bytes_of(packed, sizeof packed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_out_as_it_went_in),
        cmocka_unit_test(test_none_is_an_empty_cell),
        cmocka_unit_test(test_what_is_under_way_does_not_go_there),
        cmocka_unit_test(test_more_than_fits_does_not_go_there),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_too_many_servers_are_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
